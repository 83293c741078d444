//! [`Subscription`]: what one telephone is told, and when.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::MessageSummary;
use super::super::message::StatusCode;
use super::super::transaction::ClientTransaction;
use super::super::transport::NextHop;
use super::dialog::{BRANCH, Dialog};
use crate::message::MailboxId;
use crate::mwi::{CurrentState, MwiState};
use crate::retry::{Pacing, RetryPolicy};

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
    lookup: StateLookup,
    /// A SUBSCRIBE was accepted, and no NOTIFY has followed yet.
    notify_owed: bool,
    /// What has just been asked for is to be told.
    lookup_done: bool,
    not_before: Option<Instant>,
    /// Why it ends, when it does.
    termination_reason: Option<&'static str>,
    pending: Option<PendingNotify>,
    local_number: u32,
    over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StateLookup {
    Idle,
    Wanted,
    /// Unless a newer state has come in the meantime.
    UnderWay {
        overtaken: bool,
    },
}

/// A NOTIFY under way.
#[derive(Debug)]
struct PendingNotify {
    branch: String,
    bytes: Bytes,
    transaction: ClientTransaction,
    content: NotifyContent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotifyContent {
    NoBody,
    State,
    Termination,
}

/// What a subscription asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SubscriptionAction {
    /// The state of its mailbox.
    LookUp,
    /// To send this.
    Send(NextHop, Bytes),
    /// To be forgotten.
    Remove,
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
            lookup: StateLookup::Idle,
            notify_owed: false,
            lookup_done: false,
            not_before: None,
            termination_reason: None,
            pending: None,
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
        self.notify_owed = true;
        if time.is_zero() {
            self.end("timeout");
        }
        if self.lookup == StateLookup::Idle {
            self.lookup = StateLookup::Wanted;
        }
        self.not_before = None;
        self.pacing.handle_refresh();
        self.pacing.handle_change();
    }

    /// The state has changed.
    pub(super) fn handle_state(&mut self, state: &MwiState) {
        if self.take(state) {
            // It was counted just now, so there is nothing to ask for any more, and what failed before is over.
            match &mut self.lookup {
                StateLookup::Idle => {}
                StateLookup::Wanted => {
                    self.lookup = StateLookup::Idle;
                    self.pacing.handle_refresh();
                }
                StateLookup::UnderWay { overtaken } => *overtaken = true,
            }
            self.pacing.handle_change();
        }
    }

    /// What was asked for.
    pub(super) fn handle_current(&mut self, current: &CurrentState, now: Instant) {
        let lookup = std::mem::replace(&mut self.lookup, StateLookup::Idle);
        match current {
            CurrentState::Known(state) => {
                self.take(state);
                self.lookup_done = true;
            }
            CurrentState::Unknown if lookup == (StateLookup::UnderWay { overtaken: true }) => self.lookup_done = true,
            CurrentState::Unknown => {
                self.newest = None;
                self.lookup_done = self.notify_owed || self.termination_reason.is_some();
                self.lookup = StateLookup::Wanted;
                self.pacing.handle_failure(now, RetryPolicy::default().lamp_failed);
            }
            CurrentState::NoSuchMailbox => {
                self.newest = None;
                self.lookup_done = true;
                self.end("noresource");
            }
        }
    }

    /// This side ends all subscriptions: the telephone is to subscribe again, here or elsewhere.
    pub(super) fn handle_stop(&mut self) {
        self.end("deactivated");
        // What it was told last is still true, for all that is known.
        self.lookup = StateLookup::Idle;
    }

    /// The NOTIFY with this branch was answered.
    pub(super) fn handle_response(&mut self, status: StatusCode, retry_after: Option<Duration>, now: Instant) {
        if status.is_provisional() {
            if let Some(pending) = &mut self.pending {
                pending.transaction.handle_provisional();
            }
            return;
        }
        let Some(pending) = self.pending.take_if(|pending| pending.transaction.handle_final(now)) else { return };
        // RFC 6665 §4.2.2: what says when to come again leaves it as it is, and so does a fault of the other side that may pass.
        let passes = retry_after.is_some() || matches!(status.code(), 408 | 486 | 491 | 500 | 503);
        match pending.content {
            NotifyContent::State if status.is_success() => self.pacing.handle_updated(),
            NotifyContent::NoBody if status.is_success() => {}
            NotifyContent::State | NotifyContent::NoBody if passes => {
                self.pacing.handle_failure(now, RetryPolicy::default().lamp_failed);
                self.not_before = retry_after.map(|time| now + time.min(MAX_RETRY_AFTER));
            }
            NotifyContent::State | NotifyContent::NoBody | NotifyContent::Termination => self.over = true,
        }
    }

    /// There is no way to the telephone.
    pub(super) fn handle_unreachable(&mut self) {
        self.over = true;
    }

    /// What to do now; to be asked again until there is nothing.
    pub(super) fn poll_action(&mut self, now: Instant) -> Option<SubscriptionAction> {
        if let Some(pending) = &mut self.pending {
            if pending.transaction.poll_transmit(now) {
                return Some(SubscriptionAction::Send(self.dialog.next_hop(), pending.bytes.clone()));
            }
            // RFC 6665 §4.2.2: who does not answer is gone.
            self.over |= pending.transaction.is_given_up(now);
        }
        if std::mem::take(&mut self.over) {
            return Some(SubscriptionAction::Remove);
        }
        if self.pending.is_some() {
            return None;
        }
        if self.termination_reason.is_none() && now >= self.expires_at {
            self.end("timeout");
            if self.lookup == StateLookup::Idle {
                self.lookup = StateLookup::Wanted;
            }
        }
        let tell = std::mem::take(&mut self.lookup_done) || {
            let may = !self.is_looking_up() && self.not_before.is_none_or(|instant| instant <= now);
            let due = may && self.pacing.poll_update(now);
            if due && self.lookup == StateLookup::Wanted {
                self.lookup = StateLookup::UnderWay { overtaken: false };
                return Some(SubscriptionAction::LookUp);
            }
            due
        };
        tell.then(|| self.notify(now))
    }

    /// When to ask again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if let Some(pending) = &self.pending {
            return Some(pending.transaction.poll_timeout());
        }
        if self.is_looking_up() {
            return None;
        }
        let told = self.pacing.poll_timeout().max(self.not_before.filter(|_| self.pacing.has_change()));
        let expires = self.termination_reason.is_none().then_some(self.expires_at);
        told.into_iter().chain(expires).min()
    }

    /// The telephone may have forgotten it: a NOTIFY shows whether it has.
    pub(super) fn handle_possible_restart(&mut self) {
        if self.termination_reason.is_none() && self.pending.is_none() {
            self.pacing.handle_refresh();
        }
    }

    /// The NOTIFY of an end for `reason` that takes effect at once.
    pub(super) fn last_notify(&mut self, reason: &'static str, now: Instant) -> (NextHop, Bytes) {
        self.termination_reason = Some(reason);
        let pending = self.new_notify(now);
        (self.dialog.next_hop(), pending.bytes)
    }

    /// Whether its end has begun.
    pub(super) const fn is_ending(&self) -> bool {
        self.termination_reason.is_some()
    }

    /// The branch of the NOTIFY under way.
    pub(super) fn branch(&self) -> Option<&str> {
        self.pending.as_ref().map(|pending| pending.branch.as_str())
    }

    fn is_looking_up(&self) -> bool {
        matches!(self.lookup, StateLookup::UnderWay { .. })
    }

    /// Whether there is nothing to tell.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_none() && !self.is_looking_up() && !self.pacing.has_change()
    }

    /// Begins the end; it is told at once.
    fn end(&mut self, reason: &'static str) {
        self.termination_reason = Some(reason);
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

    fn notify(&mut self, now: Instant) -> SubscriptionAction {
        let new = self.new_notify(now);
        let pending = self.pending.insert(new);
        pending.transaction.poll_transmit(now);
        SubscriptionAction::Send(self.dialog.next_hop(), pending.bytes.clone())
    }

    fn new_notify(&mut self, now: Instant) -> PendingNotify {
        self.notify_owed = false;
        self.local_number += 1;
        let branch = format!("{BRANCH}{}.{}", self.dialog.local_tag, self.local_number);
        let left = self.expires_at.saturating_duration_since(now);
        let active = || format!("active;expires={}", left.as_secs() + u64::from(left.subsec_nanos() > 0));
        let state = self.termination_reason.map_or_else(active, |reason| format!("terminated;reason={reason}"));
        let content = match (self.termination_reason, &self.newest) {
            (Some(_), _) => NotifyContent::Termination,
            (None, Some(_)) => NotifyContent::State,
            (None, None) => NotifyContent::NoBody,
        };
        let summary = self.newest.as_ref().map(|state| state.summary);
        let body = summary.map(|summary| MessageSummary::of(summary, self.dialog.account.clone()).to_text());
        let bytes = self.dialog.notify(&branch, self.local_number, &state, body).to_bytes();
        let transaction = ClientTransaction::new(self.dialog.transport(), now);
        PendingNotify { branch, bytes, transaction, content }
    }
}

/// A telephone is not left alone for longer, whatever it says.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);
