//! A store on a real server keeps the contract of message stores, with and without a directory.

use voicemail::conformance;
use voicemail_postgres::{Database, PostgresStore};

use super::support::server::{Server, execute};
use super::support::{database, directory, store_in};

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    if Server::common().is_none() {
        return;
    }
    conformance::store::run_all(|| async { store_in(&database().await.unwrap()).await }).await;
    conformance::store::run_copyable(|| async { store_in(&database().await.unwrap()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remembers_arrivals_until_they_are_settled() {
    if Server::common().is_none() {
        return;
    }
    let address = Server::common().unwrap().create_database().await;
    let store = store_in(&Database::connect(&address).await.unwrap()).await;
    conformance::store::remembered(&store, async |wait| {
        let seconds = wait.as_secs();
        execute(&address, &format!("UPDATE voicemail.arrival SET free_at = free_at - make_interval(secs => {seconds})")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arrival_in_work_is_taken_by_no_other_node() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let node = async || store_in(&Database::connect(&address).await.unwrap()).await;
    conformance::store::extended(&node().await, &node().await, async |wait| {
        let milliseconds = wait.as_millis();
        let sql = format!("UPDATE voicemail.arrival SET free_at = free_at - {milliseconds} * interval '1 millisecond'");
        execute(&address, &sql).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_with_a_directory() {
    if Server::common().is_none() {
        return;
    }
    conformance::store::run_all(|| async { PostgresStore::builder(&database().await.unwrap()).directory(directory()).build() })
        .await;
    conformance::store::run_copyable(|| async {
        PostgresStore::builder(&database().await.unwrap()).directory(directory()).build()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_is_foretold() {
    let Some(database) = database().await else { return };
    let store = PostgresStore::builder(&database).directory(directory()).max_messages(3).build();
    conformance::store::foretold(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_takes_receipts() {
    let Some(database) = database().await else { return };
    let store = PostgresStore::builder(&database).directory(directory()).max_messages(3).build();
    conformance::store::reported(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_node_changes_nothing() {
    let Some(database) = database().await else { return };
    let store = store_in(&database).await;
    conformance::store::kept_over_a_restart(store, |store| async move {
        drop(store);
        store_in(&database).await
    })
    .await;
}
