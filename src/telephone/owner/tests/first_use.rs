//! The first use of a mailbox: name, greeting, and the new PIN last.

use super::*;

/// A call with the initial PIN, before the tone for the name.
fn first_use() -> OwnerDialogue {
    let mut call = own_call();
    press(&mut call, "2041#");
    assert_eq!(after(&mut call, OwnerEvent::Checked(PinVerdict::Initial)), [OwnerAction::Open(mailbox("2041"))]);
    let name = [&[Prompt::FirstUse], &record_now(RecordingKind::Greeting(GreetingKind::Name))[..]].concat();
    assert_eq!(after(&mut call, opened(Greetings::default())), [say(&name)]);
    call
}

fn greeting() -> Vec<Prompt> {
    record_now(RecordingKind::Greeting(GreetingKind::Normal))
}

#[test]
fn name_greeting_and_pin_are_set_up_in_this_order() {
    let mut call = first_use();
    let name = RecordingPurpose::Greeting(GreetingKind::Name);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(name)]);
    assert_eq!(press(&mut call, "#"), [OwnerAction::StopRecording]);
    assert_eq!(after(&mut call, recorded(2)), [say(&[review()])]);
    assert_eq!(press(&mut call, "1"), [OwnerAction::SaveGreeting { kind: GreetingKind::Name, until: None }]);
    assert_eq!(after(&mut call, SAVED), [say(&[&[Prompt::NameSaved], &greeting()[..]].concat())]);
    let normal = RecordingPurpose::Greeting(GreetingKind::Normal);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(normal)]);
    after(&mut call, recorded(5));
    assert_eq!(press(&mut call, "1"), [OwnerAction::SaveGreeting { kind: GreetingKind::Normal, until: None }]);
    assert_eq!(after(&mut call, SAVED), [say(&[Prompt::GreetingSaved, Prompt::EnterNewPin])]);
    assert_eq!(press(&mut call, "719305#"), [say(&[Prompt::RepeatNewPin])]);
    assert_eq!(press(&mut call, "719305#"), [OwnerAction::SetPin("719305".parse().unwrap())]);
    let changed = after(&mut call, OwnerEvent::PinSet(PinChangeOutcome::Kept));
    assert_eq!(changed, [say(&[Prompt::PinChanged, counts(), main_menu()])]);
}

#[test]
fn name_and_greeting_can_be_left_out_but_not_the_pin() {
    let mut call = first_use();
    assert_eq!(press(&mut call, "#"), [say(&greeting())]);
    assert_eq!(press(&mut call, "#"), [say(&[Prompt::EnterNewPin])]);
    for keys in ["*", "71*", "719305#*"] {
        assert_eq!(press(&mut call, keys).last(), Some(&say(&[Prompt::EnterNewPin])), "{keys} leads nowhere else");
    }
    press(&mut call, "719305#719305#");
    let failed = after(&mut call, OwnerEvent::PinSet(PinChangeOutcome::Failed));
    assert_eq!(failed, [say(&[Prompt::PinNotChanged, Prompt::EnterNewPin])]);
}

#[test]
fn the_initial_pin_cannot_be_chosen_again() {
    let mut call = own_call();
    press(&mut call, "553201#");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Initial));
    after(&mut call, opened(Greetings::default()));
    press(&mut call, "##");
    let refused = [say(&[Prompt::PinTooWeak, Prompt::EnterNewPin])];
    assert_eq!(press(&mut call, "553201#"), refused);
    assert_eq!(press(&mut call, "553201#"), refused, "not the second time either");
    press(&mut call, "719305#");
    assert_eq!(press(&mut call, "719305#"), [OwnerAction::SetPin("719305".parse().unwrap())]);
}

#[test]
fn a_recording_that_fails_leads_to_the_next_step() {
    let mut call = first_use();
    after(&mut call, OwnerEvent::Played);
    let silent = OwnerEvent::Recorded(Recorded::without_speech(Duration::from_secs(5)));
    let next = say(&[&[Prompt::NoSpeech], &greeting()[..]].concat());
    assert_eq!(after(&mut call, silent), [OwnerAction::Discard, next]);
    after(&mut call, OwnerEvent::Played);
    let not_recorded = after(&mut call, OwnerEvent::NotRecorded);
    assert_eq!(not_recorded, [say(&[Prompt::NotRecorded, Prompt::EnterNewPin])]);
}

#[test]
fn a_discarded_name_is_left_out() {
    let mut call = first_use();
    after(&mut call, OwnerEvent::Played);
    after(&mut call, recorded(2));
    let next = say(&[&[Prompt::RecordingDiscarded], &greeting()[..]].concat());
    assert_eq!(press(&mut call, "*"), [OwnerAction::Discard, next]);
}

#[test]
fn a_mailbox_that_cannot_be_opened_is_not_set_up() {
    let mut call = own_call();
    press(&mut call, "2041#");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Initial));
    assert_eq!(after(&mut call, OwnerEvent::NotOpened), [say(&[Prompt::MessagesUnavailable, Prompt::Goodbye])]);
}
