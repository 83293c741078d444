//! [`RtpSender`]: writes the datagrams of a call.

use bytes::Bytes;

use super::Packet;

/// Writes the sound of one call as RTP packets.
#[derive(Debug, Clone)]
pub struct RtpSender {
    payload_type: u8,
    source: u32,
    sequence: u16,
    timestamp: u32,
    /// Whether the next packet is the first one after a silence.
    marker: bool,
}

impl RtpSender {
    /// Returns a sender that begins with this sequence number and timestamp. RFC 3550 §5.1 wants them and `source`, the SSRC, to be random.
    pub const fn new(payload_type: u8, source: u32, sequence: u16, timestamp: u32) -> Self {
        Self { payload_type, source, sequence, timestamp, marker: true }
    }

    /// Returns a sender with a random source, sequence number and timestamp.
    ///
    /// # Panics
    ///
    /// When the operating system has no random bits to give, which Linux rules out once it has started.
    pub fn random(payload_type: u8) -> Self {
        let random = || getrandom::u32().expect("the operating system gives random bits");
        let [high, low, ..] = random().to_be_bytes();
        Self::new(payload_type, random(), u16::from_be_bytes([high, low]), random())
    }

    /// Returns the source of the packets, SSRC.
    pub const fn source(&self) -> u32 {
        self.source
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(datagram: &Bytes) -> (bool, u16, u32) {
        let packet = Packet::parse(datagram).unwrap();
        assert_eq!((packet.payload_type, packet.source), (8, 7));
        (packet.marker, packet.sequence, packet.timestamp)
    }

    #[test]
    fn a_packet_has_twelve_bytes_before_its_payload() {
        let datagram = RtpSender::new(8, 0x0102_0304, 0x0506, 0x0708_090a).packet(b"sound", 5);
        assert_eq!(datagram, &b"\x80\x88\x05\x06\x07\x08\x09\x0a\x01\x02\x03\x04sound"[..]);
    }

    #[test]
    fn numbers_wrap_and_the_timestamp_counts_samples() {
        let mut sender = RtpSender::new(8, 7, u16::MAX, u32::MAX - 159);
        assert_eq!(read(&sender.packet(&[0; 160], 160)), (true, u16::MAX, u32::MAX - 159));
        assert_eq!(read(&sender.packet(&[0; 80], 80)), (false, 0, 0));
        assert_eq!(read(&sender.packet(&[0; 320], 160)), (false, 1, 80));
    }

    #[test]
    fn time_passes_in_silence_and_the_next_packet_is_marked() {
        let mut sender = RtpSender::new(8, 7, 1, 0);
        sender.packet(&[0; 160], 160);
        sender.skip(800);
        assert_eq!(read(&sender.packet(&[0; 160], 160)), (true, 2, 960));
        assert_eq!(read(&sender.packet(&[0; 160], 160)), (false, 3, 1120));
    }

    #[test]
    fn two_senders_have_different_sources() {
        assert_ne!(RtpSender::random(0).source(), RtpSender::random(0).source());
    }
}
