//! Tests the contract of [`JobStore`], as far as it can be seen from outside.
//!
//! Every function takes two handles of one new store without jobs, as two nodes have them. They wait for claims and for deferred jobs by tokio's timers,
//! which a test of a store in memory can pause.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{sleep, timeout};

use crate::jobs::{Added, GiveUp, Job, JobKey, JobKind, JobState, JobStore, ListedJob, NewJob, StateFilter};

/// Runs every test of this module, each on two handles of a new store from `make`.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all<S: JobStore, F: Future<Output = (S, S)>>(make: impl Fn() -> F) {
    let (one, other) = make().await;
    once(&one, &other).await;
    let (one, other) = make().await;
    whole(&one, &other).await;
    let (one, other) = make().await;
    claimed(&one, &other).await;
    let (one, other) = make().await;
    due(&one, &other).await;
    let (one, other) = make().await;
    ended(&one, &other).await;
    let (one, other) = make().await;
    held(&one, &other).await;
    let (one, other) = make().await;
    parked(&one, &other).await;
    let (one, other) = make().await;
    listed(&one, &other).await;
}

/// **Once.** While a job of the same kind and key is kept, another one changes nothing.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn once(one: &impl JobStore, other: &impl JobStore) {
    assert_eq!(add(one, "once", MAIL, 1, b"first").await, Added::Stored, "once: a new job is no duplicate");
    assert_eq!(add(other, "once", MAIL, 1, b"second").await, Added::Duplicate, "once: a job was added twice");
    assert_eq!(add(one, "once", "step", 1, b"third").await, Added::Stored, "once: a key of another kind is another key");
    assert_eq!(count(one, "once", MAIL).await, 1, "once: a duplicate is counted");
    let jobs = take(other, "once", MAIL, CLAIM).await;
    assert_eq!(payload(other, "once", &jobs[0]).await.as_deref(), Some(&b"first"[..]), "once: a duplicate has changed the job");
    assert_eq!(add(one, "once", MAIL, 1, b"second").await, Added::Duplicate, "once: a job that is taken was added again");
    end(&one.done(&jobs[0]).await, "once");
    assert_eq!(add(one, "once", MAIL, 1, b"second").await, Added::Stored, "once: the key of an ended job can be used again");
}

/// **Whole.** A payload is read back as it was added, by any node.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn whole(one: &impl JobStore, other: &impl JobStore) {
    let long: Vec<u8> = (0..100_000_u32).map(|byte| u8::try_from(byte % 256).expect("below 256")).collect();
    for (key, bytes) in [(1, &b""[..]), (2, b"\0\n\r\n.\xff"), (3, &long)] {
        add(one, "whole", MAIL, key, bytes).await;
        let jobs = take(other, "whole", MAIL, CLAIM).await;
        assert_eq!(jobs.len(), 1, "whole: a job that is due is taken");
        assert_eq!(
            (jobs[0].key, jobs[0].queued_at, jobs[0].tries),
            (key_of(key), moment(), 0),
            "whole: it is the job that was added"
        );
        assert_eq!(payload(other, "whole", &jobs[0]).await.as_deref(), Some(bytes), "whole: another payload is read");
    }
}

/// **Claimed.** A job is taken by one worker at a time; after its claim has run out, by another one.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn claimed(one: &impl JobStore, other: &impl JobStore) {
    for key in 1..=5 {
        add(one, "claimed", MAIL, key, b"job").await;
    }
    let taken = one.take(&kind(MAIL), 3, CLAIM).await.unwrap_or_default();
    let rest = take(other, "claimed", MAIL, CLAIM).await;
    assert_eq!((taken.len(), rest.len()), (3, 2), "claimed: as many as were asked for, and each once");
    let mut keys: Vec<JobKey> = taken.iter().chain(&rest).map(|job| job.key).collect();
    keys.sort();
    assert_eq!(keys, [1, 2, 3, 4, 5].map(key_of), "claimed: each job was taken once");
    assert_eq!(count(one, "claimed", MAIL).await, 5, "claimed: jobs that are taken wait, too");

    sleep(CLAIM / 2).await;
    assert!(extend(one, "claimed", &taken[0]).await, "claimed: a claim in force is extended");
    sleep(CLAIM / 2 + SLACK).await;
    let again = take(other, "claimed", MAIL, CLAIM).await;
    assert_eq!(again.len(), 4, "claimed: jobs whose claims have run out are taken, and no other");
    assert!(!extend(one, "claimed", &taken[1]).await, "claimed: a lost claim is extended");
    end(&one.defer(&taken[1], Duration::ZERO).await, "claimed");
    end(&one.give_up(&taken[2], GiveUp::Failed).await, "claimed");
    assert!(take(one, "claimed", MAIL, CLAIM).await.is_empty(), "claimed: a worker without its claim made a job due");
    assert_eq!(count(one, "claimed", MAIL).await, 5, "claimed: a worker without its claim ended a job");
}

