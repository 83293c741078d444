//! The functions at a message: keep, remove, restore, envelope, call back.

use proptest::prelude::*;

use super::*;

#[test]
fn a_message_is_removed_restored_and_kept() {
    let mut call = hearing(vec![new(1), new(2)]);
    assert_eq!(press(&mut call, "3"), [OwnerAction::Remove(id(1))], "it is not removed before the store says so");
    assert_eq!(after(&mut call, DONE), [say(&[Prompt::Removed])]);
    assert_eq!(press(&mut call, "73"), [OwnerAction::Restore(id(1))]);
    assert_eq!(after(&mut call, DONE), [say(&[Prompt::Restored, message_menu(&[])])]);
    press(&mut call, "3");
    after(&mut call, DONE);
    assert_eq!(after(&mut call, OwnerEvent::Played), [say(&presented(2, 2))], "the next one comes by itself");
    assert_eq!(press(&mut call, "2"), [OwnerAction::MarkOld(id(2))]);
    assert_eq!(after(&mut call, DONE), [say(&[Prompt::Kept])]);
    assert_eq!(after(&mut call, DONE), [], "it is answered once");
    assert_eq!(after(&mut call, OwnerEvent::Played), [say(&[Prompt::EndOfMessages, main_menu()])]);
}

#[test]
fn a_message_that_was_heard_is_kept_as_new() {
    let mut call = heard(vec![new(1), new(2)]);
    assert_eq!(press(&mut call, "72"), [OwnerAction::MarkNew(id(1))]);
    assert_eq!(after(&mut call, DONE), [say(&[Prompt::KeptAsNew])]);
    assert_eq!(press(&mut call, "1"), [say(&presented(1, 2))], "it can be heard again before the next one comes");
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::MarkOld(id(1))], "and is old then, as it was new again");
}

#[test]
fn a_kept_message_that_was_heard_is_old_already() {
    let mut call = heard(vec![new(1), new(2)]);
    assert_eq!(press(&mut call, "2"), [say(&[Prompt::Kept])]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [say(&presented(2, 2))]);
}

#[test]
fn a_store_that_fails_is_said_and_the_owner_tries_again() {
    for (keys, said, action) in [
        ("2", Prompt::Kept, OwnerAction::MarkOld(id(1))),
        ("3", Prompt::Removed, OwnerAction::Remove(id(1))),
        ("72", Prompt::KeptAsNew, OwnerAction::MarkNew(id(1))),
    ] {
        let mut call = hearing(vec![new(1)]);
        after(&mut call, OwnerEvent::Played);
        after(&mut call, OwnerEvent::Marked(MarkOutcome::Failed));
        for _ in 0..2 {
            assert_eq!(press(&mut call, keys), std::slice::from_ref(&action));
            let failed = after(&mut call, OwnerEvent::Marked(MarkOutcome::Failed));
            assert_eq!(failed, [say(&[Prompt::ChangeFailed, message_menu(&[])])]);
            assert_eq!(after(&mut call, OwnerEvent::Played), [], "nothing comes by itself");
        }
        press(&mut call, keys);
        assert_eq!(after(&mut call, DONE), [say(&[said])]);
    }
}

#[test]
fn a_message_that_is_gone_is_followed_by_the_next() {
    let mut call = hearing(vec![new(1), new(2)]);
    press(&mut call, "3");
    let gone = after(&mut call, OwnerEvent::Marked(MarkOutcome::NoSuchMessage));
    assert_eq!(gone, [say(&[Prompt::MessageGone])]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [say(&presented(2, 2))]);
}

#[test]
fn a_removed_message_can_only_be_restored() {
    let mut call = at_main_menu();
    press(&mut call, "3");
    after(&mut call, page(vec![entry(1, Urgency::Normal, Privacy::Normal, Status::Removed)]));
    assert_eq!(after(&mut call, OwnerEvent::Played), [say(&[removed_menu()])], "hearing it changes nothing");
    for keys in ["3", "72"] {
        assert_eq!(press(&mut call, keys), [say(&[Prompt::NotAvailable, removed_menu()])], "{keys}");
    }
    assert_eq!(press(&mut call, "2"), [OwnerAction::Restore(id(1))], "kept means restored");
    let restored = after(&mut call, DONE);
    assert_eq!(restored, [say(&[Prompt::Restored, message_menu(&[])])]);
    assert_eq!(press(&mut call, "73"), [say(&[Prompt::NotAvailable, message_menu(&[])])]);
}

#[test]
fn the_envelope_says_when_from_whom_and_how_long() {
    let mut call = heard(vec![new(1)]);
    let from = Caller::new(Some("2042".parse().unwrap()), None);
    let told = [received(), Prompt::From(from), Prompt::Length(Duration::ZERO), message_menu(&[])];
    assert_eq!(press(&mut call, "5"), [say(&told)]);
}

#[test]
fn the_sender_is_called_back() {
    let mut call = heard(vec![new(1)]);
    assert_eq!(press(&mut call, "79"), [OwnerAction::CallBack("2042".parse().unwrap())]);
    assert_eq!(after(&mut call, OwnerEvent::NotConnected), [say(&[Prompt::NotConnected, message_menu(&[])])]);
    assert_eq!(after(&mut call, OwnerEvent::NotConnected), [], "nobody asked");
    press(&mut call, "79");
    assert_eq!(after(&mut call, OwnerEvent::HungUp), [], "the driver has ended the call");
    assert!(call.is_over());
}

#[test]
fn a_sender_without_number_cannot_be_called_or_answered() {
    let mut call = heard(vec![anonymous(1)]);
    let menu = message_menu(&[Function::Answer, Function::CallBack]);
    assert_eq!(press(&mut call, "79"), [say(&[Prompt::NoNumber, menu.clone()])]);
    assert_eq!(press(&mut call, "9"), [say(&[Prompt::CannotAnswer, menu])]);
}

#[test]
fn what_was_done_and_what_comes_next_is_one_statement() {
    let mut call = hearing(vec![new(1), new(2)]);
    press(&mut call, "36");
    let second = [&[Prompt::Removed], &presented(2, 2)[..]].concat();
    assert_eq!(after(&mut call, DONE), [say(&second)], "its end is the end of the message, too");
    let mut call = hearing(vec![new(1)]);
    press(&mut call, "39");
    let answer = [&[Prompt::Removed], &record_now(RecordingKind::Answer)[..]].concat();
    assert_eq!(after(&mut call, DONE), [say(&answer)], "no recording begins before the tone");
}

#[test]
fn keys_pressed_before_a_failure_do_nothing() {
    let mut call = hearing(vec![new(1), new(2)]);
    press(&mut call, "3");
    assert_eq!(press(&mut call, "6"), []);
    let failed = after(&mut call, OwnerEvent::Marked(MarkOutcome::Failed));
    assert_eq!(failed, [say(&[Prompt::ChangeFailed, message_menu(&[])])], "the owner hears that it is still there");
}

#[test]
fn back_leads_to_the_main_menu() {
    let mut call = hearing(vec![new(1)]);
    assert_eq!(press(&mut call, "*"), [say(&[main_menu()])]);
    assert_eq!(press(&mut call, "*"), [say(&[Prompt::Goodbye])]);
}

proptest! {
    /// The owner goes through a mailbox of any size to its end, and keeps, removes or skips messages.
    #[test]
    fn every_message_is_counted_whatever_the_page(count in 1..130_usize, keys in proptest::collection::vec("[236]", 130)) {
        let mut mailbox: Vec<Entry> = (0..count).map(|n| new(u8::try_from(n).unwrap())).collect();
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
