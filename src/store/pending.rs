//! [`PendingArrivals`]: the arrivals that a store remembers until a node has dealt with them.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::message::{MailboxId, MessageId};

/// Remembers each message that is deposited, until a node has [settled](Self::settle) it.
///
/// # Contract
///
/// - **Remembered.** After [`remember`](Self::remember), each deposit that answers [`Deposit::Stored`](super::Deposit::Stored) is pending until it is
///   settled, as durably as the message itself. An import is not.
/// - **Held.** A deposit is held for the node that it was made on, for half a minute or more. A held arrival is taken by nobody, until its hold is over or
///   its node has died.
/// - **Extended.** A node that has an arrival in work extends its hold. Of two nodes, each message is then in work at one only, unless the store was away for
///   longer than the hold.
/// - **Taken.** [`take`](Self::take) answers pending arrivals that are not held, each whose message is still there; it is held from then on.
/// - **Added.** An arrival that was [added](Self::add) is pending until it is settled, if its message is there.
/// - **Settled.** A settled arrival is not taken again, unless the power is cut within seconds: then it may be taken once more.
///
/// [`conformance::store::remembered`](crate::conformance::store::remembered) and [`extended`](crate::conformance::store::extended) test them.
#[async_trait]
pub trait PendingArrivals: Debug + Send + Sync {
    /// Remembers each deposit from now on.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSpace`], [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// Deposits are remembered after a dropped call or not. The same call again settles it.
    async fn remember(&self) -> Result<(), StoreError>;

    /// Takes up to `most` pending arrivals, in no order, and holds them for `hold`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may hold arrivals, which can be taken when the hold is over.
    async fn take(&self, most: usize, hold: Duration) -> Result<Vec<PendingArrival>, StoreError>;

    /// Holds these arrivals, which are held for this node, for `hold` from now on or for longer; one that is not pending any more is no error.
    ///
    /// A node calls it every ten seconds for the arrivals that it has in work. The default does nothing: it is for a store in which a hold ends no sooner
    /// than its node, or that one node uses. Such a store may answer an arrival in work to its own node again, which ignores it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has extended the holds of all, of some or of none. The same call again settles it.
    async fn extend(&self, arrivals: &[PendingArrival], hold: Duration) -> Result<(), StoreError> {
        let _ = (arrivals, hold);
        Ok(())
    }

    /// Remembers these arrivals, of messages that are in the store already, as durably as a deposit does; one that is pending is no error. So the steps of
    /// messages are done that were copied from another store before they were done there.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSpace`], [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has added some of them. The same call again adds the rest.
    async fn add(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError>;

    /// Forgets these arrivals; one that is not pending is no error.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotWritable`] and [`StoreError::Unavailable`] may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has settled some of them. The same call again settles the rest.
    async fn settle(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError>;
}

/// Moves the arrivals that no node has settled from `source` to `target`, into which their messages were copied before; returns how many. No node uses the
/// source; arrivals that its last node held are moved when their holds are over, which takes up to half a minute in some stores.
///
/// An arrival is settled in the source after the target remembers it, so none is lost.
///
/// # Errors
///
/// [`StoreError`] if one of the stores fails; the same call goes on, when the holds of half a minute are over.
///
/// # Cancel safety
///
/// As with an error.
pub async fn move_arrivals(source: &dyn PendingArrivals, target: &dyn PendingArrivals) -> Result<u64, StoreError> {
    // Also to take what was remembered before.
    source.remember().await?;
    target.remember().await?;
    let mut moved = 0;
    loop {
        let taken = source.take(PAGE, MOVING).await?;
        if taken.is_empty() {
            return Ok(moved);
        }
        target.add(&taken).await?;
        source.settle(&taken).await?;
        moved += taken.len() as u64;
    }
}

/// A message that arrived in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct PendingArrival {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The id of the message there.
    pub id: MessageId,
}

impl PendingArrival {
    /// The arrival of the message `id` in `mailbox`.
    pub const fn new(mailbox: MailboxId, id: MessageId) -> Self {
        Self { mailbox, id }
    }
}

/// How many arrivals are moved at once, and for how long they are held meanwhile.
const PAGE: usize = 100;
const MOVING: Duration = Duration::from_secs(30);
