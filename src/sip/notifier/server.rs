//! [`Server`]: the state machine of a notifier. It answers requests and decides which NOTIFYs are sent, and has no I/O and reads no clock.

mod answer;
mod capacity;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::answer::{AcceptedSubscribe, OtherResponse};
use super::super::message::{HeaderName, Method, Request, Response, SipMessage, Via};
use super::super::transport::{ConnectionId, MessageSource, NextHop};
use super::dialog::BRANCH;
use super::id_generator::IdGenerator;
use super::limits::SipLimits;
use super::response_cache::{ResponseCache, TransactionKey};
use super::subscription::{Subscription, SubscriptionAction};
use super::users::Users;
use crate::message::MailboxId;
use crate::mwi::{CurrentState, MwiState};

/// Answers requests, and keeps all subscriptions.
#[derive(Debug)]
pub(super) struct Server {
    users: Users,
    limits: SipLimits,
    ids: IdGenerator,
    response_cache: ResponseCache,
    subscriptions: HashMap<SubscriptionId, Subscription>,
    /// The newest subscription by Call-ID and From tag.
    by_call_id: HashMap<(String, String), SubscriptionId>,
    next: u64,
    /// The timers of all subscriptions, the next one first.
    timers: BTreeSet<(Instant, SubscriptionId)>,
    timer_of: HashMap<SubscriptionId, Instant>,
    transmits: VecDeque<Transmit>,
    lookups: VecDeque<SubscriptionId>,
    authenticated: Vec<ConnectionId>,
    stopping: bool,
}

/// The identifier of a subscription; it is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SubscriptionId(u64);

impl SubscriptionId {
    /// The local tag of the subscription: its identifier, and random digits so that the tag cannot be guessed.
    fn tag(self, random: &str) -> String {
        format!("{:x}.{random}", self.0)
    }

    fn of_tag(tag: &str) -> Option<Self> {
        u64::from_str_radix(tag.split('.').next()?, 16).ok().map(Self)
    }

    /// Reads the identifier from the branch of a NOTIFY, which contains the local tag.
    fn of_branch(branch: &str) -> Option<Self> {
        branch.strip_prefix(BRANCH).and_then(Self::of_tag)
    }
}

/// A message to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Transmit {
    pub(super) next_hop: NextHop,
    pub(super) bytes: Bytes,
    /// The subscription that ends if the message cannot be sent.
    pub(super) subscription: Option<SubscriptionId>,
}

impl Server {
    pub(super) fn new(users: Users, limits: SipLimits, ids: IdGenerator) -> Self {
        Self {
            users,
            limits,
            ids,
            response_cache: ResponseCache::new(MAX_CACHED),
            subscriptions: HashMap::new(),
            by_call_id: HashMap::new(),
            next: 0,
            timers: BTreeSet::new(),
            timer_of: HashMap::new(),
            transmits: VecDeque::new(),
            lookups: VecDeque::new(),
            authenticated: Vec::new(),
            stopping: false,
        }
    }

    /// A message was received.
    pub(super) fn handle_message(&mut self, message: SipMessage, source: MessageSource, now: Instant) {
        match message {
            SipMessage::Request(request) => self.handle_request(request, source, now),
            SipMessage::Response(response) => self.handle_response(&response, now),
        }
    }

    /// The state of a mailbox has changed.
    pub(super) fn handle_state(&mut self, state: &MwiState, now: Instant) {
        let of = |(id, each): (&SubscriptionId, &Subscription)| (each.mailbox == state.mailbox).then_some(*id);
        let concerned: Vec<SubscriptionId> = self.subscriptions.iter().filter_map(of).collect();
        self.each(concerned, now, |subscription| subscription.handle_state(state));
    }

    /// The state that [`poll_lookup`](Self::poll_lookup) asked for is known, or known to be unknown.
    pub(super) fn handle_current(&mut self, id: SubscriptionId, current: &CurrentState, now: Instant) {
        self.each([id], now, |subscription| subscription.handle_current(current, now));
    }

    /// A NOTIFY of this subscription cannot be sent, because its destination is unreachable.
    pub(super) fn handle_unreachable(&mut self, id: SubscriptionId, now: Instant) {
        self.each([id], now, Subscription::handle_unreachable);
    }

    /// A timer has expired.
    pub(super) fn handle_time(&mut self, now: Instant) {
        while let Some((_, id)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.timers.pop_first();
            self.timer_of.remove(&id);
            self.each([id], now, |_| {});
        }
    }

    /// Ends every subscription, and refuses new ones.
    pub(super) fn handle_stop(&mut self, now: Instant) {
        self.stopping = true;
        let all: Vec<SubscriptionId> = self.subscriptions.keys().copied().collect();
        self.each(all, now, Subscription::handle_stop);
    }

    /// The next message to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next mailbox whose state is to be looked up.
    pub(super) fn poll_lookup(&mut self) -> Option<(SubscriptionId, MailboxId)> {
        // Some subscriptions may have ended in the meantime.
        std::iter::from_fn(|| self.lookups.pop_front()).find_map(|id| Some((id, self.subscriptions.get(&id)?.mailbox.clone())))
    }

