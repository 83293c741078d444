//! Owners who press nothing.

use super::*;

#[test]
fn an_owner_who_presses_nothing_hears_the_menu_and_goodbye() {
    let mut call = at_main_menu();
    for _ in 0..2 {
        assert_eq!(after(&mut call, OwnerEvent::Silence), [say(&[main_menu()])]);
    }
    assert_eq!(after(&mut call, OwnerEvent::Silence), [say(&[Prompt::Goodbye])]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::HangUp]);
    assert!(call.is_over());
}

#[test]
fn a_key_begins_the_count_of_silences_anew() {
    let mut call = at_main_menu();
    for _ in 0..4 {
        after(&mut call, OwnerEvent::Silence);
        assert_eq!(press(&mut call, "0"), [say(&[main_menu()])]);
    }
}

#[test]
fn a_number_that_is_not_finished_is_entered_again() {
    let mut call = own_call();
    press(&mut call, "48");
    assert_eq!(after(&mut call, OwnerEvent::Silence), [say(&[Prompt::EnterPin])]);
    let check = OwnerAction::CheckPin { mailbox: mailbox("2041"), pin: "480913".into() };
    assert_eq!(press(&mut call, "480913#"), [check], "what was entered before is forgotten");
}

#[test]
fn half_a_function_is_not_understood() {
    let mut call = heard(vec![new(1)]);
    assert_eq!(press(&mut call, "7"), []);
    assert_eq!(after(&mut call, OwnerEvent::Silence), [say(&[Prompt::NotUnderstood, message_menu(&[])])]);
    assert_eq!(press(&mut call, "2"), [say(&[Prompt::Kept])], "it is not the second half");
}

#[test]
fn a_paused_message_waits_and_then_the_call_ends() {
    let mut call = hearing(vec![new(1)]);
    press(&mut call, "8");
    for _ in 0..2 {
        assert_eq!(after(&mut call, OwnerEvent::Silence), [], "the owner wanted the pause");
    }
    assert_eq!(after(&mut call, OwnerEvent::Silence), [say(&[Prompt::Goodbye])]);
}

#[test]
fn silence_at_the_review_discards_the_recording_at_last() {
    let mut call = heard(vec![new(1)]);
    press(&mut call, "9");
    after(&mut call, OwnerEvent::Played);
    for _ in 0..3 {
        assert_eq!(after(&mut call, OwnerEvent::Silence), [], "a recording ends by itself");
    }
    after(&mut call, recorded(3));
    for _ in 0..2 {
        assert_eq!(after(&mut call, OwnerEvent::Silence), [say(&[message_review()])]);
    }
    assert_eq!(after(&mut call, OwnerEvent::Silence), [OwnerAction::Discard, say(&[Prompt::Goodbye])]);
}

#[test]
fn silence_while_a_result_is_awaited_is_no_silence_of_the_owner() {
    let mut call = at_main_menu();
    press(&mut call, "1");
    for _ in 0..5 {
        assert_eq!(after(&mut call, OwnerEvent::Silence), []);
    }
    assert_eq!(after(&mut call, page(vec![new(1)])), [say(&presented(1, 1))]);
}
