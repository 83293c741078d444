//! The number of the mailbox, the PIN, and the mailbox that is opened.

use super::*;

fn check(number: &str, pin: &str) -> OwnerAction {
    OwnerAction::CheckPin { mailbox: mailbox(number), pin: pin.into() }
}

#[test]
fn an_own_telephone_is_asked_for_the_pin_only() {
    let mut call = own_call();
    assert_eq!(press(&mut call, "480913#"), [check("2041", "480913")]);
    assert_eq!(after(&mut call, OwnerEvent::Checked(PinVerdict::Right)), [OwnerAction::Open(mailbox("2041"))]);
    assert_eq!(after(&mut call, opened(Greetings::default())), [say(&[counts(), main_menu()])]);
}

#[test]
fn warnings_are_heard_once_before_the_numbers_of_messages() {
    let mut call = own_call();
    press(&mut call, "480913#");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Right));
    let warnings = vec![Prompt::MailboxNearlyFull, Prompt::MessagesExpire { messages: 2, days: 3 }];
    let OwnerEvent::Opened(opened) = opened(Greetings::default()) else { panic!("a mailbox is opened") };
    let said = after(&mut call, OwnerEvent::Opened(opened.with_warnings(warnings.clone())));
    assert_eq!(said, [say(&[&warnings[..], &[counts(), main_menu()]].concat())]);
    press(&mut call, "1");
    let back = after(&mut call, page(Vec::new()));
    assert!(!back.iter().any(|action| matches!(action, OwnerAction::Say(said) if said.contains(&warnings[0]))), "{back:?}");
}

#[test]
fn another_telephone_is_asked_for_the_mailbox_first() {
    let mut call = OwnerDialogue::builder().build();
    assert_eq!(call.poll_action(), Some(say(&[Prompt::EnterOwnMailbox])));
    assert_eq!(press(&mut call, "#"), [say(&[Prompt::NotUnderstood, Prompt::EnterOwnMailbox])]);
    assert_eq!(press(&mut call, "2099*"), [say(&[Prompt::EnterOwnMailbox])], "a number is entered again");
    assert_eq!(press(&mut call, "2042#"), [say(&[Prompt::EnterPin])]);
    assert_eq!(press(&mut call, "719305#"), [check("2042", "719305")]);
    assert_eq!(after(&mut call, OwnerEvent::Checked(PinVerdict::Right)), [OwnerAction::Open(mailbox("2042"))]);
}

#[test]
fn from_an_own_telephone_another_mailbox_can_be_opened() {
    let mut call = own_call();
    assert_eq!(press(&mut call, "48*"), [say(&[Prompt::EnterPin])], "the PIN is entered again");
    assert_eq!(press(&mut call, "*"), [say(&[Prompt::EnterOwnMailbox])]);
    assert_eq!(press(&mut call, "*"), [say(&[Prompt::EnterPin])], "back to the own one");
    assert_eq!(press(&mut call, "*2042#719305#").last(), Some(&check("2042", "719305")));
}

#[test]
fn three_wrong_pins_end_the_call_a_lock_or_no_pin_at_once() {
    let mut call = own_call();
    for _ in 0..2 {
        assert_eq!(press(&mut call, "12#"), [check("2041", "12")]);
        assert_eq!(after(&mut call, OwnerEvent::Checked(PinVerdict::Wrong)), [say(&[Prompt::WrongPin, Prompt::EnterPin])]);
    }
    press(&mut call, "#");
    assert_eq!(after(&mut call, OwnerEvent::Checked(PinVerdict::Wrong)), [say(&[Prompt::WrongPin, Prompt::Goodbye])]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::HangUp]);

    let wait = Duration::from_secs(60);
    for (verdict, said) in [
        (PinVerdict::Locked(wait), Prompt::LockedOut(wait)),
        (PinVerdict::NoPin, Prompt::NoPinSet),
        (PinVerdict::Unavailable, Prompt::PinNotChecked),
    ] {
        let mut call = own_call();
        press(&mut call, "1234#");
        assert_eq!(after(&mut call, OwnerEvent::Checked(verdict)), [say(&[said, Prompt::Goodbye])]);
    }
}

#[test]
fn nobody_hears_whether_an_entered_number_is_a_mailbox() {
    let verdicts = [PinVerdict::Wrong, PinVerdict::NoPin, PinVerdict::Locked(Duration::from_secs(60))];
    let heard = verdicts.map(|verdict| {
        let mut call = OwnerDialogue::builder().build();
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.extend(press(&mut call, "2042#1234#"));
            heard.extend(after(&mut call, OwnerEvent::Checked(verdict)));
        }
        heard.extend(after(&mut call, OwnerEvent::Played));
        assert!(call.is_over(), "after three attempts");
        heard
    });
    assert!(heard[0].contains(&say(&[Prompt::WrongPin, Prompt::EnterOwnMailbox])), "{:?}", heard[0]);
    assert_eq!(heard[0], heard[1], "a mailbox without PIN, or none at all");
    assert_eq!(heard[0], heard[2], "a locked mailbox");
}

#[test]
fn a_mailbox_that_cannot_be_read_ends_no_call() {
    let mut call = own_call();
    press(&mut call, "480913#");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Right));
    let unavailable = say(&[Prompt::MessagesUnavailable, main_menu()]);
    assert_eq!(after(&mut call, OwnerEvent::NotOpened), std::slice::from_ref(&unavailable));
    for _ in 0..2 {
        assert!(matches!(&press(&mut call, "1")[..], [OwnerAction::List(_)]));
        assert_eq!(after(&mut call, OwnerEvent::NotListed), std::slice::from_ref(&unavailable));
    }
    press(&mut call, "1");
    assert!(matches!(&after(&mut call, page(vec![new(1)]))[..], [OwnerAction::Say(_)]));
}

#[test]
fn keys_pressed_during_the_check_count_if_the_pin_was_right() {
    let mut call = own_call();
    press(&mut call, "480913#");
    assert_eq!(press(&mut call, "2"), []);
    after(&mut call, OwnerEvent::Checked(PinVerdict::Right));
    let actions = after(&mut call, opened(Greetings::default()));
    assert!(matches!(&actions[..], [OwnerAction::List(_)]), "the counts and the menu are cut short: {actions:?}");

    let mut call = own_call();
    press(&mut call, "480914#");
    press(&mut call, "2");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Wrong));
    assert_eq!(press(&mut call, "480913#"), [check("2041", "480913")], "they are not the beginning of the next PIN");
}
