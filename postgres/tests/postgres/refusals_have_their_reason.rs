//! The server refuses a statement: the store says why, nothing is stored, and the next call works.

use voicemail::message::Origin;
use voicemail::store::{Deposit, MessageStore as _, StoreError};
use voicemail_postgres::Database;

use super::support::messages::message;
use super::support::server::{Server, execute};
use super::support::{mailbox, store_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_deposit_has_its_reason_and_stores_nothing() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let store = store_in(&Database::builder(&address).connections(1).connect().await.unwrap()).await;
    let (number, message) = (mailbox("2041"), message(b"refused", 0));
    let no_space = |error: &StoreError| matches!(error, StoreError::NoSpace(_));
    let not_writable = |error: &StoreError| matches!(error, StoreError::NotWritable(_));
    let unavailable = |error: &StoreError| matches!(error, StoreError::Unavailable(_));
    // Disk full, no right, serialization, deadlock, lock not available, shutting down, read only, an unknown function.
    for (state, is_right) in [
        ("53100", &no_space as &dyn Fn(&StoreError) -> bool),
        ("42501", &not_writable),
        ("40001", &unavailable),
        ("40P01", &unavailable),
        ("55P03", &unavailable),
        ("57P01", &unavailable),
        ("25006", &unavailable),
        ("42883", &unavailable),
    ] {
        execute(
            &address,
            &format!(
                "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'the words of a server' USING ERRCODE = '{state}'; END $$; \
                 CREATE TRIGGER refuse BEFORE INSERT ON voicemail.message EXECUTE FUNCTION refuse()"
            ),
        )
        .await;
        let refused = store.deposit(&number, &Origin::Here, &message).await.unwrap_err();
        assert!(is_right(&refused) && refused.is_transient(), "{state}: {refused:?}");
        assert!(!refused.to_string().contains("words of a server"), "{refused}");
        execute(&address, "DROP TRIGGER refuse ON voicemail.message").await;
        assert!(store.list(&number).await.unwrap().is_empty(), "{state}: something was stored");
    }
    assert_eq!(store.deposit(&number, &Origin::Here, &message).await.unwrap(), Deposit::Stored(message.id()));
}
