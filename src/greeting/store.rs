//! [`GreetingStore`]: keeps the newest edition of each greeting.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Edition, Greeting, GreetingId, GreetingKind, GreetingStoreError, GreetingVersion, Greetings, KeepOutcome, has_ended,
};
use crate::message::{Audio, MailboxId};

/// Keeps the newest edition of each greeting. Several nodes may use one store: then each of them plays a new greeting at once.
///
/// # Contract
///
/// - **Kept.** After `Ok`, the edition survives a restart of the process, and of the machine if the store is durable at all.
/// - **The newest.** An older edition never replaces a newer one, in whatever order they come, and whichever node they come from.
/// - **Whole.** A sound is read back as it was put, with its end, or not at all.
/// - **Listed.** The lists name exactly the editions that `read` returns, removals too.
///
/// [`conformance::greeting`](crate::conformance::greeting) tests each sentence as far as it can be seen from outside.
#[async_trait]
pub trait GreetingStore: Debug + Send + Sync + 'static {
    /// Keeps `greeting`, if it is newer than the edition that is kept.
    ///
    /// # Errors
    ///
    /// [`GreetingStoreError::Disk`] and [`GreetingStoreError::Unavailable`] may pass. An edition that was reported with an error may have been kept
    /// all the same.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept the greeting or not. Make the same call again to be sure.
    async fn put(&self, greeting: Greeting) -> Result<KeepOutcome, GreetingStoreError>;

    /// Returns the newest edition of the greeting `id` with its sound, or `None` if there never was one.
    ///
    /// # Errors
    ///
    /// [`GreetingStoreError::Damaged`] for a sound that has changed since it was put; from then on the greeting counts as one that there never was.
    /// [`GreetingStoreError::Disk`] and [`GreetingStoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn read(&self, id: &GreetingId) -> Result<Option<Greeting>, GreetingStoreError>;

    /// Returns the editions of the greetings of `mailbox` that are kept, removals too; at most one of each kind, in any order. Reads no sound.
    ///
    /// # Errors
    ///
    /// [`GreetingStoreError::Disk`] and [`GreetingStoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<GreetingEntry>, GreetingStoreError>;

    /// Returns every edition that is kept, as [`list`](Self::list) does for one mailbox.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn list_all(&self) -> Result<Vec<GreetingEntry>, GreetingStoreError>;
}

/// An edition of a greeting as a list shows it: all facts but the sound.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GreetingEntry {
    /// The id of the greeting.
    pub id: GreetingId,
    /// The edition that is kept.
    pub edition: Edition,
    /// The moment from which on the greeting is not played any more, if there is one.
    pub until: Option<DateTime<Utc>>,
}

impl GreetingEntry {
    /// Returns the entry of the greeting `id` with this edition and this end.
    pub fn new(id: GreetingId, edition: Edition, until: Option<DateTime<Utc>>) -> Self {
        Self { id, edition, until }
    }

    /// Returns whether the greeting has a sound that has not ended at `now`.
    pub fn is_played_at(&self, now: DateTime<Utc>) -> bool {
        self.edition.digest.is_some() && !has_ended(self.until, now)
    }
}

/// Records new editions of greetings and removes those that have ended, by the methods of any [`GreetingStore`].
#[async_trait]
pub trait GreetingStoreExt: GreetingStore {
    /// Keeps the sound that an owner has recorded `now` as the newest edition of the greeting `id`, which ends at `until` if that is given.
    /// Without a sound, the greeting is removed; removing a removed greeting changes nothing.
    ///
    /// # Errors
    ///
    /// As [`put`](GreetingStore::put); [`GreetingStoreError::Unavailable`] too when others record the same greeting all the time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept the sound or not. The same call again keeps it as a newer edition.
    async fn record(
        &self,
        id: GreetingId,
        sound: Option<Audio>,
        until: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Edition, GreetingStoreError> {
        for _ in 0..TRIES {
            let last = self.edition(&id).await?;
            if let (Some(removed @ Edition { digest: None, .. }), None) = (last, &sound) {
                return Ok(removed);
            }
            let version = GreetingVersion::next(last.map(|last| last.version), now);
            let greeting = Greeting::new(id.clone(), version, sound.clone());
            let greeting = match until {
                Some(until) => greeting.with_until(until),
                None => greeting,
            };
            let edition = greeting.edition();
            // Another node may have recorded since: then this edition comes after that one.
            if self.put(greeting).await? == KeepOutcome::Kept {
                return Ok(edition);
            }
        }
        Err(GreetingStoreError::Unavailable("others record the same greeting at the same time".into()))
    }

    /// Removes the greeting of `entry`, which has ended at `now`; returns the edition of the removal, or `None` if the greeting has not ended,
    /// or its owner has recorded another one since.
    ///
    /// # Errors
    ///
    /// As [`put`](GreetingStore::put).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has removed the greeting or not. The same call again settles it.
    async fn remove_ended(&self, entry: &GreetingEntry, now: DateTime<Utc>) -> Result<Option<Edition>, GreetingStoreError> {
        if !has_ended(entry.until, now) {
            return Ok(None);
        }
        // The next version after that of the entry, and not one of now: an edition that was recorded since is newer than the removal.
        let version = GreetingVersion::next(Some(entry.edition.version), entry.edition.version.recorded_at());
        let removal = Greeting::new(entry.id.clone(), version, None);
        let edition = removal.edition();
        Ok((self.put(removal).await? == KeepOutcome::Kept).then_some(edition))
    }

    /// Returns the edition of the greeting `id` that is kept.
    ///
    /// # Errors
    ///
    /// As [`list`](GreetingStore::list).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn edition(&self, id: &GreetingId) -> Result<Option<Edition>, GreetingStoreError> {
        let kept = self.list(&id.mailbox).await?;
        Ok(kept.into_iter().find(|entry| entry.id == *id).map(|entry| entry.edition))
    }

    /// Returns which greetings of `mailbox` have a sound and have not ended at `now`.
    ///
    /// # Errors
    ///
    /// As [`list`](GreetingStore::list).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn recorded(&self, mailbox: &MailboxId, now: DateTime<Utc>) -> Result<Greetings, GreetingStoreError> {
        let kept = self.list(mailbox).await?;
        let played = kept.iter().filter(|entry| entry.is_played_at(now));
        Ok(played.map(|entry| entry.id.kind).collect::<Vec<GreetingKind>>().into_iter().collect())
    }
}

impl<S: GreetingStore + ?Sized> GreetingStoreExt for S {}

/// Implements [`GreetingStore`] for a shared or boxed store, by passing every call on.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: GreetingStore + ?Sized> GreetingStore for $wrapper<S> {
            async fn put(&self, greeting: Greeting) -> Result<KeepOutcome, GreetingStoreError> {
                (**self).put(greeting).await
            }

            async fn read(&self, id: &GreetingId) -> Result<Option<Greeting>, GreetingStoreError> {
                (**self).read(id).await
            }

            async fn list(&self, mailbox: &MailboxId) -> Result<Vec<GreetingEntry>, GreetingStoreError> {
                (**self).list(mailbox).await
            }

            async fn list_all(&self) -> Result<Vec<GreetingEntry>, GreetingStoreError> {
                (**self).list_all().await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);

/// How often a recording is tried again when another node has recorded the same greeting meanwhile.
const TRIES: usize = 8;
