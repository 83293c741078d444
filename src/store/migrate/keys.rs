//! [`KeyPairs`]: the keys of one mailbox in two stores, side by side.

use std::collections::VecDeque;

use super::error::{MigrationError, Side};
use crate::message::MailboxId;
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
        let (source, target) = (self.source.peek().await?, self.target.peek().await?);
        let Some(key) = source.into_iter().chain(target).map(|stored| stored.key).min() else { return Ok(None) };
        Ok(Some((self.source.take(key), self.target.take(key))))
    }
}

/// The keys of one mailbox, page by page.
#[derive(Debug)]
struct Keys<'a, S: ?Sized> {
    store: &'a S,
    side: Side,
    mailbox: &'a MailboxId,
    page: VecDeque<StoredKey>,
    last: Option<DeduplicationKey>,
    is_read: bool,
}

impl<'a, S: CopyableStore + ?Sized> Keys<'a, S> {
    fn new(store: &'a S, side: Side, mailbox: &'a MailboxId) -> Self {
        Self { store, side, mailbox, page: VecDeque::new(), last: None, is_read: false }
    }

    async fn peek(&mut self) -> Result<Option<StoredKey>, MigrationError> {
        if self.page.is_empty() && !self.is_read {
            let page = self.store.keys(self.mailbox, self.last, KEYS_A_PAGE).await;
            self.page = page.map_err(|error| MigrationError::new(self.side, Some(self.mailbox), error))?.into();
            self.is_read = self.page.len() < KEYS_A_PAGE;
            self.last = self.page.back().map(|stored| stored.key).or(self.last);
        }
        Ok(self.page.front().copied())
    }

    /// The next key, if it is this one.
    fn take(&mut self, key: DeduplicationKey) -> Option<StoredKey> {
        if self.page.front()?.key == key { self.page.pop_front() } else { None }
    }
}

/// How many keys of each store are in memory: some 400 kB.
const KEYS_A_PAGE: usize = 4096;
