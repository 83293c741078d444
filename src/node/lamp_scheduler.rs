//! [`LampScheduler`]: which mailboxes are counted and which lamps are updated, and when. A state machine without I/O.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::message::MailboxId;
use crate::retry::{Backoff, Pacing, Rate};

/// Which mailboxes are counted and which lamps are updated, and when; at most one task for a mailbox at a time.
///
/// A mailbox that waits for its turn is in one of these queues:
///
/// | queue | mailboxes in it | how fast they leave it |
/// |---|---|---|
/// | `Changed` | those that have changed, or may have | at once |
/// | `Retry` | those whose lamp could not be updated | at the rate limit |
/// | `HasNew` | after a restart, those with new messages | at the rate limit, shared with `NoNew` |
/// | `NoNew` | after a restart, those without new messages | when `HasNew` is empty |
/// | `Uncounted` | after a restart, those not counted yet | at five times the rate limit |
///
/// All queues but the first leave a quarter of the concurrent tasks free, so that neither 100 000 lamps after a restart nor lamps that
/// cannot be reached delay a change.
#[derive(Debug)]
pub(super) struct LampScheduler {
    max_concurrent: usize,
    mailboxes: HashMap<MailboxId, Entry>,
    queues: [BTreeSet<MailboxId>; QUEUES],
    due: BTreeSet<(Instant, MailboxId)>,
    in_progress: usize,
    /// The waits between the attempts of one lamp.
    backoff: Backoff,
    retry: Rate,
    restart: Rate,
    counting: Rate,
    /// How many mailboxes are remembered before the idle ones are forgotten.
    sweep_at: usize,
}

/// The work that is left for one mailbox.
#[derive(Debug, Default)]
struct Entry {
    pacing: Pacing,
    position: Position,
    /// Whether its lamp is updated even if it shows the same already.
    must_show: bool,
    failing: bool,
    /// Whether a restart is the only reason for the work.
    restarted: bool,
}

/// Where a mailbox is between its first change and the end of its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Position {
    #[default]
    Idle,
    InProgress,
    Due(Instant),
    Queued(Queue),
}

/// The queues, the one that is served first before the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    Changed,
    Retry,
    HasNew,
    NoNew,
    Uncounted,
}

/// The work for one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LampTask {
    /// Count the mailbox and update its lamp.
    Show,
    /// Count the mailbox, and update its lamp if that shows something else.
    ShowIfChanged,
    /// Count the mailbox, to learn how urgent its lamp is.
    Count,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskOutcome {
    /// The lamp was updated, or never needs to be.
    Shown,
    /// The lamp shows the state of the mailbox already.
    Unchanged,
    /// The mailbox was counted, and its lamp not updated.
    Counted {
        /// Whether new messages wait, as far as that is known.
        new: bool,
    },
    /// The lamp was not updated; the task is tried again.
    Failed,
}

impl LampScheduler {
    /// Returns a scheduler without work. At most `max_concurrent` tasks run at once; lamps of mailboxes that have not just changed are
    /// updated at a rate of at most `max_per_sec`; one that could not be updated is tried again after the waits of `backoff`.
    pub(super) fn new(max_concurrent: usize, max_per_sec: u32, backoff: Backoff) -> Self {
        Self {
            max_concurrent,
            mailboxes: HashMap::new(),
            queues: Default::default(),
            due: BTreeSet::new(),
            in_progress: 0,
            backoff,
            retry: Rate::new(max_per_sec),
            restart: Rate::new(max_per_sec),
            counting: Rate::new(max_per_sec.saturating_mul(COUNTED_FASTER)),
            sweep_at: FIRST_SWEEP,
        }
    }

    /// Handles a lamp that may have lost its state, as after a restart: it is updated, even if nothing has changed.
    pub(super) fn handle_restart(&mut self, mailbox: MailboxId) {
        let entry = self.mailboxes.entry(mailbox.clone()).or_default();
        entry.must_show = true;
        entry.pacing.handle_refresh();
        let had_failed = std::mem::take(&mut entry.failing);
        match entry.position {
            // Its lamp is updated anyway: soon, or after the task in progress.
            Position::Due(_) | Position::Queued(_) if !had_failed => {}
            Position::InProgress => {}
            Position::Idle | Position::Due(_) | Position::Queued(_) => {
                entry.restarted = true;
                self.move_to(mailbox, Position::Queued(Queue::Uncounted));
            }
        }
    }

