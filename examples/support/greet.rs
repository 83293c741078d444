//! Greetings on the command lines of the examples, and the lines that are printed about them.

use std::path::PathBuf;

use voicemail::greeting::{GreetingEvent, GreetingId, GreetingKind};
use voicemail::message::{Audio, AudioType};
use voicemail::node::Node;

use super::lines::Line;
use super::{Failure, explain};

/// A greeting, and the file to read it from or to write it to.
pub struct Greet {
    /// The greeting's mailbox and kind.
    pub id: GreetingId,
    /// The WAV file.
    pub file: PathBuf,
}

impl Greet {
    /// Reads two flags with a value each and `--kind KIND` if present; `file` and `mailbox` are the names of the two flags.
    ///
    /// # Errors
    ///
    /// The reason why it is wrong.
    pub fn from_words<S: AsRef<str>>(words: &[S], file: &str, mailbox: &str) -> Result<Self, String> {
        let (mut path, mut number, mut kind) = (None, None, GreetingKind::Normal);
        let mut words = words.iter().map(AsRef::as_ref);
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag} wants a value"))?;
            let wrong = |error: &dyn std::error::Error| format!("{flag} {value}: {error}");
            match flag {
                _ if flag == file => path = Some(value.into()),
                _ if flag == mailbox => number = Some(value.parse().map_err(|error| wrong(&error))?),
                "--kind" => kind = value.parse().map_err(|error| wrong(&error))?,
                other => return Err(format!("{other} is not known here")),
            }
        }
        let missing = |flag: &str, what: &str| format!("{flag} {what} is missing");
        let id = GreetingId::new(number.ok_or_else(|| missing(mailbox, "MAILBOX"))?, kind);
        Ok(Self { id, file: path.ok_or_else(|| missing(file, "FILE.wav"))? })
    }

    /// Stores the file as the greeting, at the central node.
    pub async fn keep(&self, node: &Node) -> Result<(), Failure> {
        let file = self.file.display();
        let wav = std::fs::read(&self.file).map_err(|error| format!("{file}: {error}"))?;
        let kept = node.greet(&self.id.mailbox, self.id.kind, Audio::new(AudioType::Wav, wav)).await;
        kept.map_err(|error| format!("{file} is not kept as the greeting {}: {}", self.id, explain(&error)))?;
        Ok(())
    }

    /// Writes the node's greeting to the file.
    pub async fn write(&self, node: &Node) -> Result<(), Failure> {
        let sound = node.greeting(&self.id.mailbox, self.id.kind).await?;
        let sound = sound.ok_or_else(|| format!("this node has no greeting {}", self.id))?;
        std::fs::write(&self.file, sound.bytes()).map_err(|error| format!("{}: {error}", self.file.display()))?;
        Ok(())
    }
}

/// Returns the line to print for an event of a greeting.
pub fn line_of(event: GreetingEvent) -> Option<Line> {
    match event {
        GreetingEvent::Recorded { greeting, .. } => Some(Line::Output(format!("greeting-kept {greeting}"))),
        GreetingEvent::Sent { greeting, destination, .. } => {
            Some(Line::Output(format!("greeting-sent {greeting} {destination}")))
        }
        GreetingEvent::Received { greeting, .. } => Some(Line::Output(format!("greeting-received {greeting}"))),
        GreetingEvent::Deferred { greeting, destination, reason, retry_in, .. } => {
            let secs = retry_in.as_secs_f64();
            Some(Line::Notice(format!(
                "the greeting {greeting} waits for {destination}; next try in {secs:.1} s, because {reason}"
            )))
        }
        GreetingEvent::Refused { greeting, origin, reason, .. } => {
            Some(Line::Notice(format!("refused the greeting {greeting} from {origin}: {reason}")))
        }
        _ => None,
    }
}
