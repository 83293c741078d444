//! Which rules are in force, and who may change them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use voicemail::arrival::mail::{OwnerRules, OwnerRulesError};
use voicemail::directory::{Owner, StaticDirectory};
use voicemail::disk::OsDisk;
use voicemail::rules::{ArrivalRules, Content, FolderRules, RuleStoreError};

use super::support::{mailbox, rule};

fn directory(may_change_rules: bool) -> StaticDirectory {
    let mut owner = Owner::new("berlin".parse().unwrap(), chrono_tz::Europe::Berlin);
    owner.rules = ArrivalRules::new([rule(Content::Copy)]).unwrap();
    owner.may_change_rules = may_change_rules;
    [(mailbox(), owner)].into_iter().collect()
}

#[tokio::test]
async fn own_rules_replace_the_default_until_they_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderRules::open(OsDisk, folder.path()).await.unwrap();
    let rules = OwnerRules::new(directory(true)).with_store(store);
    let default = rules.in_force(&mailbox()).await.unwrap();
    assert_eq!((default.rules.len(), default.own), (1, None));
    let version = rules.change(&mailbox(), Some(&ArrivalRules::default()), default.own).await.unwrap();
    let own = rules.in_force(&mailbox()).await.unwrap();
    assert_eq!((own.rules.len(), own.own), (0, version), "no mail at all");
    let late = rules.change(&mailbox(), None, None).await;
    assert!(
        matches!(late, Err(OwnerRulesError::Store(RuleStoreError::Conflict { current, .. })) if current == version),
        "{late:?}"
    );
    assert_eq!(rules.change(&mailbox(), None, version).await.unwrap(), None);
    assert_eq!(rules.in_force(&mailbox()).await.unwrap(), default);
}

#[tokio::test]
async fn an_owner_changes_rules_only_where_the_pbx_allows() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderRules::open(OsDisk, folder.path()).await.unwrap();
    let forbidden = OwnerRules::new(directory(false)).with_store(store);
    let without_store = OwnerRules::new(directory(true));
    for rules in [forbidden, without_store] {
        let answer = rules.change(&mailbox(), Some(&ArrivalRules::default()), None).await;
        assert!(matches!(&answer, Err(error @ OwnerRulesError::NotAllowed(_)) if !error.is_transient()), "{answer:?}");
        assert_eq!(rules.in_force(&mailbox()).await.unwrap().rules.len(), 1);
    }
    let unknown = OwnerRules::new(directory(true)).in_force(&"2999".parse().unwrap()).await;
    assert!(matches!(unknown, Err(OwnerRulesError::NoSuchMailbox(_))), "{unknown:?}");
}
