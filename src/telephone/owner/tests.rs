//! Owners on the telephone.

use proptest::prelude::*;

use super::super::{GreetingKind, PinVerdict, Recorded, RecordingKind};
use super::messages::PAGE;
use super::*;
use crate::message::{
    Caller, ClockQuality, ClockSource, Head, MailboxId, MessageId, Privacy, RecordedAt, RelativeDay, Stamp, Urgency,
};
use crate::store::{Entry, Order, Page, Query};

fn now() -> DateTime<Utc> {
    "2026-11-22T18:00:00Z".parse().unwrap()
}

fn entry(n: u8, urgency: Urgency, privacy: Privacy, status: Status) -> Entry {
    let instant = now() - chrono::TimeDelta::days(1);
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let head = Head::new(RecordedAt { instant, zone: chrono_tz::Asia::Tokyo, quality });
    Entry { head: Head { id: MessageId::from_bytes([n; 16]), urgency, privacy, ..head }, status }
}

fn new(n: u8) -> Entry {
    entry(n, Urgency::Normal, Privacy::Normal, Status::New)
}

fn id(n: u8) -> MessageId {
    MessageId::from_bytes([n; 16])
}

fn page(entries: Vec<Entry>) -> OwnerEvent {
    let total = entries.len();
    OwnerEvent::Listed(Page { entries, next: None, total })
}

const DONE: OwnerEvent = OwnerEvent::Marked(MarkOutcome::Done);

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

/// A call after the right PIN, at the main menu.
fn at_main_menu() -> OwnerDialogue {
    let mut call = OwnerDialogue::new(chrono_tz::Europe::London);
    press(&mut call, "480913#");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Right));
    let said = after(&mut call, OwnerEvent::Counted(Summary { new: 3, old: 1, urgent_new: 1, urgent_old: 0 }));
    assert_eq!(said, [say(&[Prompt::MessageCounts { new: 3, urgent: 1, old: 1 }, menu(Place::Main)])]);
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

fn received() -> Prompt {
    Prompt::ReceivedAt {
        stamp: Stamp::new(now() - chrono::TimeDelta::days(1), chrono_tz::Europe::London),
        day: RelativeDay::Yesterday,
    }
}

#[test]
fn three_wrong_pins_end_the_call_a_lock_or_no_pin_at_once() {
    let mut call = OwnerDialogue::new(chrono_tz::Europe::London);
    assert_eq!(call.poll_action(), Some(say(&[Prompt::EnterPin])));
    for _ in 0..2 {
        assert_eq!(press(&mut call, "99*12#"), [OwnerAction::CheckPin("12".into())], "a star begins anew");
        assert_eq!(after(&mut call, OwnerEvent::Checked(PinVerdict::Wrong)), [say(&[Prompt::WrongPin, Prompt::EnterPin])]);
    }
    press(&mut call, "#");
    assert_eq!(after(&mut call, OwnerEvent::Checked(PinVerdict::Wrong)), [say(&[Prompt::WrongPin, Prompt::Goodbye])]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::HangUp]);

    let wait = Duration::from_secs(60);
    for (verdict, said) in [
        (PinVerdict::Locked(wait), Prompt::LockedOut(wait)),
        (PinVerdict::NoPin, Prompt::NoPinSet),
        (PinVerdict::Unavailable, Prompt::PinNotChecked),
    ] {
        let mut call = OwnerDialogue::new(chrono_tz::Europe::London);
        press(&mut call, "1234#");
        assert_eq!(after(&mut call, OwnerEvent::Checked(verdict)), [say(&[said, Prompt::Goodbye])]);
    }
}

#[test]
fn messages_play_in_order_and_are_old_when_played_to_the_end() {
    let mut call = at_main_menu();
    press(&mut call, "1");
    let urgent = entry(1, Urgency::Urgent, Privacy::Private, Status::New);
    let first = [Prompt::MessageNumber { number: 1, of: 2 }, Prompt::Urgent, Prompt::Private, received(), Prompt::Play(id(1))];
    assert_eq!(after(&mut call, page(vec![urgent, new(2)])), [say(&first)]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::MarkOld(id(1))]);
    assert_eq!(after(&mut call, DONE), [say(&[menu(Place::Played)])]);
    assert_eq!(press(&mut call, "1"), [say(&first)], "again");
    assert_eq!(after(&mut call, OwnerEvent::Played), [say(&[menu(Place::Played)])], "heard once");
    let second = [Prompt::MessageNumber { number: 2, of: 2 }, received(), Prompt::Play(id(2))];
    assert_eq!(press(&mut call, "6"), [say(&second)]);
    assert_eq!(press(&mut call, "4"), [say(&first)], "the one that was cut short stays new");
    press(&mut call, "6");
    assert_eq!(press(&mut call, "6"), [say(&[Prompt::EndOfMessages, menu(Place::Main)])]);
    assert_eq!(press(&mut call, "*"), [say(&[Prompt::Goodbye])]);
}

