//! Stores keep messages for their owners: the trait [`MessageStore`], and the stores beside it.

#[cfg(any(feature = "fs", feature = "memory"))]
mod closable;
mod copyable;
mod deduplication_key;
mod error;
mod ext;
mod import;
mod mailbox_state;
#[cfg(feature = "fs")]
mod maildir;
#[cfg(feature = "memory")]
mod memory;
mod migrate;
mod pending;
mod query;
mod staged;
mod usage;
mod wrapper;

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

#[cfg(any(feature = "fs", feature = "memory"))]
pub use self::closable::ClosableStore;
pub use self::copyable::{CopyableStore, StoredKey};
pub use self::deduplication_key::{DeduplicationKey, InvalidDeduplicationKey};
pub use self::error::StoreError;
pub use self::ext::MessageStoreExt;
pub use self::import::{ImportOutcome, ImportedMessage};
pub use self::mailbox_state::MailboxState;
#[cfg(all(feature = "fs", any(test, doc, feature = "conformance")))]
pub(crate) use self::maildir::read_hostile_name;
#[cfg(feature = "fs")]
pub use self::maildir::{MaildirStore, MaildirStoreBuilder};
#[cfg(feature = "memory")]
pub use self::memory::MemoryStore;
pub use self::migrate::{Compared, FaultReason, Migration, MigrationError, MigrationFault, MigrationReport, Side};
pub use self::pending::{PendingArrival, PendingArrivals, move_arrivals};
pub use self::query::{Cursor, InvalidCursor, Order, OrderGroup, Page, Position, Query, QueryParts};
pub use self::staged::StagedMail;
pub use self::usage::{MailboxRoom, MailboxUsage};
pub use self::wrapper::StoreWrapper;
pub use crate::directory::Retention;
use crate::message::{Head, MailboxId, Message, MessageId, Origin, Status, Summary, Transcript};

