//! Tests the contract of [`MessageStore`], sentence by sentence.
//!
//! Every function takes a fresh store that has the mailboxes `2041` and `2042`, both empty, with room for at least 16 messages
//! of 100 kB each, and no mailbox `2043`.
//!
//! ```
//! use voicemail::store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! voicemail::conformance::store::run_all(|| async {
//!     MemoryStore::new(["2041".parse().unwrap(), "2042".parse().unwrap()])
//! })
//! .await;
//! # }
//! ```

mod arrival;
mod copied;
mod moving;
mod noticed;
mod receipts;
mod remembered;
mod retained;
mod sharing;
mod steps;
mod stored;
mod transcribed;
mod used;

use std::future::Future;

pub use self::arrival::{
    apart, foretold, kept, kept_over_a_restart, once, once_after_a_dropped_call, once_after_removal, once_among_many, whole,
    whole_while_others_read,
};
pub use self::copied::{deleted_and_forgotten, keys_listed, mailboxes_listed};
pub use self::moving::{imported_apart, imported_key, imported_once, imported_with_its_status};
pub use self::noticed::noticed;
pub use self::receipts::{compared, reported, requested};
pub use self::remembered::{extended, remembered};
pub use self::retained::retained;
pub use self::sharing::{copied, transferred};
pub use self::stored::{
    counted, expunged_for_good, found, listed_in_order, marked_alike_twice, paged, refused_by_name, restored,
    retrieved_unchanged, versioned,
};
pub use self::transcribed::{transcribed, transcribed_in_both_mailboxes};
pub use self::used::used;
use crate::store::{CopyableStore, MessageStore};

/// Runs every test of this module that needs neither a restart nor a second store, each on a fresh store from `make`.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all<S, F, M>(make: M)
where
    S: MessageStore,
    F: Future<Output = S> + Send,
    M: Fn() -> F + Send + Sync,
{
    whole(&make().await).await;
    whole_while_others_read(&make().await).await;
    once(&make().await).await;
    once_after_removal(&make().await).await;
    once_among_many(&make().await).await;
    once_after_a_dropped_call(&make().await).await;
    apart(&make().await).await;
    kept(&make().await).await;
    foretold(&make().await).await;
    reported(&make().await).await;
    counted(&make().await).await;
    paged(&make().await).await;
    restored(&make().await).await;
    listed_in_order(&make().await).await;
    found(&make().await).await;
    retrieved_unchanged(&make().await).await;
    marked_alike_twice(&make().await).await;
    expunged_for_good(&make().await).await;
    refused_by_name(&make().await).await;
    versioned(&make().await).await;
    imported_with_its_status(&make().await).await;
    imported_once(&make().await).await;
    imported_key(&make().await).await;
    imported_apart(&make().await).await;
    copied(&make().await).await;
    transferred(&make().await).await;
    transcribed(&make().await).await;
    transcribed_in_both_mailboxes(&make().await).await;
    used(&make().await).await;
    compared(&make().await).await;
    requested(&make().await).await;
}

