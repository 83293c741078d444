//! Both sides of a mailbox in a terminal, without a telephone: a caller leaves a message, and its owner listens to it.
//!
//! Run: `cargo run --example telephone`. Type digits and Enter. An empty line ends the prompts or the recording, `.` ends a
//! recording that is too short, and `!` makes the next action fail. The PIN is 480913. The end of the input hangs up, so that a
//! script can call:
//! `printf '\n\n!\n1\n\n' | cargo run --example telephone -- caller`,
//! `printf '480913#\n1\n!\n3\n3\n\n*\n*\n' | cargo run --example telephone -- owner 120`.
//! `--keys asterisk` (or `intuity`) gives both sides the keys of that system: `telephone caller --keys asterisk`.
//! You will see the call of the caller or of the owner (without an argument, one after the other), with lines such as
//! `< Message 1 of 120.`, and `< (Tone)` for a sound; `< The message is removed.` comes only after its action `= Remove(..)` has
//! succeeded.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Stdin};
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Utc};
use voicemail::audio::{Format, Wav};
use voicemail::clock::{Clock, SystemClock};
use voicemail::error_chain;
use voicemail::message::{Audio, AudioType, MailboxId, Message, MessageId, Origin, RecordedAt};
use voicemail::store::{MemoryStore, MessageStore as _, MessageStoreExt as _, StoreError};
use voicemail::telephone::{
    Addressee, CallerAction, CallerDialogue, CallerEvent, Digit, GreetingOutcome, Greetings, KeyMap, ListOutcome, MarkOutcome,
    MemoryPins, OpenedMailbox, OwnerAction, OwnerDialogue, OwnerEvent, PinChangeOutcome, PinHash, PinVerdict, Recorded, Say,
    SendOutcome, TakeOutcome,
};
use voicemail::voice::text;

/// A line of the input, or one digit of a line.
enum Input {
    End,
    TooShort,
    Fail,
    Digit(Digit),
    HangUp,
}

type Failure = Box<dyn Error + Send + Sync>;

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

async fn run() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let keys = keys(&mut arguments)?;
    let mut arguments = arguments.into_iter();
    let (side, count) = (arguments.next().unwrap_or_default(), arguments.next());
    let mailbox: MailboxId = "2041".parse()?;
    let store = MemoryStore::new([mailbox.clone()]);
    let mut lines = Lines { lines: BufReader::new(std::io::stdin()).lines(), digits: VecDeque::new() };
    if !matches!(&*side, "" | "caller" | "owner") {
        return Err(format!("{side} is neither caller nor owner; {USAGE}").into());
    }
    if side == "owner" {
        let count = count.unwrap_or_else(|| "1".to_owned());
        for _ in 0..count.parse::<u32>().map_err(|error| format!("{count}: {error}; {USAGE}"))? {
            store.deposit(&mailbox, &Origin::Here, &message()).await?;
        }
    } else {
        call_of_caller(&store, &mailbox, keys.clone(), &mut lines).await?;
    }
    if side == "caller" { Ok(()) } else { call_of_owner(&store, &mailbox, keys, &mut lines).await }
}

/// Takes `--keys PRESET` out of the arguments, and returns the keys of that preset; without it, those of this crate.
fn keys(arguments: &mut Vec<String>) -> Result<KeyMap, Failure> {
    let Some(at) = arguments.iter().position(|argument| argument == "--keys") else { return Ok(KeyMap::default()) };
    let name = arguments.drain(at..(at + 2).min(arguments.len())).nth(1).unwrap_or_default();
    let presets = KeyMap::PRESETS.map(|(preset, _)| preset).join(", ");
    KeyMap::preset(&name).ok_or_else(|| format!("there are no keys {name:?}; there are {presets}; {USAGE}").into())
}

/// Runs the caller's call.
async fn call_of_caller(store: &MemoryStore, mailbox: &MailboxId, keys: KeyMap, lines: &mut Lines) -> Result<(), Failure> {
    let mut dialogue = CallerDialogue::builder(mailbox.clone()).keys(keys).operator().build();
    let (mut recording, mut failing) = (false, false);
    loop {
        while let Some(action) = dialogue.poll_action() {
            match &action {
                CallerAction::Say(prompts) => say(prompts),
                other => println!("= {other:?}"),
            }
            let answer = match action {
                CallerAction::Record | CallerAction::RecordAgain => {
                    recording = !std::mem::take(&mut failing);
                    (!recording).then_some(CallerEvent::NotRecorded)
                }
                CallerAction::StopRecording => Some(ended(&mut recording, RECORDED)),
                CallerAction::Send { urgency, privacy } => {
                    recording = false;
                    let mut head = message().head().clone();
                    (head.urgency, head.privacy) = (urgency, privacy);
                    let message = Message::new(head, message().audio().clone());
                    let kept = !std::mem::take(&mut failing) && store.deposit(mailbox, &Origin::Here, &message).await.is_ok();
                    Some(if kept { CallerEvent::Sent } else { CallerEvent::NotKept })
                }
                CallerAction::ConnectOperator => std::mem::take(&mut failing).then_some(CallerEvent::NotConnected),
                CallerAction::Say(_) | CallerAction::Discard | CallerAction::StartOwnerDialogue | CallerAction::HangUp => None,
            };
            if let Some(event) = answer {
                dialogue.handle(event);
            }
        }
        if dialogue.is_over() {
            return Ok(());
        }
        match lines.next()? {
            Input::End if recording => dialogue.handle(ended(&mut recording, RECORDED)),
            Input::TooShort if recording => dialogue.handle(ended(&mut recording, Duration::ZERO)),
            Input::End | Input::TooShort => dialogue.handle(CallerEvent::Played),
            Input::Fail => failing = true,
            Input::Digit(digit) => dialogue.handle(CallerEvent::Digit(digit)),
            Input::HangUp => dialogue.handle(CallerEvent::HungUp),
        }
    }
}

