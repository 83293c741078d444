//! [`Packet`]: an RTP packet.

use std::fmt;

use bytes::Bytes;

use super::RtpError;

/// An RTP packet without its contributing sources, its header extension and its padding.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packet {
    /// The kind of the payload, by the SDP of the call: 0 to 127.
    pub payload_type: u8,
    /// Marks the first packet after a silence, and the first packet of a telephone event.
    pub marker: bool,
    /// Rises by one with each packet, and wraps.
    pub sequence: u16,
    /// The time of the first sample, or of the beginning of a telephone event, in samples; it wraps.
    pub timestamp: u32,
    /// The source of the packet, SSRC.
    pub source: u32,
    /// The bytes behind the header: a part of the datagram.
    pub payload: Bytes,
}

impl Packet {
    /// Returns a packet without a marker.
    pub const fn new(payload_type: u8, sequence: u16, timestamp: u32, source: u32, payload: Bytes) -> Self {
        Self { payload_type, marker: false, sequence, timestamp, source, payload }
    }

    /// Reads a datagram. The payload is a part of it, not a copy.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use voicemail::audio::rtp::Packet;
    ///
    /// let datagram = Bytes::from_static(b"\x80\x88\0\x07\0\0\0\xa0\0\0\0\x01\xd5\xd5");
    /// let packet = Packet::parse(&datagram)?;
    /// assert_eq!((packet.payload_type, packet.marker, packet.sequence), (8, true, 7));
    /// assert_eq!((packet.timestamp, packet.payload), (160, datagram.slice(12..)));
    /// # Ok::<(), voicemail::audio::rtp::RtpError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An [`RtpError`] when the datagram is no RTP of version 2, or ends inside its header or its padding.
    ///
    /// # Source
    ///
    /// RFC 3550 §5.1 and §5.3.1.
    pub fn parse(datagram: &Bytes) -> Result<Self, RtpError> {
        let cut_short = RtpError::CutShort { len: datagram.len() };
        let first = *datagram.first().ok_or(cut_short)?;
        if first >> 6 != VERSION {
            return Err(RtpError::Version(first >> 6));
        }
        let header: &[u8; FIXED_HEADER] = datagram.first_chunk().ok_or(cut_short)?;
        let [_, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
        let mut start = FIXED_HEADER + 4 * usize::from(first & CSRC_COUNT);
        if first & EXTENSION != 0 {
            let extension = datagram.get(start..).and_then(<[u8]>::first_chunk::<4>).ok_or(cut_short)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        let mut available = datagram.len().checked_sub(start).ok_or(cut_short)?;
        if first & PADDING != 0 {
            let padding = datagram[start..].last().copied().unwrap_or(0);
            let wrong = RtpError::Padding { padding, available };
            available = available.checked_sub(usize::from(padding)).filter(|_| padding > 0).ok_or(wrong)?;
        }
        Ok(Self {
            payload_type: second & !MARKER,
            marker: second & MARKER != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            source: u32::from_be_bytes([c0, c1, c2, c3]),
            payload: datagram.slice(start..start + available),
        })
    }

    /// Writes the packet as a datagram.
    pub fn to_bytes(&self) -> Bytes {
        let mut datagram = Vec::with_capacity(FIXED_HEADER + self.payload.len());
        datagram.extend([VERSION << 6, if self.marker { MARKER } else { 0 } | (self.payload_type & !MARKER)]);
        datagram.extend(self.sequence.to_be_bytes());
        datagram.extend(self.timestamp.to_be_bytes());
        datagram.extend(self.source.to_be_bytes());
        datagram.extend_from_slice(&self.payload);
        datagram.into()
    }
}

/// Prints no payload, which may be what a caller said or dialled.
impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("payload_type", &self.payload_type)
            .field("marker", &self.marker)
            .field("sequence", &self.sequence)
            .field("timestamp", &self.timestamp)
            .field("source", &self.source)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .finish()
    }
}

