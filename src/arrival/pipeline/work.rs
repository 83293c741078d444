//! [`Work`]: the arrivals in memory, and what is to be done next for them. A state machine without I/O.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::destinations::{Admission, DestinationId, DestinationOutcome, Destinations};
use crate::arrival::Arrived;
use crate::retry::Backoff;
use crate::store::PendingArrival;

/// The arrivals in memory, with the runs of their steps and of those of jobs.
///
/// The steps of an arrival begin one after the other: the next one when each part of the one before has ended or is a job, or when the one before has
/// taken longer than its patience. An arrival of which all steps have ended is settled.
#[derive(Debug)]
pub(super) struct Work {
    patience: Vec<Duration>,
    backoff: Backoff,
    arrivals: BTreeMap<u64, InMemory>,
    known: HashSet<PendingArrival>,
    next: u64,
    destinations: Destinations,
    /// How many runs of each step are under way.
    running: Vec<usize>,
    /// Parts that wait for a place in their destination, with the destinations of each step that may have room.
    queued: HashMap<DestinationId, VecDeque<(PartId, Instant)>>,
    ready: Vec<VecDeque<Arc<str>>>,
    unplanned: Vec<VecDeque<(u64, Instant)>>,
    actions: VecDeque<Action>,
    tick_at: Option<Instant>,
    stopping: bool,
}

#[derive(Debug)]
struct InMemory {
    arrived: Arc<Arrived>,
    /// The steps that have begun.
    stages: Vec<Stage>,
    settling: bool,
}

impl InMemory {
    /// Whether the next step waits for the last one that has begun.
    fn waits(&self, patience: &[Duration], now: Instant) -> bool {
        let last = self.stages.last().zip(patience.get(self.stages.len().saturating_sub(1)));
        last.is_some_and(|(stage, patience)| stage.open > 0 && now.saturating_duration_since(stage.begun_at) < *patience)
    }
}

#[derive(Debug)]
struct Stage {
    begun_at: Instant,
    /// How many parts have not ended; one until the parts are known.
    open: usize,
}

/// The name of a part, and its destination.
pub(super) type NamedPart = (Arc<str>, Arc<str>);

/// One part of a step of an arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartId {
    pub arrival: u64,
    pub step: usize,
    pub part: Arc<str>,
}

/// Something to do, after which the caller reports what became of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Ask the step for its parts: [`Work::handle_parts`].
    Plan { arrival: u64, step: usize, arrived: Arc<Arrived> },
    /// Run a part: [`Work::handle_run`].
    Run { part: PartId, arrived: Arc<Arrived>, run: DestinationRun },
    /// Put a job into the store: [`Work::handle_stored`].
    Store { arrival: u64, step: usize, arrived: Arc<Arrived>, job: JobWish },
    /// Settle an arrival: [`Work::handle_settled`].
    Settle { arrival: u64, arrived: Arc<Arrived> },
    /// Make jobs due that wait for a destination: [`Work::handle_released`].
    Release { destination: DestinationId, most: usize },
}

/// A run in a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DestinationRun {
    pub destination: DestinationId,
    pub probe: bool,
    pub begun: Instant,
}

/// A job that is to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobWish {
    /// The part; `None` if the step could not say its parts.
    pub part: Option<Arc<str>>,
    pub tries: u32,
    pub wait: Duration,
    /// The destination that the job waits for.
    pub destination: Option<Arc<str>>,
}

/// How a run ended, for what was to be done. These are all the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunOutcome {
    Done,
    NotYet(Duration),
    /// It failed, and may succeed after `wait` at the earliest; other runs with its destination, after `destination_wait`.
    Failed {
        wait: Duration,
        destination_wait: Duration,
    },
    /// It failed for good.
    FailedForGood,
}

impl RunOutcome {
    /// Returns the outcome for the destination of the run. A server that refuses for good works.
    pub(super) fn of_destination(self) -> DestinationOutcome {
        match self {
            Self::Done | Self::NotYet(_) | Self::FailedForGood => DestinationOutcome::Works,
            Self::Failed { destination_wait, .. } => DestinationOutcome::Fails(destination_wait),
        }
    }
}

impl Work {
    /// No work yet, for steps with these patiences.
    pub(super) fn new(patience: Vec<Duration>, backoff: Backoff) -> Self {
        let steps = patience.len();
        Self {
            patience,
            backoff,
            arrivals: BTreeMap::new(),
            known: HashSet::new(),
            next: 0,
            destinations: Destinations::new(backoff),
            running: vec![0; steps],
            queued: HashMap::new(),
            ready: vec![VecDeque::new(); steps],
            unplanned: vec![VecDeque::new(); steps],
            actions: VecDeque::new(),
            tick_at: None,
            stopping: false,
        }
    }

