//! Where messages are kept for their owners: the trait [`MessageStore`], and the stores beside it.

mod error;
mod ext;
#[cfg(feature = "fs")]
mod maildir;
#[cfg(feature = "memory")]
mod memory;
mod query;
mod staged;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::error::StoreError;
pub use self::ext::MessageStoreExt;
#[cfg(all(feature = "fs", any(test, doc, feature = "conformance")))]
pub(crate) use self::maildir::read_hostile_name;
#[cfg(feature = "fs")]
pub use self::maildir::{MaildirStore, MaildirStoreBuilder, Retention};
#[cfg(feature = "memory")]
pub use self::memory::MemoryStore;
pub use self::query::{Cursor, Order, Page, Query};
pub use self::staged::StagedMail;
use crate::message::{Head, MailboxId, Message, MessageId, Origin, Status, Summary};

/// Keeps messages for their owners until they are removed.
///
/// # Contract
///
/// - **Whole.** A reader sees a message complete or not at all, and the audio is byte for byte what was deposited.
/// - **Once.** A second `deposit` of the same message answers [`Deposit::Duplicate`] and changes nothing, also after its owner
///   removed it. The same message means same mailbox, same [`Origin`], same [`MessageId`] *and* same audio digest.
/// - **Apart.** A message whose id another message in the mailbox has already is kept under an id of its own.
/// - **Kept.** After `Ok`, the message survives a restart of the process, and of the machine if the store is durable at all.
/// - **Counted.** `summary` counts exactly what `list` shows as new and as old.
/// - **Paged.** The pages of a query, one after the other, are what `list` shows, filtered and in the order that was asked for.
///   Each page says how many messages there are on all of them.
/// - **Restored.** What `mark` has set to removed can be marked new or old again, until the store expunges it.
/// - **Foretold.** What `check` refuses, `deposit` would refuse at that moment, if the message has not arrived before.
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

    /// Begins a mail that is too long for memory, which is written down as it comes in; `None` where the store has no place for one.
    ///
    /// The message that is read from it is deposited with the mail [in its file](Message::arrived_in), for any number of mailboxes. A
    /// store that gives a place takes such messages, whose sounds are not in memory either. Without it, all mails are held in memory.
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

    /// Whether a deposited message may have a sound that is not in memory, but is to be [read](crate::message::Audio::reader). Without
    /// it, none has.
    fn reads_sounds(&self) -> bool {
        false
    }

    /// Whether a message whose mail has `size` bytes would be taken into `mailbox` now; 0 for a size that is not known.
    ///
    /// It is asked before a caller speaks, and before a peer sends what it has: a refusal spares both the trouble. It must be
    /// cheap. Without it, nothing is foretold.
    ///
    /// # Errors
    ///
    /// What [`deposit`](Self::deposit) would answer.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        let _ = (mailbox, size);
        Ok(())
    }

    /// The messages of `mailbox` in the order of their recording, oldest first, removed ones included. Reads no audio.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError>;

    /// One page of the messages of `mailbox` that `query` asks for. Reads no audio, and what it costs should not grow with the
    /// mailbox. Without it, the page is made from [`list`](Self::list).
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

    /// The message `id` of `mailbox`, with its sound; it stays as new or old as it was.
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

    /// Sets where the message `id` of `mailbox` stands; the same again changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] and [`StoreError::NoSuchMessage`] are final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has set it or not. The same call again settles it.
    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError>;

    /// Deletes for good the messages of `mailbox` that are removed; answers how many.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has deleted some or all of them. The same call again deletes the rest.
    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError>;

    /// How many messages wait in `mailbox`. Reads no audio.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchMailbox`] is final; [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError>;

    /// Does a bounded step of the store's housekeeping, if it has any; answers what it changed. A node calls it every minute.
    ///
    /// A new message that it removes can be retrieved at least until the next step: so that its sender can be told.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] may pass. Nothing is lost by it.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has done some of the step. The next call goes on.
    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        Ok(Housekeeping::default())
    }

    /// Waits until mailboxes may have changed by another hand, and answers which; those that calls on this store have changed may be
    /// among them. The first answers may name any, as nothing is known of what was before.
    ///
    /// Without it, nobody is told what others do: right for a store that nobody else can change. A store that is not told by its
    /// medium looks again at an interval that it states.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what was not answered is answered to the next call. One caller waits at a time; a node's is in
    /// [`run`](crate::node::Node::run).
    async fn external_changes(&self) -> Vec<MailboxId> {
        std::future::pending().await
    }
}

/// What became of a deposited message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deposit {
    /// It is in the mailbox now, under this id: its own, unless another message there had that already.
    Stored(MessageId),
    /// It had arrived before; nothing changed.
    Duplicate,
}

/// What a step of housekeeping changed, or found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Housekeeping {
    /// Whose mailboxes, each once.
    pub mailboxes: Vec<MailboxId>,
    /// Which new messages were removed, in whose mailboxes: they had grown too old without being heard.
    pub expired: Vec<(MailboxId, MessageId)>,
    /// What was found among the messages since the last step and cannot be one; each is reported once.
    pub bad_entries: Vec<BadEntry>,
}

/// Something that stands where a store keeps its messages, and is skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadEntry {
    /// Where it stands.
    pub path: PathBuf,
    /// Why it is skipped.
    pub reason: String,
}

impl BadEntry {
    /// What stands at `path` is skipped for this `reason`.
    pub fn new(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

/// A message as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// All but the sound. `head.id` is the id to retrieve it by.
    pub head: Head,
    /// Where it stands.
    pub status: Status,
}

/// Passes every call on, so that a shared or boxed store is a store.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: MessageStore + ?Sized> MessageStore for $wrapper<S> {
            async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
                (**self).deposit(mailbox, origin, message).await
            }

            async fn stage(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
                (**self).stage().await
            }

            fn reads_sounds(&self) -> bool {
                (**self).reads_sounds()
            }

            async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
                (**self).check(mailbox, size).await
            }

            async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
                (**self).list(mailbox).await
            }

            async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
                (**self).page(mailbox, query).await
            }

            async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
                (**self).retrieve(mailbox, id).await
            }

            async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
                (**self).mark(mailbox, id, status).await
            }

            async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
                (**self).expunge(mailbox).await
            }

            async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
                (**self).summary(mailbox).await
            }

            async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
                (**self).housekeep().await
            }

            async fn external_changes(&self) -> Vec<MailboxId> {
                (**self).external_changes().await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
