//! [`Subscription`]: what one telephone is told, and when.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::MessageSummary;
use super::super::message::Status;
use super::super::transaction::ClientTransaction;
use super::super::transport::Way;
use super::dialog::{BRANCH, Dialog};
use crate::message::MailboxId;
use crate::mwi::{Current, MwiState, Pacing};

/// One subscription, with its dialog.
///
/// It asks for the state after each SUBSCRIBE, tells it, and tells each newer one at most once a second; one NOTIFY is under way at a
/// time. A state that is not known is asked for again, ever less often, and until it is known the telephone is told that it is
/// subscribed, and nothing of its lamp.
///
/// # Source
///
/// RFC 6665 §4.2, RFC 3842 §3.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) user: String,
    pub(super) mailbox: MailboxId,
    pub(super) dialog: Dialog,
    /// The last number of a request of the telephone's.
    pub(super) remote_number: u32,
    pub(super) expires_at: Instant,
    /// When the last SUBSCRIBE was accepted.
    pub(super) subscribed_at: Instant,
    pacing: Pacing,
    newest: Option<MwiState>,
    asking: Asking,
    /// A SUBSCRIBE was accepted, and no NOTIFY has followed yet.
    owed: bool,
    /// What has just been asked for is to be told.
    answered: bool,
    not_before: Option<Instant>,
    /// Why it ends, when it does.
    ending: Option<&'static str>,
    flight: Option<Flight>,
    local_number: u32,
    over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    No,
    Wanted,
    /// Unless a newer state has come in the meantime.
    UnderWay {
        overtaken: bool,
    },
}

/// A NOTIFY under way.
#[derive(Debug)]
struct Flight {
    branch: String,
    bytes: Bytes,
    transaction: ClientTransaction,
    tells: Tells,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    Nothing,
    State,
    End,
}

/// What a subscription asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The state of its mailbox.
    Ask,
    /// To send this.
    Send(Way, Bytes),
    /// To be forgotten.
    Over,
}

impl Subscription {
    /// One that was just accepted.
    pub(super) fn new(user: String, mailbox: MailboxId, dialog: Dialog, number: u32, time: Duration, now: Instant) -> Self {
        let mut new = Self {
            user,
            mailbox,
            dialog,
            remote_number: number,
            expires_at: now + time,
            subscribed_at: now,
            pacing: Pacing::default(),
            newest: None,
            asking: Asking::No,
            owed: false,
            answered: false,
            not_before: None,
            ending: None,
            flight: None,
            local_number: 0,
            over: false,
        };
        new.handle_subscribe(number, time, now);
        new
    }

    /// It was accepted, again perhaps; for no time at all, it is told once more and ends.
    pub(super) fn handle_subscribe(&mut self, number: u32, time: Duration, now: Instant) {
        self.remote_number = number;
        self.expires_at = now + time;
        self.subscribed_at = now;
        self.owed = true;
        if time.is_zero() {
            self.end("timeout");
        }
        if self.asking == Asking::No {
            self.asking = Asking::Wanted;
        }
        self.not_before = None;
        self.pacing.handle_restart();
        self.pacing.handle_change();
    }

    /// The state has changed.
    pub(super) fn handle_state(&mut self, state: &MwiState) {
        if self.take(state) {
            // It was counted just now, so there is nothing to ask for any more, and what failed before is over.
            match &mut self.asking {
                Asking::No => {}
                Asking::Wanted => {
                    self.asking = Asking::No;
                    self.pacing.handle_restart();
                }
                Asking::UnderWay { overtaken } => *overtaken = true,
            }
            self.pacing.handle_change();
        }
    }

    /// What was asked for.
    pub(super) fn handle_current(&mut self, current: &Current, now: Instant) {
        let asking = std::mem::replace(&mut self.asking, Asking::No);
        match current {
            Current::Known(state) => {
                self.take(state);
                self.answered = true;
            }
            Current::Unknown if asking == (Asking::UnderWay { overtaken: true }) => self.answered = true,
            Current::Unknown => {
                self.newest = None;
                self.answered = self.owed || self.ending.is_some();
                self.asking = Asking::Wanted;
                self.pacing.handle_failure(now);
            }
            Current::NoSuchMailbox => {
                self.newest = None;
                self.answered = true;
                self.end("noresource");
            }
        }
    }

    /// This side ends all subscriptions: the telephone is to subscribe again, here or elsewhere.
    pub(super) fn handle_stop(&mut self) {
        self.end("deactivated");
        // What it was told last is still true, for all that is known.
        self.asking = Asking::No;
    }

    /// The NOTIFY with this branch was answered.
    pub(super) fn handle_response(&mut self, status: Status, retry_after: Option<Duration>, now: Instant) {
        if status.is_provisional() {
            if let Some(flight) = &mut self.flight {
                flight.transaction.handle_provisional();
            }
            return;
        }
        let Some(flight) = self.flight.take_if(|flight| flight.transaction.handle_final(now)) else { return };
        // RFC 6665 §4.2.2: what says when to come again leaves it as it is, and so does a fault of the other side that may pass.
        let passes = retry_after.is_some() || matches!(status.code(), 408 | 486 | 491 | 500 | 503);
        match flight.tells {
            Tells::State if status.is_success() => self.pacing.handle_told(),
            Tells::Nothing if status.is_success() => {}
            Tells::State | Tells::Nothing if passes => {
                self.pacing.handle_failure(now);
                self.not_before = retry_after.map(|time| now + time.min(LONGEST_PAUSE));
            }
            Tells::State | Tells::Nothing | Tells::End => self.over = true,
        }
    }

