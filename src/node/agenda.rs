//! [`Agenda`]: which mailboxes are to be counted and which lamps told, and when. Decides; does nothing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::message::MailboxId;
use crate::retry::{Pacing, Rate};

/// Which mailboxes are to be counted and which lamps told, and when; each by one at a time.
///
/// Whoever waits stands in one of these lanes, and in one only:
///
/// | lane | who | how many |
/// |---|---|---|
/// | changed | what has changed, or may have | as many as there are |
/// | again | what could not be told | so many a second |
/// | waiting | after a restart, what holds new messages | so many a second, with the rest |
/// | rest | after a restart, what holds none | when nobody waits |
/// | uncounted | after a restart, what is not known yet | five times as many a second |
///
/// All but the first leave a quarter of the places free, so that neither 100 000 lamps after a restart nor dead ones hold up a change.
#[derive(Debug)]
pub(super) struct Agenda {
    places: usize,
    mailboxes: HashMap<MailboxId, Entry>,
    lanes: [BTreeSet<MailboxId>; LANES],
    due: BTreeSet<(Instant, MailboxId)>,
    under_way: usize,
    again: Rate,
    restart: Rate,
    counting: Rate,
    /// How many mailboxes are remembered before those with nothing to tell are forgotten.
    sweep_at: usize,
}

/// What there is to do for one mailbox.
#[derive(Debug, Default)]
struct Entry {
    pacing: Pacing,
    place: Place,
    /// Whether its lamp is told whatever it shows.
    must: bool,
    failing: bool,
    /// Whether all there is to tell is what a restart asked for.
    restarted: bool,
}

/// Where a mailbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Nowhere,
    UnderWay,
    Due(Instant),
    In(Lane),
}

/// Where a mailbox waits for its turn; what comes first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Changed,
    Again,
    Waiting,
    Rest,
    Uncounted,
}

/// What to do for a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errand {
    /// Count it and tell its lamp.
    Tell,
    /// Count it, and tell its lamp if that shows something else.
    TellIfOther,
    /// Count it, to see how urgent its lamp is.
    Count,
}

/// What became of an errand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The lamp was told, or need never be.
    Told,
    /// The lamp shows what the mailbox holds already.
    Same,
    /// It was only counted: whether new messages wait, as far as that is known.
    Counted {
        /// Whether they do.
        new: bool,
    },
    /// To be tried again.
    Failed,
}

impl Agenda {
    /// An empty agenda, by which at most `places` lamps are told at once, and `a_second` of those that have not just changed.
    pub(super) fn new(places: usize, a_second: u32) -> Self {
        Self {
            places,
            mailboxes: HashMap::new(),
            lanes: Default::default(),
            due: BTreeSet::new(),
            under_way: 0,
            again: Rate::new(a_second),
            restart: Rate::new(a_second),
            counting: Rate::new(a_second.saturating_mul(COUNTED_FASTER)),
            sweep_at: FIRST_SWEEP,
        }
    }

    /// The lamp may have lost what it was shown, as after a restart: it is told, though nothing may have changed.
    pub(super) fn handle_restart(&mut self, mailbox: MailboxId) {
        let entry = self.mailboxes.entry(mailbox.clone()).or_default();
        entry.must = true;
        entry.pacing.handle_refresh();
        let had_failed = std::mem::take(&mut entry.failing);
        match entry.place {
            // It is told as it is, or after the errand under way.
            Place::Due(_) | Place::In(_) if !had_failed => {}
            Place::UnderWay => {}
            Place::Nowhere | Place::Due(_) | Place::In(_) => {
                entry.restarted = true;
                self.stand(mailbox, Place::In(Lane::Uncounted));
            }
        }
    }

    /// The mailboxes have changed.
    pub(super) fn handle_changes(&mut self, mailboxes: BTreeSet<MailboxId>) {
        for mailbox in mailboxes {
            let entry = self.mailboxes.entry(mailbox.clone()).or_default();
            (entry.must, entry.restarted) = (true, false);
            entry.pacing.handle_change();
            self.plan(mailbox);
        }
    }

    /// The mailboxes may have changed. Those whose turn is still to come are looked at then.
    pub(super) fn handle_doubts(&mut self, mailboxes: Vec<MailboxId>) {
        for mailbox in mailboxes {
            let entry = self.mailboxes.entry(mailbox.clone()).or_default();
            if !entry.pacing.has_change() {
                entry.pacing.handle_change();
                self.plan(mailbox);
            }
        }
    }

    /// The next errand; it is under way from now on.
    pub(super) fn poll_errand(&mut self, now: Instant) -> Option<(MailboxId, Errand)> {
        while let Some((due, mailbox)) = self.due.first().cloned()
            && due <= now
        {
            let failing = self.mailboxes.get(&mailbox).is_some_and(|entry| entry.failing);
            self.stand(mailbox, Place::In(if failing { Lane::Again } else { Lane::Changed }));
        }
        while let Some((lane, mailbox)) = self.next(now) {
            let Some(entry) = self.mailboxes.get_mut(&mailbox) else { continue };
            if lane == Lane::Uncounted {
                self.stand(mailbox.clone(), Place::UnderWay);
                return Some((mailbox, Errand::Count));
            }
            if entry.pacing.poll_update(now) {
                let errand = if std::mem::take(&mut entry.must) { Errand::Tell } else { Errand::TellIfOther };
                entry.restarted = false;
                self.stand(mailbox.clone(), Place::UnderWay);
                return Some((mailbox, errand));
            }
            self.plan(mailbox);
        }
        None
    }

