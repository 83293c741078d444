//! The voice that speaks prompts: recorded ones, else espeak-ng, else tones.

use async_trait::async_trait;
use tokio::process::Command;
use voicemail::error_chain;
use voicemail::message::{Audio, Language};
use voicemail::telephone::Prompt;
use voicemail::voice::{FallbackVoice, Names, SoundPack, Voice, VoiceError, Voices, text, tone};

use crate::Failure;
use crate::config::Config;
use crate::espeak::EspeakVoice;

/// Returns the voice for `config`, and says on standard output what it is.
pub async fn of(config: &Config) -> Result<Voices, Failure> {
    let speaks = Command::new("espeak-ng").arg("--version").output().await.is_ok_and(|ran| ran.status.success());
    let made: Box<dyn Voice> = if speaks { Box::new(EspeakVoice::new("en-us")) } else { Box::new(Tones) };
    let Some((folder, language)) = &config.prompts else {
        println!(
            "prompts: {}",
            if speaks { "spoken by espeak-ng" } else { "tones, and text here; install espeak-ng, or name a folder of prompts" }
        );
        return Ok(Voices::new("en".parse::<Language>()?, made));
    };
    let pack =
        SoundPack::open(folder, language.clone()).await.map_err(|error| format!("prompts.folder: {}", error_chain(&error)))?;
    println!("prompts: {}, which lacks words for {} prompts and lines of menus", folder.display(), pack.missing().len());
    Ok(Voices::new(language.clone(), FallbackVoice::new(pack, made)))
}

/// A voice for a machine without one: a tone for each prompt, and its text on standard output.
#[derive(Debug)]
struct Tones;

#[async_trait]
impl Voice for Tones {
    async fn say(&self, prompt: &Prompt, _names: &Names) -> Result<Vec<Audio>, VoiceError> {
        println!("says: {}", text(prompt));
        Ok(tone(prompt).or_else(|| tone(&Prompt::Tone)).into_iter().collect())
    }
}
