//! Greetings and the name: heard, recorded, removed.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::super::greetings::end_after;
use super::*;

const KINDS: [(&str, GreetingKind); 4] =
    [("41", GreetingKind::Normal), ("42", GreetingKind::Busy), ("43", GreetingKind::Temporary), ("7", GreetingKind::Name)];

/// The menu of a greeting that the owner has recorded.
fn one_greeting() -> Prompt {
    let functions = [Function::HearGreeting, Function::RecordGreeting, Function::RemoveGreeting, Function::Back];
    menu(Place::OneGreeting, &functions)
}

/// The menu of a greeting that the owner has not recorded.
fn no_greeting() -> Prompt {
    menu(Place::OneGreeting, &[Function::RecordGreeting, Function::Back])
}

fn greetings_menu() -> Prompt {
    let functions = [Function::NormalGreeting, Function::BusyGreeting, Function::TemporaryGreeting, Function::Back];
    menu(Place::Greetings, &functions)
}

/// A call at the menu of this greeting, after the recording of it was accepted.
fn accepted(keys: &str) -> (OwnerDialogue, Vec<OwnerAction>) {
    let mut call = at_main_menu();
    press(&mut call, keys);
    press(&mut call, "2");
    after(&mut call, OwnerEvent::Played);
    after(&mut call, recorded(9));
    let actions = press(&mut call, "1");
    (call, actions)
}

#[test]
fn a_greeting_is_recorded_and_saved_when_it_is_confirmed() {
    for (keys, kind) in KINDS {
        let mut call = at_main_menu();
        assert_eq!(press(&mut call, keys).last(), Some(&say(&[no_greeting()])), "{keys}");
        assert_eq!(press(&mut call, "2"), [say(&record_now(RecordingKind::Greeting(kind)))]);
        assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(RecordingPurpose::Greeting(kind))]);
        after(&mut call, recorded(9));
        let days = if kind == GreetingKind::Temporary {
            assert_eq!(press(&mut call, "1"), [say(&[Prompt::EnterDays])]);
            "#"
        } else {
            "1"
        };
        let save = OwnerAction::SaveGreeting { kind, until: None };
        assert_eq!(press(&mut call, days), std::slice::from_ref(&save));
        let not_saved = after(&mut call, OwnerEvent::GreetingSet(GreetingOutcome::Failed));
        assert_eq!(not_saved, [say(&[Prompt::GreetingNotSaved, review()])]);
        press(&mut call, "1");
        if kind == GreetingKind::Temporary {
            press(&mut call, "#");
        }
        let saved = if kind == GreetingKind::Name { Prompt::NameSaved } else { Prompt::GreetingSaved };
        assert_eq!(after(&mut call, SAVED), [say(&[saved, one_greeting()])], "and it can be heard and removed now");
    }
}

#[test]
fn a_greeting_is_heard_and_removed() {
    for (keys, kind) in KINDS {
        let mut call = with_greetings(GreetingKind::ALL.into_iter().collect());
        press(&mut call, keys);
        assert_eq!(press(&mut call, "1"), [say(&[Prompt::Greeting(kind), one_greeting()])]);
        for (set, said, menu) in [
            (GreetingOutcome::Failed, Prompt::ChangeFailed, one_greeting()),
            (GreetingOutcome::Done, Prompt::GreetingRemoved, no_greeting()),
        ] {
            assert_eq!(press(&mut call, "3"), [OwnerAction::RemoveGreeting(kind)]);
            assert_eq!(after(&mut call, OwnerEvent::GreetingSet(set)), [say(&[said, menu])]);
        }
        for key in ["1", "3"] {
            assert_eq!(press(&mut call, key), [say(&[Prompt::NoGreeting, no_greeting()])]);
        }
    }
}

#[test]
fn a_greeting_that_cannot_be_played_leaves_the_owner_there() {
    let mut call = with_greetings(GreetingKind::ALL.into_iter().collect());
    press(&mut call, "411");
    assert_eq!(after(&mut call, OwnerEvent::NotPlayed), [say(&[Prompt::NotAvailable, one_greeting()])]);
}

