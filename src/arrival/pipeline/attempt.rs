//! One attempt of a step, which may take too long or panic.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::timeout;

use super::work::{NamedPart, RunOutcome};
use crate::arrival::{ArrivalStep, Arrived, StepError, StepOutcome, StepRun};
use crate::error_chain;
use crate::store::MessageStore;

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// For people to read.
    pub reason: String,
    /// `None` if the same attempt fails whenever it is made; else its least wait.
    pub wait: Option<Duration>,
    /// The least wait of the destination.
    pub destination_wait: Duration,
}

impl Failure {
    pub(super) fn outcome(&self) -> RunOutcome {
        let failed = |wait| RunOutcome::Failed { wait, destination_wait: self.destination_wait };
        self.wait.map_or(RunOutcome::FailedForGood, failed)
    }

    fn of(error: &StepError) -> Self {
        let (wait, destination_wait) = match error {
            StepError::Transient(_) => (Some(Duration::ZERO), Duration::ZERO),
            StepError::Deferred { wait, destination_wait, .. } => (Some(*wait), *destination_wait),
            StepError::Final(_) => (None, Duration::ZERO),
        };
        Self { reason: error_chain(error), wait, destination_wait }
    }
}

/// Runs one part.
pub(super) async fn run(step: &dyn ArrivalStep, run: &StepRun<'_>) -> Result<StepOutcome, Failure> {
    guarded(step, step.run(run)).await
}

/// Asks for the parts of a step, each with its destination.
pub(super) async fn parts(
    step: &dyn ArrivalStep,
    arrived: &Arrived,
    store: &dyn MessageStore,
) -> Result<Vec<NamedPart>, Failure> {
    let parts = guarded(step, step.parts(arrived, store)).await?;
    Ok(parts.into_iter().map(|part| (Arc::from(part.as_str()), Arc::from(step.destination(arrived, &part)))).collect())
}

/// The result of a call of an integrator's code, which may panic or never end.
async fn guarded<T>(step: &dyn ArrivalStep, call: impl Future<Output = Result<T, StepError>>) -> Result<T, Failure> {
    let may_pass =
        |reason: &str| Failure { reason: reason.to_owned(), wait: Some(Duration::ZERO), destination_wait: Duration::ZERO };
    match timeout(step.time_limit(), AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(result)) => result.map_err(|error| Failure::of(&error)),
        Ok(Err(_)) => Err(may_pass("the step panicked")),
        Err(_) => Err(may_pass("the step took longer than its time limit")),
    }
}