    /// Handles a change of the mailboxes.
    pub(super) fn handle_changes(&mut self, mailboxes: BTreeSet<MailboxId>) {
        for mailbox in mailboxes {
            let entry = self.mailboxes.entry(mailbox.clone()).or_default();
            (entry.must_show, entry.restarted) = (true, false);
            entry.pacing.handle_change();
            self.schedule(mailbox);
        }
    }

    /// Handles mailboxes that others may have changed. One that is queued already is counted when its turn comes.
    pub(super) fn handle_possible_changes(&mut self, mailboxes: Vec<MailboxId>) {
        for mailbox in mailboxes {
            let entry = self.mailboxes.entry(mailbox.clone()).or_default();
            if !entry.pacing.has_change() {
                entry.pacing.handle_change();
                self.schedule(mailbox);
            }
        }
    }

    /// Returns the next task, which is in progress from now on.
    pub(super) fn poll_task(&mut self, now: Instant) -> Option<(MailboxId, LampTask)> {
        while let Some((due, mailbox)) = self.due.first().cloned()
            && due <= now
        {
            let failing = self.mailboxes.get(&mailbox).is_some_and(|entry| entry.failing);
            self.move_to(mailbox, Position::Queued(if failing { Queue::Retry } else { Queue::Changed }));
        }
        while let Some((queue, mailbox)) = self.next(now) {
            let Some(entry) = self.mailboxes.get_mut(&mailbox) else { continue };
            if queue == Queue::Uncounted {
                self.move_to(mailbox.clone(), Position::InProgress);
                return Some((mailbox, LampTask::Count));
            }
            if entry.pacing.poll_update(now) {
                let task = if std::mem::take(&mut entry.must_show) { LampTask::Show } else { LampTask::ShowIfChanged };
                entry.restarted = false;
                self.move_to(mailbox.clone(), Position::InProgress);
                return Some((mailbox, task));
            }
            self.schedule(mailbox);
        }
        None
    }

    /// Handles the end of a task.
    pub(super) fn handle_outcome(&mut self, mailbox: MailboxId, outcome: TaskOutcome, now: Instant) {
        let Some(entry) = self.mailboxes.get_mut(&mailbox) else { return };
        entry.failing = outcome == TaskOutcome::Failed;
        match outcome {
            TaskOutcome::Shown => entry.pacing.handle_updated(),
            TaskOutcome::Unchanged => entry.pacing.handle_unchanged(),
            TaskOutcome::Counted { .. } => {}
            TaskOutcome::Failed => {
                entry.must_show = true;
                entry.pacing.handle_failure(now, self.backoff);
            }
        }
        let (is_idle, restarted) = (entry.pacing.is_idle(now), entry.restarted);
        self.move_to(mailbox.clone(), Position::Idle);
        match outcome {
            TaskOutcome::Counted { new } if restarted => {
                self.move_to(mailbox, Position::Queued(if new { Queue::HasNew } else { Queue::NoNew }));
            }
            _ if is_idle => drop(self.mailboxes.remove(&mailbox)),
            _ => self.schedule(mailbox),
        }
        if self.mailboxes.len() >= self.sweep_at {
            self.mailboxes.retain(|_, entry| entry.position != Position::Idle || !entry.pacing.is_idle(now));
            self.sweep_at = FIRST_SWEEP.max(2 * self.mailboxes.len());
        }
    }

