//! Sends greetings from the central node to the nodes that need them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::timeout;

use super::distribution_schedule::{DistributionSchedule, FirstMail, GreetingTask, TaskOutcome};
use super::service::{GreetingService, LONGEST_UNCHECKED, SHORTEST_UNCHECKED};
use crate::error_chain;
use crate::event::Event;
use crate::forward::{ForwardError, MailOut, Outcome, Sender};
use crate::greeting::{Edition, GreetingEvent, GreetingId, GreetingStoreError, GreetingStoreExt as _};
use crate::message::MailAddress;
use crate::network::{Network, NodeAddress};
use crate::retry::{now, random_fraction, wait_until};
use crate::wire::{GreetingMail, encode_greeting};

impl GreetingService {
    /// Sends greetings to the nodes that need them, and removes those that have ended, until `stop` is ready. Those in progress then are sent
    /// again after the next start.
    pub(in crate::node) async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let mut networks = self.current.subscribe();
        let mut routes = HashMap::new();
        let mut schedule = DistributionSchedule::new(&self.retry);
        let mut sending = FuturesUnordered::new();
        let mut stop = std::pin::pin!(stop);
        let (mut next_needs, mut next_end) = (now(), now());
        loop {
            let network = self.current.network();
            if next_needs <= now() {
                next_needs = self.update_needs(&mut schedule).await;
            }
            if next_end <= now() {
                next_end = self.remove_ended().await;
            }
            let recorded = self.take_recorded();
            if !recorded.is_empty() {
                next_end = self.remove_ended().await;
            }
            for id in recorded {
                if let Some(node) = self.needed_by(&network, &id) {
                    schedule.handle_recorded(node, id);
                }
            }
            while let Some(task) = schedule.poll_task(now()) {
                let route = self.route(&mut routes, &network, &task.node);
                sending.push(self.send(task, route, Arc::clone(&network)));
            }
            tokio::select! {
                () = &mut stop => break,
                Some((task, outcome)) = sending.next() => self.finish(&mut schedule, task, &outcome),
                () = self.noted() => {}
                Ok(()) = networks.changed() => {
                    networks.mark_unchanged();
                    routes.clear();
                    (next_needs, next_end) = (now(), now());
                }
                () = wait_until([Some(next_needs), Some(next_end), schedule.poll_timeout()].into_iter().flatten().min()) => {}
            }
        }
    }

    /// Updates the greetings that each node needs, and returns when to do so again: within an hour, because another node may record greetings
    /// in the same store.
    async fn update_needs(&self, schedule: &mut DistributionSchedule) -> Instant {
        match self.needs().await {
            Ok(needs) => {
                schedule.handle_needs(needs, now());
                now() + LONGEST_UNCHECKED
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the greetings for other nodes cannot be listed yet");
                now() + SHORTEST_UNCHECKED
            }
        }
    }

    /// Returns the greetings that each node needs; none while this node is not the central one, or cannot send any.
    async fn needs(&self) -> Result<BTreeMap<NodeAddress, BTreeSet<GreetingId>>, GreetingStoreError> {
        let network = self.current.network();
        let mut needs: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for entry in self.store.list_all().await? {
            if let Some(node) = self.needed_by(&network, &entry.id) {
                needs.entry(node.clone()).or_default().insert(entry.id);
            }
        }
        Ok(needs)
    }

    fn needed_by<'a>(&self, network: &'a Network, id: &GreetingId) -> Option<&'a NodeAddress> {
        let sends = self.make_mail_out.is_some() && network.is_central_node(self.current.address());
        if sends { network.greeting_node(&id.mailbox) } else { None }
    }

    fn route(&self, routes: &mut HashMap<NodeAddress, Route>, network: &Network, node: &NodeAddress) -> Result<Route, String> {
        if let Some(route) = routes.get(node) {
            return Ok(Arc::clone(route));
        }
        let make_mail_out = self.make_mail_out.as_ref().ok_or("the node was given no greeting_forwarder")?;
        let route = make_mail_out.to(network, node).map_err(|error| error_chain(&*error))?;
        routes.insert(node.clone(), Arc::clone(&route));
        Ok(route)
    }

    fn finish(&self, schedule: &mut DistributionSchedule, task: GreetingTask, outcome: &TaskOutcome) {
        let (greeting, destination) = (task.id.clone(), task.node.to_string());
        let retry_in = schedule.handle_outcome(task, outcome, now(), random_fraction());
        if let (TaskOutcome::Refused(reason) | TaskOutcome::Unreachable(reason), Some(retry_in)) = (outcome, retry_in) {
            let reason = reason.clone();
            self.events.emit(Event::Greeting(GreetingEvent::Deferred { greeting, destination, reason, retry_in }));
        }
    }

    async fn send(&self, task: GreetingTask, route: Result<Route, String>, network: Arc<Network>) -> (GreetingTask, TaskOutcome) {
        let route = match route {
            Ok(route) => route,
            Err(reason) => return (task, TaskOutcome::Unreachable(reason)),
        };
        let delivery = AssertUnwindSafe(self.deliver(&task, &*route, &network)).catch_unwind();
        let outcome = match timeout(LONGEST, delivery).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => TaskOutcome::Unreachable("the forwarder panicked".to_owned()),
            Err(_elapsed) => TaskOutcome::Unreachable("no answer in time".to_owned()),
        };
        (task, outcome)
    }

    async fn deliver(&self, task: &GreetingTask, route: &dyn MailOut, network: &Network) -> TaskOutcome {
        let GreetingTask { node, id, first } = task;
        let to: MailAddress = match format!("{}@{}", id.mailbox, network.domain()).parse() {
            Ok(to) => to,
            Err(error) => return TaskOutcome::Refused(format!("{error}")),
        };
        let write = |mail: &GreetingMail| encode_greeting(mail, self.current.address().as_str(), network.domain());
        let kept = match self.store.edition(id).await {
            Ok(kept) => kept,
            Err(error) => return TaskOutcome::Refused(error_chain(&error)),
        };
        if let (FirstMail::Offer, Some(edition @ Edition { digest: Some(_), .. })) = (first, kept) {
            match hand_over(route, &to, &write(&GreetingMail::Offer(id.clone(), edition))).await {
                MailOutcome::Deferred(_) => {}
                MailOutcome::Accepted => return TaskOutcome::Accepted,
                MailOutcome::Refused(reason) => return TaskOutcome::Refused(reason),
                MailOutcome::Unreachable(reason) => return TaskOutcome::Unreachable(reason),
            }
        }
        let greeting = match self.store.read(id).await {
            Ok(Some(greeting)) => greeting,
            // The greeting was damaged and put aside; nothing can be sent until its owner records another.
            Ok(None) => return TaskOutcome::Accepted,
            Err(error) => return TaskOutcome::Refused(error_chain(&error)),
        };
        let version = greeting.edition().version;
        match hand_over(route, &to, &write(&GreetingMail::Greeting(greeting))).await {
            MailOutcome::Accepted => {
                let (greeting, destination) = (id.clone(), node.to_string());
                self.events.emit(Event::Greeting(GreetingEvent::Sent { greeting, version, destination }));
                TaskOutcome::Accepted
            }
            MailOutcome::Deferred(reason) | MailOutcome::Refused(reason) => TaskOutcome::Refused(reason),
            MailOutcome::Unreachable(reason) => TaskOutcome::Unreachable(reason),
        }
    }
}

type Route = Arc<dyn MailOut>;

/// How the other node answered a mail.
enum MailOutcome {
    Accepted,
    /// For an offer: the node needs the sound.
    Deferred(String),
    Refused(String),
    /// The node, or the connection to it, failed.
    Unreachable(String),
}

async fn hand_over(route: &dyn MailOut, to: &MailAddress, mail: &Bytes) -> MailOutcome {
    match route.send(Sender::Node, to, mail).await {
        Ok(Outcome::Accepted | Outcome::Relayed) => MailOutcome::Accepted,
        Ok(Outcome::Deferred(reply)) if reply.code == 0 || reply.is_about_the_node() => {
            MailOutcome::Unreachable(reply.to_string())
        }
        Ok(Outcome::Deferred(reply)) => MailOutcome::Deferred(reply.to_string()),
        Ok(Outcome::Refused(reply)) => MailOutcome::Refused(reply.to_string()),
        Err(error @ ForwardError::Unsendable(_)) => MailOutcome::Refused(error_chain(&error)),
        Err(error) => MailOutcome::Unreachable(error_chain(&error)),
    }
}

/// The longest time for one greeting.
const LONGEST: Duration = Duration::from_secs(10 * 60);
