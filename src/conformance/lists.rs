//! Tests the contract of [`ListStore`], as far as it can be seen from outside.
//!
//! Every function takes a new store without lists.

use crate::directory::{ListNumber, ListStore, PrivateList};
use crate::message::MailboxId;

/// Runs every test of this module, each on a new store from `make`.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all<S: ListStore, F: Future<Output = S>>(make: impl Fn() -> F) {
    apart(&make().await).await;
    whole(&make().await).await;
    whole_after_two_at_once(&make().await).await;
    listed(&make().await).await;
}

/// **Apart.** Owners have lists of the same number, and a change of one owner's changes no other list.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn apart(store: &impl ListStore) {
    let owners = [mailbox("2041"), mailbox("204"), mailbox("sales.berlin")];
    for (owner, member) in owners.iter().zip(["3001", "3002", "3003"]) {
        put(store, owner, &list(7, "team", &[member])).await;
        put(store, owner, &list(17, "all", &[member, "2041"])).await;
    }
    remove(store, &owners[0], 7).await;
    put(store, &owners[1], &list(7, "new team", &["3004"])).await;
    let expected = [
        vec![list(17, "all", &["3001", "2041"])],
        vec![list(7, "new team", &["3004"]), list(17, "all", &["3002", "2041"])],
        vec![list(7, "team", &["3003"]), list(17, "all", &["3003", "2041"])],
    ];
    for (owner, expected) in owners.iter().zip(expected) {
        assert_eq!(all(store, owner).await, expected, "Apart: owner {owner} has other lists");
    }
    assert_eq!(all(store, &mailbox("7")).await, [], "Apart: an owner has lists that nobody put");
}

/// **Whole.** A list is read as it was put last, with its name and its members in their order; `all` has each list once, sorted by number.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn whole(store: &impl ListStore) {
    let owner = mailbox("2041");
    assert_eq!(get(store, &owner, 1).await, None, "Whole: there is a list that nobody put");
    remove(store, &owner, 1).await;
    let many: Vec<String> = (0..360).rev().map(|at| format!("{}", 3000 + at)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let lists = [
        list(20, "", &["2042"]),
        list(1, "équipe de nuit – 夜勤", &["sales.berlin", "2043", "2041"]),
        list(10, "# \"all\", 'quoted'; -- \\", &many),
        list(2, &"ü".repeat(60), &["2042"]),
    ];
    for list in &lists {
        put(store, &owner, list).await;
        put(store, &owner, list).await;
        assert_eq!(store.get(&owner, list.number()).await.ok().flatten().as_ref(), Some(list), "Whole: another list is read");
    }
    let mut sorted = lists.to_vec();
    sorted.sort_by_key(PrivateList::number);
    assert_eq!(all(store, &owner).await, sorted, "Whole: other lists are read, or in another order");
    let shorter = list(10, "few", &["2042"]);
    put(store, &owner, &shorter).await;
    assert_eq!(get(store, &owner, 10).await, Some(shorter), "Whole: a list that was replaced is read");
    for number in [10, 10, 20] {
        remove(store, &owner, number).await;
        assert_eq!(get(store, &owner, number).await, None, "Whole: a removed list is read");
    }
    assert_eq!(all(store, &owner).await, sorted[..2], "Whole: other lists were removed, too");
}

/// **Whole.** Of two lists that are put at once under one number, one is read, not a mixture.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn whole_after_two_at_once(store: &impl ListStore) {
    let owner = mailbox("2041");
    for turn in 0..8 {
        let (one, two) = (list(7, &format!("one {turn}"), &["3001", "3002"]), list(7, &format!("two {turn}"), &["3003"]));
        let answers = futures::join!(store.put(&owner, &one), store.put(&owner, &two));
        assert!(matches!(answers, (Ok(()), Ok(()))), "Whole: two lists at once were answered {answers:?}");
        let found = all(store, &owner).await;
        assert!(found == [one] || found == [two], "Whole: after two lists at once, there is {found:?}");
    }
}

/// **Listed.** Each owner who has lists is listed once, in order, page by page.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn listed(store: &impl ListStore) {
    let page = async |after: Option<&MailboxId>, limit| store.owners(after, limit).await.expect("Listed: they cannot be read");
    assert_eq!(page(None, 9).await, [], "Listed: an owner has lists that nobody put");
    let mut owners = ["2042", "2041", "sales.berlin", "20411", "reception"].map(mailbox);
    for owner in &owners {
        put(store, owner, &list(20, "last", &["2042"])).await;
        put(store, owner, &list(7, "team", &["2042"])).await;
    }
    owners.sort();
    assert_eq!(page(None, 9).await, owners, "Listed: other owners, or another order");
    assert_eq!(page(None, 2).await, owners[..2], "Listed: the first page");
    assert_eq!(page(Some(&owners[1]), 2).await, owners[2..4], "Listed: the second page");
    assert_eq!(page(Some(&owners[3]), 2).await, owners[4..], "Listed: the last page");
}

async fn put(store: &impl ListStore, owner: &MailboxId, list: &PrivateList) {
    store.put(owner, list).await.expect("a list was not kept");
}

async fn remove(store: &impl ListStore, owner: &MailboxId, of: u8) {
    store.remove(owner, number(of)).await.expect("a list was not removed");
}

async fn get(store: &impl ListStore, owner: &MailboxId, of: u8) -> Option<PrivateList> {
    store.get(owner, number(of)).await.expect("a list cannot be read")
}

async fn all(store: &impl ListStore, owner: &MailboxId) -> Vec<PrivateList> {
    store.all(owner).await.expect("the lists of an owner cannot be read")
}

fn list(of: u8, name: &str, members: &[&str]) -> PrivateList {
    PrivateList::new(number(of), name, members.iter().map(|member| mailbox(member))).expect("it has members")
}

fn number(number: u8) -> ListNumber {
    number.try_into().expect("it is a number of lists")
}

fn mailbox(text: &str) -> MailboxId {
    text.parse().expect("it is a mailbox")
}
