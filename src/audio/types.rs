//! The table of audio types: their names, first bytes and readers.

use std::fmt;

use super::coding::Coding;
use super::layout::Layout;
use super::{AudioError, Format, au, g726, gsm, riff};
use crate::message::AudioType;

/// The facts about a type of sounds.
pub(super) struct AudioTypeInfo {
    media: AudioType,
    /// Its MIME types. The first one is written; all are read.
    mimes: &'static [&'static str],
    /// Its file name extensions. The first one is written; all are read.
    extensions: &'static [&'static str],
    /// Returns whether bytes begin as such a sound does; always false for a type whose beginning has no mark.
    is_at: fn(&[u8]) -> bool,
    /// Reads the position and the coding of the samples from the beginning of a sound, and from its length.
    pub(super) layout: fn(&[u8], u64) -> Result<Layout, AudioError>,
}

/// All types, in the order of [`AudioType`].
///
/// # Source
///
/// RFC 2046 §4.3, RFC 2361, RFC 3802 and RFC 4856; the names with `x-`, and those of WAV beside `audio/wav`, are in use in mail.
const AUDIO_TYPES: [AudioTypeInfo; AudioType::ALL.len()] = [
    AudioTypeInfo {
        media: AudioType::Wav,
        mimes: &[
            "audio/wav",
            "audio/x-wav",
            "audio/wave",
            "audio/x-wave",
            "audio/vnd.wave",
            "audio/x-pn-wav",
            "audio/x-pn-wave",
            "audio/x-wav49",
            "application/wav",
            "application/x-wav",
        ],
        extensions: &["wav", "wave"],
        is_at: riff::is_at,
        layout: riff::layout,
    },
    AudioTypeInfo {
        media: AudioType::Basic,
        mimes: &[
            "audio/basic",
            "audio/pcmu",
            "audio/x-mulaw",
            "audio/mulaw",
            "audio/x-ulaw",
            "audio/ulaw",
            "audio/x-au",
            "audio/au",
        ],
        extensions: &["au", "snd", "ulaw", "ul"],
        is_at: au::is_at,
        layout: |beginning, len| {
            if au::is_at(beginning) {
                return au::layout(beginning, len);
            }
            Ok(Layout::headerless(Coding::low_first(Format::TELEPHONE_PCMU)))
        },
    },
    AudioTypeInfo {
        media: AudioType::Adpcm32,
        mimes: &["audio/32KADPCM"],
        extensions: &["726"],
        is_at: |_| false,
        layout: |_, _| Ok(Layout::headerless(Coding::Blocks(g726::BLOCKS))),
    },
    AudioTypeInfo {
        media: AudioType::Gsm,
        mimes: &["audio/GSM", "audio/x-gsm"],
        extensions: &["gsm"],
        is_at: |_| false,
        layout: |beginning, _| {
            let layout = Layout::headerless(Coding::Blocks(gsm::FRAMES));
            if gsm::is_at(beginning) { Ok(layout) } else { Err(AudioError::NotGsm) }
        },
    },
    AudioTypeInfo {
        media: AudioType::Pcma,
        mimes: &["audio/PCMA", "audio/x-alaw", "audio/alaw"],
        extensions: &["alaw", "al"],
        is_at: |_| false,
        layout: |_, _| Ok(Layout::headerless(Coding::low_first(Format::TELEPHONE_PCMA))),
    },
];

impl AudioType {
    /// Returns the MIME type that is written into a message.
    pub const fn mime(self) -> &'static str {
        self.info().mimes[0]
    }

    /// Returns the usual file name extension, without its dot.
    pub const fn extension(self) -> &'static str {
        self.info().extensions[0]
    }

    /// Returns the audio type of a MIME type, in any of the spellings in use; `None` for all others.
    ///
    /// ```
    /// use voicemail::message::AudioType;
    ///
    /// assert_eq!(AudioType::from_mime("Audio/X-WAV"), Some(AudioType::Wav));
    /// assert_eq!(AudioType::from_mime("text/plain"), None);
    /// ```
    pub fn from_mime(mime: &str) -> Option<Self> {
        Self::find(|info| info.mimes.iter().any(|name| mime.eq_ignore_ascii_case(name)))
    }

    /// Returns the audio type of a file name extension, given without its dot and in any case; `None` for all others.
    ///
    /// ```
    /// use voicemail::message::AudioType;
    ///
    /// assert_eq!(AudioType::from_extension("WAV"), Some(AudioType::Wav));
    /// assert_eq!(AudioType::from_extension("mp3"), None);
    /// ```
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::find(|info| info.extensions.iter().any(|ending| extension.eq_ignore_ascii_case(ending)))
    }

    /// Returns the audio type of a sound by its first bytes; `None` where they have no mark, as in most sounds without a header.
    ///
    /// ```
    /// use voicemail::message::AudioType;
    ///
    /// assert_eq!(AudioType::from_first_bytes(b"RIFF\x24\0\0\0WAVEfmt "), Some(AudioType::Wav));
    /// assert_eq!(AudioType::from_first_bytes(&[0xff; 12]), None);
    /// ```
    pub fn from_first_bytes(bytes: &[u8]) -> Option<Self> {
        Self::find(|info| (info.is_at)(bytes))
    }

    pub(super) const fn info(self) -> &'static AudioTypeInfo {
        &AUDIO_TYPES[self as usize]
    }

    fn find(is_wanted: impl Fn(&AudioTypeInfo) -> bool) -> Option<Self> {
        AUDIO_TYPES.iter().find(|info| is_wanted(info)).map(|info| info.media)
    }
}

impl fmt::Display for AudioType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mime())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_type_has_its_row_and_no_name_names_two() {
        let mut names = BTreeSet::new();
        for media in AudioType::ALL {
            let info = media.info();
            assert_eq!(info.media, media);
            assert_eq!(AudioType::from_mime(&media.mime().to_uppercase()), Some(media));
            assert_eq!(AudioType::from_extension(&media.extension().to_uppercase()), Some(media));
            let dotted = info.extensions.iter().map(|ending| format!(".{ending}"));
            for name in info.mimes.iter().map(|name| name.to_ascii_lowercase()).chain(dotted) {
                assert!(names.insert(name.clone()), "{name} names two types");
            }
        }
    }
}
