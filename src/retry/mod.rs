//! Retrying: how long to wait after a failure, and how often to try. Everything here decides, and does nothing itself.
//!
//! [`RetryPolicy`] holds the waits of all parts of a node, each a [`Backoff`]. [`RetrySchedule`] counts the failures of one thing that is
//! retried, and [`Pacing`] limits how often a lamp is updated. The clock and the timers beside them are private to this crate.

#[cfg(feature = "node")]
mod age;
#[cfg(any(feature = "smtp", feature = "sip"))]
mod failures;
#[cfg(feature = "node")]
mod outage;
mod pacing;
mod policy;
#[cfg(feature = "node")]
mod rate;
mod schedule;
#[cfg(any(feature = "fs", feature = "smtp", feature = "sip", feature = "sntp"))]
mod time;

#[cfg(feature = "node")]
pub(crate) use self::age::{credible_age, is_over};
#[cfg(any(feature = "smtp", feature = "sip"))]
pub(crate) use self::failures::{Failures, network_of};
#[cfg(feature = "node")]
pub(crate) use self::outage::Outage;
pub use self::pacing::Pacing;
pub use self::policy::RetryPolicy;
#[cfg(feature = "node")]
pub(crate) use self::rate::Rate;
pub use self::schedule::{Backoff, InvalidBackoff, RetrySchedule};
#[cfg(any(feature = "fs", feature = "smtp", feature = "sip", feature = "sntp"))]
pub(crate) use self::time::now;
#[cfg(feature = "node")]
pub(crate) use self::time::random_fraction;
#[cfg(any(feature = "smtp", feature = "sip"))]
pub(crate) use self::time::wait_until;
