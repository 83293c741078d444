//! [`Server`]: what is answered to telephones, and what they are told; decided without doing.

mod answer;
mod capacity;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::answer::{Accepted, Refusal};
use super::super::message::{Message, Method, Name, Request, Response, Via};
use super::super::transport::{ConnectionId, Source, Way};
use super::answered::{Answered, Transaction};
use super::dialog::BRANCH;
use super::limits::SipLimits;
use super::random::Random;
use super::subscription::{Step, Subscription};
use super::users::Users;
use crate::message::MailboxId;
use crate::mwi::{Current, MwiState};

/// Answers requests, and keeps the subscriptions.
#[derive(Debug)]
pub(super) struct Server {
    users: Users,
    limits: SipLimits,
    random: Random,
    answered: Answered,
    subscriptions: HashMap<SubscriptionId, Subscription>,
    /// The newest subscription by Call-ID and From tag.
    calls: HashMap<(String, String), SubscriptionId>,
    next: u64,
    /// When each subscription is to be looked at.
    agenda: BTreeSet<(Instant, SubscriptionId)>,
    planned: HashMap<SubscriptionId, Instant>,
    transmits: VecDeque<Transmit>,
    asks: VecDeque<SubscriptionId>,
    proven: Vec<ConnectionId>,
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
    pub(super) way: Way,
    pub(super) bytes: Bytes,
    /// Whom to tell when there is no way.
    pub(super) subscription: Option<SubscriptionId>,
}

impl Server {
    pub(super) fn new(users: Users, limits: SipLimits, random: Random) -> Self {
        Self {
            users,
            limits,
            random,
            answered: Answered::new(MOST_ANSWERED),
            subscriptions: HashMap::new(),
            calls: HashMap::new(),
            next: 0,
            agenda: BTreeSet::new(),
            planned: HashMap::new(),
            transmits: VecDeque::new(),
            asks: VecDeque::new(),
            proven: Vec::new(),
            stopping: false,
        }
    }

    /// A message has come.
    pub(super) fn handle_message(&mut self, message: Message, source: Source, now: Instant) {
        match message {
            Message::Request(request) => self.handle_request(request, source, now),
            Message::Response(response) => self.handle_response(&response, now),
        }
    }

    /// A mailbox has changed.
    pub(super) fn handle_state(&mut self, state: &MwiState, now: Instant) {
        let of = |(id, each): (&SubscriptionId, &Subscription)| (each.mailbox == state.mailbox).then_some(*id);
        let concerned: Vec<SubscriptionId> = self.subscriptions.iter().filter_map(of).collect();
        self.each(concerned, now, |subscription| subscription.handle_state(state));
    }

    /// What was asked for by [`poll_ask`](Self::poll_ask).
    pub(super) fn handle_current(&mut self, id: SubscriptionId, current: &Current, now: Instant) {
        self.each([id], now, |subscription| subscription.handle_current(current, now));
    }

    /// There is no way to send what was to be sent for this subscription.
    pub(super) fn handle_unreachable(&mut self, id: SubscriptionId, now: Instant) {
        self.each([id], now, Subscription::handle_unreachable);
    }