    /// An errand has ended.
    pub(super) fn handle_outcome(&mut self, mailbox: MailboxId, outcome: Outcome, now: Instant) {
        let Some(entry) = self.mailboxes.get_mut(&mailbox) else { return };
        entry.failing = outcome == Outcome::Failed;
        match outcome {
            Outcome::Told => entry.pacing.handle_updated(),
            Outcome::Same => entry.pacing.handle_unchanged(),
            Outcome::Counted { .. } => {}
            Outcome::Failed => {
                entry.must = true;
                entry.pacing.handle_failure(now);
            }
        }
        let (is_idle, restarted) = (entry.pacing.is_idle(now), entry.restarted);
        self.stand(mailbox.clone(), Place::Nowhere);
        match outcome {
            Outcome::Counted { new } if restarted => {
                self.stand(mailbox, Place::In(if new { Lane::Waiting } else { Lane::Rest }));
            }
            _ if is_idle => drop(self.mailboxes.remove(&mailbox)),
            _ => self.plan(mailbox),
        }
        if self.mailboxes.len() >= self.sweep_at {
            self.mailboxes.retain(|_, entry| entry.place != Place::Nowhere || !entry.pacing.is_idle(now));
            self.sweep_at = FIRST_SWEEP.max(2 * self.mailboxes.len());
        }
    }

    /// When to poll again, if nothing else happens before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let paced = [
            (&self.again, &[Lane::Again][..]),
            (&self.restart, &[Lane::Waiting, Lane::Rest]),
            (&self.counting, &[Lane::Uncounted]),
        ];
        let paced = paced.into_iter().filter(|(_, lanes)| lanes.iter().any(|lane| !self.lane(*lane).is_empty()));
        let paced = paced.filter_map(|(pace, _)| pace.poll_timeout()).filter(|_| self.has_places_for_all()).min();
        self.due.first().map(|(due, _)| *due).into_iter().chain(paced).min()
    }

    /// All that have changed and were not told, with the time before which they should not be.
    pub(super) fn into_untold(self) -> HashMap<MailboxId, Option<Instant>> {
        let untold = self.mailboxes.into_iter().filter(|(_, entry)| entry.must);
        let untold = untold.filter_map(|(mailbox, entry)| match entry.place {
            Place::Due(due) => Some((mailbox, Some(due))),
            Place::In(Lane::Changed | Lane::Again) => Some((mailbox, None)),
            // These are told after the next start as well.
            Place::In(Lane::Waiting | Lane::Rest | Lane::Uncounted) | Place::Nowhere | Place::UnderWay => None,
        });
        untold.collect()
    }

    /// Whoever goes next, if anybody may.
    fn next(&mut self, now: Instant) -> Option<(Lane, MailboxId)> {
        let first = |lane: Lane| self.lanes[lane as usize].first().map(|mailbox| (lane, mailbox.clone()));
        if self.under_way >= self.places {
            return None;
        }
        if let Some(next) = first(Lane::Changed) {
            return Some(next);
        }
        if self.under_way >= self.places - self.places / 4 {
            return None;
        }
        if self.again.is_free(now)
            && let Some(next) = first(Lane::Again)
        {
            self.again.handle_gone(now);
            return Some(next);
        }
        if self.restart.is_free(now)
            && let Some(next) = first(Lane::Waiting).or_else(|| first(Lane::Rest))
        {
            self.restart.handle_gone(now);
            return Some(next);
        }
        let next = first(Lane::Uncounted).filter(|_| self.counting.is_free(now))?;
        self.counting.handle_gone(now);
        Some(next)
    }

    fn has_places_for_all(&self) -> bool {
        self.under_way < self.places - self.places / 4
    }

    /// Puts a mailbox that has something to tell where it will be found in time; one that is under way waits for that.
    fn plan(&mut self, mailbox: MailboxId) {
        let Some(entry) = self.mailboxes.get(&mailbox) else { return };
        let lane = if entry.failing { Lane::Again } else { Lane::Changed };
        match entry.pacing.poll_timeout() {
            _ if entry.place == Place::UnderWay => {}
            Some(due) => self.stand(mailbox, Place::Due(due)),
            None if entry.pacing.has_change() => self.stand(mailbox, Place::In(lane)),
            None => {}
        }
    }

    /// Takes a mailbox from where it stands to `place`.
    fn stand(&mut self, mailbox: MailboxId, place: Place) {
        let Some(entry) = self.mailboxes.get_mut(&mailbox) else { return };
        match std::mem::replace(&mut entry.place, place) {
            Place::Nowhere => {}
            Place::UnderWay => self.under_way -= 1,
            Place::Due(due) => drop(self.due.remove(&(due, mailbox.clone()))),
            Place::In(lane) => drop(self.lanes[lane as usize].remove(&mailbox)),
        }
        match place {
            Place::Nowhere => {}
            Place::UnderWay => self.under_way += 1,
            Place::Due(due) => drop(self.due.insert((due, mailbox))),
            Place::In(lane) => drop(self.lanes[lane as usize].insert(mailbox)),
        }
    }

    fn lane(&self, lane: Lane) -> &BTreeSet<MailboxId> {
        &self.lanes[lane as usize]
    }
}

const LANES: usize = 5;
/// After a restart, mailboxes are counted so many times faster than their lamps are told, to find those with new messages first.
const COUNTED_FASTER: u32 = 5;
const FIRST_SWEEP: usize = 10_000;
