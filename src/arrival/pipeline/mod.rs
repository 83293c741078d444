//! [`Pipeline`]: does the steps of a node for each arrival.

mod attempt;
mod destinations;
mod job;
mod operator;
mod payload;
mod work;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{self, BoxFuture};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use self::destinations::DestinationId;
pub use self::operator::{StepState, Steps};
use self::payload::StepJob;
use self::work::{Action, DestinationRun, JobWish, MAX_ARRIVALS, PartId, RunOutcome, Work};
use super::{ArrivalStep, Arrived, StepName, StepOutcome, StepRun};
use crate::clock::Clock;
use crate::error_chain;
use crate::event::{Event, Events};
use crate::jobs::{Job, JobKind, JobStore, NewJob};
use crate::lock::Lock;
use crate::message::{MailboxId, MessageId};
use crate::retry::{RetryPolicy, now, random_fraction, wait_until};
use crate::store::{MessageStore, PendingArrival, PendingArrivals};

/// Does the steps of a node, in their order, for each arrival that the node reports or that waits in the store.
///
/// All decisions are those of [`Work`]; here is the I/O around it.
#[derive(Debug)]
pub(crate) struct Pipeline {
    steps: Vec<PipelineStep>,
    jobs: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    events: Events,
    retry: RetryPolicy,
    work: Lock<Work>,
    /// Arrivals that the node reported, and that are not in `work` yet.
    reported: Lock<VecDeque<Arrived>>,
    /// Jobs that were taken, each with its step.
    taken: Lock<VecDeque<(usize, Job)>>,
    /// There is something in one of the two.
    changed: Notify,
    /// A task has ended, so that there may be room for another one.
    ended: watch::Sender<()>,
}

#[derive(Debug)]
struct PipelineStep {
    name: StepName,
    kind: JobKind,
    step: Arc<dyn ArrivalStep>,
}

impl Pipeline {
    /// A pipeline of these steps, which have different names.
    pub(crate) fn new(
        steps: &[Arc<dyn ArrivalStep>],
        jobs: Arc<dyn JobStore>,
        clock: Arc<dyn Clock>,
        events: Events,
        retry: RetryPolicy,
    ) -> Self {
        let patience = steps.iter().map(ArrivalStep::patience).collect();
        let step = |step: &Arc<dyn ArrivalStep>| {
            let name = step.name();
            PipelineStep { kind: JobKind::of_step(&name), name, step: Arc::clone(step) }
        };
        let steps = steps.iter().map(step).collect();
        let (reported, taken, changed, ended) = (Lock::default(), Lock::default(), Notify::new(), watch::Sender::new(()));
        let work = Lock::new(Work::new(patience, retry.step_failed));
        Self { steps, jobs, clock, events, retry, work, reported, taken, changed, ended }
    }

    /// Forgets all that is in memory, after a run that has panicked: arrivals are taken from the store and jobs from the store of jobs again, when their
    /// holds and claims are over.
    pub(crate) fn forget(&self) {
        self.work.lock().forget();
        self.reported.lock().clear();
        self.taken.lock().clear();
    }

    /// Notes a message that has arrived. If too many wait in memory, it waits in the store.
    pub(crate) fn note(&self, mailbox: &MailboxId, id: MessageId) {
        let mut reported = self.reported.lock();
        if reported.len() < MAX_ARRIVALS {
            reported.push_back(Arrived::new(mailbox.clone(), id, self.clock.now().instant));
            drop(reported);
            self.changed.notify_one();
        }
    }

    /// Does the steps for the arrivals in `store` until `stop` is ready. Runs that are under way then are finished.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stops in the middle of its work, which is done by the next start.
    pub(crate) async fn run(&self, store: &dyn MessageStore, stop: impl Future<Output = ()> + Send) {
        let Some(pending) = store.pending_arrivals() else { return };
        let mut tasks: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        let mut holds = std::pin::pin!(self.extend_holds(pending));
        {
            let mut takers = std::pin::pin!(future::join(
                future::join_all((0..self.steps.len()).map(|step| self.take_jobs(step))),
                self.take_arrivals(pending),
            ));
            let mut stop = std::pin::pin!(stop);
            loop {
                self.begin_tasks(store, pending, &mut tasks);
                let tick = self.work.lock().poll_timeout();
                tokio::select! {
                    () = &mut stop => break,
                    Some(()) = tasks.next() => { self.ended.send_replace(()); }
                    _ = &mut takers => {}
                    () = &mut holds => {}
                    () = self.changed.notified() => {}
                    () = wait_until(tick) => self.work.lock().handle_time(now()),
                }
            }
        }
        self.work.lock().handle_stop();
        let finished = std::pin::pin!(async {
            while tasks.next().await.is_some() {
                self.begin_tasks(store, pending, &mut tasks);
            }
        });
        if timeout(STOP_TIMEOUT, future::select(finished, holds)).await.is_err() {
            tracing::warn!("steps under way were cut off at the stop; they are done again");
        }
    }

