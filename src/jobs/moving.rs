//! [`move_jobs`]: waiting jobs on their way from one store to another.

use std::fmt;

use super::{JobError, JobKind, JobState, JobStore, NewJob, StateFilter};

/// The numbers of jobs that [`move_jobs`] has moved or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MovedJobs {
    /// How many jobs are in the target now, and no longer in the source.
    pub moved: u64,
    /// How many jobs a worker had taken, which were left in the source.
    pub taken: u64,
    /// How many parked jobs were left in the source, for an operator.
    pub parked: u64,
}

impl fmt::Display for MovedJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moved, taken, parked } = self;
        write!(f, "{moved} jobs moved, {taken} left because they are being done, {parked} left because they are parked")
    }
}

/// Moves the jobs of this kind that wait in `source` to `target`, with their keys, their tries and their waits; one that waits for a
/// destination is due when its wait is over. No node uses the source: one that takes a
/// job while it is moved may do it, too.
///
/// A job is removed from the source after the target has kept it, so none is lost. A page of jobs and one payload are in memory.
///
/// # Errors
///
/// [`JobError`] if one of the stores fails; the same call goes on. A job that was added, and could not be removed, is in both: the same call removes it. Only
/// if the target has ended the job by then, it is added and done again.
///
/// # Cancel safety
///
/// As with an error.
pub async fn move_jobs<S, T>(source: &S, target: &T, kind: &JobKind) -> Result<MovedJobs, JobError>
where
    S: JobStore + ?Sized,
    T: JobStore + ?Sized,
{
    let mut moved = MovedJobs::default();
    for filter in [StateFilter::Waiting, StateFilter::Parked] {
        let mut after = None;
        loop {
            let page = source.list(kind, filter, after.as_ref(), PAGE).await?;
            for listed in &page {
                let wait = match listed.state {
                    JobState::Waiting { due_in } => due_in,
                    JobState::Taken => {
                        moved.taken += 1;
                        continue;
                    }
                    JobState::Parked { .. } => {
                        moved.parked += 1;
                        continue;
                    }
                };
                // One that is gone was removed by an operator.
                let Some(payload) = source.read(&listed.job).await? else { continue };
                let job = NewJob::new(kind, listed.job.key, listed.job.queued_at, &payload);
                target.add(&job.after(listed.job.tries).due_after(wait)).await?;
                source.remove(kind, listed.job.key).await?;
                moved.moved += 1;
            }
            match page.into_iter().next_back() {
                Some(last) => after = Some(last.job),
                None => break,
            }
        }
    }
    Ok(moved)
}

const PAGE: usize = 100;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::disk::{PowerCutDisk, Unsynced};
    use crate::jobs::{FolderJobs, JobKey};

    async fn open(disk: &PowerCutDisk) -> FolderJobs {
        FolderJobs::open(disk.clone(), "/outbox").await.unwrap()
    }

    fn queued_at(n: u8) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000 + i64::from(n), 0).unwrap()
    }

    /// A store with three mails, of which one waits for an hour after two tries.
    async fn filled() -> (PowerCutDisk, FolderJobs) {
        let disk = PowerCutDisk::new();
        let jobs = open(&disk).await;
        for n in 1..=3 {
            let payload = [n];
            let job = NewJob::new(&JobKind::MAIL, JobKey::from_bytes([n; 16]), queued_at(n), &payload);
            let job = if n == 2 { job.after(2).due_after(Duration::from_secs(3600)) } else { job };
            jobs.add(&job).await.unwrap();
        }
        (disk, jobs)
    }

    /// The mails that wait, with their payloads, tries and waits.
    async fn waiting(jobs: &FolderJobs) -> Vec<(u8, Option<Bytes>, u32, bool)> {
        let mut waiting = Vec::new();
        for listed in jobs.list(&JobKind::MAIL, StateFilter::Waiting, None, 100).await.unwrap() {
            let payload = jobs.read(&listed.job).await.unwrap();
            let waits = matches!(listed.state, JobState::Waiting { due_in } if due_in > Duration::from_secs(3500));
            waiting.push((listed.job.key.as_bytes()[0], payload, listed.job.tries, waits));
        }
        waiting
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_move_with_tries_and_waits_and_others_stay() {
        let (_, source) = filled().await;
        let target = open(&PowerCutDisk::new()).await;
        let expected = waiting(&source).await;
        let taken = source.take(&JobKind::MAIL, 2, Duration::from_secs(60)).await.unwrap();
        source.park(&taken[0], "refused").await.unwrap();
        let moved = move_jobs(&source, &target, &JobKind::MAIL).await.unwrap();
        assert_eq!(moved, MovedJobs { moved: 1, taken: 1, parked: 1 });
        assert_eq!(waiting(&target).await, expected[1..2]);
        source.defer(&taken[1], Duration::ZERO).await.unwrap();
        source.retry(&JobKind::MAIL, taken[0].key).await.unwrap();
        assert_eq!(move_jobs(&source, &target, &JobKind::MAIL).await.unwrap().moved, 2);
        assert_eq!(waiting(&target).await.len(), 3);
        assert_eq!(waiting(&source).await, []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_move_that_was_cut_off_loses_and_doubles_nothing() {
        for operations in 0.. {
            let (disk, source) = filled().await;
            let there = open(&PowerCutDisk::new()).await;
            disk.power_off_after(operations);
            let stopped = move_jobs(&source, &there, &JobKind::MAIL).await.is_err();
            disk.power_cut(Unsynced::Forgotten);
            let source = open(&disk).await;
            move_jobs(&source, &there, &JobKind::MAIL).await.unwrap();
            let payloads: Vec<_> = waiting(&there).await.into_iter().map(|(n, payload, ..)| (n, payload)).collect();
            let expected: Vec<_> = (1..=3).map(|n| (n, Some(Bytes::from(vec![n])))).collect();
            assert_eq!(payloads, expected, "cut off after {operations} operations");
            assert_eq!(waiting(&source).await, []);
            if !stopped {
                assert!(operations > 3);
                break;
            }
        }
    }
}
