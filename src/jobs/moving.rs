//! [`move_jobs`] and [`move_jobs_of_kinds`]: jobs on their way from one store to another.

use std::fmt;

use super::{JobError, JobKind, JobState, JobStore, NewJob, StateFilter};

/// The numbers of jobs that [`move_jobs`] has moved or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MovedJobs {
    /// How many jobs are in the target now, and no longer in the source.
    pub moved: u64,
    /// How many of these are parked, in the target as they were in the source.
    pub parked: u64,
    /// How many jobs a worker had taken, which were left in the source.
    pub taken: u64,
}

impl fmt::Display for MovedJobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moved, parked, taken } = self;
        write!(f, "{moved} jobs moved, {parked} of them parked, {taken} left because they are being done")
    }
}

/// Moves the jobs of each kind that `is_wanted` from `source` to `target`, as [`move_jobs`] does: mails, steps on arrival, requests and disabled end points of
/// web hooks, warnings.
///
/// # Errors
///
/// As [`move_jobs`].
///
/// # Cancel safety
///
/// As [`move_jobs`].
pub async fn move_jobs_of_kinds<S, T, F>(source: &S, target: &T, is_wanted: F) -> Result<MovedJobs, JobError>
where
    S: JobStore + ?Sized,
    T: JobStore + ?Sized,
    F: Fn(&JobKind) -> bool + Send + Sync,
{
    let mut all = MovedJobs::default();
    for kind in source.kinds().await?.into_iter().filter(|kind| is_wanted(kind)) {
        let MovedJobs { moved, parked, taken } = move_jobs(source, target, &kind).await?;
        all = MovedJobs { moved: all.moved + moved, parked: all.parked + parked, taken: all.taken + taken };
    }
    Ok(all)
}

