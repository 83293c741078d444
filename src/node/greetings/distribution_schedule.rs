//! [`DistributionSchedule`]: which greeting is sent to which node, and when. A state machine without I/O.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::greeting::GreetingId;
use crate::network::NodeAddress;
use crate::retry::{Backoff, Outage, RetryPolicy, RetrySchedule};

/// Which greeting is sent to which node, and when; a greeting is sent to one node by at most one task at a time.
///
/// A greeting that was just recorded goes first, with its sound. All others are offered: as soon as a node needs them, and again an hour
/// after the node accepted them. While a node cannot be reached, one greeting is tried at growing intervals. A greeting that a node
/// refuses is tried again later, and the node's other greetings do not wait for it.
#[derive(Debug)]
pub(super) struct DistributionSchedule {
    nodes: BTreeMap<NodeAddress, NodeSchedule>,
    /// The waits between attempts to reach a node.
    unreachable: Backoff,
    /// The waits between the attempts of one greeting that a node refuses.
    refused: Backoff,
}

/// The greetings that one node needs.
#[derive(Debug, Default)]
struct NodeSchedule {
    needed: BTreeSet<GreetingId>,
    recorded: BTreeSet<GreetingId>,
    later: BTreeSet<(Instant, GreetingId)>,
    in_progress: BTreeSet<GreetingId>,
    /// Greetings in progress that have been recorded again meanwhile.
    again: BTreeSet<GreetingId>,
    refusals: HashMap<GreetingId, RetrySchedule>,
    outage: Option<Outage>,
}

/// A greeting to be sent to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GreetingTask {
    pub(super) node: NodeAddress,
    pub(super) id: GreetingId,
    pub(super) first: FirstMail,
}

/// The first mail of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstMail {
    /// The greeting with its sound.
    Whole,
    /// An offer without the sound: the node has the greeting already, as far as is known.
    Offer,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TaskOutcome {
    /// The node keeps the greeting.
    Accepted,
    /// The node refused this greeting for now, for the reason given.
    Refused(String),
    /// The node cannot be reached, for the reason given.
    Unreachable(String),
}

impl DistributionSchedule {
    /// Returns a schedule without nodes.
    pub(super) fn new(policy: &RetryPolicy) -> Self {
        let (unreachable, refused) = (policy.greeting_unreachable, policy.greeting_refused);
        Self { nodes: BTreeMap::new(), unreachable, refused }
    }

    /// Replaces the lists of greetings that each node needs.
    pub(super) fn handle_needs(&mut self, mut needs: BTreeMap<NodeAddress, BTreeSet<GreetingId>>, now: Instant) {
        self.nodes.retain(|node, _| needs.contains_key(node));
        for (node, ids) in std::mem::take(&mut needs) {
            let entry = self.nodes.entry(node).or_default();
            entry.recorded.retain(|id| ids.contains(id));
            entry.later.retain(|(_, id)| ids.contains(id));
            entry.refusals.retain(|id, _| ids.contains(id));
            let new = ids.difference(&entry.needed).filter(|id| !entry.in_progress.contains(*id));
            entry.later.extend(new.map(|id| (now, id.clone())));
            entry.needed = ids;
        }
    }

    /// Handles a greeting, needed by `node`, that its owner has recorded or removed.
    pub(super) fn handle_recorded(&mut self, node: &NodeAddress, id: GreetingId) {
        let entry = self.nodes.entry(node.clone()).or_default();
        entry.needed.insert(id.clone());
        entry.refusals.remove(&id);
        entry.later.retain(|(_, later)| *later != id);
        if entry.in_progress.contains(&id) {
            entry.again.insert(id)
        } else {
            entry.recorded.insert(id)
        };
    }

    /// Returns the next task, which is in progress from now on.
    pub(super) fn poll_task(&mut self, now: Instant) -> Option<GreetingTask> {
        self.nodes.iter_mut().find_map(|(node, entry)| {
            let (id, first) = entry.next(now)?;
            entry.in_progress.insert(id.clone());
            Some(GreetingTask { node: node.clone(), id, first })
        })
    }

    /// Handles the end of a task. Returns the time until the greeting is tried again, or `None` if it is not. `jitter` is a random number
    /// from 0 to 1.
    pub(super) fn handle_outcome(
        &mut self,
        task: GreetingTask,
        outcome: &TaskOutcome,
        now: Instant,
        jitter: f64,
    ) -> Option<Duration> {
        let GreetingTask { node, id, first } = task;
        let entry = self.nodes.get_mut(&node)?;
        entry.in_progress.remove(&id);
        let again = entry.again.remove(&id);
        if !entry.needed.contains(&id) {
            return None;
        }
        let due = match outcome {
            TaskOutcome::Accepted => {
                entry.outage = None;
                entry.refusals.remove(&id);
                now + OFFER_INTERVAL.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
            }
            TaskOutcome::Refused(_) => {
                entry.outage = None;
                let refusals = entry.refusals.entry(id.clone());
                refusals.or_insert_with(|| RetrySchedule::new(self.refused)).handle_failure(now, jitter)
            }
            TaskOutcome::Unreachable(_) => {
                if let Some(outage) = &mut entry.outage {
                    outage.handle_failure(now, jitter);
                }
                entry.outage.get_or_insert_with(|| Outage::new(self.unreachable, now, jitter)).probe_at()
            }
        };
        match (outcome, first) {
            _ if again => drop(entry.recorded.insert(id)),
            (TaskOutcome::Unreachable(_), FirstMail::Whole) => drop(entry.recorded.insert(id)),
            (TaskOutcome::Unreachable(_), FirstMail::Offer) => drop(entry.later.insert((now, id))),
            (TaskOutcome::Accepted | TaskOutcome::Refused(_), _) => drop(entry.later.insert((due, id))),
        }
        (*outcome != TaskOutcome::Accepted).then(|| due.saturating_duration_since(now))
    }

    /// Returns when to poll again, if nothing else happens before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.nodes.values().filter_map(NodeSchedule::due).min()
    }
}

impl NodeSchedule {
    fn next(&mut self, now: Instant) -> Option<(GreetingId, FirstMail)> {
        if self.in_progress.len() >= self.max_in_progress() || self.outage.as_ref().is_some_and(|outage| outage.probe_at() > now)
        {
            return None;
        }
        if let Some(id) = self.recorded.pop_first() {
            return Some((id, FirstMail::Whole));
        }
        let (due, _) = self.later.first()?;
        if *due > now { None } else { self.later.pop_first().map(|(_, id)| (id, FirstMail::Offer)) }
    }

    /// Returns when the next task is due; `None` when there is none, or when one in progress has to end first.
    fn due(&self) -> Option<Instant> {
        if self.in_progress.len() >= self.max_in_progress() {
            return None;
        }
        let later = self.later.first().map(|(due, _)| *due);
        let outage = self.outage.as_ref().map(Outage::probe_at);
        // A recorded greeting is due at the end of an outage; without an outage it is in progress already.
        if self.recorded.is_empty() { later.map(|later| outage.map_or(later, |outage| later.max(outage))) } else { outage }
    }

    fn max_in_progress(&self) -> usize {
        if self.outage.is_some() { 1 } else { MAX_IN_PROGRESS }
    }
}

/// The most greetings that are sent to one node at once.
const MAX_IN_PROGRESS: usize = 8;
/// The time after which a greeting that a node accepted is offered to it again, at most.
const OFFER_INTERVAL: Duration = Duration::from_secs(60 * 60);
