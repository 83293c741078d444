//! Tests the contract of [`RuleStore`], as far as it can be seen from outside.
//!
//! Every function takes a new store without rules.

use crate::message::MailboxId;
use crate::rules::{ArrivalRule, ArrivalRules, Content, RuleStore, RuleStoreError, RulesVersion, StoredRules, Then};

/// Runs every test of this module, each on a new store from `make`.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all<S: RuleStore, F: Future<Output = S>>(make: impl Fn() -> F) {
    whole(&make().await).await;
    expected(&make().await).await;
    one_of_two(&make().await).await;
    listed(&make().await).await;
}

/// **Whole.** Rules are loaded as they were saved, each mailbox has its own, and empty rules are others than none.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn whole(store: &impl RuleStore) {
    let (first, second) = (mailbox("2041"), mailbox("sales.berlin"));
    assert_eq!(store.load(&first).await.expect("whole: it cannot be read"), None, "whole: there are rules that nobody saved");
    for (mailbox, rules) in [(&first, rules(&["office", "home"])), (&second, ArrivalRules::default())] {
        let version = store.replace(mailbox, Some(&rules), None).await.expect("whole: rules were not saved");
        assert_eq!(version, Some(rules.version()), "whole: the version is another one");
        let loaded = store.load(mailbox).await.expect("whole: they cannot be read");
        assert_eq!(loaded, Some(StoredRules::new(rules)), "whole: other rules are loaded");
    }
    let removed = store.replace(&first, None, Some(rules(&["office", "home"]).version())).await;
    assert!(matches!(removed, Ok(None)), "whole: removing was answered {removed:?}");
    assert_eq!(store.load(&first).await.expect("whole: it cannot be read"), None, "whole: removed rules are loaded");
    assert!(store.load(&second).await.expect("whole: it cannot be read").is_some(), "whole: another mailbox lost its rules");
}

/// **Expected.** A change is made only while the rules have the expected version.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn expected(store: &impl RuleStore) {
    let mailbox = mailbox("2041");
    let (one, two) = (rules(&["one"]), rules(&["two"]));
    let changes: [(Option<&ArrivalRules>, Option<&ArrivalRules>, bool); 8] = [
        (Some(&two), Some(&one), false),
        (None, Some(&one), false),
        (Some(&one), None, true),
        (Some(&two), None, false),
        (Some(&two), Some(&two), false),
        (Some(&two), Some(&one), true),
        (None, Some(&one), false),
        (None, Some(&two), true),
    ];
    let mut current = None;
    for (wanted, believed, made) in changes {
        let answer = store.replace(&mailbox, wanted, believed.map(ArrivalRules::version)).await;
        if made {
            assert!(answer.is_ok(), "expected: a change was answered {answer:?}");
            current = wanted;
        } else {
            assert_conflict(&answer, current.map(ArrivalRules::version));
        }
        let there = store.load(&mailbox).await.expect("expected: it cannot be read").map(|stored| stored.rules);
        assert_eq!(there.as_ref(), current, "expected: other rules are there");
    }
}

/// **Expected.** Of two changes with one expected version, one is made.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn one_of_two(store: &impl RuleStore) {
    let mailbox = mailbox("2041");
    let mut before = None;
    for turn in 0..8 {
        let (one, two) = (rules(&["one", &format!("turn-{turn}")]), rules(&["two", &format!("turn-{turn}")]));
        let answers = futures::join!(store.replace(&mailbox, Some(&one), before), store.replace(&mailbox, Some(&two), before));
        let made = match &answers {
            (Ok(made), Err(RuleStoreError::Conflict { .. })) | (Err(RuleStoreError::Conflict { .. }), Ok(made)) => *made,
            _ => panic!("expected: two changes at once were answered {answers:?}"),
        };
        let there = store.load(&mailbox).await.expect("expected: it cannot be read");
        assert_eq!(there.map(|stored| stored.version), made, "expected: the change that was made is not there");
        before = made;
    }
}

/// **Listed.** Each mailbox that has rules is listed once, in order, page by page.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn listed(store: &impl RuleStore) {
    let page = async |after: Option<&MailboxId>, limit| store.mailboxes(after, limit).await.expect("listed: it cannot be read");
    assert_eq!(page(None, 9).await, [], "listed: a mailbox has rules that nobody saved");
    let mut mailboxes = ["2042", "2041", "sales.berlin", "20411", "reception"].map(mailbox);
    for mailbox in &mailboxes {
        store.replace(mailbox, Some(&rules(&["one"])), None).await.expect("listed: rules were not saved");
    }
    let gone = mailbox("2043");
    let version = store.replace(&gone, Some(&rules(&["one"])), None).await.expect("listed: rules were not saved");
    store.replace(&gone, None, version).await.expect("listed: rules were not removed");
    mailboxes.sort();
    assert_eq!(page(None, 9).await, mailboxes, "listed: other mailboxes, or another order");
    assert_eq!(page(None, 2).await, mailboxes[..2], "listed: the first page");
    assert_eq!(page(Some(&mailboxes[1]), 2).await, mailboxes[2..4], "listed: the second page");
    assert_eq!(page(Some(&mailboxes[3]), 2).await, mailboxes[4..], "listed: the last page");
}

fn assert_conflict(answer: &Result<Option<RulesVersion>, RuleStoreError>, there: Option<RulesVersion>) {
    let is_conflict = matches!(answer, Err(RuleStoreError::Conflict { current, .. }) if *current == there);
    assert!(is_conflict, "expected: a change of other rules was answered {answer:?}");
}

fn rules(ids: &[&str]) -> ArrivalRules {
    let rule = |id: &&str| {
        let rule = ArrivalRule::new(id.parse().expect("it is an id"), Content::Copy).then(Then::Remove);
        rule.with_timetable(["sat 22:00-02:00".parse().expect("these are hours")].into_iter().collect())
    };
    ArrivalRules::new(ids.iter().map(rule)).expect("they are valid")
}

fn mailbox(text: &str) -> MailboxId {
    text.parse().expect("it is a mailbox")
}