#[test]
fn a_message_is_removed_restored_and_kept() {
    let mut call = hearing(vec![new(1), new(2)]);
    assert_eq!(press(&mut call, "3"), [OwnerAction::Remove(id(1))], "it is not removed before the store says so");
    assert_eq!(after(&mut call, DONE), [say(&[Prompt::Removed])]);
    assert_eq!(press(&mut call, "7"), [OwnerAction::Restore(id(1))]);
    assert_eq!(after(&mut call, DONE), [say(&[Prompt::Restored, menu(Place::Played)])]);
    press(&mut call, "3");
    after(&mut call, DONE);
    let second = [Prompt::MessageNumber { number: 2, of: 2 }, received(), Prompt::Play(id(2))];
    assert_eq!(after(&mut call, OwnerEvent::Played), [say(&second)], "the next one comes by itself");
    assert_eq!(press(&mut call, "2"), [OwnerAction::MarkOld(id(2))]);
    assert_eq!(after(&mut call, DONE), [say(&[Prompt::Kept])]);
    assert_eq!(after(&mut call, DONE), [], "it is answered once");
    assert_eq!(after(&mut call, OwnerEvent::Played), [say(&[Prompt::EndOfMessages, menu(Place::Main)])]);
}

#[test]
fn a_store_that_fails_is_said_and_the_owner_tries_again() {
    let not_done = say(&[Prompt::ChangeFailed, menu(Place::Played)]);
    for (key, said, action) in
        [("2", Prompt::Kept, OwnerAction::MarkOld(id(1))), ("3", Prompt::Removed, OwnerAction::Remove(id(1)))]
    {
        let mut call = hearing(vec![new(1)]);
        for _ in 0..2 {
            assert_eq!(press(&mut call, key), std::slice::from_ref(&action));
            assert_eq!(after(&mut call, OwnerEvent::Marked(MarkOutcome::Failed)), std::slice::from_ref(&not_done));
            assert_eq!(after(&mut call, OwnerEvent::Played), [], "nothing comes by itself");
        }
        press(&mut call, key);
        assert_eq!(after(&mut call, DONE), [say(&[said])]);
    }
    let mut call = hearing(vec![new(1), new(2)]);
    press(&mut call, "3");
    let gone = after(&mut call, OwnerEvent::Marked(MarkOutcome::NoSuchMessage));
    assert_eq!(gone, [say(&[Prompt::MessageGone])]);
    assert!(matches!(&after(&mut call, OwnerEvent::Played)[..], [OwnerAction::Say(said)] if said.contains(&Prompt::Play(id(2)))));
}

#[test]
fn a_message_whose_hearing_was_not_marked_stays_new() {
    let mut call = hearing(vec![new(1)]);
    after(&mut call, OwnerEvent::Played);
    let failed = after(&mut call, OwnerEvent::Marked(MarkOutcome::Failed));
    assert_eq!(failed, [say(&[menu(Place::Played)])]);
    press(&mut call, "1");
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::MarkOld(id(1))], "it is tried again");
}

#[test]
fn a_digit_counts_that_comes_while_the_store_works() {
    let mut call = hearing(vec![new(1), new(2)]);
    after(&mut call, OwnerEvent::Played);
    assert_eq!(press(&mut call, "6"), []);
    let second = [Prompt::MessageNumber { number: 2, of: 2 }, received(), Prompt::Play(id(2))];
    assert_eq!(after(&mut call, DONE), [say(&second)]);
}

#[test]
fn what_was_done_and_what_comes_next_is_one_statement() {
    for (marked, said) in [(MarkOutcome::Done, Prompt::Removed), (MarkOutcome::Failed, Prompt::ChangeFailed)] {
        let mut call = hearing(vec![new(1), new(2)]);
        press(&mut call, "36");
        let second = [said.clone(), Prompt::MessageNumber { number: 2, of: 2 }, received(), Prompt::Play(id(2))];
        assert_eq!(after(&mut call, OwnerEvent::Marked(marked)), [say(&second)], "its end is the end of the message, too");
        let mut call = hearing(vec![new(1)]);
        press(&mut call, "39");
        let answer = say(&[said, Prompt::RecordNow(RecordingKind::Answer), Prompt::Tone]);
        assert_eq!(after(&mut call, OwnerEvent::Marked(marked)), [answer], "no recording begins before the tone");
    }
}

