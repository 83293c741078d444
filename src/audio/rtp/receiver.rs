//! [`RtpReceiver`]: reads the datagrams of a call.

use std::fmt;

use bytes::Bytes;

use super::event::RecentEvents;
use super::{Packet, RtpError, RtpFormat};

/// Reads the datagrams of one call: sound goes on as payload, and each telephone event is reported once.
///
/// ```
/// use voicemail::audio::rtp::{Received, RtpReceiver, RtpFormat, RtpSender};
///
/// let mut receiver = RtpReceiver::new(RtpFormat::new(0).with_events(101));
/// let mut sender = RtpSender::new(0, 0x1234_5678, 1, 8000);
/// match receiver.handle(&sender.packet(&[0xff; 160], 160)) {
///     Received::Sound { payload, timestamp, source } => {
///         assert_eq!((payload.len(), timestamp, source), (160, 8000, 0x1234_5678));
///     }
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RtpReceiver {
    format: RtpFormat,
    events: RecentEvents,
}

impl RtpReceiver {
    /// Returns a receiver for a call of this format.
    pub fn new(format: RtpFormat) -> Self {
        Self { format, events: RecentEvents::default() }
    }

    /// Reads one datagram. The payload of sound is a part of it, not a copy.
    pub fn handle(&mut self, datagram: &Bytes) -> Received {
        if is_rtcp(datagram) {
            return Received::Rtcp;
        }
        match Packet::parse(datagram) {
            Ok(packet) => self.handle_packet(packet),
            Err(error) => Received::Malformed(error),
        }
    }

    /// Reads one packet that another RTP library has parsed.
    pub fn handle_packet(&mut self, packet: Packet) -> Received {
        let payload_type = Some(packet.payload_type);
        if payload_type == self.format.event_type {
            match self.events.handle(&packet) {
                Ok(Some(code)) => Received::Event(code),
                Ok(None) => Received::Other,
                Err(error) => Received::Malformed(error),
            }
        } else if payload_type == self.format.comfort_noise {
            Received::ComfortNoise
        } else if packet.payload_type == self.format.payload_type && !packet.payload.is_empty() {
            let Packet { payload, timestamp, source, .. } = packet;
            Received::Sound { payload, timestamp, source }
        } else {
            Received::Other
        }
    }
}

/// The meaning of a datagram for a call.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// A piece of sound.
    Sound {
        /// The samples, in the codec of the call.
        payload: Bytes,
        /// The time of the first sample, in samples.
        timestamp: u32,
        /// The sender, SSRC. A stream with another source has timestamps of its own.
        source: u32,
    },
    /// A telephone event that has just begun, or whose first packets were lost: its RFC 4733 code. 0 to 9 are digits, 10 is `*`, 11 is `#`.
    Event(u8),
    /// Comfort noise: the caller is silent, and the next sound has its own timestamp.
    ComfortNoise,
    /// RTCP, which shares the port.
    Rtcp,
    /// Nothing to act on: another packet of an event that was reported, another payload type, or a packet without payload.
    Other,
    /// No RTP.
    Malformed(RtpError),
}

/// Prints neither sound nor events, which are what a caller said and dialled.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sound { payload, timestamp, source } => {
                write!(f, "Sound({} bytes, timestamp {timestamp}, source {source:08x})", payload.len())
            }
            Self::Event(_) => f.write_str("Event(..)"),
            Self::ComfortNoise => f.write_str("ComfortNoise"),
            Self::Rtcp => f.write_str("Rtcp"),
            Self::Other => f.write_str("Other"),
            Self::Malformed(error) => f.debug_tuple("Malformed").field(error).finish(),
        }
    }
}

/// Returns whether a datagram is RTCP that shares the port with RTP: RFC 5761 §4.
fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}
