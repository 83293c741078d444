//! [`RequestOutcome`]: what the answer of a receiver means.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The meaning of the answer of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// The receiver has the request.
    Done,
    /// The receiver wants no more requests: the end point is to be disabled.
    Gone,
    /// The request is to be tried again.
    #[non_exhaustive]
    Failed {
        /// The status of the answer.
        status: u16,
        /// The least wait until the next try.
        wait: Duration,
    },
}

impl RequestOutcome {
    /// Returns what a status and the value of `Retry-After` mean at the time `now`.
    ///
    /// # Source
    ///
    /// Standard Webhooks 1.0.0, "Successful deliveries" and "Throttling"; RFC 9110 §10.2.3.
    pub fn of(status: u16, retry_after: Option<&str>, now: DateTime<Utc>) -> Self {
        let asked = retry_after.and_then(|value| read_retry_after(value, now));
        let wait = match status {
            200..=299 => return Self::Done,
            410 => return Self::Gone,
            429 | 502 | 504 => asked.unwrap_or_default().max(THROTTLED),
            _ => asked.unwrap_or_default(),
        };
        Self::Failed { status, wait }
    }
}

/// Reads a number of seconds or a date; at most a day from `now`.
fn read_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let wait = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(value.trim()).ok()?.to_utc() - now).to_std().unwrap_or_default(),
    };
    Some(wait.min(LONGEST))
}

/// The least wait after an answer that asks to slow down.
const THROTTLED: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, retry_after: Option<&str>) -> RequestOutcome {
        RequestOutcome::of(status, retry_after, "2026-11-28T19:19:05Z".parse().unwrap())
    }

    #[test]
    fn only_2xx_is_success_and_only_410_ends_the_end_point() {
        for status in [200, 202, 204, 299] {
            assert_eq!(of(status, None), RequestOutcome::Done);
        }
        assert_eq!(of(410, Some("5")), RequestOutcome::Gone);
        for status in [100, 301, 302, 307, 308, 400, 401, 404, 500, 599] {
            assert_eq!(of(status, None), RequestOutcome::Failed { status, wait: Duration::ZERO });
        }
    }

    #[test]
    fn a_receiver_may_ask_for_a_wait() {
        for status in [429, 502, 504] {
            let failed = |secs| RequestOutcome::Failed { status, wait: Duration::from_secs(secs) };
            assert_eq!(of(status, None), failed(60));
            assert_eq!(of(status, Some("5")), failed(60));
            assert_eq!(of(status, Some(" 120")), failed(120));
            assert_eq!(of(status, Some("99999999")), failed(86_400));
            assert_eq!(of(status, Some("Sat, 28 Nov 2026 19:29:05 GMT")), failed(600));
            assert_eq!(of(status, Some("Fri, 27 Nov 2026 19:29:05 GMT")), failed(60));
            assert_eq!(of(status, Some("soon")), failed(60));
        }
        assert_eq!(of(503, Some("5")), RequestOutcome::Failed { status: 503, wait: Duration::from_secs(5) });
    }
}
