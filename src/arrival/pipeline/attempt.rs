//! One attempt of a step, which may take too long or panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
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
        let (wait, destination_wait) = (wait.map(|wait| wait.min(LONGEST_WAIT)), destination_wait.min(LONGEST_WAIT));
        Self { reason: error_chain(error), wait, destination_wait }
    }
}

/// Runs one part.
pub(super) async fn run(step: &dyn ArrivalStep, run: &StepRun<'_>) -> Result<StepOutcome, Failure> {
    Ok(match guarded(step, step.run(run)).await? {
        StepOutcome::NotYet(wait) => StepOutcome::NotYet(wait.min(LONGEST_WAIT)),
        StepOutcome::Done => StepOutcome::Done,
    })
}

/// Asks for the parts of a step, each with its destination.
pub(super) async fn parts(
    step: &dyn ArrivalStep,
    arrived: &Arrived,
    store: &dyn MessageStore,
) -> Result<Vec<NamedPart>, Failure> {
    let parts = guarded(step, step.parts(arrived, store)).await?;
    Ok(parts.into_iter().map(|part| (Arc::from(part.as_str()), destination(step, arrived, &part))).collect())
}

/// Returns the destination of a part: the mailbox, if the step panics.
pub(super) fn destination(step: &dyn ArrivalStep, arrived: &Arrived, part: &str) -> Arc<str> {
    catch_unwind(AssertUnwindSafe(|| step.destination(arrived, part).into())).unwrap_or_else(|_| {
        tracing::error!(id = %arrived.id, "a step panicked when it was asked for a destination");
        Arc::from(arrived.mailbox.as_str())
    })
}

/// The result of a call of an integrator's code, which may panic or never end.
async fn guarded<T>(step: &dyn ArrivalStep, call: impl Future<Output = Result<T, StepError>>) -> Result<T, Failure> {
    let may_pass =
        |reason: &str| Failure { reason: reason.to_owned(), wait: Some(Duration::ZERO), destination_wait: Duration::ZERO };
    let timed = async { timeout(step.time_limit(), call).await };
    match AssertUnwindSafe(timed).catch_unwind().await {
        Ok(Ok(result)) => result.map_err(|error| Failure::of(&error)),
        Ok(Err(_)) => Err(may_pass("the step took longer than its time limit")),
        Err(_) => Err(may_pass("the step panicked")),
    }
}

/// The longest wait that a step may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use async_trait::async_trait;
    use chrono::DateTime;

    use super::*;
    use crate::arrival::StepName;
    use crate::message::MessageId;
    use crate::store::MemoryStore;

    /// A step that panics in each method that answers at once.
    #[derive(Debug)]
    struct Panics;

    #[async_trait]
    impl ArrivalStep for Panics {
        fn name(&self) -> StepName {
            StepName::WEBHOOK
        }

        fn destination(&self, _: &Arrived, _: &str) -> String {
            panic!("as the test wants")
        }

        fn time_limit(&self) -> Duration {
            panic!("as the test wants")
        }

        async fn run(&self, _: &StepRun<'_>) -> Result<StepOutcome, StepError> {
            Ok(StepOutcome::Done)
        }
    }

    /// A step that asks for longer waits than a clock has.
    #[derive(Debug)]
    struct Waits;

    #[async_trait]
    impl ArrivalStep for Waits {
        fn name(&self) -> StepName {
            StepName::WEBHOOK
        }

        async fn run(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError> {
            match run.part {
                "fails" => Err(StepError::Deferred { wait: Duration::MAX, destination_wait: Duration::MAX, source: "x".into() }),
                _ => Ok(StepOutcome::NotYet(Duration::MAX)),
            }
        }
    }

    #[tokio::test]
    async fn a_step_waits_for_thirty_days_at_most() {
        let arrived = Arrived::new("2041".parse().unwrap(), MessageId::from_bytes([7; 16]), DateTime::UNIX_EPOCH);
        let (store, name) = (MemoryStore::new(["2041".parse().unwrap()]), StepName::WEBHOOK);
        let attempt = |part| StepRun::new(&name, part, &arrived, &store, DateTime::UNIX_EPOCH);
        assert_eq!(run(&Waits, &attempt("")).await.unwrap(), StepOutcome::NotYet(LONGEST_WAIT));
        let failure = run(&Waits, &attempt("fails")).await.unwrap_err();
        assert_eq!((failure.wait, failure.destination_wait), (Some(LONGEST_WAIT), LONGEST_WAIT));
    }

    #[tokio::test]
    async fn a_panic_in_any_method_is_a_failure_that_may_pass() {
        let arrived = Arrived::new("2041".parse().unwrap(), MessageId::from_bytes([7; 16]), DateTime::UNIX_EPOCH);
        let (store, name) = (MemoryStore::new(["2041".parse().unwrap()]), StepName::WEBHOOK);
        assert_eq!(&*destination(&Panics, &arrived, "crm"), "2041");
        let attempt = StepRun::new(&name, "crm", &arrived, &store, DateTime::UNIX_EPOCH);
        assert_eq!(run(&Panics, &attempt).await.unwrap_err().wait, Some(Duration::ZERO));
        assert_eq!(parts(&Panics, &arrived, &store).await.unwrap_err().reason, "the step panicked");
    }
}
