//! Prompts spoken by a program: a voice that runs espeak-ng, alone or behind a pack of recorded sentences.
//!
//! Run: `cargo run --example espeak_voice`, or `cargo run --example espeak_voice -- FOLDER`, where FOLDER has the sounds of an English
//! pack of Asterisk (in Debian: `asterisk-core-sounds-en-wav`). You will see how long each prompt is, with lines such as
//! `3.01 s  You have 3 new messages. 1 of them is urgent.`; with a pack, first the files that it lacks.

use std::collections::VecDeque;
use std::error::Error;
use std::process::{ExitCode, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;
use voicemail::audio::Frames;
use voicemail::error_chain;
use voicemail::message::{Audio, AudioType, Caller, CallerName, MailboxId};
use voicemail::telephone::{Function, KeyMap, Place, Prompt};
use voicemail::voice::{FallbackVoice, Names, SoundPack, Voice, VoiceError, log_text, text, tone};

/// Speaks the English text of prompts, and keeps the newest sounds.
#[derive(Debug)]
struct EspeakVoice {
    /// A voice of espeak-ng, such as `en-us`.
    voice: String,
    /// The texts of this voice with their sounds, the newest first.
    made: Mutex<VecDeque<(String, Audio)>>,
}

impl EspeakVoice {
    fn new(voice: &str) -> Self {
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let espeak = EspeakVoice::new("en-us");
    let Some(folder) = std::env::args_os().nth(1) else { return say_all(&espeak).await };
    let pack = SoundPack::open(folder, "en".parse()?).await?;
    println!("{pack:?} lacks words for {} prompts and lines of menus:", pack.missing().len());
    for missing in pack.missing() {
        println!("  {missing}");
    }
    say_all(&FallbackVoice::new(pack, espeak)).await
}

/// Says prompts of all kinds, and prints how long they are.
async fn say_all(voice: &impl Voice) -> Result<(), Box<dyn Error>> {
    let mailbox: MailboxId = "2041".parse()?;
    let menu = KeyMap::voicemail().menu(Place::Review, Place::Review.functions());
    let of_message = KeyMap::voicemail().menu(Place::Played, &[Function::Keep, Function::Remove, Function::PassOn]);
    let stranger = CallerName::cleaned("--version; $(reboot) Élodie");
    for prompt in [
        Prompt::MessageCounts { new: 3, urgent: 1, old: 0 },
        Prompt::From(Caller::new("+442079460112".parse().ok(), None)),
        Prompt::From(Caller::new(None, stranger)),
        Prompt::DefaultGreeting { mailbox, busy: false },
        Prompt::Tone,
        Prompt::Menu(menu),
        Prompt::Menu(of_message),
        Prompt::CannotPassOn,
        Prompt::Goodbye,
    ] {
        let mut length = Duration::ZERO;
        for sound in voice.say(&prompt, &Names::none()).await? {
            length += Frames::new(&sound, 8000.try_into()?)?.duration();
        }
        println!("{:5.2} s  {}", length.as_secs_f64(), log_text(&prompt));
    }
    Ok(())
}
