//! [`DistributeStep`]: gives each message of a mailbox with copies to all of its receivers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{ArrivalStep, Arrived, StepError, StepName, StepOutcome, StepRun};
use crate::directory::Directory;
use crate::message::{MailboxId, Status};
use crate::store::{MessageStore, StoreError};

/// Puts a copy of each message into all mailboxes that the directory names in [`copies_to`](Directory::copies_to), and removes the message itself when
/// all of them have it.
///
/// The caller or the sender is answered when the message is in the mailbox that was called, so no receiver delays the answer, and none that is full or
/// unknown affects the others. Each receiver is a [part](ArrivalStep::parts) of the step, and gets the message once, however often the step is run:
/// [`MessageStore::copy`] recognizes a copy that was there. A copy has its own status, and is an arrival like any other.
///
/// The last part, `remove`, waits until each receiver has its copy or can never have one, and then marks the message as removed. It looks again after longer
/// and longer waits, and from the second day on, a look that finds a receiver without its copy is a failure: so it is parked in the end, and the message stays
/// in the mailbox, as new.
///
/// A removed message gets no [mail](super::mail::MailStep), so the rules for mails are those of the receivers. One of the mailbox itself sends its mail only if
/// its step comes before this one and succeeds at once.
#[derive(Debug, Clone)]
pub struct DistributeStep {
    directory: Arc<dyn Directory>,
}

impl DistributeStep {
    /// The step for the mailboxes of `directory`.
    pub fn new(directory: impl Directory) -> Self {
        Self { directory: Arc::new(directory) }
    }

    async fn receivers(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, StepError> {
        self.directory.copies_to(mailbox).await.map_err(|error| StepError::Transient(error.into()))
    }

    /// Removes the message if each receiver has it or can never have it. A mailbox that has no receivers any more keeps its messages.
    async fn remove(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        let Arrived { mailbox, id, .. } = run.arrived;
        let receivers = self.receivers(mailbox).await?;
        if receivers.is_empty() {
            return Ok(StepOutcome::Done);
        }
        for receiver in receivers {
            match run.store.copy(mailbox, *id, &receiver).await {
                // The message is gone, so there is nothing to remove.
                Err(StoreError::NoSuchMessage(_)) => return Ok(StepOutcome::Done),
                Err(error) if error.is_transient() => return not_all_have_it(run, error),
                Ok(_) | Err(_) => {}
            }
        }
        match run.store.mark(mailbox, *id, Status::Removed).await {
            Ok(()) | Err(StoreError::NoSuchMessage(_)) => Ok(StepOutcome::Done),
            Err(error) => Err(failed(error)),
        }
    }
}

#[async_trait]
impl ArrivalStep for DistributeStep {
    fn name(&self) -> StepName {
        StepName::DISTRIBUTE
    }

    async fn parts(&self, arrived: &Arrived, _store: &dyn MessageStore) -> Result<Vec<String>, StepError> {
        let receivers = self.receivers(&arrived.mailbox).await?;
        let last = (!receivers.is_empty()).then(|| REMOVE.to_owned());
        Ok(receivers.into_iter().map(|receiver| format!("{COPY}{receiver}")).chain(last).collect())
    }

    /// The receiver: one that is full delays nobody else.
    fn destination(&self, arrived: &Arrived, part: &str) -> String {
        part.strip_prefix(COPY).unwrap_or(arrived.mailbox.as_str()).to_owned()
    }