#[test]
fn a_message_that_cannot_be_played_is_not_heard() {
    let mut call = hearing(vec![new(1)]);
    let said = after(&mut call, OwnerEvent::NotPlayed);
    assert_eq!(said, [say(&[Prompt::MessagesUnavailable, menu(Place::Played)])]);
    press(&mut call, "1");
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::MarkOld(id(1))]);
}

#[test]
fn a_mailbox_that_cannot_be_read_ends_no_call() {
    let mut call = OwnerDialogue::new(chrono_tz::Europe::London);
    press(&mut call, "480913#");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Right));
    let unavailable = say(&[Prompt::MessagesUnavailable, menu(Place::Main)]);
    assert_eq!(after(&mut call, OwnerEvent::NotCounted), std::slice::from_ref(&unavailable));
    for _ in 0..2 {
        assert!(matches!(&press(&mut call, "1")[..], [OwnerAction::List(_)]));
        assert_eq!(after(&mut call, OwnerEvent::NotListed), std::slice::from_ref(&unavailable));
    }
    press(&mut call, "1");
    assert!(matches!(&after(&mut call, page(vec![new(1)]))[..], [OwnerAction::Say(_)]));
}

#[test]
fn the_envelope_says_when_from_whom_and_how_long() {
    let mut call = hearing(vec![new(1)]);
    let told = [received(), Prompt::From(Caller::default()), Prompt::Length(Duration::ZERO), menu(Place::Played)];
    assert_eq!(press(&mut call, "5"), [say(&told)]);
}

#[test]
fn a_message_is_passed_on_introduced_or_not_unless_private() {
    for (secs, introduced) in [(5, true), (0, false)] {
        let mut call = hearing(vec![new(1)]);
        assert_eq!(press(&mut call, "8"), [say(&[Prompt::EnterMailbox])]);
        assert_eq!(press(&mut call, "#"), [say(&[Prompt::NoSuchMailbox, Prompt::EnterMailbox])]);
        assert_eq!(press(&mut call, "2042#"), [say(&[Prompt::RecordNow(RecordingKind::Introduction), Prompt::Tone])]);
        let to: MailboxId = "2042".parse().unwrap();
        let purpose = RecordingPurpose::Introduction { id: id(1), to: to.clone() };
        assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(purpose)]);
        assert_eq!(press(&mut call, "#"), [OwnerAction::StopRecording]);
        let passed = OwnerAction::PassOn { id: id(1), to, introduced };
        if introduced {
            assert_eq!(after(&mut call, recorded(secs)), [say(&[menu(Place::OwnerReview)])]);
            assert_eq!(press(&mut call, "1"), [passed]);
        } else {
            assert_eq!(after(&mut call, recorded(secs)), [OwnerAction::Discard, passed]);
        }
        let told = after(&mut call, OwnerEvent::Sent(SendOutcome::Delivered));
        assert_eq!(told, [say(&[Prompt::Sent, menu(Place::Played)])]);
    }
    let mut call = hearing(vec![entry(1, Urgency::Normal, Privacy::Private, Status::New)]);
    assert_eq!(press(&mut call, "8"), [say(&[Prompt::CannotPassOn, menu(Place::Played)])]);
}

