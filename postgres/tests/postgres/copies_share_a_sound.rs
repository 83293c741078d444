//! All copies of a message have one sound, which goes with the last of them: whatever two nodes do at the same moment.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio_postgres::{Client, NoTls};
use voicemail::message::{MailboxId, Message, MessageId, Origin, Transcript};
use voicemail::store::{Deposit, MessageStore as _, MessageStoreExt as _, StoreError};
use voicemail_postgres::sounds::SoundStore;
use voicemail_postgres::{Database, PostgresStore};

use super::support::messages::message;
use super::support::server::{Server, execute};
use super::support::{mailbox, store_in};

async fn store_at(address: &str) -> PostgresStore {
    store_in(&Database::connect(address).await.unwrap()).await
}

/// A separate session, which may be in the middle of a transaction.
async fn session(address: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn number(address: &str, sql: &str) -> u64 {
    execute(address, sql).await[0].parse().unwrap()
}

async fn shared_sounds(address: &str) -> u64 {
    number(address, "SELECT count(*) FROM voicemail.sound").await
}

/// Waits until a statement waits for a lock.
async fn until_one_waits(address: &str) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waits = async {
        while number(address, waiting).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect("no statement waits for the transaction that is open");
}

async fn is_readable(store: &PostgresStore, number: &str, message: &Message) -> bool {
    match store.retrieve(&mailbox(number), message.id()).await {
        Ok(read) => read.audio() == message.audio(),
        Err(StoreError::NoSuchMessage(_)) => false,
        Err(error) => panic!("the message is damaged: {error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_to_many_mailboxes_stores_one_sound() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let store = store_at(&address).await;
    let sent = message(&vec![7; 40_000], 0);
    let from = mailbox("2041");
    store.deposit(&from, &Origin::Here, &sent).await.unwrap();
    assert_eq!(shared_sounds(&address).await, 0, "a message without copies has its sound in its row");
    let receivers: Vec<MailboxId> = (3000..3100).map(|number| mailbox(&number.to_string())).collect();
    for receiver in &receivers {
        store.create_mailbox(receiver).await.unwrap();
        assert_eq!(store.copy(&from, sent.id(), receiver).await.unwrap(), Deposit::Stored(sent.id()));
        assert_eq!(store.copy(&from, sent.id(), receiver).await.unwrap(), Deposit::Duplicate);
    }
    let bytes = "SELECT (SELECT coalesce(sum(octet_length(sound)), 0) FROM voicemail.message) + (SELECT sum(octet_length(sound)) FROM voicemail.sound)";
    assert_eq!((number(&address, "SELECT count(*) FROM voicemail.message").await, number(&address, bytes).await), (101, 40_000));
    for receiver in &receivers {
        assert!(store.retrieve(receiver, sent.id()).await.unwrap().audio() == sent.audio());
        assert_eq!(store.summary(receiver).await.unwrap().to_string(), "1/0 (0/0)");
    }
    // The message and all copies but one go, whatever way.
    store.remove(&from, sent.id()).await.unwrap();
    store.expunge(&from).await.unwrap();
    for receiver in &receivers[1..] {
        store.remove(receiver, sent.id()).await.unwrap();
        store.expunge(receiver).await.unwrap();
    }
    assert!(is_readable(&store, "3000", &sent).await);
    assert_eq!(shared_sounds(&address).await, 1);
    assert_eq!(store.transfer(&receivers[0], sent.id(), &mailbox("2042")).await.unwrap(), Deposit::Stored(sent.id()));
    assert!(is_readable(&store, "2042", &sent).await);
    voicemail::store::CopyableStore::delete(&store, &mailbox("2042"), sent.id()).await.unwrap();
    assert_eq!(shared_sounds(&address).await, 0, "the sound goes with the last copy");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_delete_the_last_two_leave_no_sound() {
    let Some(server) = Server::common() else { return };
    for (first, second) in [("2041", "2042"), ("2042", "2041")] {
        for end in ["COMMIT", "ROLLBACK"] {
            let address = server.create_database().await;
            let store = store_at(&address).await;
            let sent = message(b"for both", 0);
            store.deposit(&mailbox("2041"), &Origin::Here, &sent).await.unwrap();
            store.copy(&mailbox("2041"), sent.id(), &mailbox("2042")).await.unwrap();
            for number in ["2041", "2042"] {
                store.remove(&mailbox(number), sent.id()).await.unwrap();
            }
            let one = session(&address).await;
            one.batch_execute(&format!("BEGIN; SELECT voicemail.expunge('{first}', false, NULL, 9)")).await.unwrap();
            let second = mailbox(second);
            let (expunged, ()) = tokio::join!(store.expunge(&second), async {
                until_one_waits(&address).await;
                one.batch_execute(end).await.unwrap();
            });
            assert_eq!(expunged.unwrap(), 1);
            let left = u64::from(end == "ROLLBACK");
            assert_eq!((shared_sounds(&address).await, is_readable(&store, first, &sent).await), (left, left == 1), "{end}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_while_its_message_is_deleted_loses_and_leaks_nothing() {
    let Some(server) = Server::common() else { return };
    // Once with a sound that is in the row of its message, and once with one that is shared already.
    for has_copies in [false, true] {
        for copies_first in [false, true] {
            for end in ["COMMIT", "ROLLBACK"] {
                let at = format!("copies: {has_copies}, first: {copies_first}, {end}");
                let address = server.create_database().await;
                let store = store_at(&address).await;
                let (from, to, third) = (mailbox("2041"), mailbox("2042"), mailbox("2044"));
                let sent = message(b"for both", 0);
                store.deposit(&from, &Origin::Here, &sent).await.unwrap();
                if has_copies {
                    store.create_mailbox(&third).await.unwrap();
                    store.copy(&from, sent.id(), &third).await.unwrap();
                    store.remove(&third, sent.id()).await.unwrap();
                    store.expunge(&third).await.unwrap();
                }
                store.remove(&from, sent.id()).await.unwrap();
                let one = session(&address).await;
                let begun = if copies_first {
                    let key = MessageId::random();
                    format!("SELECT voicemail.copy_message('2041', '{}', '2042', false, '{key}', NULL, NULL, NULL)", sent.id())
                } else {
                    "SELECT voicemail.expunge('2041', false, NULL, 9)".to_owned()
                };
                one.batch_execute(&format!("BEGIN; {begun}")).await.unwrap();
                let finish = async {
                    until_one_waits(&address).await;
                    one.batch_execute(end).await.unwrap();
                };
                if copies_first {
                    let (expunged, ()) = tokio::join!(store.expunge(&from), finish);
                    assert_eq!(expunged.unwrap(), 1, "{at}");
                } else {
                    let (copied, ()) = tokio::join!(store.copy(&from, sent.id(), &to), finish);
                    assert_eq!(copied.is_ok(), end == "ROLLBACK", "{at}: {copied:?}");
                    assert!(copied.is_ok() || matches!(copied, Err(StoreError::NoSuchMessage(_))), "{at}");
                    store.expunge(&from).await.unwrap();
                }
                let has_copy = copies_first == (end == "COMMIT");
                assert_eq!(is_readable(&store, "2042", &sent).await, has_copy, "{at}");
                assert_eq!(shared_sounds(&address).await, u64::from(has_copy), "{at}");
            }
        }
    }
}

/// Copies and deletes messages in six mailboxes on two nodes at random.
async fn at_random(nodes: &[PostgresStore], mailboxes: &[MailboxId], sent: &[Message]) {
    let work = (0..8_u64).map(|task| async move {
        let mut state = task.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
        };
        for _ in 0..60 {
            let (store, message) = (&nodes[random(nodes.len())], &sent[random(sent.len())]);
            let (from, to) = (&mailboxes[random(mailboxes.len())], &mailboxes[random(mailboxes.len())]);
            let done = match random(4) {
                0 | 1 => store.copy(from, message.id(), to).await.map(drop),
                2 => store.remove(from, message.id()).await,
                _ => store.expunge(from).await.map(drop),
            };
            assert!(matches!(done, Ok(()) | Err(StoreError::NoSuchMessage(_))), "{done:?}");
        }
    });
    join_all(work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_copies_and_deletions_lose_and_leak_no_sound() {
    let Some(server) = Server::common() else { return };
    for has_objects in [false, true] {
        let address = server.create_database().await;
        let objects = Arc::new(InMemory::new());
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let objects: Arc<dyn ObjectStore> = Arc::<InMemory>::clone(&objects);
            let store = PostgresStore::builder(&Database::connect(&address).await.unwrap()).sounds(SoundStore::new(objects));
            nodes.push(store.inline_limit(if has_objects { 0 } else { 1000 }).build());
        }
        let mailboxes: Vec<MailboxId> = (2041..2047).map(|number| mailbox(&number.to_string())).collect();
        for mailbox in &mailboxes {
            nodes[0].create_mailbox(mailbox).await.unwrap();
        }
        for turn in 0..5_u8 {
            let sent: Vec<Message> = (0..4).map(|at| message(&[turn, at], i64::from(at))).collect();
            for (message, mailbox) in sent.iter().zip(&mailboxes) {
                nodes[0].deposit(mailbox, &Origin::Here, message).await.unwrap();
            }
            at_random(&nodes, &mailboxes, &sent).await;
            execute(&address, "UPDATE voicemail.sound_gone SET at = at - interval '61 minutes'").await;
            tokio::try_join!(nodes[0].housekeep(), nodes[1].housekeep()).unwrap();
        }
        for mailbox in &mailboxes {
            for entry in nodes[0].list(mailbox).await.unwrap() {
                nodes[1].retrieve(mailbox, entry.head.id).await.unwrap();
            }
        }
        let distinct = number(&address, "SELECT count(DISTINCT sound_id) FROM voicemail.message").await;
        assert_eq!(shared_sounds(&address).await, distinct);
        for mailbox in &mailboxes {
            for entry in nodes[0].list(mailbox).await.unwrap() {
                nodes[0].remove(mailbox, entry.head.id).await.unwrap();
            }
            nodes[1].expunge(mailbox).await.unwrap();
        }
        execute(&address, "UPDATE voicemail.sound_gone SET at = at - interval '61 minutes'").await;
        nodes[1].housekeep().await.unwrap();
        assert_eq!((shared_sounds(&address).await, objects.list(None).count().await), (0, 0));
        assert_eq!(number(&address, "SELECT count(*) FROM voicemail.sound_gone").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_stays_as_long_as_a_copy_has_it() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let objects = Arc::new(InMemory::new());
    let sounds = SoundStore::new(Arc::<InMemory>::clone(&objects) as Arc<dyn ObjectStore>);
    let store = PostgresStore::builder(&Database::connect(&address).await.unwrap()).sounds(sounds).inline_limit(0).build();
    let (from, to, sent) = (mailbox("2041"), mailbox("2042"), message(b"long", 0));
    for mailbox in [&from, &to] {
        store.create_mailbox(mailbox).await.unwrap();
    }
    store.deposit(&from, &Origin::Here, &sent).await.unwrap();
    // Copies of old messages are made, too: no object is put for them.
    execute(&address, "UPDATE voicemail.message SET since = since - interval '9 days'").await;
    store.copy(&from, sent.id(), &to).await.unwrap();
    assert_eq!(objects.list(None).count().await, 1);
    for mailbox in [&from, &to] {
        assert!(is_readable(&store, mailbox.as_str(), &sent).await);
        store.remove(mailbox, sent.id()).await.unwrap();
        store.expunge(mailbox).await.unwrap();
        store.housekeep().await.unwrap();
        assert_eq!(objects.list(None).count().await, 1, "somebody may read it still");
        execute(&address, "UPDATE voicemail.sound_gone SET at = at - interval '61 minutes'").await;
        store.housekeep().await.unwrap();
        assert_eq!(number(&address, "SELECT count(*) FROM voicemail.sound_gone").await, 0);
    }
    assert_eq!(objects.list(None).count().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_remembered_for_its_steps_as_a_deposit_is() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let (store, sent) = (store_at(&address).await, message(b"for both", 0));
    store.deposit(&mailbox("2041"), &Origin::Here, &sent).await.unwrap();
    let pending = store.pending_arrivals().unwrap();
    pending.remember().await.unwrap();
    for _ in 0..2 {
        store.copy(&mailbox("2041"), sent.id(), &mailbox("2042")).await.unwrap();
    }
    execute(&address, "UPDATE voicemail.arrival SET free_at = free_at - interval '31 seconds'").await;
    let taken = pending.take(9, Duration::from_secs(30)).await.unwrap();
    assert!(matches!(&taken[..], [one] if one.mailbox == mailbox("2042") && one.id == sent.id()), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_database_without_this_step_are_copied_after_it() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let sent = message(&[9; 3000], 0);
    {
        let store = store_at(&address).await;
        store.deposit(&mailbox("2041"), &Origin::Here, &sent).await.unwrap();
        store.set_transcript(&mailbox("2041"), sent.id(), &Transcript::new("Call me.", "x")).await.unwrap();
    }
    // As the step before left it, but for the bodies of two functions, which this one replaces.
    let back = "DROP TRIGGER clear_choices ON voicemail.mailbox; \
        DROP FUNCTION voicemail.clear_mailbox, voicemail.clear_choices, voicemail.clear_choices_of_deleted; \
        DROP TABLE voicemail.sent_copy, voicemail.sent_message; \
        DROP FUNCTION voicemail.merge_sent_copies, voicemail.record_sent, voicemail.settle_sent; \
        ALTER TABLE voicemail.message DROP COLUMN sound_id; DROP TABLE voicemail.sound; \
        ALTER TABLE voicemail.message ADD CONSTRAINT message_check CHECK ((sound IS NULL) <> (sound_at IS NULL)); \
        DROP FUNCTION voicemail.share_sound, voicemail.copy_message, voicemail.release_sounds; \
        DELETE FROM voicemail.schema_step WHERE number >= 13";
    execute(&address, back).await;
    let store = store_at(&address).await;
    assert!(is_readable(&store, "2041", &sent).await);
    store.copy(&mailbox("2041"), sent.id(), &mailbox("2042")).await.unwrap();
    store.remove(&mailbox("2041"), sent.id()).await.unwrap();
    store.expunge(&mailbox("2041")).await.unwrap();
    assert!(is_readable(&store, "2042", &sent).await);
    assert!(store.transcript(&mailbox("2042"), sent.id()).await.unwrap().is_some());
}
