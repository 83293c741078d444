//! [`Queue`]: which message goes next to one destination, and when. Decides; does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::{Duration, Instant};

use super::name::EntryName;
use crate::retry::RetrySchedule;

/// The messages that wait for one destination.
///
/// Urgent ones go first, then the oldest. A message that its recipient's mailbox cannot take now waits for itself alone, ever
/// longer. When the destination cannot be reached, everything waits, while the first message is tried every few seconds, also when
/// the try before is not back yet; the first answer opens the way for all. Now and then, when the first has failed, another one is
/// tried too: a message over which the way closes again and again, though others get through, is held back by itself.
#[derive(Debug)]
pub(crate) struct Queue {
    ready: BTreeSet<EntryName>,
    later: BTreeSet<(Instant, EntryName)>,
    /// How often the way had been opened when each went.
    under_way: BTreeMap<EntryName, u64>,
    /// Those under way that somebody put into the queue once more.
    again: BTreeSet<EntryName>,
    batches_under_way: usize,
    max_under_way: usize,
    retries: BTreeMap<EntryName, RetryState>,
    outage: Option<Outage>,
    openings: u64,
}

/// What went wrong with one message so far.
#[derive(Debug)]
struct RetryState {
    attempts: u32,
    /// How often the way closed over it, and not over others.
    blame: u32,
    schedule: RetrySchedule,
}

/// A time in which the destination cannot be reached, as far as is known.
#[derive(Debug)]
struct Outage {
    schedule: RetrySchedule,
    probe_at: Instant,
    /// How many tries with the first message have failed.
    failures: u32,
    /// Since when another message is to be tried, because the first has failed just then.
    other_at: Option<Instant>,
    /// The other message tried last: the next is the one behind it.
    last: EntryName,
    /// The first of each batch that is out to try the way.
    probes: BTreeSet<EntryName>,
    /// The same for other messages than the first.
    others: BTreeSet<EntryName>,
    /// The message of the first try that failed.
    failed: Option<EntryName>,
    /// Whether tries with different messages failed: then no message is to blame.
    all_fail: bool,
    /// Those that closed the way, or had gone before it closed and failed too.
    closers: BTreeSet<EntryName>,
}

/// As what a message tries a way that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// As the first of all.
    First,
    /// As another one, because the first has failed.
    Other,
}

impl Queue {
    /// An empty queue that has at most `most_under_way` batches under way at once.
    pub(crate) fn new(max_under_way: usize) -> Self {
        Self {
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            under_way: BTreeMap::new(),
            again: BTreeSet::new(),
            batches_under_way: 0,
            max_under_way,
            retries: BTreeMap::new(),
            outage: None,
            openings: 0,
        }
    }

    /// A message waits from now on; one that is under way, as soon as it is settled.
    pub(crate) fn insert(&mut self, name: EntryName) {
        if self.under_way.contains_key(&name) {
            self.again.insert(name);
        } else {
            self.ready.insert(name);
        }
    }

    /// A waiting message waits no longer; false if it is under way, or does not wait here.
    pub(crate) fn remove(&mut self, name: &EntryName) -> bool {
        let before = self.ready.len() + self.later.len();
        self.ready.remove(name);
        self.later.retain(|(_, waiting)| waiting != name);
        let removed = self.ready.len() + self.later.len() < before;
        if removed {
            self.retries.remove(name);
        }
        removed
    }

    /// All that waits, and waits here no longer; what is under way stays.
    pub(crate) fn take_waiting(&mut self) -> Vec<EntryName> {
        let later = std::mem::take(&mut self.later).into_iter().map(|(_, name)| name);
        let waiting: Vec<_> = std::mem::take(&mut self.ready).into_iter().chain(later).collect();
        for name in &waiting {
            self.retries.remove(name);
        }
        waiting
    }

    /// The next message to send, once for each of its mailboxes; it is under way from now on.
    pub(crate) fn poll_send(&mut self, now: Instant) -> Option<Vec<EntryName>> {
        self.wake(now);
        if self.batches_under_way >= self.max_under_way {
            return None;
        }
        let first = match &mut self.outage {
            None => self.ready.first()?.clone(),
            Some(outage) => outage.poll_probe(&self.ready, now)?,
        };
        let batch: Vec<_> =
            self.ready.range(first.clone()..).take_while(|name| name.id() == first.id()).take(MAX_BATCH).cloned().collect();
        for name in &batch {
            self.ready.remove(name);
            self.under_way.insert(name.clone(), self.openings);
        }
        self.batches_under_way += 1;
        Some(batch)
    }

