//! Callers on the telephone.

use proptest::prelude::*;

use super::*;

fn call(greetings: Greetings, reason: Reason) -> CallerDialogue {
    CallerDialogue::new("2041".parse().unwrap(), greetings, reason)
}

/// All that is to be done after `event`.
fn after(call: &mut CallerDialogue, event: CallerEvent) -> Vec<CallerAction> {
    call.handle(event);
    std::iter::from_fn(|| call.poll_action()).collect()
}

fn digit(c: char) -> CallerEvent {
    CallerEvent::Digit(Digit::from_char(c).unwrap())
}

fn recorded(secs: u64) -> CallerEvent {
    CallerEvent::Recorded(Recorded { length: Duration::from_secs(secs) })
}

fn say(prompts: &[Prompt]) -> CallerAction {
    CallerAction::Say(prompts.to_vec())
}

fn sent(urgency: Urgency, privacy: Privacy) -> CallerAction {
    CallerAction::Send { urgency, privacy }
}

#[test]
fn the_greeting_is_the_one_for_the_occasion() {
    let nobody = Prompt::NobodyThere("2041".parse().unwrap());
    let of = |normal, busy, temporary| Greetings { normal, busy, temporary };
    for (greetings, reason, greeting) in [
        (of(true, true, true), Reason::Busy, Prompt::Greeting(GreetingKind::Temporary)),
        (of(true, true, false), Reason::Busy, Prompt::Greeting(GreetingKind::Busy)),
        (of(true, true, false), Reason::NoAnswer, Prompt::Greeting(GreetingKind::Normal)),
        (of(true, false, false), Reason::Busy, Prompt::Greeting(GreetingKind::Normal)),
        (of(false, true, false), Reason::NoAnswer, nobody.clone()),
        (of(false, false, false), Reason::Busy, nobody),
    ] {
        assert_eq!(call(greetings, reason).poll_action(), Some(say(&[greeting, Prompt::Tone])));
    }
}

#[test]
fn a_caller_reviews_records_again_and_marks_before_sending() {
    let mut call = call(Greetings::default(), Reason::NoAnswer);
    call.poll_action();
    assert_eq!(after(&mut call, digit('#')), [say(&[Prompt::Tone])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record]);
    assert_eq!(after(&mut call, digit('5')), [], "a digit in a recording is part of it");
    assert_eq!(after(&mut call, digit('#')), [CallerAction::StopRecording]);
    let menu = Prompt::Menu(Menu::Review);
    assert_eq!(after(&mut call, recorded(5)), [say(std::slice::from_ref(&menu))]);
    assert_eq!(after(&mut call, digit('2')), [say(&[Prompt::PlayRecording, menu.clone()])]);
    assert_eq!(after(&mut call, digit('3')), [CallerAction::Discard, say(&[Prompt::Tone])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record]);
    assert_eq!(after(&mut call, recorded(7)), [say(std::slice::from_ref(&menu))], "ended by silence or length");
    assert_eq!(after(&mut call, digit('4')), [say(&[Prompt::MarkedUrgent, menu.clone()])]);
    assert_eq!(after(&mut call, digit('5')), [say(&[Prompt::MarkedPrivate, menu])]);
    assert_eq!(after(&mut call, digit('1')), [sent(Urgency::Urgent, Privacy::Private), say(&[Prompt::Sent, Prompt::Goodbye])]);
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
    assert!(call.is_over());
}

#[test]
fn whoever_says_nothing_is_asked_three_times() {
    let mut call = call(Greetings::default(), Reason::NoAnswer);
    call.poll_action();
    for again in [true, true, false] {
        assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::Record]);
        let next = if again { Prompt::Tone } else { Prompt::Goodbye };
        assert_eq!(after(&mut call, recorded(0)), [CallerAction::Discard, say(&[Prompt::TooShort, next])]);
    }
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
}

#[test]
fn the_operator_is_reached_where_there_is_one_and_what_was_said_is_kept() {
    let mut none = call(Greetings::default(), Reason::NoAnswer);
    none.poll_action();
    assert_eq!(after(&mut none, digit('0')), [say(&[Prompt::Tone])]);
    let mut call = call(Greetings::default(), Reason::NoAnswer).with_operator();
    call.poll_action();
    after(&mut call, CallerEvent::Played);
    assert_eq!(after(&mut call, digit('0')), [CallerAction::StopRecording]);
    assert_eq!(after(&mut call, recorded(5)), [sent(Urgency::Normal, Privacy::Normal), CallerAction::Operator]);
    assert!(call.is_over());
}

#[test]
fn a_full_mailbox_is_said_and_no_more() {
    let mut call = CallerDialogue::full();
    assert_eq!(call.poll_action(), Some(say(&[Prompt::MailboxFull, Prompt::Goodbye])));
    assert_eq!(after(&mut call, CallerEvent::Played), [CallerAction::HangUp]);
}

fn events() -> impl Strategy<Value = CallerEvent> {
    prop_oneof![
        3 => Just(CallerEvent::Played),
        6 => "[0-9*#]".prop_map(|key| digit(key.chars().next().unwrap())),
        3 => (0..10_u64).prop_map(recorded),
        1 => Just(CallerEvent::Silence),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_recording_is_sent_or_discarded_once_and_the_call_ends(
        events in proptest::collection::vec(events(), 0..60), operator: bool
    ) {
        let mut call = call(Greetings::default(), Reason::NoAnswer);
        if operator {
            call = call.with_operator();
        }
        let mut held = false;
        for event in events.into_iter().chain([CallerEvent::HungUp, CallerEvent::Played, digit('1'), recorded(3)]) {
            for action in after(&mut call, event) {
                match action {
                    CallerAction::Record => {
                        prop_assert!(!held, "a recording before the last one is settled");
                        held = true;
                    }
                    CallerAction::Send { .. } | CallerAction::Discard => {
                        prop_assert!(held, "sent or discarded twice");
                        held = false;
                    }
                    CallerAction::Operator => prop_assert!(operator),
                    CallerAction::Say(_) | CallerAction::StopRecording | CallerAction::Owner | CallerAction::HangUp => {}
                }
            }
        }
        prop_assert!(!held && call.is_over());
    }
}