    /// Time has passed.
    pub(super) fn handle_time(&mut self, now: Instant) {
        while let Some((_, id)) = self.agenda.first().copied().filter(|(due, _)| *due <= now) {
            self.agenda.pop_first();
            self.planned.remove(&id);
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
    pub(super) fn poll_ask(&mut self) -> Option<(SubscriptionId, MailboxId)> {
        // Some may be over by now.
        std::iter::from_fn(|| self.asks.pop_front()).find_map(|id| Some((id, self.subscriptions.get(&id)?.mailbox.clone())))
    }

    /// A connection on which somebody has proven to be there.
    pub(super) fn poll_proven(&mut self) -> Option<ConnectionId> {
        self.proven.pop()
    }

    /// When to call [`handle_time`](Self::handle_time).
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.agenda.first().map(|(due, _)| *due)
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
    pub(super) fn asks(&self) -> usize {
        self.asks.len()
    }

    /// How many responses are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.answered.len()
    }

    /// Changes subscriptions, and does what they ask for then.
    fn each(&mut self, ids: impl IntoIterator<Item = SubscriptionId>, now: Instant, mut change: impl FnMut(&mut Subscription)) {
        for id in ids {
            let Some(subscription) = self.subscriptions.get_mut(&id) else { continue };
            change(subscription);
            let mut over = false;
            while let Some(step) = subscription.poll_step(now) {
                match step {
                    Step::Ask => self.asks.push_back(id),
                    Step::Send(way, bytes) => self.transmits.push_back(Transmit { way, bytes, subscription: Some(id) }),
                    Step::Over => {
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
        if self.asks.len() > 2 * self.limits.subscriptions {
            self.asks.retain(|id| self.subscriptions.contains_key(id));
        }
    }

    /// Removes a subscription and all that is kept for it.
    fn forget(&mut self, id: SubscriptionId) -> Option<Subscription> {
        self.plan(id, None);
        let subscription = self.subscriptions.remove(&id)?;
        let call = subscription.dialog.call();
        if self.calls.get(&call) == Some(&id) {
            self.calls.remove(&call);
        }
        Some(subscription)
    }

    fn plan(&mut self, id: SubscriptionId, due: Option<Instant>) {
        if let Some(before) = self.planned.remove(&id) {
            self.agenda.remove(&(before, id));
        }
        if let Some(due) = due {
            self.agenda.insert((due, id));
            self.planned.insert(id, due);
        }
    }

    fn handle_response(&mut self, response: &Response, now: Instant) {
        let via = response.headers.elements(Name::Via).next().and_then(Via::parse);
        let Some(id) = via.as_ref().and_then(Via::branch).and_then(SubscriptionId::of_branch) else { return };
        let branch = self.subscriptions.get(&id).and_then(Subscription::branch);
        if !branch.is_some_and(|branch| response.answers(branch, &Method::Notify)) {
            return;
        }
        let retry_after = response.headers.number(Name::RetryAfter).map(|secs| Duration::from_secs(secs.into()));
        self.each([id], now, |subscription| subscription.handle_response(response.status, retry_after, now));
    }

    fn handle_request(&mut self, mut request: Request, source: Source, now: Instant) {
        // Without a way back there is nobody to answer; and an ACK is not answered.
        let Some(transaction) = Transaction::of(&request, source.peer.ip()).filter(|_| request.method != Method::Ack) else {
            return;
        };
        let back = match source.connection {
            Some(connection) => Way::Connection(connection, None),
            None => Way::Datagram(request.response_address(source.peer)),
        };
        if let Some(bytes) = self.answered.find(&transaction, now) {
            self.transmits.push_back(Transmit { way: back, bytes, subscription: None });
            return;
        }
        request.note_source(source.peer);
        let (response, proven) = match self.answer(&request, source, now) {
            Ok(Accepted { response, id }) => {
                self.transmit(&response, back, Some(transaction), source, now);
                // The response goes first.
                self.each([id], now, |_| {});
                return;
            }
            Err(Refusal { response, proven }) => (response, proven),
        };
        // What nobody has proven to have sent is not remembered: it is answered anew when it comes again.
        self.transmit(&response, back, Some(transaction).filter(|_| proven), source, now);
    }

    fn transmit(&mut self, response: &Response, way: Way, transaction: Option<Transaction>, source: Source, now: Instant) {
        let bytes = response.to_bytes();
        if let Some(transaction) = transaction.filter(|_| source.connection.is_none()) {
            self.answered.handle_answer(transaction, bytes.clone(), now);
        }
        self.transmits.push_back(Transmit { way, bytes, subscription: None });
    }
}

/// Responses that are remembered; some megabytes at most.
const MOST_ANSWERED: usize = 4096;
