//! The sound of a mail.

use std::io::{self, Read as _};

use crate::audio::to_wav;
use crate::disk;
use crate::message::Audio;
use crate::rules::SoundForm;

/// Returns the sound in this form, in memory; `None` if it has more than `most` bytes. A sound that cannot be decoded stays as it is.
pub(super) async fn prepare(sound: &Audio, form: SoundForm, most: u64) -> io::Result<Option<Audio>> {
    if sound.len() > most {
        return Ok(None);
    }
    let sound = sound.clone();
    let prepared = disk::blocking(move || {
        let sound = in_memory(sound)?;
        Ok(match form {
            SoundForm::Wav => to_wav(&sound).unwrap_or(sound),
            SoundForm::Stored => sound,
        })
    });
    Ok(Some(prepared.await?).filter(|sound| sound.len() <= most))
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
