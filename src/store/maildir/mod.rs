//! [`MaildirStore`].

mod arrivals;
mod bad_entries;
mod builder;
mod context;
mod copying;
mod expiry;
mod external_changes;
mod folders;
mod free_space;
mod housekeep;
mod incoming;
mod index;
mod mailbox;
mod name;
mod parts;
mod pending;
mod poll_schedule;
mod shared_record;
mod sharing;
mod staging;
#[cfg(test)]
mod tests;
mod transcripts;
mod tree;
mod view;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::builder::MaildirStoreBuilder;
use self::context::{StoreContext, failed, not_taken};
use self::incoming::IncomingMail;
use self::index::Index;
use self::mailbox::Mailbox;
#[cfg(any(test, doc, feature = "conformance"))]
pub(crate) use self::name::read_hostile_name;
use self::tree::{IfMissing, Tree};
use super::{
    Deposit, Entry, Housekeeping, ImportOutcome, ImportedMessage, MailboxUsage, MessageStore, Page, PendingArrival,
    PendingArrivals, Query, StagedMail, StoreError,
};
use crate::directory::{Directory, MailboxLimits};
use crate::disk::blocking;
use crate::message::{MailboxId, Message, MessageId, Origin, Status, Summary, Transcript};

/// Keeps messages as mails in Maildirs, durably; any IMAP server can open them at the same time.
///
/// An operator understands the tree with `ls` and `cat`; a `README.txt` in it explains it. Several processes may use one tree.
///
/// # The tree
///
/// ```text
/// mail/2041/{tmp,new,cur}    the mailbox 2041, a Maildir
/// arrivals/2041/KEY          the note that a message has arrived, also after its owner removed it
/// pending/                   the arrivals that no node has settled yet, if a node has steps for them
/// transcripts/2041/ID        the transcript of a message, if it has one; removed with it
/// staging/                   messages that are being written, and the record to which the arrivals of an hour are links
/// ```
///
/// - A message is **new** in `new/`, and in `cur/` without the flag `S`; **old** with the flag `S`; **removed** with `T`.
/// - A deposit is answered after the message's file was flushed, renamed into `new/`, `new/` was flushed, and the arrival was linked. If the disk is
///   full at this last step, the answer is [`StoreError::NoSpace`] and the message is in the mailbox: the sender's next try is a duplicate.
/// - A mail that another program puts into a mailbox is a message, too, if it has a sound that
///   [`wire::decode`](crate::wire::decode) accepts. Any other mail is left alone, and neither listed nor counted.
/// - Each call sees what other programs did before it. On a local file system the kernel reports changes (inotify), so that a
///   call costs the same in a mailbox of ten messages and of ten thousand; elsewhere, and where the kernel watches no more folders
///   for this user, each call reads the folders again. Heads of messages are remembered.
///
/// # Skipped entries
///
/// An entry of `new/` or `cur/` that is not a file (a folder, a socket, a pipe, a link wherever it leads), or that may not be read, is skipped,
/// and everything else works. Its path is [reported](Housekeeping::bad_entries) once. A message that this store has put there and may no longer
/// read is listed by the contents of its name. A missing `new/` or `cur/` is created again.
///
/// # Changes by other programs
///
/// [`external_changes`](MessageStore::external_changes) reports them to a caller that waits, as a [`Node`](crate::node::Node) does. On a local file
/// system the kernel watches the folders of 16 384 mailboxes, and changes in them are reported at once, as are mailboxes that are created or
/// removed. Elsewhere, and for more mailboxes, the store polls the folders for their times of change: at most 1000 mailboxes a second, and each
/// mailbox every ten seconds if there are fewer than 10 000. So a change is reported within ten seconds, or within a hundred in a store of
/// 100 000 mailboxes; this is also the limit when a mailbox's `new/` or `cur/` is replaced, or when more happens at once than the kernel
/// remembers. Changes that this store makes itself may be reported, too.
///
/// # A number for another owner
///
/// A mailbox that the directory no longer names keeps its messages, and its owner's choices are in other folders. So before the number has another owner, an
/// operator clears each greeting by [`Node::clear_greeting`](crate::node::Node::clear_greeting), whose removal reaches the other nodes, and deletes what
/// there is of `mail/2041` here, `2041.pin`, `2041.rules`, and the folders `2041` of the private lists and of the sent messages. The rest goes by
/// itself. `PostgresStore` has one statement for all of it.
///
/// # How a message is stored once
///
/// The name of a message in the mailbox contains its [`DeduplicationKey`](super::DeduplicationKey). When its owner removes it, the arrival takes
/// over: it is flushed before [`expunge`](MessageStore::expunge) deletes the message. One gap is left: the message is deleted by *another
/// program* within the seconds that the operating system takes to write an arrival by itself, the power is cut in the same seconds, *and* the
/// sender did not get its answer and sends the message again. Then it comes back.
///
/// An arrival is remembered for 90 days after its message came, and up to an hour longer, or for the time [set](MaildirStoreBuilder::deduplication_window), whether or not
/// the message is still there. [`housekeep`](MessageStore::housekeep) forgets old ones; a [`Node`](crate::node::Node) calls it every minute. A
/// program that uses a store without a node must call it, or [`forget_old_arrivals`](Self::forget_old_arrivals). A message that is
/// sent again after that time, and is no longer in the mailbox, is taken for a new one: no sender should retry for 90 days.
///
/// # Copies
///
/// A [`copy`](MessageStore::copy) is a link to the mail of its message, so that the sound is on the disk once for all mailboxes that have it; each of
/// them has its own name for it, with its own status. A removed copy counts as removed from the last change of any of the copies, because the file
/// system has that time once for all, so it may be kept for longer.
///
/// # When the disk is nearly full
///
/// The last 64 MiB, or as much as is [set](MaildirStoreBuilder::min_free_space), are not filled with messages, so that other work on the
/// disk can be finished and the store's own records fit. A message that would need this space is refused with
/// [`StoreError::NoSpace`]. [`check`](MessageStore::check) refuses it at the cost of one `statvfs`, and of none while the
/// disk had plenty left a moment ago: 1 GiB and 16 384 files within 25 ms, or 8 GiB and a million files within 250 ms. A write that finds the
/// disk full is refused in any case.
///
/// # Examples
///
/// ```
/// use voicemail::store::{MaildirStore, MessageStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path();
/// let store = MaildirStore::builder(root).host("central.example.com").domain("example.com").open().await?;
/// let mailbox = "2041".parse()?;
/// store.create_mailbox(&mailbox).await?;
/// assert_eq!(store.summary(&mailbox).await?.to_string(), "0/0 (0/0)");
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// The Maildir and Maildir++ conventions, as IMAP servers follow them.
#[derive(Debug)]
pub struct MaildirStore {
    tree: Arc<Tree>,
    directory: Option<Arc<dyn Directory>>,
}

