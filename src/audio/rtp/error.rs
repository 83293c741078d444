//! [`RtpError`]: why a datagram is no RTP packet.

/// The reason why a datagram is no RTP packet that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    /// The datagram ends inside the header.
    #[error("an RTP packet of {len} bytes, which ends inside its header")]
    CutShort {
        /// The length of the datagram in bytes.
        len: usize,
    },
    /// The version is not 2. STUN and DTLS, which come to the same port, look like version 0.
    #[error("RTP version {0}: only version 2 is known")]
    Version(u8),
    /// The last byte gives a length of padding that is zero, or larger than what follows the header.
    #[error("an RTP packet with {padding} bytes of padding, of {available} bytes behind its header")]
    Padding {
        /// The length of the padding, as the packet gives it.
        padding: u8,
        /// How many bytes follow the header.
        available: usize,
    },
    /// A telephone event has fewer than four bytes.
    #[error("a telephone event of {len} bytes: it needs 4")]
    Event {
        /// The length of the payload in bytes.
        len: usize,
    },
}
