//! A caller leaves one message for a mailbox with `copies_to`: each receiver has a copy with a status of its own, and the message is no longer there.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::recorded_lamps;
use crate::support;

use std::time::Duration;

use recorded_lamps::LampRecorder;
use support::{CENTRAL, address, clock, mailbox, run, site, wav};
use tempfile::tempdir;
use tokio::time::sleep;
use voicemail::arrival::DistributeStep;
use voicemail::message::{Status, Summary};
use voicemail::network::NetworkDescription;
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MemoryStore, MessageStore as _};

const NETWORK: &str = r#"
    domain = "voicemail.example"

    [lists]
    900 = ["2002", "2003"]

    [[pbx]]
    id = "london"
    voicemail = "central"
    zone = "Europe/London"
    node = "central.voicemail.example"
    time = { sntp = ["ntp.example"] }
    licences = ["voicemail"]
    ports = 4

    [pbx.mailbox.2001]
    [pbx.mailbox.2002]
    [pbx.mailbox.2003]

    [pbx.mailbox.2600]
    copies_to = ["2001", "900"]
"#;

#[tokio::test(start_paused = true)]
async fn one_call_reaches_each_receiver_once() {
    let (folder, network) = (tempdir().unwrap(), toml::from_str::<NetworkDescription>(NETWORK).unwrap().check().unwrap());
    let (directory, board) = (network.directory(), LampRecorder::default());
    let store = MemoryStore::new(["2001", "2002", "2003", "2600"].map(mailbox));
    let node = Node::builder(address(CENTRAL), network, directory.clone(), folder.path()).store(store).sink(board.clone());
    let node = node.clock(clock()).on_arrival(DistributeStep::new(directory)).open().await.unwrap();
    let running = run(&node);
    let kept = node.deposit_wav(&site("london"), CallFacts::to(mailbox("2600")), wav(1_000, 1).into()).await.unwrap();
    sleep(Duration::from_secs(120)).await;
    for receiver in ["2001", "2002", "2003"] {
        assert_eq!(board.summary(receiver), Some(Summary::new(1, 0)), "{receiver}");
    }
    assert_eq!(board.summary("2600"), Some(Summary::default()), "all of them have it");
    node.store().unwrap().mark(&mailbox("2001"), kept.id, Status::Old).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let summaries = ["2001", "2002"].map(|receiver| board.summary(receiver));
    assert_eq!(summaries, [Some(Summary::new(0, 1)), Some(Summary::new(1, 0))], "each has a status of its own");
    running.stop().await;
}
