//! [`JobQueue`]: which job is due when, and whose claim counts. A state machine without I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::jobs::{Added, Job, JobKey, JobKind, JobState, ListedJob};

/// The jobs of a folder: when each is due, its tries, and the newest of its claims.
#[derive(Debug, Default)]
pub(super) struct JobQueue {
    jobs: HashMap<(JobKind, JobKey), Entry>,
    /// The times from which on jobs of each kind can be taken: of those that are taken, when their claims end.
    due: BTreeMap<JobKind, BTreeSet<(Instant, DateTime<Utc>, JobKey)>>,
    /// The jobs that wait for each destination.
    held: HashMap<(JobKind, Arc<str>), BTreeSet<Place>>,
    /// The jobs that are parked.
    parked: BTreeMap<(JobKind, JobKey), DateTime<Utc>>,
    claims: u64,
}

/// The place of a job in the order of their addition.
type Place = (DateTime<Utc>, JobKey);

#[derive(Debug, Clone)]
struct Entry {
    queued_at: DateTime<Utc>,
    tries: u32,
    claim: u64,
    /// `None` while the job is being written.
    due: Option<Instant>,
    /// The destination that the job waits for.
    destination: Option<Arc<str>>,
}

impl JobQueue {
    /// Returns how many jobs wait or are taken, those that are being written included.
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
            None if self.parked.contains_key(&id(job)) => Some(Added::Duplicate),
            None => {
                let entry = Entry { queued_at: job.queued_at, tries: job.tries, claim: 0, due: None, destination: None };
                self.jobs.insert(id(job), entry);
                None
            }
        }
    }

    /// Handles a job that was written: it is due.
    pub(super) fn handle_added(&mut self, job: &Job, now: Instant) {
        self.set_due(&id(job), Some(now));
    }

    /// Handles a job that was written: it is due after its wait, or when its destination is released.
    pub(super) fn handle_new(&mut self, job: &Job, new: (Duration, Option<Arc<str>>), now: Instant) {
        self.set_due(&id(job), Some(after(now, new.0)));
        self.set_destination(&id(job), new.1);
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
        self.set_destination(&id, None);
        self.set_due(&id, Some(after(now, claim)));
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
            self.set_due(&id(job), Some(after(now, claim)));
        }
        claimed
    }

    /// Handles a try that failed.
    pub(super) fn handle_deferred(&mut self, job: &Job, wait: Duration, now: Instant) {
        if self.is_claimed_by(job) {
            self.set_due(&id(job), Some(after(now, wait)));
            if let Some(entry) = self.jobs.get_mut(&id(job)) {
                entry.tries += 1;
                entry.claim = 0;
            }
        }
    }

    /// Handles a job that a worker gave back without a try.
    pub(super) fn handle_postponed(&mut self, job: &Job, (wait, destination): (Duration, Option<Arc<str>>), now: Instant) {
        if self.is_claimed_by(job) {
            self.set_due(&id(job), Some(after(now, wait)));
            self.set_destination(&id(job), destination);
            if let Some(entry) = self.jobs.get_mut(&id(job)) {
                entry.claim = 0;
            }
        }
    }

    /// Makes up to `most` jobs due that wait for a destination; returns how many.
    pub(super) fn handle_released(&mut self, kind: &JobKind, destination: &str, most: usize, now: Instant) -> usize {
        let destination = (kind.clone(), Arc::from(destination));
        let first = self.held.get(&destination).into_iter().flatten().take(most);
        let keys: Vec<JobKey> = first.map(|(_, key)| *key).collect();
        for key in &keys {
            let id = (kind.clone(), *key);
            self.set_destination(&id, None);
            self.set_due(&id, Some(now));
        }
        keys.len()
    }

    /// Handles a job that was done, was given up, or could not be written.
    pub(super) fn handle_ended(&mut self, job: &Job) {
        self.set_destination(&id(job), None);
        self.set_due(&id(job), None);
        self.jobs.remove(&id(job));
    }

    /// Handles a job that was parked.
    pub(super) fn handle_parked(&mut self, job: &Job) {
        self.handle_ended(job);
        self.parked.insert(id(job), job.queued_at);
    }

    /// Returns the oldest parked job of this kind, if more than `most` jobs are parked.
    pub(super) fn parked_too_many(&self, kind: &JobKind, most: usize) -> Option<Job> {
        if self.parked.len() <= most { None } else { self.parked(kind, None, 1).pop() }
    }

    /// Handles a wish of an operator to try a waiting job now; returns whether one waits that is not taken.
    pub(super) fn handle_retry(&mut self, id: &(JobKind, JobKey), now: Instant) -> bool {
        let waits = self.jobs.get(id).is_some_and(|entry| entry.due.is_some() && !entry.is_taken(now));
        if waits {
            self.set_destination(id, None);
            self.set_due(id, Some(now));
        }
        waits
    }

    /// Handles a parked job that was written as a waiting one.
    pub(super) fn handle_unparked(&mut self, job: &Job, now: Instant) {
        self.parked.remove(&id(job));
        let entry = Entry { queued_at: job.queued_at, tries: 0, claim: 0, due: None, destination: None };
        self.jobs.insert(id(job), entry);
        self.set_due(&id(job), Some(now));
    }

    /// Handles the removal of a parked job.
    pub(super) fn handle_parked_removed(&mut self, id: &(JobKind, JobKey)) {
        self.parked.remove(id);
    }

    /// Returns the job of this kind and key that waits or is taken.
    pub(super) fn find(&self, id: &(JobKind, JobKey)) -> Option<Job> {
        let entry = self.jobs.get(id).filter(|entry| entry.due.is_some())?;
        Some(Job::new(id.0.clone(), id.1, entry.queued_at).claimed(entry.tries, entry.claim))
    }

    /// Returns the parked job of this kind and key.
    pub(super) fn find_parked(&self, id: &(JobKind, JobKey)) -> Option<Job> {
        self.parked.get(id).map(|queued_at| Job::new(id.0.clone(), id.1, *queued_at))
    }

    /// Lists the jobs of this kind that wait or are taken, those that were queued first before the others.
    pub(super) fn waiting(&self, kind: &JobKind, after: Option<&Job>, most: usize, now: Instant) -> Vec<ListedJob> {
        let of_kind = self.due.get(kind).into_iter().flatten();
        let mut order: Vec<(DateTime<Utc>, JobKey)> = of_kind.map(|(_, queued_at, key)| (*queued_at, *key)).collect();
        order.retain(|place| after.is_none_or(|after| *place > (after.queued_at, after.key)));
        order.sort_unstable();
        let listed = order.into_iter().take(most).filter_map(|(queued_at, key)| {
            let entry = self.jobs.get(&(kind.clone(), key))?;
            let due_in = entry.due?.saturating_duration_since(now);
            let state = if entry.is_taken(now) { JobState::Taken } else { JobState::waiting(due_in) };
            Some(ListedJob::new(Job::new(kind.clone(), key, queued_at).claimed(entry.tries, 0), state))
        });
        listed.collect()
    }

    /// Lists the parked jobs of this kind, those that were queued first before the others.
    pub(super) fn parked(&self, kind: &JobKind, after: Option<&Job>, most: usize) -> Vec<Job> {
        let of_kind = self.parked.iter().filter(|((of, _), _)| of == kind);
        let mut order: Vec<(DateTime<Utc>, JobKey)> = of_kind.map(|((_, key), queued_at)| (*queued_at, *key)).collect();
        order.retain(|place| after.is_none_or(|after| *place > (after.queued_at, after.key)));
        order.sort_unstable();
        order.into_iter().take(most).map(|(queued_at, key)| Job::new(kind.clone(), key, queued_at)).collect()
    }

    /// Returns the kinds of the jobs that wait, are taken or are parked, in the order of their names.
    pub(super) fn kinds(&self) -> Vec<JobKind> {
        let waiting = self.due.iter().filter(|(_, jobs)| !jobs.is_empty()).map(|(kind, _)| kind);
        let kinds: BTreeSet<&JobKind> = waiting.chain(self.parked.keys().map(|(kind, _)| kind)).collect();
        kinds.into_iter().cloned().collect()
    }

    /// Returns whether no other worker has taken the job since this one did.
    pub(super) fn is_claimed_by(&self, job: &Job) -> bool {
        self.jobs.get(&id(job)).is_some_and(|entry| entry.claim == job.claim)
    }

    fn set_destination(&mut self, id: &(JobKind, JobKey), destination: Option<Arc<str>>) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        let place = (entry.queued_at, id.1);
        if let Some(before) = std::mem::replace(&mut entry.destination, destination.clone()) {
            let before = (id.0.clone(), before);
            if let Some(held) = self.held.get_mut(&before) {
                held.remove(&place);
                if held.is_empty() {
                    self.held.remove(&before);
                }
            }
        }
        if let Some(destination) = destination {
            self.held.entry((id.0.clone(), destination)).or_default().insert(place);
        }
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

impl Entry {
    /// Whether a worker has the job, under a claim that is in force.
    fn is_taken(&self, now: Instant) -> bool {
        self.claim != 0 && self.due.is_some_and(|due| due > now)
    }
}

/// The time after a wait; a wait that is longer than the clock goes counts as a hundred years.
fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now + A_HUNDRED_YEARS)
}

fn id(job: &Job) -> (JobKind, JobKey) {
    (job.kind.clone(), job.key)
}

const A_HUNDRED_YEARS: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);
