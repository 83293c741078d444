//! Long mails, which the store writes while they are received.

use std::path::Path;

use super::*;
use crate::disk::{Disk, PowerCutDisk};
use crate::store::MaildirStore;

/// A store with the mailbox 201, on its own disk.
pub(super) async fn maildirs() -> (Arc<PowerCutDisk>, Arc<MaildirStore>) {
    let disk = Arc::new(PowerCutDisk::new());
    let store = MaildirStore::builder("/store").disk(Arc::clone(&disk)).directory(Arc::new(owners()));
    (disk, Arc::new(store.open().await.unwrap()))
}

fn owners() -> StaticDirectory {
    [(mailbox("201"), Owner::new("berlin".parse().unwrap(), chrono_tz::Europe::Berlin))].into_iter().collect()
}

pub(super) fn intake_of(store: &Arc<MaildirStore>) -> IntakeBuilder {
    Intake::builder("vm.example", Arc::clone(store), owners()).node("vm1.example")
}

#[tokio::test]
async fn a_mail_begun_before_tls_leaves_nothing_in_one_under_tls() {
    let (server, connector) = certificate();
    let (disk, store) = maildirs().await;
    let mut client = Client::connect(&intake_of(&store).tls(server).build()).await;
    let begun = START.replace("example>\r\nRCPT", "example> SIZE=2000000\r\nRCPT");
    client.send([format!("{begun}BDAT 100000\r\n").as_bytes(), &b"x".repeat(100_000), b"STARTTLS\r\n"].concat()).await;
    assert!(client.last_reply(5).await.starts_with("220"));
    let mut client = Client { stream: connector.connect(server_name(), client.stream).await.unwrap() };
    let message = message(&b"hello"[..]);
    let sent = mail(&message, TransferEncoding::Base64);
    client.send(pipelined(START, &sent)).await;
    assert_eq!(client.last_reply(4).await, format!("250 2.0.0 kept {}", message.id()));
    let kept = store.retrieve(&mailbox("201"), message.id()).await.unwrap();
    assert!(kept.mail().unwrap().len() < sent.len() + 1000, "a trace and what was sent under TLS");
    assert_eq!(disk.list(Path::new("/store/staging")).unwrap().len(), 1, "the record that arrivals share");
}
