//! The sound of a mail.

use std::io::{self, Read as _};

use crate::audio::{to_wav, wav_len};
use crate::disk;
use crate::message::Audio;
use crate::rules::SoundForm;

/// Returns the sound in this form, in memory; `None` if it has more than `most` bytes, and then it is not decoded. A sound that cannot be decoded stays as it
/// is.
pub(super) async fn prepare(sound: &Audio, form: SoundForm, most: u64) -> io::Result<Option<Audio>> {
    if sound.len() > most {
        return Ok(None);
    }
    let sound = sound.clone();
    let prepared = disk::blocking(move || {
        let sound = in_memory(sound)?;
        Ok(match form {
            SoundForm::Wav if wav_len(&sound).is_ok_and(|len| len > most) => None,
            SoundForm::Wav => Some(to_wav(&sound).unwrap_or(sound)),
            SoundForm::Stored => Some(sound),
        })
    });
    prepared.await
}

/// Blocks.
fn in_memory(sound: Audio) -> io::Result<Audio> {
    if sound.in_memory().is_some() {
        return Ok(sound);
    }
    let mut bytes = Vec::new();
    sound.reader().read_to_end(&mut bytes)?;
    Ok(Audio::with_digest(sound.media(), bytes, sound.digest()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AudioType;

    #[tokio::test]
    async fn a_sound_is_measured_in_the_form_in_which_it_is_sent() {
        // A second of GSM 06.10 has 1650 bytes, and 16 044 as a WAV.
        let gsm = Audio::new(AudioType::Gsm, [0xd0; 33].repeat(50));
        for (form, most, len) in [
            (SoundForm::Stored, 1649, None),
            (SoundForm::Stored, 1650, Some(1650)),
            (SoundForm::Wav, 16_043, None),
            (SoundForm::Wav, 16_044, Some(16_044)),
        ] {
            assert_eq!(prepare(&gsm, form, most).await.unwrap().map(|sound| sound.len()), len, "{form}, {most}");
        }
    }
}