    async fn run(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        let Some(receiver) = run.part.strip_prefix(COPY).and_then(|receiver| receiver.parse().ok()) else {
            return self.remove(run).await;
        };
        match run.store.copy(&run.arrived.mailbox, run.arrived.id, &receiver).await {
            // A message that is gone was removed by its owner, or an earlier run has done all.
            Ok(_) | Err(StoreError::NoSuchMessage(_)) => Ok(StepOutcome::Done),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The outcome of a look that finds a receiver that does not take its copy now.
fn not_all_have_it(run: &StepRun<'_>, error: StoreError) -> Result<StepOutcome, StepError> {
    let age = (run.now - run.arrived.noticed_at).to_std().unwrap_or_default();
    if age < PATIENCE { Ok(StepOutcome::NotYet(NEXT_LOOK.max(age / 10))) } else { Err(failed(error)) }
}

fn failed(error: StoreError) -> StepError {
    if error.is_transient() { StepError::Transient(error.into()) } else { StepError::Final(error.into()) }
}

/// The beginning of the name of a receiver's part.
const COPY: &str = "copy ";
const REMOVE: &str = "remove";
/// The least wait of the removal for receivers that do not have their copies yet.
const NEXT_LOOK: Duration = Duration::from_secs(30);
/// How long receivers may be without their copies before each look counts as a failure.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::directory::StaticDirectory;
    use crate::message::{Audio, AudioType, ClockQuality, ClockSource, Message, MessageId, Origin, RecordedAt};
    use crate::store::MemoryStore;

    fn mailbox(number: &str) -> MailboxId {
        number.parse().unwrap()
    }

    fn message() -> Message {
        let quality = ClockQuality::unknown(ClockSource::Manual);
        let recorded_at = RecordedAt::new(DateTime::UNIX_EPOCH, chrono_tz::UTC, quality);
        Message::builder(Audio::new(AudioType::Wav, &b"RIFF.."[..]), recorded_at).build()
    }

    /// Runs all parts once, as a node would; returns those that are not done.
    async fn run(step: &DistributeStep, store: &MemoryStore, id: MessageId) -> Vec<String> {
        let arrived = Arrived::new(mailbox("2600"), id, Utc::now());
        let mut open = Vec::new();
        for part in step.parts(&arrived, store).await.unwrap() {
            let name = step.name();
            let outcome = step.run(&StepRun::new(&name, &part, &arrived, store, arrived.noticed_at)).await;
            if !matches!(outcome, Ok(StepOutcome::Done)) {
                open.push(part);
            }
        }
        open
    }

    async fn count(store: &MemoryStore, number: &str) -> (u32, u32) {
        let summary = store.summary(&mailbox(number)).await.unwrap();
        (summary.new, summary.old)
    }

    #[tokio::test]
    async fn each_receiver_gets_one_copy_whoever_is_full_or_unknown() {
        let store = MemoryStore::new(["2600", "2001", "2002", "2003"].map(mailbox)).max_messages(1);
        let to = ["2001", "2002", "2099", "2003"].map(mailbox);
        let step = DistributeStep::new(StaticDirectory::default().with_copies(mailbox("2600"), to));
        let Ok(crate::store::Deposit::Stored(in_the_way)) = store.deposit(&mailbox("2002"), &Origin::Here, &message()).await
        else {
            panic!("2002 had room")
        };
        let message = message();
        store.deposit(&mailbox("2600"), &Origin::Unproven, &message).await.unwrap();

        assert_eq!(run(&step, &store, message.id()).await, ["copy 2002", "copy 2099", "remove"]);
        assert_eq!(
            (count(&store, "2001").await, count(&store, "2003").await, count(&store, "2600").await),
            ((1, 0), (1, 0), (1, 0))
        );
        store.mark(&mailbox("2002"), in_the_way, Status::Removed).await.unwrap();
        store.mark(&mailbox("2001"), message.id(), Status::Old).await.unwrap();
        assert_eq!(run(&step, &store, message.id()).await, ["copy 2099"], "an unknown mailbox is a final failure");
        assert_eq!((count(&store, "2002").await, count(&store, "2600").await), ((1, 0), (0, 0)));
        // After a crash, all of it may be done again.
        assert_eq!(run(&step, &store, message.id()).await, ["copy 2099"]);
        assert_eq!((count(&store, "2001").await, count(&store, "2003").await), ((0, 1), (1, 0)), "each has its own status");
        let own = Arrived::new(mailbox("2001"), message.id(), Utc::now());
        assert!(step.parts(&own, &store).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_mailbox_without_receivers_keeps_what_was_not_copied() {
        let store = MemoryStore::new(["2600", "2001"].map(mailbox));
        let kept = message();
        store.deposit(&mailbox("2600"), &Origin::Here, &kept).await.unwrap();
        // The network has changed since the parts were planned.
        let step = DistributeStep::new(StaticDirectory::default());
        let (arrived, name) = (Arrived::new(mailbox("2600"), kept.id(), Utc::now()), step.name());
        let outcome = step.run(&StepRun::new(&name, REMOVE, &arrived, &store, arrived.noticed_at)).await.unwrap();
        assert_eq!((outcome, count(&store, "2600").await), (StepOutcome::Done, (1, 0)));
    }

    #[tokio::test]
    async fn a_receiver_that_stays_full_is_not_waited_for_without_end() {
        let store = MemoryStore::new(["2600", "2001"].map(mailbox)).max_messages(1);
        let step = DistributeStep::new(StaticDirectory::default().with_copies(mailbox("2600"), [mailbox("2001")]));
        let copied = message();
        store.deposit(&mailbox("2001"), &Origin::Here, &message()).await.unwrap();
        store.deposit(&mailbox("2600"), &Origin::Here, &copied).await.unwrap();
        let (arrived, name) = (Arrived::new(mailbox("2600"), copied.id(), DateTime::UNIX_EPOCH), step.name());
        let look = async |secs: i64| {
            let now = DateTime::from_timestamp(secs, 0).unwrap();
            step.run(&StepRun::new(&name, REMOVE, &arrived, &store, now)).await
        };
        for (secs, wait) in [(0, 30), (300, 30), (6_000, 600)] {
            assert_eq!(look(secs).await.unwrap(), StepOutcome::NotYet(Duration::from_secs(wait)));
        }
        assert!(look(86_400).await.unwrap_err().is_transient(), "the pipeline ends what fails for days");
        assert_eq!(count(&store, "2600").await, (1, 0));
    }
}
