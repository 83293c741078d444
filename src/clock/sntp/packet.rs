//! Requests to time servers and their replies: bytes to values and back, without I/O.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Returns a request with `nonce`, which only its own reply repeats.
///
/// # Source
///
/// RFC 4330 §5: a client fills in the first byte and its transmit timestamp. Here this is 64 random bits, so that only a peer that has seen the
/// request can answer it.
pub(super) fn request(nonce: u64) -> [u8; LEN] {
    let mut packet = [0; LEN];
    packet[0] = VERSION_4 | MODE_CLIENT;
    packet[TRANSMIT..].copy_from_slice(&nonce.to_be_bytes());
    packet
}

/// A valid reply of a time server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reply {
    /// When the server got the request, by its clock.
    pub received: DateTime<Utc>,
    /// When the server sent the reply, by its clock.
    pub sent: DateTime<Utc>,
    /// How far the clock of the server may be from the true time, by its own estimate.
    pub root_distance: Duration,
}

/// The reason why a packet gives no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplyError {
    /// The packet answers another request, or is no reply at all. The right reply may still come.
    #[error("not the reply to the request")]
    NotOurs,
    /// The server asks for fewer requests: at most one in `interval`.
    #[error("the server asks to be polled less often")]
    Rate {
        /// The interval that the server names.
        interval: Duration,
    },
    /// The server denies access.
    #[error("the server denies access")]
    Denied,
    /// The server does not know the time itself.
    #[error("the server does not know the time")]
    NotSynchronized,
    /// The server's times contradict each other.
    #[error("the server's times contradict each other")]
    Inconsistent,
}

impl Reply {
    /// Reads the reply to the request with `nonce`.
    ///
    /// # Source
    ///
    /// RFC 4330 §4 and §5; §8 and RFC 5905 §7.4 for the kiss codes, which come with a stratum of 0, and from most servers with an
    /// unknown leap indicator too.
    pub(super) fn parse(packet: &[u8], nonce: u64) -> Result<Self, ReplyError> {
        let word = |at: usize| packet.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u64::from_be_bytes(*bytes));
        let half = |at: usize| packet.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_be_bytes(*bytes));
        let fields = (word(ORIGINATE), word(RECEIVE), word(TRANSMIT), half(ROOT_DELAY), half(ROOT_DISPERSION));
        let (Some(originate), Some(received), Some(sent), Some(delay), Some(dispersion)) = fields else {
            return Err(ReplyError::NotOurs);
        };
        let (leap, mode, stratum) = (packet[0] >> 6, packet[0] & 7, packet[1]);
        if mode != MODE_SERVER || originate != nonce {
            return Err(ReplyError::NotOurs);
        }
        match packet.get(REFERENCE_ID..REFERENCE_TIME) {
            Some(b"RATE") if stratum == 0 => return Err(ReplyError::Rate { interval: interval(packet[POLL]) }),
            Some(b"DENY" | b"RSTR") if stratum == 0 => return Err(ReplyError::Denied),
            _ => {}
        }
        if leap == LEAP_UNKNOWN || stratum == 0 || stratum > MAX_STRATUM || sent == 0 || received == 0 {
            return Err(ReplyError::NotSynchronized);
        }
        let (received, sent) = (instant(received), instant(sent));
        if sent < received {
            return Err(ReplyError::Inconsistent);
        }
        Ok(Self { received, sent, root_distance: short(delay) / 2 + short(dispersion) })
    }
}

/// Reads a timestamp: seconds and their 2^32nd parts, since 1900 or, when the highest bit is clear, since 2036-02-07T06:28:16Z.
///
/// # Source
///
/// RFC 4330 §3.
fn instant(stamp: u64) -> DateTime<Utc> {
    let (secs, fraction) = (stamp >> 32, stamp & u64::from(u32::MAX));
    let era = if secs < 1 << 31 { 1_i64 << 32 } else { 0 };
    let secs = i64::try_from(secs).unwrap_or(0) + era - SECS_FROM_1900_TO_1970;
    let nanos = u32::try_from((fraction * 1_000_000_000) >> 32).unwrap_or(0);
    DateTime::from_timestamp(secs, nanos).unwrap_or(DateTime::UNIX_EPOCH)
}

/// Reads a polling interval: a power of two of seconds.
fn interval(poll: u8) -> Duration {
    Duration::from_secs(1 << poll.min(MAX_POLL))
}

/// Reads seconds and their 2^16th parts.
fn short(value: u32) -> Duration {
    Duration::from_nanos((u64::from(value) * 1_000_000_000) >> 16)
}

