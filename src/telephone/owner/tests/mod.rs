//! Owners on the telephone.

mod addressing;
mod first_use;
mod greetings;
mod keys;
mod lists;
mod login;
mod messages;
mod new_pin;
mod playback;
mod random;
mod receipts;
mod recordings;
mod sent;
mod silence;
mod taking;

use std::time::Duration;

use super::super::{Function, GreetingKind, PinVerdict, Place, Recorded, RecordingKind};
use super::messages::PAGE;
use super::*;
use crate::message::{
    Caller, ClockQuality, ClockSource, Disposition, Head, MessageId, MessageKind, Privacy, ReceiptChoice, ReceiptReport,
    RecordedAt, RelativeDay, Stamp, Status, Urgency,
};
use crate::sent::{SentCopy, SentMessage, SentState};
use crate::store::{Entry, Order, Page, Query};

fn now() -> DateTime<Utc> {
    "2026-11-22T18:00:00Z".parse().unwrap()
}

fn mailbox(number: &str) -> MailboxId {
    number.parse().unwrap()
}

fn entry(n: u8, urgency: Urgency, privacy: Privacy, status: Status) -> Entry {
    let instant = now() - chrono::TimeDelta::days(1);
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let head = Head::new(RecordedAt { instant, zone: chrono_tz::Asia::Tokyo, quality });
    let caller = Caller::new(Some("2042".parse().unwrap()), None);
    Entry { head: Head { id: id(n), urgency, privacy, caller, ..head }, status }
}

fn new(n: u8) -> Entry {
    entry(n, Urgency::Normal, Privacy::Normal, Status::New)
}

/// A new receipt of 2042 about a message that was recorded two days ago.
fn receipt(n: u8, disposition: Disposition) -> Entry {
    let Entry { mut head, status } = new(n);
    let report = ReceiptReport::new(disposition, mailbox("2042"), id(99), now() - chrono::TimeDelta::days(2));
    head.kind = MessageKind::Receipt(report);
    Entry { head, status }
}

/// A new message from a caller whose number is not known.
fn anonymous(n: u8) -> Entry {
    let Entry { head, status } = new(n);
    Entry { head: Head { caller: Caller::default(), ..head }, status }
}

fn id(n: u8) -> MessageId {
    MessageId::from_bytes([n; 16])
}

fn page(entries: Vec<Entry>) -> OwnerEvent {
    let total = entries.len();
    OwnerEvent::Listed(Page { entries, next: None, total })
}

const DONE: OwnerEvent = OwnerEvent::Marked(MarkOutcome::Done);
const SENT: OwnerEvent = OwnerEvent::Sent(SendOutcome::Delivered);
const SAVED: OwnerEvent = OwnerEvent::GreetingSet(GreetingOutcome::Done);

/// The actions after `event`.
fn after(call: &mut OwnerDialogue, event: OwnerEvent) -> Vec<OwnerAction> {
    call.handle(event, now());
    std::iter::from_fn(|| call.poll_action()).collect()
}

fn press(call: &mut OwnerDialogue, keys: &str) -> Vec<OwnerAction> {
    keys.chars().flat_map(|key| after(call, OwnerEvent::Digit(Digit::from_char(key).unwrap()))).collect()
}

fn say(prompts: &[Prompt]) -> OwnerAction {
    OwnerAction::Say(prompts.to_vec())
}

fn recorded(secs: u64) -> OwnerEvent {
    OwnerEvent::Recorded(Recorded::new(Duration::from_secs(secs)))
}

/// The menu of these functions.
fn menu(place: Place, functions: &[Function]) -> Prompt {
    let menu = KeyMap::voicemail().menu(place, functions);
    assert_eq!(menu.items.len(), functions.len(), "each function has keys");
    Prompt::Menu(menu)
}

fn main_menu() -> Prompt {
    menu(
        Place::Main,
        &[
            Function::NewMessages,
            Function::OldMessages,
            Function::RemovedMessages,
            Function::Compose,
            Function::Greetings,
            Function::RecordName,
            Function::ChangePin,
            Function::Leave,
        ],
    )
}

/// The menu of the first message of a list, without `lacking`.
fn message_menu(lacking: &[Function]) -> Prompt {
    let all = [
        Function::Again,
        Function::Keep,
        Function::KeepAsNew,
        Function::Remove,
        Function::Next,
        Function::Envelope,
        Function::PassOn,
        Function::Answer,
        Function::CallBack,
        Function::Back,
    ];
    let offered: Vec<Function> = all.into_iter().filter(|function| !lacking.contains(function)).collect();
    menu(Place::Played, &offered)
}

/// The menu of a removed message, the first of a list.
fn removed_menu() -> Prompt {
    let functions = [
        Function::Again,
        Function::Restore,
        Function::Next,
        Function::Envelope,
        Function::PassOn,
        Function::Answer,
        Function::CallBack,
        Function::Back,
    ];
    menu(Place::Played, &functions)
}

