//! Prompts spoken by a program: a voice that runs espeak-ng, alone or behind a pack of recorded sentences.
//!
//! Run: `cargo run --example espeak_voice`, or `cargo run --example espeak_voice -- FOLDER`, where FOLDER has the sounds of an English
//! pack of Asterisk (in Debian: `asterisk-core-sounds-en-wav`). You will see how long each prompt is, with lines such as
//! `3.01 s  You have 3 new messages. 1 of them is urgent.`; with a pack, first the files that it lacks.

#[path = "support/espeak.rs"]
mod espeak;

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

use espeak::EspeakVoice;
use voicemail::audio::Frames;
use voicemail::error_chain;
use voicemail::message::{Caller, CallerName, MailboxId};
use voicemail::telephone::{Function, KeyMap, Place, Prompt};
use voicemail::voice::{FallbackVoice, Names, SoundPack, Voice, log_text};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        // A reader such as `head` may have enough.
        Err(error) if error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
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
    writeln!(io::stdout(), "{pack:?} lacks words for {} prompts and lines of menus:", pack.missing().len())?;
    for missing in pack.missing() {
        writeln!(io::stdout(), "  {missing}")?;
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
        writeln!(io::stdout(), "{:5.2} s  {}", length.as_secs_f64(), log_text(&prompt))?;
    }
    Ok(())
}