const VERSION: u8 = 2;
const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const CSRC_COUNT: u8 = 0x0f;
pub(super) const MARKER: u8 = 0x80;
/// The length in bytes of a header without contributing sources and extension.
const FIXED_HEADER: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    /// The fixed header after its first byte: marked, type 8, number 7, time 160, source 1.
    const REST: &[u8] = b"\x88\x00\x07\x00\x00\x00\xa0\x00\x00\x00\x01";

    fn datagram(first: u8, rest: &[u8]) -> Bytes {
        [&[first], REST, rest].concat().into()
    }

    #[test]
    fn the_payload_is_found_behind_each_form_of_header() {
        let forms: [(&str, u8, &[u8]); 9] = [
            ("nothing more", 0x80, b"sound"),
            ("one contributing source", 0x81, b"srcAsound"),
            ("15 contributing sources", 0x8f, &[&[7; 60][..], b"sound"].concat()),
            ("an extension of no words", 0x90, b"\xbe\xde\0\0sound"),
            ("an extension of two words", 0x90, b"\xbe\xde\0\x02eightbytsound"),
            ("a source and an extension", 0x91, b"srcA\0\0\0\x01wordsound"),
            ("one byte of padding", 0xa0, b"sound\x01"),
            ("padding that is not zero", 0xa0, b"soundxyz\x04"),
            ("all of these", 0xb2, b"srcAsrcB\0\0\0\x01wordsound\0\0\x03"),
        ];
        for (form, first, rest) in forms {
            let packet = Packet::parse(&datagram(first, rest)).unwrap();
            assert_eq!(packet.payload, &b"sound"[..], "{form}");
            let facts = (packet.payload_type, packet.marker, packet.sequence, packet.timestamp, packet.source);
            assert_eq!(facts, (8, true, 7, 160, 1), "{form}");
        }
    }

    #[test]
    fn a_payload_may_be_empty() {
        assert!(Packet::parse(&datagram(0x80, b"")).unwrap().payload.is_empty());
        assert!(Packet::parse(&datagram(0xa0, b"\0\0\0\x04")).unwrap().payload.is_empty());
    }

    #[test]
    fn what_is_no_rtp_is_refused_with_its_fault() {
        use RtpError::{CutShort, Padding, Version};
        let faults: [(Bytes, RtpError); 10] = [
            (Bytes::new(), CutShort { len: 0 }),
            (Bytes::from_static(b"\x80"), CutShort { len: 1 }),
            (datagram(0x80, b"").slice(..11), CutShort { len: 11 }),
            (datagram(0x81, b"src"), CutShort { len: 15 }),
            (datagram(0x90, b"\0\0\0"), CutShort { len: 15 }),
            (datagram(0x90, b"\0\0\xff\xffword"), CutShort { len: 20 }),
            (datagram(0xa0, b""), Padding { padding: 0, available: 0 }),
            (datagram(0xa0, b"sound\0"), Padding { padding: 0, available: 6 }),
            (datagram(0xa0, b"sound\x07"), Padding { padding: 7, available: 6 }),
            // A STUN request.
            (Bytes::from_static(b"\0\x01\0\0\x21\x12\xa4\x42"), Version(0)),
        ];
        for (datagram, fault) in faults {
            assert_eq!(Packet::parse(&datagram), Err(fault));
        }
        assert_eq!(Packet::parse(&datagram(0x40, b"sound")), Err(Version(1)));
    }

    #[test]
    fn a_packet_reads_as_it_was_written() {
        for marker in [false, true] {
            let mut packet = Packet::new(127, u16::MAX, u32::MAX, 0x8000_0001, Bytes::from_static(b"sound"));
            packet.marker = marker;
            assert_eq!(Packet::parse(&packet.to_bytes()), Ok(packet));
        }
    }

    #[test]
    fn debug_shows_no_payload() {
        let shown = format!("{:?}", Packet::new(0, 1, 2, 3, Bytes::from_static(b"sound")));
        assert!(shown.ends_with("source: 3, payload: 5 bytes }"), "{shown}");
    }
}