/// Ends the recording, with this length.
fn ended(recording: &mut bool, length: Duration) -> CallerEvent {
    *recording = false;
    CallerEvent::Recorded(Recorded::new(length))
}

/// Runs the owner's call.
async fn call_of_owner(store: &MemoryStore, mailbox: &MailboxId, keys: KeyMap, lines: &mut Lines) -> Result<(), Failure> {
    let pins = MemoryPins::default();
    pins.set(mailbox.clone(), PinHash::new(&"480913".parse()?));
    let mut dialogue = OwnerDialogue::builder().mailbox(mailbox.clone()).keys(keys).build();
    let (mut recording, mut failing) = (false, false);
    loop {
        let now = SystemClock.now().instant;
        while let Some(action) = dialogue.poll_action() {
            match &action {
                OwnerAction::Say(prompts) => say(prompts),
                OwnerAction::CheckPin { .. } => println!("= CheckPin"),
                other => println!("= {other:?}"),
            }
            if matches!(action, OwnerAction::CallBack(_)) && !failing {
                return Ok(()); // The call is transferred.
            }
            let failure = if failing { failed(&action) } else { None };
            failing &= failure.is_none();
            recording = failure.is_none() && matches!(action, OwnerAction::Record(_));
            let answer = match failure {
                Some(failure) => Some(failure),
                None => done(action, store, mailbox, &pins, now).await,
            };
            if let Some(event) = answer {
                dialogue.handle(event, now);
            }
        }
        if dialogue.is_over() {
            return Ok(());
        }
        match lines.next()? {
            Input::End | Input::TooShort if !recording => dialogue.handle(OwnerEvent::Played, now),
            end @ (Input::End | Input::TooShort) => {
                recording = false;
                let length = if matches!(end, Input::End) { RECORDED } else { Duration::ZERO };
                dialogue.handle(OwnerEvent::Recorded(Recorded::new(length)), now);
            }
            Input::Fail => failing = true,
            Input::Digit(digit) => dialogue.handle(OwnerEvent::Digit(digit), now),
            Input::HangUp => dialogue.handle(OwnerEvent::HungUp, now),
        }
    }
}

/// Does the action, and returns its answer.
async fn done(
    action: OwnerAction,
    store: &MemoryStore,
    own: &MailboxId,
    pins: &MemoryPins,
    now: DateTime<Utc>,
) -> Option<OwnerEvent> {
    Some(match action {
        OwnerAction::CheckPin { mailbox, pin } => OwnerEvent::Checked(pins.check(&mailbox, None, pin.as_str(), now)),
        OwnerAction::Open(mailbox) => store.summary(&mailbox).await.map_or(OwnerEvent::NotOpened, |summary| {
            OwnerEvent::Opened(OpenedMailbox::new(mailbox, chrono_tz::Europe::London, summary, Greetings::default()))
        }),
        OwnerAction::List(query) => store.page(own, &query).await.map_or(OwnerEvent::NotListed, OwnerEvent::Listed),
        OwnerAction::MarkOld(id) => marked(&store.mark_old(own, id).await),
        OwnerAction::MarkNew(id) => marked(&store.mark_new(own, id).await),
        OwnerAction::Remove(id) => marked(&store.remove(own, id).await),
        OwnerAction::Restore(id) => marked(&store.restore(own, id).await),
        OwnerAction::StopRecording => OwnerEvent::Recorded(Recorded::new(RECORDED)),
        // A program with a node calls `Node::greet` and `Node::clear_greeting` here.
        OwnerAction::SaveGreeting { .. } | OwnerAction::RemoveGreeting(_) => OwnerEvent::GreetingSet(GreetingOutcome::Done),
        // A program with a node asks its `Directory` here.
        OwnerAction::FindAddressee(number) => OwnerEvent::Addressee(match number.as_str() {
            "2041" | "2042" | "2043" => Addressee::Mailbox(number),
            "900" => Addressee::List { list: number, members: ["2042", "2043"].iter().flat_map(|n| n.parse()).collect() },
            _ => Addressee::Unknown,
        }),
        // A program with a node calls its `MailboxService` here.
        OwnerAction::PassOn { .. } | OwnerAction::Answer { .. } | OwnerAction::Compose { .. } => {
            OwnerEvent::Sent(SendOutcome::Delivered)
        }
        OwnerAction::ListSent => OwnerEvent::SentListed(Vec::new()),
        OwnerAction::OpenList(_)
        | OwnerAction::AddToList { .. }
        | OwnerAction::RemoveFromList { .. }
        | OwnerAction::DeleteList(_) => OwnerEvent::ListChanged(ListOutcome::Members(Vec::new())),
        OwnerAction::Take(_) => OwnerEvent::Taken(TakeOutcome::Taken(None)),
        OwnerAction::SetPin(pin) => {
            pins.set(own.clone(), PinHash::new(&pin));
            OwnerEvent::PinSet(PinChangeOutcome::Kept)
        }
        OwnerAction::Say(_)
        | OwnerAction::Playback(_)
        | OwnerAction::Record(_)
        | OwnerAction::Discard
        | OwnerAction::CallBack(_)
        | OwnerAction::HangUp => return None,
    })
}

