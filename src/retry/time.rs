//! The monotonic clock, waiting until an instant, and a random number for jitter.

use std::time::Instant;

/// Returns the time of the monotonic clock, which a test may have paused.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until `instant`, or for ever if there is none.
#[cfg(any(feature = "smtp", feature = "sip"))]
pub(crate) async fn wait_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

/// Returns a random number from 0 to 1; 0 if the operating system has none, in which case all waits are alike.
#[cfg(feature = "node")]
pub(crate) fn random_fraction() -> f64 {
    getrandom::u32().map_or(0.0, |number| f64::from(number) / f64::from(u32::MAX))
}