/// **Due.** A deferred job is not taken before its wait is over, and has one more try then. `due` returns when a job can be taken.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn due(one: &impl JobStore, other: &impl JobStore) {
    add(one, "due", MAIL, 1, b"job").await;
    wait(other, "due").await;
    let job = take(other, "due", MAIL, CLAIM).await.remove(0);
    end(&other.defer(&job, CLAIM).await, "due");
    assert!(take(one, "due", MAIL, CLAIM).await.is_empty(), "due: a deferred job was taken before its wait was over");
    wait(one, "due").await;
    sleep(SLACK).await;
    let jobs = take(one, "due", MAIL, CLAIM).await;
    assert_eq!(jobs.iter().map(|job| job.tries).collect::<Vec<_>>(), [1], "due: the job is due after its wait, with one try");
}

/// **Ended.** A job that is done or given up is not taken again.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn ended(one: &impl JobStore, other: &impl JobStore) {
    for key in 1..=3 {
        add(one, "ended", MAIL, key, b"job").await;
    }
    let jobs = take(one, "ended", MAIL, CLAIM).await;
    end(&other.done(&jobs[0]).await, "ended");
    end(&one.give_up(&jobs[1], GiveUp::Failed).await, "ended");
    end(&one.give_up(&jobs[2], GiveUp::Unreadable).await, "ended");
    end(&one.done(&jobs[0]).await, "ended");
    assert_eq!(count(other, "ended", MAIL).await, 0, "ended: an ended job waits");
    assert_eq!(payload(one, "ended", &jobs[0]).await, None, "ended: the payload of a job that is done is still there");
    sleep(CLAIM + SLACK).await;
    assert!(take(one, "ended", MAIL, CLAIM).await.is_empty(), "ended: an ended job was taken");
}

/// **Held.** A job that waits for a destination is due after its wait, or as soon as the destination is released, those that were queued first before the others.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn held(one: &impl JobStore, other: &impl JobStore) {
    let kind = kind(MAIL);
    for (key, destination) in [(3, "a"), (2, "a"), (1, "a"), (4, "b")] {
        let at = moment() + TimeDelta::seconds(i64::from(key));
        let job = NewJob::new(&kind, key_of(key), at, b"job").due_after(CLAIM).held_for(destination);
        assert_eq!(one.add(&job).await.ok(), Some(Added::Stored), "held: a job that waits for a destination is added");
    }
    assert!(take(one, "held", MAIL, CLAIM).await.is_empty(), "held: a job was taken that waits for a destination");
    assert_eq!(other.release(&kind, "a", 2).await.ok(), Some(2), "held: as many are released as was asked for");
    let taken = take(one, "held", MAIL, CLAIM * 5).await;
    let mut keys: Vec<JobKey> = taken.iter().map(|job| job.key).collect();
    keys.sort();
    assert_eq!(keys, [1, 2].map(key_of), "held: those of the destination that were queued first are released");
    end(&one.postpone(&taken[0], CLAIM * 5, Some("a")).await, "held");
    assert_eq!(
        other.release(&kind, "a", 9).await.ok(),
        Some(2),
        "held: a postponed job and the third one wait for the destination"
    );
    let taken = take(other, "held", MAIL, CLAIM * 5).await;
    assert_eq!(taken.iter().map(|job| job.tries).collect::<Vec<_>>(), [0, 0], "held: to be postponed is no try");
    assert_eq!(other.release(&kind, "a", 9).await.ok(), Some(0), "held: a job that is taken waits for no destination");
    sleep(CLAIM + SLACK).await;
    let rest = take(one, "held", MAIL, CLAIM).await;
    assert_eq!(rest.iter().map(|job| job.key).collect::<Vec<_>>(), [key_of(4)], "held: the wait is over");
}

