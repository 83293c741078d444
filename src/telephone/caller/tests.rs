//! Callers on the telephone.

use std::time::Duration;

use proptest::prelude::*;

use super::super::{Function, GreetingKind, Greetings, Menu, Place};
use super::*;

fn builder() -> CallerDialogueBuilder {
    CallerDialogue::builder("2041".parse().unwrap()).limits(LIMITS)
}

const LIMITS: RecordingLimits = RecordingLimits { min: Duration::from_secs(2), max: Duration::from_secs(60) };

/// The actions after `event`.
fn after(call: &mut CallerDialogue, event: CallerEvent) -> Vec<CallerAction> {
    call.handle(event);
    std::iter::from_fn(|| call.poll_action()).collect()
}

fn digit(c: char) -> CallerEvent {
    CallerEvent::Digit(Digit::from_char(c).unwrap())
}

fn recorded(secs: u64) -> CallerEvent {
    CallerEvent::Recorded(Recorded::new(Duration::from_secs(secs)))
}

fn say(prompts: &[Prompt]) -> CallerAction {
    CallerAction::Say(prompts.to_vec())
}

/// A call whose recording of five seconds is being reviewed.
fn reviewing() -> CallerDialogue {
    reviewing_in(builder().build())
}

fn reviewing_in(mut call: CallerDialogue) -> CallerDialogue {
    call.poll_action();
    after(&mut call, CallerEvent::Played);
    assert_eq!(after(&mut call, recorded(5)), [say(&[menu(call.operator)])]);
    call
}

/// The menu of the review, with or without an operator.
fn menu(operator: bool) -> Prompt {
    let Menu { place, mut items } = KeyMap::default().menu(Place::Review, Place::Review.functions());
    items.retain(|item| operator || item.function != Function::Operator);
    Prompt::Menu(Menu { place, items })
}

fn sent(urgency: Urgency, privacy: Privacy) -> CallerAction {
    CallerAction::Send { urgency, privacy }
}

#[test]
fn the_greeting_is_the_one_for_the_occasion() {
    let nobody = |busy| Prompt::DefaultGreeting { mailbox: "2041".parse().unwrap(), busy };
    let of = |normal, busy, temporary| Greetings { normal, busy, temporary, ..Greetings::default() };
    for (greetings, reason, greeting) in [
        (of(true, true, true), DiversionReason::Busy, Prompt::Greeting(GreetingKind::Temporary)),
        (of(true, true, false), DiversionReason::Busy, Prompt::Greeting(GreetingKind::Busy)),
        (of(true, true, false), DiversionReason::NoAnswer, Prompt::Greeting(GreetingKind::Normal)),
        (of(true, false, false), DiversionReason::Busy, Prompt::Greeting(GreetingKind::Normal)),
        (of(false, true, false), DiversionReason::NoAnswer, nobody(false)),
        (of(false, false, false), DiversionReason::Busy, nobody(true)),
    ] {
        assert_eq!(builder().greetings(greetings).reason(reason).build().poll_action(), Some(say(&[greeting, Prompt::Tone])));
    }
}

