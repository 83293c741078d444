//! [`Agenda`]: which lamps are to be told, and when. Decides; does nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::message::MailboxId;
use crate::mwi::Pacing;

/// Which lamps are to be told, and when; each by one at a time.
///
/// What has changed goes first. What is told again, after a restart or a failure, waits for that, and leaves a quarter of the
/// places free, so that neither 100 000 lamps after a restart nor dead ones hold up a change.
#[derive(Debug)]
pub(super) struct Agenda {
    places: usize,
    pacing: HashMap<MailboxId, Pacing>,
    due: BTreeSet<(Instant, MailboxId)>,
    changed: BTreeSet<MailboxId>,
    again: BTreeSet<MailboxId>,
    restarted: BTreeSet<MailboxId>,
    failing: BTreeSet<MailboxId>,
    telling: BTreeSet<MailboxId>,
    /// How many mailboxes are remembered before those with nothing to tell are forgotten.
    sweep_at: usize,
}

impl Agenda {
    /// An empty agenda, by which at most `places` lamps are told at once.
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            pacing: HashMap::new(),
            due: BTreeSet::new(),
            changed: BTreeSet::new(),
            again: BTreeSet::new(),
            restarted: BTreeSet::new(),
            failing: BTreeSet::new(),
            telling: BTreeSet::new(),
            sweep_at: FIRST_SWEEP,
        }
    }

    /// The node has started: the lamp is told what it is, though nothing may have changed.
    pub(super) fn handle_restart(&mut self, mailbox: MailboxId) {
        self.pacing.entry(mailbox.clone()).or_default().handle_restart();
        self.restarted.insert(mailbox);
    }

    /// The mailboxes have changed.
    pub(super) fn handle_changes(&mut self, mailboxes: BTreeSet<MailboxId>) {
        for mailbox in mailboxes {
            self.pacing.entry(mailbox.clone()).or_default().handle_change();
            self.plan(mailbox);
        }
    }

    /// The next lamp to tell; it is being told from now on.
    pub(super) fn poll_tell(&mut self, now: Instant) -> Option<MailboxId> {
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, mailbox)) = self.due.pop_first() {
                self.make_ready(mailbox);
            }
        }
        while self.telling.len() < self.places {
            let free_for_all = self.telling.len() < self.places - self.places / 4;
            let rest = || if free_for_all { self.again.pop_first().or_else(|| self.restarted.pop_first()) } else { None };
            let mailbox = self.changed.pop_first().or_else(rest)?;
            if self.telling.contains(&mailbox) {
                continue;
            }
            if self.pacing.get_mut(&mailbox).is_some_and(|pacing| pacing.poll_tell(now)) {
                self.telling.insert(mailbox.clone());
                return Some(mailbox);
            }
            self.plan(mailbox);
        }
        None
    }

    /// A lamp was told, or not.
    pub(super) fn handle_told(&mut self, mailbox: MailboxId, done: bool, now: Instant) {
        self.telling.remove(&mailbox);
        if let Some(pacing) = self.pacing.get_mut(&mailbox) {
            if done {
                self.failing.remove(&mailbox);
                pacing.handle_told();
            } else {
                self.failing.insert(mailbox.clone());
                pacing.handle_failure(now);
            }
        }
        if self.pacing.get(&mailbox).is_some_and(|pacing| pacing.is_idle(now)) {
            self.pacing.remove(&mailbox);
        }
        self.plan(mailbox);
        if self.pacing.len() >= self.sweep_at {
            self.pacing.retain(|mailbox, pacing| !pacing.is_idle(now) || self.telling.contains(mailbox));
            self.sweep_at = FIRST_SWEEP.max(2 * self.pacing.len());
        }
    }

    /// When to poll again, if nothing else happens before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// All that have changed and were not told, with the time before which they should not be.
    pub(super) fn into_untold(self) -> HashMap<MailboxId, Option<Instant>> {
        let due = self.due.into_iter().map(|(due, mailbox)| (mailbox, Some(due)));
        due.chain(self.changed.into_iter().chain(self.again).map(|mailbox| (mailbox, None))).collect()
    }

    /// Puts a mailbox where it will be found in time; one that is being told waits for that.
    fn plan(&mut self, mailbox: MailboxId) {
        if self.telling.contains(&mailbox) {
            return;
        }
        let Some(pacing) = self.pacing.get(&mailbox) else { return };
        match pacing.poll_timeout() {
            Some(due) => {
                self.due.insert((due, mailbox));
            }
            None if pacing.has_change() => self.make_ready(mailbox),
            None => {}
        }
    }

    fn make_ready(&mut self, mailbox: MailboxId) {
        let ready = if self.failing.contains(&mailbox) { &mut self.again } else { &mut self.changed };
        ready.insert(mailbox);
    }
}

const FIRST_SWEEP: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn mailbox(number: u32) -> MailboxId {
        number.to_string().parse().unwrap()
    }

    fn restarted(mailboxes: u32) -> Agenda {
        let mut agenda = Agenda::new(64);
        (0..mailboxes).for_each(|number| agenda.handle_restart(mailbox(100_000 + number)));
        agenda
    }

    #[test]
    fn a_change_waits_neither_for_the_lamps_of_a_restart_nor_for_dead_ones() {
        let now = Instant::now();
        let mut agenda = restarted(1_000);
        let hung: Vec<_> = std::iter::from_fn(|| agenda.poll_tell(now)).collect();
        assert_eq!(hung.len(), 48, "a quarter of the places is for changes");
        agenda.handle_changes([mailbox(999_999)].into());
        assert_eq!(agenda.poll_tell(now), Some(mailbox(999_999)));
        assert_eq!(agenda.poll_tell(now), None);
    }

    #[test]
    fn every_lamp_is_told_also_when_the_places_are_full_while_others_are_asked_for() {
        let now = Instant::now();
        let mut agenda = restarted(200);
        let mut telling = std::collections::VecDeque::new();
        let mut told = 0;
        loop {
            telling.extend(std::iter::from_fn(|| agenda.poll_tell(now)));
            let Some(mailbox) = telling.pop_front() else { break };
            agenda.handle_told(mailbox, true, now);
            told += 1;
        }
        assert_eq!(told, 200);
    }

    #[test]
    fn each_of_100_000_lamps_is_told_once_after_a_restart_and_nothing_is_remembered_of_it() {
        let now = Instant::now();
        let mut agenda = restarted(100_000);
        let mut told = 0;
        while let Some(mailbox) = agenda.poll_tell(now) {
            agenda.handle_told(mailbox, true, now);
            told += 1;
        }
        assert_eq!(told, 100_000);
        assert_eq!(agenda.pacing.len(), 0, "nothing is remembered of what is at rest");
    }

    #[test]
    fn a_change_during_the_telling_is_told_after_it_and_never_beside_it() {
        let now = Instant::now();
        let mut agenda = restarted(1);
        let told = agenda.poll_tell(now).unwrap();
        agenda.handle_changes([told.clone()].into());
        assert_eq!(agenda.poll_tell(now), None);
        agenda.handle_told(told.clone(), true, now);
        assert_eq!(agenda.poll_tell(now), Some(told.clone()));
        agenda.handle_changes([told.clone()].into());
        agenda.handle_told(told.clone(), true, now);
        assert_eq!(agenda.into_untold().into_iter().collect::<Vec<_>>(), [(told, Some(now + Duration::from_secs(1)))]);
    }
}