#[test]
fn answers_and_greetings_are_recorded_heard_and_rerecorded() {
    let mut call = hearing(vec![new(1)]);
    press(&mut call, "9");
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(RecordingPurpose::Answer(id(1)))]);
    after(&mut call, recorded(3));
    assert_eq!(press(&mut call, "2"), [say(&[Prompt::PlayRecording, menu(Place::OwnerReview)])]);
    assert_eq!(press(&mut call, "3"), [OwnerAction::Discard, say(&[Prompt::RecordNow(RecordingKind::Answer), Prompt::Tone])]);
    after(&mut call, OwnerEvent::Played);
    after(&mut call, recorded(4));
    assert_eq!(press(&mut call, "1"), [OwnerAction::Answer(id(1))]);
    let failed = after(&mut call, OwnerEvent::Sent(SendOutcome::Failed));
    assert_eq!(failed, [say(&[Prompt::NotSent, menu(Place::OwnerReview)])]);
    assert_eq!(press(&mut call, "1"), [OwnerAction::Answer(id(1))], "what was recorded is tried again");
    let nobody = after(&mut call, OwnerEvent::Sent(SendOutcome::NoSuchMailbox));
    assert_eq!(nobody, [OwnerAction::Discard, say(&[Prompt::NoSuchMailbox, menu(Place::Played)])]);
    press(&mut call, "9");
    after(&mut call, OwnerEvent::Played);
    let not_recorded = after(&mut call, OwnerEvent::NotRecorded);
    assert_eq!(not_recorded, [say(&[Prompt::NotRecorded, menu(Place::Played)])]);

    for (key, greeting) in [("1", GreetingKind::Normal), ("2", GreetingKind::Busy), ("3", GreetingKind::Temporary)] {
        let mut call = at_main_menu();
        assert_eq!(press(&mut call, "4"), [say(&[menu(Place::Greetings)])]);
        press(&mut call, key);
        assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(RecordingPurpose::Greeting(greeting))]);
        after(&mut call, recorded(9));
        assert_eq!(press(&mut call, "1"), [OwnerAction::SaveGreeting(greeting)]);
        let not_saved = after(&mut call, OwnerEvent::GreetingSet(GreetingOutcome::Failed));
        assert_eq!(not_saved, [say(&[Prompt::GreetingNotSaved, menu(Place::OwnerReview)])]);
        assert_eq!(press(&mut call, "1"), [OwnerAction::SaveGreeting(greeting)], "what was recorded is tried again");
        let saved = after(&mut call, OwnerEvent::GreetingSet(GreetingOutcome::Done));
        assert_eq!(saved, [say(&[Prompt::GreetingSaved, menu(Place::Greetings)])]);
    }
    let mut call = at_main_menu();
    press(&mut call, "4");
    for (set, said) in [(GreetingOutcome::Failed, Prompt::ChangeFailed), (GreetingOutcome::Done, Prompt::Removed)] {
        assert_eq!(press(&mut call, "4"), [OwnerAction::RemoveGreeting(GreetingKind::Temporary)]);
        assert_eq!(after(&mut call, OwnerEvent::GreetingSet(set)), [say(&[said, menu(Place::Greetings)])]);
    }
}

#[test]
fn a_new_pin_is_entered_twice_and_is_not_an_easy_one() {
    let mut call = at_main_menu();
    assert_eq!(press(&mut call, "5"), [say(&[Prompt::EnterNewPin])]);
    assert_eq!(press(&mut call, "1111#"), [say(&[Prompt::PinTooWeak, Prompt::EnterNewPin])]);
    assert_eq!(press(&mut call, "719305#"), [say(&[Prompt::RepeatNewPin])]);
    assert_eq!(press(&mut call, "719306#"), [say(&[Prompt::PinsDiffer, Prompt::EnterNewPin])]);
    let set = OwnerAction::SetPin("719305".parse().unwrap());
    assert_eq!([press(&mut call, "719305#"), press(&mut call, "719305#")].concat()[1..], [set]);
    assert_eq!(press(&mut call, "1"), [], "nothing is said before it is known");
    let changed = say(&[Prompt::PinChanged, menu(Place::Main)]);
    assert_eq!(after(&mut call, OwnerEvent::PinSet(PinChangeOutcome::Kept)), [changed]);
    assert_eq!(after(&mut call, OwnerEvent::PinSet(PinChangeOutcome::Failed)), [], "nobody asked");

    press(&mut call, "5719305#719305#");
    let not_changed = say(&[Prompt::PinNotChanged, menu(Place::Main)]);
    assert_eq!(after(&mut call, OwnerEvent::PinSet(PinChangeOutcome::Failed)), [not_changed]);
}

#[test]
fn more_messages_than_a_page_are_heard_page_by_page() {
    let mut call = at_main_menu();
    press(&mut call, "2");
    let all = [entry(1, Urgency::Normal, Privacy::Normal, Status::Old), entry(2, Urgency::Normal, Privacy::Normal, Status::Old)];
    let first = Query::only([Status::Old]).order(Order::UrgentFirst).limit(1).page_of(all.clone());
    let next = first.next.unwrap();
    after(&mut call, OwnerEvent::Listed(first));
    let listing = press(&mut call, "6");
    assert_eq!(listing, [OwnerAction::List(Query::only([Status::Old]).order(Order::UrgentFirst).limit(PAGE).after(next))]);
    let unavailable = say(&[Prompt::MessagesUnavailable, menu(Place::Played)]);
    assert_eq!(after(&mut call, OwnerEvent::NotListed), [unavailable], "the first one is still there");
    assert_eq!(press(&mut call, "6"), listing, "and the next page is asked for again");
    let second = [Prompt::MessageNumber { number: 2, of: 2 }, received(), Prompt::Play(id(2))];
    let rest = Query::only([Status::Old]).order(Order::UrgentFirst).after(next).page_of(all);
    assert_eq!(after(&mut call, OwnerEvent::Listed(rest)), [say(&second)]);
}

