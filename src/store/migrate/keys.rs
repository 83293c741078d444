//! [`KeyPairs`]: the keys of one mailbox in two stores, side by side.

use super::error::{MigrationError, Side};
use crate::message::MailboxId;
use crate::pages::{Pages, next_of};
use crate::store::{CopyableStore, DeduplicationKey, StoredKey};

/// The keys of one mailbox in the source and in the target, side by side and in order. A page of each is in memory.
#[derive(Debug)]
pub(super) struct KeyPairs<'a, S: ?Sized, T: ?Sized> {
    source: Keys<'a, S>,
    target: Keys<'a, T>,
}

impl<'a, S: CopyableStore + ?Sized, T: CopyableStore + ?Sized> KeyPairs<'a, S, T> {
    pub(super) fn new(source: &'a S, target: &'a T, mailbox: &'a MailboxId) -> Self {
        Self { source: Keys::new(source, Side::Source, mailbox), target: Keys::new(target, Side::Target, mailbox) }
    }

    /// The next key, as the source and as the target has it; one of them has it at least.
    pub(super) async fn next(&mut self) -> Result<Option<(Option<StoredKey>, Option<StoredKey>)>, MigrationError> {
        self.source.read_if_due().await?;
        self.target.read_if_due().await?;
        Ok(next_of(&mut self.source.pages, &mut self.target.pages).map(|(_, source, target)| (source, target)))
    }
}

/// The keys of one mailbox, page by page.
#[derive(Debug)]
struct Keys<'a, S: ?Sized> {
    store: &'a S,
    side: Side,
    mailbox: &'a MailboxId,
    pages: Pages<DeduplicationKey, StoredKey>,
}

impl<'a, S: CopyableStore + ?Sized> Keys<'a, S> {
    fn new(store: &'a S, side: Side, mailbox: &'a MailboxId) -> Self {
        Self { store, side, mailbox, pages: Pages::new(KEYS_A_PAGE) }
    }

    async fn read_if_due(&mut self) -> Result<(), MigrationError> {
        if self.pages.is_due() {
            let page = self.store.keys(self.mailbox, self.pages.last().copied(), KEYS_A_PAGE).await;
            let page = page.map_err(|error| MigrationError::new(self.side, Some(self.mailbox), error))?;
            self.pages.fill(page.into_iter().map(|stored| (stored.key, stored)));
        }
        Ok(())
    }
}

/// How many keys of each store are in memory: some 500 kB.
const KEYS_A_PAGE: usize = 4096;