/// The review of a greeting.
fn review() -> Prompt {
    menu(Place::OwnerReview, &[Function::Accept, Function::Hear, Function::RecordAgain, Function::Discard])
}

/// The review of an introduction.
fn introduction_review() -> Prompt {
    let functions = [Function::Accept, Function::Hear, Function::RecordAgain, Function::RequestReceipt, Function::Discard];
    menu(Place::OwnerReview, &functions)
}

/// The review of an answer or a message of the owner's own.
fn message_review() -> Prompt {
    let functions = [
        Function::Accept,
        Function::Hear,
        Function::RecordAgain,
        Function::Urgent,
        Function::Private,
        Function::RequestReceipt,
        Function::Discard,
    ];
    menu(Place::OwnerReview, &functions)
}

/// The prompts before the tone.
fn record_now(kind: RecordingKind) -> Vec<Prompt> {
    vec![Prompt::RecordNow(kind), Prompt::Tone]
}

fn opened(greetings: Greetings) -> OwnerEvent {
    let summary = Summary { new: 3, old: 1, urgent_new: 1, urgent_old: 0 };
    OwnerEvent::Opened(OpenedMailbox::new(mailbox("2041"), chrono_tz::Europe::London, summary, greetings))
}

/// The same mailbox, with all functions that not each mailbox has.
fn opened_with_all(greetings: Greetings) -> OwnerEvent {
    let OwnerEvent::Opened(opened) = opened(greetings) else { unreachable!("it is opened") };
    let functions = [Function::SentMessages, Function::PrivateLists, Function::TakeMessage];
    OwnerEvent::Opened(functions.into_iter().fold(opened, OpenedMailbox::offering))
}

/// A call at the main menu of a mailbox with all functions.
fn at_full_menu() -> OwnerDialogue {
    let mut call = own_call();
    press(&mut call, "480913#");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Right));
    after(&mut call, opened_with_all(Greetings::default()));
    call
}

/// The main menu of a mailbox with all functions.
fn full_menu() -> Prompt {
    let functions = [
        Function::NewMessages,
        Function::OldMessages,
        Function::RemovedMessages,
        Function::Compose,
        Function::SentMessages,
        Function::PrivateLists,
        Function::Greetings,
        Function::RecordName,
        Function::ChangePin,
        Function::Leave,
    ];
    menu(Place::Main, &functions)
}

/// The state of a sent message in a mailbox, by a number from 0 to 4.
fn sent_state(number: u8) -> SentState {
    match number {
        0 => SentState::Sending,
        1 => SentState::NotDelivered,
        2 => SentState::Delivered,
        4 => SentState::Returned,
        _ => SentState::Ended { disposition: Disposition::Played, at: now() - chrono::TimeDelta::days(1) },
    }
}

fn counts() -> Prompt {
    Prompt::MessageCounts { new: 3, urgent: 1, old: 1 }
}

/// A call from the owner's own telephone.
fn own_call() -> OwnerDialogue {
    let mut call = OwnerDialogue::builder().mailbox(mailbox("2041")).build();
    assert_eq!(call.poll_action(), Some(say(&[Prompt::EnterPin])));
    call
}

/// A call after the right PIN, at the main menu of a mailbox without greetings.
fn at_main_menu() -> OwnerDialogue {
    with_greetings(Greetings::default())
}

/// A call after the right PIN, at the main menu of a mailbox with these greetings.
fn with_greetings(greetings: Greetings) -> OwnerDialogue {
    let mut call = own_call();
    press(&mut call, "480913#");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Right));
    assert_eq!(after(&mut call, opened(greetings)), [say(&[counts(), main_menu()])]);
    call
}

/// A call at the first of these messages, which is being played.
fn hearing(entries: Vec<Entry>) -> OwnerDialogue {
    let mut call = at_main_menu();
    let listing = press(&mut call, "1");
    assert_eq!(listing, [OwnerAction::List(Query::only([Status::New]).order(Order::UrgentFirst).limit(PAGE))]);
    after(&mut call, page(entries));
    call
}

/// A call after the first of these messages, at its menu.
fn heard(entries: Vec<Entry>) -> OwnerDialogue {
    let mut call = hearing(entries);
    after(&mut call, OwnerEvent::Played);
    assert!(matches!(&after(&mut call, DONE)[..], [OwnerAction::Say(said)] if matches!(said[..], [Prompt::Menu(_)])));
    call
}

fn received() -> Prompt {
    Prompt::ReceivedAt {
        stamp: Stamp::new(now() - chrono::TimeDelta::days(1), chrono_tz::Europe::London),
        day: RelativeDay::Yesterday,
    }
}

/// The prompts of the `number`th of `of` messages, which is message `number`.
fn presented(number: u8, of: usize) -> Vec<Prompt> {
    vec![Prompt::MessageNumber { number: number.into(), of }, received(), Prompt::Play(id(number))]
}
