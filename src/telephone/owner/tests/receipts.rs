//! Receipts: the request for one, and receipts among the messages of an owner.

use super::*;

fn said(disposition: Disposition) -> Prompt {
    let (recorded, at) = (now() - chrono::TimeDelta::days(2), now() - chrono::TimeDelta::days(1));
    let recorded = Stamp::new(recorded, chrono_tz::Europe::London);
    Prompt::Receipt {
        disposition,
        mailbox: mailbox("2042"),
        recorded,
        recorded_day: recorded.day_at(now()),
        at: Stamp::new(at, chrono_tz::Europe::London),
        at_day: RelativeDay::Yesterday,
    }
}

/// The menu of a receipt, the first of a list.
fn receipt_menu() -> Prompt {
    message_menu(&[Function::Envelope, Function::PassOn, Function::Answer])
}

#[test]
fn a_receipt_is_said_in_place_of_a_sound() {
    for disposition in Disposition::ALL {
        let mut call = at_main_menu();
        press(&mut call, "1");
        let presented = after(&mut call, page(vec![receipt(1, disposition)]));
        assert_eq!(presented, [say(&[Prompt::MessageNumber { number: 1, of: 1 }, said(disposition)])]);
        assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::MarkOld(id(1))]);
        assert_eq!(after(&mut call, DONE), [say(&[receipt_menu()])]);
    }
}

#[test]
fn a_receipt_is_neither_answered_nor_passed_on_nor_moved_in() {
    for key in ["9", "8", "5"] {
        let mut call = hearing(vec![receipt(1, Disposition::Played)]);
        assert_eq!(press(&mut call, key), [say(&[Prompt::NotAvailable, receipt_menu()])], "{key}");
    }
    let mut call = hearing(vec![receipt(1, Disposition::Played)]);
    assert_eq!(press(&mut call, "0"), [say(&[receipt_menu()])]);
    let again = say(&[Prompt::MessageNumber { number: 1, of: 1 }, said(Disposition::Played)]);
    assert_eq!(press(&mut call, "1"), [again], "1 is no control, but says it again");
    assert_eq!(press(&mut call, "3"), [OwnerAction::Remove(id(1))]);
}

#[test]
fn a_receipt_is_requested_by_a_key_and_taken_back_by_it() {
    let mut call = heard(vec![new(1)]);
    press(&mut call, "9");
    after(&mut call, OwnerEvent::Played);
    after(&mut call, recorded(5));
    assert_eq!(press(&mut call, "6"), [say(&[Prompt::ReceiptRequested, message_review()])]);
    assert_eq!(press(&mut call, "6"), [say(&[Prompt::ReceiptNotRequested, message_review()])]);
    press(&mut call, "6");
    let (urgency, privacy, receipt) = (Urgency::Normal, Privacy::Normal, ReceiptChoice::Requested);
    let answer = OwnerAction::Answer { id: id(1), urgency, privacy, receipt };
    assert_eq!(press(&mut call, "1"), std::slice::from_ref(&answer));
    after(&mut call, OwnerEvent::Sent(SendOutcome::Failed));
    assert_eq!(press(&mut call, "1"), [answer], "it is requested at the next try, too");
}

#[test]
fn a_greeting_has_no_receipt() {
    let mut call = at_main_menu();
    press(&mut call, "412");
    after(&mut call, OwnerEvent::Played);
    after(&mut call, recorded(5));
    assert_eq!(press(&mut call, "6"), [say(&[Prompt::NotAvailable, review()])]);
}
