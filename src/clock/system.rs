//! [`SystemClock`].

use chrono::Utc;

use super::{Clock, Reading};
use crate::message::{ClockQuality, ClockSource};

/// The operating system's clock, as good as whoever sets it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Reading {
        Reading { instant: Utc::now(), quality: ClockQuality::unknown(ClockSource::System) }
    }
}
