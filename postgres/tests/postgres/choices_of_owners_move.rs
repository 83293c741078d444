//! Rules, private lists, sent messages, arrivals and jobs move from folders into the database and back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use voicemail::directory::{ListFolder, ListStore, PrivateList, copy_lists};
use voicemail::disk::OsDisk;
use voicemail::jobs::{FolderJobs, JobKey, JobKind, JobState, JobStore, NewJob, StateFilter, move_jobs, move_jobs_of_kinds};
use voicemail::message::{Disposition, MessageId, Origin};
use voicemail::rules::{ArrivalRule, ArrivalRules, Content, FolderRules, RuleStore, copy_rules};
use voicemail::sent::{SentCopy, SentFolder, SentMessage, SentState, SentStore, copy_sent};
use voicemail::store::{MaildirStore, MessageStore as _, Migration, PendingArrival, PendingArrivals as _, move_arrivals};
use voicemail_postgres::{Database, PostgresJobs, PostgresLists, PostgresRules, PostgresSent};

use super::support::messages::message;
use super::support::relay::{From, Relay};
use super::support::server::Server;
use super::support::{database, mailbox, store_in};

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

/// Jobs of three kinds: one that waits, one that is due, and one that is parked.
async fn fill(jobs: &impl JobStore) {
    let (step, now): (JobKind, DateTime<Utc>) = ("stepmail".parse().unwrap(), "2026-11-22T18:00:00Z".parse().unwrap());
    let new = |kind, n| NewJob::new(kind, JobKey::from_bytes([n; 16]), now, b"a job");
    jobs.add(&new(&JobKind::WEBHOOK, 1).due_after(Duration::from_secs(600)).after(3)).await.unwrap();
    jobs.add(&new(&JobKind::MAIL, 2)).await.unwrap();
    jobs.add(&new(&step, 3).parked("no such address")).await.unwrap();
}

/// All jobs: kind, key, tries, and whether each is parked for the reason that it was parked for.
async fn all(jobs: &impl JobStore) -> Vec<(String, u8, u32, bool)> {
    let mut all = Vec::new();
    for kind in jobs.kinds().await.unwrap() {
        for filter in [StateFilter::Waiting, StateFilter::Parked] {
            for listed in jobs.list(&kind, filter, None, 9).await.unwrap() {
                assert_eq!(jobs.read(&listed.job).await.unwrap().as_deref(), Some(&b"a job"[..]));
                let is_parked = listed.state == JobState::parked("no such address");
                all.push((kind.to_string(), listed.job.key.as_bytes()[0], listed.job.tries, is_parked));
            }
        }
    }
    all
}

fn filled() -> Vec<(String, u8, u32, bool)> {
    vec![("mail".into(), 2, 0, false), ("stepmail".into(), 3, 0, true), ("webhook".into(), 1, 3, false)]
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_all_kinds_move_whatever_is_cut() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let direct = PostgresJobs::new(&Database::connect(&address).await.unwrap());
    let relay = Relay::to(server.port()).await;
    let through = address.replace(&server.port().to_string(), &relay.port().to_string());
    let folder = tempfile::tempdir().unwrap();
    let (source, back) = (folder.path().join("old"), folder.path().join("new"));
    let (source, back) = (FolderJobs::open(OsDisk, source).await.unwrap(), FolderJobs::open(OsDisk, back).await.unwrap());
    fill(&source).await;
    let (mut cuts, mut stopped) = ([0, 0], [0, 0]);
    for from in [From::Server, From::Node] {
        for n in 0.. {
            let database = Database::builder(&through).connections(2).connect().await.unwrap();
            let there = PostgresJobs::new(&database);
            let before = cuts;
            for (way, is_back) in [(0, false), (1, true)] {
                relay.cut_after(from, n);
                let cut_off = if is_back {
                    move_jobs_of_kinds(&there, &back, |_| true).await
                } else {
                    move_jobs_of_kinds(&source, &there, |_| true).await
                };
                cuts[way] += usize::from(relay.heal(from));
                stopped[way] += usize::from(cut_off.is_err());
                // The second run goes on.
                if is_back {
                    move_jobs_of_kinds(&direct, &back, |_| true).await.unwrap();
                    assert_eq!((all(&back).await, all(&direct).await), (filled(), vec![]), "{n} messages from {from:?}");
                } else {
                    move_jobs_of_kinds(&source, &direct, |_| true).await.unwrap();
                    assert_eq!((all(&direct).await, all(&source).await), (filled(), vec![]), "{n} messages from {from:?}");
                }
            }
            move_jobs_of_kinds(&back, &source, |_| true).await.unwrap();
            if cuts == before {
                break;
            }
        }
    }
    // Most statements are tried again by the database's connections themselves.
    assert!(cuts.iter().all(|cuts| *cuts > 20), "{cuts:?} connections were cut");
    assert!(stopped.iter().all(|stopped| *stopped > 0), "{stopped:?} moves were cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn arrivals_that_are_not_settled_move_there_and_back() {
    let Some(database) = database().await else { return };
    let (folder, number) = (tempfile::tempdir().unwrap(), mailbox("2041"));
    let old = MaildirStore::builder(folder.path().join("old")).open().await.unwrap();
    old.create_mailbox(&number).await.unwrap();
    old.deposit(&number, &Origin::Here, &message(b"settled", 0)).await.unwrap();
    old.remember().await.unwrap();
    let pending = message(b"pending", 1);
    old.deposit(&number, &Origin::Here, &pending).await.unwrap();
    // Its node ends without having done the steps of the message.
    drop(old);
    let old = MaildirStore::builder(folder.path().join("old")).open().await.unwrap();
    let there = store_in(&database).await;
    Migration::new(&old, &there).copy().await.unwrap();
    assert_eq!(move_arrivals(&old, &there).await.unwrap(), 1);
    assert_eq!(move_arrivals(&old, &there).await.unwrap(), 0);

    let new = MaildirStore::builder(folder.path().join("new")).open().await.unwrap();
    Migration::new(&there, &new).copy().await.unwrap();
    assert_eq!(move_arrivals(&there, &new).await.unwrap(), 1);
    drop(new);
    let new = MaildirStore::builder(folder.path().join("new")).open().await.unwrap();
    new.remember().await.unwrap();
    let taken = new.take(9, Duration::from_secs(60)).await.unwrap();
    assert_eq!(taken, [PendingArrival::new(number, pending.id())]);
    assert_eq!(there.take(9, Duration::from_secs(60)).await.unwrap(), []);
}
