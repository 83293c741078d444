//! [`Subscription`]: which NOTIFYs one telephone gets, and when.

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

/// One subscription with its dialog, as a state machine without I/O.
///
/// After each SUBSCRIBE it looks up the state and sends it in a NOTIFY; later states follow, at most one a second, and one NOTIFY at a time. An
/// unknown state is looked up again, at growing intervals; until it is known, NOTIFYs have no body, so that the telephone sees that it is
/// subscribed and leaves its lamp as it is.
///
/// # Source
///
/// RFC 6665 §4.2, RFC 3842 §3.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) user: String,
    pub(super) mailbox: MailboxId,
    pub(super) dialog: Dialog,
    /// The `CSeq` number of the last request of the telephone.
    pub(super) remote_number: u32,
    pub(super) expires_at: Instant,
    /// When the last SUBSCRIBE was accepted.
    pub(super) subscribed_at: Instant,
    pacing: Pacing,
    newest: Option<MwiState>,
    lookup: StateLookup,
    /// A SUBSCRIBE was accepted, and no NOTIFY has followed yet.
    notify_owed: bool,
    /// The lookup has ended, and a NOTIFY follows.
    lookup_done: bool,
    not_before: Option<Instant>,
    /// The reason of the end, once it has begun.
    termination_reason: Option<&'static str>,
    pending: Option<PendingNotify>,
    local_number: u32,
    over: bool,
}

/// The lookup of the current state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StateLookup {
    Idle,
    Wanted,
    /// The state has been asked for; `overtaken` says whether a newer one was reported in the meantime.
    UnderWay {
        overtaken: bool,
    },
}

/// A NOTIFY whose response is awaited.
#[derive(Debug)]
struct PendingNotify {
    branch: String,
    bytes: Bytes,
    transaction: ClientTransaction,
    content: NotifyContent,
}

/// The content of a NOTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotifyContent {
    NoBody,
    State,
    Termination,
}

/// An action that a subscription asks its server for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SubscriptionAction {
    /// Look up the state of the mailbox.
    LookUp,
    /// Send this message.
    Send(NextHop, Bytes),
    /// Remove the subscription.
    Remove,
}

impl Subscription {
    /// A subscription that was accepted at `now`.
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

    /// A SUBSCRIBE was accepted. If `time` is zero, one more NOTIFY follows and the subscription ends.
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
            // The state is current, so the lookup is not needed any more, and earlier failures do not matter.
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

    /// The lookup has ended.
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

    /// The notifier stops: the subscription ends, and the telephone may subscribe again, here or elsewhere.
    pub(super) fn handle_stop(&mut self) {
        self.end("deactivated");
        // The last state is still current, as far as is known.
        self.lookup = StateLookup::Idle;
    }

    /// The NOTIFY was answered.
    pub(super) fn handle_response(&mut self, status: StatusCode, retry_after: Option<Duration>, now: Instant) {
        if status.is_provisional() {
            if let Some(pending) = &mut self.pending {
                pending.transaction.handle_provisional();
            }
            return;
        }
        let Some(pending) = self.pending.take_if(|pending| pending.transaction.handle_final(now)) else { return };
        // RFC 6665 §4.2.2: a response with Retry-After or for a temporary failure does not end the subscription.
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

    /// The telephone is unreachable.
    pub(super) fn handle_unreachable(&mut self) {
        self.over = true;
    }

    /// The next action; to be called until it returns `None`.
    pub(super) fn poll_action(&mut self, now: Instant) -> Option<SubscriptionAction> {
        if let Some(pending) = &mut self.pending {
            if pending.transaction.poll_transmit(now) {
                return Some(SubscriptionAction::Send(self.dialog.next_hop(), pending.bytes.clone()));
            }
            // RFC 6665 §4.2.2: the subscription of a telephone that does not answer ends.
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
        let send_now = std::mem::take(&mut self.lookup_done) || {
            let may = !self.is_looking_up() && self.not_before.is_none_or(|instant| instant <= now);
            let due = may && self.pacing.poll_update(now);
            if due && self.lookup == StateLookup::Wanted {
                self.lookup = StateLookup::UnderWay { overtaken: false };
                return Some(SubscriptionAction::LookUp);
            }
            due
        };
        send_now.then(|| self.notify(now))
    }

    /// When [`poll_action`](Self::poll_action) is to be called again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if let Some(pending) = &self.pending {
            return Some(pending.transaction.poll_timeout());
        }
        if self.is_looking_up() {
            return None;
        }
        let next_notify = self.pacing.poll_timeout().max(self.not_before.filter(|_| self.pacing.has_change()));
        let expires = self.termination_reason.is_none().then_some(self.expires_at);
        next_notify.into_iter().chain(expires).min()
    }

    /// The telephone may have restarted and forgotten the subscription: a NOTIFY shows whether it has.
    pub(super) fn handle_possible_restart(&mut self) {
        if self.termination_reason.is_none() && self.pending.is_none() {
            self.pacing.handle_refresh();
        }
    }

    /// The last NOTIFY of a subscription that ends at once for `reason`.
    pub(super) fn last_notify(&mut self, reason: &'static str, now: Instant) -> (NextHop, Bytes) {
        self.termination_reason = Some(reason);
        let pending = self.new_notify(now);
        (self.dialog.next_hop(), pending.bytes)
    }

    /// Whether the end has begun.
    pub(super) const fn is_ending(&self) -> bool {
        self.termination_reason.is_some()
    }

    /// The branch of the NOTIFY whose response is awaited.
    pub(super) fn branch(&self) -> Option<&str> {
        self.pending.as_ref().map(|pending| pending.branch.as_str())
    }

    fn is_looking_up(&self) -> bool {
        matches!(self.lookup, StateLookup::UnderWay { .. })
    }

    /// Whether the telephone has been notified of the newest state.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_none() && !self.is_looking_up() && !self.pacing.has_change()
    }

    /// Begins the end of the subscription; its last NOTIFY follows at once.
    fn end(&mut self, reason: &'static str) {
        self.termination_reason = Some(reason);
        self.not_before = None;
        self.pacing = Pacing::default();
        self.pacing.handle_change();
    }

    /// Keeps `state` if it is newer than the one before; returns whether it is.
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

/// The longest Retry-After that is observed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);