    /// Returns when to poll again, if nothing else happens before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let paced = [
            (&self.retry, &[Queue::Retry][..]),
            (&self.restart, &[Queue::HasNew, Queue::NoNew]),
            (&self.counting, &[Queue::Uncounted]),
        ];
        let paced = paced.into_iter().filter(|(_, queues)| queues.iter().any(|queue| !self.queue(*queue).is_empty()));
        let paced = paced.filter_map(|(rate, _)| rate.poll_timeout()).filter(|_| self.has_capacity_for_all()).min();
        self.due.first().map(|(due, _)| *due).into_iter().chain(paced).min()
    }

    /// Returns all mailboxes that have changed and whose lamps were not updated, each with the time before which it should not be.
    pub(super) fn into_unshown(self) -> HashMap<MailboxId, Option<Instant>> {
        let unshown = self.mailboxes.into_iter().filter(|(_, entry)| entry.must_show);
        let unshown = unshown.filter_map(|(mailbox, entry)| match entry.position {
            Position::Due(due) => Some((mailbox, Some(due))),
            Position::Queued(Queue::Changed | Queue::Retry) => Some((mailbox, None)),
            // These lamps are updated after the next start as well.
            Position::Queued(Queue::HasNew | Queue::NoNew | Queue::Uncounted) | Position::Idle | Position::InProgress => None,
        });
        unshown.collect()
    }

    /// Takes the mailbox whose turn it is, if a task may begin now.
    fn next(&mut self, now: Instant) -> Option<(Queue, MailboxId)> {
        let first = |queue: Queue| self.queues[queue as usize].first().map(|mailbox| (queue, mailbox.clone()));
        if self.in_progress >= self.max_concurrent {
            return None;
        }
        if let Some(next) = first(Queue::Changed) {
            return Some(next);
        }
        if self.in_progress >= self.max_concurrent - self.max_concurrent / 4 {
            return None;
        }
        if self.retry.is_free(now)
            && let Some(next) = first(Queue::Retry)
        {
            self.retry.handle_gone(now);
            return Some(next);
        }
        if self.restart.is_free(now)
            && let Some(next) = first(Queue::HasNew).or_else(|| first(Queue::NoNew))
        {
            self.restart.handle_gone(now);
            return Some(next);
        }
        let next = first(Queue::Uncounted).filter(|_| self.counting.is_free(now))?;
        self.counting.handle_gone(now);
        Some(next)
    }

    fn has_capacity_for_all(&self) -> bool {
        self.in_progress < self.max_concurrent - self.max_concurrent / 4
    }

    /// Queues a mailbox that has work left, for now or for when it is due. One with a task in progress is queued when that ends.
    fn schedule(&mut self, mailbox: MailboxId) {
        let Some(entry) = self.mailboxes.get(&mailbox) else { return };
        let queue = if entry.failing { Queue::Retry } else { Queue::Changed };
        match entry.pacing.poll_timeout() {
            _ if entry.position == Position::InProgress => {}
            Some(due) => self.move_to(mailbox, Position::Due(due)),
            None if entry.pacing.has_change() => self.move_to(mailbox, Position::Queued(queue)),
            None => {}
        }
    }

    /// Moves a mailbox from its position to `position`.
    fn move_to(&mut self, mailbox: MailboxId, position: Position) {
        let Some(entry) = self.mailboxes.get_mut(&mailbox) else { return };
        match std::mem::replace(&mut entry.position, position) {
            Position::Idle => {}
            Position::InProgress => self.in_progress -= 1,
            Position::Due(due) => drop(self.due.remove(&(due, mailbox.clone()))),
            Position::Queued(queue) => drop(self.queues[queue as usize].remove(&mailbox)),
        }
        match position {
            Position::Idle => {}
            Position::InProgress => self.in_progress += 1,
            Position::Due(due) => drop(self.due.insert((due, mailbox))),
            Position::Queued(queue) => drop(self.queues[queue as usize].insert(mailbox)),
        }
    }

    fn queue(&self, queue: Queue) -> &BTreeSet<MailboxId> {
        &self.queues[queue as usize]
    }
}

const QUEUES: usize = 5;
/// How many times faster mailboxes are counted after a restart than their lamps are updated, so that those with new messages come first.
const COUNTED_FASTER: u32 = 5;
const FIRST_SWEEP: usize = 10_000;