    /// There is no way to the telephone.
    pub(super) fn handle_unreachable(&mut self) {
        self.over = true;
    }

    /// What to do now; to be asked again until there is nothing.
    pub(super) fn poll_step(&mut self, now: Instant) -> Option<Step> {
        if let Some(flight) = &mut self.flight {
            if flight.transaction.poll_transmit(now) {
                return Some(Step::Send(self.dialog.way(), flight.bytes.clone()));
            }
            // RFC 6665 §4.2.2: who does not answer is gone.
            self.over |= flight.transaction.is_given_up(now);
        }
        if std::mem::take(&mut self.over) {
            return Some(Step::Over);
        }
        if self.flight.is_some() {
            return None;
        }
        if self.ending.is_none() && now >= self.expires_at {
            self.end("timeout");
            if self.asking == Asking::No {
                self.asking = Asking::Wanted;
            }
        }
        let tell = std::mem::take(&mut self.answered) || {
            let may = !self.is_asking() && self.not_before.is_none_or(|instant| instant <= now);
            let due = may && self.pacing.poll_tell(now);
            if due && self.asking == Asking::Wanted {
                self.asking = Asking::UnderWay { overtaken: false };
                return Some(Step::Ask);
            }
            due
        };
        tell.then(|| self.notify(now))
    }

    /// When to ask again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if let Some(flight) = &self.flight {
            return Some(flight.transaction.poll_timeout());
        }
        if self.is_asking() {
            return None;
        }
        let told = self.pacing.poll_timeout().max(self.not_before.filter(|_| self.pacing.has_change()));
        let expires = self.ending.is_none().then_some(self.expires_at);
        told.into_iter().chain(expires).min()
    }

    /// The telephone may have forgotten it: a NOTIFY shows whether it has.
    pub(super) fn handle_doubt(&mut self) {
        if self.ending.is_none() && self.flight.is_none() {
            self.pacing.handle_restart();
        }
    }

    /// The NOTIFY of an end for `reason` that takes effect at once.
    pub(super) fn last_notify(&mut self, reason: &'static str, now: Instant) -> (Way, Bytes) {
        self.ending = Some(reason);
        let flight = self.new_flight(now);
        (self.dialog.way(), flight.bytes)
    }

    /// Whether its end has begun.
    pub(super) const fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// The branch of the NOTIFY under way.
    pub(super) fn branch(&self) -> Option<&str> {
        self.flight.as_ref().map(|flight| flight.branch.as_str())
    }

    fn is_asking(&self) -> bool {
        matches!(self.asking, Asking::UnderWay { .. })
    }

    /// Whether there is nothing to tell.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.flight.is_none() && !self.is_asking() && !self.pacing.has_change()
    }

    /// Begins the end; it is told at once.
    fn end(&mut self, reason: &'static str) {
        self.ending = Some(reason);
        self.not_before = None;
        self.pacing = Pacing::default();
        self.pacing.handle_change();
    }

    /// Takes a state that is newer than the one before; says whether it is.
    fn take(&mut self, state: &MwiState) -> bool {
        let newer = self.newest.as_ref().is_none_or(|newest| newest.version < state.version);
        if newer {
            self.newest = Some(state.clone());
        }
        newer
    }

    fn notify(&mut self, now: Instant) -> Step {
        let new = self.new_flight(now);
        let flight = self.flight.insert(new);
        flight.transaction.poll_transmit(now);
        Step::Send(self.dialog.way(), flight.bytes.clone())
    }

    fn new_flight(&mut self, now: Instant) -> Flight {
        self.owed = false;
        self.local_number += 1;
        let branch = format!("{BRANCH}{}.{}", self.dialog.local_tag, self.local_number);
        let left = self.expires_at.saturating_duration_since(now);
        let active = || format!("active;expires={}", left.as_secs() + u64::from(left.subsec_nanos() > 0));
        let state = self.ending.map_or_else(active, |reason| format!("terminated;reason={reason}"));
        let tells = match (self.ending, &self.newest) {
            (Some(_), _) => Tells::End,
            (None, Some(_)) => Tells::State,
            (None, None) => Tells::Nothing,
        };
        let summary = self.newest.as_ref().map(|state| state.summary);
        let body = summary.map(|summary| MessageSummary::of(summary, self.dialog.account.clone()).to_text());
        let bytes = self.dialog.notify(&branch, self.local_number, &state, body).to_bytes();
        let transaction = ClientTransaction::new(self.dialog.transport(), now);
        Flight { branch, bytes, transaction, tells }
    }
}

/// A telephone is not left alone for longer, whatever it says.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
