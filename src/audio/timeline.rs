//! [`Timeline`]: the place of each RTP packet in a recording.

use super::{Codec, Format};

/// Builds a recording by RTP timestamps, so that it has the length of the call even if packets were lost or late.
///
/// A lost packet leaves silence of its length. A late packet replaces that silence as long as it is still in memory, also when it is the
/// first packet of its source that is late. A duplicate changes nothing. A jump of more than [`MAX_GAP_SECS`] seconds, in either direction,
/// means that the sender has restarted its timestamps.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    format: Format,
    next: Option<u32>,
    /// How many frames of the recording come from the present source, with its present timestamps.
    frames_of_source: u32,
}

impl Timeline {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, next: None, frames_of_source: 0 }
    }

    /// Forgets the timestamps: the next packet has another source (SSRC), and continues at the end of the recording.
    pub(crate) fn restart_source(&mut self) {
        (self.next, self.frames_of_source) = (None, 0);
    }

    /// Puts `payload`, whose first frame has the timestamp `at`, into `recorded`, which ends with the sound recorded so far. Adds at most
    /// `max_added` bytes, and returns how many it added.
    pub(crate) fn place(&mut self, recorded: &mut Vec<u8>, payload: &[u8], at: u32, max_added: usize) -> usize {
        let frame = self.format.bytes_per_frame() as usize;
        let payload = &payload[..payload.len() / frame * frame];
        let before = recorded.len();
        let limit = before.saturating_add(max_added);
        let ahead = self.next.map_or(0, |next| at.wrapping_sub(next).cast_signed());
        let distance = ahead.unsigned_abs();
        if distance > self.format.rate.saturating_mul(MAX_GAP_SECS) {
            self.restart_source();
            self.append(recorded, payload, at, limit);
        } else if ahead >= 0 {
            recorded.resize(before.saturating_add(self.bytes(distance)).min(limit), self.format.codec.silence());
            self.frames_of_source = self.frames_of_source.saturating_add(distance);
            self.append(recorded, payload, at, limit);
        } else {
            self.make_room_before_source(recorded, distance, limit);
            let behind = self.bytes(distance);
            if distance <= self.frames_of_source && behind <= recorded.len() {
                let (inside, beyond) = payload.split_at(payload.len().min(behind));
                let start = recorded.len() - behind;
                self.overwrite(&mut recorded[start..][..inside.len()], inside);
                if !beyond.is_empty() {
                    self.append(recorded, beyond, at.wrapping_add(distance), limit);
                }
            }
        }
        recorded.len() - before
    }

    /// Puts silence before the first packet of the source, for a packet of `distance` frames before the end that was overtaken by it. Nothing
    /// happens if the place is not in memory, or there is no room.
    fn make_room_before_source(&mut self, recorded: &mut Vec<u8>, distance: u32, limit: usize) {
        let early = distance.saturating_sub(self.frames_of_source);
        let Some(start) = recorded.len().checked_sub(self.bytes(self.frames_of_source)) else { return };
        let has_room = recorded.len().saturating_add(self.bytes(early)) <= limit;
        if early > 0 && early <= self.format.rate / MAX_EARLY_PER_SECOND && has_room {
            recorded.splice(start..start, std::iter::repeat_n(self.format.codec.silence(), self.bytes(early)));
            self.frames_of_source = distance;
        }
    }

    fn bytes(&self, frames: u32) -> usize {
        usize::try_from(frames).unwrap_or(usize::MAX).saturating_mul(self.format.bytes_per_frame() as usize)
    }

    /// Appends `payload`, whose first frame has the timestamp `at`.
    fn append(&mut self, recorded: &mut Vec<u8>, payload: &[u8], at: u32, limit: usize) {
        let frames = payload.len() as u64 / u64::from(self.format.bytes_per_frame());
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        self.next = Some(at.wrapping_add(frames));
        self.frames_of_source = self.frames_of_source.saturating_add(frames);
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
/// The part of a second by which a packet may come before the first one of its source and still have been overtaken by it: half a second.
const MAX_EARLY_PER_SECOND: u32 = 2;

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
    fn a_first_packet_that_was_overtaken_is_put_before() {
        assert_eq!(placed(PCMU, &[(104, b"efgh"), (100, b"abcd"), (108, b"ijkl")]), b"abcdefghijkl");
        assert_eq!(placed(PCMU, &[(108, b"ijkl"), (100, b"abcd"), (104, b"efgh")]), b"abcdefghijkl");
        assert_eq!(placed(PCMU, &[(102, b"cdef"), (100, b"abcd"), (100, b"abcd")]), b"abcdef");
        assert_eq!(placed(PCMU, &[(5000, b"abcd"), (90, b"zzzz"), (5004, b"efgh")]), b"abcdefgh");
    }

    #[test]
    fn a_packet_from_before_its_source_changes_no_other_sound() {
        let mut timeline = Timeline::new(PCMU);
        let mut recorded = Vec::new();
        for (at, payload, max_added) in
            [(0, b"abcd", 4), (1_000_004, b"ijkl", 4), (1_000_000, b"zzzz", 3), (1_000_000, b"efgh", 4)]
        {
            timeline.place(&mut recorded, payload, at, max_added);
        }
        assert_eq!(recorded, b"abcdefghijkl");
        // The beginning of the source is on disk already.
        recorded.drain(..8);
        assert_eq!(timeline.place(&mut recorded, b"zzzz", 999_996, PLENTY), 0);
        assert_eq!(recorded, b"ijkl");
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
