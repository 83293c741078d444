//! [`MaildirStore`].

mod arrivals;
mod bad_entries;
mod builder;
mod context;
mod external_changes;
mod folders;
mod free_space;
mod incoming;
mod index;
mod mailbox;
mod name;
mod parts;
mod poll_schedule;
mod retention;
mod staging;
#[cfg(test)]
mod tests;
mod tree;
mod view;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::builder::MaildirStoreBuilder;
use self::context::{StoreContext, failed};
use self::incoming::IncomingMail;
use self::mailbox::Mailbox;
#[cfg(any(test, doc, feature = "conformance"))]
pub(crate) use self::name::read_hostile_name;
pub use self::retention::Retention;
use self::tree::{IfMissing, Tree};
use super::{Deposit, Entry, Housekeeping, ImportOutcome, ImportedMessage, MessageStore, Page, Query, StagedMail, StoreError};
use crate::directory::{Directory, MailboxLimits};
use crate::disk::blocking;
use crate::message::{MailboxId, Message, MessageId, Origin, Status, Summary};

/// Keeps messages as mails in Maildirs, durably; any IMAP server can open them at the same time.
///
/// An operator understands the tree with `ls` and `cat`; a `README.txt` in it explains it. Several processes may use one tree.
///
/// # What is where
///
/// ```text
/// mail/2041/{tmp,new,cur}    the mailbox 2041, a Maildir
/// arrivals/2041/KEY          that a message has arrived, also after its owner removed it
/// staging/                   what is being written
/// ```
///
/// - **New** is what is in `new/`, and what is in `cur/` without the flag `S`; **old** has the flag `S`; **removed** has `T`.
/// - A message is answered for after its file was flushed, renamed into `new/`, and `new/` was flushed.
/// - What other programs put into a mailbox is a message, too, if it is a mail with a sound that
///   [`wire::decode`](crate::wire::decode) accepts. Any other mail is left alone, and neither listed nor counted.
/// - Each call sees what other programs did before it. On a local file system the kernel tells what changes (inotify), so that a
///   call costs the same in a mailbox of ten messages and of ten thousand; elsewhere, and where the kernel watches no more folders
///   for this user, each call reads the folders anew. What is read of a message is remembered.
///
/// # What is skipped
///
/// What stands in `new/` or `cur/` and is no file (a folder, a socket, a pipe, a link wherever it leads), or may not be read, is skipped, and
/// everything else works. Its path is [reported](Housekeeping::bad_entries) once. A message that this store has put there and may no longer
/// read is shown by what its name tells. A missing `new/` or `cur/` is created again.
///
/// # What other programs change
///
/// [`external_changes`](MessageStore::external_changes) tells it while somebody waits for it, as a [`Node`](crate::node::Node) does. On a local file
/// system the kernel rings for the folders of 16 384 mailboxes, and a change is told at once; so it is when a mailbox comes or goes. Else, and
/// for mailboxes beyond, the store looks when names last came or went in the folders: at 1000 mailboxes a second at most, and at each every
/// ten seconds where there are fewer than 10 000. So a change is told within ten seconds, or within a hundred in a store of 100 000
/// mailboxes; and so it is when a mailbox's `new/` or `cur/` is replaced, or more happens at once than the kernel notes. What this store
/// does itself may be told too.
///
/// # What "once" rests on
///
/// A message in the mailbox carries its key in its name. When its owner removes it, the arrival answers for it: it is flushed before
/// [`expunge`](MessageStore::expunge) deletes the message. One window is left: the message is deleted by *another program* within
/// the seconds that the operating system takes to write an arrival by itself, the power is cut in the same seconds, *and* the
/// sender never got its answer and sends the message again. Then it comes back.
///
/// An arrival is remembered for 90 days after its message came, or [as told](MaildirStoreBuilder::remember), whether or not the
/// message is still there. [`housekeep`](MessageStore::housekeep) forgets the old ones, which a [`Node`](crate::node::Node) calls every
/// minute; whoever uses a store without a node calls it, or [`forget_old_arrivals`](Self::forget_old_arrivals). A message that is
/// sent again after that, and is no longer in the mailbox, is taken for a new one: no sender should retry for 90 days.
///
/// # When the disk is nearly full
///
/// The last 64 MiB, or [as told](MaildirStoreBuilder::reserve), are not filled with messages: what has begun elsewhere on the
/// disk can be finished, and the store's own records fit. A message that would need them is refused with
/// [`StoreError::NoSpace`], which [`check`](MessageStore::check) foretells at the price of one `statvfs`, and of nothing while the
/// disk had gigabytes left a moment ago.
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
    /// A store whose tree is at `root`.
    pub fn builder(root: impl Into<PathBuf>) -> MaildirStoreBuilder {
        MaildirStoreBuilder::new(root.into())
    }

    /// Creates the Maildir of `mailbox`; no error if it is there already. Needed only where no directory says who has a mailbox.
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
    /// [`housekeep`](MessageStore::housekeep) does it with 1000. The store starts no task of its own for it.
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

    /// Does `work` on `mailbox`, if there is one, where it may block.
    async fn on<T, F>(&self, mailbox: &MailboxId, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&StoreContext, &Mailbox) -> Result<T, StoreError> + Send + 'static,
    {
        let standing = self.look_up(mailbox).await?;
        self.within(standing, mailbox, |context, _, mailbox| work(context, mailbox)).await
    }

    /// What is said of `mailbox` without a look at the disk.
    async fn look_up(&self, mailbox: &MailboxId) -> Result<(IfMissing, MailboxLimits), StoreError> {
        let limits = self.tree.context.limits.holding;
        let Some(directory) = &self.directory else { return Ok((IfMissing::Refuse, limits)) };
        let owner = directory.find(mailbox).await.map_err(|error| StoreError::Unavailable(error.into()))?;
        let owner = owner.ok_or_else(|| StoreError::NoSuchMailbox(mailbox.clone()))?;
        Ok((IfMissing::Create, limits.and(owner.holding)))
    }

    /// Does `work` on `mailbox`, of which this was said, where it may block.
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

    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        let standing = self.look_up(mailbox).await?;
        let context = &self.tree.context;
        if let (IfMissing::Create, limits) = standing
            && limits.is_unlimited()
            && context.has_plenty(size)
        {
            // Nothing to ask the disk for: the way to a thread that may block would cost more than all the rest.
            return context.check_size(size);
        }
        self.within(standing, mailbox, move |context, limits, mailbox| mailbox.check(context, limits, size)).await
    }

    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.on(mailbox, |context, mailbox| mailbox.entries(context)).await
    }

    async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
        let query = query.clone();
        self.on(mailbox, move |context, mailbox| mailbox.page(context, &query)).await
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.on(mailbox, move |context, mailbox| mailbox.retrieve(context, id)).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.on(mailbox, move |context, mailbox| mailbox.mark(context, id, status)).await
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

    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    async fn external_changes(&self) -> Vec<MailboxId> {
        self.tree.external_changes.wait(&self.tree.context).await
    }

    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        self.forget_old_arrivals(ARRIVALS_A_STEP).await?;
        let done = self.blocking(|tree| tree.retain(RETAINED_A_STEP)).await?;
        Ok(Housekeeping { bad_entries: self.tree.context.bad.take(), ..done })
    }
}

/// How many arrivals a step of housekeeping looks at: a store that is done every minute sees a million in 17 hours.
const ARRIVALS_A_STEP: usize = 1000;
/// How many mailboxes a step of housekeeping looks at for messages that are too old; each such message counts for one as well.
const RETAINED_A_STEP: usize = 200;
