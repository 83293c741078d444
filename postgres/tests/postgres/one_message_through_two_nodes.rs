//! The same message comes through two nodes at once, a thousand times, with expunges between: it is one message.

use futures::future::join;
use voicemail::message::{Origin, Status};
use voicemail::store::{Deposit, MessageStore as _, MessageStoreExt as _};
use voicemail_postgres::{Database, PostgresStore};

use super::support::messages::message;
use super::support::server::Server;
use super::support::{mailbox, store_in};

#[tokio::test(flavor = "multi_thread")]
async fn one_message_through_two_nodes_is_one() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let one = store_in(&Database::connect(&address).await.unwrap()).await;
    let other = PostgresStore::builder(&Database::connect(&address).await.unwrap()).build();
    let number = mailbox("2041");
    for round in 0..1000_u32 {
        let message = message(&round.to_le_bytes(), i64::from(round));
        let expunge = async {
            if round % 2 == 0 {
                other.expunge(&number).await.unwrap();
            }
        };
        let (((first, second), third), ()) = join(
            join(
                join(one.deposit(&number, &Origin::Here, &message), other.deposit(&number, &Origin::Here, &message)),
                other.deposit(&number, &Origin::Here, &message),
            ),
            expunge,
        )
        .await;
        let answers = [first.unwrap(), second.unwrap(), third.unwrap()];
        let stored = answers.iter().filter(|answer| matches!(answer, Deposit::Stored(_))).count();
        assert_eq!(stored, 1, "round {round}: {answers:?}");
        assert_eq!(one.list(&number).await.unwrap().iter().filter(|entry| entry.status == Status::New).count(), 1);
        // Removed, and expunged while it comes again.
        one.remove(&number, message.id()).await.unwrap();
        let (again, expunged) = join(other.deposit(&number, &Origin::Here, &message), one.expunge(&number)).await;
        assert_eq!(again.unwrap(), Deposit::Duplicate, "round {round}: it came back");
        expunged.unwrap();
        assert!(one.list(&number).await.unwrap().is_empty(), "round {round}");
    }
}