#[test]
fn back_leads_to_the_menu_from_which_the_greeting_was_chosen() {
    let mut call = at_main_menu();
    assert_eq!(press(&mut call, "4"), [say(&[greetings_menu()])]);
    press(&mut call, "1");
    assert_eq!(press(&mut call, "*"), [say(&[greetings_menu()])]);
    assert_eq!(press(&mut call, "*"), [say(&[main_menu()])]);
    press(&mut call, "7");
    assert_eq!(press(&mut call, "*"), [say(&[main_menu()])], "the name");
}

#[test]
fn greetings_of_an_unread_mailbox_may_be_there() {
    let mut call = own_call();
    press(&mut call, "480913#");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Right));
    after(&mut call, OwnerEvent::NotOpened);
    assert_eq!(press(&mut call, "41").last(), Some(&say(&[one_greeting()])));
    assert_eq!(press(&mut call, "3"), [OwnerAction::RemoveGreeting(GreetingKind::Normal)]);
}

#[test]
fn a_temporary_greeting_ends_with_the_last_of_its_days() {
    let (mut call, actions) = accepted("43");
    assert_eq!(actions, [say(&[Prompt::EnterDays])]);
    for days in ["0#", "367#", "99999999999999999999#"] {
        assert_eq!(press(&mut call, days), [say(&[Prompt::NotUnderstood, Prompt::EnterDays])], "{days}");
    }
    // It is 18:00 on the 22nd in London.
    let until = "2026-11-25T00:00:00Z".parse().unwrap();
    let save = OwnerAction::SaveGreeting { kind: GreetingKind::Temporary, until: Some(until) };
    assert_eq!(press(&mut call, "3#"), [save], "the first day is today");
    let last = Stamp::new(until - chrono::TimeDelta::seconds(1), chrono_tz::Europe::London);
    let saved = [Prompt::GreetingSaved, Prompt::GreetingUntil(last), one_greeting()];
    assert_eq!(after(&mut call, SAVED), [say(&saved)]);
}

#[test]
fn the_entry_of_days_is_taken_back() {
    let (mut call, _) = accepted("43");
    assert_eq!(press(&mut call, "12*"), [say(&[Prompt::EnterDays])]);
    assert_eq!(press(&mut call, "*"), [say(&[review()])], "the recording is still there");
    assert_eq!(press(&mut call, "*"), [OwnerAction::Discard, say(&[Prompt::RecordingDiscarded, no_greeting()])]);
}

#[test]
fn a_day_ends_where_the_local_date_changes() {
    let zones = [
        chrono_tz::UTC,
        chrono_tz::Europe::London,
        chrono_tz::Asia::Tokyo,
        chrono_tz::Pacific::Kiritimati,
        chrono_tz::Pacific::Pago_Pago,
        chrono_tz::America::Sao_Paulo,
        chrono_tz::Africa::Cairo,
        chrono_tz::America::Havana,
        chrono_tz::Pacific::Apia,
        chrono_tz::Australia::Lord_Howe,
    ];
    let date = |instant: DateTime<Utc>, zone: Tz| instant.with_timezone(&zone).date_naive();
    for zone in zones {
        // Clocks change in these days, and in Samoa a whole day is left out.
        for start in ["2011-12-29T09:30:00Z", "2017-10-14T12:00:00Z", "2018-02-17T12:00:00Z", "2026-03-28T23:30:00Z"] {
            let now: DateTime<Utc> = start.parse().unwrap();
            for days in [1, 2, 30] {
                let end = end_after(days, now, zone).unwrap();
                let last: NaiveDate = date(now, zone) + chrono::Days::new(days - 1);
                let before = end - chrono::TimeDelta::seconds(1);
                assert!(date(before, zone) <= last && date(end, zone) > last, "{days} days from {start} in {zone}: {end}");
                assert!(end > now);
            }
        }
    }
}
