//! [`WavError`]: why a WAV cannot be read.

/// Why bytes are no WAV that a mailbox can keep.
///
/// Accepted are WAVs of 16-bit linear samples, mu-law and A-law (format tags 1, 7 and 6, also inside tag 65534), with one or two channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WavError {
    /// The bytes do not begin as a WAV does.
    #[error("not a WAV file: it does not begin with RIFF and WAVE")]
    NotWav,
    /// There is no whole `fmt ` chunk before the samples.
    #[error("a WAV file without a whole fmt chunk before its samples")]
    NoFormat,
    /// There is no `data` chunk.
    #[error("a WAV file without a data chunk")]
    NoData,
    /// The format tag names another codec.
    #[error("WAV format tag {0}: accepted are 1 (16-bit linear), 6 (A-law) and 7 (mu-law)")]
    Codec(u16),
    /// Linear samples of another width.
    #[error("a WAV file of {0}-bit linear samples: accepted are 16 bits")]
    SampleWidth(u16),
    /// More channels than two, or none.
    #[error("a WAV file with {0} channels: accepted are 1 and 2")]
    Channels(u16),
    /// A rate of zero.
    #[error("a WAV file of 0 samples a second")]
    NoRate,
}
