//! Messages to one or several mailboxes: passed on, answered, or composed.

use super::*;

fn found(number: &str) -> OwnerEvent {
    OwnerEvent::Addressee(Addressee::Mailbox(mailbox(number)))
}

fn found_list(number: &str, members: &[&str]) -> OwnerEvent {
    let members = members.iter().copied().map(mailbox).collect();
    OwnerEvent::Addressee(Addressee::List { list: mailbox(number), members })
}

fn said_back(number: &str) -> OwnerAction {
    say(&[Prompt::Addressee(mailbox(number)), Prompt::EnterNextMailbox])
}

fn mailboxes(numbers: &[&str]) -> Vec<MailboxId> {
    numbers.iter().copied().map(mailbox).collect()
}

/// A call in which the message to these mailboxes is recorded and reviewed.
fn composed(numbers: &[&str]) -> OwnerDialogue {
    let mut call = at_main_menu();
    press(&mut call, "6");
    for number in numbers {
        press(&mut call, &format!("{number}#"));
        after(&mut call, found(number));
    }
    press(&mut call, "#");
    let purpose = RecordingPurpose::Message { to: mailboxes(numbers) };
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(purpose)]);
    assert_eq!(after(&mut call, recorded(5)), [say(&[message_review()])]);
    call
}

fn compose(numbers: &[&str]) -> OwnerAction {
    OwnerAction::Compose {
        to: mailboxes(numbers),
        urgency: Urgency::Normal,
        privacy: Privacy::Normal,
        receipt: ReceiptChoice::NotRequested,
    }
}

#[test]
fn a_message_is_passed_on_with_an_introduction() {
    let mut call = heard(vec![new(1)]);
    assert_eq!(press(&mut call, "8"), [say(&[Prompt::EnterMailbox])]);
    assert_eq!(press(&mut call, "#"), [say(&[Prompt::NoSuchMailbox, Prompt::EnterMailbox])], "nobody was entered");
    assert_eq!(press(&mut call, "2042#"), [OwnerAction::FindAddressee(mailbox("2042"))]);
    assert_eq!(after(&mut call, found("2042")), [said_back("2042")]);
    assert_eq!(press(&mut call, "#"), [say(&record_now(RecordingKind::Introduction))]);
    let to = mailboxes(&["2042"]);
    let purpose = RecordingPurpose::Introduction { id: id(1), to: to.clone() };
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(purpose)]);
    assert_eq!(press(&mut call, "#"), [OwnerAction::StopRecording]);
    assert_eq!(after(&mut call, recorded(5)), [say(&[introduction_review()])]);
    assert_eq!(
        press(&mut call, "1"),
        [OwnerAction::PassOn { id: id(1), to, introduced: true, receipt: ReceiptChoice::NotRequested }]
    );
    assert_eq!(after(&mut call, SENT), [say(&[Prompt::Sent, message_menu(&[])])]);
}

#[test]
fn an_introduction_is_left_out_by_a_key_or_by_silence() {
    let passed =
        OwnerAction::PassOn { id: id(1), to: mailboxes(&["2042"]), introduced: false, receipt: ReceiptChoice::NotRequested };
    let announced = || {
        let mut call = heard(vec![new(1)]);
        press(&mut call, "82042#");
        after(&mut call, found("2042"));
        press(&mut call, "#");
        call
    };
    let mut call = announced();
    assert_eq!(press(&mut call, "#"), std::slice::from_ref(&passed), "instead of waiting for the tone");
    assert_eq!(after(&mut call, SENT), [say(&[Prompt::Sent, message_menu(&[])])]);
    for nothing in [recorded(0), OwnerEvent::Recorded(Recorded::without_speech(Duration::from_secs(9)))] {
        let mut call = announced();
        after(&mut call, OwnerEvent::Played);
        assert_eq!(after(&mut call, nothing), [OwnerAction::Discard, passed.clone()]);
    }
}

#[test]
fn a_private_message_is_not_passed_on() {
    let mut call = heard_private();
    let menu = message_menu(&[Function::PassOn]);
    assert_eq!(press(&mut call, "8"), [say(&[Prompt::CannotPassOn, menu])]);
}

fn heard_private() -> OwnerDialogue {
    heard(vec![entry(1, Urgency::Normal, Privacy::Private, Status::New)])
}