pub(super) const LEN: usize = 48;
const VERSION_4: u8 = 4 << 3;
const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;
const LEAP_UNKNOWN: u8 = 3;
const MAX_STRATUM: u8 = 15;
const POLL: usize = 2;
/// RFC 5905 §7.2: 36 hours.
const MAX_POLL: u8 = 17;
const ROOT_DELAY: usize = 4;
const ROOT_DISPERSION: usize = 8;
const REFERENCE_ID: usize = 12;
const REFERENCE_TIME: usize = 16;
const ORIGINATE: usize = 24;
const RECEIVE: usize = 32;
const TRANSMIT: usize = 40;
const SECS_FROM_1900_TO_1970: i64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: u64 = 0x0123_4567_89ab_cdef;

    fn reply(first: u8, stratum: u8, sent: u64) -> Vec<u8> {
        let mut packet = vec![first, stratum, 0, 0];
        packet.extend(0x0000_8000_u32.to_be_bytes()); // half a second of delay
        packet.extend(0x0001_0000_u32.to_be_bytes()); // a second of dispersion
        packet.extend([0; 12]);
        packet.extend(NONCE.to_be_bytes());
        packet.extend(sent.wrapping_sub(0x4000_0000).to_be_bytes());
        packet.extend(sent.to_be_bytes());
        packet
    }

    /// 2025-03-30T00:59:40.5Z.
    const SENT: u64 = ((1_743_296_380 + 2_208_988_800) << 32) | 0x8000_0000;

    #[test]
    fn a_request_has_48_bytes_version_mode_and_the_nonce_at_its_end() {
        let packet = request(NONCE);
        assert_eq!((packet[0], &packet[40..]), (0x23, &NONCE.to_be_bytes()[..]));
        assert!(packet[1..40].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_reply_tells_both_times_and_how_good_they_are() {
        let read = Reply::parse(&reply(0x24, 2, SENT), NONCE).unwrap();
        assert_eq!(read.sent.to_rfc3339(), "2025-03-30T00:59:40.500+00:00");
        assert_eq!(read.received.to_rfc3339(), "2025-03-30T00:59:40.250+00:00");
        assert_eq!(read.root_distance, Duration::from_millis(1250));
    }

    #[test]
    fn the_era_that_begins_in_2036_is_read_right() {
        let at = |secs: u64| Reply::parse(&reply(0x24, 2, (secs << 32) | 0x4000_0000), NONCE).unwrap().sent.to_rfc3339();
        assert_eq!(at(0xffff_ffff), "2036-02-07T06:28:15.250+00:00");
        assert_eq!(at(1), "2036-02-07T06:28:17.250+00:00");
        assert_eq!(at(0x7fff_ffff), "2104-02-26T09:42:23.250+00:00");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let parse = |packet: &[u8]| Reply::parse(packet, NONCE).unwrap_err();
        assert_eq!(Reply::parse(&reply(0x24, 2, SENT), NONCE + 1), Err(ReplyError::NotOurs), "another request's");
        assert_eq!(parse(&reply(0x23, 2, SENT)), ReplyError::NotOurs, "a request");
        assert_eq!(parse(&reply(0x24, 2, SENT)[..47]), ReplyError::NotOurs);
        assert_eq!(parse(&reply(0x24, 0, SENT)), ReplyError::NotSynchronized);
        assert_eq!(parse(&reply(0xe4, 2, SENT)), ReplyError::NotSynchronized);
        assert_eq!(parse(&reply(0xe4, 0, SENT)), ReplyError::NotSynchronized, "chronyd without a source");
        assert_eq!(parse(&reply(0x24, 16, SENT)), ReplyError::NotSynchronized);
        assert_eq!(parse(&reply(0x24, 2, 0)), ReplyError::NotSynchronized);
        let mut backwards = reply(0x24, 2, SENT);
        backwards[RECEIVE..TRANSMIT].copy_from_slice(&(SENT + 1_000_000_000).to_be_bytes());
        assert_eq!(parse(&backwards), ReplyError::Inconsistent);
    }

    #[test]
    fn a_kiss_of_death_is_read_whatever_its_leap_indicator() {
        for first in [0x24, 0xe4] {
            let kiss = |code: &[u8; 4], poll: u8| {
                let mut packet = reply(first, 0, SENT);
                packet[POLL] = poll;
                packet[REFERENCE_ID..REFERENCE_TIME].copy_from_slice(code);
                Reply::parse(&packet, NONCE).unwrap_err()
            };
            assert_eq!(kiss(b"RATE", 6), ReplyError::Rate { interval: Duration::from_secs(64) });
            assert_eq!(kiss(b"RATE", 255), ReplyError::Rate { interval: Duration::from_secs(131_072) });
            assert_eq!(kiss(b"DENY", 0), ReplyError::Denied);
            assert_eq!(kiss(b"RSTR", 0), ReplyError::Denied);
            assert_eq!(kiss(b"INIT", 0), ReplyError::NotSynchronized);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut packet in proptest::collection::vec(any::<u8>(), 0..100), ours: bool) {
            if ours && packet.len() >= LEN {
                packet[ORIGINATE..RECEIVE].copy_from_slice(&NONCE.to_be_bytes());
            }
            let _ = Reply::parse(&packet, NONCE);
        }
    }
}
