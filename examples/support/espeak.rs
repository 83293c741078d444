//! [`EspeakVoice`]: a voice that runs the program espeak-ng.

use std::collections::VecDeque;
use std::error::Error;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;
use voicemail::audio::Frames;
use voicemail::message::{Audio, AudioType, Caller};
use voicemail::telephone::Prompt;
use voicemail::voice::{Names, Voice, VoiceError, text, tone};

/// Speaks the English text of prompts, and keeps the newest sounds.
#[derive(Debug)]
pub(crate) struct EspeakVoice {
    /// A voice of espeak-ng, such as `en-us`.
    voice: String,
    /// The texts of this voice with their sounds, the newest first.
    made: Mutex<VecDeque<(String, Audio)>>,
}

impl EspeakVoice {
    /// A voice that speaks as `voice` of espeak-ng.
    pub(crate) fn new(voice: &str) -> Self {
        Self { voice: voice.to_owned(), made: Mutex::default() }
    }

    fn made(&self) -> MutexGuard<'_, VecDeque<(String, Audio)>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn speak(&self, text: String) -> Result<Audio, VoiceError> {
        let known = self.made().iter().find(|(known, _)| *known == text).map(|(_, sound)| sound.clone());
        if let Some(sound) = known {
            return Ok(sound);
        }
        let sound = self.run(&text).await.map_err(VoiceError::Unavailable)?;
        let mut made = self.made();
        made.push_front((text, sound.clone()));
        made.truncate(MAX_SOUNDS);
        Ok(sound)
    }

    /// Runs the program without a shell. The text may come from a stranger, so it follows `--` and is never read as an option.
    async fn run(&self, text: &str) -> Result<Audio, Box<dyn Error + Send + Sync>> {
        let mut program = Command::new("espeak-ng");
        program.args(["-v", &self.voice, "--stdout", "--", text]).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(LONGEST_RUN, program.output()).await?;
        let output = output.map_err(|error| format!("espeak-ng cannot be run ({error}): install the package espeak-ng"))?;
        if !output.status.success() {
            return Err(format!("espeak-ng: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
        let sound = Audio::new(AudioType::Wav, output.stdout);
        let is_silent = Frames::new(&sound, 8000.try_into()?)?.duration().is_zero();
        if is_silent { Err("espeak-ng has no sound for this text".into()) } else { Ok(sound) }
    }
}

#[async_trait::async_trait]
impl Voice for EspeakVoice {
    async fn say(&self, prompt: &Prompt, names: &Names) -> Result<Vec<Audio>, VoiceError> {
        let ready = match prompt {
            Prompt::Name(mailbox) | Prompt::Addressee(mailbox) => names.get(mailbox).cloned(),
            prompt => tone(prompt),
        };
        let text = text(prompt);
        if ready.is_some() || text.is_empty() {
            return Ok(ready.into_iter().collect());
        }
        match (self.speak(text).await, prompt) {
            // A name that cannot be spoken is left out, and the number is said digit by digit.
            (Err(_), Prompt::From(caller)) if caller.name.is_some() => {
                let number = Prompt::From(Caller::new(caller.number.clone(), None));
                self.say(&number, names).await
            }
            (sound, _) => Ok(vec![sound?]),
        }
    }
}

/// How many sounds are kept: more than there are fixed prompts.
const MAX_SOUNDS: usize = 200;
const LONGEST_RUN: Duration = Duration::from_secs(10);
