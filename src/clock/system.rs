//! [`SystemClock`]: the operating system's clock.

use chrono::Utc;

use super::{Clock, Reading};
use crate::message::{ClockQuality, ClockSource};

/// The operating system's clock. How good it is depends on the program that sets it, for example an NTP daemon.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Reading {
        Reading { instant: Utc::now(), quality: ClockQuality::unknown(ClockSource::System) }
    }
}
