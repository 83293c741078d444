//! The primary is killed under load, and its synchronous standby is promoted: no acknowledged message is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use voicemail::message::{Message, Origin};
use voicemail::store::{MessageStore as _, StoreError};
use voicemail_postgres::{Database, PostgresStore};

use super::support::messages::message;
use super::support::server::{Server, execute};
use super::support::{mailbox, store_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_loses_no_acknowledged_message() {
    let Some(mut primary) = Server::start(&["wal_level = replica", "max_wal_senders = 4"]) else { return };
    let address = primary.create_database().await;
    store_in(&Database::connect(&address).await.unwrap()).await;
    let standby = primary.standby(&["hot_standby = on"]).unwrap();
    primary.execute("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'").await;
    primary.execute("postgres", "SELECT pg_reload_conf()").await;
    while primary.execute("postgres", "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").await.is_empty() {}

    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let both = address.replace(&format!("127.0.0.1:{}", primary.port()), &hosts);
    let stopped = Arc::new(AtomicBool::new(false));
    let mut senders = Vec::new();
    for sender in 0..8_u32 {
        let store = PostgresStore::builder(&Database::builder(&both).connections(2).connect().await.unwrap()).build();
        senders.push(tokio::spawn(send(store, sender, Arc::clone(&stopped))));
    }
    // Under load: some hundred messages are there.
    let count = "SELECT new_n FROM voicemail.mailbox WHERE number = '2041' AND new_n > 300";
    while execute(&address, count).await.is_empty() {}
    primary.kill();
    standby.promote();
    let promoted = Instant::now();
    let there = address.replace(&primary.port().to_string(), &standby.port().to_string());
    let before: usize = execute(&there, "SELECT count(*) FROM voicemail.message").await[0].parse().unwrap();
    let more = format!("SELECT 1 FROM voicemail.mailbox WHERE number = '2041' AND new_n > {}", before + 100);
    while execute(&there, &more).await.is_empty() {}
    let back = promoted.elapsed();
    stopped.store(true, Ordering::SeqCst);
    let acknowledged: Vec<Message> = join_all(senders).await.into_iter().flat_map(|sender| sender.unwrap()).collect();

    let store = PostgresStore::builder(&Database::connect(&there).await.unwrap()).build();
    let listed = store.list(&mailbox("2041")).await.unwrap();
    for message in &acknowledged {
        let copies = listed.iter().filter(|entry| entry.head.id == message.id()).count();
        assert_eq!(copies, 1, "an acknowledged message is there once");
    }
    println!("acknowledged {}, in the promoted standby {}, service after {back:?}", acknowledged.len(), listed.len());
    assert!(back < Duration::from_secs(3), "service came back {back:?} after the promotion");
}

/// Deposits one message after the other, each until it is acknowledged.
async fn send(store: PostgresStore, sender: u32, stopped: Arc<AtomicBool>) -> Vec<Message> {
    let mut acknowledged = Vec::new();
    for n in 0.. {
        let message = message(&[sender.to_le_bytes(), u32::to_le_bytes(n)].concat(), i64::from(n));
        loop {
            match store.deposit(&mailbox("2041"), &Origin::Here, &message).await {
                Ok(_) => break acknowledged.push(message),
                Err(StoreError::Unavailable(_)) if stopped.load(Ordering::SeqCst) => return acknowledged,
                Err(StoreError::Unavailable(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error:?}"),
            }
        }
        if stopped.load(Ordering::SeqCst) {
            break;
        }
    }
    acknowledged
}
