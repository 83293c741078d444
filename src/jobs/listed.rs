//! [`ListedJob`]: a job as an operator sees it.

use std::time::Duration;

use super::Job;

/// A job as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedJob {
    /// The job, without a claim.
    pub job: Job,
    /// Whether the job waits, is being done, or is parked.
    pub state: JobState,
}

impl ListedJob {
    /// The job in this state.
    pub const fn new(job: Job, state: JobState) -> Self {
        Self { job, state }
    }
}

/// The state of a job that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobState {
    /// The job waits.
    #[non_exhaustive]
    Waiting {
        /// How long it is until the job is due.
        due_in: Duration,
    },
    /// A worker has taken the job.
    Taken,
    /// The job was given up, and waits for an operator.
    #[non_exhaustive]
    Parked {
        /// The reason, for people to read.
        reason: String,
    },
}

impl JobState {
    /// The state of a job that is due in `due_in`.
    pub const fn waiting(due_in: Duration) -> Self {
        Self::Waiting { due_in }
    }

    /// The state of a job that was given up for this `reason`.
    pub fn parked(reason: impl Into<String>) -> Self {
        Self::Parked { reason: reason.into() }
    }
}

/// Which jobs are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateFilter {
    /// Those that wait or are taken.
    Waiting,
    /// Those that are parked.
    Parked,
}
