//! [`Server`]: what is answered to telephones, and what they are told; decided without doing.

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

/// Answers requests, and keeps the subscriptions.
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
    /// When each subscription is to be looked at.
    timers: BTreeSet<(Instant, SubscriptionId)>,
    timer_of: HashMap<SubscriptionId, Instant>,
    transmits: VecDeque<Transmit>,
    lookups: VecDeque<SubscriptionId>,
    authenticated: Vec<ConnectionId>,
    stopping: bool,
}

/// A subscription, among all that there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SubscriptionId(u64);

impl SubscriptionId {
    /// A tag that names it, and that nobody can guess.
    fn tag(self, random: &str) -> String {
        format!("{:x}.{random}", self.0)
    }

    fn of_tag(tag: &str) -> Option<Self> {
        u64::from_str_radix(tag.split('.').next()?, 16).ok().map(Self)
    }

    /// Branches of NOTIFYs have the tag in them.
    fn of_branch(branch: &str) -> Option<Self> {
        branch.strip_prefix(BRANCH).and_then(Self::of_tag)
    }
}

/// A message to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Transmit {
    pub(super) next_hop: NextHop,
    pub(super) bytes: Bytes,
    /// Whom to tell when there is no way.
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

    /// A message has come.
    pub(super) fn handle_message(&mut self, message: SipMessage, source: MessageSource, now: Instant) {
        match message {
            SipMessage::Request(request) => self.handle_request(request, source, now),
            SipMessage::Response(response) => self.handle_response(&response, now),
        }
    }

    /// A mailbox has changed.
    pub(super) fn handle_state(&mut self, state: &MwiState, now: Instant) {
        let of = |(id, each): (&SubscriptionId, &Subscription)| (each.mailbox == state.mailbox).then_some(*id);
        let concerned: Vec<SubscriptionId> = self.subscriptions.iter().filter_map(of).collect();
        self.each(concerned, now, |subscription| subscription.handle_state(state));
    }

    /// What was asked for by [`poll_lookup`](Self::poll_lookup).
    pub(super) fn handle_current(&mut self, id: SubscriptionId, current: &CurrentState, now: Instant) {
        self.each([id], now, |subscription| subscription.handle_current(current, now));
    }

    /// There is no way to send what was to be sent for this subscription.
    pub(super) fn handle_unreachable(&mut self, id: SubscriptionId, now: Instant) {
        self.each([id], now, Subscription::handle_unreachable);
    }

    /// Time has passed.
    pub(super) fn handle_time(&mut self, now: Instant) {
        while let Some((_, id)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.timers.pop_first();
            self.timer_of.remove(&id);
            self.each([id], now, |_| {});
        }
    }

    /// Ends every subscription, and takes no more.
    pub(super) fn handle_stop(&mut self, now: Instant) {
        self.stopping = true;
        let all: Vec<SubscriptionId> = self.subscriptions.keys().copied().collect();
        self.each(all, now, Subscription::handle_stop);
    }

    /// The next message to send.
    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next mailbox to count.
    pub(super) fn poll_lookup(&mut self) -> Option<(SubscriptionId, MailboxId)> {
        // Some may be over by now.
        std::iter::from_fn(|| self.lookups.pop_front()).find_map(|id| Some((id, self.subscriptions.get(&id)?.mailbox.clone())))
    }

    /// A connection on which somebody has proven to be there.
    pub(super) fn poll_authenticated(&mut self) -> Option<ConnectionId> {
        self.authenticated.pop()
    }

    /// When to call [`handle_time`](Self::handle_time).
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// How many subscriptions there are.
    pub(super) fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether there is nothing to tell.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.subscriptions.values().all(Subscription::is_settled)
    }

    /// How many mailboxes wait to be counted.
    #[cfg(test)]
    pub(super) fn pending_lookups(&self) -> usize {
        self.lookups.len()
    }

    /// How many responses are remembered.
    #[cfg(test)]
    pub(super) fn cached_responses(&self) -> usize {
        self.response_cache.len()
    }

    /// Changes subscriptions, and does what they ask for then.
    fn each(&mut self, ids: impl IntoIterator<Item = SubscriptionId>, now: Instant, mut change: impl FnMut(&mut Subscription)) {
        for id in ids {
            let Some(subscription) = self.subscriptions.get_mut(&id) else { continue };
            change(subscription);
            let mut over = false;
            while let Some(step) = subscription.poll_action(now) {
                match step {
                    SubscriptionAction::LookUp => self.lookups.push_back(id),
                    SubscriptionAction::Send(next_hop, bytes) => {
                        self.transmits.push_back(Transmit { next_hop, bytes, subscription: Some(id) })
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
        // No subscription asks twice at a time, so most of these are over.
        if self.lookups.len() > 2 * self.limits.max_subscriptions {
            self.lookups.retain(|id| self.subscriptions.contains_key(id));
        }
    }

    /// Removes a subscription and all that is kept for it.
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
        // Without a way back there is nobody to answer; and an ACK is not answered.
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
                // The response goes first.
                self.each([id], now, |_| {});
                return;
            }
            Err(OtherResponse { response, authenticated }) => (response, authenticated),
        };
        // What nobody has proven to have sent is not remembered: it is answered anew when it comes again.
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

/// Responses that are remembered; some megabytes at most.
const MAX_CACHED: usize = 4096;
