//! Two central nodes with one store of greetings: what an owner records at one of them is played by the other at once.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::sync::Arc;

use support::{CENTRAL, address, mailbox, network, wav};
use voicemail::disk::PowerCutDisk;
use voicemail::greeting::{GreetingFolder, GreetingKind, GreetingStore};
use voicemail::message::{Audio, AudioType};
use voicemail::node::Node;
use voicemail::store::MemoryStore;

const NORMAL: GreetingKind = GreetingKind::Normal;

async fn central(spool: &std::path::Path, store: &Arc<MemoryStore>, greetings: &Arc<dyn GreetingStore>) -> Node {
    let network = network();
    let directory = network.directory();
    let node = Node::builder(address(CENTRAL), network, directory, spool);
    node.store(Arc::clone(store)).greetings(Arc::clone(greetings)).open().await.unwrap()
}

#[tokio::test]
async fn a_greeting_recorded_at_one_is_played_by_the_other() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::new(["2001"].map(mailbox))));
    let greetings: Arc<dyn GreetingStore> = Arc::new(GreetingFolder::open(PowerCutDisk::new(), "/shared").await.unwrap());
    let one = central(&folder.path().join("one"), &store, &greetings).await;
    let other = central(&folder.path().join("other"), &store, &greetings).await;
    let owner = mailbox("2001");
    let hello = Audio::new(AudioType::Wav, wav(800, 1));
    let first = one.greet(&owner, NORMAL, hello.clone()).await.unwrap();
    assert_eq!(other.greeting(&owner, NORMAL).await.unwrap(), Some(hello));
    assert!(other.greetings(&owner).await.normal);
    let removed = other.clear_greeting(&owner, NORMAL).await.unwrap();
    assert!(removed > first);
    assert_eq!((one.greeting(&owner, NORMAL).await.unwrap(), one.greetings(&owner).await.normal), (None, false));
}
