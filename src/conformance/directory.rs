//! Tests the contract of [`Directory`], as far as it can be seen from outside.

use crate::directory::Directory;
use crate::message::MailboxId;

/// Runs every test of this module on a directory that knows `known` and not `unknown`, except
/// [`lists_name_mailboxes`], which needs a list, and [`groups_are_known_both_ways`], which needs a group.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all(directory: &impl Directory, known: &MailboxId, unknown: &MailboxId) {
    known_or_not(directory, known, unknown).await;
    the_same_twice(directory, known).await;
    a_mailbox_is_no_list(directory, known, unknown).await;
}

/// **Known or not.** A mailbox that there is has an owner; one that there is not is `None`, and no error.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn known_or_not(directory: &impl Directory, known: &MailboxId, unknown: &MailboxId) {
    let owner = directory.find(known).await;
    assert!(matches!(owner, Ok(Some(_))), "known or not: {known} was not found: {owner:?}");
    let nobody = directory.find(unknown).await;
    assert!(matches!(nobody, Ok(None)), "known or not: {unknown} should be unknown: {nobody:?}");
}

/// A lookup changes nothing: the next one answers the same, with limits that a recording can keep.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn the_same_twice(directory: &impl Directory, known: &MailboxId) {
    let (first, second) = (directory.find(known).await.ok().flatten(), directory.find(known).await.ok().flatten());
    assert_eq!(first, second, "the same twice: two lookups of {known} differ");
    assert!(
        first.is_some_and(|owner| owner.recording.min <= owner.recording.max),
        "the same twice: no recording can keep the limits of {known}"
    );
}

/// **Lists name mailboxes.** Neither a mailbox nor an unknown number is a list.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn a_mailbox_is_no_list(directory: &impl Directory, known: &MailboxId, unknown: &MailboxId) {
    for number in [known, unknown] {
        let members = directory.list_members(known, number).await;
        assert!(matches!(members, Ok(None)), "lists name mailboxes: {number} is no list: {members:?}");
    }
}

/// **Lists name mailboxes.** The members of `list`, which `owner` may use, are mailboxes.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn lists_name_mailboxes(directory: &impl Directory, owner: &MailboxId, list: &MailboxId) {
    let own = directory.find(list).await;
    assert!(matches!(own, Ok(None)), "lists name mailboxes: the list {list} is a mailbox, too: {own:?}");
    let members = directory.list_members(owner, list).await.ok().flatten().unwrap_or_default();
    assert!(!members.is_empty(), "lists name mailboxes: {list} has no members");
    for member in members {
        let found = directory.find(&member).await;
        assert!(matches!(found, Ok(Some(_))), "lists name mailboxes: {member} on the list {list} was not found: {found:?}");
    }
}

/// **Both ways** and **Not nested.** Each member of `group` is a mailbox that knows its group, and no group itself.
///
/// # Panics
///
/// When a sentence is broken.
pub async fn groups_are_known_both_ways(directory: &impl Directory, group: &MailboxId) {
    let members = directory.group(group).await.ok().flatten().map(|group| group.members).unwrap_or_default();
    assert!(!members.is_empty(), "both ways: {group} has no members");
    for member in members {
        let found = directory.find(&member).await;
        assert!(matches!(found, Ok(Some(_))), "both ways: {member} of the group {group} was not found: {found:?}");
        let groups = directory.groups_of(&member).await.unwrap_or_default();
        assert!(groups.contains(group), "both ways: {member} does not know its group {group}");
        let nested = directory.group(&member).await;
        assert!(matches!(nested, Ok(None)), "not nested: {member} of the group {group} is a group: {nested:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Group, Owner, StaticDirectory};

    #[tokio::test]
    async fn our_directory_keeps_the_contract() {
        let known: MailboxId = "2041".parse().unwrap();
        let owner = Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
        let list: MailboxId = "900".parse().unwrap();
        let sales: MailboxId = "sales".parse().unwrap();
        let directory: StaticDirectory = [(known.clone(), owner.clone()), (sales.clone(), owner)].into_iter().collect();
        let directory = directory.with_list(list.clone(), [known.clone()]).with_group(sales.clone(), Group::new([known.clone()]));
        let directory = std::sync::Arc::new(directory);
        run_all(&directory, &known, &"2042".parse().unwrap()).await;
        lists_name_mailboxes(&directory, &known, &list).await;
        groups_are_known_both_ways(&directory, &sales).await;
    }
}
