//! [`Audio`]: a recorded sound.

use std::fmt;
use std::io::{Cursor, Read};
use std::sync::Arc;

use bytes::Bytes;

use super::ContentDigest;

/// A recorded sound: bytes, their media type, and their digest.
///
/// The bytes are never transcoded: the owner retrieves what was recorded. A long sound need not be in memory: it can be
/// [read](Self::reader) from its source while it is sent or stored. Only a forwarder or a store that asks for such sounds gets any.
#[derive(Clone)]
pub struct Audio {
    media: AudioType,
    sound: Sound,
    digest: ContentDigest,
}

/// The bytes of a sound, or the source to read them from.
#[derive(Clone)]
enum Sound {
    InMemory(Bytes),
    External(Arc<dyn AudioSource>),
}

/// A sound that is not in memory, but in a file or in another place that it can be read from as often as needed.
pub trait AudioSource: fmt::Debug + Send + Sync + 'static {
    /// Returns how many bytes the sound has.
    fn size(&self) -> u64;

    /// Returns a reader of the sound, from its first byte to its last. Reading blocks. A sound that has lost its end must be reported as an
    /// error; the reader must not end early instead.
    fn reader(self: Arc<Self>) -> Box<dyn Read + Send>;
}

#[deny(clippy::missing_trait_methods)]
impl<S: AudioSource + ?Sized> AudioSource for Arc<S> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn reader(self: Arc<Self>) -> Box<dyn Read + Send> {
        Self::clone(&self).reader()
    }
}

impl Audio {
    /// Takes `bytes` as they are and computes their digest.
    pub fn new(media: AudioType, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = ContentDigest::of(&bytes);
        Self { media, sound: Sound::InMemory(bytes), digest }
    }

    /// Takes `bytes` whose digest is known already, for example from the spool, which computed it.
    ///
    /// A wrong digest harms only this message: every receiver checks the digest, and refuses the message.
    pub fn with_digest(media: AudioType, bytes: impl Into<Bytes>, digest: ContentDigest) -> Self {
        Self { media, sound: Sound::InMemory(bytes.into()), digest }
    }

    /// A sound that stays in its `source` until it is read; `digest` is that of all its bytes.
    pub fn from_source(media: AudioType, source: impl AudioSource, digest: ContentDigest) -> Self {
        Self { media, sound: Sound::External(Arc::new(source)), digest }
    }

    /// Returns the kind of the sound.
    pub fn media(&self) -> AudioType {
        self.media
    }

    /// Returns all bytes of the sound.
    ///
    /// # Panics
    ///
    /// When the sound is not in memory. Only code that asked for such sounds can get one; it calls [`in_memory`](Self::in_memory) instead.
    pub fn bytes(&self) -> &Bytes {
        self.in_memory().expect("code that asked for sounds outside memory checks where they are")
    }

    /// Returns all bytes of the sound, if they are in memory.
    pub fn in_memory(&self) -> Option<&Bytes> {
        match &self.sound {
            Sound::InMemory(bytes) => Some(bytes),
            Sound::External(_) => None,
        }
    }

    /// Returns how many bytes the sound has.
    pub fn len(&self) -> u64 {
        match &self.sound {
            Sound::InMemory(bytes) => bytes.len() as u64,
            Sound::External(source) => source.size(),
        }
    }

    /// Returns whether the sound has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns a reader of the sound from its first byte. Reading blocks if the sound is not in memory.
    pub fn reader(&self) -> Box<dyn Read + Send> {
        match &self.sound {
            Sound::InMemory(bytes) => Box::new(Cursor::new(bytes.clone())),
            Sound::External(source) => Arc::clone(source).reader(),
        }
    }

    /// Returns the digest of the sound's bytes.
    pub fn digest(&self) -> ContentDigest {
        self.digest
    }
}

impl PartialEq for Audio {
    /// Compares kind and bytes; if one of the sounds is not in memory, kind, length and digest.
    fn eq(&self, other: &Self) -> bool {
        let alike = self.media == other.media && self.digest == other.digest && self.len() == other.len();
        alike && self.in_memory().zip(other.in_memory()).is_none_or(|(one, other)| one == other)
    }
}

impl Eq for Audio {}

impl fmt::Debug for Audio {
    /// Shows kind and length only, `Audio(audio/wav, 48000 bytes)`: the words of a caller belong in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audio({}, {} bytes)", self.media, self.len())
    }
}

/// The kind of a sound, by its media type. [`audio`](crate::audio) has the names of all kinds and reads their sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AudioType {
    /// A WAVE file; its own header names the codec. `audio/wav`.
    Wav,
    /// G.711 mu-law at 8 kHz without a header, or a `.au` file. `audio/basic`, RFC 2046 §4.3.
    Basic,
    /// G.726 at 32 kbit/s, 8 kHz, without a header. `audio/32KADPCM`, RFC 3802.
    Adpcm32,
    /// GSM 06.10 full rate, 8 kHz: frames of 33 bytes without a header. `audio/GSM`, RFC 4856.
    Gsm,
    /// G.711 A-law at 8 kHz without a header. `audio/PCMA`, RFC 4856.
    Pcma,
}

impl AudioType {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Wav, Self::Basic, Self::Adpcm32, Self::Gsm, Self::Pcma];
}
