//! A job of a step: another attempt of a part.

use std::time::Duration;

use super::attempt::{self, Failure};
use super::destinations::{DestinationId, DestinationOutcome};
use super::payload::StepJob;
use super::work::HELD_FOR;
use super::{CLAIM, Pipeline, PipelineStep};
use crate::arrival::{Arrived, StepOutcome, StepRun};
use crate::error_chain;
use crate::event::Event;
use crate::jobs::{GiveUp, Job, JobError, NewJob, while_claimed};
use crate::retry::{credible_age, now, random_fraction};
use crate::store::MessageStore;

impl Pipeline {
    /// Does a job that was taken.
    pub(super) async fn do_job(&self, store: &dyn MessageStore, step: usize, job: Job) {
        let payload = match self.jobs.read(&job).await {
            Ok(Some(payload)) => payload,
            // An operator has removed it.
            Ok(None) => return self.end_job(step, &job, self.jobs.done(&job).await),
            Err(error) => {
                report(&job, Err(error));
                return self.end_job(step, &job, self.jobs.postpone(&job, self.first_wait(), None).await);
            }
        };
        let Some(StepJob { arrived, part }) = StepJob::parse(&payload) else {
            self.events.emit(Event::Unreadable { file: job.to_string(), reason: "it is no job of a step".to_owned() });
            return self.end_job(step, &job, self.jobs.give_up(&job, GiveUp::Unreadable).await);
        };
        match part {
            Some(part) => self.run_part(store, step, &job, &arrived, &part).await,
            None => self.plan_parts(store, step, &job, &arrived).await,
        }
    }

    /// Runs a part, if its destination has room.
    async fn run_part(&self, store: &dyn MessageStore, step: usize, job: &Job, arrived: &Arrived, part: &str) {
        let PipelineStep { name, step: code, .. } = &self.steps[step];
        let destination = DestinationId { step, name: attempt::destination(&**code, arrived, part) };
        let admitted = self.work.lock().handle_job(destination.clone(), now());
        let Some(run) = admitted else {
            let held = self.jobs.postpone(job, HELD_FOR, Some(&destination.name)).await;
            self.end_job(step, job, held);
            // Only now: the destination may have begun to work meanwhile, and the job must be found then.
            return self.work.lock().handle_held(&destination, now());
        };
        let attempt = StepRun::new(name, part, arrived, store, self.clock.now().instant).after(job.tries);
        let result = while_claimed(&*self.jobs, job, CLAIM, attempt::run(&**code, &attempt)).await;
        let outcome = match &result {
            Some(Ok(_)) => DestinationOutcome::Works,
            Some(Err(failure)) => failure.outcome().of_destination(),
            None => DestinationOutcome::Unknown,
        };
        let ended = match result {
            Some(Ok(StepOutcome::Done)) => {
                self.emit_done(step, arrived, job.tries.saturating_add(1));
                self.jobs.done(job).await
            }
            Some(Ok(StepOutcome::NotYet(wait))) => self.jobs.postpone(job, wait, None).await,
            Some(Err(failure)) => {
                // Jobs that wait for the destination make no tries of their own.
                let failing_for = self.work.lock().failing_for(&destination, now());
                self.handle_failure((step, job), arrived, failure, failing_for).await
            }
            None => Ok(()),
        };
        report(job, ended);
        // Only now: jobs that follow shall not be taken before this one has ended.
        self.work.lock().handle_job_run(&run, outcome, (now(), random_fraction()));
    }

    /// Asks a step for its parts, and adds a job for each.
    async fn plan_parts(&self, store: &dyn MessageStore, step: usize, job: &Job, arrived: &Arrived) {
        let PipelineStep { name, kind, step: code } = &self.steps[step];
        let ended = match while_claimed(&*self.jobs, job, CLAIM, attempt::parts(&**code, arrived, store)).await {
            Some(Ok(parts)) => {
                for (part, _) in parts {
                    let payload = StepJob { arrived: arrived.clone(), part: Some(part.to_string()) }.encode();
                    let added = NewJob::new(kind, arrived.key(name, Some(&part)), self.clock.now().instant, &payload);
                    if let Err(error) = self.jobs.add(&added).await {
                        report(job, Err(error));
                        return self.end_job(step, job, self.jobs.postpone(job, self.first_wait(), None).await);
                    }
                }
                self.jobs.done(job).await
            }
            Some(Err(failure)) => self.handle_failure((step, job), arrived, failure, Duration::ZERO).await,
            None => Ok(()),
        };
        self.end_job(step, job, ended);
    }

    /// Handles an attempt that failed: another one, or none. The destination has been failing for `failing_for`.
    async fn handle_failure(
        &self,
        (step, job): (usize, &Job),
        arrived: &Arrived,
        failure: Failure,
        failing_for: Duration,
    ) -> Result<(), JobError> {
        let attempts = job.tries.saturating_add(1);
        let (age, lifetime) = (self.clock.now().instant - job.queued_at, self.retry.step_lifetime);
        let by_tries = self.retry.step_failed.least_sum(job.tries).max(failing_for);
        match failure.wait {
            Some(wait) if credible_age(age, by_tries, lifetime) < lifetime => {
                let retry_in = self.retry.step_failed.wait(job.tries, random_fraction()).max(wait);
                self.emit_deferred(step, arrived, failure.reason, attempts, retry_in);
                self.jobs.defer(job, retry_in).await
            }
            _ => {
                let parked = self.jobs.park(job, &failure.reason).await;
                let (step, mailbox, reason) = (self.steps[step].name.to_string(), arrived.mailbox.clone(), failure.reason);
                self.events.emit(Event::StepGivenUp { step, mailbox, id: arrived.id, reason, attempts });
                parked
            }
        }
    }

    /// Handles the end of a job that had no run in a destination.
    fn end_job(&self, step: usize, job: &Job, ended: Result<(), JobError>) {
        report(job, ended);
        self.work.lock().handle_jobs_over(step, 1);
    }
}

fn report(job: &Job, ended: Result<(), JobError>) {
    if let Err(error) = ended {
        tracing::warn!(%job, reason = error_chain(&error), "the store of jobs failed; the step is tried again");
    }
}
