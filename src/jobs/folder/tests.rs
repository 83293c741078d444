//! Jobs in a folder, through restarts.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::*;
use crate::disk::{Disk, PowerCutDisk, Unsynced};
use crate::jobs::JobState;

const CLAIM: Duration = Duration::from_secs(60);

async fn opened(disk: &PowerCutDisk) -> FolderJobs {
    FolderJobs::open(disk.clone(), "/node/outbox").await.unwrap()
}

fn moment(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_752_484_000 + second, 0).unwrap()
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    crate::conformance::jobs::run_all(|| async {
        let jobs = opened(&PowerCutDisk::new()).await;
        (jobs.clone(), jobs)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_makes_every_job_due_the_oldest_first() {
    let disk = PowerCutDisk::new();
    let (jobs, step): (_, JobKind) = (opened(&disk).await, "step".parse().unwrap());
    for (second, kind) in [(3, &JobKind::MAIL), (1, &JobKind::MAIL), (2, &step)] {
        let key = JobKey::from_bytes([u8::try_from(second).unwrap(); 16]);
        jobs.add(&NewJob::new(kind, key, moment(second), b"payload")).await.unwrap();
    }
    let taken = jobs.take(&JobKind::MAIL, 9, CLAIM).await.unwrap();
    jobs.defer(&taken[0], CLAIM).await.unwrap();

    let jobs = opened(&disk).await;
    let taken = jobs.take(&JobKind::MAIL, 9, CLAIM).await.unwrap();
    assert_eq!(taken.iter().map(|job| (job.queued_at, job.tries)).collect::<Vec<_>>(), [(moment(1), 0), (moment(3), 0)]);
    assert_eq!((jobs.count(&step).await.unwrap(), jobs.take(&step, 9, CLAIM).await.unwrap().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_job_is_left_for_an_operator() {
    let disk = PowerCutDisk::new();
    let jobs = opened(&disk).await;
    jobs.add(&NewJob::new(&JobKind::MAIL, JobKey::random(), moment(1), b"none of ours")).await.unwrap();
    let job = jobs.take(&JobKind::MAIL, 1, CLAIM).await.unwrap().remove(0);
    jobs.give_up(&job, GiveUp::Unreadable).await.unwrap();
    let names = disk.list(Path::new("/node/outbox")).unwrap();
    assert_eq!(names, [job.to_string().replace(".mail", ".unreadable")]);
    assert_eq!(opened(&disk).await.count(&JobKind::MAIL).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_no_clock_can_measure_is_a_long_one() {
    let jobs = opened(&PowerCutDisk::new()).await;
    let new = |second| NewJob::new(&JobKind::MAIL, JobKey::random(), moment(second), b"payload");
    jobs.add(&new(1).due_after(Duration::MAX)).await.unwrap();
    jobs.add(&new(2)).await.unwrap();
    let taken = jobs.take(&JobKind::MAIL, 9, Duration::MAX).await.unwrap();
    assert_eq!((taken.len(), taken[0].queued_at), (1, moment(2)));
    assert!(jobs.extend(&taken[0], Duration::MAX).await.unwrap());
    jobs.postpone(&taken[0], Duration::ZERO, None).await.unwrap();
    let taken = jobs.take(&JobKind::MAIL, 9, CLAIM).await.unwrap();
    jobs.defer(&taken[0], Duration::MAX).await.unwrap();
    assert_eq!(jobs.take(&JobKind::MAIL, 9, CLAIM).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn parked_jobs_leave_room_for_others_and_are_bounded() {
    let jobs = FolderJobs::open_for(3, Arc::new(PowerCutDisk::new()), "/node/steps".into()).await.unwrap();
    for second in 1..=5 {
        let key = JobKey::from_bytes([u8::try_from(second).unwrap(); 16]);
        jobs.add(&NewJob::new(&JobKind::MAIL, key, moment(second), b"payload")).await.unwrap();
        let job = jobs.take(&JobKind::MAIL, 1, CLAIM).await.unwrap().remove(0);
        jobs.park(&job, "no such address").await.unwrap();
    }
    let parked = jobs.list(&JobKind::MAIL, StateFilter::Parked, None, 9).await.unwrap();
    assert_eq!(parked.iter().map(|parked| parked.job.queued_at).collect::<Vec<_>>(), [3, 4, 5].map(moment));
    for second in 6..=9 {
        let added = jobs.add(&NewJob::new(&JobKind::MAIL, JobKey::random(), moment(second), b"payload")).await;
        assert_eq!(added.is_ok(), second < 9, "three may wait");
    }
}

#[tokio::test(start_paused = true)]
async fn a_parked_job_and_its_reason_outlive_any_power_cut() {
    let all =
        [Unsynced::Forgotten, Unsynced::NamesKept, Unsynced::ContentsKept, Unsynced::EvenSectorsKept, Unsynced::OddSectorsKept];
    for unsynced in all {
        let mut cut = 0;
        while !parked_and_retried(cut, unsynced).await {
            cut += 1;
        }
        assert!(cut > 10, "{cut} operations");
    }
}

/// Parks a job and retries it, on a disk whose power is cut after so many operations; returns whether all were done before.
async fn parked_and_retried(cut: u64, unsynced: Unsynced) -> bool {
    let (disk, key) = (PowerCutDisk::new(), JobKey::from_bytes([1; 16]));
    let jobs = opened(&disk).await;
    jobs.add(&NewJob::new(&JobKind::MAIL, key, moment(1), b"payload")).await.unwrap();
    let job = jobs.take(&JobKind::MAIL, 1, CLAIM).await.unwrap().remove(0);
    disk.power_off_after(cut);
    let parked = jobs.park(&job, "no such\naddress").await.is_ok();
    let retried = parked && jobs.retry(&JobKind::MAIL, key).await.is_ok();
    let was_off = disk.power_cut(unsynced);

    let jobs = opened(&disk).await;
    let waiting = jobs.list(&JobKind::MAIL, StateFilter::Waiting, None, 9).await.unwrap();
    let listed = jobs.list(&JobKind::MAIL, StateFilter::Parked, None, 9).await.unwrap();
    assert_eq!(waiting.len() + listed.len(), 1, "{cut}, {unsynced:?}: the job is kept once");
    assert!(!retried || waiting.len() == 1, "{cut}, {unsynced:?}: a job that was retried waits");
    assert!(listed.iter().all(|job| job.state == JobState::parked("no such address")), "{cut}, {unsynced:?}: {listed:?}");
    let payload = jobs.read(&waiting.iter().chain(&listed).next().unwrap().job).await.unwrap();
    assert_eq!(payload.as_deref(), Some(&b"payload"[..]), "{cut}, {unsynced:?}");
    !was_off
}