/// Moves the jobs of this kind from `source` to `target`: those that wait, with their keys, their tries and their waits, and those that are parked, with
/// their reasons. One that waits for a destination is due when its wait is over. No node uses the source: one that takes a
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
                // One that is gone was removed by an operator.
                let Some(payload) = source.read(&listed.job).await? else { continue };
                let job = NewJob::new(kind, listed.job.key, listed.job.queued_at, &payload).after(listed.job.tries);
                let job = match &listed.state {
                    JobState::Waiting { due_in } => job.due_after(*due_in),
                    JobState::Parked { reason } => {
                        moved.parked += 1;
                        job.parked(reason)
                    }
                    JobState::Taken => {
                        moved.taken += 1;
                        continue;
                    }
                };
                target.add(&job).await?;
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
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::disk::{PowerCutDisk, Unsynced};
    use crate::jobs::{FolderJobs, JobKey};

    const CLAIM: Duration = Duration::from_secs(60);

    async fn open(disk: &PowerCutDisk) -> FolderJobs {
        FolderJobs::open(disk.clone(), "/outbox").await.unwrap()
    }

    fn queued_at(n: u8) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000 + i64::from(n), 0).unwrap()
    }

    fn step() -> JobKind {
        "stepmail".parse().unwrap()
    }

    /// A store with jobs of three kinds, of which the second one waits for an hour after two tries, and the fourth one is parked.
    async fn filled() -> (PowerCutDisk, FolderJobs) {
        let disk = PowerCutDisk::new();
        let jobs = open(&disk).await;
        for (n, kind) in [(1, JobKind::MAIL), (2, JobKind::WEBHOOK), (3, step()), (4, step())] {
            let payload = [n];
            let job = NewJob::new(&kind, JobKey::from_bytes([n; 16]), queued_at(n), &payload);
            let job = match n {
                2 => job.after(2).due_after(Duration::from_secs(3600)),
                4 => job.parked("refused\nfor good"),
                _ => job,
            };
            jobs.add(&job).await.unwrap();
        }
        (disk, jobs)
    }

    /// All jobs with their payloads, their tries, and the hours for which they wait or the reason for which they are parked.
    async fn all(jobs: &FolderJobs) -> Vec<(u8, Option<Bytes>, u32, String)> {
        let mut all = Vec::new();
        for kind in jobs.kinds().await.unwrap() {
            for filter in [StateFilter::Waiting, StateFilter::Parked] {
                for listed in jobs.list(&kind, filter, None, 100).await.unwrap() {
                    let payload = jobs.read(&listed.job).await.unwrap();
                    let state = match listed.state {
                        JobState::Waiting { due_in } => format!("{:.0} h", due_in.as_secs_f64() / 3600.0),
                        JobState::Taken => "taken".to_owned(),
                        JobState::Parked { reason } => reason,
                    };
                    all.push((listed.job.key.as_bytes()[0], payload, listed.job.tries, state));
                }
            }
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_of_all_kinds_move_as_they_are() {
        let (_, source) = filled().await;
        let disk = PowerCutDisk::new();
        let target = open(&disk).await;
        let expected = all(&source).await;
        assert_eq!(
            expected.iter().map(|(n, .., state)| (*n, &**state)).collect::<Vec<_>>(),
            [(1, "0 h"), (3, "0 h"), (4, "refused for good"), (2, "1 h")]
        );
        let taken = source.take(&JobKind::MAIL, 1, CLAIM).await.unwrap();
        let moved = move_jobs_of_kinds(&source, &target, |_| true).await.unwrap();
        assert_eq!(moved, MovedJobs { moved: 3, parked: 1, taken: 1 });
        assert_eq!((all(&target).await, source.kinds().await.unwrap()), (expected[1..].to_vec(), vec![JobKind::MAIL]));
        source.defer(&taken[0], Duration::ZERO).await.unwrap();
        assert_eq!(move_jobs_of_kinds(&source, &target, |_| true).await.unwrap().moved, 1);
        assert_eq!((all(&target).await.len(), source.kinds().await.unwrap()), (4, vec![]));

        disk.power_cut(Unsynced::Forgotten);
        let target = open(&disk).await;
        assert_eq!(all(&target).await[2], expected[2], "a parked job is durable as such");
        assert_eq!(target.take(&step(), 9, CLAIM).await.unwrap().len(), 1, "and taken by nobody");
        assert!(target.retry(&step(), JobKey::from_bytes([4; 16])).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_move_that_was_cut_off_loses_and_doubles_nothing() {
        for target_is_cut in [false, true] {
            for operations in 0.. {
                let (disk, source) = filled().await;
                let other = PowerCutDisk::new();
                let there = open(&other).await;
                let expected = all(&source).await;
                let cut = if target_is_cut { &other } else { &disk };
                cut.power_off_after(operations);
                let stopped = move_jobs_of_kinds(&source, &there, |_| true).await.is_err();
                cut.power_cut(Unsynced::Forgotten);
                let (source, there) = if target_is_cut { (source, open(&other).await) } else { (open(&disk).await, there) };
                move_jobs_of_kinds(&source, &there, |_| true).await.unwrap();
                let facts = |jobs: Vec<(u8, Option<Bytes>, u32, String)>| jobs.into_iter().map(|(n, payload, ..)| (n, payload));
                let moved: Vec<_> = facts(all(&there).await).collect();
                assert_eq!(moved, facts(expected).collect::<Vec<_>>(), "cut off after {operations} operations");
                assert_eq!(all(&there).await[2].3, "refused for good", "cut off after {operations} operations");
                assert_eq!(all(&source).await, []);
                if !stopped {
                    assert!(operations > 4);
                    break;
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_operator_retries_a_job_that_was_moved_as_parked() {
        let (_, source) = filled().await;
        let target: Arc<dyn JobStore> = Arc::new(open(&PowerCutDisk::new()).await);
        move_jobs_of_kinds(&source, &target, |_| true).await.unwrap();
        let key = JobKey::from_bytes([4; 16]);
        assert_eq!(target.add(&NewJob::new(&step(), key, queued_at(4), b"again")).await.unwrap(), crate::jobs::Added::Duplicate);
        assert!(target.retry(&step(), key).await.unwrap());
        let keys: Vec<JobKey> = target.take(&step(), 9, CLAIM).await.unwrap().into_iter().map(|job| job.key).collect();
        assert!(keys.contains(&key), "{keys:?}");
    }
}
