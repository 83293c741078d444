//! [`Probes`]: which messages test a destination that cannot be reached.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Instant;

use super::name::EntryName;
use crate::retry::{Backoff, Outage, RetryPolicy};

/// An outage of the destination, and the messages that are sent during it to test whether it is over.
#[derive(Debug)]
pub(super) struct Probes {
    outage: Outage,
    /// The waits between probes that are answered.
    unavailable: Backoff,
    /// How many failures in a row were answers.
    refusals: u32,
    /// How many probes with the first message have failed.
    failures: u32,
    /// Since when a probe with another message is due, because one with the first has just failed.
    other_at: Option<Instant>,
    /// The other message that was tried last; the next is the one behind it.
    last: EntryName,
    /// The first message of each batch that is out as a probe with the first message of all.
    firsts: BTreeSet<EntryName>,
    /// The same for probes with other messages.
    others: BTreeSet<EntryName>,
    /// The message of the first probe that failed.
    failed: Option<EntryName>,
    /// Whether probes with different messages failed: then no single message is to blame.
    pub(super) all_fail: bool,
    /// The messages whose failure began the outage, and those that were sent before it began and failed too.
    pub(super) causes: BTreeSet<EntryName>,
}

/// How a destination failed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It could not be reached, or gave no answer.
    Unreachable,
    /// It answered that it takes no message now, as while its store is away. To ask again costs it little, so it is asked more often.
    Unavailable,
}

/// Which message a probe is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// The first message of the queue.
    First,
    /// Another message, because the first has failed.
    Other,
}

impl Probes {
    /// Begins with the failure of `batch`, whose first message is `first`.
    pub(super) fn new(
        policy: &RetryPolicy,
        failure: Failure,
        first: &EntryName,
        batch: &[EntryName],
        now: Instant,
        jitter: f64,
    ) -> Self {
        let mut probes = Self {
            outage: Outage::new(policy.destination_unreachable, now, jitter),
            unavailable: policy.destination_unavailable,
            refusals: 0,
            failures: 0,
            other_at: None,
            last: first.clone(),
            firsts: BTreeSet::new(),
            others: BTreeSet::new(),
            failed: None,
            all_fail: false,
            causes: batch.iter().cloned().collect(),
        };
        probes.wait_after(failure, now, jitter);
        probes
    }

    /// When the first message of the queue is sent as a probe next.
    pub(super) fn probe_at(&self) -> Instant {
        self.outage.probe_at()
    }

    /// Makes a probe due at `now`.
    pub(super) fn retry_now(&mut self, now: Instant) {
        self.outage.retry_now(now);
    }

    /// Returns the message to send as a probe, if one is due: the first of `ready`, and sometimes, when that has failed, another one.
    pub(super) fn poll_probe(&mut self, ready: &BTreeSet<EntryName>, now: Instant) -> Option<EntryName> {
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
        self.firsts.insert(first.clone());
        // A probe without an answer, be it for a minute, must not delay the moment at which the next one finds the destination back.
        self.outage.handle_probe(now);
        Some(first)
    }

    /// When the next probe is due; `None` while as many are out as may be.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let first_at = (self.firsts.len() < MAX_PROBES).then_some(self.outage.probe_at());
        let other_at = self.other_at.filter(|_| self.others.len() < MAX_PROBES);
        other_at.or(first_at)
    }

    /// Notes that `batch` has come back; returns which probe it was, if it was one.
    pub(super) fn take_back(&mut self, batch: &[EntryName]) -> Option<Probe> {
        let first = batch.first()?;
        let mut other = || self.others.remove(first).then_some(Probe::Other);
        if self.firsts.remove(first) { Some(Probe::First) } else { other() }
    }

    /// Notes that a probe failed whose first message is `first`.
    pub(super) fn handle_failure(&mut self, failure: Failure, probe: Probe, first: &EntryName, now: Instant, jitter: f64) {
        if probe == Probe::First {
            self.other_at = self.failures.is_multiple_of(FAILURES_FOR_ANOTHER).then_some(now);
            self.failures = self.failures.wrapping_add(1);
        }
        self.all_fail |= self.failed.get_or_insert_with(|| first.clone()) != first;
        self.outage.handle_probe_failure(now, jitter);
        self.wait_after(failure, now, jitter);
    }

    /// Lets the next probe follow an answer sooner than silence.
    fn wait_after(&mut self, failure: Failure, now: Instant, jitter: f64) {
        match failure {
            Failure::Unreachable => self.refusals = 0,
            Failure::Unavailable => {
                self.outage.retry_within(self.unavailable.wait(self.refusals, jitter), now);
                self.refusals = self.refusals.saturating_add(1);
            }
        }
    }
}

/// How many probes with the first message, and how many with others, are out at once.
pub(super) const MAX_PROBES: usize = 4;
/// After the first failure of a probe with the first message, and after each fourth one that follows, another message is tried at once.
const FAILURES_FOR_ANOTHER: u32 = 4;