#[test]
fn a_caller_reviews_records_again_and_marks_before_sending() {
    let mut call = builder().build();
    call.poll_action();
    assert_eq!(after(&mut call, digit('#')), [say(&[Prompt::Tone])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record]);
    assert_eq!(after(&mut call, digit('5')), [], "a digit in a recording is part of it");
    assert_eq!(after(&mut call, digit('#')), [CallerAction::StopRecording]);
    let menu = menu(false);
    assert_eq!(after(&mut call, recorded(5)), [say(std::slice::from_ref(&menu))]);
    assert_eq!(after(&mut call, digit('2')), [say(&[Prompt::PlayRecording, menu.clone()])]);
    assert_eq!(after(&mut call, digit('3')), [say(&[Prompt::Tone])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::RecordAgain]);
    assert_eq!(after(&mut call, recorded(7)), [say(std::slice::from_ref(&menu))], "ended by silence or length");
    assert_eq!(after(&mut call, digit('4')), [say(&[Prompt::MarkedUrgent, menu.clone()])]);
    assert_eq!(after(&mut call, digit('5')), [say(&[Prompt::MarkedPrivate, menu])]);
    assert_eq!(after(&mut call, digit('1')), [sent(Urgency::Urgent, Privacy::Private)]);
    assert_eq!(after(&mut call, CallerEvent::Sent), [say(&[Prompt::Sent, Prompt::Goodbye])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
    assert!(call.is_over());
}

#[test]
fn sent_is_said_when_the_message_is_kept_and_not_before() {
    for send in [digit('1'), digit('#'), CallerEvent::Silence] {
        let mut call = reviewing();
        assert_eq!(after(&mut call, send), [sent(Urgency::Normal, Privacy::Normal)]);
        for early in [CallerEvent::Played, digit('1'), CallerEvent::Silence, recorded(9)] {
            assert_eq!(after(&mut call, early), [], "the disk has not answered");
        }
        assert_eq!(after(&mut call, CallerEvent::Sent), [say(&[Prompt::Sent, Prompt::Goodbye])]);
        assert_eq!(after(&mut call, CallerEvent::NotKept), [], "it is answered once");
        assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
    }
}

#[test]
fn a_caller_hears_that_a_message_was_not_kept() {
    let mut call = reviewing();
    after(&mut call, digit('1'));
    assert_eq!(after(&mut call, CallerEvent::NotKept), [say(&[Prompt::NotSent, Prompt::Goodbye])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);

    let mut with_operator = reviewing_in(builder().operator().build());
    after(&mut with_operator, digit('0'));
    assert_eq!(after(&mut with_operator, CallerEvent::NotKept), [say(&[Prompt::NotSent])]);
    assert_eq!(after(&mut with_operator, CallerEvent::Played), [CallerAction::ConnectOperator]);
}

#[test]
fn a_message_found_too_short_is_not_said_to_be_sent() {
    let mut call = reviewing();
    after(&mut call, digit('1'));
    assert_eq!(after(&mut call, CallerEvent::TooShort), [say(&[Prompt::TooShort, Prompt::Tone])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record], "the first one is gone");
}

#[test]
fn a_call_ends_when_nothing_can_be_recorded() {
    let mut call = reviewing();
    after(&mut call, digit('3'));
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::RecordAgain]);
    assert_eq!(after(&mut call, CallerEvent::NotRecorded), [say(&[Prompt::NotRecorded, Prompt::Goodbye])]);
    assert_eq!(after(&mut call, CallerEvent::HungUp), [], "nothing is left to send");
    assert!(call.is_over());
}

#[test]
fn an_asked_for_operator_is_reached_if_recording_fails() {
    let mut call = builder().operator().build();
    call.poll_action();
    after(&mut call, CallerEvent::Played);
    assert_eq!(after(&mut call, digit('0')), [CallerAction::StopRecording]);
    assert_eq!(after(&mut call, CallerEvent::NotRecorded), [say(&[Prompt::NotRecorded])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::ConnectOperator]);
}

#[test]
fn the_limits_of_the_mailbox_decide() {
    let mut call = builder().build();
    call.poll_action();
    after(&mut call, CallerEvent::Played);
    let short = CallerEvent::Recorded(Recorded::new(Duration::from_millis(1_999)));
    assert_eq!(after(&mut call, short), [say(&[Prompt::TooShort, Prompt::Tone])]);
    after(&mut call, CallerEvent::Played);
    let longest = CallerEvent::Recorded(Recorded::new(LIMITS.max));
    assert_eq!(after(&mut call, longest), [say(&[Prompt::MaxLengthReached, menu(false)])]);
}

#[test]
fn a_caller_who_says_nothing_is_asked_three_times() {
    let mut call = builder().build();
    call.poll_action();
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record]);
    for _ in 0..2 {
        assert_eq!(after(&mut call, recorded(0)), [say(&[Prompt::TooShort, Prompt::Tone])]);
        assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::RecordAgain], "on the same port");
    }
    assert_eq!(after(&mut call, recorded(0)), [CallerAction::Discard, say(&[Prompt::TooShort, Prompt::Goodbye])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
}

#[test]
fn a_recording_that_was_to_be_made_again_is_not_sent_at_hang_up() {
    let mut call = reviewing();
    after(&mut call, digit('3'));
    assert_eq!(after(&mut call, CallerEvent::HungUp), [CallerAction::Discard]);
    assert!(call.is_over());
}

#[test]
fn zero_keeps_the_recording_and_reaches_the_operator_if_any() {
    let mut none = builder().build();
    none.poll_action();
    assert_eq!(after(&mut none, digit('0')), [say(&[Prompt::Tone])]);
    let mut call = builder().operator().build();
    call.poll_action();
    after(&mut call, CallerEvent::Played);
    assert_eq!(after(&mut call, digit('0')), [CallerAction::StopRecording]);
    assert_eq!(after(&mut call, recorded(5)), [sent(Urgency::Normal, Privacy::Normal)]);
    assert_eq!(after(&mut call, CallerEvent::Sent), [CallerAction::ConnectOperator]);
    assert!(call.is_over());
}

#[test]
fn a_full_mailbox_is_said_and_no_more() {
    let mut call = builder().full().build();
    assert_eq!(call.poll_action(), Some(say(&[Prompt::MailboxFull, Prompt::Goodbye])));
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
}

/// Presses these keys, and returns the actions after the last one; there are none before it.
fn press(call: &mut CallerDialogue, keys: &str) -> Vec<CallerAction> {
    let mut actions = Vec::new();
    for key in keys.chars() {
        assert_eq!(actions, [], "before {key} of {keys}");
        actions = after(call, digit(key));
    }
    actions
}

#[test]
fn the_keys_are_those_of_the_map() {
    let intuity = || builder().keys(KeyMap::intuity()).operator();
    let mut call = intuity().build();
    call.poll_action();
    assert_eq!(press(&mut call, "1"), [say(&[Prompt::Tone])]);
    after(&mut call, CallerEvent::Played);
    assert_eq!(press(&mut call, "#"), [CallerAction::StopRecording]);
    let menu = Prompt::Menu(KeyMap::intuity().menu(Place::Review, Place::Review.functions()));
    assert_eq!(after(&mut call, recorded(5)), [say(std::slice::from_ref(&menu))]);
    assert_eq!(press(&mut call, "23"), [say(&[Prompt::PlayRecording, menu.clone()])]);
    assert_eq!(press(&mut call, "2#"), [say(&[Prompt::NotUnderstood, menu])], "no keys begin with these");
    assert_eq!(press(&mut call, "#"), [sent(Urgency::Normal, Privacy::Normal)]);
    for (keys, action) in [("*7", CallerAction::StartOwnerDialogue), ("*0", CallerAction::ConnectOperator)] {
        let mut call = intuity().build();
        call.poll_action();
        assert_eq!(press(&mut call, keys), [action]);
    }
}

#[test]
fn a_sequence_that_is_not_finished_ends_with_silence() {
    let mut call = builder().keys(KeyMap::intuity()).build();
    call.poll_action();
    assert_eq!(press(&mut call, "*"), [], "it may become a sequence");
    assert_eq!(after(&mut call, CallerEvent::Silence), [say(&[Prompt::Tone])]);
    after(&mut call, CallerEvent::Played);
    let reviewed = after(&mut call, recorded(5));
    assert_eq!(press(&mut call, "2"), []);
    let [CallerAction::Say(menu)] = &reviewed[..] else { panic!("{reviewed:?}") };
    assert_eq!(after(&mut call, CallerEvent::Silence), [say(&[&[Prompt::NotUnderstood], &menu[..]].concat())]);
    assert_eq!(after(&mut call, CallerEvent::Silence), [sent(Urgency::Normal, Privacy::Normal)]);
}

#[test]
fn keys_in_a_recording_are_found_after_others() {
    let mut call = builder().keys(KeyMap::intuity()).operator().build();
    call.poll_action();
    after(&mut call, CallerEvent::Played);
    assert_eq!(press(&mut call, "4**0"), [CallerAction::StopRecording]);
}

#[test]
fn a_recording_without_speech_is_no_message() {
    let mut call = builder().build();
    call.poll_action();
    after(&mut call, CallerEvent::Played);
    let nothing = CallerEvent::Recorded(Recorded::without_speech(Duration::from_secs(9)));
    assert_eq!(after(&mut call, nothing), [say(&[Prompt::NoSpeech, Prompt::Tone])]);
    after(&mut call, CallerEvent::Played);
    assert_eq!(after(&mut call, recorded(1)), [say(&[Prompt::TooShort, Prompt::Tone])]);
    after(&mut call, CallerEvent::Played);
    assert_eq!(after(&mut call, nothing), [CallerAction::Discard, say(&[Prompt::NoSpeech, Prompt::Goodbye])], "three tries");
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
}

#[test]
fn a_caller_stays_when_the_operator_is_not_reached() {
    let greeting = || Prompt::DefaultGreeting { mailbox: "2041".parse().unwrap(), busy: false };
    let mut call = builder().operator().build();
    call.poll_action();
    assert_eq!(press(&mut call, "0"), [CallerAction::ConnectOperator]);
    assert!(call.is_over(), "unless it fails");
    let greeted = after(&mut call, CallerEvent::NotConnected);
    assert_eq!(greeted, [say(&[Prompt::NotConnected, greeting(), Prompt::Tone])]);
    assert!(!call.is_over());
    assert_eq!(after(&mut call, CallerEvent::NotConnected), [], "it is answered once");
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record]);

    assert_eq!(press(&mut call, "0"), [CallerAction::StopRecording]);
    assert_eq!(after(&mut call, recorded(0)), [CallerAction::Discard, CallerAction::ConnectOperator]);
    assert_eq!(after(&mut call, CallerEvent::NotConnected), [say(&[Prompt::NotConnected, Prompt::Tone])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record]);

    press(&mut call, "0");
    assert_eq!(after(&mut call, recorded(5)), [sent(Urgency::Normal, Privacy::Normal)]);
    assert_eq!(after(&mut call, CallerEvent::Sent), [CallerAction::ConnectOperator]);
    let left = after(&mut call, CallerEvent::NotConnected);
    assert_eq!(left, [say(&[Prompt::NotConnected, Prompt::Sent, Prompt::Goodbye])], "the message was sent before");
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
}

