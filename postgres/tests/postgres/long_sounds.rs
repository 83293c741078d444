//! Long sounds are in an object store: no row refers to a sound that is not there, and no object stays for ever.

use std::fs::{self, File};
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures::StreamExt as _;
use futures::future::join;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use voicemail::conformance;
use voicemail::message::{AudioType, Message, Origin};
use voicemail::store::{Deposit, MessageStore as _, MessageStoreExt as _, StoreError};
use voicemail_postgres::sounds::SoundStore;
use voicemail_postgres::{Database, PostgresStore};

use super::support::messages::{from_source, message};
use super::support::relay::{From, Relay};
use super::support::server::{Server, execute};
use super::support::{database, directory, mailbox, store_in};

fn store_with(database: &Database, objects: &Arc<InMemory>) -> PostgresStore {
    let objects: Arc<dyn ObjectStore> = Arc::<InMemory>::clone(objects);
    PostgresStore::builder(database).directory(directory()).sounds(SoundStore::new(objects)).inline_limit(1000).build()
}

async fn count(objects: &InMemory) -> usize {
    objects.list(None).count().await
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_with_sounds_in_an_object_store() {
    if Server::common().is_none() {
        return;
    }
    conformance::store::run_all(|| async {
        let objects = SoundStore::new(Arc::new(InMemory::new()));
        PostgresStore::builder(&database().await.unwrap()).directory(directory()).sounds(objects).inline_limit(0).build()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_long_sounds_are_objects_and_they_go_with_their_messages() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let objects = Arc::new(InMemory::new());
    let store = store_with(&Database::connect(&address).await.unwrap(), &objects);
    let number = mailbox("2041");
    let (short, long) = (message(&[1; 1000], 0), message(&[2; 1001], 1));
    for message in [&short, &long, &long] {
        store.deposit(&number, &Origin::Here, message).await.unwrap();
        assert!(store.retrieve(&number, message.id()).await.unwrap().audio() == message.audio());
    }
    assert_eq!(count(&objects).await, 1, "a duplicate puts nothing");
    store.remove(&number, long.id()).await.unwrap();
    store.expunge(&number).await.unwrap();
    store.housekeep().await.unwrap();
    assert_eq!(count(&objects).await, 1, "somebody may read it still");
    execute(&address, "UPDATE voicemail.sound_gone SET at = at - interval '61 minutes'").await;
    store.housekeep().await.unwrap();
    assert_eq!(count(&objects).await, 0);
    assert_eq!(execute(&address, "SELECT count(*) FROM voicemail.sound_gone").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_sound_is_put_without_the_lock_of_its_mailbox() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let objects = Arc::new(InMemory::new());
    let store = store_with(&Database::connect(&address).await.unwrap(), &objects);
    let number = mailbox("2041");
    store.deposit(&number, &Origin::Here, &message(b"short", 0)).await.unwrap();
    let (mut client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let lock = client.transaction().await.unwrap();
    lock.execute("SELECT FROM voicemail.mailbox WHERE number = '2041' FOR UPDATE", &[]).await.unwrap();
    let unlock_when_put = async {
        while count(&objects).await == 0 {
            tokio::task::yield_now().await;
        }
        lock.rollback().await.unwrap();
    };
    let long = message(&[2; 5000], 1);
    let (deposited, ()) = join(store.deposit(&number, &Origin::Here, &long), unlock_when_put).await;
    assert_eq!(deposited.unwrap(), Deposit::Stored(long.id()));
    drop(client);
    driver.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_equal_deposits_leaves_one_object() {
    let Some(database) = database().await else { return };
    let objects = Arc::new(InMemory::new());
    let (one, other) = (store_with(&database, &objects), store_with(&database, &objects));
    let number = mailbox("2041");
    for n in 0..50 {
        let message = message(&[n; 5000], i64::from(n));
        let deposits = join(one.deposit(&number, &Origin::Here, &message), other.deposit(&number, &Origin::Here, &message)).await;
        let answers = [deposits.0.unwrap(), deposits.1.unwrap()];
        assert_eq!(answers.iter().filter(|answer| **answer == Deposit::Duplicate).count(), 1, "{answers:?}");
        assert_eq!(count(&objects).await, usize::from(n) + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_outside_memory_is_put_part_by_part() {
    let Some(database) = database().await else { return };
    let objects = Arc::new(InMemory::new());
    let store = store_with(&database, &objects);
    let number = mailbox("2041");
    let sound: Vec<u8> = (0..=250).cycle().take(12 << 20).collect();
    for message in [from_source(AudioType::Wav, sound.clone()), from_source(AudioType::Wav, sound[..900].to_vec())] {
        store.deposit(&number, &Origin::Here, &message).await.unwrap();
        let retrieved = store.retrieve(&number, message.id()).await.unwrap();
        assert_eq!(retrieved.audio().digest(), message.audio().digest());
        assert_eq!(retrieved.audio().in_memory().unwrap().len() as u64, message.audio().len());
    }
    assert_eq!(count(&objects).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_object_is_damage_and_a_missing_store_is_not() {
    let Some(database) = database().await else { return };
    let objects = Arc::new(InMemory::new());
    let store = store_with(&database, &objects);
    let number = mailbox("2041");
    let long = message(&[2; 5000], 0);
    store.deposit(&number, &Origin::Here, &long).await.unwrap();
    let without = store_in(&database).await;
    let answer = without.retrieve(&number, long.id()).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    let path = objects.list(None).next().await.unwrap().unwrap().location;
    objects.put(&path, vec![3; 5000].into()).await.unwrap();
    let answer = store.retrieve(&number, long.id()).await;
    assert!(matches!(answer, Err(StoreError::Damaged { .. })), "{answer:?}");
    objects.delete(&path).await.unwrap();
    let answer = store.retrieve(&number, long.id()).await;
    assert!(matches!(answer, Err(StoreError::Damaged { .. })), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_never_leaves_a_row_without_its_sound() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let objects = Arc::new(InMemory::new());
    let direct = store_with(&Database::connect(&address).await.unwrap(), &objects);
    let relay = Relay::to(server.port()).await;
    let through = address.replace(&server.port().to_string(), &relay.port().to_string());
    let number = mailbox("2041");
    let mut sent: Vec<Message> = Vec::new();
    for from in [From::Server, From::Node] {
        for n in 0.. {
            let database = Database::builder(&through).connections(1).connect().await.unwrap();
            let store = store_with(&database, &objects);
            store.check(&number, 0).await.unwrap();
            let message = message(&vec![7; 20_000], n);
            relay.cut_after(from, n);
            let answer = store.deposit(&number, &Origin::Here, &message).await;
            let was_cut = relay.heal(from);
            assert!(matches!(answer, Ok(_) | Err(StoreError::Unavailable(_))), "{answer:?}");
            for entry in direct.list(&number).await.unwrap() {
                direct.retrieve(&number, entry.head.id).await.unwrap();
            }
            let retried = async { while store.deposit(&number, &Origin::Here, &message).await.is_err() {} };
            tokio::time::timeout(Duration::from_secs(2), retried).await.unwrap();
            sent.push(message);
            assert_eq!(direct.list(&number).await.unwrap().len(), sent.len());
            if !was_cut {
                break;
            }
        }
    }
    assert!(sent.len() > 15, "only {} cuts", sent.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_mail_is_staged_in_a_file_that_leaves_nothing() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = PostgresStore::builder(&database).directory(directory()).staging(folder.path()).max_bytes(1000).build();
    let mut mail = store.stage().await.unwrap().unwrap();
    let read = tokio::task::spawn_blocking(move || {
        mail.append(&[1; 600]).unwrap();
        mail.append(&[2; 400]).unwrap();
        assert!(matches!(mail.append(&[3]), Err(StoreError::TooBig { size: 1001, limit: 1000 })));
        let mail = mail.finish();
        (mail.size(), mail.read_at(599, 2).unwrap(), mail.read_at(999, 2).is_err())
    });
    assert_eq!(read.await.unwrap(), (1000, vec![1, 2], true));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn housekeeping_deletes_objects_that_no_message_refers_to() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let folder = tempfile::tempdir().unwrap();
    let objects = SoundStore::new(Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap()));
    let database = Database::connect(&address).await.unwrap();
    let store = PostgresStore::builder(&database).directory(directory()).sounds(objects).build();
    let (number, long) = (mailbox("2041"), message(&vec![7; 100_000], 0));
    store.deposit(&number, &Origin::Here, &long).await.unwrap();

    // Four days ago, as far as anybody can see.
    let then = Utc::now() - TimeDelta::days(4);
    let old = then.date_naive().to_string();
    let name = execute(&address, "SELECT sound_at FROM voicemail.message").await.remove(0);
    let (today, random) = name.split_once('/').unwrap();
    let old_name =
        execute(&address, &format!("UPDATE voicemail.message SET sound_at = '{old}/{random}' RETURNING sound_at")).await;
    fs::rename(folder.path().join(today), folder.path().join(&old)).unwrap();
    let orphan = folder.path().join(&old).join("0f".repeat(16));
    fs::write(&orphan, b"the node died before it wrote the row").unwrap();
    let deleted = folder.path().join(&old).join("1e".repeat(16));
    fs::write(&deleted, b"somebody still reads it, though its message was deleted a moment ago").unwrap();
    execute(&address, &format!("INSERT INTO voicemail.sound_gone (sound_at) VALUES ('{old}/{}')", "1e".repeat(16))).await;
    for file in fs::read_dir(folder.path().join(&old)).unwrap() {
        File::options().write(true).open(file.unwrap().path()).unwrap().set_modified(then.into()).unwrap();
    }

    store.housekeep().await.unwrap();
    assert!(!orphan.exists(), "the orphan is deleted");
    assert!(deleted.exists(), "the sound of a deleted message stays for its hour");
    assert!(store.retrieve(&number, long.id()).await.unwrap().audio() == long.audio(), "{old_name:?} stays");
    store.housekeep().await.unwrap();
    assert_eq!(execute(&address, "SELECT count(*) FROM voicemail.sound_sweep").await, ["1"], "the day is not swept again");
}
