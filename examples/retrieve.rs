//! An owner's view of a mailbox at the central node.
//!
//! Run, on the central node's machine: `cargo run --example retrieve -- --config examples/central.toml 2001 --list`. You will see: a line
//! for each message with its id, its owner's local stamp and the caller. `--play ID --out FILE.wav` writes a message's sound, byte for
//! byte as it was recorded; where that is not a WAV file, `--as wav` decodes it to one of 16-bit samples. `--old ID` marks it as heard,
//! `--new ID` as not heard, `--remove ID` removes it and `--restore ID` brings it back. `--forward ID --to MAILBOX` passes it on, and
//! `--reply ID --with FILE.wav` sends a reply to its sender. `--list new`, `old` or `removed` lists only those, urgent ones first.

mod support;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use support::Failure;
use support::config::{CentralConfig, StoreConfig};
use support::lines::{Out, print_line, print_notice};
use voicemail::audio::{Wav, to_wav};
use voicemail::directory::Directory as _;
use voicemail::message::{Audio, AudioType, MailboxId, Message, MessageId, Privacy, Stamp, Status, Urgency};
use voicemail::retrieval::MailboxService;
use voicemail::store::{Entry, MaildirStore, MessageStore as _, Order, Query, StoreError};

fn main() -> ExitCode {
    support::program::main(run())
}

/// A command of the owner.
enum Command {
    List(Query),
    Play { id: MessageId, out: PathBuf, format: OutputFormat },
    Mark { id: MessageId, status: Status },
    Forward { id: MessageId, to: MailboxId },
    Reply { id: MessageId, file: PathBuf },
}

/// The format in which a sound is written.
#[derive(PartialEq, Eq)]
enum OutputFormat {
    AsRecorded,
    Wav,
}

