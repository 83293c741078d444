//! [`CopyablePins`] and [`copy_pins`]: PINs and counts of wrong PINs, on their way from one store to another.

use std::error::Error as StdError;
use std::fmt;

use async_trait::async_trait;

use super::{LockoutCounter, PinHash, PinStore, PinUse};
use crate::message::{ContentDigest, MailboxId};
use crate::pages::{Pages, next_of};

/// A store of PINs whose contents can be copied to another one, or from another one, with [`copy_pins`].
///
/// Telephones are known by the digest of their number, [`ContentDigest::of`] its text, so that no store has the number itself.
#[async_trait]
pub trait CopyablePins: PinStore {
    /// Lists the PINs of up to `limit` mailboxes, in the order of the mailboxes, beginning behind `after`; fewer only if there are no more.
    ///
    /// # Errors
    ///
    /// [`CopyPinsError`], also for a PIN that cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn pins(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<(MailboxId, StoredPin)>, CopyPinsError>;

    /// Replaces the PIN of `mailbox` and its count; without a PIN, takes it away.
    ///
    /// # Errors
    ///
    /// [`CopyPinsError`] if it is not known whether it was replaced.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has replaced both or nothing. The same call again settles it.
    async fn replace_pin(&self, mailbox: &MailboxId, pin: Option<&StoredPin>) -> Result<(), CopyPinsError>;

    /// Lists the counts of up to `limit` telephones, in the order of their digests, beginning behind `after`; fewer only if there are no more.
    ///
    /// # Errors
    ///
    /// As [`pins`](Self::pins).
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    async fn telephones(
        &self,
        after: Option<ContentDigest>,
        limit: usize,
    ) -> Result<Vec<(ContentDigest, LockoutCounter)>, CopyPinsError>;

    /// Replaces the count of a telephone; without a count, it has none any more.
    ///
    /// # Errors
    ///
    /// As [`replace_pin`](Self::replace_pin).
    ///
    /// # Cancel safety
    ///
    /// As [`replace_pin`](Self::replace_pin).
    async fn replace_telephone(&self, telephone: ContentDigest, count: Option<LockoutCounter>) -> Result<(), CopyPinsError>;
}

/// The PIN of a mailbox as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredPin {
    /// The hash of the PIN.
    pub hash: PinHash,
    /// For how long the PIN opens the mailbox.
    pub pin_use: PinUse,
    /// The count of recent wrong PINs.
    pub attempts: LockoutCounter,
}

impl StoredPin {
    /// Returns the PIN of `hash` with this use and this count.
    pub fn new(hash: PinHash, pin_use: PinUse, attempts: LockoutCounter) -> Self {
        Self { hash, pin_use, attempts }
    }
}

/// How many PINs and counts [`copy_pins`] has replaced or taken away, and how many were the same already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CopiedPins {
    /// PINs of mailboxes.
    pub pins: u64,
    /// Counts of telephones.
    pub telephones: u64,
    /// PINs and counts that were the same already.
    pub unchanged: u64,
}

impl fmt::Display for CopiedPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pins, telephones, unchanged } = self;
        write!(f, "{pins} PINs and {telephones} counts of telephones copied, {unchanged} unchanged")
    }
}

/// The reason why PINs could not be copied.
#[derive(Debug, thiserror::Error)]
#[error("the PINs could not be read or written")]
pub struct CopyPinsError {
    /// The error of the store.
    #[source]
    pub source: Box<dyn StdError + Send + Sync>,
}

impl CopyPinsError {
    /// Returns the error of a store that failed with `source`.
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}

/// Copies all PINs and counts of wrong PINs, so that `target` has those of `source` and no others. A lockout goes on in the target.
///
/// A page of PINs of each store is in memory. The call can be repeated until no node uses the source any more; what is the same already is not written.
///
/// # Errors
///
/// [`CopyPinsError`]; the same call goes on.
///
/// # Cancel safety
///
/// A dropped call has copied some of them. The same call again copies the rest.
pub async fn copy_pins<S, T>(source: &S, target: &T) -> Result<CopiedPins, CopyPinsError>
where
    S: CopyablePins + ?Sized,
    T: CopyablePins + ?Sized,
{
    let mut copied = CopiedPins::default();
    let (mut from, mut to) = (Pages::new(PAGE), Pages::new(PAGE));
    loop {
        if from.is_due() {
            from.fill(source.pins(from.last(), PAGE).await?);
        }
        if to.is_due() {
            to.fill(target.pins(to.last(), PAGE).await?);
        }
        let Some((mailbox, wanted, there)) = next_of(&mut from, &mut to) else { break };
        if wanted == there {
            copied.unchanged += 1;
        } else {
            target.replace_pin(&mailbox, wanted.as_ref()).await?;
            copied.pins += 1;
        }
    }
    let (mut from, mut to) = (Pages::new(PAGE), Pages::new(PAGE));
    loop {
        if from.is_due() {
            from.fill(source.telephones(from.last().copied(), PAGE).await?);
        }
        if to.is_due() {
            to.fill(target.telephones(to.last().copied(), PAGE).await?);
        }
        let Some((telephone, wanted, there)) = next_of(&mut from, &mut to) else { return Ok(copied) };
        if wanted == there {
            copied.unchanged += 1;
        } else {
            target.replace_telephone(telephone, wanted).await?;
            copied.telephones += 1;
        }
    }
}

/// How many entries of each store are in memory.
const PAGE: usize = 1000;
