//! How the central node brings greetings to the nodes that need them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::timeout;

use super::desk::GreetingDesk;
use super::rounds::{Done, Errand, First, Rounds};
use crate::error_chain;
use crate::event::Event;
use crate::forward::{ForwardError, MailOut, Outcome, Sender};
use crate::greeting::{Edition, GreetingEvent, GreetingId};
use crate::message::MailAddress;
use crate::network::{Network, NodeAddress};
use crate::retry::{now, random_fraction, wait_until};
use crate::wire::{GreetingMail, encode_greeting};

impl GreetingDesk {
    /// Brings greetings to the nodes that need them, until `stop` is ready. What is on its way then is sent again after the next start.
    pub(in crate::node) async fn run(&self, stop: impl Future<Output = ()> + Send) {
        if self.make_way.is_none() {
            return;
        }
        let mut networks = self.standing.follow();
        let mut ways = HashMap::new();
        let mut rounds = Rounds::default();
        let mut sending = FuturesUnordered::new();
        let mut stop = std::pin::pin!(stop);
        rounds.handle_needs(self.needs(), now());
        loop {
            let network = self.standing.network();
            for id in self.take_recorded() {
                if let Some(node) = self.needed_by(&network, &id) {
                    rounds.handle_recorded(node, id);
                }
            }
            while let Some(errand) = rounds.poll_errand(now()) {
                let way = self.way(&mut ways, &network, &errand.node);
                sending.push(self.send(errand, way, Arc::clone(&network)));
            }
            tokio::select! {
                () = &mut stop => break,
                Some((errand, done)) = sending.next() => self.finish(&mut rounds, errand, &done),
                () = self.noted() => {}
                Ok(()) = networks.changed() => {
                    networks.mark_unchanged();
                    ways.clear();
                    rounds.handle_needs(self.needs(), now());
                }
                () = wait_until(rounds.poll_timeout()) => {}
            }
        }
    }

    /// Which nodes need which greetings; none while this node is not the central one.
    fn needs(&self) -> BTreeMap<NodeAddress, BTreeSet<GreetingId>> {
        let network = self.standing.network();
        let mut needs: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (id, _) in self.book.editions() {
            if let Some(node) = self.needed_by(&network, &id) {
                needs.entry(node.clone()).or_default().insert(id);
            }
        }
        needs
    }

    fn needed_by<'a>(&self, network: &'a Network, id: &GreetingId) -> Option<&'a NodeAddress> {
        if network.central_node() == self.standing.address() { network.greeting_node(&id.mailbox) } else { None }
    }

    fn way(&self, ways: &mut HashMap<NodeAddress, Way>, network: &Network, node: &NodeAddress) -> Result<Way, String> {
        if let Some(way) = ways.get(node) {
            return Ok(Arc::clone(way));
        }
        let make_way = self.make_way.as_ref().ok_or("no way to other nodes was given")?;
        let way = make_way.to(network, node).map_err(|error| error_chain(&*error))?;
        ways.insert(node.clone(), Arc::clone(&way));
        Ok(way)
    }

    fn finish(&self, rounds: &mut Rounds, errand: Errand, done: &Done) {
        let (greeting, destination) = (errand.id.clone(), errand.node.to_string());
        let retry_in = rounds.handle_done(errand, done, now(), random_fraction());
        if let (Done::NotTaken(reason) | Done::Unreachable(reason), Some(retry_in)) = (done, retry_in) {
            let reason = reason.clone();
            self.events.emit(Event::Greeting(GreetingEvent::Deferred { greeting, destination, reason, retry_in }));
        }
    }

    async fn send(&self, errand: Errand, way: Result<Way, String>, network: Arc<Network>) -> (Errand, Done) {
        let way = match way {
            Ok(way) => way,
            Err(reason) => return (errand, Done::Unreachable(reason)),
        };
        let bring = AssertUnwindSafe(self.bring(&errand, &*way, &network)).catch_unwind();
        let done = match timeout(LONGEST, bring).await {
            Ok(Ok(done)) => done,
            Ok(Err(_panic)) => Done::Unreachable("the forwarder panicked".to_owned()),
            Err(_elapsed) => Done::Unreachable("no answer in time".to_owned()),
        };
        (errand, done)
    }

    async fn bring(&self, errand: &Errand, way: &dyn MailOut, network: &Network) -> Done {
        let Errand { node, id, first } = errand;
        let to: MailAddress = match format!("{}@{}", id.mailbox, network.domain()).parse() {
            Ok(to) => to,
            Err(error) => return Done::NotTaken(format!("{error}")),
        };
        let write = |mail: &GreetingMail| encode_greeting(mail, self.standing.address().as_str(), network.domain());
        if let (First::Offer, Some(edition @ Edition { digest: Some(_), .. })) = (first, self.book.edition(id)) {
            match hand_over(way, &to, &write(&GreetingMail::Offer(id.clone(), edition))).await {
                Answer::NotNow(_) => {}
                Answer::Kept => return Done::Told,
                Answer::Never(reason) => return Done::NotTaken(reason),
                Answer::Away(reason) => return Done::Unreachable(reason),
            }
        }
        let greeting = match self.book.read(id).await {
            Ok(Some(greeting)) => greeting,
            // It was damaged, and is recorded anew or never.
            Ok(None) => return Done::Told,
            Err(error) => return Done::NotTaken(error_chain(&error)),
        };
        let version = greeting.edition().version;
        match hand_over(way, &to, &write(&GreetingMail::Greeting(greeting))).await {
            Answer::Kept => {
                let (greeting, destination) = (id.clone(), node.to_string());
                self.events.emit(Event::Greeting(GreetingEvent::Sent { greeting, version, destination }));
                Done::Told
            }
            Answer::NotNow(reason) | Answer::Never(reason) => Done::NotTaken(reason),
            Answer::Away(reason) => Done::Unreachable(reason),
        }
    }
}

type Way = Arc<dyn MailOut>;

/// What the other node said to a mail.
enum Answer {
    Kept,
    /// For an offer: it needs the sound.
    NotNow(String),
    Never(String),
    /// The node, or the way to it, is at fault.
    Away(String),
}

async fn hand_over(way: &dyn MailOut, to: &MailAddress, mail: &Bytes) -> Answer {
    match way.send(Sender::Node, to, mail).await {
        Ok(Outcome::Accepted) => Answer::Kept,
        Ok(Outcome::Deferred(reply)) if reply.code == 0 || reply.is_about_the_node() => Answer::Away(reply.to_string()),
        Ok(Outcome::Deferred(reply)) => Answer::NotNow(reply.to_string()),
        Ok(Outcome::Refused(reply)) => Answer::Never(reply.to_string()),
        Err(error @ ForwardError::Unsendable(_)) => Answer::Never(error_chain(&error)),
        Err(error) => Answer::Away(error_chain(&error)),
    }
}

/// How long one greeting may take.
const LONGEST: Duration = Duration::from_secs(10 * 60);
