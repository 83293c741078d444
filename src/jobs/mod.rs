//! Jobs that must be done although processes die: the trait [`JobStore`], and [`FolderJobs`] beside it.
//!
//! A job has a kind, a key, and a payload that only the part that does it understands. The [outbox](crate::outbox) keeps mails as jobs. Nodes that share
//! one store take over the jobs of a node that died, when its claims have run out.
//!
//! An operator sees all jobs by [`JobStore::kinds`] and [`JobStore::list`], and decides by [`JobStore::retry`] and [`JobStore::remove`].

mod claimed;
mod error;
mod folder;
mod job;
mod listed;
mod moving;
mod new_job;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub(crate) use self::claimed::while_claimed;
pub use self::error::JobError;
pub use self::folder::FolderJobs;
pub use self::job::{InvalidJobKind, InvalidJobName, Job, JobKey, JobKind};
pub use self::listed::{JobState, ListedJob, StateFilter};
pub use self::moving::{MovedJobs, move_jobs, move_jobs_of_kinds};
pub use self::new_job::NewJob;

/// Keeps jobs until they are done or given up.
///
/// A job is due from its addition on, or after the wait that it was added with. A worker [takes](Self::take) it under a claim that ends after a while, [extends](Self::extend) the claim as long
/// as it works, and then ends it by [`done`](Self::done), [`defer`](Self::defer), [`postpone`](Self::postpone), [`give_up`](Self::give_up) or [`park`](Self::park). A claim that ran out makes the job due
/// again, so a job may be done twice: by a worker that lost its claim, and by the next one.
///
/// # Contract
///
/// - **Kept.** After [`Added::Stored`], the job survives a restart of the process, and of the machine if the store is durable at all.
/// - **Once.** While a job of the same kind and key is kept, another one is answered with [`Added::Duplicate`], and changes nothing.
/// - **Whole.** A payload is read back as it was added.
/// - **Claimed.** A job is taken by one worker at a time; after its claim has run out, by another one.
/// - **Due.** A deferred job is not taken before its wait is over, and has one more try then, if the store has not been restarted since.
/// - **Ended.** A job that is done or given up is not taken again.
/// - **Held.** A job that waits for a destination is due after its wait, or as soon as the destination is [released](Self::release), those that were queued first before
///   the others.
/// - **Parked.** A parked job is kept with its reason, over restarts too, and its key with it. It is not taken before an operator [retries](Self::retry) it. A job may be
///   [added as parked](NewJob::parked). A
///   store may bound how many are parked, and removes the oldest then.
/// - **Listed.** `list` shows each job that waits and each one that is parked, once, in the order of their addition. `kinds` names each kind of them.
///
/// [`conformance::jobs`](crate::conformance::jobs) tests each sentence as far as it can be seen from outside.
#[async_trait]
pub trait JobStore: Debug + Send + Sync + 'static {
    /// Adds a job.
    ///
    /// # Errors
    ///
    /// [`JobError::Full`], [`JobError::Disk`] and [`JobError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has added the whole job or nothing. The same call again settles it.
    async fn add(&self, job: &NewJob<'_>) -> Result<Added, JobError>;

    /// Takes up to `most` jobs of this kind that are due, those that have been due for longest first, each under a claim that ends after `claim`.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have taken jobs, which are due again when their claims have run out.
    async fn take(&self, kind: &JobKind, most: usize, claim: Duration) -> Result<Vec<Job>, JobError>;

    /// Reads the payload of a job that was taken or listed; `None` if the job is no longer there.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn read(&self, job: &Job) -> Result<Option<Bytes>, JobError>;

    /// Extends the claim of `job` until `claim` from now; returns false if the claim has run out and another worker has taken the job.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has extended the claim or not.
    async fn extend(&self, job: &Job, claim: Duration) -> Result<bool, JobError>;

    /// Removes a job that was done, whichever worker holds its claim.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`]: the job may be done again.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has removed the job or not. The same call again settles it.
    async fn done(&self, job: &Job) -> Result<(), JobError>;

    /// Gives the job back after a try that failed: it is due again after `wait`, and has one more try. Has no effect if another worker has the job.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`]: the job is due again when its claim has run out.
    ///
    /// # Cancel safety
    ///
    /// As with an error, or as without one.
    async fn defer(&self, job: &Job, wait: Duration) -> Result<(), JobError>;

    /// Gives the job back without a try: it is due again after `wait`, or as soon as its destination is [released](Self::release), if one is given. Has no effect if
    /// another worker has the job.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`]: the job is due again when its claim has run out.
    ///
    /// # Cancel safety
    ///
    /// As with an error, or as without one.
    async fn postpone(&self, job: &Job, wait: Duration, destination: Option<&str>) -> Result<(), JobError>;

    /// Makes up to `most` jobs due that wait for this destination; returns how many.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has released some of them or none.
    async fn release(&self, kind: &JobKind, destination: &str, most: usize) -> Result<usize, JobError>;

    /// Ends a job that will not be done. Has no effect if another worker has the job.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`]: the job may be taken again.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has ended the job or not. The same call again settles it.
    async fn give_up(&self, job: &Job, reason: GiveUp) -> Result<(), JobError>;

    /// Ends a job that will not be done, and keeps it with the `reason` for an operator, of which at least the first 400 bytes are kept. Has no effect if
    /// another worker has the job.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`]: the job may be taken again.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has parked the job or not. The same call again settles it.
    async fn park(&self, job: &Job, reason: &str) -> Result<(), JobError>;

    /// Lists up to `most` jobs of this kind in the order of their addition, beginning after the job `after`. Reads no payload.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn list(
        &self,
        kind: &JobKind,
        filter: StateFilter,
        after: Option<&Job>,
        most: usize,
    ) -> Result<Vec<ListedJob>, JobError>;

    /// Returns the kinds of the jobs that wait, are taken or are parked, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn kinds(&self) -> Result<Vec<JobKind>, JobError>;

    /// Makes a job due now that waits or is parked, as an operator wishes; returns whether there is one that is not being done at this moment. A job
    /// that was parked has no tries then.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has made the job due or not. The same call again settles it.
    async fn retry(&self, kind: &JobKind, key: JobKey) -> Result<bool, JobError>;

    /// Removes a job that waits, is taken or is parked, as an operator wishes; returns whether there was one. A worker that has the job may still do it.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has removed the job or not. The same call again settles it.
    async fn remove(&self, kind: &JobKind, key: JobKey) -> Result<bool, JobError>;

    /// Returns how many jobs of this kind wait, including those that are taken.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] and [`JobError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn count(&self, kind: &JobKind) -> Result<usize, JobError>;

    /// Waits until a job of this kind may be due; returns at once if one is. A store that others use too may look for their jobs at intervals that its
    /// documentation states.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the next call returns when this one would have.
    async fn due(&self, kind: &JobKind);
}