impl MaildirStore {
    /// Builds a store whose tree is at `root`.
    pub fn builder(root: impl Into<PathBuf>) -> MaildirStoreBuilder {
        MaildirStoreBuilder::new(root.into())
    }

    /// Creates the Maildir of `mailbox`; no error if it is there already. Needed only without a [directory](MaildirStoreBuilder::directory).
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSpace`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has created it or part of it. The same call again settles it.
    pub async fn create_mailbox(&self, mailbox: &MailboxId) -> Result<(), StoreError> {
        let mailbox = mailbox.clone();
        self.blocking(move |tree| tree.mailbox(&mailbox, IfMissing::Create).map(drop)).await
    }

    /// Looks at up to `at_most` arrivals, beginning where the last call ended, and forgets those that are older than the store
    /// remembers; answers how many.
    ///
    /// [`housekeep`](MessageStore::housekeep) does it with 1000. The store starts no task for it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has forgotten some of them. The next call goes on.
    pub async fn forget_old_arrivals(&self, at_most: usize) -> Result<usize, StoreError> {
        self.blocking(move |tree| tree.forget_old_arrivals(at_most)).await
    }

    /// Does `work` on `mailbox`, if it exists, on a thread that may block.
    async fn on<T, F>(&self, mailbox: &MailboxId, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&StoreContext, &Mailbox) -> Result<T, StoreError> + Send + 'static,
    {
        let looked_up = self.look_up(mailbox).await?;
        self.within(looked_up, mailbox, |context, _, mailbox| work(context, mailbox)).await
    }

    /// Whether `mailbox` may be created, and its limits, without access to the disk.
    async fn look_up(&self, mailbox: &MailboxId) -> Result<(IfMissing, MailboxLimits), StoreError> {
        let limits = self.tree.context.limits.holding;
        let Some(directory) = &self.directory else { return Ok((IfMissing::Refuse, limits)) };
        let owner = directory.find(mailbox).await.map_err(|error| StoreError::Unavailable(error.into()))?;
        let owner = owner.ok_or_else(|| StoreError::NoSuchMailbox(mailbox.clone()))?;
        Ok((IfMissing::Create, limits.and(owner.holding)))
    }

    /// Does `work` on `mailbox`, with the answer of [`look_up`](Self::look_up), on a thread that may block.
    async fn within<T, F>(
        &self,
        (if_missing, limits): (IfMissing, MailboxLimits),
        mailbox: &MailboxId,
        work: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&StoreContext, &MailboxLimits, &Mailbox) -> Result<T, StoreError> + Send + 'static,
    {
        let mailbox = mailbox.clone();
        self.blocking(move |tree| tree.mailbox(&mailbox, if_missing).and_then(|mailbox| work(&tree.context, &limits, &mailbox)))
            .await
    }

    /// Does `work` on the mailboxes `from` and `to`, with the limits of `to`, on a thread that may block.
    async fn between<F>(&self, from: &MailboxId, to: &MailboxId, work: F) -> Result<Deposit, StoreError>
    where
        F: Fn(&StoreContext, &MailboxLimits, &Mailbox, &Mailbox) -> Result<Deposit, StoreError> + Send + 'static,
    {
        let (from_missing, _) = self.look_up(from).await?;
        let (to_missing, limits) = self.look_up(to).await?;
        let (from, to) = (from.clone(), to.clone());
        self.blocking(move |tree| {
            let source = tree.mailbox(&from, from_missing)?;
            tree.on_remembered(&to, to_missing, |mailbox| work(&tree.context, &limits, &source, mailbox))
        })
        .await
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tree) -> Result<T, StoreError> + Send + 'static,
    {
        let tree = Arc::clone(&self.tree);
        blocking(move || Ok(work(&tree))).await.map_err(failed)?
    }
}

#[async_trait]
impl MessageStore for MaildirStore {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        let (if_missing, limits) = self.look_up(mailbox).await?;
        let (id, origin, message) = (mailbox.clone(), origin.clone(), message.clone());
        let deposit = move |tree: &Tree| {
            tree.on_remembered(&id, if_missing, |mailbox| mailbox.deposit(&tree.context, &limits, &origin, &message))
        };
        self.blocking(deposit).await
    }

    async fn stage(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
        let context = Arc::clone(&self.tree.context);
        blocking(move || Ok(IncomingMail::begin(context))).await.map_err(failed)?.map(|incoming| Some(Box::new(incoming) as _))
    }

    fn reads_sounds(&self) -> bool {
        true
    }

    async fn usage(&self, mailbox: &MailboxId) -> Result<MailboxUsage, StoreError> {
        let retention = self.retention_of(mailbox).await?;
        let looked_up = self.look_up(mailbox).await?;
        self.within(looked_up, mailbox, move |context, limits, mailbox| {
            let usage = mailbox.look(context, Index::usage)?.of_mailbox();
            Ok(usage.with_limits(*limits).with_retention(retention))
        })
        .await
    }

    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        let looked_up = self.look_up(mailbox).await?;
        let context = &self.tree.context;
        if let (IfMissing::Create, limits) = looked_up
            && limits.is_unlimited()
            && context.has_plenty(size)
        {
            // The disk need not be asked, and a hand-over to a blocking thread would cost more than all the rest.
            return context.check_size(size);
        }
        self.within(looked_up, mailbox, move |context, limits, mailbox| mailbox.check(context, limits, size)).await
    }

    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.on(mailbox, |context, mailbox| mailbox.entries(context)).await
    }

    async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
        let query = query.clone();
        self.on(mailbox, move |context, mailbox| mailbox.page(context, &query)).await
    }

    async fn entry(&self, mailbox: &MailboxId, id: MessageId) -> Result<Entry, StoreError> {
        self.on(mailbox, move |context, mailbox| mailbox.entry(context, id)).await
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.on(mailbox, move |context, mailbox| mailbox.retrieve(context, id)).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.on(mailbox, move |context, mailbox| mailbox.mark(context, id, status)).await
    }

    async fn mark_if(&self, mailbox: &MailboxId, id: MessageId, expected: Status, status: Status) -> Result<bool, StoreError> {
        self.on(mailbox, move |context, mailbox| mailbox.mark_if(context, id, expected, status)).await
    }

    async fn copy(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        self.between(from, to, move |context, limits, source, mailbox| mailbox.copy_from(context, limits, source, id)).await
    }

    async fn transfer(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
        if from == to {
            return self.on(to, move |context, mailbox| mailbox.retrieve(context, id)).await.map(|_| Deposit::Duplicate);
        }
        self.between(from, to, move |context, limits, source, mailbox| mailbox.transfer_from(context, limits, source, id)).await
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.on(mailbox, |context, mailbox| mailbox.expunge(context)).await
    }

    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.on(mailbox, |context, mailbox| mailbox.summary(context)).await
    }

    /// A removed message counts as removed from the import on, because the store takes that time from the file system.
    async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
        let message = message.clone();
        self.on(mailbox, move |context, mailbox| mailbox.import(context, &message)).await
    }

    async fn set_transcript(&self, mailbox: &MailboxId, id: MessageId, transcript: &Transcript) -> Result<(), StoreError> {
        let transcript = transcript.clone();
        self.on(mailbox, move |context, mailbox| mailbox.set_transcript(context, id, &transcript)).await
    }

    async fn transcript(&self, mailbox: &MailboxId, id: MessageId) -> Result<Option<Transcript>, StoreError> {
        self.on(mailbox, move |context, mailbox| mailbox.transcript(context, id)).await
    }

    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    async fn external_changes(&self) -> Vec<MailboxId> {
        self.tree.external_changes.wait(&self.tree.context).await
    }

    fn pending_arrivals(&self) -> Option<&dyn PendingArrivals> {
        Some(self)
    }

    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        self.forget_old_arrivals(ARRIVALS_A_STEP).await?;
        let done = self.retain(RETAINED_A_STEP).await?;
        if let Err(error) = self.blocking(|tree| tree.sweep_transcripts(SWEPT_A_STEP)).await {
            // Messages that were removed unheard must be answered whatever comes after.
            if done.mailboxes.is_empty() {
                return Err(error);
            }
            tracing::warn!(error = &error as &dyn std::error::Error, "transcripts without messages have to wait");
        }
        Ok(Housekeeping { bad_entries: self.tree.context.bad.take(), ..done })
    }
}

/// Arrivals are held in memory for this process. Those of a process that died are taken over at once.
#[async_trait]
impl PendingArrivals for MaildirStore {
    async fn remember(&self) -> Result<(), StoreError> {
        let begin = |tree: &Tree| {
            let StoreContext { disk, root, staging, pending, .. } = &*tree.context;
            pending.begin(disk, root, staging).map_err(not_taken)
        };
        self.blocking(begin).await
    }

    async fn take(&self, most: usize, hold: Duration) -> Result<Vec<PendingArrival>, StoreError> {
        self.blocking(move |tree| tree.take_arrivals(most, hold)).await
    }

    async fn extend(&self, arrivals: &[PendingArrival], hold: Duration) -> Result<(), StoreError> {
        self.tree.context.pending.extend(arrivals, hold);
        Ok(())
    }

    async fn add(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError> {
        let arrivals = arrivals.to_vec();
        let add = move |tree: &Tree| {
            let StoreContext { disk, root, staging, flush, pending, .. } = &*tree.context;
            pending.begin(disk, root, staging).and_then(|()| pending.add(&**disk, flush, &arrivals)).map_err(not_taken)
        };
        self.blocking(add).await
    }

    async fn settle(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError> {
        let arrivals = arrivals.to_vec();
        self.blocking(move |tree| tree.context.pending.settle(&*tree.context.disk, &arrivals).map_err(not_taken)).await
    }
}

/// How many arrivals a step of housekeeping looks at: a store that is done every minute sees a million in 17 hours.
const ARRIVALS_A_STEP: usize = 1000;
/// How many mailboxes a step of housekeeping looks at for messages that are too old; each such message counts as one, too.
const RETAINED_A_STEP: usize = 200;
/// How many transcripts a step of housekeeping looks at, to remove those whose messages are gone.
const SWEPT_A_STEP: usize = 1000;
