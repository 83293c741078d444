//! [`ArrivalStep`]: the trait of a step, with all that a step is given and answers.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::StepName;
use crate::jobs::JobKey;
use crate::message::{MailboxId, MessageId};
use crate::store::MessageStore;

/// A step that a central node does for each message that it has stored.
///
/// # Contract
///
/// - **At least once.** A step may be run again for a message for which it has answered [`StepOutcome::Done`], after a crash, under the same
///   [key](StepRun::key).
/// - **Apart.** The work for a message is divided into [parts](Self::parts), such as one for each address. Each part succeeds or fails by
///   itself.
/// - **Ends.** A run that takes longer than [`time_limit`](Self::time_limit) is cut off, and counts as a failure that may pass.
///
/// A panic counts as a failure that may pass, too.
#[async_trait]
pub trait ArrivalStep: Debug + Send + Sync + 'static {
    /// Returns the name of the step, which no other step of the node has. Waiting jobs belong to the step with their name, also after a restart.
    fn name(&self) -> StepName;

    /// Returns the parts of the step for a message, each once: none if the mailbox does not want the step. Each has at most 250 bytes of printable
    /// text. By default one part, whose name is empty.
    ///
    /// # Errors
    ///
    /// A [`StepError`]; one that may pass is tried again.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn parts(&self, arrived: &Arrived, store: &dyn MessageStore) -> Result<Vec<String>, StepError> {
        let _ = (arrived, store);
        Ok(vec![String::new()])
    }

    /// Returns the destination of a part: the parts for one destination fail together, such as those for one server. While a destination fails, its
    /// other parts wait for an attempt that succeeds; those for other destinations do not. By default each mailbox is a destination.
    fn destination(&self, arrived: &Arrived, part: &str) -> String {
        let _ = part;
        arrived.mailbox.to_string()
    }

    /// Returns how long one run may take; one minute by default.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Returns how long the next step of the node waits for this one, for each message; one minute by default. It begins as soon as this one is done or
    /// has failed.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Does the work for one part.
    ///
    /// # Errors
    ///
    /// A [`StepError`].
    ///
    /// # Cancel safety
    ///
    /// A dropped run may have done its work or not; the same run again settles it.
    async fn run(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError>;
}

/// A message that has arrived in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Arrived {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The id of the message there.
    pub id: MessageId,
    /// When the node learned of the arrival, by its clock; after a crash, the time of the start.
    pub noticed_at: DateTime<Utc>,
}

impl Arrived {
    /// The arrival of the message `id` in `mailbox`, of which the node learned at `noticed_at`.
    pub const fn new(mailbox: MailboxId, id: MessageId, noticed_at: DateTime<Utc>) -> Self {
        Self { mailbox, id, noticed_at }
    }

    /// Returns the key of a part of a step for this message; of the step itself, if its parts are not known.
    pub(super) fn key(&self, step: &StepName, part: Option<&str>) -> JobKey {
        // No part has this name, because it is not printable.
        let fields = [step.as_str(), part.unwrap_or("\0"), self.mailbox.as_str(), &self.id.to_string()];
        let mut digest = Sha256::new();
        for field in fields {
            digest.update((field.len() as u64).to_be_bytes());
            digest.update(field);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.finalize()[..16]);
        JobKey::from_bytes(bytes)
    }
}

/// One run of one part of a step.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StepRun<'a> {
    /// The message.
    pub arrived: &'a Arrived,
    /// The part, as [`ArrivalStep::parts`] has named it.
    pub part: &'a str,
    /// How many runs of this part have failed, as far as is known.
    pub tries: u32,
    /// The time by the clock of the node.
    pub now: DateTime<Utc>,
    /// The store that keeps the message. Changes through it update the lamps.
    pub store: &'a dyn MessageStore,
    name: &'a StepName,
}

impl<'a> StepRun<'a> {
    /// The first run of a part of the step `name` for a message in `store`.
    pub const fn new(
        name: &'a StepName,
        part: &'a str,
        arrived: &'a Arrived,
        store: &'a dyn MessageStore,
        now: DateTime<Utc>,
    ) -> Self {
        Self { arrived, part, tries: 0, now, store, name }
    }

    /// The same run after this many that failed.
    #[must_use]
    pub const fn after(self, tries: u32) -> Self {
        Self { tries, ..self }
    }

    /// Returns the key of the work, which is the same in each run of this part for this message, on each node.
    pub fn key(&self) -> JobKey {
        self.arrived.key(self.name, Some(self.part))
    }
}

/// The result of a run that did not fail. These are all the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// Nothing is left to do for this part.
    Done,
    /// It is not yet time for this part, which runs again after this wait, 30 days at most. This does not count as a failure.
    NotYet(Duration),
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The same run may succeed later.
    #[error("a step failed, and is tried again")]
    Transient(#[source] Box<dyn StdError + Send + Sync>),
    /// The same run may succeed later, but not before a wait is over, 30 days at most.
    #[error("a step failed, and is tried again in {} s", .wait.as_secs())]
    Deferred {
        /// The wait of this run.
        wait: Duration,
        /// The wait of all other runs with this destination, for which the receiver asked. Zero leaves it to the pipeline when the destination is tried
        /// again.
        destination_wait: Duration,
        /// The reason.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The same run fails whenever it is tried.
    #[error("a step failed for good")]
    Final(#[source] Box<dyn StdError + Send + Sync>),
}

impl StepError {
    /// Whether the same run, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Final(_))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: ArrivalStep + ?Sized> ArrivalStep for Arc<S> {
    fn name(&self) -> StepName {
        (**self).name()
    }

    async fn parts(&self, arrived: &Arrived, store: &dyn MessageStore) -> Result<Vec<String>, StepError> {
        (**self).parts(arrived, store).await
    }

    fn destination(&self, arrived: &Arrived, part: &str) -> String {
        (**self).destination(arrived, part)
    }

    fn time_limit(&self) -> Duration {
        (**self).time_limit()
    }

    fn patience(&self) -> Duration {
        (**self).patience()
    }

    async fn run(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        (**self).run(run).await
    }
}
