//! Copies that are links, and messages that change their mailbox, through every crash.

use super::*;

async fn opened(disk: &Arc<dyn Disk>) -> MaildirStore {
    let store = MaildirStore::builder("/store").disk(Arc::clone(disk)).open().await.unwrap();
    for number in ["2041", "2042"] {
        store.create_mailbox(&mailbox(number)).await.unwrap();
    }
    store
}

async fn in_mailbox(store: &MaildirStore, number: &str) -> Vec<Status> {
    store.list(&mailbox(number)).await.unwrap().iter().map(|entry| entry.status).collect()
}

/// Gives the message, which is in the first mailbox, a transcript.
async fn transcribe(store: &MaildirStore, id: MessageId) {
    store.set_transcript(&mailbox("2041"), id, &Transcript::new("Call me.", "x")).await.unwrap();
}

async fn is_transcribed(store: &MaildirStore, number: &str, id: MessageId) -> bool {
    store.transcript(&mailbox(number), id).await.unwrap() == Some(Transcript::new("Call me.", "x"))
}

async fn copy(store: &MaildirStore, id: MessageId) -> Result<Deposit, StoreError> {
    store.copy(&mailbox("2041"), id, &mailbox("2042")).await
}

async fn transfer(store: &MaildirStore, id: MessageId) -> Result<Deposit, StoreError> {
    store.transfer(&mailbox("2041"), id, &mailbox("2042")).await
}

#[tokio::test]
async fn a_copy_is_a_link_that_survives_a_power_cut_at_any_moment() {
    let message = message(&[7; 10_000]);
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        for operations in 0.. {
            let power = PowerCutDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(power.clone());
            let store = opened(&disk).await;
            deposit(&store, &message).await.unwrap();
            transcribe(&store, message.id()).await;
            power.power_off_after(operations);
            let answer = copy(&store, message.id()).await;
            let was_cut = power.power_cut(unsynced);
            let at = format!("power cut after {operations} operations, {unsynced:?}, answer {answer:?}");
            let store = opened(&disk).await;
            let before = in_mailbox(&store, "2042").await;
            assert!(before.len() == 1 || answer.is_err(), "{at}");
            assert!(before.is_empty() || is_transcribed(&store, "2042", message.id()).await, "{at}");
            assert_eq!(copy(&store, message.id()).await.unwrap() == Deposit::Duplicate, before.len() == 1, "{at}");
            assert_eq!(
                (in_mailbox(&store, "2041").await, in_mailbox(&store, "2042").await),
                (vec![Status::New], vec![Status::New])
            );
            // The message goes, and its copy stays.
            assert!(is_transcribed(&store, "2041", message.id()).await, "{at}");
            store.mark(&mailbox("2041"), message.id(), Status::Removed).await.unwrap();
            store.expunge(&mailbox("2041")).await.unwrap();
            let kept = store.retrieve(&mailbox("2042"), message.id()).await.unwrap();
            assert_eq!(kept.audio().bytes(), message.audio().bytes(), "{at}");
            assert!(is_transcribed(&store, "2042", message.id()).await, "{at}");
            if !was_cut {
                assert!(answer.is_ok() && operations > 3, "{at}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn copies_occupy_the_disk_once_and_stand_without_links_too() {
    let (folder, message) = (tempfile::tempdir().unwrap(), message(&vec![7; 100_000]));
    let store = open(folder.path()).await;
    deposit(&store, &message).await.unwrap();
    copy(&store, message.id()).await.unwrap();
    let name = fs::read_dir(folder.path().join("mail/2042/new")).unwrap().next().unwrap().unwrap();
    let file = OsDisk.open(&name.path()).unwrap();
    assert_eq!(file.links().unwrap(), 2);

    let faulty = FaultyDisk::new(Arc::new(PowerCutDisk::new()));
    let store = opened(&(Arc::new(faulty.clone()) as Arc<dyn Disk>)).await;
    deposit(&store, &message).await.unwrap();
    faulty.fail(InjectedFault::after(0, ErrorKind::Unsupported).only(|operation| operation == Operation::Link).lasting());
    assert_eq!(copy(&store, message.id()).await.unwrap(), Deposit::Stored(message.id()));
    let copied = store.retrieve(&mailbox("2042"), message.id()).await.unwrap();
    assert_eq!(copied.audio().bytes(), message.audio().bytes());
}

#[tokio::test]
async fn a_transfer_loses_and_doubles_nothing_through_power_cuts() {
    let message = message(&[7; 10_000]);
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        for operations in 0.. {
            let power = PowerCutDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(power.clone());
            let store = opened(&disk).await;
            deposit(&store, &message).await.unwrap();
            transcribe(&store, message.id()).await;
            power.power_off_after(operations);
            let answer = transfer(&store, message.id()).await;
            let was_cut = power.power_cut(unsynced);
            let at = format!("power cut after {operations} operations, {unsynced:?}, answer {answer:?}");
            let store = opened(&disk).await;
            let (group, member) = (in_mailbox(&store, "2041").await, in_mailbox(&store, "2042").await);
            assert!(!group.is_empty() || !member.is_empty(), "{at}: the message is lost");
            assert!(answer.is_err() || (group.is_empty() && member == [Status::New]), "{at}");
            let holder = if member.is_empty() { "2041" } else { "2042" };
            assert!(is_transcribed(&store, holder, message.id()).await, "{at}: the transcript is lost");
            // The member accepts it again.
            match transfer(&store, message.id()).await {
                Ok(Deposit::Stored(_)) => assert!(member.is_empty(), "{at}"),
                Ok(Deposit::Duplicate) => assert!(!member.is_empty(), "{at}"),
                Err(error) => assert!(matches!(error, StoreError::NoSuchMessage(_)) && group.is_empty(), "{at}: {error:?}"),
            }
            let waiting = in_mailbox(&store, "2041").await.into_iter().filter(|status| *status != Status::Removed);
            assert_eq!((waiting.count(), in_mailbox(&store, "2042").await), (0, vec![Status::New]), "{at}");
            assert_eq!(deposit(&store, &message).await.unwrap(), Deposit::Duplicate, "{at}: the caller's node sends it again");
            if !was_cut {
                assert!(answer.is_ok() && operations > 5, "{at}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn one_of_many_members_gets_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let members: Vec<MailboxId> = (3000..3016).map(|number| mailbox(&number.to_string())).collect();
    for member in &members {
        store.create_mailbox(member).await.unwrap();
    }
    for sound in 0..8_u8 {
        let message = message(&[sound]);
        deposit(&store, &message).await.unwrap();
        let group = mailbox("2041");
        let accepted = join_all(members.iter().map(|member| store.transfer(&group, message.id(), member))).await;
        assert_eq!(accepted.iter().filter(|accepted| accepted.is_ok()).count(), 1, "{accepted:?}");
        let has = join_all(members.iter().map(|member| store.retrieve(member, message.id()))).await;
        assert_eq!(has.iter().filter(|has| has.is_ok()).count(), 1);
    }
    assert!(in_mailbox(&store, "2041").await.is_empty());
}
