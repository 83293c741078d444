//! Transcripts through every crash.

use super::*;

const EACH: [Unsynced; 5] =
    [Unsynced::Forgotten, Unsynced::NamesKept, Unsynced::ContentsKept, Unsynced::EvenSectorsKept, Unsynced::OddSectorsKept];

async fn opened(disk: &Arc<dyn Disk>) -> Result<MaildirStore, StoreError> {
    MaildirStore::builder("/store").disk(Arc::clone(disk)).open().await
}

/// A disk with one message, whose transcript is `first`.
async fn disk_with(message: &Message, first: Option<&Transcript>) -> (PowerCutDisk, Arc<dyn Disk>) {
    let power = PowerCutDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(power.clone());
    open_and_deposit(&disk, message).await.unwrap();
    if let Some(first) = first {
        set(&opened(&disk).await.unwrap(), message.id(), first).await.unwrap();
    }
    (power, disk)
}

async fn set(store: &MaildirStore, id: MessageId, transcript: &Transcript) -> Result<(), StoreError> {
    store.set_transcript(&mailbox("2041"), id, transcript).await
}

async fn get(store: &MaildirStore, id: MessageId) -> Option<Transcript> {
    store.transcript(&mailbox("2041"), id).await.unwrap()
}

/// A text of many sectors, no two of which are alike.
fn long(engine: &str) -> Transcript {
    let words: Vec<String> = (0..700).map(|number| format!("{number} {engine}")).collect();
    Transcript::new(&words.join(" "), engine)
}

#[tokio::test]
async fn a_transcript_is_whole_or_absent_after_a_power_cut() {
    let (message, before, after) = (message(&[7; 1000]), long("before"), long("after"));
    for (unsynced, first) in EACH.into_iter().flat_map(|unsynced| [(unsynced, None), (unsynced, Some(&before))]) {
        for operations in 0.. {
            let (power, disk) = disk_with(&message, first).await;
            power.power_off_after(operations);
            let answer = match opened(&disk).await {
                Ok(store) => set(&store, message.id(), &after).await,
                Err(error) => Err(error),
            };
            let was_cut = power.power_cut(unsynced);

            let at = format!("power cut after {operations} operations, {unsynced:?}, answer {answer:?}");
            let store = opened(&disk).await.unwrap();
            let found = get(&store, message.id()).await;
            assert!(found.as_ref() == Some(&after) || answer.is_err() && found.as_ref() == first, "{at}: {found:?}");
            assert_eq!(sound(&store, message.id()).await, *message.audio().bytes(), "{at}");
            set(&store, message.id(), &after).await.unwrap();
            drop(store);
            power.power_cut(unsynced);
            let store = opened(&disk).await.unwrap();
            assert_eq!(get(&store, message.id()).await.as_ref(), Some(&after), "{at}, and after the second answer");
            assert_eq!(disk.list(Path::new("/store/transcripts/2041")).unwrap().len(), 1, "{at}: nothing is left behind");
            if !was_cut {
                assert!(answer.is_ok() && operations > 10, "{at}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_transcript_goes_with_its_message_through_a_power_cut() {
    let (message, text) = (message(&[7; 1000]), long("text"));
    for unsynced in EACH {
        for operations in 0.. {
            let (power, disk) = disk_with(&message, Some(&text)).await;
            power.power_off_after(operations);
            let answer = match opened(&disk).await {
                Ok(store) => remove(&store, message.id()).await,
                Err(error) => Err(error),
            };
            let was_cut = power.power_cut(unsynced);

            let at = format!("power cut after {operations} operations, {unsynced:?}, answer {answer:?}");
            let store = opened(&disk).await.unwrap();
            match store.transcript(&mailbox("2041"), message.id()).await {
                Ok(found) => assert!(answer.is_err() && found.is_none_or(|found| found == text), "{at}"),
                Err(error) => assert!(matches!(error, StoreError::NoSuchMessage(_)), "{at}: {error:?}"),
            }
            match remove(&store, message.id()).await {
                Ok(()) | Err(StoreError::NoSuchMessage(_)) => {}
                Err(error) => panic!("{at}: {error:?}"),
            }
            store.housekeep().await.unwrap();
            assert_eq!(disk.list(Path::new("/store/transcripts/2041")).unwrap(), [""; 0], "{at}: a text without a message");
            if !was_cut {
                assert!(answer.is_ok() && operations > 10, "{at}");
                break;
            }
        }
    }
}

async fn remove(store: &MaildirStore, id: MessageId) -> Result<(), StoreError> {
    store.mark(&mailbox("2041"), id, Status::Removed).await?;
    store.expunge(&mailbox("2041")).await.map(|_| ())
}

#[tokio::test]
async fn a_transcript_is_durable_after_a_flush_that_failed() {
    let (message, text) = (message(&[7; 1000]), long("text"));
    for flush in 0..4 {
        let (power, _) = disk_with(&message, None).await;
        let faulty = FaultyDisk::new(power.clone());
        let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
        let store = opened(&disk).await.unwrap();
        faulty.fail(InjectedFault::after(flush, ErrorKind::Other).only(|operation| operation == Operation::SyncDir));
        let answer = set(&store, message.id(), &text).await;
        assert_eq!(answer.is_err(), faulty.mend() > 0, "{answer:?}");
        set(&store, message.id(), &text).await.unwrap();
        power.power_cut(Unsynced::Forgotten);
        assert_eq!(get(&opened(&disk).await.unwrap(), message.id()).await.as_ref(), Some(&text), "flush {flush}");
    }
}

#[tokio::test]
async fn one_entry_opens_one_file() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::new(OsDisk));
    let before = open(folder.path()).await;
    let messages: Vec<Message> = (0..50).map(|number| message(&[number; 1000])).collect();
    for message in &messages {
        deposit(&before, message).await.unwrap();
    }
    let store = MaildirStore::builder(folder.path()).disk(Arc::new(disk.clone())).open().await.unwrap();
    let opened = || disk.counts().get(&Operation::Open).copied().unwrap_or(0);
    store.summary(&mailbox("2041")).await.unwrap();
    let already = opened();
    let entry = store.entry(&mailbox("2041"), messages[31].id()).await.unwrap();
    assert_eq!((entry.head.id, entry.status, opened() - already), (messages[31].id(), Status::New, 1));
}
