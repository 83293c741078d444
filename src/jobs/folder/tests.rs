//! Jobs in a folder, through restarts.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::disk::{Disk, PowerCutDisk};

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
        jobs.add(kind, key, moment(second), b"payload").await.unwrap();
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
    jobs.add(&JobKind::MAIL, JobKey::random(), moment(1), b"none of ours").await.unwrap();
    let job = jobs.take(&JobKind::MAIL, 1, CLAIM).await.unwrap().remove(0);
    jobs.give_up(&job, GiveUp::Unreadable).await.unwrap();
    let names = disk.list(Path::new("/node/outbox")).unwrap();
    assert_eq!(names, [job.to_string().replace(".mail", ".unreadable")]);
    assert_eq!(opened(&disk).await.count(&JobKind::MAIL).await.unwrap(), 0);
}
