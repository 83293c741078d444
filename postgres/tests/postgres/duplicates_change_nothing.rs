//! A message that comes again leaves its mailbox as it was: what it was counted for is taken back.

use std::time::Duration;

use voicemail::message::{Message, Origin, Urgency};
use voicemail::store::{Deposit, MessageStore as _, MessageStoreExt as _};
use voicemail_postgres::Database;

use super::support::messages::message;
use super::support::server::{Server, execute};
use super::support::{mailbox, store_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_changes_neither_counts_nor_version() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let store = store_in(&Database::connect(&address).await.unwrap()).await;
    let number = mailbox("2041");
    let messages: Vec<_> = (0..4).map(urgent).collect();
    for message in &messages {
        store.deposit(&number, &Origin::Here, message).await.unwrap();
    }
    store.mark_old(&number, messages[1].id()).await.unwrap();
    store.remove(&number, messages[2].id()).await.unwrap();
    store.remove(&number, messages[3].id()).await.unwrap();
    assert_eq!(store.expunge(&number).await.unwrap(), 2);
    let row = "SELECT row(version, new_n, new_urgent, old_n, old_urgent, removed_n, length_ms, bytes) FROM voicemail.mailbox ORDER BY number";
    let before = execute(&address, row).await;
    for message in &messages {
        assert_eq!(store.deposit(&number, &Origin::Here, message).await.unwrap(), Deposit::Duplicate);
    }
    assert_eq!(execute(&address, row).await, before);
    assert_eq!(store.list(&number).await.unwrap().len(), 2);
}

fn urgent(number: u8) -> Message {
    let plain = message(&[number; 100], i64::from(number));
    let mut head = plain.head().clone();
    (head.urgency, head.length) = (Urgency::Urgent, Duration::from_secs(5));
    Message::new(head, plain.audio().clone())
}
