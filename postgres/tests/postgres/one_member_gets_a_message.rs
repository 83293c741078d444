//! Sixteen members accept one message at the same moment, on two nodes: one of them gets it.

use futures::future::{join, join_all};
use voicemail::message::{MailboxId, Origin, Status};
use voicemail::store::{Deposit, MessageStore as _, StoreError};
use voicemail_postgres::{Database, PostgresStore};

use super::support::messages::message;
use super::support::server::Server;
use super::support::{mailbox, store_in};

/// Two nodes' stores in one database, each with connections of its own.
async fn two_nodes() -> Option<[PostgresStore; 2]> {
    let address = Server::common()?.create_database().await;
    let one = store_in(&Database::connect(&address).await.unwrap()).await;
    Some([one, PostgresStore::builder(&Database::connect(&address).await.unwrap()).build()])
}

#[tokio::test(flavor = "multi_thread")]
async fn of_16_members_on_two_nodes_one_gets_the_message() {
    let Some(nodes) = two_nodes().await else { return };
    let (group, members) = (mailbox("2041"), (2101..2117).map(|number| mailbox(&number.to_string())).collect::<Vec<MailboxId>>());
    for member in &members {
        nodes[0].create_mailbox(member).await.unwrap();
    }
    for round in 0..50_u32 {
        let message = message(&round.to_le_bytes(), i64::from(round));
        let Deposit::Stored(id) = nodes[0].deposit(&group, &Origin::Here, &message).await.unwrap() else { panic!() };
        if round % 2 == 0 {
            nodes[1].mark(&group, id, Status::Old).await.unwrap();
        }
        let accepted = members.iter().enumerate().map(|(at, member)| nodes[at % 2].transfer(&group, id, member));
        let answers = join_all(accepted).await;
        let owners: Vec<usize> = (0..16).filter(|at| matches!(answers[*at], Ok(Deposit::Stored(_)))).collect();
        let lost = answers.iter().filter(|answer| matches!(answer, Err(StoreError::NoSuchMessage(gone)) if *gone == id)).count();
        assert_eq!((owners.len(), lost), (1, 15), "round {round}: {answers:?}");
        assert_eq!(nodes[1].deposit(&group, &Origin::Here, &message).await.unwrap(), Deposit::Duplicate);
    }
    let mut listed = 0;
    for member in &members {
        let entries = nodes[1].list(member).await.unwrap();
        assert!(entries.iter().all(|entry| entry.status == Status::New));
        assert_eq!(nodes[0].summary(member).await.unwrap().new as usize, entries.len());
        listed += entries.len();
    }
    assert_eq!((listed, nodes[0].list(&group).await.unwrap().len()), (50, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_in_opposite_directions_all_succeed() {
    let Some([one, other]) = two_nodes().await else { return };
    let (a, b) = (mailbox("2041"), mailbox("2042"));
    for round in 0..100_u32 {
        let (to_b, to_a) = (message(&round.to_le_bytes(), 0), message(&round.to_be_bytes(), 7));
        one.deposit(&a, &Origin::Here, &to_b).await.unwrap();
        one.deposit(&b, &Origin::Here, &to_a).await.unwrap();
        let (moved, back) = join(one.transfer(&a, to_b.id(), &b), other.transfer(&b, to_a.id(), &a)).await;
        assert!(matches!((&moved, &back), (Ok(Deposit::Stored(_)), Ok(Deposit::Stored(_)))), "round {round}: {moved:?} {back:?}");
    }
    assert_eq!((one.list(&a).await.unwrap().len(), one.list(&b).await.unwrap().len()), (100, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_stays_when_its_receiver_is_full() {
    let Some(database) = super::support::database().await else { return };
    let (store, (from, to)) = (store_in(&database).await, (mailbox("2041"), mailbox("2042")));
    let (there, moved) = (message(b"there", 0), message(b"moved", 1));
    store.deposit(&to, &Origin::Here, &there).await.unwrap();
    store.deposit(&from, &Origin::Here, &moved).await.unwrap();
    let small = PostgresStore::builder(&database).max_messages(1).build();
    let refused = small.transfer(&from, moved.id(), &to).await;
    assert!(matches!(&refused, Err(StoreError::MailboxFull(full)) if *full == to), "{refused:?}");
    let nobody = store.transfer(&from, moved.id(), &mailbox("2043")).await;
    assert!(matches!(&nobody, Err(StoreError::NoSuchMailbox(unknown)) if *unknown == mailbox("2043")), "{nobody:?}");
    assert_eq!(store.list(&from).await.unwrap().len(), 1);
    store.deposit(&to, &Origin::Here, &moved).await.unwrap();
    assert_eq!(store.transfer(&from, moved.id(), &to).await.unwrap(), Deposit::Duplicate, "it had arrived there before");
    let summary = store.summary(&from).await.unwrap();
    assert_eq!((summary.new, store.summary(&to).await.unwrap().new), (0, 2));
}