/// **Parked.** A parked job is kept with its reason, over restarts too, and its key with it. It is not taken before an operator retries it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn parked(one: &impl JobStore, other: &impl JobStore) {
    for key in 1..=3 {
        add(one, "parked", MAIL, key, b"job").await;
    }
    for job in take(one, "parked", MAIL, CLAIM).await {
        end(&one.park(&job, "the server refused it").await, "parked");
    }
    assert_eq!(count(one, "parked", MAIL).await, 0, "parked: a parked job does not wait");
    assert_eq!(add(other, "parked", MAIL, 1, b"again").await, Added::Duplicate, "parked: the key of a parked job is kept");
    let listed = list(other, "parked", StateFilter::Parked, None).await;
    assert_eq!(listed.len(), 3, "parked: parked jobs are listed");
    assert!(listed.iter().all(|job| job.state == JobState::parked("the server refused it")), "parked: the reason is kept");
    assert_eq!(payload(other, "parked", &listed[0].job).await.as_deref(), Some(&b"job"[..]), "parked: the payload can be read");
    assert_eq!(other.remove(&kind(MAIL), key_of(1)).await.ok(), Some(true), "parked: a parked job can be removed");
    assert_eq!(other.remove(&kind(MAIL), key_of(1)).await.ok(), Some(false), "parked: a removed job is there");
    assert_eq!(other.retry(&kind(MAIL), key_of(2)).await.ok(), Some(true), "parked: a parked job can be retried");
    let taken = take(one, "parked", MAIL, CLAIM).await;
    let keys: Vec<(JobKey, u32)> = taken.iter().map(|job| (job.key, job.tries)).collect();
    assert_eq!(keys, [(key_of(2), 0)], "parked: the job that was retried is due, and no other one");
    assert_eq!(payload(one, "parked", &taken[0]).await.as_deref(), Some(&b"job"[..]), "parked: its payload is the same");
    assert_eq!(list(one, "parked", StateFilter::Parked, None).await.len(), 1, "parked: one is left");

    let (mail, step) = (kind(MAIL), kind("step"));
    let moved = NewJob::new(&step, key_of(7), moment(), b"moved").parked("it was parked elsewhere");
    assert_eq!(one.add(&moved).await.ok(), Some(Added::Stored), "parked: a job can be added as parked");
    assert_eq!(one.add(&moved).await.ok(), Some(Added::Duplicate), "parked: and once");
    assert!(take(other, "parked", "step", CLAIM).await.is_empty(), "parked: a job that was added as parked is taken");
    let listed = other.list(&step, StateFilter::Parked, None, 9).await.unwrap_or_default();
    assert_eq!(listed.len(), 1, "parked: a job that was added as parked is listed");
    assert_eq!(listed[0].state, JobState::parked("it was parked elsewhere"), "parked: with its reason");
    assert_eq!(payload(other, "parked", &listed[0].job).await.as_deref(), Some(&b"moved"[..]), "parked: and its payload");
    assert_eq!(one.kinds().await.ok(), Some(vec![mail, step.clone()]), "listed: the kinds of jobs that wait or are parked");
    assert_eq!(other.retry(&step, key_of(7)).await.ok(), Some(true), "parked: it can be retried");
    let taken = take(one, "parked", "step", CLAIM).await;
    assert_eq!(taken.iter().map(|job| job.key).collect::<Vec<_>>(), [key_of(7)], "parked: it is due then");
    end(&one.done(&taken[0]).await, "parked");
    assert_eq!(other.kinds().await.ok().map(|kinds| kinds.contains(&step)), Some(false), "listed: a kind without jobs is named");
}

