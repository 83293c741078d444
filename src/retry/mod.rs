//! Waiting and failing: what everything uses that waits for its turn or tries again. Decides; does nothing.
//!
//! [`RetrySchedule`] says when a failed try is made again, [`Pacing`] when a lamp is shown its next state. The clock and the waits beside
//! them are this crate's own.

#[cfg(any(feature = "smtp", feature = "sip"))]
mod failures;
mod pacing;
#[cfg(feature = "node")]
mod rate;
mod schedule;
#[cfg(any(feature = "smtp", feature = "sntp"))]
mod time;

#[cfg(any(feature = "smtp", feature = "sip"))]
pub(crate) use self::failures::{Failures, network_of};
pub use self::pacing::Pacing;
#[cfg(feature = "node")]
pub(crate) use self::rate::Rate;
pub use self::schedule::RetrySchedule;
#[cfg(any(feature = "smtp", feature = "sntp"))]
pub(crate) use self::time::now;
#[cfg(feature = "node")]
pub(crate) use self::time::random_fraction;
#[cfg(feature = "smtp")]
pub(crate) use self::time::wait_until;
