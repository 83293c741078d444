//! The server crashes and comes back: calls fail within a bounded time, and work again within two seconds.

use std::time::{Duration, Instant};

use voicemail::message::Origin;
use voicemail::store::{Deposit, MessageStore as _, StoreError};
use voicemail_postgres::{Database, PostgresStore};

use super::support::messages::message;
use super::support::server::Server;
use super::support::{mailbox, store_in};

/// Calls until it works; answers how long that took.
async fn until_it_works(store: &PostgresStore) -> Duration {
    let start = Instant::now();
    while store.summary(&mailbox("2041")).await.is_err() {
        tokio::task::yield_now().await;
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashed_and_came_back_serves_again() {
    let Some(mut server) = Server::start(&[]) else { return };
    let address = server.create_database().await;
    let store = store_in(&Database::connect(&address).await.unwrap()).await;
    let number = mailbox("2041");
    let (first, second) = (message(b"before the crash", 0), message(b"after the crash", 1));
    store.deposit(&number, &Origin::Here, &first).await.unwrap();
    let version = store.state(&number).await.unwrap().version;

    for _ in 0..3 {
        server.crash();
        let start = Instant::now();
        for _ in 0..20 {
            let refused = store.deposit(&number, &Origin::Here, &second).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
            assert!(matches!(store.summary(&number).await, Err(StoreError::Unavailable(_))));
        }
        assert!(start.elapsed() < Duration::from_secs(5), "refusals took {:?}", start.elapsed());
        server.launch();
        let took = until_it_works(&store).await;
        assert!(took < Duration::from_secs(2), "service came back after {took:?}");
    }
    assert_eq!(store.deposit(&number, &Origin::Here, &first).await.unwrap(), Deposit::Duplicate);
    assert_eq!(store.deposit(&number, &Origin::Here, &second).await.unwrap(), Deposit::Stored(second.id()));
    assert!(store.state(&number).await.unwrap().version > version);
}
