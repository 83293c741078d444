//! [`RecentEvents`]: which telephone events were reported already.

use std::collections::VecDeque;

use super::{Packet, RtpError};

/// The telephone events that came last, to report each of them once.
///
/// An event is known by its source, timestamp and code, compared for equality: senders exist whose timestamps overlap, whose packets share a
/// sequence number, and whose events have another source than their sound.
#[derive(Debug, Clone, Default)]
pub(super) struct RecentEvents(VecDeque<Event>);

/// One segment of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Event {
    source: u32,
    timestamp: u32,
    code: u8,
    /// Whether a packet has said that the key was released.
    ended: bool,
    /// Whether the segment before it and the one after it have come: a segment has at most one of each.
    has_before: bool,
    has_next: bool,
}

impl RecentEvents {
    /// Returns the code of the event in `packet` if no packet of this event has come before.
    ///
    /// # Source
    ///
    /// RFC 4733 §2.3, §2.5.1.3 and §2.5.2.
    pub(super) fn handle(&mut self, packet: &Packet) -> Result<Option<u8>, RtpError> {
        let [code, flags, ..] = *packet.payload.first_chunk::<4>().ok_or(RtpError::Event { len: packet.payload.len() })?;
        let ended = flags & END != 0;
        let mut event =
            Event { source: packet.source, timestamp: packet.timestamp, code, ended, has_before: false, has_next: false };
        if let Some(known) = self.0.iter_mut().find(|known| known.is_same_segment(&event)) {
            known.ended |= event.ended;
            return Ok(None);
        }
        for known in &mut self.0 {
            if event.continues(known) {
                (event.has_before, known.has_next) = (true, true);
            } else if known.continues(&event) {
                (event.has_next, known.has_before) = (true, true);
            }
        }
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(event);
        Ok((!event.has_before && !event.has_next).then_some(code))
    }
}

impl Event {
    fn is_same_segment(&self, other: &Self) -> bool {
        (self.source, self.timestamp, self.code) == (other.source, other.timestamp, other.code)
    }

    /// Returns whether this is the next segment of a key that is held longer than a duration of 16 bits can say.
    fn continues(&self, before: &Self) -> bool {
        let distance = self.timestamp.wrapping_sub(before.timestamp);
        !before.ended
            && !before.has_next
            && !self.has_before
            && (self.source, self.code) == (before.source, before.code)
            && distance.abs_diff(LONGEST_SEGMENT) <= SEGMENT_TOLERANCE
    }
}

/// The bit that marks the last packets of an event.
const END: u8 = 0x80;
/// The longest duration that one segment can have, in samples.
const LONGEST_SEGMENT: u32 = 0xffff;
/// By how many samples the next segment may begin earlier or later: senders count in whole packets.
const SEGMENT_TOLERANCE: u32 = 480;
/// How many events are remembered. A sender repeats the last packet of an event three times, so a few would do.
const CAPACITY: usize = 32;
