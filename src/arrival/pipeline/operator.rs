//! [`Steps`]: what an operator sees of the steps of a node, and decides.

use std::sync::Arc;

use super::Pipeline;
use super::payload::StepJob;
use crate::arrival::{Arrived, StepName};
use crate::jobs::{Job, JobError, JobKey, JobKind, JobState, StateFilter};

/// The steps of a node that were not done at once, for an operator.
///
/// Nodes that share their jobs show the same. Clones are the same.
#[derive(Debug, Clone)]
pub struct Steps {
    pipeline: Arc<Pipeline>,
}

/// A part of a step that was not done at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepState {
    /// The job: its key, when it was added, and how many tries have failed.
    pub job: Job,
    /// Whether it waits, is being done or is parked.
    pub state: JobState,
    /// The message.
    pub arrived: Arrived,
    /// The part; `None` if the step has not said its parts yet.
    pub part: Option<String>,
}

impl Steps {
    pub(crate) fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline }
    }

    /// Returns the names of the steps, in their order.
    pub fn names(&self) -> Vec<StepName> {
        self.pipeline.steps.iter().map(|step| step.name.clone()).collect()
    }

    /// Lists up to `most` parts of the step `name` that wait or are parked, in the order of their addition, beginning after the job `after`. A job that
    /// cannot be read is left out.
    ///
    /// # Errors
    ///
    /// Those of [`JobStore::list`](crate::jobs::JobStore::list).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    pub async fn list(
        &self,
        name: &StepName,
        filter: StateFilter,
        after: Option<&Job>,
        most: usize,
    ) -> Result<Vec<StepState>, JobError> {
        let jobs = &self.pipeline.jobs;
        let mut states = Vec::new();
        for listed in jobs.list(&JobKind::of_step(name), filter, after, most).await? {
            let payload = jobs.read(&listed.job).await?;
            if let Some(StepJob { arrived, part }) = payload.and_then(|payload| StepJob::parse(&payload)) {
                states.push(StepState { job: listed.job, state: listed.state, arrived, part });
            }
        }
        Ok(states)
    }

    /// Tries a part now that waits or is parked; returns whether there is one that is not being done at this moment. If the attempts fail and the part is older
    /// than its [lifetime](crate::retry::RetryPolicy::step_lifetime), it is parked again after a tenth of that time.
    ///
    /// # Errors
    ///
    /// Those of [`JobStore::retry`](crate::jobs::JobStore::retry).
    ///
    /// # Cancel safety
    ///
    /// As that of [`JobStore::retry`](crate::jobs::JobStore::retry).
    pub async fn retry(&self, name: &StepName, key: JobKey) -> Result<bool, JobError> {
        self.pipeline.jobs.retry(&JobKind::of_step(name), key).await
    }

    /// Removes a part, which is not done then; returns whether there was one.
    ///
    /// # Errors
    ///
    /// Those of [`JobStore::remove`](crate::jobs::JobStore::remove).
    ///
    /// # Cancel safety
    ///
    /// As that of [`JobStore::remove`](crate::jobs::JobStore::remove).
    pub async fn remove(&self, name: &StepName, key: JobKey) -> Result<bool, JobError> {
        self.pipeline.jobs.remove(&JobKind::of_step(name), key).await
    }
}
