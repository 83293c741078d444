//! [`NewJob`]: a job that is to be added.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{JobKey, JobKind};

/// A job that is to be added to a [`JobStore`](super::JobStore).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct NewJob<'a> {
    /// The kind of the job.
    pub kind: &'a JobKind,
    /// The key of the job: while a job of the same kind has it, this one is a duplicate.
    pub key: JobKey,
    /// The time of the addition, by the clock of the node; kept in microseconds.
    pub queued_at: DateTime<Utc>,
    /// The facts that the worker needs, which only the worker understands.
    pub payload: &'a [u8],
    /// How many tries have failed before the addition.
    pub tries: u32,
    /// How long it is until the job is due.
    pub wait: Duration,
    /// The destination that the job waits for, if any: it is due when this destination is released, and after the wait at the latest.
    pub destination: Option<&'a str>,
    /// The reason for which the job is parked from the start, for people to read; `None` for a job that waits.
    pub parked: Option<&'a str>,
}

impl<'a> NewJob<'a> {
    /// A job that is due at once.
    pub const fn new(kind: &'a JobKind, key: JobKey, queued_at: DateTime<Utc>, payload: &'a [u8]) -> Self {
        Self { kind, key, queued_at, payload, tries: 0, wait: Duration::ZERO, destination: None, parked: None }
    }

    /// The same job, due after `wait`.
    #[must_use]
    pub const fn due_after(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// The same job, of which so many tries have failed.
    #[must_use]
    pub const fn after(self, tries: u32) -> Self {
        Self { tries, ..self }
    }

    /// The same job, which also becomes due when this destination is released.
    #[must_use]
    pub const fn held_for(self, destination: &'a str) -> Self {
        Self { destination: Some(destination), ..self }
    }

    /// The same job, parked for this reason: nobody takes it before an operator retries it. So a job is moved that was parked elsewhere.
    #[must_use]
    pub const fn parked(self, reason: &'a str) -> Self {
        Self { parked: Some(reason), ..self }
    }
}