    /// A batch has come back; what became of each of its messages is told by the other calls, after this one.
    pub(crate) fn handle_returned(&mut self) {
        self.batches_under_way = self.batches_under_way.saturating_sub(1);
    }

    /// The destination has answered, whatever it said.
    pub(crate) fn handle_reached(&mut self) {
        let Some(outage) = self.outage.take() else { return };
        self.openings += 1;
        for name in outage.closers {
            let Some(retry) = self.retries.get_mut(&name) else { continue };
            if !outage.all_fail {
                retry.blame += 1; // the way was never closed for others
                continue;
            }
            retry.blame = 0;
            retry.schedule.handle_success();
            let waited = self.later.len();
            self.later.retain(|(_, waiting)| *waiting != name);
            if self.later.len() < waited {
                self.ready.insert(name);
            }
        }
    }

    /// A batch came back that was not tried for reasons of this node's own, which says nothing about the way.
    pub(crate) fn handle_not_tried(&mut self, batch: &[EntryName], now: Instant) {
        if let Some(outage) = &mut self.outage
            && outage.take_back(batch).is_some()
        {
            outage.probe_at = now;
        }
    }

    /// A message is settled: delivered, or parked. Answers how many tries it took.
    pub(crate) fn handle_settled(&mut self, name: &EntryName) -> u32 {
        self.under_way.remove(name);
        if self.again.remove(name) {
            self.ready.insert(name.clone());
        }
        self.retries.remove(name).map_or(0, |retry| retry.attempts) + 1
    }

    /// The destination has answered, and cannot take this message now. Answers how many tries there were, and when the next is due.
    pub(crate) fn handle_deferred(&mut self, name: &EntryName, now: Instant, jitter: f64) -> (u32, Instant) {
        self.under_way.remove(name);
        self.again.remove(name);
        let retry = self.retry_state(name);
        retry.attempts += 1;
        let due = retry.schedule.handle_failure(now, jitter);
        let attempts = retry.attempts;
        self.later.insert((due, name.clone()));
        (attempts, due)
    }

    /// The destination could not be reached with this batch. Answers when it is tried again.
    pub(crate) fn handle_unreachable(&mut self, batch: &[EntryName], now: Instant, jitter: f64) -> Instant {
        let probe = self.outage.as_mut().and_then(|outage| outage.take_back(batch));
        let mut due = now;
        let mut is_old = false;
        for name in batch {
            // What went before the way was last opened tells how things were then.
            is_old |= self.under_way.remove(name).is_some_and(|opening| opening < self.openings);
            self.again.remove(name);
            let retry = self.retry_state(name);
            retry.attempts += 1;
            if retry.blame >= SUSPECT_BLAME && probe.is_none() {
                due = retry.schedule.handle_failure(now, jitter);
                self.later.insert((due, name.clone()));
            } else {
                self.ready.insert(name.clone());
            }
        }
        match (&mut self.outage, batch.first(), probe) {
            (Some(outage), Some(first), Some(probe)) => outage.handle_failure(probe, first, now, jitter),
            (Some(outage), ..) => outage.closers.extend(batch.iter().cloned()),
            (None, Some(first), _) if !is_old => self.outage = Some(Outage::new(first, batch, now, jitter)),
            (None, ..) => {}
        }
        self.outage.as_ref().map_or(due, |outage| outage.probe_at.max(due))
    }

    /// Everything that waits may be tried now.
    pub(crate) fn retry_now(&mut self, now: Instant) {
        let later = std::mem::take(&mut self.later);
        self.ready.extend(later.into_iter().map(|(_, name)| name));
        if let Some(outage) = &mut self.outage {
            outage.probe_at = now;
        }
    }