    /// The next connection on which a user has authenticated.
    pub(super) fn poll_authenticated(&mut self) -> Option<ConnectionId> {
        self.authenticated.pop()
    }

    /// When to call [`handle_time`](Self::handle_time).
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// The number of subscriptions.
    pub(super) fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether every telephone has been notified of its newest state.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.subscriptions.values().all(Subscription::is_settled)
    }

    /// The number of states that wait to be looked up.
    #[cfg(test)]
    pub(super) fn pending_lookups(&self) -> usize {
        self.lookups.len()
    }

    /// The number of responses that are kept for retransmissions.
    #[cfg(test)]
    pub(super) fn cached_responses(&self) -> usize {
        self.response_cache.len()
    }

    /// Applies `change` to each of these subscriptions, and carries out their actions.
    fn each(&mut self, ids: impl IntoIterator<Item = SubscriptionId>, now: Instant, mut change: impl FnMut(&mut Subscription)) {
        for id in ids {
            let Some(subscription) = self.subscriptions.get_mut(&id) else { continue };
            change(subscription);
            let mut over = false;
            while let Some(step) = subscription.poll_action(now) {
                match step {
                    SubscriptionAction::LookUp => self.lookups.push_back(id),
                    SubscriptionAction::Send(next_hop, bytes) => {
                        self.transmits.push_back(Transmit { next_hop, bytes, subscription: Some(id) });
                    }
                    SubscriptionAction::Remove => {
                        over = true;
                        break;
                    }
                }
            }
            let due = if over { None } else { subscription.poll_timeout() };
            if over {
                self.forget(id);
            }
            self.plan(id, due);
        }
        // A subscription has one lookup at a time, so most of these are of subscriptions that have ended.
        if self.lookups.len() > 2 * self.limits.max_subscriptions {
            self.lookups.retain(|id| self.subscriptions.contains_key(id));
        }
    }

    /// Removes a subscription with its timer and its identifiers.
    fn forget(&mut self, id: SubscriptionId) -> Option<Subscription> {
        self.plan(id, None);
        let subscription = self.subscriptions.remove(&id)?;
        let key = subscription.dialog.key();
        if self.by_call_id.get(&key) == Some(&id) {
            self.by_call_id.remove(&key);
        }
        Some(subscription)
    }

    fn plan(&mut self, id: SubscriptionId, due: Option<Instant>) {
        if let Some(before) = self.timer_of.remove(&id) {
            self.timers.remove(&(before, id));
        }
        if let Some(due) = due {
            self.timers.insert((due, id));
            self.timer_of.insert(id, due);
        }
    }

    fn handle_response(&mut self, response: &Response, now: Instant) {
        let via = response.headers.elements(HeaderName::Via).next().and_then(Via::parse);
        let Some(id) = via.as_ref().and_then(Via::branch).and_then(SubscriptionId::of_branch) else { return };
        let branch = self.subscriptions.get(&id).and_then(Subscription::branch);
        if !branch.is_some_and(|branch| response.answers(branch, &Method::Notify)) {
            return;
        }
        let retry_after = response.headers.number(HeaderName::RetryAfter).map(|secs| Duration::from_secs(secs.into()));
        self.each([id], now, |subscription| subscription.handle_response(response.status, retry_after, now));
    }

    fn handle_request(&mut self, mut request: Request, source: MessageSource, now: Instant) {
        // Without a Via there is no address for the response; and an ACK gets no response.
        let Some(transaction) = TransactionKey::of(&request, source.peer.ip()).filter(|_| request.method != Method::Ack) else {
            return;
        };
        let back = match source.connection {
            Some(connection) => NextHop::Connection(connection, None),
            None => NextHop::Datagram(request.response_address(source.peer)),
        };
        if let Some(bytes) = self.response_cache.find(&transaction, now) {
            self.transmits.push_back(Transmit { next_hop: back, bytes, subscription: None });
            return;
        }
        request.note_source(source.peer);
        let (response, authenticated) = match self.answer(&request, source, now) {
            Ok(AcceptedSubscribe { response, id }) => {
                self.transmit(&response, back, Some(transaction), source, now);
                // The response is sent before the NOTIFY.
                self.each([id], now, |_| {});
                return;
            }
            Err(OtherResponse { response, authenticated }) => (response, authenticated),
        };
        // The response to an unauthenticated request is not kept: a retransmission is answered anew.
        self.transmit(&response, back, Some(transaction).filter(|_| authenticated), source, now);
    }

    fn transmit(
        &mut self,
        response: &Response,
        next_hop: NextHop,
        transaction: Option<TransactionKey>,
        source: MessageSource,
        now: Instant,
    ) {
        let bytes = response.to_bytes();
        if let Some(transaction) = transaction.filter(|_| source.connection.is_none()) {
            self.response_cache.handle_answer(transaction, bytes.clone(), now);
        }
        self.transmits.push_back(Transmit { next_hop, bytes, subscription: None });
    }
}

/// The number of responses that are kept; some megabytes at most.
const MAX_CACHED: usize = 4096;
