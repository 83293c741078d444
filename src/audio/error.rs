//! [`AudioError`]: why a sound cannot be read.

/// The reason why bytes are no sound that a mailbox can keep.
///
/// Accepted are WAV files of 8-bit and 16-bit linear samples, mu-law, A-law and GSM 06.10 (format tags 1, 7, 6 and 49, also inside tag
/// 65534; with a RIFF, RF64 or BW64 header), `.au` files of 16-bit linear samples, mu-law and A-law, each with one or two channels (GSM:
/// one) and 4000 to 192000 samples a second; and, without a header, mu-law, A-law, GSM 06.10 and G.726.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The bytes do not begin as a WAV does.
    #[error("not a WAV file: it does not begin with RIFF and WAVE")]
    NotWav,
    /// There is no whole `fmt ` chunk before the samples.
    #[error("a WAV file without a whole fmt chunk before its samples")]
    NoFormat,
    /// There is no `data` chunk.
    #[error("a WAV file without a data chunk")]
    NoData,
    /// The format tag names a codec that is not accepted.
    #[error("WAV format tag {0}: accepted are 1 (linear), 6 (A-law), 7 (mu-law) and 49 (GSM 06.10)")]
    Codec(u16),
    /// The linear samples have a width that is not accepted.
    #[error("a WAV file of {0}-bit linear samples: accepted are 8 and 16 bits")]
    SampleWidth(u16),
    /// The WAV holds GSM 06.10 in blocks that do not have two frames each.
    #[error("a WAV file of GSM 06.10 in blocks of {0} bytes: accepted are 65")]
    GsmBlock(u16),
    /// The sound has more than two channels, or none; or it is GSM 06.10 with more than one.
    #[error("a sound with {0} channels: accepted are 1 and 2, and of GSM 06.10 only 1")]
    Channels(u16),
    /// The sample rate is not one at which speech is recorded.
    #[error("a sound of {0} samples a second: accepted are {LOWEST_RATE} to {HIGHEST_RATE}")]
    Rate(u32),
    /// The WAV holds GSM 06.10, of which the samples have to be decoded first.
    #[error("a WAV file of GSM 06.10, which has no samples before it is decoded: play it as frames, or convert it with to_wav")]
    Compressed,
    /// The header of a `.au` file is cut short or names another codec.
    #[error("a .au file whose header is cut short or names another codec than mu-law, A-law and 16-bit linear")]
    AuHeader,
    /// The bytes do not begin with a frame of GSM 06.10.
    #[error("no GSM 06.10: it does not begin with a frame of 33 bytes, of which the first four bits are 1101")]
    NotGsm,
}

/// The lowest sample rate. Below it, a short mail would count as a long message in the mailbox of its owner.
pub(super) const LOWEST_RATE: u32 = 4000;
/// The highest sample rate.
pub(super) const HIGHEST_RATE: u32 = 192_000;
