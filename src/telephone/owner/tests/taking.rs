//! Messages of a group that belong to the member who takes them first.

use super::*;

/// A call at the first of these messages, in a mailbox with all functions.
fn hearing_all(entries: Vec<Entry>) -> OwnerDialogue {
    let mut call = at_full_menu();
    press(&mut call, "1");
    after(&mut call, page(entries));
    after(&mut call, OwnerEvent::Played);
    after(&mut call, DONE);
    call
}

#[test]
fn the_caller_who_takes_a_message_hears_whose_it_is() {
    for (outcome, said) in [
        (TakeOutcome::Yours, Prompt::MessageIsYours),
        (TakeOutcome::Taken(Some(mailbox("2043"))), Prompt::TakenBy(mailbox("2043"))),
        (TakeOutcome::Taken(None), Prompt::MessageGone),
    ] {
        let mut call = hearing_all(vec![new(1), new(2)]);
        assert_eq!(press(&mut call, "71"), [OwnerAction::Take(id(1))]);
        assert_eq!(after(&mut call, OwnerEvent::Taken(outcome)), [say(&[said])]);
        assert_eq!(after(&mut call, OwnerEvent::Played), [say(&presented(2, 2))], "the next message follows");
    }
}

#[test]
fn a_message_that_cannot_be_taken_stays_where_it_is() {
    for (outcome, said) in [(TakeOutcome::NoRoom, Prompt::NoRoomToTake), (TakeOutcome::Failed, Prompt::ChangeFailed)] {
        let mut call = hearing_all(vec![new(1)]);
        press(&mut call, "71");
        let [OwnerAction::Say(prompts)] = &after(&mut call, OwnerEvent::Taken(outcome))[..] else { panic!("it is said") };
        assert_eq!(prompts[0], said);
        assert_eq!(press(&mut call, "71"), [OwnerAction::Take(id(1))], "it can be tried again");
    }
}

#[test]
fn a_message_of_an_own_mailbox_is_not_taken() {
    let mut call = heard(vec![new(1)]);
    assert_eq!(press(&mut call, "71"), [say(&[Prompt::NotAvailable, message_menu(&[])])]);
}
