//! [`PinStore`]: keeps the PINs of mailboxes, and checks what callers enter.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Pin, PinVerdict};
use crate::message::{CallerNumber, MailboxId};

/// Keeps the PINs of mailboxes, and checks what callers enter.
///
/// # Contract
///
/// - **No default.** A mailbox without a PIN is opened by none: [`PinVerdict::NoPin`].
/// - **Counted.** Too many wrong PINs lock a mailbox for all telephones, and lock out a telephone that tries many mailboxes. An
///   attempt is counted before its verdict is known, so that a call that ends early gains nothing.
/// - **Closed when in doubt.** A PIN that cannot be read, or an attempt that cannot be counted, opens nothing:
///   [`PinVerdict::Unavailable`].
/// - **Kept.** After `Ok`, a PIN that was set is the only one that opens the mailbox.
#[async_trait]
pub trait PinStore: Debug + Send + Sync + 'static {
    /// Checks the PIN `entered` for `mailbox` by a telephone with the number `caller`, if its number is known.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may count as an attempt, and has no other effect.
    async fn check(&self, mailbox: &MailboxId, caller: Option<&CallerNumber>, entered: &str, now: DateTime<Utc>) -> PinVerdict;

    /// Sets the PIN of `mailbox`, which its owner has chosen. A mailbox or telephone that is locked out stays so.
    ///
    /// # Errors
    ///
    /// [`PinStoreError`] if the PIN could not be kept; the PIN of before stays in force.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has set the PIN or not. The same call again settles it.
    async fn set(&self, mailbox: &MailboxId, pin: &Pin) -> Result<(), PinStoreError>;
}

/// The reason why a PIN could not be set. The PIN of before stays in force.
#[derive(Debug, thiserror::Error)]
#[error("the PIN could not be set, and the one of before stays in force")]
pub struct PinStoreError {
    /// The error of the store.
    #[source]
    pub source: Box<dyn StdError + Send + Sync>,
}

impl PinStoreError {
    /// Returns the error of a store that failed with `source`.
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}

/// Implements [`PinStore`] for a shared or boxed store, by passing every call on.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<P: PinStore + ?Sized> PinStore for $wrapper<P> {
            async fn check(
                &self,
                mailbox: &MailboxId,
                caller: Option<&CallerNumber>,
                entered: &str,
                now: DateTime<Utc>,
            ) -> PinVerdict {
                (**self).check(mailbox, caller, entered, now).await
            }

            async fn set(&self, mailbox: &MailboxId, pin: &Pin) -> Result<(), PinStoreError> {
                (**self).set(mailbox, pin).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