    /// Begins again without any work.
    pub(super) fn forget(&mut self) {
        *self = Self::new(std::mem::take(&mut self.patience), self.backoff);
    }

    /// Returns how many more arrivals there is room for.
    pub(super) fn room(&self) -> usize {
        if self.stopping { 0 } else { MAX_ARRIVALS.saturating_sub(self.arrivals.len()) }
    }

    /// Returns the arrivals in memory, which no other node is to take.
    pub(super) fn held(&self) -> Vec<PendingArrival> {
        self.known.iter().cloned().collect()
    }

    /// Returns how many things are in memory: arrivals, destinations and queued parts.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.arrivals.len() + self.known.len() + self.destinations.len() + self.queued.values().map(VecDeque::len).sum::<usize>()
    }

    /// Handles an arrival; one that is in memory already is ignored.
    pub(super) fn handle_arrival(&mut self, arrived: Arrived, now: Instant) {
        if !self.known.insert(PendingArrival::new(arrived.mailbox.clone(), arrived.id)) {
            return;
        }
        let number = self.next;
        self.next += 1;
        self.arrivals.insert(number, InMemory { arrived: Arc::new(arrived), stages: Vec::new(), settling: false });
        self.tick_at.get_or_insert(now + TICK);
        self.advance(number, now);
    }

    /// Handles the parts of a step, each with its destination. `Err` says that they are not known: the step is a job then, due after this wait.
    pub(super) fn handle_parts(&mut self, (arrival, step): (u64, usize), parts: Result<Vec<NamedPart>, Duration>, now: Instant) {
        self.running[step] -= 1;
        let Some(stage) = self.arrivals.get_mut(&arrival).and_then(|kept| kept.stages.get_mut(step)) else { return };
        match parts {
            Ok(parts) => {
                stage.open = parts.len();
                for (part, destination) in parts {
                    self.offer(PartId { arrival, step, part }, DestinationId { step, name: destination }, now);
                }
                self.advance(arrival, now);
            }
            Err(wait) => self.store((arrival, step), JobWish { part: None, tries: 1, wait, destination: None }),
        }
    }

    /// Handles the end of a run of a part. `retry_in` is the wait after a first failure.
    pub(super) fn handle_run(
        &mut self,
        part: &PartId,
        run: &DestinationRun,
        (outcome, retry_in): (RunOutcome, Duration),
        (now, jitter): (Instant, f64),
    ) {
        self.handle_job_run(run, outcome.of_destination(), (now, jitter));
        let wish = |tries, wait| JobWish { part: Some(Arc::clone(&part.part)), tries, wait, destination: None };
        match outcome {
            RunOutcome::Done => self.end_part(part.arrival, part.step, now),
            RunOutcome::NotYet(wait) => self.store((part.arrival, part.step), wish(0, wait)),
            RunOutcome::Failed { wait, .. } => self.store((part.arrival, part.step), wish(1, wait.max(retry_in))),
            RunOutcome::FailedForGood => self.store((part.arrival, part.step), wish(1, Duration::ZERO)),
        }
    }

    /// Handles a part, or all parts of a step, that is a job now.
    pub(super) fn handle_stored(&mut self, arrival: u64, step: usize, now: Instant) {
        self.end_part(arrival, step, now);
    }

    /// Handles an arrival that was settled.
    pub(super) fn handle_settled(&mut self, arrival: u64) {
        if let Some(InMemory { arrived, .. }) = self.arrivals.remove(&arrival) {
            self.known.remove(&PendingArrival::new(arrived.mailbox.clone(), arrived.id));
        }
    }

    /// Returns how many jobs of a step may be taken.
    pub(super) fn room_for_jobs(&self, step: usize) -> usize {
        if self.stopping {
            return 0;
        }
        let all: usize = self.running.iter().sum();
        self.per_step().saturating_sub(self.running[step]).min(MAX_RUNNING.saturating_sub(all))
    }

    /// Handles jobs that are about to be taken: each has a place until [`handle_jobs_over`](Self::handle_jobs_over) or the end of its run.
    pub(super) fn handle_taking(&mut self, step: usize, jobs: usize) {
        self.running[step] += jobs;
    }

    /// Handles the end of places that were taken for jobs.
    pub(super) fn handle_jobs_over(&mut self, step: usize, jobs: usize) {
        self.running[step] -= jobs;
    }

    /// Handles a job that was taken: returns its run, or `None` if it has to wait for its destination.
    pub(super) fn handle_job(&mut self, destination: DestinationId, now: Instant) -> Option<DestinationRun> {
        match self.destinations.check(&destination, now) {
            Admission::Run { probe } => Some(self.begin(destination, probe, now)),
            Admission::Busy | Admission::Blocked => None,
        }
    }

    /// Returns for how long this node has seen a destination fail.
    pub(super) fn failing_for(&self, destination: &DestinationId, now: Instant) -> Duration {
        self.destinations.failing_for(destination, now)
    }

    /// Handles a job that waits in the store for its destination.
    pub(super) fn handle_held(&mut self, destination: &DestinationId, now: Instant) {
        self.destinations.handle_held(destination);
        self.tick_at.get_or_insert(now + TICK);
        self.poll_destinations(now);
    }

    /// Handles the end of a run, as far as its destination is concerned.
    pub(super) fn handle_job_run(&mut self, run: &DestinationRun, outcome: DestinationOutcome, (now, jitter): (Instant, f64)) {
        let step = run.destination.step;
        self.running[step] -= 1;
        self.destinations.handle_ended(&run.destination, (run.probe, run.begun), outcome, (now, jitter));
        if self.queued.contains_key(&run.destination) {
            match self.destinations.check(&run.destination, now) {
                Admission::Blocked => self.store_queued(&run.destination),
                Admission::Run { .. } => self.ready[step].push_back(Arc::clone(&run.destination.name)),
                Admission::Busy => {}
            }
        }
        self.poll_destinations(now);
    }

    /// Handles jobs that were made due.
    pub(super) fn handle_released(&mut self, destination: &DestinationId, asked: usize, released: usize, now: Instant) {
        self.destinations.handle_released(destination, asked, released);
        self.tick_at.get_or_insert(now + TICK);
    }

    /// Begins no run any more.
    pub(super) fn handle_stop(&mut self) {
        self.stopping = true;
    }

    /// Returns when [`handle_time`](Self::handle_time) is to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.tick_at
    }

    /// Lets steps begin whose predecessors took too long, makes jobs of what has waited for its destination for too long, and probes destinations.
    pub(super) fn handle_time(&mut self, now: Instant) {
        if self.tick_at.is_none_or(|at| at > now) {
            return;
        }
        let numbers: Vec<u64> = self.arrivals.keys().copied().collect();
        for number in numbers {
            self.advance(number, now);
        }
        let late = |queue: &VecDeque<(PartId, Instant)>| queue.front().is_some_and(|(_, since)| *since + LONGEST_IN_QUEUE <= now);
        let late: Vec<DestinationId> =
            self.queued.iter().filter(|(_, queue)| late(queue)).map(|(destination, _)| destination.clone()).collect();
        for destination in &late {
            self.store_queued(destination);
        }
        for step in 0..self.patience.len() {
            while let Some((arrival, _)) =
                self.unplanned[step].front().copied().filter(|(_, since)| *since + LONGEST_IN_QUEUE <= now)
            {
                self.unplanned[step].pop_front();
                self.store((arrival, step), JobWish { part: None, tries: 0, wait: Duration::ZERO, destination: None });
            }
        }
        self.destinations.forget_old(now);
        self.poll_destinations(now);
        self.tick_at = (!self.arrivals.is_empty() || self.destinations.len() > 0).then(|| now + TICK);
    }

    /// Returns what is to be done next.
    pub(super) fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        if self.stopping {
            return None;
        }
        for step in 0..self.patience.len() {
            while self.may_run(step) {
                if let Some((arrival, _)) = self.unplanned[step].pop_front() {
                    let Some(kept) = self.arrivals.get(&arrival) else { continue };
                    self.running[step] += 1;
                    return Some(Action::Plan { arrival, step, arrived: Arc::clone(&kept.arrived) });
                }
                let Some(name) = self.ready[step].pop_front() else { break };
                if let Some(action) = self.run_queued(DestinationId { step, name }, now) {
                    return Some(action);
                }
            }
        }
        None
    }

    /// Begins the next queued part of a destination, if it may run.
    fn run_queued(&mut self, destination: DestinationId, now: Instant) -> Option<Action> {
        let queue = self.queued.get_mut(&destination)?;
        match self.destinations.check(&destination, now) {
            Admission::Run { probe } => {
                let (part, _) = queue.pop_front()?;
                if queue.is_empty() {
                    self.queued.remove(&destination);
                } else {
                    self.ready[destination.step].push_back(Arc::clone(&destination.name));
                }
                let arrived = Arc::clone(&self.arrivals.get(&part.arrival)?.arrived);
                self.running[destination.step] += 1;
                Some(Action::Run { part, arrived, run: self.begin(destination, probe, now) })
            }
            Admission::Busy => None,
            Admission::Blocked => {
                self.store_queued(&destination);
                self.actions.pop_front()
            }
        }
    }

    fn begin(&mut self, destination: DestinationId, probe: bool, now: Instant) -> DestinationRun {
        self.destinations.handle_begun(&destination, probe, now);
        self.tick_at.get_or_insert(now + TICK);
        DestinationRun { destination, probe, begun: now }
    }

    /// Queues a part for its destination, or makes it a job if the destination is blocked.
    fn offer(&mut self, part: PartId, destination: DestinationId, now: Instant) {
        let queue = self.queued.entry(destination.clone()).or_default();
        queue.push_back((part, now));
        match self.destinations.check(&destination, now) {
            Admission::Blocked => self.store_queued(&destination),
            Admission::Run { .. } => self.ready[destination.step].push_back(destination.name),
            Admission::Busy => {}
        }
    }

    /// Makes jobs of all parts that wait for a destination.
    fn store_queued(&mut self, destination: &DestinationId) {
        for (part, _) in self.queued.remove(destination).into_iter().flatten() {
            let wish =
                JobWish { part: Some(part.part), tries: 0, wait: HELD_FOR, destination: Some(Arc::clone(&destination.name)) };
            self.store((part.arrival, part.step), wish);
        }
    }

    fn store(&mut self, (arrival, step): (u64, usize), job: JobWish) {
        if let Some(kept) = self.arrivals.get(&arrival) {
            self.actions.push_back(Action::Store { arrival, step, arrived: Arc::clone(&kept.arrived), job });
        }
    }

    fn end_part(&mut self, arrival: u64, step: usize, now: Instant) {
        if let Some(stage) = self.arrivals.get_mut(&arrival).and_then(|kept| kept.stages.get_mut(step)) {
            stage.open -= 1;
        }
        self.advance(arrival, now);
    }

    /// Begins the next step of an arrival if it is time, or settles the arrival.
    fn advance(&mut self, arrival: u64, now: Instant) {
        let Some(kept) = self.arrivals.get_mut(&arrival) else { return };
        while kept.stages.len() < self.patience.len() && !kept.waits(&self.patience, now) {
            self.unplanned[kept.stages.len()].push_back((arrival, now));
            kept.stages.push(Stage { begun_at: now, open: 1 });
        }
        if !kept.settling && kept.stages.len() == self.patience.len() && kept.stages.iter().all(|stage| stage.open == 0) {
            kept.settling = true;
            self.actions.push_back(Action::Settle { arrival, arrived: Arc::clone(&kept.arrived) });
        }
    }

    fn poll_destinations(&mut self, now: Instant) {
        if !self.stopping {
            let releases = self.destinations.poll_releases(now);
            self.actions.extend(releases.into_iter().map(|(destination, most)| Action::Release { destination, most }));
        }
    }

    /// Whether a run for an arrival in memory may begin. Some places are left for jobs.
    fn may_run(&self, step: usize) -> bool {
        let all: usize = self.running.iter().sum();
        all < MAX_RUNNING - MAX_RUNNING / 8 && self.running[step] < self.per_step() - self.per_step() / 4
    }

    /// How many runs a step may have at once, so that a step whose runs take long leaves places to the others.
    fn per_step(&self) -> usize {
        (MAX_RUNNING / self.patience.len().max(1)).max(4)
    }
}

/// How many arrivals are in memory; the others wait in the store.
pub(super) const MAX_ARRIVALS: usize = 500;
/// How many runs are under way at once.
const MAX_RUNNING: usize = 32;
/// How long a job waits for its destination at most. If its node forgets the destination, as by a restart, it is due then.
pub(super) const HELD_FOR: Duration = Duration::from_secs(10 * 60);
/// How long a part waits in memory for a place in its destination.
const LONGEST_IN_QUEUE: Duration = Duration::from_secs(5);
/// How exact times are.
const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
