//! Recordings of an owner: announced, ended, reviewed.

use super::*;

/// A call before the tone of an answer.
fn announced() -> OwnerDialogue {
    let mut call = heard(vec![new(1)]);
    assert_eq!(press(&mut call, "9"), [say(&record_now(RecordingKind::Answer))]);
    call
}

/// A call in which an answer is recorded.
fn recording() -> OwnerDialogue {
    let mut call = announced();
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(RecordingPurpose::Answer(id(1)))]);
    call
}

/// A call at the review of an answer.
fn reviewing() -> OwnerDialogue {
    let mut call = recording();
    assert_eq!(after(&mut call, recorded(3)), [say(&[message_review()])]);
    call
}

#[test]
fn a_key_before_the_tone_leads_to_the_tone_at_once() {
    let mut call = announced();
    assert_eq!(press(&mut call, "#"), [say(&[Prompt::Tone])]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(RecordingPurpose::Answer(id(1)))]);
}

#[test]
fn only_its_key_ends_a_recording() {
    let mut call = recording();
    assert_eq!(press(&mut call, "1*"), [], "other keys are a part of it or a mistake");
    assert_eq!(press(&mut call, "#"), [OwnerAction::StopRecording]);
    assert_eq!(after(&mut call, recorded(3)), [say(&[message_review()])]);
}

#[test]
fn a_recording_is_made_again() {
    let mut call = reviewing();
    let again = [OwnerAction::Discard, say(&record_now(RecordingKind::Answer))];
    assert_eq!(press(&mut call, "3"), again);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(RecordingPurpose::Answer(id(1)))]);
}

#[test]
fn nothing_recorded_is_said_and_asked_for_three_times() {
    for (nothing, said) in [
        (recorded(0), Prompt::TooShort),
        (OwnerEvent::Recorded(Recorded::without_speech(Duration::from_secs(9))), Prompt::NoSpeech),
    ] {
        let mut call = recording();
        for _ in 0..2 {
            let again = [std::slice::from_ref(&said), &record_now(RecordingKind::Answer)[..]].concat();
            assert_eq!(after(&mut call, nothing.clone()), [OwnerAction::Discard, say(&again)]);
            after(&mut call, OwnerEvent::Played);
        }
        assert_eq!(after(&mut call, nothing), [OwnerAction::Discard, say(&[said, message_menu(&[])])]);
    }
}

#[test]
fn a_recording_that_cannot_begin_leads_back() {
    let mut call = recording();
    assert_eq!(after(&mut call, OwnerEvent::NotRecorded), [say(&[Prompt::NotRecorded, message_menu(&[])])]);
}

#[test]
fn a_recording_that_cannot_be_played_can_still_be_sent() {
    let mut call = reviewing();
    press(&mut call, "2");
    assert_eq!(after(&mut call, OwnerEvent::NotPlayed), [say(&[Prompt::NotAvailable, message_review()])]);
    let answer = OwnerAction::Answer {
        id: id(1),
        urgency: Urgency::Normal,
        privacy: Privacy::Normal,
        receipt: ReceiptChoice::NotRequested,
    };
    assert_eq!(press(&mut call, "1"), [answer]);
}

#[test]
fn who_hangs_up_while_recording_or_at_the_review_loses_it() {
    let stopping = {
        let mut call = recording();
        press(&mut call, "#");
        call
    };
    for mut call in [recording(), stopping, reviewing()] {
        assert_eq!(after(&mut call, OwnerEvent::HungUp), [OwnerAction::Discard]);
        assert!(call.is_over());
        assert_eq!(after(&mut call, recorded(3)), []);
    }
}

#[test]
fn who_hangs_up_before_the_tone_or_after_sending_loses_nothing() {
    let mut call = announced();
    assert_eq!(after(&mut call, OwnerEvent::HungUp), []);
    let mut call = reviewing();
    press(&mut call, "1");
    assert_eq!(after(&mut call, OwnerEvent::HungUp), [], "the driver sends it");
    assert!(call.is_over());
}