#[test]
fn no_digit_that_was_typed_is_shown_by_debug() {
    let mut call = OwnerDialogue::new(chrono_tz::Europe::London);
    let (typed, dialogue) = (press(&mut call, "4809"), format!("{call:?}"));
    let shown = format!("{typed:?} {dialogue} {:?}", press(&mut call, "13#"));
    assert!(shown.contains("CheckPin(EnteredPin(..))") && !shown.contains("4809") && !shown.contains("13"), "{shown}");
}

proptest! {
    /// The owner goes through a mailbox of any size to its end, and keeps, removes or skips messages.
    #[test]
    fn every_message_is_counted_whatever_the_page(count in 1..130_usize, keys in proptest::collection::vec("[236]", 130)) {
        let mut mailbox: Vec<Entry> =
            (0..count).map(|n| new(u8::try_from(n).unwrap())).collect();
        let mut call = at_main_menu();
        let mut todo: VecDeque<OwnerAction> = press(&mut call, "1").into();
        let mut heard = 0;
        while let Some(action) = todo.pop_front() {
            match action {
                OwnerAction::List(query) => todo.extend(after(&mut call, OwnerEvent::Listed(query.page_of(mailbox.clone())))),
                OwnerAction::MarkOld(id) | OwnerAction::Remove(id) => {
                    let entry = mailbox.iter_mut().find(|entry| entry.head.id == id).unwrap();
                    entry.status = if action == OwnerAction::Remove(id) { Status::Removed } else { Status::Old };
                    todo.extend(after(&mut call, DONE));
                }
                OwnerAction::Say(said) => match said[0] {
                    Prompt::MessageNumber { number, of } => {
                        heard += 1;
                        prop_assert_eq!((number, of), (heard, count));
                        todo.extend(press(&mut call, &keys[heard - 1]));
                    }
                    Prompt::Kept | Prompt::Removed => todo.extend(after(&mut call, OwnerEvent::Played)),
                    _ => prop_assert_eq!(&said[0], &Prompt::EndOfMessages),
                },
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(heard, count);
    }
}

#[test]
fn an_owner_who_says_nothing_hears_goodbye() {
    let mut call = at_main_menu();
    for _ in 0..2 {
        assert_eq!(after(&mut call, OwnerEvent::Silence), [say(&[menu(Place::Main)])]);
    }
    assert_eq!(after(&mut call, OwnerEvent::Silence), [say(&[Prompt::Goodbye])]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::HangUp]);
    assert!(call.is_over());
}

fn events() -> impl Strategy<Value = OwnerEvent> {
    let verdicts = prop_oneof![
        Just(PinVerdict::Wrong),
        Just(PinVerdict::NoPin),
        Just(PinVerdict::Locked(Duration::ZERO)),
        Just(PinVerdict::Unavailable),
    ];
    prop_oneof![
        10 => "[0-9*#]".prop_map(|key| OwnerEvent::Digit(Digit::from_char(key.chars().next().unwrap()).unwrap())),
        4 => Just(OwnerEvent::Played),
        1 => Just(OwnerEvent::Silence),
        2 => verdicts.prop_map(OwnerEvent::Checked),
        1 => Just(OwnerEvent::Counted(Summary::default())),
        2 => (0..3_u8).prop_map(|count| page((0..count).map(new).collect())),
        2 => (0..3_u64).prop_map(recorded),
        2 => prop_oneof![Just(SendOutcome::Delivered), Just(SendOutcome::NoSuchMailbox), Just(SendOutcome::Failed)]
            .prop_map(OwnerEvent::Sent),
        2 => prop_oneof![Just(MarkOutcome::Done), Just(MarkOutcome::NoSuchMessage), Just(MarkOutcome::Failed)]
            .prop_map(OwnerEvent::Marked),
        2 => prop_oneof![Just(GreetingOutcome::Done), Just(GreetingOutcome::Failed)].prop_map(OwnerEvent::GreetingSet),
        1 => prop_oneof![Just(OwnerEvent::NotListed), Just(OwnerEvent::NotCounted), Just(OwnerEvent::NotPlayed)],
        1 => Just(OwnerEvent::NotRecorded),
        1 => prop_oneof![Just(PinChangeOutcome::Kept), Just(PinChangeOutcome::Failed)].prop_map(OwnerEvent::PinSet),
    ]
}

proptest! {
    #[test]
    fn without_the_right_pin_nothing_is_said_or_done(events in proptest::collection::vec(events(), 0..80)) {
        let mut call = OwnerDialogue::new(chrono_tz::Europe::London);
        for event in events {
            for action in after(&mut call, event) {
                let harmless = matches!(action, OwnerAction::CheckPin(_) | OwnerAction::HangUp)
                    || matches!(&action, OwnerAction::Say(say) if say.iter().all(|prompt| matches!(
                        prompt,
                        Prompt::EnterPin
                            | Prompt::WrongPin
                            | Prompt::LockedOut(_)
                            | Prompt::NoPinSet
                            | Prompt::PinNotChecked
                            | Prompt::Goodbye
                    )));
                prop_assert!(harmless, "{:?}", action);
            }
        }
    }

    #[test]
    fn each_recording_is_used_or_discarded_once_and_calls_end(
        events in proptest::collection::vec(events(), 0..120)
    ) {
        let mut call = at_main_menu();
        let (mut held, mut begun, mut using) = (false, false, None);
        for event in events.into_iter().chain([OwnerEvent::HungUp, OwnerEvent::Played, recorded(5)]) {
            let answered = match (&event, using) {
                (OwnerEvent::GreetingSet(answer), Some(Use::Greeting)) => Some(*answer == GreetingOutcome::Done),
                (OwnerEvent::Sent(answer), Some(Use::Message)) => Some(*answer == SendOutcome::Delivered),
                _ => None,
            };
            if let Some(done) = answered {
                (held, using) = (held && !done, None);
            }
            if begun && event == OwnerEvent::NotRecorded {
                (held, begun) = (false, false);
            }
            if event == OwnerEvent::HungUp && using.take().is_some() {
                held = false;
            }
            let actions = after(&mut call, event.clone());
            let discarded = actions.contains(&OwnerAction::Discard);
            let says = actions.iter().filter(|action| matches!(action, OwnerAction::Say(_))).count();
            prop_assert!(says <= 1, "{actions:?} after {event:?}: which of them was played to its end?");
            for action in actions {
                match action {
                    OwnerAction::Record(_) => {
                        prop_assert!(!held, "a recording before the last one is settled");
                        (held, begun) = (true, true);
                    }
                    OwnerAction::Discard => {
                        prop_assert!(held, "discarded twice");
                        (held, begun) = (false, false);
                    }
                    OwnerAction::SaveGreeting(_) => {
                        prop_assert!(held && using.is_none(), "used twice");
                        using = Some(Use::Greeting);
                    }
                    OwnerAction::PassOn { introduced: true, .. } | OwnerAction::Answer(_) => {
                        prop_assert!(held && using.is_none(), "used twice");
                        using = Some(Use::Message);
                    }
                    OwnerAction::Say(said) => {
                        begun &= !said.contains(&menu(Place::OwnerReview));
                        prop_assert!(said.iter().all(|prompt| is_true(prompt, &event, discarded)), "{said:?} after {event:?}");
                    }
                    _ => {}
                }
            }
        }
        prop_assert!(!held && call.is_over());
    }
}

/// The use of a recording whose result is awaited.
#[derive(Clone, Copy)]
enum Use {
    Greeting,
    Message,
}

/// Whether `prompt` may be said after `event`, because it has been confirmed or claims nothing.
fn is_true(prompt: &Prompt, event: &OwnerEvent, discarded: bool) -> bool {
    let greeting_set = *event == OwnerEvent::GreetingSet(GreetingOutcome::Done);
    match prompt {
        Prompt::Removed => *event == DONE || greeting_set || discarded,
        Prompt::Restored => *event == DONE,
        Prompt::GreetingSaved => greeting_set,
        Prompt::Sent => *event == OwnerEvent::Sent(SendOutcome::Delivered),
        Prompt::PinChanged => *event == OwnerEvent::PinSet(PinChangeOutcome::Kept),
        _ => true,
    }
}
