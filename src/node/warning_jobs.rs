//! The jobs that stand for warnings of owners: [`ParkedJobs`], their payloads and their keys.

use std::vec;

use crate::error_chain;
use crate::jobs::{Job, JobKey, JobKind, JobStore, StateFilter};
use crate::message::ContentDigest;

/// The parked jobs of a kind, one after the other. Each stands for a warning that was given.
#[derive(Debug)]
pub(super) struct ParkedJobs<'a> {
    jobs: &'a dyn JobStore,
    kind: &'a JobKind,
    page: vec::IntoIter<Job>,
    last: Option<Job>,
}

impl<'a> ParkedJobs<'a> {
    pub(super) fn new(jobs: &'a dyn JobStore, kind: &'a JobKind) -> Self {
        Self { jobs, kind, page: vec::IntoIter::default(), last: None }
    }

    /// The next job, whether or not those before it were removed.
    pub(super) async fn next(&mut self) -> Result<Option<Job>, String> {
        if self.page.as_slice().is_empty() {
            let listed = self.jobs.list(self.kind, StateFilter::Parked, self.last.as_ref(), JOBS_AT_ONCE).await;
            let page: Vec<Job> = listed.map_err(|error| error_chain(&error))?.into_iter().map(|listed| listed.job).collect();
            self.page = page.into_iter();
        }
        let next = self.page.next();
        if next.is_some() {
            self.last.clone_from(&next);
        }
        Ok(next)
    }

    /// Removes a job, so that its owner can be warned again.
    pub(super) async fn remove(&self, job: &Job) -> Result<(), String> {
        self.jobs.remove(self.kind, job.key).await.map(drop).map_err(|error| error_chain(&error))
    }
}

/// The payload of a job; `None` if the job is gone, or its payload is no text.
pub(super) async fn text_of(jobs: &dyn JobStore, job: &Job) -> Result<Option<String>, String> {
    let payload = jobs.read(job).await.map_err(|error| error_chain(&error))?;
    Ok(payload.and_then(|payload| String::from_utf8(payload.to_vec()).ok()))
}

/// The key that follows from a text.
pub(super) fn key_of(text: &str) -> JobKey {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&ContentDigest::of(text.as_bytes()).as_bytes()[..16]);
    JobKey::from_bytes(bytes)
}

pub(super) const JOBS_AT_ONCE: usize = 50;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, Utc};

    use super::*;
    use crate::disk::PowerCutDisk;
    use crate::jobs::{FolderJobs, NewJob};

    #[tokio::test]
    async fn each_parked_job_comes_once_although_some_are_removed() {
        let jobs = FolderJobs::open(PowerCutDisk::new(), "/warnings").await.unwrap();
        let many = u8::try_from(2 * JOBS_AT_ONCE + 1).unwrap();
        for n in 0..many {
            let at: DateTime<Utc> = DateTime::from_timestamp(1_000 + i64::from(n), 0).unwrap();
            jobs.add(&NewJob::new(&JobKind::WARNING, key_of(&n.to_string()), at, n.to_string().as_bytes())).await.unwrap();
        }
        for job in jobs.take(&JobKind::WARNING, many.into(), Duration::from_secs(60)).await.unwrap() {
            jobs.park(&job, "warned").await.unwrap();
        }
        let removed_at = |n: u8| n.is_multiple_of(3);
        for expected in [(0..many).collect::<Vec<u8>>(), (0..many).filter(|n| !removed_at(*n)).collect()] {
            let (mut parked, mut found) = (ParkedJobs::new(&jobs, &JobKind::WARNING), Vec::new());
            while let Some(job) = parked.next().await.unwrap() {
                let n: u8 = text_of(&jobs, &job).await.unwrap().unwrap().parse().unwrap();
                found.push(n);
                if removed_at(n) {
                    parked.remove(&job).await.unwrap();
                }
            }
            assert_eq!(found, expected);
        }
    }
}