#[test]
fn several_mailboxes_and_lists_get_one_message_each_once() {
    let mut call = at_main_menu();
    assert_eq!(press(&mut call, "6"), [say(&[Prompt::EnterMailbox])]);
    press(&mut call, "2042#");
    after(&mut call, found("2042"));
    assert_eq!(press(&mut call, "900#"), [OwnerAction::FindAddressee(mailbox("900"))]);
    let list = [Prompt::AddresseeList { list: mailbox("900"), members: 2 }, Prompt::EnterNextMailbox];
    assert_eq!(after(&mut call, found_list("900", &["2042", "2043"])), [say(&list)]);
    assert_eq!(press(&mut call, "#"), [say(&record_now(RecordingKind::Message))]);
    after(&mut call, OwnerEvent::Played);
    after(&mut call, recorded(5));
    assert_eq!(press(&mut call, "1"), [compose(&["2042", "2043"])]);
    assert_eq!(after(&mut call, SENT), [say(&[Prompt::Sent, main_menu()])]);
}

#[test]
fn a_number_that_is_not_found_is_entered_again() {
    let mut call = at_main_menu();
    press(&mut call, "6");
    for (missing, said) in [
        (OwnerEvent::Addressee(Addressee::Unknown), Prompt::NoSuchMailbox),
        (OwnerEvent::Addressee(Addressee::NotLicensed), Prompt::NotLicensed),
        (OwnerEvent::Addressee(Addressee::ListTooLarge), Prompt::ListTooLarge),
        (found_list("901", &[]), Prompt::NoSuchMailbox),
        (OwnerEvent::Addressee(Addressee::Unavailable), Prompt::NotAvailable),
    ] {
        assert_eq!(press(&mut call, "2099#"), [OwnerAction::FindAddressee(mailbox("2099"))]);
        assert_eq!(press(&mut call, "5"), [], "a key pressed before the failure");
        assert_eq!(after(&mut call, missing), [say(&[said, Prompt::EnterMailbox])]);
    }
    assert_eq!(press(&mut call, "20*"), [say(&[Prompt::EnterMailbox])], "a number is entered again");
    assert_eq!(press(&mut call, "*"), [say(&[main_menu()])], "or none");
}

#[test]
fn passing_on_is_cancelled_at_the_number() {
    let mut call = heard(vec![new(1)]);
    press(&mut call, "8");
    assert_eq!(press(&mut call, "*"), [say(&[message_menu(&[])])]);
}

#[test]
fn after_sixteen_numbers_the_message_is_recorded() {
    let mut call = at_main_menu();
    press(&mut call, "6");
    for number in 2001..2016 {
        press(&mut call, &format!("{number}#"));
        assert_eq!(after(&mut call, found(&number.to_string())), [said_back(&number.to_string())]);
    }
    press(&mut call, "2016#");
    let full = [&[Prompt::Addressee(mailbox("2016")), Prompt::AddressesFull], &record_now(RecordingKind::Message)[..]].concat();
    assert_eq!(after(&mut call, found("2016")), [say(&full)]);
}

#[test]
fn numbers_are_typed_ahead_and_said_back_all_the_same() {
    let mut call = at_main_menu();
    press(&mut call, "62042#2043##");
    let said = vec![Prompt::Addressee(mailbox("2042"))];
    let actions = after(&mut call, found("2042"));
    assert_eq!(actions, [OwnerAction::Say(said), OwnerAction::FindAddressee(mailbox("2043"))]);
    let announced = [&[Prompt::Addressee(mailbox("2043"))], &record_now(RecordingKind::Message)[..]].concat();
    assert_eq!(after(&mut call, found("2043")), [say(&announced)]);
}

#[test]
fn a_message_can_be_urgent_and_private() {
    let mut call = composed(&["2042"]);
    for (key, said) in [
        ("4", Prompt::MarkedUrgent),
        ("4", Prompt::MarkedNotUrgent),
        ("5", Prompt::MarkedPrivate),
        ("5", Prompt::MarkedNotPrivate),
        ("5", Prompt::MarkedPrivate),
        ("4", Prompt::MarkedUrgent),
    ] {
        assert_eq!(press(&mut call, key), [say(&[said, message_review()])]);
    }
    let to = mailboxes(&["2042"]);
    assert_eq!(
        press(&mut call, "1"),
        [OwnerAction::Compose { to, urgency: Urgency::Urgent, privacy: Privacy::Private, receipt: ReceiptChoice::NotRequested }]
    );
}

#[test]
fn a_second_try_goes_only_to_those_who_did_not_get_it() {
    let mut call = composed(&["2042", "2043", "2044"]);
    press(&mut call, "1");
    let partly = OwnerEvent::Sent(SendOutcome::Partly(mailboxes(&["2042", "2044"])));
    let missing = [Prompt::NotSentTo(mailbox("2042")), Prompt::NotSentTo(mailbox("2044")), message_review()];
    assert_eq!(after(&mut call, partly), [say(&missing)]);
    assert_eq!(press(&mut call, "1"), [compose(&["2042", "2044"])]);
    assert_eq!(after(&mut call, SENT), [say(&[Prompt::Sent, main_menu()])]);
}

