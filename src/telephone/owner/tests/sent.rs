//! The list of sent messages.

use super::*;

fn message(n: u8, copies: &[(&str, u8)]) -> SentMessage {
    let copies = copies.iter().map(|(number, state)| SentCopy::new(mailbox(number), id(n), sent_state(*state)));
    SentMessage::new(id(n), now() - chrono::TimeDelta::days(1), Duration::from_secs(3), copies.collect())
}

fn sent_at(number: usize, of: usize) -> Vec<Prompt> {
    let stamp = Stamp::new(now() - chrono::TimeDelta::days(1), chrono_tz::Europe::London);
    vec![Prompt::MessageNumber { number, of }, Prompt::SentAt { stamp, day: RelativeDay::Yesterday }]
}

fn sent_menu(functions: &[Function]) -> Prompt {
    menu(Place::Sent, functions)
}

#[test]
fn each_sent_message_is_said_with_its_state_in_each_mailbox() {
    let mut call = at_full_menu();
    assert_eq!(press(&mut call, "8"), [OwnerAction::ListSent]);
    let messages = vec![message(1, &[("2001", 3), ("2002", 2), ("2003", 1), ("2004", 0)]), message(2, &[("2001", 2)])];
    let stamp = Stamp::new(now() - chrono::TimeDelta::days(1), chrono_tz::Europe::London);
    let ended =
        Prompt::EndedFor { mailbox: mailbox("2001"), disposition: Disposition::Played, at: stamp, day: RelativeDay::Yesterday };
    let mut first = sent_at(1, 2);
    first.extend([ended, Prompt::NotHeardBy(mailbox("2002")), Prompt::NotSentTo(mailbox("2003"))]);
    first.extend([Prompt::NotHeardBy(mailbox("2004")), sent_menu(&[Function::Again, Function::Next, Function::Back])]);
    assert_eq!(after(&mut call, OwnerEvent::SentListed(messages)), [say(&first)]);
    let mut second = sent_at(2, 2);
    let all = [Function::Again, Function::Previous, Function::Next, Function::Back];
    second.extend([Prompt::NotHeardBy(mailbox("2001")), sent_menu(&all)]);
    assert_eq!(press(&mut call, "6"), [say(&second)]);
    assert_eq!(press(&mut call, "4"), [say(&first)]);
    assert_eq!(press(&mut call, "1"), [say(&first)]);
    assert_eq!(press(&mut call, "*"), [say(&[full_menu()])]);
}

#[test]
fn a_message_to_many_mailboxes_is_said_in_numbers() {
    let mut call = at_full_menu();
    press(&mut call, "8");
    let copies = [("2001", 3), ("2002", 2), ("2003", 1), ("2004", 0), ("2005", 3), ("2006", 4)];
    let mut expected = sent_at(1, 1);
    expected.push(Prompt::SentCounts { heard: 2, unheard: 2, removed: 0, not_sent: 2 });
    expected.push(sent_menu(&[Function::Again, Function::Next, Function::Back]));
    assert_eq!(after(&mut call, OwnerEvent::SentListed(vec![message(1, &copies)])), [say(&expected)]);
    assert_eq!(press(&mut call, "#"), [say(&[Prompt::EndOfMessages, full_menu()])]);
}

#[test]
fn no_list_and_a_failure_lead_back_to_the_main_menu() {
    for (event, said) in
        [(OwnerEvent::SentListed(Vec::new()), Prompt::NoSentMessages), (OwnerEvent::NotListed, Prompt::MessagesUnavailable)]
    {
        let mut call = at_full_menu();
        press(&mut call, "8");
        assert_eq!(after(&mut call, event), [say(&[said, full_menu()])]);
    }
}

#[test]
fn what_a_mailbox_does_not_have_is_neither_offered_nor_done() {
    for key in ["8", "9"] {
        let mut call = at_main_menu();
        assert_eq!(press(&mut call, key), [say(&[Prompt::NotAvailable, main_menu()])], "{key}");
    }
}
