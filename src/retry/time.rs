//! The monotonic clock, a wait, a jitter.

use std::time::Instant;

/// The monotonic clock's reading, which a test may have paused.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until `instant`; for ever without one.
#[cfg(feature = "smtp")]
pub(crate) async fn wait_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

/// A random number from 0 to 1; 0 if the operating system has none to give, which only makes waits alike.
#[cfg(feature = "node")]
pub(crate) fn random_fraction() -> f64 {
    getrandom::u32().map_or(0.0, |number| f64::from(number) / f64::from(u32::MAX))
}
