//! The connection is cut after the n-th message: no acknowledged message is missing, none is there twice, and the next call works.

use voicemail::message::Origin;
use voicemail::store::{MessageStore as _, StoreError};
use voicemail_postgres::{Database, PostgresStore};

use super::support::messages::message;
use super::support::relay::{From, Relay};
use super::support::server::Server;
use super::support::{mailbox, store_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_after_any_message_is_settled_by_the_next_deposit() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let direct = store_in(&Database::connect(&address).await.unwrap()).await;
    let relay = Relay::to(server.port()).await;
    let through = address.replace(&server.port().to_string(), &relay.port().to_string());
    let (number, known) = (mailbox("2041"), message(b"known", -1));
    direct.deposit(&number, &Origin::Here, &known).await.unwrap();
    let (mut acknowledged, mut lost_answers) = (1_usize, 0);
    for from in [From::Server, From::Node] {
        for is_warm in [false, true] {
            for n in 0.. {
                let database = Database::builder(&through).connections(2).connect().await.unwrap();
                let store = PostgresStore::builder(&database).build();
                if is_warm {
                    // The statement is prepared.
                    store.deposit(&number, &Origin::Here, &known).await.unwrap();
                }
                let message = message(&vec![7; 20_000], n);
                relay.cut_after(from, n);
                let answer = store.deposit(&number, &Origin::Here, &message).await;
                let was_cut = relay.heal(from);
                match &answer {
                    Ok(_) => {}
                    Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
                }
                // The sender tries again until it gets an answer. A node that has just met the cut waits a moment before it connects.
                let retried = async {
                    while store.deposit(&number, &Origin::Here, &message).await.is_err() {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::time::timeout(std::time::Duration::from_secs(2), retried).await.unwrap();
                lost_answers += usize::from(answer.is_err());
                acknowledged += 1;
                let listed = store.list(&number).await.unwrap();
                assert_eq!(listed.len(), acknowledged, "cut after {n} messages from {from:?}, answered {answer:?}");
                if !was_cut {
                    break;
                }
            }
        }
    }
    assert!(lost_answers > 30, "only {lost_answers} deposits met a cut");
    for entry in direct.list(&number).await.unwrap() {
        direct.retrieve(&number, entry.head.id).await.unwrap();
    }
    assert_eq!(direct.summary(&number).await.unwrap().new as usize, acknowledged);
}
