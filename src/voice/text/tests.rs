//! The English texts of prompts.

use super::*;
use crate::message::{CallerName, DeliveryFailure, Disposition, MessageId};
use crate::telephone::{Function, KeyMap, Place};

fn stamp(instant: &str) -> Stamp {
    Stamp::new(instant.parse().unwrap(), chrono_tz::Europe::Berlin)
}

#[test]
fn values_are_said_in_plain_english() {
    let night = stamp("2025-12-31T23:05:00Z");
    let mailbox: MailboxId = "2041".parse().unwrap();
    for (prompt, said) in [
        (Prompt::MessageCounts { new: 0, urgent: 0, old: 0 }, "You have no messages."),
        (Prompt::MessageCounts { new: 1, urgent: 1, old: 0 }, "You have 1 new message. 1 of them is urgent."),
        (
            Prompt::MessageCounts { new: 21, urgent: 2, old: 1 },
            "You have 21 new messages, and 1 old message. 2 of them are urgent.",
        ),
        (Prompt::MessagesExpire { messages: 1, days: 3 }, "1 message will be removed because of age, within 3 days."),
        (Prompt::MessagesExpire { messages: 21, days: 1 }, "21 messages will be removed because of age, within 1 day."),
        (Prompt::MailboxNearlyFull, "Your mailbox is nearly full, and soon takes no more messages."),
        (Prompt::MessageNumber { number: 2, of: 7 }, "Message 2 of 7."),
        (Prompt::ReceivedAt { stamp: night, day: RelativeDay::Yesterday }, "Received yesterday at 00:05."),
        (
            Prompt::ReceivedAt { stamp: night, day: RelativeDay::Date(night.local().date_naive()) },
            "Received on Thursday, 1 January 2026 at 00:05.",
        ),
        (Prompt::ReceivedAt { stamp: night, day: RelativeDay::Weekday(chrono::Weekday::Sun) }, "Received on Sunday at 00:05."),
        (
            Prompt::Receipt {
                disposition: Disposition::RemovedUnheard,
                mailbox: mailbox.clone(),
                recorded: night,
                recorded_day: RelativeDay::Yesterday,
                at: night,
                at_day: RelativeDay::Today,
            },
            "Your message to 2 0 4 1, recorded yesterday at 00:05, was removed unheard today at 00:05.",
        ),
        (
            Prompt::Receipt {
                disposition: Disposition::NotDelivered(DeliveryFailure::NoSuchMailbox),
                mailbox: mailbox.clone(),
                recorded: night,
                recorded_day: RelativeDay::Yesterday,
                at: night,
                at_day: RelativeDay::Today,
            },
            "Your message to 2 0 4 1, recorded yesterday at 00:05, could not be delivered today at 00:05, because no mailbox has this \
             number.",
        ),
        (Prompt::GreetingUntil(stamp("2026-03-25T22:59:00Z")), "The greeting is used until Wednesday, 25 March 2026 at 23:59."),
        (Prompt::Length(Duration::from_millis(61_900)), "It lasts 1 minute and 1 second."),
        (Prompt::Length(Duration::from_millis(900)), "It lasts 0 seconds."),
        (Prompt::LockedOut(Duration::from_secs(900)), "There were too many wrong PINs. Call again in 15 minutes."),
        (Prompt::Addressee(mailbox.clone()), "2 0 4 1."),
        (Prompt::Addressee("sales.berlin".parse().unwrap()), "sales berlin."),
        (Prompt::AddresseeList { list: "900".parse().unwrap(), members: 1 }, "List 9 0 0, 1 mailbox."),
        (Prompt::NotSentTo(mailbox.clone()), "The message was not sent to 2 0 4 1."),
        (
            Prompt::DefaultGreeting { mailbox, busy: true },
            "The owner of mailbox 2 0 4 1 is on the phone. Leave a message after the tone.",
        ),
        (Prompt::RecordNow(RecordingKind::Introduction), "Record an introduction after the tone, and then press pound."),
    ] {
        assert_eq!(text(&prompt), said);
        assert_eq!(log_text(&prompt), said);
    }
}

#[test]
fn a_caller_is_in_the_text_but_not_in_the_log() {
    let (number, name) = ("+49301234".parse().ok(), CallerName::cleaned("Élodie"));
    for (caller, said) in [
        (Caller::new(number.clone(), name), "From Élodie."),
        (Caller::new(number, None), "From plus 4 9 3 0 1 2 3 4."),
        (Caller::new(None, None), "From an unknown caller."),
    ] {
        assert_eq!(text(&Prompt::From(caller.clone())), said);
        assert_eq!(log_text(&Prompt::From(caller)), "From the caller.");
    }
}

#[test]
fn sounds_have_a_name_in_the_log_and_no_text() {
    let message = Prompt::Play(MessageId::from_bytes([7; 16]));
    for prompt in [Prompt::Tone, Prompt::LimitWarning, Prompt::PlayRecording, message] {
        assert_eq!(text(&prompt), "");
        assert!(log_text(&prompt).starts_with('['));
    }
}

#[test]
fn every_line_of_every_menu_is_a_sentence_of_its_own() {
    for keys in [KeyMap::voicemail(), KeyMap::asterisk(), KeyMap::intuity()] {
        for place in Place::ALL {
            let menu = keys.menu(place, place.functions());
            let said = text(&Prompt::Menu(menu.clone()));
            assert_eq!(said.matches(", press ").count(), menu.items.len(), "{said}");
            let mut lines: Vec<&str> = said.split(". ").collect();
            lines.sort_unstable();
            lines.dedup();
            assert_eq!(lines.len(), menu.items.len().max(1), "{said}");
        }
    }
}

#[test]
fn a_menu_names_its_keys_as_a_telephone_does() {
    let menu = KeyMap::asterisk().menu(Place::Main, &[Function::Compose, Function::Help, Function::Leave]);
    assert_eq!(
        text(&Prompt::Menu(menu)),
        "To send a message, press 3, 5. To hear this again, press star. To end the call, press pound."
    );
}
