//! [`Sender`]: writes the datagrams of a call.

use bytes::Bytes;

use super::Packet;

/// Writes the sound of one call as RTP packets.
#[derive(Debug, Clone)]
pub struct Sender {
    payload_type: u8,
    source: u32,
    sequence: u16,
    timestamp: u32,
    /// Whether the next packet is the first one after a silence.
    marker: bool,
}

impl Sender {
    /// Returns a sender that begins with this sequence number and timestamp. RFC 3550 §5.1 wants them and `source`, the SSRC, to be random.
    pub const fn new(payload_type: u8, source: u32, sequence: u16, timestamp: u32) -> Self {
        Self { payload_type, source, sequence, timestamp, marker: true }
    }

    /// Returns the next packet: `payload`, which holds `samples` samples of each channel. The first packet, and the first one after a silence,
    /// is marked.
    pub fn packet(&mut self, payload: &[u8], samples: u32) -> Bytes {
        let mut packet =
            Packet::new(self.payload_type, self.sequence, self.timestamp, self.source, Bytes::copy_from_slice(payload));
        packet.marker = std::mem::take(&mut self.marker);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(samples);
        packet.to_bytes()
    }

    /// Lets the time of `samples` samples pass in silence, without a packet.
    pub const fn skip(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
        self.marker = true;
    }
}