/// Keeps messages for their owners until they are removed.
///
/// # Methods
///
/// A store must define the five methods that have no default: [`deposit`](Self::deposit), [`list`](Self::list),
/// [`retrieve`](Self::retrieve), [`mark`](Self::mark) and [`expunge`](Self::expunge). All others have a default that is right for every store,
/// in four groups, in this order:
///
/// - *The same for less:* [`summary`](Self::summary), [`state`](Self::state), [`page`](Self::page) and [`entry`](Self::entry) are made of `list` by
///   default. A store with an index answers them without reading every message.
/// - *Shared mailboxes:* [`copy`](Self::copy), [`transfer`](Self::transfer) and [`mark_if`](Self::mark_if), by which two calls at once notify a
///   sender once.
/// - *Large messages and limits:* [`usage`](Self::usage), [`check`](Self::check), [`stage`](Self::stage) and [`reads_sounds`](Self::reads_sounds).
/// - *The store's own life:* [`engine`](Self::engine), [`import`](Self::import),
///   [`set_transcript`](Self::set_transcript), [`transcript`](Self::transcript), [`housekeep`](Self::housekeep),
///   [`external_changes`](Self::external_changes) and [`pending_arrivals`](Self::pending_arrivals), which a [`Node`](crate::node::Node) drives.
///
/// They are in one trait, not in a second one beside it, because a node needs all of them from one object, and because a wrapper would have
/// to pass on both. A wrapper implements [`StoreWrapper`] instead, which passes on each method that it does not define; so does `Arc<S>` and
/// `Box<S>` of each store.
///
/// # Contract
///
/// - **Whole.** A reader sees a message complete or not at all, and the audio is byte for byte what was deposited.
/// - **Once.** A second `deposit` of the same message answers [`Deposit::Duplicate`] and changes nothing, also after its owner
///   removed it. The same message means same mailbox, same [`Origin`], same [`MessageId`] *and* same audio digest: the same
///   [`DeduplicationKey`] in the same mailbox.
/// - **Apart.** A message whose id another message in the mailbox has already is kept under a different id.
/// - **Kept.** After `Ok`, the message survives a restart of the process, and of the machine if the store is durable at all.
/// - **Counted.** `summary` counts exactly what `list` shows as new and as old, and so does `state`.
/// - **Versioned.** The version that `state` answers, if it answers one, grows with each change of the mailbox and never goes back, also across
///   restarts. Of two states with different versions, the one with the higher version is the later one. A store answers a version for all
///   mailboxes or for none. Its versions are above those that a node gave before: the microseconds since 1970 at the time of each change, or more.
/// - **Paged.** The pages of a query, one after the other, are what `list` shows, filtered and in the order that was asked for.
///   Each page says how many messages there are on all of them.
/// - **Found.** `entry` shows a message as `list` does, a removed one too.
/// - **Restored.** A message that `mark` has set to removed can be marked new or old again, until the store expunges it.
/// - **Used.** `usage` counts the new and old messages that `list` shows. A mailbox whose usage reaches one of the limits in it is full.
/// - **Reported.** A full mailbox takes the receipts that its node makes, as far as [`MailboxLimits::for_deposit`](crate::directory::MailboxLimits::for_deposit) allows, and no others.
/// - **Foretold.** A message that `check` refuses would be refused by `deposit` at that moment, if it has not arrived before.
/// - **Imported.** Where `import` is supported, it stores a message with its status, and is a `deposit` of the same key to all that come later:
///   after either of them, the other one answers that the message is a duplicate. An imported key without a message has the same effect.
/// - **Copied.** A `copy` has the sound and all facts of its message, is new, and its status is independent. The same copy again answers
///   [`Deposit::Duplicate`] and changes nothing, also after it was removed.
/// - **Transferred.** Where `transfer` is supported, the message is in one of the two mailboxes at any time, and of several transfers of one message,
///   one succeeds. A deposit of the message into the first mailbox stays a duplicate.
/// - **Transcribed.** Where transcripts are supported, `transcript` answers the one that was set last. It changes nothing of the message, stays when the
///   message is marked or transferred, and goes when the message is deleted for good, however that happens. A copy has the transcript of its message.
/// - **Compared.** Where `mark_if` is supported, one of several calls that change the status of a message from the same one answers true.
/// - **Requested.** The request for a receipt in the head of a message is kept with it, and so is the report of a receipt.
/// - **Retained.** A message is removed because of its age only when the retention says so that its owner has at that time, or else the store's own.
///   A message whose owner's retention cannot be found out stays.
/// - **Noticed.** Where others can change a mailbox, `external_changes` names it after each change, within a time that the store states.
///
/// [`conformance::store`](crate::conformance::store) tests each sentence.
#[async_trait]
pub trait MessageStore: Debug + Send + Sync + 'static {
    /// Puts `message` into `mailbox`, as new.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] and [`StoreError::TooBig`] are final; [`StoreError::MailboxFull`],
    /// [`StoreError::NoSpace`], [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has stored the whole message or nothing. The same call again settles it.
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError>;

    /// Lists the messages of `mailbox` in the order of their recording, oldest first, removed ones included. Reads no audio.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError>;

    /// Reads the message `id` of `mailbox`, with its sound; its status does not change.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`], [`StoreError::NoSuchMessage`] and [`StoreError::Damaged`] are final;
    /// [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError>;

    /// Sets the status of the message `id` of `mailbox`; the same again changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] and [`StoreError::NoSuchMessage`] are final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has set the status or not. The same call again settles it.
    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError>;

    /// Deletes for good the messages of `mailbox` whose status is removed; answers how many were deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has deleted some or all of them. The same call again deletes the rest.
    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError>;

    /// Counts the messages that wait in `mailbox`. Reads no audio. The default counts those of [`list`](Self::list).
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        let mut summary = Summary::default();
        self.list(mailbox).await?.iter().for_each(|entry| summary.count(entry.status, entry.head.urgency));
        Ok(summary)
    }

    /// Counts the messages that wait in `mailbox`, and answers which state of the mailbox this is. Reads no audio.
    ///
    /// A store that counts the changes of each mailbox answers this number together with the counts. Then all nodes that use the store agree
    /// which of two states is the later one. The default answers the [`summary`](Self::summary) without a version, and the node gives versions
    /// itself: this is right for a store that only one node uses.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn state(&self, mailbox: &MailboxId) -> Result<MailboxState, StoreError> {
        self.summary(mailbox).await.map(MailboxState::new)
    }

    /// Lists one page of the messages of `mailbox` that `query` asks for. Reads no audio, and its cost should not grow with the mailbox. The
    /// default makes the page from [`list`](Self::list); [`Query::parts`] has all that a store needs to do better.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
        Ok(query.page_of(self.list(mailbox).await?))
    }

    /// Shows the message `id` of `mailbox` as a list does, a removed one too. Reads no audio, and its cost should not grow with the mailbox. The default
    /// finds it in [`list`](Self::list).
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] and [`StoreError::NoSuchMessage`] are final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn entry(&self, mailbox: &MailboxId, id: MessageId) -> Result<Entry, StoreError> {
        let listed = self.list(mailbox).await?.into_iter().find(|entry| entry.head.id == id);
        listed.ok_or(StoreError::NoSuchMessage(id))
    }

    /// Puts a copy of the message `id` of `from` into `to`, as new: each of several owners gets one, whose status is independent.
    ///
    /// The default retrieves the message, deposits it, and sets its transcript; a call that is dropped before that leaves the copy without one. A store that
    /// can keeps the sound once for all copies.
    ///
    /// # Errors
    ///
    /// Those of [`retrieve`](Self::retrieve) and of [`deposit`](Self::deposit).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has stored the whole copy or nothing. The same call again settles it.
    async fn copy(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        let message = self.retrieve(from, id).await?;
        let transcript = self.transcript(from, id).await?;
        let deposit = self.deposit(to, &Origin::Here, &message).await?;
        if let (Deposit::Stored(copy), Some(transcript)) = (deposit, transcript)
            && let Err(error) = self.set_transcript(to, copy, &transcript).await
        {
            // The copy counts for more: an error would have it made again, and then it is a duplicate.
            tracing::warn!(mailbox = %to, %copy, error = &error as &dyn std::error::Error, "a copy is without the transcript of its message");
        }
        Ok(deposit)
    }

    /// Moves the message `id` of `from`, which is not removed, into `to`, as new. If the message had arrived there before, the answer is
    /// [`Deposit::Duplicate`], and the message is removed from `from`. A transfer into the same mailbox is a duplicate that changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`], as by default, [`StoreError::NoSuchMailbox`] and [`StoreError::NoSuchMessage`] are final;
    /// [`StoreError::MailboxFull`], [`StoreError::NoSpace`], [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has moved the message or not. The same call again moves it, or answers [`StoreError::NoSuchMessage`].
    async fn transfer(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        let _ = (from, id, to);
        Err(StoreError::Unsupported("transfer"))
    }

    /// Sets the status of the message `id` of `mailbox` to `status`, if it is `expected`; answers whether this call has changed it. Nothing can change
    /// the status between the comparison and the change. Statuses that are the same are no change.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`], as by default, [`StoreError::NoSuchMailbox`] and [`StoreError::NoSuchMessage`] are final;
    /// [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has set the status or not. The same call again answers false if it has.
    async fn mark_if(&self, mailbox: &MailboxId, id: MessageId, expected: Status, status: Status) -> Result<bool, StoreError> {
        let _ = (mailbox, id, expected, status);
        Err(StoreError::Unsupported("mark_if"))
    }

    /// Returns how much `mailbox` holds, and the limits and the retention that the store applies to it now. Reads no audio. The default counts the
    /// messages of [`list`](Self::list), and knows of no limits: an owner is not warned of those that the store does not report.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn usage(&self, mailbox: &MailboxId) -> Result<MailboxUsage, StoreError> {
        let held = self.list(mailbox).await?.into_iter().filter(|entry| entry.status != Status::Removed);
        let lengths: Vec<_> = held.map(|entry| entry.head.length).collect();
        let total = lengths.iter().fold(Duration::ZERO, |sum, length| sum.saturating_add(*length));
        Ok(MailboxUsage::new(lengths.len(), total))
    }

    /// Checks whether a message whose mail has `size` bytes would be taken into `mailbox` now; 0 for a size that is not known.
    ///
    /// A node checks before a caller speaks, and before a peer sends its message: an early refusal saves both the trouble. It must be
    /// cheap. The default refuses nothing.
    ///
    /// # Errors
    ///
    /// The error that [`deposit`](Self::deposit) would answer.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        let _ = (mailbox, size);
        Ok(())
    }

    /// Begins a mail that is too long for memory, and is written to the store's medium as it comes in; `None` from a store that cannot do this,
    /// as by default. Then all mails are held in memory.
    ///
    /// The message that is read from it is deposited with the mail [in its file](Message::arrived_in), in any number of mailboxes. A
    /// store that stages mails takes such messages, whose sounds are not in memory either.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSpace`], [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call leaves nothing behind, and so does a mail that is dropped before it is deposited.
    async fn stage(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
        Ok(None)
    }

    /// Whether the store takes messages whose sound is not in memory, but must be [read](crate::message::Audio::reader); false by default.
    fn reads_sounds(&self) -> bool {
        false
    }

    /// Returns the name of the engine that keeps the mailboxes, if the store knows it; none by default. A node whose network names another
    /// [engine](crate::network::Network::engine) does not open.
    fn engine(&self) -> Option<&str> {
        None
    }

    /// Puts one message of another store into `mailbox`, with its status; or the key of a message that was deleted there.
    ///
    /// The same import again answers [`ImportOutcome::Duplicate`] and changes nothing, and so does an import after a deposit of the same message.
    /// The limits of the mailbox do not apply, because the message had been taken before. A store that cannot record when a message was
    /// removed counts from the import, so that the message stays longer.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`], as by default, [`StoreError::NoSuchMailbox`] and [`StoreError::TooBig`] are final;
    /// [`StoreError::NoSpace`], [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has imported the whole message with its status, or nothing. The same call again settles it.
    async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        let _ = (mailbox, message);
        Err(StoreError::Unsupported("import"))
    }

    /// Keeps the transcript of the message `id` of `mailbox`, in place of one that was set before. The message itself does not change.
    /// A [copy](Self::copy) gets the transcript that its message has at that moment, and a [transferred](Self::transfer) message keeps its own.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`], as by default, [`StoreError::NoSuchMailbox`] and [`StoreError::NoSuchMessage`] are final;
    /// [`StoreError::NoSpace`], [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept the whole transcript or changed nothing. The same call again settles it.
    async fn set_transcript(&self, mailbox: &MailboxId, id: MessageId, transcript: &Transcript) -> Result<(), StoreError> {
        let _ = (mailbox, id, transcript);
        Err(StoreError::Unsupported("transcripts"))
    }

    /// Reads the transcript of the message `id` of `mailbox`, such as that of an entry of a [page](Self::page); `None` if it has none, as by default.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] and [`StoreError::NoSuchMessage`] are final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn transcript(&self, mailbox: &MailboxId, id: MessageId) -> Result<Option<Transcript>, StoreError> {
        let _ = (mailbox, id);
        Ok(None)
    }

    /// Does a bounded step of the store's housekeeping; answers what it changed. A node calls it every minute. The default does nothing.
    ///
    /// A new message that it removes can be retrieved at least until the next step, so that its sender can be notified.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] may pass. No message is lost by it.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has done some of the step. The next call goes on.
    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        Ok(Housekeeping::default())
    }

    /// Waits until mailboxes may have been changed in another way than by calls on this store, and answers which mailboxes; those that calls
    /// on this store have changed may be among them. The first answers may name any mailbox, because earlier changes are not known.
    ///
    /// The default never answers: this is right for a store that nobody else can change. A store whose medium does not report
    /// changes polls it, at an interval that its documentation states.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what a dropped call has not answered is answered to the next call. One caller waits at a time; a node's is in
    /// [`run`](crate::node::Node::run).
    async fn external_changes(&self) -> Vec<MailboxId> {
        std::future::pending().await
    }

    /// Returns the memory of arrivals, by which a node does its [steps](crate::arrival) for each message although it may die in between; none by default.
    /// A node with steps does not open on a store without it.
    fn pending_arrivals(&self) -> Option<&dyn PendingArrivals> {
        None
    }
}

