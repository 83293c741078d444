//! [`Audio`]: what the caller said, as it was recorded.

use std::fmt;

use bytes::Bytes;

use super::ContentDigest;

/// A recorded sound: bytes, their media type, and their digest.
///
/// The bytes are never transcoded: what was recorded is what the owner retrieves.
#[derive(Clone, PartialEq, Eq)]
pub struct Audio {
    media: AudioType,
    bytes: Bytes,
    digest: ContentDigest,
}

impl Audio {
    /// Takes `bytes` as they are and computes their digest.
    pub fn new(media: AudioType, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = ContentDigest::of(&bytes);
        Self { media, bytes, digest }
    }

    /// Takes `bytes` whose digest is known already, as from the spool that computed it.
    ///
    /// A wrong digest harms nobody but this message: every receiver checks it and refuses.
    pub fn with_digest(media: AudioType, bytes: impl Into<Bytes>, digest: ContentDigest) -> Self {
        Self { media, bytes: bytes.into(), digest }
    }

    /// What kind of sound.
    pub fn media(&self) -> AudioType {
        self.media
    }

    /// The sound's bytes, whole.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The digest of [`bytes`](Self::bytes).
    pub fn digest(&self) -> ContentDigest {
        self.digest
    }
}

impl fmt::Debug for Audio {
    /// `Audio(audio/wav, 48000 bytes)`: what a caller said belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audio({}, {} bytes)", self.media, self.bytes.len())
    }
}

/// The kind of a sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AudioType {
    /// A RIFF/WAVE file; its own header names the codec. `audio/wav`.
    Wav,
    /// G.711 mu-law at 8 kHz without a header, or a `.au` file. `audio/basic`, RFC 2046 §4.3.
    Basic,
    /// G.726 at 32 kbit/s, 8 kHz, without a header. `audio/32KADPCM`, RFC 3802.
    Adpcm32,
}

impl AudioType {
    /// The MIME type, as written into a message.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Basic => "audio/basic",
            Self::Adpcm32 => "audio/32KADPCM",
        }
    }

    /// The usual ending of a file of this kind, without its dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Basic => "au",
            Self::Adpcm32 => "726",
        }
    }

    /// The kind that a MIME type names, in any of the spellings in use; `None` for a type that is no sound known here.
    ///
    /// ```
    /// use voicemail::message::AudioType;
    ///
    /// assert_eq!(AudioType::from_mime("Audio/X-WAV"), Some(AudioType::Wav));
    /// assert_eq!(AudioType::from_mime("text/plain"), None);
    /// ```
    pub fn from_mime(mime: &str) -> Option<Self> {
        const NAMES: [(&str, AudioType); 6] = [
            ("audio/wav", AudioType::Wav),
            ("audio/x-wav", AudioType::Wav),
            ("audio/wave", AudioType::Wav),
            ("audio/vnd.wave", AudioType::Wav),
            ("audio/basic", AudioType::Basic),
            ("audio/32kadpcm", AudioType::Adpcm32),
        ];
        NAMES.into_iter().find(|(name, _)| mime.eq_ignore_ascii_case(name)).map(|(_, media)| media)
    }
}

impl fmt::Display for AudioType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mime())
    }
}