/// The answer to an action that has failed; `None` if the action cannot fail.
fn failed(action: &OwnerAction) -> Option<OwnerEvent> {
    Some(match action {
        OwnerAction::CheckPin { .. } => OwnerEvent::Checked(PinVerdict::Unavailable),
        OwnerAction::Open(_) => OwnerEvent::NotOpened,
        OwnerAction::List(_) | OwnerAction::ListSent => OwnerEvent::NotListed,
        OwnerAction::OpenList(_)
        | OwnerAction::AddToList { .. }
        | OwnerAction::RemoveFromList { .. }
        | OwnerAction::DeleteList(_) => OwnerEvent::ListChanged(ListOutcome::Failed),
        OwnerAction::Take(_) => OwnerEvent::Taken(TakeOutcome::Failed),
        OwnerAction::MarkOld(_) | OwnerAction::MarkNew(_) | OwnerAction::Remove(_) | OwnerAction::Restore(_) => {
            OwnerEvent::Marked(MarkOutcome::Failed)
        }
        OwnerAction::Record(_) | OwnerAction::StopRecording => OwnerEvent::NotRecorded,
        OwnerAction::SaveGreeting { .. } | OwnerAction::RemoveGreeting(_) => OwnerEvent::GreetingSet(GreetingOutcome::Failed),
        OwnerAction::FindAddressee(_) => OwnerEvent::Addressee(Addressee::Unavailable),
        OwnerAction::PassOn { .. } | OwnerAction::Answer { .. } | OwnerAction::Compose { .. } => {
            OwnerEvent::Sent(SendOutcome::Failed)
        }
        OwnerAction::CallBack(_) => OwnerEvent::NotConnected,
        OwnerAction::SetPin(_) => OwnerEvent::PinSet(PinChangeOutcome::Failed),
        OwnerAction::Say(_) | OwnerAction::Playback(_) | OwnerAction::Discard | OwnerAction::HangUp => return None,
    })
}

/// The result of marking a message, as the dialogue takes it.
fn marked(marked: &Result<(), StoreError>) -> OwnerEvent {
    OwnerEvent::Marked(match marked {
        Ok(()) => MarkOutcome::Done,
        Err(StoreError::NoSuchMessage(_)) => MarkOutcome::NoSuchMessage,
        Err(_) => MarkOutcome::Failed,
    })
}

/// Standard input, line by line and digit by digit: the actions of one digit are done before the next digit is handled.
struct Lines {
    lines: std::io::Lines<BufReader<Stdin>>,
    digits: VecDeque<Digit>,
}

impl Lines {
    fn next(&mut self) -> Result<Input, Failure> {
        loop {
            if let Some(digit) = self.digits.pop_front() {
                return Ok(Input::Digit(digit));
            }
            match self.lines.next().transpose()?.as_deref() {
                None => return Ok(Input::HangUp),
                Some("") => return Ok(Input::End),
                Some(".") => return Ok(Input::TooShort),
                Some("!") => return Ok(Input::Fail),
                Some(line) => self.digits.extend(line.chars().filter_map(Digit::from_char)),
            }
        }
    }
}

/// Prints the words of each prompt, or what sound it is.
fn say(prompts: &Say) {
    for prompt in prompts {
        match text(prompt) {
            words if words.is_empty() => println!("< ({prompt:?})"),
            words => println!("< {words}"),
        }
    }
}

const USAGE: &str = "usage: telephone [caller | owner [HOW-MANY-MESSAGES]] [--keys PRESET]";

/// The length of a recording that is not ended by `.`.
const RECORDED: Duration = Duration::from_secs(3);

/// Three seconds of silence.
fn message() -> Message {
    let reading = SystemClock.now();
    let recorded_at = RecordedAt::new(reading.instant, chrono_tz::Europe::London, reading.quality);
    let mut sound = Wav::header(Format::TELEPHONE_PCMU, 24_000);
    sound.resize(sound.len() + 24_000, 0xff);
    let audio = Audio::new(AudioType::Wav, sound);
    Message::builder(audio, recorded_at).id(MessageId::random()).length(RECORDED).build()
}
