//! [`Pending`]: the states that one sink has not shown yet, and when each is tried. A state machine without I/O.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::message::MailboxId;
use crate::mwi::{LampPermit, MwiState};
use crate::retry::{Backoff, RetrySchedule};

/// The states that one sink has not shown yet: the newest one of each mailbox.
#[derive(Debug, Default)]
pub(super) struct Pending {
    slots: HashMap<MailboxId, Slot>,
    ready: VecDeque<MailboxId>,
    due: BTreeSet<(Instant, MailboxId)>,
    /// Whether the sink has kept an attempt waiting, and no other has ended since.
    is_slow: bool,
}

#[derive(Debug)]
struct Slot {
    state: MwiState,
    permit: LampPermit,
    position: Position,
    schedule: Option<RetrySchedule>,
    /// The calls that wait for the outcome.
    waiting: Vec<oneshot::Sender<Outcome>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Ready,
    InProgress,
    Due,
}

/// How an attempt to show a state ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Shown,
    NoSuchMailbox,
    Refused,
    /// The sink has failed; the state is tried again.
    Failed,
    /// The sink has not answered in time; the state is tried again.
    NoAnswer,
    /// The permit to show the state has ended.
    NotPermitted,
}

impl Pending {
    /// Takes in a state to show while `permit` is valid, unless a newer one is here. The receiver gets the outcome of the next attempt, or
    /// [`Outcome::NoAnswer`] at once while an earlier failure delays it.
    pub(super) fn handle_state(&mut self, state: &MwiState, permit: &LampPermit) -> oneshot::Receiver<Outcome> {
        let (answer, answered) = oneshot::channel();
        let slot = self.slots.entry(state.mailbox.clone()).or_insert_with(|| {
            self.ready.push_back(state.mailbox.clone());
            let (state, permit, waiting) = (state.clone(), permit.clone(), Vec::new());
            Slot { state, permit, position: Position::Ready, schedule: None, waiting }
        });
        if state.version >= slot.state.version {
            (slot.state, slot.permit) = (state.clone(), permit.clone());
        }
        slot.waiting.retain(|waiting| !waiting.is_closed());
        slot.waiting.push(answer);
        if self.is_slow || slot.position == Position::Due {
            slot.answer(Outcome::NoAnswer);
        }
        answered
    }

    /// Returns a state to show now; its attempt is in progress from now on.
    pub(super) fn poll_attempt(&mut self, now: Instant) -> Option<(MwiState, LampPermit)> {
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            let (_, mailbox) = self.due.pop_first()?;
            if let Some(slot) = self.slots.get_mut(&mailbox) {
                slot.position = Position::Ready;
                self.ready.push_back(mailbox);
            }
        }
        let slot = self.slots.get_mut(&self.ready.pop_front()?)?;
        slot.position = Position::InProgress;
        Some((slot.state.clone(), slot.permit.clone()))
    }

    /// Returns when to poll again, if nothing else happens before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Handles a sink that keeps an attempt waiting: no call waits for it any more.
    pub(super) fn handle_slow(&mut self) {
        self.is_slow = true;
        self.slots.values_mut().for_each(|slot| slot.answer(Outcome::NoAnswer));
    }

    /// Handles the end of the attempt to show `state`. After a failure, the newest state of the mailbox is tried after the next wait of
    /// `backoff`.
    pub(super) fn handle_outcome(&mut self, state: &MwiState, outcome: Outcome, backoff: Backoff, now: Instant) {
        self.is_slow &= outcome == Outcome::NoAnswer;
        let Some(slot) = self.slots.get_mut(&state.mailbox) else { return };
        match outcome {
            Outcome::Failed | Outcome::NoAnswer => {
                slot.answer(outcome);
                slot.position = Position::Due;
                let due = slot.schedule.get_or_insert_with(|| RetrySchedule::new(backoff)).handle_failure(now, 0.0);
                self.due.insert((due, state.mailbox.clone()));
            }
            Outcome::Shown | Outcome::NoSuchMailbox | Outcome::Refused | Outcome::NotPermitted => {
                let permitted_again = outcome == Outcome::NotPermitted && slot.permit.is_valid_at(now);
                if slot.state.version > state.version || permitted_again {
                    // Another state has come in between, whose outcome the calls wait for.
                    slot.schedule = None;
                    slot.position = Position::Ready;
                    self.ready.push_back(state.mailbox.clone());
                } else {
                    slot.answer(outcome);
                    self.slots.remove(&state.mailbox);
                }
            }
        }
    }

    /// Makes the attempts ready again that were in progress when their driver was dropped.
    pub(super) fn handle_restart(&mut self) {
        for (mailbox, slot) in &mut self.slots {
            if slot.position == Position::InProgress {
                slot.position = Position::Ready;
                self.ready.push_back(mailbox.clone());
            }
        }
    }
}

impl Slot {
    fn answer(&mut self, outcome: Outcome) {
        for waiting in self.waiting.drain(..) {
            // The call may have been dropped.
            let _ = waiting.send(outcome);
        }
    }
}