/// The result of adding a job. These are all the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The job is kept.
    Stored,
    /// A job of this kind and key is kept already; nothing has changed.
    Duplicate,
}

/// Why a job will not be done. These are all the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// It has failed for good, or for too long.
    Failed,
    /// Its payload cannot be understood. The store keeps the payload where an operator finds it.
    Unreadable,
}

/// Implements [`JobStore`] for a shared or boxed store, by passing every call on.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: JobStore + ?Sized> JobStore for $wrapper<S> {
            async fn add(&self, job: &NewJob<'_>) -> Result<Added, JobError> {
                (**self).add(job).await
            }

            async fn take(&self, kind: &JobKind, most: usize, claim: Duration) -> Result<Vec<Job>, JobError> {
                (**self).take(kind, most, claim).await
            }

            async fn read(&self, job: &Job) -> Result<Option<Bytes>, JobError> {
                (**self).read(job).await
            }

            async fn extend(&self, job: &Job, claim: Duration) -> Result<bool, JobError> {
                (**self).extend(job, claim).await
            }

            async fn done(&self, job: &Job) -> Result<(), JobError> {
                (**self).done(job).await
            }

            async fn defer(&self, job: &Job, wait: Duration) -> Result<(), JobError> {
                (**self).defer(job, wait).await
            }

            async fn give_up(&self, job: &Job, reason: GiveUp) -> Result<(), JobError> {
                (**self).give_up(job, reason).await
            }

            async fn postpone(&self, job: &Job, wait: Duration, destination: Option<&str>) -> Result<(), JobError> {
                (**self).postpone(job, wait, destination).await
            }

            async fn release(&self, kind: &JobKind, destination: &str, most: usize) -> Result<usize, JobError> {
                (**self).release(kind, destination, most).await
            }

            async fn park(&self, job: &Job, reason: &str) -> Result<(), JobError> {
                (**self).park(job, reason).await
            }

            async fn list(
                &self,
                kind: &JobKind,
                filter: StateFilter,
                after: Option<&Job>,
                most: usize,
            ) -> Result<Vec<ListedJob>, JobError> {
                (**self).list(kind, filter, after, most).await
            }

            async fn kinds(&self) -> Result<Vec<JobKind>, JobError> {
                (**self).kinds().await
            }

            async fn retry(&self, kind: &JobKind, key: JobKey) -> Result<bool, JobError> {
                (**self).retry(kind, key).await
            }

            async fn remove(&self, kind: &JobKind, key: JobKey) -> Result<bool, JobError> {
                (**self).remove(kind, key).await
            }

            async fn count(&self, kind: &JobKind) -> Result<usize, JobError> {
                (**self).count(kind).await
            }

            async fn due(&self, kind: &JobKind) {
                (**self).due(kind).await;
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