#[test]
fn five_of_many_who_did_not_get_it_are_named() {
    let mut call = composed(&["2042"]);
    press(&mut call, "1");
    let all: Vec<MailboxId> = (2050..2056).map(|number| mailbox(&number.to_string())).collect();
    let named = all.iter().take(5).cloned().map(Prompt::NotSentTo);
    let said = named.chain([Prompt::NotSent, message_review()]).collect();
    assert_eq!(after(&mut call, OwnerEvent::Sent(SendOutcome::Partly(all.clone()))), [OwnerAction::Say(said)]);
}

#[test]
fn a_message_that_is_too_private_is_sent_when_it_is_not() {
    let mut call = composed(&["2042", "8700"]);
    press(&mut call, "5");
    press(&mut call, "1");
    let said = [Prompt::NotSentTo(mailbox("8700")), Prompt::PrivacyNotHonoured, message_review()];
    let refused = OwnerEvent::Sent(SendOutcome::PrivacyNotHonoured(mailboxes(&["8700"])));
    assert_eq!(after(&mut call, refused), [say(&said)]);
    assert_eq!(press(&mut call, "5"), [say(&[Prompt::MarkedNotPrivate, message_review()])]);
    assert_eq!(press(&mut call, "1"), [compose(&["8700"])]);
    assert_eq!(after(&mut call, SENT), [say(&[Prompt::Sent, main_menu()])]);
}

#[test]
fn a_message_that_was_not_sent_is_tried_again_or_discarded() {
    let mut call = composed(&["2042"]);
    for _ in 0..2 {
        assert_eq!(press(&mut call, "1"), [compose(&["2042"])], "what was recorded is tried again");
        let failed = after(&mut call, OwnerEvent::Sent(SendOutcome::Failed));
        assert_eq!(failed, [say(&[Prompt::NotSent, message_review()])]);
    }
    assert_eq!(press(&mut call, "*"), [OwnerAction::Discard, say(&[Prompt::RecordingDiscarded, main_menu()])]);
}

#[test]
fn an_answer_is_recorded_heard_and_sent() {
    let mut call = heard(vec![new(1)]);
    assert_eq!(press(&mut call, "9"), [say(&record_now(RecordingKind::Answer))]);
    assert_eq!(after(&mut call, OwnerEvent::Played), [OwnerAction::Record(RecordingPurpose::Answer(id(1)))]);
    after(&mut call, recorded(3));
    assert_eq!(press(&mut call, "2"), [say(&[Prompt::PlayRecording, message_review()])]);
    press(&mut call, "5");
    let answer = OwnerAction::Answer {
        id: id(1),
        urgency: Urgency::Normal,
        privacy: Privacy::Private,
        receipt: ReceiptChoice::NotRequested,
    };
    assert_eq!(press(&mut call, "1"), [answer]);
    assert_eq!(after(&mut call, SENT), [say(&[Prompt::Sent, message_menu(&[])])]);
}

#[test]
fn an_answer_that_can_reach_nobody_is_discarded() {
    for (outcome, said) in [
        (SendOutcome::NoSuchMailbox, Prompt::NoSuchMailbox),
        (SendOutcome::NotLicensed, Prompt::NotLicensed),
        (SendOutcome::CannotAnswer, Prompt::CannotAnswer),
    ] {
        let mut call = heard(vec![new(1)]);
        press(&mut call, "9");
        after(&mut call, OwnerEvent::Played);
        after(&mut call, recorded(3));
        press(&mut call, "1");
        let nobody = after(&mut call, OwnerEvent::Sent(outcome));
        assert_eq!(nobody, [OwnerAction::Discard, say(&[said, message_menu(&[])])]);
    }
}

#[test]
fn a_message_passed_on_without_words_is_tried_again() {
    let mut call = heard(vec![new(1)]);
    press(&mut call, "82042#");
    after(&mut call, found("2042"));
    press(&mut call, "##");
    let without =
        menu(Place::OwnerReview, &[Function::Accept, Function::RecordAgain, Function::RequestReceipt, Function::Discard]);
    let failed = after(&mut call, OwnerEvent::Sent(SendOutcome::Failed));
    assert_eq!(failed, [say(&[Prompt::NotSent, without.clone()])]);
    assert_eq!(press(&mut call, "2"), [say(&[Prompt::NotAvailable, without])], "there is nothing to hear");
    let passed =
        OwnerAction::PassOn { id: id(1), to: mailboxes(&["2042"]), introduced: false, receipt: ReceiptChoice::NotRequested };
    assert_eq!(press(&mut call, "1"), [passed]);
    after(&mut call, OwnerEvent::Sent(SendOutcome::Failed));
    assert_eq!(press(&mut call, "*"), [say(&[message_menu(&[])])], "nothing is discarded");
}
