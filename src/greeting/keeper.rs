//! [`GreetingKeeper`]: accepts greetings from the central node.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Edition, Greeting, GreetingId};
use crate::message::{MailboxId, Origin};

/// Accepts and keeps the greetings that the central node sends.
///
/// # Contract
///
/// - **Kept.** After [`KeepOutcome::Kept`] or [`KeepOutcome::HasNewer`], this edition or a newer one survives a restart of the process.
/// - **The newest.** An edition never replaces a newer one.
/// - **From the central node only.** A greeting is refused as [`KeeperError::Forbidden`] unless its sender has proven to be the central node.
/// - **Not of the future.** An edition dated more than a day ahead is refused as [`KeeperError::DatedAhead`], from any sender, because the
///   next editions of its owner would count as older until then.
#[async_trait]
pub trait GreetingKeeper: Debug + Send + Sync + 'static {
    /// Returns whether greetings of `mailbox` are kept here.
    fn keeps(&self, mailbox: &MailboxId) -> bool;

    /// Keeps `greeting`, which `origin` has sent.
    ///
    /// # Errors
    ///
    /// [`KeeperError::Forbidden`], [`KeeperError::NotKeptHere`] and [`KeeperError::DatedAhead`] are final; [`KeeperError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept the edition or nothing. The same call again settles it.
    async fn keep(&self, origin: &Origin, greeting: Greeting) -> Result<KeepOutcome, KeeperError>;

    /// Returns whether `edition` or a newer one is kept already, so that its sound need not be sent.
    ///
    /// # Errors
    ///
    /// As [`keep`](Self::keep).
    ///
    /// # Cancel safety
    ///
    /// The call changes nothing, so a dropped call has no effect.
    async fn has(&self, origin: &Origin, id: &GreetingId, edition: Edition) -> Result<bool, KeeperError>;
}

/// The result of keeping an edition of a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeepOutcome {
    /// The edition is the newest, and on stable storage.
    Kept,
    /// This edition or a newer one was kept already. Nothing has changed.
    HasNewer,
}

/// The reason why a greeting was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// The sender has not proven to be the central node.
    #[error("greetings are taken from the central node only")]
    Forbidden,
    /// No call for this mailbox is answered here.
    #[error("no greeting of mailbox {0} is needed here")]
    NotKeptHere(MailboxId),
    /// The edition is dated more than a day ahead of this node's clock. One of the two clocks is wrong.
    #[error(
        "the greeting is dated {dated}, more than a day ahead of this node's clock, which says {now}; set the clock that is wrong"
    )]
    DatedAhead {
        /// The date of the edition.
        dated: DateTime<Utc>,
        /// The time by this node's clock.
        now: DateTime<Utc>,
    },
    /// The greeting cannot be kept now; the same call may succeed later.
    #[error("the greeting cannot be kept now")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl KeeperError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Forbidden | Self::NotKeptHere(_) | Self::DatedAhead { .. } => false,
        }
    }
}

/// Implements [`GreetingKeeper`] for a shared or boxed keeper, by passing every call on.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<K: GreetingKeeper + ?Sized> GreetingKeeper for $wrapper<K> {
            fn keeps(&self, mailbox: &MailboxId) -> bool {
                (**self).keeps(mailbox)
            }

            async fn keep(&self, origin: &Origin, greeting: Greeting) -> Result<KeepOutcome, KeeperError> {
                (**self).keep(origin, greeting).await
            }

            async fn has(&self, origin: &Origin, id: &GreetingId, edition: Edition) -> Result<bool, KeeperError> {
                (**self).has(origin, id, edition).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
