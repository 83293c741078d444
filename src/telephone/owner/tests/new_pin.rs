//! The change of the PIN.

use super::*;

#[test]
fn a_new_pin_is_entered_twice_and_is_not_an_easy_one() {
    let mut call = at_main_menu();
    assert_eq!(press(&mut call, "5"), [say(&[Prompt::EnterNewPin])]);
    for weak in ["#", "1111#", "1234#", "1234567890123#"] {
        assert_eq!(press(&mut call, weak), [say(&[Prompt::PinTooWeak, Prompt::EnterNewPin])], "{weak}");
    }
    assert_eq!(press(&mut call, "719305#"), [say(&[Prompt::RepeatNewPin])]);
    assert_eq!(press(&mut call, "719306#"), [say(&[Prompt::PinsDiffer, Prompt::EnterNewPin])]);
    let set = OwnerAction::SetPin("719305".parse().unwrap());
    assert_eq!([press(&mut call, "719305#"), press(&mut call, "719305#")].concat()[1..], [set]);
    assert_eq!(press(&mut call, "*"), [], "nothing is said before it is known");
    let said = after(&mut call, OwnerEvent::PinSet(PinChangeOutcome::Kept));
    assert_eq!(said, [say(&[Prompt::PinChanged, Prompt::Goodbye])], "the key that came meanwhile leaves");
    assert_eq!(after(&mut call, OwnerEvent::PinSet(PinChangeOutcome::Failed)), [], "nobody asked");
}

#[test]
fn a_pin_that_was_not_changed_is_tried_again() {
    let mut call = at_main_menu();
    press(&mut call, "5719305#719305#");
    let failed = after(&mut call, OwnerEvent::PinSet(PinChangeOutcome::Failed));
    assert_eq!(failed, [say(&[Prompt::PinNotChanged, main_menu()])]);
    let set = OwnerAction::SetPin("719305".parse().unwrap());
    assert_eq!(press(&mut call, "5719305#719305#").last(), Some(&set));
    let kept = after(&mut call, OwnerEvent::PinSet(PinChangeOutcome::Kept));
    assert_eq!(kept, [say(&[Prompt::PinChanged, main_menu()])]);
}

#[test]
fn the_change_of_the_pin_is_cancelled() {
    let mut call = at_main_menu();
    press(&mut call, "5");
    assert_eq!(press(&mut call, "71*"), [say(&[Prompt::EnterNewPin])], "the digits are taken back first");
    assert_eq!(press(&mut call, "*"), [say(&[main_menu()])]);
}

#[test]
fn no_digit_that_was_typed_is_shown_by_debug() {
    let mut call = own_call();
    let (typed, dialogue) = (press(&mut call, "4809"), format!("{call:?}"));
    let shown = format!("{typed:?} {dialogue} {:?}", press(&mut call, "13#"));
    assert!(shown.contains("EnteredPin(..)") && !shown.contains("4809") && !shown.contains("13"), "{shown}");
}
