//! [`Timeline`]: the place of each RTP packet in a recording.

use super::{Codec, Format};

/// Builds a recording by RTP timestamps, so that it has the length of the call even if packets were lost or late.
///
/// A lost packet leaves silence of its length. A late packet replaces that silence as long as it is still in memory. A duplicate changes
/// nothing. A jump of more than [`MAX_GAP_SECS`] seconds, in either direction, means that the sender has restarted its timestamps.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    format: Format,
    next: Option<u32>,
}

impl Timeline {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, next: None }
    }

    /// Forgets the timestamps: the next packet has another source (SSRC), and continues at the end of the recording.
    pub(crate) fn restart_source(&mut self) {
        self.next = None;
    }

    /// Puts `payload`, whose first frame has the timestamp `at`, into `recorded`, which ends with the sound recorded so far. Appends at most
    /// `max_added` bytes, and returns how many it appended.
    pub(crate) fn place(&mut self, recorded: &mut Vec<u8>, payload: &[u8], at: u32, max_added: usize) -> usize {
        let frame = self.format.bytes_per_frame() as usize;
        let payload = &payload[..payload.len() / frame * frame];
        let frames = u32::try_from(payload.len() / frame).unwrap_or(u32::MAX);
        let before = recorded.len();
        let limit = before.saturating_add(max_added);
        let ahead = self.next.map_or(0, |next| at.wrapping_sub(next).cast_signed());
        let gap = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX).saturating_mul(frame);
        if ahead.unsigned_abs() > self.format.rate.saturating_mul(MAX_GAP_SECS) {
            self.append(recorded, payload, limit);
            self.next = Some(at.wrapping_add(frames));
        } else if ahead >= 0 {
            recorded.resize(before.saturating_add(gap).min(limit), self.format.codec.silence());
            self.append(recorded, payload, limit);
            self.next = Some(at.wrapping_add(frames));
        } else if gap <= before {
            let (inside, beyond) = payload.split_at(payload.len().min(gap));
            self.overwrite(&mut recorded[before - gap..][..inside.len()], inside);
            self.append(recorded, beyond, limit);
            if !beyond.is_empty() {
                self.next = Some(at.wrapping_add(frames));
            }
        }
        recorded.len() - before
    }

    fn append(&self, recorded: &mut Vec<u8>, payload: &[u8], limit: usize) {
        let start = recorded.len();
        let room = limit.saturating_sub(start);
        recorded.extend_from_slice(&payload[..payload.len().min(room)]);
        self.to_file_order(&mut recorded[start..]);
    }

    fn overwrite(&self, place: &mut [u8], payload: &[u8]) {
        place.copy_from_slice(payload);
        self.to_file_order(place);
    }

    /// Swaps the bytes of L16: RTP carries the high byte first (RFC 3551 §4.5.11), a WAV file the low byte.
    fn to_file_order(&self, bytes: &mut [u8]) {
        if self.format.codec == Codec::L16 {
            bytes.chunks_exact_mut(2).for_each(|sample| sample.swap(0, 1));
        }
    }
}

/// A longer gap between two packets is a restart of the timestamps.
const MAX_GAP_SECS: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const PCMU: Format = Format { codec: Codec::Pcmu, rate: 8000, channels: 1 };
    const L16: Format = Format { codec: Codec::L16, rate: 16_000, channels: 1 };
    const PLENTY: usize = usize::MAX;

    /// Packets of 4 frames, placed by their timestamps.
    fn placed(format: Format, packets: &[(u32, &[u8])]) -> Vec<u8> {
        let mut timeline = Timeline::new(format);
        let mut recorded = Vec::new();
        for (at, payload) in packets {
            timeline.place(&mut recorded, payload, *at, PLENTY);
        }
        recorded
    }

    #[test]
    fn packets_in_order_are_joined_also_when_the_timestamp_wraps() {
        assert_eq!(placed(PCMU, &[(u32::MAX - 3, b"abcd"), (0, b"efgh"), (4, b"ijkl")]), b"abcdefghijkl");
    }

    #[test]
    fn a_lost_packet_leaves_silence_of_its_length() {
        assert_eq!(placed(PCMU, &[(0, b"abcd"), (8, b"ijkl")]), b"abcd\xff\xff\xff\xffijkl");
    }

    #[test]
    fn a_late_packet_is_put_in_place_and_a_duplicate_is_ignored() {
        assert_eq!(placed(PCMU, &[(0, b"abcd"), (8, b"ijkl"), (4, b"efgh"), (4, b"efgh")]), b"abcdefghijkl");
        assert_eq!(placed(PCMU, &[(0, b"abcd"), (2, b"cdef")]), b"abcdef");
    }

    #[test]
    fn a_packet_from_before_the_recording_is_dropped() {
        assert_eq!(placed(PCMU, &[(100, b"abcd"), (90, b"zzzz"), (104, b"efgh")]), b"abcdefgh");
    }

    #[test]
    fn a_sender_that_starts_anew_goes_on_at_once() {
        assert_eq!(placed(PCMU, &[(0, b"abcd"), (3_000_000_000, b"efgh"), (3_000_000_004, b"ijkl")]), b"abcdefghijkl");
    }

    #[test]
    fn another_source_goes_on_at_the_end_whatever_its_timestamps() {
        let mut timeline = Timeline::new(PCMU);
        let mut recorded = Vec::new();
        timeline.place(&mut recorded, b"abcd", 1000, PLENTY);
        timeline.restart_source();
        timeline.place(&mut recorded, b"efgh", 996, PLENTY);
        timeline.place(&mut recorded, b"ijkl", 1000, PLENTY);
        assert_eq!(recorded, b"abcdefghijkl");
    }

    #[test]
    fn l16_is_byte_swapped_and_half_a_frame_is_dropped() {
        assert_eq!(placed(L16, &[(0, &[1, 2, 3, 4, 5]), (2, &[6, 7])]), [2, 1, 4, 3, 7, 6]);
    }

    #[test]
    fn a_gap_never_adds_more_than_is_allowed() {
        let mut timeline = Timeline::new(PCMU);
        let mut recorded = Vec::new();
        assert_eq!(timeline.place(&mut recorded, b"abcd", 0, 4), 4);
        assert_eq!(timeline.place(&mut recorded, b"wxyz", 80_000, 6), 6);
        assert_eq!(recorded.len(), 10);
    }
}
