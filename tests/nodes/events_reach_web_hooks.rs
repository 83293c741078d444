//! A running node reports its messages and lamps to another system, signed.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::{hooks_transcripts_and_mails_go_together as hooks, http_server, support};

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use hooks::{SECRET, webhooks};
use support::{CENTRAL, HIMALAYA, mailbox, node, run, site, soon, wav};
use tokio::sync::mpsc;
use voicemail::arrival::webhook::{NotificationType, SignedHeaders, WebhookQueue, WebhookSecret};
use voicemail::clock::SystemClock;
use voicemail::disk::OsDisk;
use voicemail::forward::{MemoryForwarder, Outcome};
use voicemail::jobs::FolderJobs;
use voicemail::message::{Audio, AudioType, Privacy, ReceiptChoice, Urgency};
use voicemail::mwi::LogSink;
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::retrieval::ReceiptOutcome;
use voicemail::smtp::Reply;
use voicemail::store::{MemoryStore, MessageStore as _, MessageStoreExt as _};

/// Starts a receiver, and the queue of `node`; the bodies of signed requests come out.
async fn reports(node: &Node, folder: &Path) -> (mpsc::UnboundedReceiver<String>, impl Future<Output = ()> + use<>) {
    let (sender, bodies) = mpsc::unbounded_channel();
    let address = http_server::start(move |request| {
        let secret: WebhookSecret = SECRET.parse().unwrap();
        let field = |name| request.field(name);
        let headers = SignedHeaders::new(field("webhook-id"), field("webhook-timestamp"), field("webhook-signature"));
        if secret.verify(headers, &request.body, chrono::Utc::now()).is_ok() {
            let _ = sender.send(String::from_utf8(request.body.clone()).unwrap());
        }
        ("204 No Content", "text/plain", Vec::new())
    });
    let jobs = FolderJobs::open(OsDisk, folder.join("hooks")).await.unwrap();
    let queue = WebhookQueue::new(webhooks(address.port(), &NotificationType::ALL), jobs, SystemClock);
    let events = node.events();
    (bodies, async move { queue.run(events).await })
}

/// Waits for a report that contains each of `words`.
async fn report(bodies: &mut mpsc::UnboundedReceiver<String>, words: &[&str]) {
    let found = async {
        loop {
            let body = bodies.recv().await.unwrap();
            if words.iter().all(|word| body.contains(word)) {
                return;
            }
        }
    };
    soon(found).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heard_and_removed_messages_and_lamps_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new([mailbox("2001")]));
    let node = node(CENTRAL, folder.path()).store(Arc::clone(&store)).sink(LogSink).open().await.unwrap();
    let (mut bodies, queue) = reports(&node, folder.path()).await;
    let (queue, running) = (tokio::spawn(queue), run(&node));
    node.deposit_wav(&site("london"), CallFacts::to(mailbox("2001")), wav(1_200, 1).into()).await.unwrap();
    report(&mut bodies, &["voicemail.lamp.changed", "\"mailbox\":\"2001\"", "\"new\":1,\"old\":0"]).await;
    let id = store.list(&mailbox("2001")).await.unwrap()[0].head.id;
    let of_message = format!("{{\"mailbox\":\"2001\",\"id\":\"{id}\"}}");
    node.store().unwrap().mark_old(&mailbox("2001"), id).await.unwrap();
    report(&mut bodies, &["voicemail.message.heard", &of_message]).await;
    report(&mut bodies, &["voicemail.lamp.changed", "\"new\":0,\"old\":1"]).await;
    node.store().unwrap().remove(&mailbox("2001"), id).await.unwrap();
    report(&mut bodies, &["voicemail.message.removed", &of_message]).await;
    running.stop().await;
    queue.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_reported_as_heard_with_a_receipt_too() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, owner) = (mailbox("2002"), mailbox("2001"));
    let store = Arc::new(MemoryStore::new([owner.clone(), sender.clone()]));
    let node = node(CENTRAL, folder.path()).store(store).open().await.unwrap();
    let (mut bodies, queue) = reports(&node, folder.path()).await;
    let queue = tokio::spawn(queue);
    let service = node.mailbox_service().unwrap().with_receipts(ReceiptChoice::Requested);
    let (to, sound) = ([owner.clone()], Audio::new(AudioType::Wav, wav(1_200, 1)));
    let message = service.compose(&sender, &to, sound, Urgency::Normal, Privacy::Normal).await.unwrap();
    service.deliver(&message, &to).await.remove(0).1.unwrap();
    assert_eq!(service.played(&owner, message.id()).await.unwrap(), ReceiptOutcome::Sent);
    let of_message = format!("{{\"mailbox\":\"2001\",\"id\":\"{}\"}}", message.id());
    report(&mut bodies, &["voicemail.message.heard", &of_message]).await;
    queue.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_message_is_reported_by_a_distributed_node() {
    let folder = tempfile::tempdir().unwrap();
    let forwarder = MemoryForwarder::new();
    forwarder.answer(mailbox("2001"), Outcome::Refused(Reply::new(550, "5.1.1 no such mailbox")));
    let node = node(HIMALAYA, folder.path()).forwarder(forwarder).open().await.unwrap();
    let (mut bodies, queue) = reports(&node, folder.path()).await;
    let (queue, running) = (tokio::spawn(queue), run(&node));
    let kept = node.deposit_wav(&site("tokyo"), CallFacts::to(mailbox("2001")), wav(1_200, 1).into()).await.unwrap();
    let of_message = format!("{{\"mailbox\":\"2001\",\"id\":\"{}\"}}", kept.id);
    report(&mut bodies, &["voicemail.message.parked", &of_message]).await;
    running.stop().await;
    queue.abort();
}