async fn run() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["--config", path, mailbox, command @ ..] = &words[..] else { return Err(USAGE.into()) };
    let command = match command {
        [] | ["--list"] => Command::List(Query::all()),
        ["--list", status] => Command::List(Query::only([status_of(status)?]).order(Order::UrgentFirst)),
        ["--play", id, "--out", out] => {
            Command::Play { id: message_id(id)?, out: PathBuf::from(out), format: OutputFormat::AsRecorded }
        }
        ["--play", id, "--out", out, "--as", "wav"] => {
            Command::Play { id: message_id(id)?, out: PathBuf::from(out), format: OutputFormat::Wav }
        }
        // An owner has heard a message that they remove: restored, it is old.
        ["--old" | "--restore", id] => Command::Mark { id: message_id(id)?, status: Status::Old },
        ["--new", id] => Command::Mark { id: message_id(id)?, status: Status::New },
        ["--forward", id, "--to", to] => Command::Forward { id: message_id(id)?, to: mailbox_id(to)? },
        ["--reply", id, "--with", file] => Command::Reply { id: message_id(id)?, file: PathBuf::from(file) },
        ["--remove", id] => Command::Mark { id: message_id(id)?, status: Status::Removed },
        _ => return Err(USAGE.into()),
    };
    let mailbox = mailbox_id(mailbox)?;
    let config = CentralConfig::load(Path::new(path))?;
    let directory = config.network.directory();
    let owner = directory.find(&mailbox).await?;
    let owner = owner.ok_or_else(|| format!("no mailbox {mailbox} in the network that {path} names; check the number"))?;
    let directory = Arc::new(directory);
    let StoreConfig::Folder(folder) = config.store else { return Err("retrieve opens mailboxes in a folder only".into()) };
    let store = Arc::new(MaildirStore::builder(folder).directory(Arc::clone(&directory)).open().await?);

    let advice = |error| match error {
        StoreError::NoSuchMessage(id) => format!("no message {id} in mailbox {mailbox}; --list shows which there are").into(),
        error => Failure::from(error),
    };
    let service =
        MailboxService::builder(config.network.domain(), Arc::clone(&store), directory).node(config.node.as_str()).build();
    let out = Out::new(tokio::io::stdout());
    match command {
        Command::List(query) => {
            print_line(&out, format!("{mailbox}: {}", store.summary(&mailbox).await?)).await;
            let mut query = query;
            loop {
                let page = store.page(&mailbox, &query).await?;
                for entry in &page.entries {
                    print_line(&out, line_of(entry, owner.zone)).await;
                }
                let Some(next) = page.next else { break };
                query = query.after(next);
            }
        }
        Command::Play { id, out: file, format } => {
            let message = store.retrieve(&mailbox, id).await.map_err(advice)?;
            play(message.audio(), &file, &format, &out).await?;
        }
        Command::Mark { id, status } => {
            store.mark(&mailbox, id, status).await.map_err(advice)?;
            print_line(&out, format!("{id} is {}", status.as_str())).await;
        }
        Command::Forward { id, to } => {
            store.retrieve(&mailbox, id).await.map_err(advice)?;
            let passed_on = service.pass_on(&mailbox, id, std::slice::from_ref(&to), None).await?;
            delivered(&service, &out, &passed_on, to).await?;
        }
        Command::Reply { id, file } => {
            store.retrieve(&mailbox, id).await.map_err(advice)?;
            let sound = tokio::fs::read(&file).await.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            Wav::parse(&sound).map_err(|error| format!("{}: {error}", file.display()))?;
            let sound = Audio::new(AudioType::Wav, sound);
            let (to, answer) = service.answer(&mailbox, id, sound, Urgency::Normal, Privacy::Normal).await?;
            delivered(&service, &out, &answer, to).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a sound to `file` and prints its size; also prints advice when the file's name is that of another audio type.
async fn play(audio: &Audio, file: &Path, format: &OutputFormat, out: &Out) -> Result<(), Failure> {
    let audio = if *format == OutputFormat::Wav { to_wav(audio)? } else { audio.clone() };
    tokio::fs::write(file, audio.bytes())
        .await
        .map_err(|error| format!("{} cannot be written: {error}; name a file in a folder that is there", file.display()))?;
    print_line(out, format!("{} bytes in {}", audio.len(), file.display())).await;
    let (media, ending) = (audio.media(), file.extension().and_then(OsStr::to_str));
    if ending.is_some_and(|ending| AudioType::from_extension(ending) != Some(media)) {
        let advice = if media == AudioType::Wav { "give it such a name" } else { "--as wav decodes it to a WAV" };
        print_notice(format!("{} holds {media}, whose files end in .{}; {advice}", file.display(), media.extension())).await;
    }
    Ok(())
}

/// Delivers `message` to `to` and prints that.
async fn delivered(service: &MailboxService, out: &Out, message: &Message, to: MailboxId) -> Result<(), Failure> {
    for (mailbox, delivered) in service.deliver(message, &[to]).await {
        delivered?;
        print_line(out, format!("{} is in {mailbox}", message.id())).await;
    }
    Ok(())
}

fn mailbox_id(text: &str) -> Result<MailboxId, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

fn status_of(text: &str) -> Result<Status, String> {
    let found = [Status::New, Status::Old, Status::Removed].into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| format!("{text}: a message is new, old or removed"))
}

fn message_id(text: &str) -> Result<MessageId, String> {
    text.parse().map_err(|error| format!("{text}: {error}; --list shows those of a mailbox"))
}

fn line_of(Entry { head, status, .. }: &Entry, zone: chrono_tz::Tz) -> String {
    let status = status.as_str();
    let urgent = if head.urgency == Urgency::Urgent { " urgent" } else { "" };
    let private = if head.privacy == Privacy::Private { " private" } else { "" };
    let number = head.caller.number.as_ref().map_or_else(String::new, |number| format!(" {number}"));
    let name = head.caller.name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
    let stamp = Stamp::new(head.recorded_at.instant, zone);
    format!("{} {status}{urgent}{private} {stamp} {:.1} s{number}{name}", head.id, head.length.as_secs_f64())
}

const USAGE: &str = "usage: retrieve --config FILE MAILBOX [--list [new | old | removed] | --play ID --out FILE.wav [--as wav] | --old ID | \
                     --new ID | --remove ID | --restore ID | --forward ID --to MAILBOX | --reply ID --with FILE.wav]";
