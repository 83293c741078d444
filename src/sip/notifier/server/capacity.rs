//! The limits on the number of subscriptions, and which subscription ends when a limit is reached.

use std::net::IpAddr;
use std::time::Instant;

use super::super::super::transport::ConnectionId;
use super::super::dialog::Dialog;
use super::super::subscription::Subscription;
use super::answer::RefusedSubscribe;
use super::{Server, SubscriptionId, Transmit};
use crate::message::MailboxId;
use crate::retry::network_of;

impl Server {
    /// A connection has been closed. Its subscriptions go on, because their telephones may open a new connection, but they are the first to end
    /// when a limit is reached.
    pub(in super::super) fn handle_closed(&mut self, connection: ConnectionId) {
        for subscription in self.subscriptions.values_mut() {
            subscription.dialog.handle_closed(connection);
        }
    }

    /// Makes room for one more subscription of `user` with `dialog`. When a limit is reached, a subscription whose connection is closed ends, or
    /// else the oldest one of the same telephone.
    ///
    /// # Errors
    ///
    /// 503 when there is no such subscription.
    pub(super) fn make_room(&mut self, user: &str, dialog: &Dialog, now: Instant) -> Result<(), RefusedSubscribe> {
        let here = network_of(dialog.source.peer.ip());
        let from_here = |each: &Subscription| network_of(each.dialog.source.peer.ip()) == here;
        while self.of_user(user).filter(|(_, each)| from_here(each)).count() >= self.limits.max_subscriptions_per_user_and_address
        {
            self.end_one(dialog, now, |each| each.user == user && from_here(each))?;
        }
        while self.of_user(user).count() >= self.limits.max_subscriptions_per_user {
            self.end_one(dialog, now, |each| each.user == user)?;
        }
        while self.len() >= self.limits.max_subscriptions {
            self.end_one(dialog, now, |_| true)?;
        }
        Ok(())
    }

    /// Ends one of the subscriptions that `among` selects, to make room for `dialog`.
    fn end_one(&mut self, dialog: &Dialog, now: Instant, among: impl Fn(&Subscription) -> bool) -> Result<(), RefusedSubscribe> {
        let candidates = || self.subscriptions.iter().filter(|(_, each)| among(each));
        let closed = candidates().filter(|(_, each)| each.dialog.is_closed());
        let same = candidates().filter(|(_, each)| each.dialog.is_of_same_telephone(dialog));
        let soonest = closed.min_by_key(|(id, each)| (each.expires_at, **id));
        let (id, _) = soonest.or_else(|| same.min_by_key(|(id, _)| **id)).ok_or_else(RefusedSubscribe::later)?;
        self.evict(*id, now);
        Ok(())
    }

    /// Ends a subscription at once. Its telephone gets one last NOTIFY, which is sent once and whose response is ignored.
    fn evict(&mut self, id: SubscriptionId, now: Instant) {
        let Some(mut subscription) = self.forget(id) else { return };
        tracing::debug!(user = %subscription.user, "a subscription ends to make room for a new one");
        let (next_hop, bytes) = subscription.last_notify(NO_ROOM, now);
        self.transmits.push_back(Transmit { next_hop, bytes, subscription: None });
    }

    /// Sends a NOTIFY in older subscriptions that seem to be of the same telephone, in case it has restarted. A telephone that has forgotten a
    /// subscription answers 481, which ends it; to any other, the NOTIFY repeats the state.
    pub(super) fn probe(&mut self, user: &str, mailbox: &MailboxId, dialog: &Dialog, now: Instant) {
        let same = |each: &Subscription| each.mailbox == *mailbox && each.dialog.is_of_same_telephone(dialog);
        let older: Vec<_> = self.of_user(user).filter(|(_, each)| same(each)).map(|(id, _)| id).collect();
        self.each(older, now, Subscription::handle_possible_restart);
    }

    pub(super) fn of_user(&self, user: &str) -> impl Iterator<Item = (SubscriptionId, &Subscription)> {
        self.subscriptions.iter().filter(move |(_, each)| each.user == user).map(|(id, each)| (*id, each))
    }
}

impl Dialog {
    /// Whether `other` seems to be of the same telephone: the source address, the Contact and the route set are the same. Two telephones behind
    /// one proxy may look the same.
    fn is_of_same_telephone(&self, other: &Self) -> bool {
        let address = |dialog: &Self| -> IpAddr { dialog.source.peer.ip().to_canonical() };
        address(self) == address(other) && self.target == other.target && self.route == other.route
    }
}

/// RFC 6665 §4.1.3: the telephone may subscribe again later.
const NO_ROOM: &str = "probation;retry-after=60";