#[test]
fn an_operator_who_is_not_reached_after_a_failure_ends_the_call() {
    let mut call = reviewing_in(builder().operator().build());
    press(&mut call, "0");
    after(&mut call, CallerEvent::NotKept);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::ConnectOperator]);
    assert_eq!(after(&mut call, CallerEvent::NotConnected), [say(&[Prompt::NotConnected, Prompt::Goodbye])]);
    assert_eq!(after(&mut call, CallerEvent::HungUp), [], "nothing is left to send");
}

#[test]
fn an_owner_logs_in_during_the_greeting_and_at_a_full_mailbox() {
    let mut call = builder().build();
    let greeting = call.poll_action();
    assert_eq!(press(&mut call, "*"), [CallerAction::StartOwnerDialogue]);
    let Some(CallerAction::Say(greeting)) = greeting else { panic!("{greeting:?}") };
    let back = after(&mut call, CallerEvent::NotAvailable);
    assert_eq!(back, [say(&[&[Prompt::NotAvailable], &greeting[..]].concat())]);

    let mut full = builder().full().build();
    full.poll_action();
    assert_eq!(press(&mut full, "*"), [CallerAction::StartOwnerDialogue]);
    assert_eq!(after(&mut full, CallerEvent::NotAvailable), [say(&[Prompt::NotAvailable, Prompt::Goodbye])]);
}

