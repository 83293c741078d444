//! A wait for a standby that somebody cancels is answered like success by the server, and not by the store.

use voicemail::message::Origin;
use voicemail::store::{Deposit, MessageStore as _, StoreError};
use voicemail_postgres::Database;

use super::support::messages::message;
use super::support::server::{Server, execute};
use super::support::{mailbox, store_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_wait_for_a_standby_is_unavailable() {
    let Some(server) = Server::start(&[]) else { return };
    let address = server.create_database().await;
    let store = store_in(&Database::connect(&address).await.unwrap()).await;
    let number = mailbox("2041");
    let setting = async |names: &str| {
        execute(&address, &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'")).await;
        execute(&address, "SELECT pg_reload_conf()").await;
        while execute(&address, "SHOW synchronous_standby_names").await != [names] {}
    };
    store.deposit(&number, &Origin::Here, &message(b"the connection is warm", 0)).await.unwrap();
    // A statement in this session has to see the setting before the next commit.
    setting("nobody").await;
    while store.summary(&number).await.is_err() {}

    let message = message(b"on one server only", 1);
    let cancel = async {
        let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%voicemail.deposit%'";
        while execute(&address, cancel).await.is_empty() {}
    };
    let (answer, ()) = futures::future::join(store.deposit(&number, &Origin::Here, &message), cancel).await;
    assert!(matches!(&answer, Err(StoreError::Unavailable(reason)) if reason.to_string().contains("standby")), "{answer:?}");

    setting("").await;
    assert_eq!(store.deposit(&number, &Origin::Here, &message).await.unwrap(), Deposit::Duplicate);
}
