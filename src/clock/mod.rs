//! Time: the trait [`Clock`] and its implementations.

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

/// A clock that gives the time of day and its quality. No other code in this crate reads the time of day.
///
/// # Contract
///
/// - **Honest.** Each reading says how good it is; a clock that does not know says so.
/// - **At once.** A reading neither waits nor fails: a time server never delays a recording.
/// - **Synchronized.** [`synchronize`](Self::synchronize) never ends by itself. A clock gives readings also when its `synchronize` was dropped, or
///   never called.
///
/// [`conformance::clock`](crate::conformance::clock) tests what can be seen from outside.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the present time and its quality.
    fn now(&self) -> Reading;

    /// Keeps the clock right, for ever. The default does nothing, for a clock that needs no such work.
    ///
    /// [`Node::run`](crate::node::Node::run) drives this future for the clock of the node.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stops this work; the clock goes on from its last measurement, and the next call continues the work.
    async fn synchronize(&self) {
        std::future::pending::<()>().await;
    }
}

/// A reading of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// The instant.
    pub instant: DateTime<Utc>,
    /// How good the reading is.
    pub quality: ClockQuality,
}

impl Reading {
    /// Returns a reading of this quality.
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
