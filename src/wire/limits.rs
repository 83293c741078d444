//! [`DecodeLimits`]: limits for the header fields and parts of a mail.

/// Limits for the header fields and parts of a mail; [`decode_within`](super::decode_within) refuses a mail beyond them.
///
/// The defaults are the limits of [`decode`](super::decode), with which a store reads a mail again later. A program that accepts mail for a
/// store may have lower limits, but no higher ones.
///
/// ```
/// use voicemail::wire::DecodeLimits;
///
/// let mut limits = DecodeLimits::default();
/// limits.parts = 8;
/// assert_eq!((limits.head, limits.fields, limits.depth), (65_536, 1000, 8));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeLimits {
    /// The longest header block, of the mail or of one of its parts, in bytes. Default 64 KiB.
    pub head: usize,
    /// The most fields in one header block. Default 1000.
    pub fields: usize,
    /// How many multiparts may lie inside each other, and how many forwarded mails. Default 8.
    pub depth: usize,
    /// The most parts, on all levels together. Default 64.
    pub parts: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { head: HEAD_LIMIT, fields: 1000, depth: 8, parts: 64 }
    }
}

impl DecodeLimits {
    /// Returns the lower limit of both, each by itself.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            head: self.head.min(other.head),
            fields: self.fields.min(other.fields),
            depth: self.depth.min(other.depth),
            parts: self.parts.min(other.parts),
        }
    }
}

/// The most bytes that the header block of a mail, or of one of its parts, may have: 64 KiB.
///
/// So many bytes from the beginning of a mail of this crate are enough for [`decode_head`](super::decode_head).
pub const HEAD_LIMIT: usize = 64 * 1024;

/// The most bytes that the sounds of one mail have together where there are several, before and after they are joined: 32 MiB, which are 35
/// minutes of linear samples at 8 kHz.
pub(super) const JOINED_LIMIT: u64 = 32 << 20;
