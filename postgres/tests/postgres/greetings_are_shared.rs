//! Greetings in the database: the newest edition is in force for all nodes.

use chrono::{DateTime, Utc};
use futures::future::join_all;
use voicemail::conformance;
use voicemail::greeting::{
    Greeting, GreetingId, GreetingKind, GreetingStore, GreetingStoreError, GreetingStoreExt as _, GreetingVersion, KeepOutcome,
};
use voicemail::message::{Audio, AudioType};
use voicemail_postgres::{Database, PostgresGreetings};

use super::support::server::{Server, execute};
use super::support::{database, mailbox};

fn now() -> DateTime<Utc> {
    "2026-11-22T18:00:00Z".parse().unwrap()
}

fn sound(text: &str) -> Audio {
    Audio::new(AudioType::Wav, text.as_bytes().to_vec())
}

fn normal() -> GreetingId {
    GreetingId::new(mailbox("2041"), GreetingKind::Normal)
}

#[tokio::test(flavor = "multi_thread")]
async fn greetings_keep_the_contract() {
    if Server::common().is_none() {
        return;
    }
    conformance::greeting::run_all(|| async { PostgresGreetings::new(&database().await.unwrap()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_plays_at_once_what_another_has_recorded() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let connect = async || PostgresGreetings::new(&Database::connect(&address).await.unwrap());
    let nodes = [connect().await, connect().await];
    // Both record at the same time: each is kept as an edition of its own, and the last one is in force everywhere.
    let mut editions = Vec::new();
    for at in 0..20 {
        let recorded = join_all(nodes.iter().enumerate().map(|(node, greetings)| {
            let (greetings, sound) = (greetings.clone(), sound(&format!("{at} at node {node}")));
            tokio::spawn(async move { greetings.record(normal(), Some(sound), None, now()).await.unwrap() })
        }));
        editions.extend(recorded.await.into_iter().map(Result::unwrap));
    }
    let newest = editions.into_iter().max().unwrap();
    for node in &nodes {
        assert_eq!(node.read(&normal()).await.unwrap().unwrap().edition(), newest);
    }
    nodes[0].record(normal(), None, None, now()).await.unwrap();
    assert_eq!(nodes[1].read(&normal()).await.unwrap().unwrap().sound(), None);
    assert!(!nodes[1].recorded(&mailbox("2041"), now()).await.unwrap().normal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_sound_is_reported_once_and_can_come_again() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let greetings = PostgresGreetings::new(&Database::connect(&address).await.unwrap());
    let greeting = Greeting::new(normal(), GreetingVersion::next(None, now()), Some(sound("hello")));
    greetings.put(greeting.clone()).await.unwrap();
    execute(&address, "UPDATE voicemail.greeting SET sound = 'changed'").await;
    assert!(matches!(greetings.read(&normal()).await, Err(GreetingStoreError::Damaged(id)) if id == normal()));
    assert_eq!(greetings.read(&normal()).await.unwrap(), None);
    assert_eq!(greetings.list_all().await.unwrap(), []);
    assert_eq!(greetings.put(greeting.clone()).await.unwrap(), KeepOutcome::Kept);
    assert_eq!(greetings.read(&normal()).await.unwrap(), Some(greeting));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_greetings_are_unavailable() {
    let Some(mut server) = Server::start(&[]) else { return };
    let greetings = PostgresGreetings::new(&Database::connect(&server.create_database().await).await.unwrap());
    server.crash();
    let error = greetings.read(&normal()).await.unwrap_err();
    assert!(matches!(error, GreetingStoreError::Unavailable(_)) && error.is_transient(), "{error:?}");
    let put = greetings.put(Greeting::new(normal(), GreetingVersion::next(None, now()), None)).await;
    assert!(matches!(put, Err(GreetingStoreError::Unavailable(_))), "{put:?}");
}
