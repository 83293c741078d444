//! A node works under a role that has only the rights that the README names.

use std::time::Duration;

use voicemail::conformance;
use voicemail::greeting::{GreetingId, GreetingKind, GreetingStoreExt as _};
use voicemail::message::{Audio, AudioType, Origin};
use voicemail::mwi::LampLease as _;
use voicemail::store::{MessageStore as _, Retention};
use voicemail::telephone::{PinHash, PinStore as _, PinVerdict};
use voicemail_postgres::{
    Database, PostgresGreetings, PostgresJobs, PostgresLease, PostgresLists, PostgresPins, PostgresRules, PostgresSent,
    PostgresStore,
};

use super::support::messages::message;
use super::support::server::{Server, execute};
use super::support::{mailbox, store_in};

/// A database that an operator has set up, and its address for a role with the rights of the README.
async fn limited() -> Option<(String, String)> {
    let server = Server::common()?;
    let address = server.create_database().await;
    Database::connect(&address).await.unwrap();
    let (_, rights) = include_str!("../../README.md").split_once("```sql\n").unwrap();
    let (rights, _) = rights.split_once("```").unwrap();
    let name = address.rsplit('/').next().unwrap();
    let role = format!("node_{name}");
    let rights = rights.replace("DATABASE voicemail", &format!("DATABASE {name}")).replace("voicemail_node", &role);
    execute(&address, &rights).await;
    let limited = address.replace("voicemail@", &format!("{role}@"));
    Some((address, limited))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_keeps_its_contract_with_few_rights() {
    if Server::common().is_none() {
        return;
    }
    conformance::store::run_all(|| async {
        let (_, address) = limited().await.unwrap();
        store_in(&Database::connect(&address).await.unwrap()).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_else_works_with_few_rights_too() {
    let Some((_, address)) = limited().await else { return };
    let database = Database::connect(&address).await.unwrap();
    let (number, now) = (mailbox("2041"), "2026-11-22T18:00:00Z".parse().unwrap());
    let retention = Retention::default().new_for(Duration::from_secs(60)).removed_for(Duration::from_secs(600));
    let store = PostgresStore::builder(&database).retention(retention).build();
    store.create_mailbox(&number).await.unwrap();
    store.deposit(&number, &Origin::Here, &message(b"old", 0)).await.unwrap();
    assert_eq!(store.housekeep().await.unwrap().expired.len(), 1);
    let pins = PostgresPins::new(&database);
    pins.set_hash(&number, &PinHash::new(&"480913".parse().unwrap())).await.unwrap();
    assert_eq!(pins.check(&number, Some(&"4420".parse().unwrap()), "0000", now).await, PinVerdict::Wrong);
    assert_eq!(pins.check(&number, Some(&"4420".parse().unwrap()), "480913", now).await, PinVerdict::Right);
    let greetings = PostgresGreetings::new(&database);
    let (greeting, sound) = (GreetingId::new(number, GreetingKind::Normal), Audio::new(AudioType::Wav, &b"hello"[..]));
    greetings.record(greeting, Some(sound), None, now).await.unwrap();
    let site = "london".parse().unwrap();
    assert_eq!(PostgresLease::new(&database, "node").renew(&[site]).await.unwrap().len(), 1);
    conformance::rules::one_of_two(&PostgresRules::new(&database)).await;
    conformance::lists::apart(&PostgresLists::new(&database)).await;
    conformance::sent::bounded(&PostgresSent::new(&database)).await;
    conformance::jobs::run_all(|| async {
        let database = Database::connect(&limited().await.unwrap().1).await.unwrap();
        (PostgresJobs::new(&database), PostgresJobs::new(&database))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_a_node_cannot_change_a_sound() {
    let Some((_, address)) = limited().await else { return };
    let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    for sql in [
        "UPDATE voicemail.message SET sound = ''",
        "UPDATE voicemail.message SET digest = ''",
        "UPDATE voicemail.message SET sound_id = NULL",
        "UPDATE voicemail.sound SET sound = ''",
        "DELETE FROM voicemail.schema_step",
        "CREATE TABLE voicemail.other (a integer)",
        "DROP TABLE voicemail.gone",
    ] {
        let refused = client.simple_query(sql).await.unwrap_err();
        assert_eq!(refused.code(), Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE), "{sql}");
    }
    drop(client);
    driver.await.unwrap().unwrap();
}
