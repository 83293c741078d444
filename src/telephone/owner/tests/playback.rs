//! Messages that are played, and the keys that control them while they play.

use super::*;

/// Presses these keys, which have the driver do this with the message that is played.
#[track_caller]
fn controls(call: &mut OwnerDialogue, keys: &str, control: PlaybackControl) {
    assert_eq!(press(call, keys), [OwnerAction::Playback(control)], "{keys}");
}

#[test]
fn messages_play_in_order_and_are_old_when_played_to_the_end() {
    let mut call = at_main_menu();
    press(&mut call, "1");
    let urgent = entry(1, Urgency::Urgent, Privacy::Private, Status::New);
    let first = [Prompt::MessageNumber { number: 1, of: 2 }, Prompt::Urgent, Prompt::Private, received(), Prompt::Play(id(1))];
    assert_eq!(after(&mut call, page(vec![urgent, new(2)])), [say(&first)]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::MarkOld(id(1))]);
    let menu = message_menu(&[Function::PassOn]);
    assert_eq!(after(&mut call, DONE), [say(std::slice::from_ref(&menu))]);
    assert_eq!(press(&mut call, "1"), [say(&first)], "again");
    assert_eq!(after(&mut call, OwnerEvent::Played), [say(&[menu])], "heard once");
    assert_eq!(press(&mut call, "6"), [say(&presented(2, 2))]);
    assert_eq!(press(&mut call, "4"), [say(&first)], "the one that was cut short stays new");
    press(&mut call, "#");
    assert_eq!(press(&mut call, "6"), [say(&[Prompt::EndOfMessages, main_menu()])]);
}

#[test]
fn a_message_is_wound_slowed_and_begun_again_while_it_plays() {
    let mut call = hearing(vec![new(1)]);
    for (keys, control) in [
        ("7", PlaybackControl::Rewind),
        ("9", PlaybackControl::Forward),
        ("1", PlaybackControl::FromStart),
        ("54", PlaybackControl::Slower),
        ("56", PlaybackControl::Faster),
        ("55", PlaybackControl::NormalSpeed),
    ] {
        controls(&mut call, keys, control);
    }
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::MarkOld(id(1))], "it was played to its end");
}

#[test]
fn a_paused_message_resumes_at_the_same_key_or_any_control() {
    let mut call = hearing(vec![new(1)]);
    controls(&mut call, "8", PlaybackControl::Pause);
    assert_eq!(after(&mut call, OwnerEvent::Played), [], "nothing has ended");
    controls(&mut call, "8", PlaybackControl::Resume);
    controls(&mut call, "8", PlaybackControl::Pause);
    controls(&mut call, "7", PlaybackControl::Rewind);
    controls(&mut call, "8", PlaybackControl::Pause);
}

#[test]
fn controls_have_no_function_once_the_message_has_ended() {
    let mut call = heard(vec![new(1)]);
    assert_eq!(press(&mut call, "8"), [say(&[Prompt::EnterMailbox])], "the key passes the message on");
}

#[test]
fn another_key_stops_the_message_and_does_its_function() {
    let mut call = hearing(vec![new(1), new(2)]);
    assert_eq!(press(&mut call, "3"), [OwnerAction::Remove(id(1))]);
    let mut call = hearing(vec![new(1), new(2)]);
    controls(&mut call, "8", PlaybackControl::Pause);
    assert_eq!(press(&mut call, "6"), [say(&presented(2, 2))]);
    assert_eq!(press(&mut call, "5"), [], "it could be the first of two");
    assert_eq!(press(&mut call, "1"), [say(&[Prompt::NotUnderstood, second_menu()])]);
}

/// The menu of the second and last message of a list.
fn second_menu() -> Prompt {
    let functions = [
        Function::Again,
        Function::Keep,
        Function::KeepAsNew,
        Function::Remove,
        Function::Previous,
        Function::Next,
        Function::Envelope,
        Function::PassOn,
        Function::Answer,
        Function::CallBack,
        Function::Back,
    ];
    menu(Place::Played, &functions)
}

#[test]
fn help_names_the_controls_and_plays_the_message_again() {
    let mut call = hearing(vec![new(1)]);
    let controls = menu(
        Place::Playing,
        &[
            Function::Rewind,
            Function::Pause,
            Function::Forward,
            Function::FromStart,
            Function::Slower,
            Function::Faster,
            Function::NormalSpeed,
        ],
    );
    assert_eq!(press(&mut call, "0"), [say(&[controls, message_menu(&[]), Prompt::Play(id(1))])]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::MarkOld(id(1))]);
    after(&mut call, DONE);
    assert_eq!(press(&mut call, "0"), [say(&[message_menu(&[])])]);
}

#[test]
fn a_message_whose_hearing_was_not_marked_stays_new() {
    let mut call = hearing(vec![new(1)]);
    after(&mut call, OwnerEvent::Played);
    let failed = after(&mut call, OwnerEvent::Marked(MarkOutcome::Failed));
    assert_eq!(failed, [say(&[message_menu(&[])])]);
    press(&mut call, "1");
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::MarkOld(id(1))], "it is tried again");
}

#[test]
fn a_digit_counts_that_comes_while_the_store_works() {
    let mut call = hearing(vec![new(1), new(2)]);
    after(&mut call, OwnerEvent::Played);
    assert_eq!(press(&mut call, "6"), []);
    assert_eq!(after(&mut call, DONE), [say(&presented(2, 2))]);
}

#[test]
fn a_message_that_cannot_be_played_is_not_heard() {
    let mut call = hearing(vec![new(1)]);
    let said = after(&mut call, OwnerEvent::NotPlayed);
    assert_eq!(said, [say(&[Prompt::MessagesUnavailable, message_menu(&[])])]);
    press(&mut call, "1");
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::MarkOld(id(1))]);
}

#[test]
fn a_mailbox_without_messages_says_so() {
    let mut call = at_main_menu();
    press(&mut call, "2");
    assert_eq!(after(&mut call, page(Vec::new())), [say(&[Prompt::NoMessages, main_menu()])]);
}

#[test]
fn more_messages_than_a_page_are_heard_page_by_page() {
    let mut call = at_main_menu();
    press(&mut call, "2");
    let old = |n| entry(n, Urgency::Normal, Privacy::Normal, Status::Old);
    let all = [old(1), old(2)];
    let first = Query::only([Status::Old]).order(Order::UrgentFirst).limit(1).page_of(all.clone());
    let next = first.next.unwrap();
    after(&mut call, OwnerEvent::Listed(first));
    let listing = press(&mut call, "6");
    assert_eq!(listing, [OwnerAction::List(Query::only([Status::Old]).order(Order::UrgentFirst).limit(PAGE).after(next))]);
    let unavailable = say(&[Prompt::MessagesUnavailable, message_menu(&[])]);
    assert_eq!(after(&mut call, OwnerEvent::NotListed), [unavailable], "the first one is still there");
    assert_eq!(press(&mut call, "6"), listing, "and the next page is asked for again");
    let rest = Query::only([Status::Old]).order(Order::UrgentFirst).after(next).page_of(all);
    assert_eq!(after(&mut call, OwnerEvent::Listed(rest)), [say(&presented(2, 2))]);
}