/// Runs the tests of a store whose mailboxes can be copied, each on a fresh store from `make`.
///
/// # Panics
///
/// When a sentence of the contract of [`CopyableStore`] is broken; the panic names it.
pub async fn run_copyable<S, F, M>(make: M)
where
    S: CopyableStore,
    F: Future<Output = S> + Send,
    M: Fn() -> F + Send + Sync,
{
    keys_listed(&make().await).await;
    mailboxes_listed(&make().await).await;
    deleted_and_forgotten(&make().await).await;
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use std::panic::AssertUnwindSafe;

    use async_trait::async_trait;
    use futures::FutureExt as _;

    use super::steps::mailbox;
    use super::*;
    use crate::message::{Audio, Head, MailboxId, Message, MessageId, Origin, Status, Summary};
    use crate::store::{
        Deposit, Entry, ImportOutcome, ImportedMessage, MailboxState, MemoryStore, Page, Query, StoreError, StoreWrapper,
    };

    /// A store that breaks one sentence of the contract.
    #[derive(Debug)]
    struct Broken {
        inner: MemoryStore,
        fault: Fault,
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Fault {
        /// Loses the last byte of every sound.
        CutsShort,
        /// Stores each message as often as it comes.
        StoresTwice,
        /// Takes a message for another one that has its id.
        ComparesIdsOnly,
        /// Deposits in two steps, the first of which can be seen.
        ShowsBeforeDone,
        /// Answers `Stored` and stores nothing.
        AnswersOnly,
        /// Counts removed messages as old in its summary.
        CountsRemoved,
        /// Deletes a message at once when it is marked as removed.
        RemovesForGood,
        /// Lists the newest first.
        ListsBackwards,
        /// Shows one message as new, whatever its status.
        ShowsAsNew,
        /// Ends after the first page.
        TurnsNoPage,
        /// Counts only the messages of the page.
        CountsOnePage,
        /// Marks a message as old when it is retrieved.
        MarksWhatIsHeard,
        /// Deletes old messages, too.
        ExpungesOld,
        /// Has every mailbox.
        KnowsEverybody,
        /// Says that every mailbox is full, and takes messages all the same.
        ForetellsWrongly,
        /// Answers the same version always.
        CountsNoChange,
        /// Imports all messages as new.
        ImportsAsNew,
        /// Imports a message as often as it comes.
        ImportsTwice,
        /// Ignores keys without a message.
        IgnoresKeys,
        /// Copies a message as often as it is asked to.
        CopiesTwice,
        /// Leaves a transferred message in its mailbox.
        TransfersACopy,
        /// Marks a message without a look at its status.
        ComparesNothing,
        /// Loses the request for a receipt.
        LosesRequests,
    }

    impl Broken {
        fn new(fault: Fault) -> Self {
            let numbers = if fault == Fault::KnowsEverybody { &["2041", "2042", "2043"][..] } else { &["2041", "2042"] };
            let inner = MemoryStore::new(numbers.iter().map(|number| mailbox(number))).versions_from(VERSION);
            Self { inner, fault }
        }
    }

    #[async_trait]
    impl StoreWrapper for Broken {
        type Inner = MemoryStore;

        fn inner(&self) -> &MemoryStore {
            &self.inner
        }

        async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
            let audio = message.audio();
            let half = Audio::new(audio.media(), audio.bytes().slice(..audio.bytes().len() - 1));
            match self.fault {
                Fault::CutsShort => self.inner.deposit(mailbox, origin, &Message::new(message.head().clone(), half)).await,
                Fault::StoresTwice => {
                    let again = Origin::Peer(MessageId::random().to_string().into());
                    self.inner.deposit(mailbox, &again, message).await
                }
                Fault::ComparesIdsOnly if self.inner.retrieve(mailbox, message.id()).await.is_ok() => Ok(Deposit::Duplicate),
                Fault::ShowsBeforeDone => {
                    let part = Message::new(message.head().clone(), half);
                    if self.inner.deposit(mailbox, &Origin::Peer("part".into()), &part).await? == Deposit::Duplicate {
                        return Ok(Deposit::Duplicate);
                    }
                    tokio::task::yield_now().await;
                    self.inner.mark(mailbox, message.id(), Status::Removed).await?;
                    self.inner.expunge(mailbox).await?;
                    self.inner.deposit(mailbox, origin, message).await
                }
                Fault::AnswersOnly => Ok(Deposit::Stored(message.id())),
                Fault::LosesRequests => {
                    let head = Head { receipt: None, ..message.head().clone() };
                    self.inner.deposit(mailbox, origin, &Message::new(head, audio.clone())).await
                }
                _ => self.inner.deposit(mailbox, origin, message).await,
            }
        }

        async fn copy(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
            let message = self.inner.retrieve(from, id).await?;
            let again = Origin::Peer(MessageId::random().to_string().into());
            let origin = if self.fault == Fault::CopiesTwice { &again } else { &Origin::Here };
            self.inner.deposit(to, origin, &message).await
        }

        async fn transfer(&self, from: &MailboxId, id: MessageId, to: &MailboxId) -> Result<Deposit, StoreError> {
            if self.fault == Fault::TransfersACopy {
                return self.inner.copy(from, id, to).await;
            }
            self.inner.transfer(from, id, to).await
        }

        async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
            if self.fault == Fault::ForetellsWrongly {
                return Err(StoreError::MailboxFull(mailbox.clone()));
            }
            self.inner.check(mailbox, size).await
        }

        async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
            let mut entries = self.inner.list(mailbox).await?;
            if self.fault == Fault::ListsBackwards {
                entries.reverse();
            }
            Ok(entries)
        }

        async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
            let page = self.inner.page(mailbox, query).await?;
            match self.fault {
                Fault::TurnsNoPage => Ok(Page { next: None, ..page }),
                Fault::CountsOnePage => Ok(Page { total: page.entries.len(), ..page }),
                _ => Ok(page),
            }
        }

        async fn entry(&self, mailbox: &MailboxId, id: MessageId) -> Result<Entry, StoreError> {
            let entry = self.inner.entry(mailbox, id).await?;
            Ok(if self.fault == Fault::ShowsAsNew { Entry::new(entry.head, Status::New) } else { entry })
        }

        async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
            if self.fault == Fault::MarksWhatIsHeard {
                self.inner.mark(mailbox, id, Status::Old).await?;
            }
            self.inner.retrieve(mailbox, id).await
        }

        async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
            self.inner.mark(mailbox, id, status).await?;
            if self.fault == Fault::RemovesForGood {
                self.inner.expunge(mailbox).await?;
            }
            Ok(())
        }

        async fn mark_if(
            &self,
            mailbox: &MailboxId,
            id: MessageId,
            expected: Status,
            status: Status,
        ) -> Result<bool, StoreError> {
            if self.fault == Fault::ComparesNothing {
                return self.inner.mark(mailbox, id, status).await.map(|()| true);
            }
            self.inner.mark_if(mailbox, id, expected, status).await
        }

        async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
            for entry in self.inner.list(mailbox).await? {
                if self.fault == Fault::ExpungesOld && entry.status == Status::Old {
                    self.inner.mark(mailbox, entry.head.id, Status::Removed).await?;
                }
            }
            self.inner.expunge(mailbox).await
        }

        async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
            let mut summary = self.inner.summary(mailbox).await?;
            for entry in self.inner.list(mailbox).await? {
                if self.fault == Fault::CountsRemoved && entry.status == Status::Removed {
                    summary.count(Status::Old, entry.head.urgency);
                }
            }
            Ok(summary)
        }

        async fn state(&self, mailbox: &MailboxId) -> Result<MailboxState, StoreError> {
            let state = self.inner.state(mailbox).await?;
            Ok(if self.fault == Fault::CountsNoChange { state.with_version(VERSION) } else { state })
        }

        async fn import(&self, mailbox: &MailboxId, message: &ImportedMessage) -> Result<ImportOutcome, StoreError> {
            match (self.fault, &message.message) {
                (Fault::ImportsAsNew, Some((content, _))) => {
                    self.inner.import(mailbox, &ImportedMessage::new(message.key, content.clone(), Status::New)).await
                }
                (Fault::ImportsTwice, Some((content, status))) => {
                    let again = Origin::Peer(MessageId::random().to_string().into());
                    self.inner.import(mailbox, &ImportedMessage::from_origin(&again, content.clone(), *status)).await
                }
                (Fault::IgnoresKeys, None) => Ok(ImportOutcome::KeyStored),
                _ => self.inner.import(mailbox, message).await,
            }
        }
    }

    const VERSION: u64 = 1_743_296_380_000_000;

    /// The first words of the panic that `test` ends with; `None` if it passes.
    async fn verdict(check: impl Future<Output = ()>) -> Option<String> {
        let panic = AssertUnwindSafe(check).catch_unwind().await.err()?;
        let said = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))?;
        // `assert_eq` prints what it compared before its message.
        let why =
            said.strip_prefix("assertion `left == right` failed: ").or(said.strip_prefix("assertion `left != right` failed: "));
        Some(why.unwrap_or(&said).split(':').next()?.to_owned())
    }

    #[tokio::test]
    async fn a_store_that_breaks_a_sentence_fails_its_test() {
        macro_rules! check {
            ($test:ident, $fault:ident, $sentence:literal) => {
                assert_eq!(
                    verdict($test(&Broken::new(Fault::$fault))).await.as_deref(),
                    Some($sentence),
                    "{} against {:?}",
                    stringify!($test),
                    Fault::$fault
                );
            };
        }
        check!(whole, CutsShort, "Whole");
        check!(whole_while_others_read, ShowsBeforeDone, "Whole");
        check!(once, StoresTwice, "Once");
        check!(once, ComparesIdsOnly, "Once");
        check!(once_after_removal, StoresTwice, "Once");
        check!(once_among_many, StoresTwice, "Once");
        check!(once_after_a_dropped_call, ShowsBeforeDone, "Cancel safety");
        check!(apart, ComparesIdsOnly, "Once");
        check!(kept, AnswersOnly, "Kept");
        check!(counted, CountsRemoved, "Counted");
        check!(paged, TurnsNoPage, "Paged");
        check!(paged, CountsOnePage, "Paged");
        check!(restored, RemovesForGood, "Restored");
        check!(listed_in_order, ListsBackwards, "list");
        check!(found, ShowsAsNew, "Found");
        check!(retrieved_unchanged, MarksWhatIsHeard, "retrieve");
        check!(marked_alike_twice, RemovesForGood, "mark");
        check!(expunged_for_good, ExpungesOld, "expunge");
        check!(refused_by_name, KnowsEverybody, "NoSuchMailbox");
        check!(foretold, ForetellsWrongly, "Foretold");
        check!(versioned, CountsNoChange, "Versioned");
        check!(imported_with_its_status, ImportsAsNew, "Imported");
        check!(imported_once, ImportsTwice, "Imported");
        check!(imported_key, IgnoresKeys, "Imported");
        check!(copied, CopiesTwice, "Copied");
        check!(transferred, TransfersACopy, "Transferred");
        check!(transcribed_in_both_mailboxes, CopiesTwice, "Transcribed");
        check!(compared, ComparesNothing, "Compared");
        check!(requested, LosesRequests, "Requested");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_notices_nothing_fails_its_test() {
        let store = Broken::new(Fault::CountsRemoved);
        assert_eq!(verdict(noticed(&store, &store, std::time::Duration::from_secs(1))).await.as_deref(), Some("Noticed"));
    }

    #[tokio::test]
    async fn a_store_that_forgets_at_a_restart_fails_its_test() {
        let store = Broken::new(Fault::CountsRemoved);
        let forgetful = kept_over_a_restart(store, |_| async { Broken::new(Fault::CountsRemoved) });
        assert_eq!(verdict(forgetful).await.as_deref(), Some("Kept"));
        let durable = kept_over_a_restart(Broken::new(Fault::CountsRemoved), |store| async { store });
        assert_eq!(verdict(durable).await, None);
    }
}
