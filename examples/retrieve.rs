//! An owner's view of a mailbox at the central node.
//!
//! Run, on the central node's machine: `cargo run --example retrieve -- --config examples/central.toml 2001 --list`. You will see: a line for
//! each message with its id, its owner's local stamp and who called. `--play ID --out FILE.wav` writes a message's sound, byte for byte
//! as it was recorded; `--old ID` marks it as heard; `--remove ID` removes it.

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use support::Failure;
use support::config::CentralConfig;
use support::lines::{Out, tell};
use voicemail::directory::Directory as _;
use voicemail::message::{MailboxId, MessageId, Privacy, Stamp, Status, Urgency};
use voicemail::store::{Entry, MaildirStore, MessageStore as _, StoreError};

#[tokio::main]
async fn main() -> ExitCode {
    support::program::ended(run().await).await
}

/// What the owner wants.
enum Wish {
    List,
    Play { id: MessageId, out: PathBuf },
    Mark { id: MessageId, status: Status },
}

async fn run() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["--config", path, mailbox, wish @ ..] = &words[..] else { return Err(USAGE.into()) };
    let wish = match wish {
        [] | ["--list"] => Wish::List,
        ["--play", id, "--out", out] => Wish::Play { id: message_id(id)?, out: PathBuf::from(out) },
        ["--old", id] => Wish::Mark { id: message_id(id)?, status: Status::Old },
        ["--remove", id] => Wish::Mark { id: message_id(id)?, status: Status::Removed },
        _ => return Err(USAGE.into()),
    };
    let mailbox: MailboxId = mailbox.parse().map_err(|error| format!("{mailbox}: {error}"))?;
    let config = CentralConfig::load(Path::new(path))?;
    let directory = config.network.directory();
    let owner = directory.find(&mailbox).await?;
    let owner = owner.ok_or_else(|| format!("no mailbox {mailbox} in the network that {path} names; check the number"))?;
    let store = MaildirStore::builder(config.store).directory(Arc::new(directory)).open().await?;

    let advice = |error| match error {
        StoreError::NoSuchMessage(id) => format!("no message {id} in mailbox {mailbox}; --list shows which there are").into(),
        error => Failure::from(error),
    };
    let out = Out::new(tokio::io::stdout());
    match wish {
        Wish::List => {
            tell(&out, format!("{mailbox}: {}", store.summary(&mailbox).await?)).await;
            for entry in store.list(&mailbox).await? {
                tell(&out, line_of(&entry, owner.zone)).await;
            }
        }
        Wish::Play { id, out: file } => {
            let message = store.retrieve(&mailbox, id).await.map_err(advice)?;
            let sound = message.audio().bytes();
            tokio::fs::write(&file, sound).await.map_err(|error| {
                format!("{} cannot be written: {error}; name a file in a folder that is there", file.display())
            })?;
            tell(&out, format!("{} bytes in {}", sound.len(), file.display())).await;
        }
        Wish::Mark { id, status } => {
            store.mark(&mailbox, id, status).await.map_err(advice)?;
            tell(&out, format!("{id} is {}", name_of(status))).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn message_id(text: &str) -> Result<MessageId, String> {
    text.parse().map_err(|error| format!("{text}: {error}; --list shows those of a mailbox"))
}

fn line_of(Entry { head, status }: &Entry, zone: chrono_tz::Tz) -> String {
    let status = name_of(*status);
    let urgent = if head.urgency == Urgency::Urgent { " urgent" } else { "" };
    let private = if head.privacy == Privacy::Private { " private" } else { "" };
    let number = head.caller.number.as_ref().map_or_else(String::new, |number| format!(" {number}"));
    let name = head.caller.name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
    let stamp = Stamp::new(head.recorded_at.instant, zone);
    format!("{} {status}{urgent}{private} {stamp} {:.1} s{number}{name}", head.id, head.length.as_secs_f64())
}

fn name_of(status: Status) -> &'static str {
    match status {
        Status::New => "new",
        Status::Old => "old",
        Status::Removed => "removed",
    }
}

const USAGE: &str = "usage: retrieve --config FILE MAILBOX [--list | --play ID --out FILE.wav | --old ID | --remove ID]";
