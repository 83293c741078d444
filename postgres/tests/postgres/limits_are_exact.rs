//! A mailbox never holds more than it may, however many nodes deposit at once.

use futures::future::join_all;
use voicemail::message::Origin;
use voicemail::store::{Deposit, MessageStore as _, StoreError};
use voicemail_postgres::{Database, PostgresStore};

use super::support::messages::message;
use super::support::server::Server;
use super::support::{directory, mailbox};

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_exact_with_two_nodes() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let mut stores = Vec::new();
    for _ in 0..2 {
        let database = Database::connect(&address).await.unwrap();
        stores.push(PostgresStore::builder(&database).directory(directory()).max_messages(50).build());
    }
    let number = mailbox("2041");
    let messages: Vec<_> = (0..400_u32).map(|n| message(&n.to_le_bytes(), i64::from(n))).collect();
    let deposits = messages.iter().enumerate().map(|(n, message)| stores[n % 2].deposit(&number, &Origin::Here, message));
    let answers = join_all(deposits).await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(Deposit::Stored(_)))).count(), 50);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(StoreError::MailboxFull(_)))).count(), 350);
    assert_eq!(stores[0].summary(&number).await.unwrap().new, 50);
    assert!(matches!(stores[1].check(&number, 100).await, Err(StoreError::MailboxFull(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_big_is_refused_before_it_comes() {
    let Some(database) = super::support::database().await else { return };
    let store = PostgresStore::builder(&database).directory(directory()).max_bytes(10_000).build();
    let number = mailbox("2041");
    assert!(matches!(store.check(&number, 10_001).await, Err(StoreError::TooBig { size: 10_001, limit: 10_000 })));
    let message = message(&[7; 10_000], 0);
    let answer = store.deposit(&number, &Origin::Here, &message).await;
    assert!(matches!(answer, Err(StoreError::TooBig { limit: 10_000, .. })), "{answer:?}");
}
