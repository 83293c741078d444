//! [`JobQueue`]: which job is due when, and whose claim counts. A state machine without I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::jobs::{Added, Job, JobKey, JobKind};

/// The jobs of a folder: when each is due, its tries, and the newest of its claims.
#[derive(Debug, Default)]
pub(super) struct JobQueue {
    jobs: HashMap<(JobKind, JobKey), Entry>,
    /// The times from which on jobs of each kind can be taken: of those that are taken, when their claims end.
    due: BTreeMap<JobKind, BTreeSet<(Instant, DateTime<Utc>, JobKey)>>,
    claims: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    queued_at: DateTime<Utc>,
    tries: u32,
    claim: u64,
    /// `None` while the job is being written.
    due: Option<Instant>,
}

impl JobQueue {
    /// Returns how many jobs there are, those that are being written included.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Returns how many jobs of this kind wait.
    pub(super) fn count(&self, kind: &JobKind) -> usize {
        self.due.get(kind).map_or(0, BTreeSet::len)
    }

    /// Handles a job that is about to be written. Returns `None` if it may be; [`Added::Duplicate`] if its key is kept, and [`Added::Stored`] if that is
    /// being written at this moment.
    pub(super) fn handle_adding(&mut self, job: &Job) -> Option<Added> {
        match self.jobs.get(&id(job)) {
            Some(Entry { due: Some(_), .. }) => Some(Added::Duplicate),
            Some(Entry { due: None, .. }) => Some(Added::Stored),
            None => {
                let entry = Entry { queued_at: job.queued_at, tries: 0, claim: 0, due: None };
                self.jobs.insert(id(job), entry);
                None
            }
        }
    }

    /// Handles a job that was written: it is due.
    pub(super) fn handle_added(&mut self, job: &Job, now: Instant) {
        self.set_due(&id(job), Some(now));
    }

    /// Takes the next job of this kind, under a new claim.
    pub(super) fn poll_job(&mut self, kind: &JobKind, claim: Duration, now: Instant) -> Option<Job> {
        let (due, queued_at, key) = *self.due.get(kind)?.first()?;
        if due > now {
            return None;
        }
        self.claims += 1;
        let id = (kind.clone(), key);
        let number = self.claims;
        let tries = {
            let entry = self.jobs.get_mut(&id)?;
            entry.claim = number;
            entry.tries
        };
        self.set_due(&id, Some(now + claim));
        Some(Job::new(kind.clone(), key, queued_at).claimed(tries, number))
    }

    /// Returns when the next job of this kind can be taken.
    pub(super) fn poll_timeout(&self, kind: &JobKind) -> Option<Instant> {
        self.due.get(kind)?.first().map(|(due, _, _)| *due)
    }

    /// Handles an extension of a claim; returns whether it is still the claim of this worker.
    pub(super) fn handle_extended(&mut self, job: &Job, claim: Duration, now: Instant) -> bool {
        let claimed = self.is_claimed_by(job);
        if claimed {
            self.set_due(&id(job), Some(now + claim));
        }
        claimed
    }

    /// Handles a try that failed.
    pub(super) fn handle_deferred(&mut self, job: &Job, wait: Duration, now: Instant) {
        if self.is_claimed_by(job) {
            self.set_due(&id(job), Some(now + wait));
            if let Some(entry) = self.jobs.get_mut(&id(job)) {
                entry.tries += 1;
                entry.claim = 0;
            }
        }
    }

    /// Handles a job that was done, was given up, or could not be written.
    pub(super) fn handle_ended(&mut self, job: &Job) {
        self.set_due(&id(job), None);
        self.jobs.remove(&id(job));
    }

    /// Returns whether no other worker has taken the job since this one did.
    pub(super) fn is_claimed_by(&self, job: &Job) -> bool {
        self.jobs.get(&id(job)).is_some_and(|entry| entry.claim == job.claim)
    }

    fn set_due(&mut self, id: &(JobKind, JobKey), due: Option<Instant>) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        let dues = self.due.entry(id.0.clone()).or_default();
        if let Some(before) = std::mem::replace(&mut entry.due, due) {
            dues.remove(&(before, entry.queued_at, id.1));
        }
        if let Some(due) = due {
            dues.insert((due, entry.queued_at, id.1));
        }
    }
}

fn id(job: &Job) -> (JobKind, JobKey) {
    (job.kind.clone(), job.key)
}
