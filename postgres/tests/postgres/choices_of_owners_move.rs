//! Rules, private lists, sent messages and waiting mails move from folders into the database and back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use voicemail::directory::{ListFolder, ListStore, PrivateList, copy_lists};
use voicemail::disk::OsDisk;
use voicemail::jobs::{FolderJobs, JobKey, JobKind, JobStore, NewJob, StateFilter, move_jobs};
use voicemail::message::{Disposition, MessageId};
use voicemail::rules::{ArrivalRule, ArrivalRules, Content, FolderRules, RuleStore, copy_rules};
use voicemail::sent::{SentCopy, SentFolder, SentMessage, SentState, SentStore, copy_sent};
use voicemail_postgres::{PostgresJobs, PostgresLists, PostgresRules, PostgresSent};

use super::support::{database, mailbox};

fn rules(id: &str) -> ArrivalRules {
    ArrivalRules::new([ArrivalRule::new(id.parse().unwrap(), Content::Copy)]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_move_there_and_back() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (there, number) = (PostgresRules::new(&database), mailbox("2041"));
    let source = FolderRules::open(OsDisk, folder.path().join("old")).await.unwrap();
    let back = FolderRules::open(OsDisk, folder.path().join("new")).await.unwrap();
    let office = source.replace(&number, Some(&rules("office")), None).await.unwrap();
    source.replace(&mailbox("sales.berlin"), Some(&ArrivalRules::default()), None).await.unwrap();
    there.replace(&mailbox("2044"), Some(&rules("left-over")), None).await.unwrap();
    let copied = copy_rules(&source, &there).await.unwrap();
    assert_eq!((copied.copied, copied.removed, copied.is_clean()), (2, 1, true));
    // An owner changes them in between.
    source.replace(&number, Some(&rules("home")), office).await.unwrap();
    let copied = copy_rules(&source, &there).await.unwrap();
    assert_eq!((copied.copied, copied.removed, copied.unchanged), (1, 0, 1));
    copy_rules(&there, &back).await.unwrap();
    assert_eq!(back.mailboxes(None, 9).await.unwrap(), [number.clone(), mailbox("sales.berlin")]);
    for mailbox in [number, mailbox("sales.berlin")] {
        assert_eq!(back.load(&mailbox).await.unwrap(), source.load(&mailbox).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn private_lists_move_there_and_back() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (there, owner) = (PostgresLists::new(&database), mailbox("2041"));
    let source = ListFolder::open(OsDisk, folder.path().join("old")).await.unwrap();
    let back = ListFolder::open(OsDisk, folder.path().join("new")).await.unwrap();
    let list = |number: u8, name| PrivateList::new(number.try_into().unwrap(), name, [mailbox("2043"), mailbox("2042")]).unwrap();
    source.put(&owner, &list(7, "équipe")).await.unwrap();
    source.put(&owner, &list(20, "")).await.unwrap();
    there.put(&owner, &list(1, "left over")).await.unwrap();
    let copied = copy_lists(&source, &there).await.unwrap();
    assert_eq!((copied.copied, copied.removed, copied.is_clean()), (2, 1, true));
    assert_eq!(copy_lists(&source, &there).await.unwrap().unchanged, 2);
    copy_lists(&there, &back).await.unwrap();
    assert_eq!(back.all(&owner).await.unwrap(), source.all(&owner).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_messages_move_there_and_back() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let now: DateTime<Utc> = "2026-11-22T18:00:00.123456789Z".parse().unwrap();
    let (there, owner) = (PostgresSent::new(&database), mailbox("2041"));
    let source = SentFolder::open(OsDisk, folder.path().join("old")).await.unwrap();
    let back = SentFolder::open(OsDisk, folder.path().join("new")).await.unwrap();
    let copy = |to: &str| SentCopy::new(mailbox(to), MessageId::random(), SentState::Delivered);
    let sent = || SentMessage::new(MessageId::random(), now, Duration::from_millis(1_234), vec![copy("2043"), copy("2042")]);
    let (first, second) = (sent(), sent());
    source.record(&owner, &first).await.unwrap();
    source.record(&owner, &second).await.unwrap();
    assert_eq!(copy_sent(&source, &there, now).await.unwrap().copied, 2);
    source.settle(&owner, &mailbox("2043"), first.copies[0].id, Disposition::Played, now).await.unwrap();
    let copied = copy_sent(&source, &there, now).await.unwrap();
    assert_eq!((copied.copied, copied.unchanged, copied.is_clean()), (1, 1, true));
    copy_sent(&there, &back, now).await.unwrap();
    assert_eq!(back.list(&owner, now).await.unwrap(), source.list(&owner, now).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_mails_move_there_and_back() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let now: DateTime<Utc> = "2026-11-22T18:00:00Z".parse().unwrap();
    let there = PostgresJobs::new(&database);
    let source = FolderJobs::open(OsDisk, folder.path().join("old")).await.unwrap();
    let back = FolderJobs::open(OsDisk, folder.path().join("new")).await.unwrap();
    for n in 0..3 {
        let job = NewJob::new(&JobKind::MAIL, JobKey::from_bytes([n; 16]), now, b"a mail");
        source.add(&job.after(n.into()).due_after(Duration::from_secs(600))).await.unwrap();
    }
    assert_eq!(move_jobs(&source, &there, &JobKind::MAIL).await.unwrap().moved, 3);
    assert_eq!(move_jobs(&source, &there, &JobKind::MAIL).await.unwrap().moved, 0);
    assert_eq!(there.take(&JobKind::MAIL, 9, Duration::from_secs(60)).await.unwrap(), [], "they wait there, too");
    assert_eq!(move_jobs(&there, &back, &JobKind::MAIL).await.unwrap().moved, 3);
    let listed = back.list(&JobKind::MAIL, StateFilter::Waiting, None, 9).await.unwrap();
    let tries: Vec<u32> = listed.iter().map(|listed| listed.job.tries).collect();
    assert_eq!(tries, [0, 1, 2]);
    assert_eq!(back.read(&listed[0].job).await.unwrap().as_deref(), Some(&b"a mail"[..]));
}
