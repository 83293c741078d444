//! [`LampLease`]: decides which of several nodes updates the lamps of a PBX.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::message::SiteId;

/// Decides which of several central nodes updates the lamps of a PBX that nobody has subscribed to: the one that holds the lease of the PBX.
///
/// Two nodes that notify one PBX could put an older state after a newer one, and a telephone cannot see that. So each node
/// [renews](Self::renew) the leases of its PBXs twice a second, and shows states only while it holds the lease, by its own monotonic clock: from before
/// it asked, for the [term](Self::term) less a second. A node that is dead, frozen or cut off loses its leases by that, without being asked.
/// Telephones that subscribe are served by every node, without a lease.
///
/// The second is for clocks that do not run alike, and for states that are on their way: a network or a peer that holds a state back for longer may
/// still show it late. A monotonic clock stands still while a whole machine is suspended; so suspend no machine with a central node.
///
/// # Contract
///
/// - **One holder.** A lease that [`renew`](Self::renew) has answered goes to no other holder before the term has passed since that call began.
/// - **Kept.** The holder that renews a lease in time keeps it.
/// - **Lost by silence.** A lease that is not renewed is free when the term has passed since its holder's last call was answered.
/// - **Freed.** After [`release`](Self::release), each lease of this holder is free.
///
/// [`conformance::lease`](crate::conformance::lease) tests each sentence.
#[async_trait]
pub trait LampLease: Debug + Send + Sync + 'static {
    /// Takes the leases of those `sites` that no other holder has, renews those that this holder has, and answers all that it holds now.
    ///
    /// # Errors
    ///
    /// [`LeaseError`] when the medium does not answer; the leases that this holder has run out then, unless a later call renews them in time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has taken the leases or not. If it has, nobody uses them until the next call or until their term has passed.
    async fn renew(&self, sites: &[SiteId]) -> Result<Vec<SiteId>, LeaseError>;

    /// Gives up the leases of this holder, so that another one need not wait until they run out.
    ///
    /// # Errors
    ///
    /// [`LeaseError`] when the medium does not answer; the leases then run out.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has given up the leases or not.
    async fn release(&self) -> Result<(), LeaseError>;

    /// Returns how long a lease lasts after it was taken or renewed: always the same, and more than two seconds.
    fn term(&self) -> Duration;
}

/// The medium of the leases did not answer; the same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("the leases of the lamps cannot be renewed now")]
pub struct LeaseError {
    /// The error of the medium.
    #[source]
    pub source: Box<dyn StdError + Send + Sync>,
}

impl LeaseError {
    /// Returns the error of a medium that failed with `source`.
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }

    /// Whether the same call, unchanged, may succeed later: always.
    pub fn is_transient(&self) -> bool {
        true
    }
}

/// Implements [`LampLease`] for a shared or boxed lease, by passing every call on.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<L: LampLease + ?Sized> LampLease for $wrapper<L> {
            async fn renew(&self, sites: &[SiteId]) -> Result<Vec<SiteId>, LeaseError> {
                (**self).renew(sites).await
            }

            async fn release(&self) -> Result<(), LeaseError> {
                (**self).release().await
            }

            fn term(&self) -> Duration {
                (**self).term()
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