/// The result of a deposit. These are all the cases: code that answers a sender must handle both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deposit {
    /// The message is in the mailbox now, under this id: its own, unless another message there had that already.
    Stored(MessageId),
    /// The message had arrived before; nothing changed.
    Duplicate,
}

/// The changes and findings of a step of housekeeping.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Housekeeping {
    /// The mailboxes that were changed, each once.
    pub mailboxes: Vec<MailboxId>,
    /// The new messages that were removed because they had grown too old without being heard, with their mailboxes.
    pub expired: Vec<(MailboxId, MessageId)>,
    /// The entries that were found among the messages since the last step and cannot be messages; each is reported once.
    pub bad_entries: Vec<BadEntry>,
}

/// An entry among the messages of a store that is not a message or cannot be read. The store skips it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadEntry {
    /// Where the entry is.
    pub path: PathBuf,
    /// The reason why it is skipped, for people to read.
    pub reason: String,
}

impl BadEntry {
    /// A bad entry at `path`, skipped for this `reason`.
    pub fn new(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

/// A message as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// All facts about the message, without its sound. `head.id` is the id to retrieve it by.
    pub head: Head,
    /// Whether the message is new, old or removed.
    pub status: Status,
}

impl Entry {
    /// The entry of a message with this `head` and this `status`.
    pub fn new(head: Head, status: Status) -> Self {
        Self { head, status }
    }
}