    /// When to poll again, if nothing else happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let later = self.later.first().map(|(due, _)| *due);
        let has_place = !self.ready.is_empty() && self.batches_under_way < self.max_under_way;
        let probe = self.outage.as_ref().filter(|_| has_place).and_then(Outage::poll_timeout);
        match (later, probe) {
            (Some(later), Some(probe)) => Some(later.min(probe)),
            (one, other) => one.or(other),
        }
    }

    /// When the next try is due; `None` when one is under way, or due already, or nothing waits.
    pub(crate) fn next_try(&self) -> Option<Instant> {
        let due_already = !self.ready.is_empty() && self.outage.is_none();
        if due_already || !self.under_way.is_empty() { None } else { self.poll_timeout() }
    }

    /// How many tries of a message have failed.
    pub(crate) fn attempts(&self, name: &EntryName) -> u32 {
        self.retries.get(name).map_or(0, |retry| retry.attempts)
    }

    /// How many messages wait or are under way.
    pub(crate) fn len(&self) -> usize {
        self.ready.len() + self.later.len() + self.under_way.len()
    }

    /// All messages that wait or are under way, with how many tries each had and when it is tried next, if that is not at once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&EntryName, u32, Option<Instant>)> {
        let closed_until = self.outage.as_ref().map(|outage| outage.probe_at);
        let under_way = self.under_way.keys().map(|name| (name, None));
        let ready = self.ready.iter().map(move |name| (name, closed_until));
        let later = self.later.iter().map(|(due, name)| (name, Some(*due)));
        under_way.chain(ready).chain(later).map(|(name, next)| (name, self.attempts(name), next))
    }

    /// When the oldest message was recorded, of all that wait or are under way.
    pub(crate) fn oldest(&self) -> Option<&EntryName> {
        let later = self.later.iter().map(|(_, name)| name);
        self.ready.iter().chain(self.under_way.keys()).chain(later).min_by_key(|name| name.recorded_at())
    }

    fn wake(&mut self, now: Instant) {
        while self.later.first().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, name)) = self.later.pop_first() {
                self.ready.insert(name);
            }
        }
    }

    fn retry_state(&mut self, name: &EntryName) -> &mut RetryState {
        self.retries.entry(name.clone()).or_insert_with(|| RetryState {
            attempts: 0,
            blame: 0,
            schedule: RetrySchedule::new(FIRST_RETRY, LONGEST_RETRY),
        })
    }
}

impl Outage {
    /// It begins with the failure of `batch`, whose first message is `first`.
    fn new(first: &EntryName, batch: &[EntryName], now: Instant, jitter: f64) -> Self {
        let mut schedule = RetrySchedule::new(FIRST_PROBE, LONGEST_PROBE);
        let probe_at = schedule.handle_failure(now, jitter);
        Self {
            schedule,
            probe_at,
            failures: 0,
            other_at: None,
            last: first.clone(),
            probes: BTreeSet::new(),
            others: BTreeSet::new(),
            failed: None,
            all_fail: false,
            closers: batch.iter().cloned().collect(),
        }
    }

    /// The message to try the way with, if it is time: the first of all; and now and then, when that has failed, another one.
    fn poll_probe(&mut self, ready: &BTreeSet<EntryName>, now: Instant) -> Option<EntryName> {
        if self.poll_timeout()? > now {
            return None;
        }
        if self.others.len() < MAX_PROBES && self.other_at.take().is_some() {
            let behind = (Bound::Excluded(&self.last), Bound::Unbounded);
            let next = ready.range(behind).next().or_else(|| ready.first())?.clone();
            self.last = next.clone();
            self.others.insert(next.clone());
            return Some(next);
        }
        let first = ready.first()?.clone();
        self.probes.insert(first.clone());
        // A probe that hears nothing, be it for a minute, keeps no other from noticing that the destination is back.
        self.probe_at = now + LONGEST_PROBE;
        Some(first)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let first_at = (self.probes.len() < MAX_PROBES).then_some(self.probe_at);
        let other_at = self.other_at.filter(|_| self.others.len() < MAX_PROBES);
        other_at.or(first_at)
    }

    /// As what `batch` was out to try the way, if it was; it is not any more.
    fn take_back(&mut self, batch: &[EntryName]) -> Option<Probe> {
        let first = batch.first()?;
        let mut other = || self.others.remove(first).then_some(Probe::Other);
        if self.probes.remove(first) { Some(Probe::First) } else { other() }
    }

    /// A probe failed, whose first message is `first`.
    fn handle_failure(&mut self, probe: Probe, first: &EntryName, now: Instant, jitter: f64) {
        if probe == Probe::First {
            self.other_at = self.failures.is_multiple_of(FAILURES_FOR_ANOTHER).then_some(now);
            self.failures = self.failures.wrapping_add(1);
        }
        self.all_fail |= self.failed.get_or_insert_with(|| first.clone()) != first;
        self.probe_at = self.probe_at.min(self.schedule.handle_failure(now, jitter));
    }
}

/// How many mailboxes of one message go out together.
const MAX_BATCH: usize = 50;
/// How many tries with the first message, and how many with others, are out at once while the way is closed.
const MAX_PROBES: usize = 4;
/// After each so many'th failure of a try with the first message, another one is tried at once.
const FAILURES_FOR_ANOTHER: u32 = 4;
/// A message that was to blame for closing the way this often is held back.
const SUSPECT_BLAME: u32 = 3;
const FIRST_PROBE: Duration = Duration::from_millis(500);
/// A destination that is back is noticed within this time.
const LONGEST_PROBE: Duration = Duration::from_secs(3);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
