//! Both sides of a mailbox in a terminal, with no telephone: a caller leaves a message, and its owner hears it.
//!
//! Run: `cargo run --example telephone`. Type digits and Enter; an empty line lets what is being said, or recorded, come to its end.
//! The PIN is 480913. The end of the input hangs up, so that a script can call:
//! `printf '\n\n1\n\n' | cargo run --example telephone -- caller`, `printf '480913#\n1\n\n\n*\n*\n' | cargo run --example telephone -- owner`.
//! You will see, without either word, the one call after the other, with lines such as `< YouHave { new: 1, urgent: 0, old: 0 }`.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Stdin};
use std::time::Duration;

use voicemail::audio::{Format, Wav};
use voicemail::clock::{Clock, SystemClock};
use voicemail::message::{Audio, AudioType, Head, MailboxId, Message, MessageId, Origin, RecordedAt};
use voicemail::store::{MemoryStore, MessageStore as _, MessageStoreExt as _};
use voicemail::telephone::{
    CallerAction, CallerDialogue, CallerEvent, Digit, Greetings, OwnerAction, OwnerDialogue, OwnerEvent, PinBook, PinHash,
    PinSet, Reason, Recorded, Say, Sent,
};

type Lines = std::io::Lines<BufReader<Stdin>>;

/// Every recording here is as long.
const RECORDED: Recorded = Recorded { length: Duration::from_secs(3) };

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let side = std::env::args().nth(1).unwrap_or_default();
    let mailbox: MailboxId = "2041".parse()?;
    let store = MemoryStore::new([mailbox.clone()]);
    let mut lines = BufReader::new(std::io::stdin()).lines();
    if side == "owner" {
        store.deposit(&mailbox, &Origin::Here, &message()).await?;
    } else {
        call(&store, &mailbox, &mut lines).await?;
    }
    if side == "caller" { Ok(()) } else { own(&store, &mailbox, &mut lines).await }
}

/// The caller's side.
async fn call(store: &MemoryStore, mailbox: &MailboxId, lines: &mut Lines) -> Result<(), Box<dyn Error>> {
    let mut dialogue = CallerDialogue::new(mailbox.clone(), Greetings::default(), Reason::NoAnswer);
    let mut recording = false;
    loop {
        while let Some(action) = dialogue.poll_action() {
            match action {
                CallerAction::Say(say) => show(&say),
                CallerAction::Record => recording = true,
                CallerAction::StopRecording => dialogue.handle(CallerEvent::Recorded(RECORDED)),
                CallerAction::Send { urgency, privacy } => {
                    let head = Head { urgency, privacy, ..message().head().clone() };
                    store.deposit(mailbox, &Origin::Here, &Message::new(head, message().audio().clone())).await?;
                }
                other => println!("= {other:?}"),
            }
            recording &= !dialogue.is_over();
        }
        if dialogue.is_over() {
            return Ok(());
        }
        match lines.next().transpose()? {
            Some(line) if line.is_empty() && std::mem::take(&mut recording) => dialogue.handle(CallerEvent::Recorded(RECORDED)),
            Some(line) if line.is_empty() => dialogue.handle(CallerEvent::Played),
            Some(line) => {
                for digit in line.chars().filter_map(Digit::from_char) {
                    dialogue.handle(CallerEvent::Digit(digit));
                }
            }
            None => dialogue.handle(CallerEvent::HungUp),
        }
    }
}

/// The owner's side.
async fn own(store: &MemoryStore, mailbox: &MailboxId, lines: &mut Lines) -> Result<(), Box<dyn Error>> {
    let pins = PinBook::default();
    pins.set(mailbox.clone(), PinHash::new(&"480913".parse()?));
    let mut dialogue = OwnerDialogue::new(chrono_tz::Europe::London);
    loop {
        let now = SystemClock.now().instant;
        while let Some(action) = dialogue.poll_action() {
            match action {
                OwnerAction::Say(say) => show(&say),
                OwnerAction::CheckPin(pin) => dialogue.handle(OwnerEvent::Checked(pins.check(mailbox, None, &pin, now)), now),
                OwnerAction::Count => dialogue.handle(OwnerEvent::Counted(store.summary(mailbox).await?), now),
                OwnerAction::List(query) => dialogue.handle(OwnerEvent::Listed(store.page(mailbox, &query).await?), now),
                OwnerAction::Heard(id) => store.mark_old(mailbox, id).await?,
                OwnerAction::Remove(id) => store.remove(mailbox, id).await?,
                OwnerAction::Restore(id) => store.restore(mailbox, id).await?,
                OwnerAction::Record(_) | OwnerAction::StopRecording => dialogue.handle(OwnerEvent::Recorded(RECORDED), now),
                OwnerAction::SetPin(pin) => {
                    pins.set(mailbox.clone(), PinHash::new(&pin));
                    dialogue.handle(OwnerEvent::PinSet(PinSet::Kept), now);
                }
                // A desk of `voicemail::retrieval` does these.
                OwnerAction::PassOn { .. } | OwnerAction::Answer(_) => dialogue.handle(OwnerEvent::Sent(Sent::Delivered), now),
                other => println!("= {other:?}"),
            }
        }
        if dialogue.is_over() {
            return Ok(());
        }
        match lines.next().transpose()? {
            Some(line) if line.is_empty() => dialogue.handle(OwnerEvent::Played, now),
            Some(line) => {
                for digit in line.chars().filter_map(Digit::from_char) {
                    dialogue.handle(OwnerEvent::Digit(digit), now);
                }
            }
            None => dialogue.handle(OwnerEvent::HungUp, now),
        }
    }
}

fn show(say: &Say) {
    for prompt in say {
        println!("< {prompt:?}");
    }
}

/// Three seconds of silence.
fn message() -> Message {
    let reading = SystemClock.now();
    let recorded_at = RecordedAt { instant: reading.instant, zone: chrono_tz::Europe::London, quality: reading.quality };
    let mut sound = Wav::header(Format::TELEPHONE_PCMU, 24_000);
    sound.resize(sound.len() + 24_000, 0xff);
    let audio = Audio::new(AudioType::Wav, sound);
    Message::builder(audio, recorded_at).id(MessageId::random()).length(RECORDED.length).build()
}