/// **Listed.** `list` shows each job that waits and each one that is parked, once, in the order of their addition. `kinds` names each kind of them.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn listed(one: &impl JobStore, other: &impl JobStore) {
    for key in [3, 1, 2] {
        let at = moment() + TimeDelta::seconds(i64::from(key));
        let added = one.add(&NewJob::new(&kind(MAIL), key_of(key), at, b"job").after(u32::from(key)).due_after(CLAIM * 9)).await;
        assert_eq!(added.ok(), Some(Added::Stored), "listed: a new job is added");
    }
    add(one, "listed", "step", 9, b"job").await;
    let all = list(other, "listed", StateFilter::Waiting, None).await;
    let facts: Vec<(JobKey, u32)> = all.iter().map(|listed| (listed.job.key, listed.job.tries)).collect();
    assert_eq!(facts, [1, 2, 3].map(|key| (key_of(key), u32::from(key))), "listed: all jobs of the kind, in their order");
    let waits = |listed: &ListedJob| matches!(listed.state, JobState::Waiting { due_in } if due_in > CLAIM * 8);
    assert!(all.iter().all(waits), "listed: the wait is shown: {all:?}");
    let rest = list(other, "listed", StateFilter::Waiting, Some(&all[0].job)).await;
    assert_eq!(rest.len(), 2, "listed: the next page begins after the last job of the one before");
    assert!(list(one, "listed", StateFilter::Parked, None).await.is_empty(), "listed: none is parked");
    assert_eq!(other.retry(&kind(MAIL), key_of(2)).await.ok(), Some(true), "listed: a waiting job can be retried");
    let taken = take(one, "listed", MAIL, CLAIM * 9).await;
    assert_eq!(taken.iter().map(|job| (job.key, job.tries)).collect::<Vec<_>>(), [(key_of(2), 2)], "listed: it is due at once");
    assert_eq!(other.retry(&kind(MAIL), key_of(2)).await.ok(), Some(false), "listed: a job that is taken is retried");
    let states = list(other, "listed", StateFilter::Waiting, None).await;
    assert_eq!(states[1].state, JobState::Taken, "listed: a job that is taken is shown as such");
    assert_eq!(other.remove(&kind(MAIL), key_of(3)).await.ok(), Some(true), "listed: a waiting job can be removed");
    assert_eq!(count(one, "listed", MAIL).await, 2, "listed: a removed job is counted");
}

async fn list(store: &impl JobStore, sentence: &str, filter: StateFilter, after: Option<&Job>) -> Vec<ListedJob> {
    let listed = store.list(&kind(MAIL), filter, after, 100).await;
    listed.unwrap_or_else(|error| panic!("{sentence}: jobs cannot be listed: {error:?}"))
}

async fn add(store: &impl JobStore, sentence: &str, kind_of: &str, key: u8, payload: &[u8]) -> Added {
    let added = store.add(&NewJob::new(&kind(kind_of), key_of(key), moment(), payload)).await;
    added.unwrap_or_else(|error| panic!("{sentence}: a job cannot be added: {error:?}"))
}

async fn take(store: &impl JobStore, sentence: &str, kind_of: &str, claim: Duration) -> Vec<Job> {
    let taken = store.take(&kind(kind_of), 100, claim).await;
    taken.unwrap_or_else(|error| panic!("{sentence}: jobs cannot be taken: {error:?}"))
}

async fn payload(store: &impl JobStore, sentence: &str, job: &Job) -> Option<Bytes> {
    let read = store.read(job).await;
    read.unwrap_or_else(|error| panic!("{sentence}: a payload cannot be read: {error:?}"))
}

async fn extend(store: &impl JobStore, sentence: &str, job: &Job) -> bool {
    let extended = store.extend(job, CLAIM).await;
    extended.unwrap_or_else(|error| panic!("{sentence}: a claim cannot be extended: {error:?}"))
}

async fn count(store: &impl JobStore, sentence: &str, kind_of: &str) -> usize {
    let counted = store.count(&kind(kind_of)).await;
    counted.unwrap_or_else(|error| panic!("{sentence}: jobs cannot be counted: {error:?}"))
}

async fn wait(store: &impl JobStore, sentence: &str) {
    let waited = timeout(CLAIM * 5, store.due(&kind(MAIL))).await;
    assert!(waited.is_ok(), "{sentence}: nobody hears that a job is due");
}

fn end(ended: &Result<(), crate::jobs::JobError>, sentence: &str) {
    assert!(ended.is_ok(), "{sentence}: a call of a worker failed: {ended:?}");
}

fn kind(name: &str) -> JobKind {
    name.parse().expect("the name of a kind")
}

fn key_of(number: u8) -> JobKey {
    JobKey::from_bytes([number; 16])
}

fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_752_484_000_123_456).expect("a moment of 2025")
}

const MAIL: &str = "mail";
const CLAIM: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_millis(300);
