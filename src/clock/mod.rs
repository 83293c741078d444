//! Time: the trait [`Clock`], and the clocks beside it.

#[cfg(feature = "memory")]
mod manual;
#[cfg(feature = "sntp")]
mod sntp;
mod system;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

#[cfg(feature = "memory")]
pub use self::manual::ManualClock;
#[cfg(feature = "sntp")]
pub use self::sntp::{SntpClock, SntpError};
pub use self::system::SystemClock;
use crate::message::ClockQuality;

/// Tells the time, and how far it can be trusted. Nobody else in the crate reads a wall clock.
///
/// # Contract
///
/// - **Told plainly.** Each reading says how good it is; a clock that does not know says so.
/// - **At once.** A reading neither waits nor fails: a recording is never held up by a time server.
/// - **Kept right.** [`synchronize`](Self::synchronize) never ends by itself; a clock whose `synchronize` is dropped, or not called at all, tells the time all
///   the same.
///
/// [`conformance::clock`](crate::conformance::clock) tests what can be seen from outside.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// What time it is now.
    fn now(&self) -> Reading;

    /// Does what keeps the clock right, for ever; nothing, unless the clock has something to do.
    ///
    /// [`Node::run`](crate::node::Node::run) drives it for the clock of the node.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stops that work; the clock goes on from what it knows, and the next call takes the work up again.
    async fn synchronize(&self) {
        std::future::pending::<()>().await;
    }
}

/// One look at a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// The instant.
    pub instant: DateTime<Utc>,
    /// How good it is.
    pub quality: ClockQuality,
}

impl Reading {
    /// The time `instant`, known this well.
    pub const fn new(instant: DateTime<Utc>, quality: ClockQuality) -> Self {
        Self { instant, quality }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Reading {
        (**self).now()
    }

    async fn synchronize(&self) {
        (**self).synchronize().await;
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<C: Clock + ?Sized> Clock for Box<C> {
    fn now(&self) -> Reading {
        (**self).now()
    }

    async fn synchronize(&self) {
        (**self).synchronize().await;
    }
}
