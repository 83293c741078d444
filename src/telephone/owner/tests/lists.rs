//! Private lists.

use super::*;

fn number(number: u8) -> crate::directory::ListNumber {
    number.try_into().unwrap()
}

fn members(numbers: &[&str]) -> OwnerEvent {
    OwnerEvent::ListChanged(ListOutcome::Members(numbers.iter().map(|number| mailbox(number)).collect()))
}

fn list_menu() -> Prompt {
    let functions = [Function::HearMembers, Function::AddMember, Function::RemoveMember, Function::DeleteList, Function::Back];
    menu(Place::List, &functions)
}

fn empty_menu() -> Prompt {
    menu(Place::List, &[Function::AddMember, Function::Back])
}

/// A call at list 7 with these members.
fn at_list(numbers: &[&str]) -> OwnerDialogue {
    let mut call = at_full_menu();
    assert_eq!(press(&mut call, "9"), [say(&[Prompt::EnterList])]);
    assert_eq!(press(&mut call, "7#"), [OwnerAction::OpenList(number(7))]);
    after(&mut call, members(numbers));
    call
}

#[test]
fn a_list_is_made_by_adding_its_first_member() {
    let mut call = at_full_menu();
    press(&mut call, "97#");
    assert_eq!(after(&mut call, members(&[])), [say(&[Prompt::ListEmpty, empty_menu()])]);
    assert_eq!(press(&mut call, "2"), [say(&[Prompt::EnterNewMember])]);
    let add = OwnerAction::AddToList { list: number(7), member: mailbox("2042") };
    assert_eq!(press(&mut call, "2042#"), [add]);
    let added = [say(&[Prompt::MemberAdded(mailbox("2042")), Prompt::EnterNewMember])];
    assert_eq!(after(&mut call, members(&["2042"])), added);
    assert_eq!(press(&mut call, "#"), [say(&[list_menu()])]);
    assert_eq!(press(&mut call, "1"), [say(&[Prompt::Name(mailbox("2042")), list_menu()])]);
    assert_eq!(press(&mut call, "*"), [say(&[Prompt::EnterList])]);
    assert_eq!(press(&mut call, "*"), [say(&[full_menu()])]);
}

#[test]
fn the_members_of_a_long_list_are_said_in_parts() {
    let all: Vec<String> = (2001..=2041).map(|number| number.to_string()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut call = at_list(&all);
    for part in [&all[..20], &all[20..40], &all[40..], &all[..20]] {
        let names = part.iter().map(|number| Prompt::Name(mailbox(number)));
        let expected: Vec<Prompt> = names.chain([list_menu()]).collect();
        assert_eq!(press(&mut call, "1"), [say(&expected)]);
    }
}

#[test]
fn a_member_is_removed_and_the_last_one_ends_the_list() {
    let mut call = at_list(&["2042", "2043"]);
    assert_eq!(press(&mut call, "3"), [say(&[Prompt::EnterOldMember])]);
    let remove = |member| OwnerAction::RemoveFromList { list: number(7), member: mailbox(member) };
    assert_eq!(press(&mut call, "2042#"), [remove("2042")]);
    let removed = [say(&[Prompt::MemberRemoved(mailbox("2042")), Prompt::EnterOldMember])];
    assert_eq!(after(&mut call, members(&["2043"])), removed);
    assert_eq!(press(&mut call, "2043#"), [remove("2043")]);
    let empty = [say(&[Prompt::MemberRemoved(mailbox("2043")), Prompt::ListEmpty, empty_menu()])];
    assert_eq!(after(&mut call, members(&[])), empty);
    assert_eq!(press(&mut call, "3"), [say(&[Prompt::ListEmpty, empty_menu()])], "there is nobody to remove");
}

#[test]
fn deleting_a_list_takes_two_keys_and_is_confirmed() {
    let mut call = at_list(&["2042"]);
    assert_eq!(press(&mut call, "9"), [], "the second key decides");
    assert_eq!(press(&mut call, "9"), [OwnerAction::DeleteList(number(7))]);
    let failed = after(&mut call, OwnerEvent::ListChanged(ListOutcome::Failed));
    assert_eq!(failed, [say(&[Prompt::ChangeFailed, list_menu()])]);
    press(&mut call, "99");
    assert_eq!(after(&mut call, members(&[])), [say(&[Prompt::ListDeleted, Prompt::EnterList])]);
}

#[test]
fn wrong_numbers_and_failures_are_said_and_can_be_tried_again() {
    for wrong in ["#", "0#", "21#", "2041#"] {
        let mut call = at_full_menu();
        press(&mut call, "9");
        assert_eq!(press(&mut call, wrong), [say(&[Prompt::NoSuchList, Prompt::EnterList])], "{wrong}");
    }
    let mut call = at_full_menu();
    press(&mut call, "97#");
    let failed = after(&mut call, OwnerEvent::ListChanged(ListOutcome::Failed));
    assert_eq!(failed, [say(&[Prompt::NotAvailable, Prompt::EnterList])]);
    for (key, outcome, said) in [
        ("2", ListOutcome::NoSuchMailbox, vec![Prompt::NoSuchMailbox, Prompt::EnterNewMember]),
        ("2", ListOutcome::NotLicensed, vec![Prompt::NotLicensed, Prompt::EnterNewMember]),
        ("3", ListOutcome::NotAMember, vec![Prompt::NotAMember, Prompt::EnterOldMember]),
        ("2", ListOutcome::TooLarge, vec![Prompt::ListTooLarge, Prompt::EnterNewMember]),
        ("2", ListOutcome::Full, vec![Prompt::ListFull, list_menu()]),
        ("3", ListOutcome::Failed, vec![Prompt::ChangeFailed, list_menu()]),
    ] {
        let mut call = at_list(&["2042"]);
        press(&mut call, key);
        press(&mut call, "2099#");
        assert_eq!(after(&mut call, OwnerEvent::ListChanged(outcome)), [say(&said)]);
    }
}
