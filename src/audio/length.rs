//! The duration of a sound.

use std::time::Duration;

use super::AudioError;
use super::layout::Layout;
use crate::message::AudioType;

/// Returns the duration of a complete sound; `None` when it cannot be read.
///
/// ```
/// use std::time::Duration;
/// use voicemail::audio::length_of;
/// use voicemail::message::AudioType;
///
/// assert_eq!(length_of(AudioType::Basic, &[0xff; 12_000]), Some(Duration::from_millis(1500)));
/// assert_eq!(length_of(AudioType::Wav, b"ID3"), None);
/// ```
pub fn length_of(media: AudioType, bytes: &[u8]) -> Option<Duration> {
    length_within(media, bytes, bytes.len() as u64).ok()
}

/// Returns the duration of a sound of `len` bytes, of which `beginning` holds at least all before the samples.
pub(crate) fn length_within(media: AudioType, beginning: &[u8], len: u64) -> Result<Duration, AudioError> {
    Layout::of(media, beginning, len).map(|layout| layout.duration(len))
}

/// Returns the duration that the header of a sound announces, for a sound of which only the beginning was read; `None` if it announces none.
///
/// A header may be wrong. For a complete sound, use [`length_of`].
pub fn announced_length(media: AudioType, beginning: &[u8]) -> Option<Duration> {
    let layout = Layout::of(media, beginning, u64::MAX).ok()?;
    layout.announced.map(|announced| layout.coding.duration_of(announced))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::{Format, Wav};
    use super::*;

    fn au(encoding: u32, announced: u32, samples: usize) -> Vec<u8> {
        let mut file = b".snd".to_vec();
        for word in [28, announced, encoding, 16_000, 2, 0] {
            file.extend(u32::to_be_bytes(word));
        }
        file.resize(28 + samples, 0xd5);
        file
    }

    #[test]
    fn an_au_header_tells_rate_channels_and_codec() {
        for (encoding, announced, millis) in [(1, u32::MAX, 20), (27, 640, 20), (3, 640, 10), (1, 320, 10), (1, 9_999, 20)] {
            let file = au(encoding, announced, 640);
            assert_eq!(length_of(AudioType::Basic, &file), Some(Duration::from_millis(millis)), "encoding {encoding}");
        }
        assert_eq!(length_of(AudioType::Basic, &au(2, 640, 640)), None);
        assert_eq!(length_of(AudioType::Basic, b".snd"), None);
    }

    #[test]
    fn the_beginning_of_a_sound_tells_what_its_header_announces() {
        let beginning = Wav::header(Format::TELEPHONE_L16, 32_000);
        assert_eq!(announced_length(AudioType::Wav, &beginning), Some(Duration::from_secs(2)));
        assert_eq!(announced_length(AudioType::Wav, &beginning[..20]), None);
        assert_eq!(announced_length(AudioType::Wav, &Wav::header(Format::TELEPHONE_L16, 0)), None);
        assert_eq!(announced_length(AudioType::Basic, &au(1, 32_000, 0)), Some(Duration::from_secs(1)));
        assert_eq!(announced_length(AudioType::Basic, &[0xff; 80]), None);
    }

    #[test]
    fn the_recordings_are_as_long_as_their_list_says() {
        let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/recordings");
        let Ok(list) = fs::read_to_string(recordings.join("index.csv")) else {
            eprintln!("skipped: no recordings in {}", recordings.display());
            return;
        };
        for line in list.lines().skip(1) {
            let mut columns = line.split(',');
            let (file, secs) = (columns.next().unwrap(), columns.next().unwrap());
            let media = if file.ends_with(".726") { AudioType::Adpcm32 } else { AudioType::Wav };
            let length = length_of(media, &fs::read(recordings.join(file)).unwrap()).unwrap();
            let expected = Duration::from_millis(secs.replace('.', "").parse().unwrap());
            assert!(length.abs_diff(expected) <= Duration::from_millis(1), "{file}: {length:?} for {secs} s");
        }
    }
}
