//! Leases of one node, with time handed in; and two nodes with one store and one PBX, in any order of steps.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::message::MailboxId;
use crate::node::lamp_scheduler::{LampScheduler, LampTask, TaskOutcome};
use crate::retry::RetryPolicy;

const TERM: Duration = Duration::from_secs(4);

fn site() -> SiteId {
    "london".parse().unwrap()
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_lease_counts_from_before_the_node_asked() {
    let start = Instant::now();
    let mut leases = LampLeases::new(TERM, start);
    assert!(leases.poll_renewal(start) && !leases.poll_renewal(start));
    assert!(!leases.permit(&site()).is_valid_at(start), "nothing is held before the answer");
    assert_eq!(leases.handle_renewed(vec![site()], start, start + millis(300)), [site()]);
    let permit = leases.permit(&site());
    assert!(permit.is_valid_at(start + millis(2_999)) && !permit.is_valid_at(start + millis(3_000)));

    assert_eq!(leases.poll_timeout(), Some(start + INTERVAL));
    let asked_at = start + INTERVAL;
    assert!(leases.poll_renewal(asked_at) && leases.poll_timeout().is_none());
    assert_eq!(leases.handle_renewed(vec![site()], asked_at, asked_at), []);
    assert!(permit.is_valid_at(start + millis(3_400)), "the permit in use is extended");
}

#[test]
fn an_answer_that_comes_too_late_gives_nothing() {
    let start = Instant::now();
    let mut leases = LampLeases::new(TERM, start);
    assert!(leases.poll_renewal(start));
    assert_eq!(leases.handle_renewed(vec![site()], start, start + millis(3_000)), []);
    assert!(!leases.permit(&site()).is_valid_at(start));
    assert_eq!(leases.poll_timeout(), Some(start + INTERVAL), "it asks again at once");
}

#[test]
fn a_lease_that_is_lost_ends_its_permit_at_once() {
    let start = Instant::now();
    let mut leases = LampLeases::new(TERM, start);
    leases.handle_renewed(vec![site()], start, start);
    let permit = leases.permit(&site());
    leases.handle_failure(start, start + millis(700));
    assert!(permit.is_valid_at(start + millis(700)), "a failure takes nothing before its time");
    assert_eq!(leases.handle_renewed(Vec::new(), start + millis(700), start + millis(800)), []);
    assert!(!permit.is_valid_at(start + millis(800)));
    assert_eq!(leases.handle_renewed(vec![site()], start + millis(900), start + millis(900)), [site()]);
    assert!(!permit.is_valid_at(start + millis(900)), "what was begun before the loss stays stopped");
    leases.handle_released(start + millis(950));
    assert!(!leases.permit(&site()).is_valid_at(start + millis(950)));
}

/// One step of the world. A node that gets no step while time passes is frozen.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Change(usize),
    Hear(usize),
    Ask(usize),
    Grant(usize),
    Answer(usize),
    Fail(usize),
    Start(usize),
    Count(usize, prop::sample::Index),
    Show(usize, prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..2_usize;
    let index = any::<prop::sample::Index>();
    prop_oneof![
        3 => (1..700_u64).prop_map(Step::Wait),
        1 => (1_000..6_000_u64).prop_map(Step::Wait),
        4 => (0..MAILBOXES).prop_map(Step::Change),
        3 => node.clone().prop_map(Step::Hear),
        4 => node.clone().prop_map(Step::Ask),
        4 => node.clone().prop_map(Step::Grant),
        4 => node.clone().prop_map(Step::Answer),
        1 => node.clone().prop_map(Step::Fail),
        6 => node.clone().prop_map(Step::Start),
        6 => (node.clone(), index.clone()).prop_map(|(node, index)| Step::Count(node, index)),
        6 => (node, index).prop_map(|(node, index)| Step::Show(node, index)),
    ]
}

const MAILBOXES: usize = 3;

fn mailbox(index: usize) -> MailboxId {
    (2001 + index).to_string().parse().unwrap()
}

fn index(mailbox: &MailboxId) -> usize {
    mailbox.as_str().parse::<usize>().unwrap() - 2001
}

/// A task of a node.
struct Task {
    mailbox: MailboxId,
    kind: LampTask,
    permit: LampPermit,
    counted: Option<u64>,
}

/// One node, as [`Lamps`](crate::node::lamps::Lamps) drives its parts.
struct Node {
    leases: LampLeases,
    scheduler: LampScheduler,
    known: HashMap<MailboxId, u64>,
    unheard: BTreeSet<MailboxId>,
    /// The renewal in progress: when it was begun, and whether the lease was granted, once the medium has answered.
    renewal: Option<(Instant, Option<bool>)>,
    tasks: Vec<Task>,
}

/// The store, the medium of the lease and the PBX, with two nodes.
struct World {
    now: Instant,
    /// How much earlier a lease is free than it should be, because the clock of the medium is fast.
    fast: Duration,
    versions: [u64; MAILBOXES],
    lamps: [Option<u64>; MAILBOXES],
    lease: Option<(usize, Instant)>,
    nodes: [Node; 2],
}

impl World {
    fn new(fast: u64) -> Self {
        let now = Instant::now();
        let nodes = [0, 1].map(|_| Node {
            leases: LampLeases::new(TERM, now),
            scheduler: LampScheduler::new(64, 200, RetryPolicy::default().lamp_failed),
            known: HashMap::new(),
            unheard: BTreeSet::new(),
            renewal: None,
            tasks: Vec::new(),
        });
        Self { now, fast: millis(fast), versions: [1; MAILBOXES], lamps: [None; MAILBOXES], lease: None, nodes }
    }

    fn take(&mut self, step: &Step) {
        let now = self.now;
        match step {
            Step::Wait(time) => self.now += millis(*time),
            Step::Change(changed) => {
                self.versions[*changed] += 1;
                self.nodes.iter_mut().for_each(|node| node.unheard.extend([mailbox(*changed)]));
            }
            Step::Hear(node) => {
                let heard = std::mem::take(&mut self.nodes[*node].unheard);
                self.nodes[*node].scheduler.handle_possible_changes(heard.into_iter().collect());
            }
            Step::Ask(node) => {
                let node = &mut self.nodes[*node];
                if node.leases.poll_renewal(now) {
                    node.renewal = Some((now, None));
                }
            }
            Step::Grant(index) => {
                if let Some((_, answer @ None)) = &mut self.nodes[*index].renewal {
                    let granted = self.lease.is_none_or(|(holder, until)| holder == *index || until <= now);
                    if granted {
                        self.lease = Some((*index, now + TERM.saturating_sub(self.fast)));
                    }
                    *answer = Some(granted);
                }
            }
            Step::Answer(index) => {
                let node = &mut self.nodes[*index];
                if let Some((asked_at, Some(granted))) = node.renewal {
                    node.renewal = None;
                    let held = if granted { vec![site()] } else { Vec::new() };
                    if !node.leases.handle_renewed(held, asked_at, now).is_empty() {
                        node.known.clear();
                        (0..MAILBOXES).for_each(|index| node.scheduler.handle_restart(mailbox(index)));
                    }
                }
            }
            Step::Fail(index) => {
                let node = &mut self.nodes[*index];
                if let Some((asked_at, _)) = node.renewal.take() {
                    node.leases.handle_failure(asked_at, now);
                }
            }
            Step::Start(index) => {
                let node = &mut self.nodes[*index];
                if let Some((mailbox, kind)) = node.scheduler.poll_task(now) {
                    let permit = node.leases.permit(&site());
                    node.tasks.push(Task { mailbox, kind, permit, counted: None });
                }
            }
            Step::Count(node, choice) => {
                let tasks = &mut self.nodes[*node].tasks;
                if !tasks.is_empty() {
                    let task = choice.index(tasks.len());
                    tasks[task].counted = Some(self.versions[index(&tasks[task].mailbox)]);
                }
            }
            Step::Show(node, choice) => {
                let tasks = &mut self.nodes[*node].tasks;
                if !tasks.is_empty() {
                    let task = choice.index(tasks.len());
                    if let Some(counted) = tasks[task].counted {
                        let task = tasks.swap_remove(task);
                        self.show(*node, task, counted);
                    }
                }
            }
        }
    }

    /// Ends a task of a node: the PBX gets the state that was counted, if that differs from what is known, and the permit is valid.
    fn show(&mut self, node: usize, task: Task, counted: u64) {
        let Task { mailbox, kind, permit, .. } = task;
        let lamp = &mut self.lamps[index(&mailbox)];
        let node = &mut self.nodes[node];
        let before = node.known.get(&mailbox).copied();
        let (outcome, known) = match kind {
            LampTask::Count => (TaskOutcome::Counted { new: true }, None),
            LampTask::ShowIfChanged if before == Some(counted) => (TaskOutcome::Unchanged, before),
            _ if permit.is_valid_at(self.now) => {
                assert!(*lamp <= Some(counted), "{mailbox} went back from {lamp:?} to {counted}");
                *lamp = Some(counted);
                (TaskOutcome::Shown, Some(counted))
            }
            _ => (TaskOutcome::Unchanged, None),
        };
        match known {
            Some(known) => drop(node.known.insert(mailbox.clone(), known)),
            None => drop(node.known.remove(&mailbox)),
        }
        node.scheduler.handle_outcome(mailbox, outcome, self.now);
    }

    /// Runs the nodes for some seconds without a fault.
    fn settle(&mut self, nodes: &[usize]) {
        let end = self.now + millis(12_000);
        while self.now < end {
            for node in nodes {
                for step in [Step::Hear(*node), Step::Ask(*node), Step::Grant(*node), Step::Answer(*node)] {
                    self.take(&step);
                }
                while let Some((mailbox, kind)) = self.nodes[*node].scheduler.poll_task(self.now) {
                    let permit = self.nodes[*node].leases.permit(&site());
                    let counted = self.versions[index(&mailbox)];
                    self.show(*node, Task { mailbox, kind, permit, counted: None }, counted);
                }
                while let Some(task) = self.nodes[*node].tasks.pop() {
                    let counted = task.counted.unwrap_or(self.versions[index(&task.mailbox)]);
                    self.show(*node, task, counted);
                }
            }
            self.take(&Step::Wait(100));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_lamp_goes_back_and_each_ends_as_the_store(
        fast in 0..900_u64,
        steps in prop::collection::vec(step(), 1..200),
        survivors in prop::sample::select(vec![&[0][..], &[1], &[0, 1], &[1, 0]]),
    ) {
        let mut world = World::new(fast);
        for step in &steps {
            world.take(step);
        }
        world.settle(survivors);
        prop_assert_eq!(world.lamps, world.versions.map(Some), "by {:?}", survivors);
    }
}

#[test]
fn a_dead_node_is_replaced_within_five_seconds() {
    let mut world = World::new(0);
    world.settle(&[0, 1]);
    assert_eq!(world.lease.unwrap().0, 0);
    let died = world.now;
    world.take(&Step::Change(0));
    while world.lamps[0] != Some(world.versions[0]) {
        for step in [Step::Hear(1), Step::Ask(1), Step::Grant(1), Step::Answer(1), Step::Start(1)] {
            world.take(&step);
        }
        while let Some(task) = world.nodes[1].tasks.pop() {
            let counted = world.versions[index(&task.mailbox)];
            world.show(1, task, counted);
        }
        world.take(&Step::Wait(10));
        assert!(world.now - died < millis(5_000), "the lamp was not updated in time");
    }
}
