//! [`Rounds`]: which greeting goes to which node, and when. Decides; does nothing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::greeting::GreetingId;
use crate::network::NodeAddress;
use crate::retry::RetrySchedule;

/// Which greeting goes to which node, and when; each to one node by one at a time.
///
/// What was recorded goes first, whole. All others are offered: at once when a node comes to need them, and again an hour after the node
/// answered for them. A node that cannot be reached is tried with one greeting, ever more seldom; one that refuses a greeting is left alone
/// with that one for a while.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    nodes: BTreeMap<NodeAddress, Round>,
}

/// What one node needs.
#[derive(Debug, Default)]
struct Round {
    needed: BTreeSet<GreetingId>,
    recorded: BTreeSet<GreetingId>,
    later: BTreeSet<(Instant, GreetingId)>,
    under_way: BTreeSet<GreetingId>,
    /// Those under way that have been recorded anew.
    again: BTreeSet<GreetingId>,
    refusals: HashMap<GreetingId, RetrySchedule>,
    outage: Option<Outage>,
}

/// A time in which the node cannot be reached, as far as is known.
#[derive(Debug)]
struct Outage {
    schedule: RetrySchedule,
    due: Instant,
}

/// A greeting that is to go to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Errand {
    pub(super) node: NodeAddress,
    pub(super) id: GreetingId,
    pub(super) first: First,
}

/// What the node gets first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// The greeting with its sound.
    Whole,
    /// An offer; it has the greeting already, as far as is known.
    Offer,
}

/// What became of an errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Done {
    /// The node has answered for the greeting.
    Told,
    /// It does not take this greeting now, for the reason given.
    NotTaken(String),
    /// It cannot be reached, for the reason given.
    Unreachable(String),
}

impl Rounds {
    /// These are the nodes that need greetings, and which each needs.
    pub(super) fn handle_needs(&mut self, mut needs: BTreeMap<NodeAddress, BTreeSet<GreetingId>>, now: Instant) {
        self.nodes.retain(|node, _| needs.contains_key(node));
        for (node, ids) in std::mem::take(&mut needs) {
            let round = self.nodes.entry(node).or_default();
            round.recorded.retain(|id| ids.contains(id));
            round.later.retain(|(_, id)| ids.contains(id));
            round.refusals.retain(|id, _| ids.contains(id));
            let new = ids.difference(&round.needed).filter(|id| !round.under_way.contains(*id));
            round.later.extend(new.map(|id| (now, id.clone())));
            round.needed = ids;
        }
    }

    /// An owner has recorded or removed a greeting that `node` needs.
    pub(super) fn handle_recorded(&mut self, node: &NodeAddress, id: GreetingId) {
        let round = self.nodes.entry(node.clone()).or_default();
        round.needed.insert(id.clone());
        round.refusals.remove(&id);
        round.later.retain(|(_, later)| *later != id);
        if round.under_way.contains(&id) {
            round.again.insert(id)
        } else {
            round.recorded.insert(id)
        };
    }

    /// The next errand; it is under way from now on.
    pub(super) fn poll_errand(&mut self, now: Instant) -> Option<Errand> {
        self.nodes.iter_mut().find_map(|(node, round)| {
            let (id, first) = round.next(now)?;
            round.under_way.insert(id.clone());
            Some(Errand { node: node.clone(), id, first })
        })
    }

    /// An errand is done; answers how long it is until the next try, if there will be one. `jitter` is a random number from 0 to 1.
    pub(super) fn handle_done(&mut self, errand: Errand, done: &Done, now: Instant, jitter: f64) -> Option<Duration> {
        let Errand { node, id, first } = errand;
        let round = self.nodes.get_mut(&node)?;
        round.under_way.remove(&id);
        let again = round.again.remove(&id);
        if !round.needed.contains(&id) {
            return None;
        }
        let due = match done {
            Done::Told => {
                round.outage = None;
                round.refusals.remove(&id);
                now + ROUND.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
            }
            Done::NotTaken(_) => {
                round.outage = None;
                let refusals = round.refusals.entry(id.clone());
                refusals.or_insert_with(|| RetrySchedule::new(FIRST_REFUSED, ROUND)).handle_failure(now, jitter)
            }
            Done::Unreachable(_) => {
                let new = || Outage { schedule: RetrySchedule::new(FIRST_OUTAGE, LONGEST_OUTAGE), due: now };
                let outage = round.outage.get_or_insert_with(new);
                // Several that were under way together fail together, which is one failure.
                if outage.due <= now {
                    outage.due = outage.schedule.handle_failure(now, jitter);
                }
                outage.due
            }
        };
        match (done, first) {
            _ if again => drop(round.recorded.insert(id)),
            (Done::Unreachable(_), First::Whole) => drop(round.recorded.insert(id)),
            (Done::Unreachable(_), First::Offer) => drop(round.later.insert((now, id))),
            (Done::Told | Done::NotTaken(_), _) => drop(round.later.insert((due, id))),
        }
        (*done != Done::Told).then(|| due.saturating_duration_since(now))
    }

    /// When to poll again, if nothing else happens before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.nodes.values().filter_map(Round::due).min()
    }
}

impl Round {
    fn next(&mut self, now: Instant) -> Option<(GreetingId, First)> {
        if self.under_way.len() >= self.most_under_way() || self.outage.as_ref().is_some_and(|outage| outage.due > now) {
            return None;
        }
        if let Some(id) = self.recorded.pop_first() {
            return Some((id, First::Whole));
        }
        let (due, _) = self.later.first()?;
        if *due > now { None } else { self.later.pop_first().map(|(_, id)| (id, First::Offer)) }
    }

    /// When the next errand is due; `None` when nothing is, or one that is under way comes before.
    fn due(&self) -> Option<Instant> {
        if self.under_way.len() >= self.most_under_way() {
            return None;
        }
        let later = self.later.first().map(|(due, _)| *due);
        let outage = self.outage.as_ref().map(|outage| outage.due);
        // What was recorded is not due later than the end of an outage; without one it is under way by now.
        if self.recorded.is_empty() { later.map(|later| outage.map_or(later, |outage| later.max(outage))) } else { outage }
    }

    fn most_under_way(&self) -> usize {
        if self.outage.is_some() { 1 } else { MOST_UNDER_WAY }
    }
}

/// How many greetings are on their way to one node at once.
const MOST_UNDER_WAY: usize = 8;
/// How long after a node has answered for a greeting it is offered again, at most.
const ROUND: Duration = Duration::from_secs(60 * 60);
const FIRST_OUTAGE: Duration = Duration::from_secs(1);
const LONGEST_OUTAGE: Duration = Duration::from_secs(30);
const FIRST_REFUSED: Duration = Duration::from_secs(60);
