//! A node learns of the changes that other nodes make, also when the notification of a change is lost.

use std::time::Duration;

use tokio::time::timeout;
use voicemail::conformance;
use voicemail::store::MessageStore as _;
use voicemail_postgres::Database;

use super::support::server::{Server, execute};
use super::support::{mailbox, store_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_noticed_within_a_second() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let one = store_in(&Database::connect(&address).await.unwrap()).await;
    let other = store_in(&Database::connect(&address).await.unwrap()).await;
    conformance::store::noticed(&one, &other, Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_without_notification_is_noticed_within_3_s() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let store = store_in(&Database::connect(&address).await.unwrap()).await;
    for _ in 0..2 {
        // Changed as by a node that died before it could notify.
        let sql = "UPDATE voicemail.mailbox SET version = voicemail.next_version(version) WHERE number = '2042'";
        execute(&address, sql).await;
        let named = async { while !store.external_changes().await.contains(&mailbox("2042")) {} };
        assert!(timeout(Duration::from_secs(3), named).await.is_ok(), "the change was not noticed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_noticed_after_the_connection_broke() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let one = store_in(&Database::connect(&address).await.unwrap()).await;
    let named = async |number: &str| {
        let named = async { while !one.external_changes().await.contains(&mailbox(number)) {} };
        assert!(timeout(Duration::from_secs(4), named).await.is_ok(), "the change of {number} was not noticed");
    };
    execute(&address, "UPDATE voicemail.mailbox SET version = voicemail.next_version(version) WHERE number = '2041'").await;
    named("2041").await;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute(&address, cut).await;
    execute(&address, "UPDATE voicemail.mailbox SET version = voicemail.next_version(version) WHERE number = '2042'").await;
    named("2042").await;
}