#[test]
fn the_review_offers_the_operator_only_if_there_is_one() {
    for operator in [false, true] {
        let call = reviewing_in(if operator { builder().operator().build() } else { builder().build() });
        let Prompt::Menu(menu) = call.menu() else { panic!("{call:?}") };
        assert_eq!(menu.items.iter().any(|item| item.function == Function::Operator), operator);
    }
}

fn events() -> impl Strategy<Value = CallerEvent> {
    prop_oneof![
        3 => Just(CallerEvent::Played),
        6 => "[0-9*#]".prop_map(|key| digit(key.chars().next().unwrap())),
        3 => (0..10_u64).prop_map(recorded),
        1 => Just(CallerEvent::Recorded(Recorded::without_speech(Duration::from_secs(9)))),
        1 => prop_oneof![Just(CallerEvent::NotConnected), Just(CallerEvent::NotAvailable)],
        1 => Just(CallerEvent::Silence),
        2 => prop_oneof![Just(CallerEvent::Sent), Just(CallerEvent::TooShort), Just(CallerEvent::NotKept)],
        1 => Just(CallerEvent::NotRecorded),
    ]
}

proptest! {
    #[test]
    fn each_recording_is_sent_or_discarded_once_and_calls_end(
        events in proptest::collection::vec(events(), 0..60), operator: bool, intuity: bool
    ) {
        let builder = builder().keys(if intuity { KeyMap::intuity() } else { KeyMap::voicemail() });
        let mut call = if operator { builder.operator().build() } else { builder.build() };
        let (mut held, mut sent, mut begun) = (false, None, false);
        for event in events.into_iter().chain([CallerEvent::HungUp, CallerEvent::Played, digit('1'), recorded(3)]) {
            if matches!(event, CallerEvent::Sent | CallerEvent::TooShort | CallerEvent::NotKept) && sent == Some(None) {
                sent = Some(Some(event));
            }
            if event == CallerEvent::NotRecorded && begun {
                held = false;
            }
            begun &= !matches!(event, CallerEvent::Recorded(_) | CallerEvent::NotRecorded);
            for action in after(&mut call, event) {
                match action {
                    CallerAction::Record => {
                        prop_assert!(!held, "a recording before the last one is settled");
                        (held, begun, sent) = (true, true, None);
                    }
                    CallerAction::RecordAgain => {
                        prop_assert!(held, "nothing is there to begin again");
                        begun = true;
                    }
                    CallerAction::Send { .. } | CallerAction::Discard => {
                        prop_assert!(held, "sent or discarded twice");
                        (held, begun) = (false, false);
                        if action != CallerAction::Discard {
                            sent = Some(None);
                        }
                    }
                    CallerAction::Say(say) => {
                        let said_sent = say.contains(&Prompt::Sent);
                        prop_assert!(!said_sent || sent == Some(Some(CallerEvent::Sent)), "said before it was so");
                    }
                    CallerAction::ConnectOperator => prop_assert!(operator),
                    CallerAction::StopRecording | CallerAction::StartOwnerDialogue | CallerAction::HangUp => {}
                }
            }
        }
        prop_assert!(!held && call.is_over());
    }
}