    /// Begins what there is to do.
    fn begin_tasks<'a>(
        &'a self,
        store: &'a dyn MessageStore,
        pending: &'a dyn PendingArrivals,
        tasks: &mut FuturesUnordered<BoxFuture<'a, ()>>,
    ) {
        let mut work = self.work.lock();
        while work.room() > 0 {
            let Some(arrived) = self.reported.lock().pop_front() else { break };
            work.handle_arrival(arrived, now());
        }
        while let Some((step, job)) = self.taken.lock().pop_front() {
            tasks.push(Box::pin(self.do_job(store, step, job)));
        }
        while let Some(action) = work.poll_action(now()) {
            tasks.push(self.task(action, store, pending));
        }
    }

    /// Returns the task for an action.
    fn task<'a>(&'a self, action: Action, store: &'a dyn MessageStore, pending: &'a dyn PendingArrivals) -> BoxFuture<'a, ()> {
        match action {
            Action::Plan { arrival, step, arrived } => Box::pin(async move {
                let parts = attempt::parts(&*self.steps[step].step, &arrived, store).await;
                let parts = parts.map_err(|failure| {
                    let wait = failure.wait.map_or(Duration::ZERO, |wait| wait.max(self.first_wait()));
                    self.emit_deferred(step, &arrived, failure.reason, 1, wait);
                    wait
                });
                self.work.lock().handle_parts((arrival, step), parts, now());
            }),
            Action::Run { part, arrived, run } => Box::pin(self.first_run(store, part, arrived, run)),
            Action::Store { arrival, step, arrived, job } => Box::pin(async move {
                self.add_job(step, &arrived, &job).await;
                let mut work = self.work.lock();
                work.handle_stored(arrival, step, now());
                if let Some(name) = job.destination {
                    work.handle_held(&DestinationId { step, name }, now());
                }
            }),
            Action::Settle { arrival, arrived } => Box::pin(async move {
                let settled = [PendingArrival::new(arrived.mailbox.clone(), arrived.id)];
                while let Err(error) = pending.settle(&settled).await {
                    tracing::warn!(reason = error_chain(&error), "an arrival whose steps are done cannot be settled yet");
                    sleep(STORE_PAUSE).await;
                }
                self.work.lock().handle_settled(arrival);
            }),
            Action::Release { destination, most } => Box::pin(async move {
                let released = self.jobs.release(&self.steps[destination.step].kind, &destination.name, most).await;
                let released = released.unwrap_or_else(|error| {
                    tracing::warn!(reason = error_chain(&error), "jobs of steps that could be done wait for longer");
                    most
                });
                self.work.lock().handle_released(&destination, most, released, now());
            }),
        }
    }

    /// Runs a part of an arrival in memory.
    async fn first_run(&self, store: &dyn MessageStore, part: PartId, arrived: Arc<Arrived>, run: DestinationRun) {
        let step = &self.steps[part.step];
        let attempt = StepRun::new(&step.name, &part.part, &arrived, store, self.clock.now().instant);
        let retry_in = self.first_wait();
        let outcome = match attempt::run(&*step.step, &attempt).await {
            Ok(StepOutcome::Done) => {
                self.emit_done(part.step, &arrived, 1);
                RunOutcome::Done
            }
            Ok(StepOutcome::NotYet(wait)) => RunOutcome::NotYet(wait),
            Err(failure) => {
                let outcome = failure.outcome();
                let wait = failure.wait.map_or(Duration::ZERO, |wait| wait.max(retry_in));
                self.emit_deferred(part.step, &arrived, failure.reason, 1, wait);
                outcome
            }
        };
        self.work.lock().handle_run(&part, &run, (outcome, retry_in), (now(), random_fraction()));
    }

    /// Adds a job, and tries until the store of jobs takes it. The arrival stays in memory and in the store meanwhile.
    async fn add_job(&self, step: usize, arrived: &Arrived, wish: &JobWish) {
        let part = wish.part.as_deref();
        let payload = StepJob { arrived: arrived.clone(), part: part.map(str::to_owned) }.encode();
        let PipelineStep { name, kind, .. } = &self.steps[step];
        let job =
            NewJob::new(kind, arrived.key(name, part), self.clock.now().instant, &payload).after(wish.tries).due_after(wish.wait);
        let job = wish.destination.as_deref().map_or(job, |destination| job.held_for(destination));
        while let Err(error) = self.jobs.add(&job).await {
            tracing::warn!(reason = error_chain(&error), "a step that was not done cannot be put into the store of jobs yet");
            sleep(STORE_PAUSE).await;
        }
    }

    /// Takes jobs of a step that are due, as many as there is room for. Never ends.
    async fn take_jobs(&self, step: usize) {
        let (kind, mut ended) = (&self.steps[step].kind, self.ended.subscribe());
        loop {
            self.jobs.due(kind).await;
            let room = self.work.lock().room_for_jobs(step).min(MOST_TAKEN);
            if room == 0 {
                // The sender lives as long as the pipeline.
                let _ = ended.changed().await;
                continue;
            }
            self.work.lock().handle_taking(step, room);
            let jobs = self.jobs.take(kind, room, CLAIM).await.unwrap_or_else(|error| {
                tracing::warn!(reason = error_chain(&error), "the jobs of a step cannot be read yet");
                Vec::new()
            });
            self.work.lock().handle_jobs_over(step, room - jobs.len().min(room));
            // Another step may have found no room meanwhile.
            self.ended.send_replace(());
            let none = jobs.is_empty();
            self.taken.lock().extend(jobs.into_iter().map(|job| (step, job)));
            self.changed.notify_one();
            if none {
                // Another node may have taken them, or the store may have failed.
                sleep(SHORTEST_PAUSE).await;
            }
        }
    }

    /// Takes arrivals that wait in the store, as many as there is room for. Never ends.
    async fn take_arrivals(&self, pending: &dyn PendingArrivals) {
        let mut ended = self.ended.subscribe();
        loop {
            let room = self.work.lock().room();
            if room < MAX_ARRIVALS / 2 {
                // The sender lives as long as the pipeline.
                let _ = ended.changed().await;
                continue;
            }
            let taken = pending.take(room, HOLD).await.unwrap_or_else(|error| {
                tracing::warn!(reason = error_chain(&error), "the arrivals that are not settled cannot be read yet");
                Vec::new()
            });
            let all = taken.len() < room;
            {
                let (mut work, noticed_at) = (self.work.lock(), self.clock.now().instant);
                for arrival in taken {
                    work.handle_arrival(Arrived::new(arrival.mailbox, arrival.id, noticed_at), now());
                }
            }
            self.changed.notify_one();
            if all {
                sleep(LOOK_INTERVAL).await;
            }
        }
    }

    /// Extends the holds of the arrivals in memory, so that no other node takes them. Never ends.
    async fn extend_holds(&self, pending: &dyn PendingArrivals) {
        loop {
            sleep(EXTEND_INTERVAL).await;
            while let Err(error) = pending.extend(&self.held(), HOLD).await {
                tracing::warn!(reason = error_chain(&error), "another node may do the steps of arrivals that are in work here");
                sleep(STORE_PAUSE).await;
            }
        }
    }

    /// The arrivals in memory.
    fn held(&self) -> Vec<PendingArrival> {
        let pending = |arrived: &Arrived| PendingArrival::new(arrived.mailbox.clone(), arrived.id);
        let mut held: Vec<PendingArrival> = self.reported.lock().iter().map(pending).collect();
        held.extend(self.work.lock().held());
        held
    }

    /// The wait after the first failure.
    fn first_wait(&self) -> Duration {
        self.retry.step_failed.wait(0, random_fraction())
    }

    fn emit_done(&self, step: usize, arrived: &Arrived, attempts: u32) {
        let (step, mailbox) = (self.steps[step].name.to_string(), arrived.mailbox.clone());
        self.events.emit(Event::StepDone { step, mailbox, id: arrived.id, attempts });
    }

    fn emit_deferred(&self, step: usize, arrived: &Arrived, reason: String, attempts: u32, retry_in: Duration) {
        let (step, mailbox) = (self.steps[step].name.to_string(), arrived.mailbox.clone());
        self.events.emit(Event::StepDeferred { step, mailbox, id: arrived.id, reason, attempts, retry_in });
    }
}

/// How long a job is claimed at a time: for so long, nobody does the jobs of a node that died.
const CLAIM: Duration = Duration::from_secs(60);
/// How long arrivals are held at a time: for so long, nobody does the steps for those of a node that died, in a store that cannot tell.
const HOLD: Duration = Duration::from_secs(30);
/// The time between two extensions of the holds: two of them may fail.
const EXTEND_INTERVAL: Duration = Duration::from_secs(10);
/// The time between two looks for arrivals in the store that the node did not report.
const LOOK_INTERVAL: Duration = Duration::from_secs(15);
/// How many jobs of a step are taken at a time.
const MOST_TAKEN: usize = 8;
/// The pause after a look for jobs that found none.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The pause before another try of something that a store did not take.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How long runs may take after the stop. A node ends them earlier.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
