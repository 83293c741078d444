//! [`copy_rules`]: the rules of owners on their way from one store to another.

use std::fmt;

use super::{RuleStore, RuleStoreError};
use crate::message::MailboxId;
use crate::pages::{Pages, next_of};

/// The numbers of mailboxes whose rules [`copy_rules`] has copied, removed or left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CopiedRules {
    /// How many mailboxes got the rules of the source, which were read back and are the same.
    pub copied: u64,
    /// How many mailboxes had rules in the target alone, which were removed.
    pub removed: u64,
    /// How many mailboxes had the same rules already.
    pub unchanged: u64,
    /// The mailboxes whose rules the source cannot read; those of the target were left there.
    pub damaged: Vec<MailboxId>,
    /// The mailboxes whose rules were changed in the target while they were copied. The same call again settles it.
    pub changed_meanwhile: Vec<MailboxId>,
}

impl CopiedRules {
    /// Whether the target has all rules of the source, and no others.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.changed_meanwhile.is_empty()
    }
}

impl fmt::Display for CopiedRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { copied, removed, unchanged, damaged, changed_meanwhile } = self;
        let faults = damaged.len() + changed_meanwhile.len();
        write!(f, "rules of {copied} mailboxes copied, {removed} removed, {unchanged} unchanged, {faults} faults")
    }
}

/// Copies the rules that owners have changed, so that `target` has those of `source` and no others.
///
/// A page of mailboxes of each store is in memory. The call can be repeated until no node uses the source any more; what is the same already is not written.
///
/// # Errors
///
/// [`RuleStoreError`] if one of the stores fails as a whole; the same call goes on.
///
/// # Cancel safety
///
/// A dropped call has copied the rules of some mailboxes, each of them whole. The same call again copies the rest.
pub async fn copy_rules<S, T>(source: &S, target: &T) -> Result<CopiedRules, RuleStoreError>
where
    S: RuleStore + ?Sized,
    T: RuleStore + ?Sized,
{
    let mut copied = CopiedRules::default();
    let (mut from, mut to) = (Pages::new(PAGE), Pages::new(PAGE));
    loop {
        if from.is_due() {
            from.fill_keys(source.mailboxes(from.last(), PAGE).await?);
        }
        if to.is_due() {
            to.fill_keys(target.mailboxes(to.last(), PAGE).await?);
        }
        let Some((mailbox, ..)) = next_of(&mut from, &mut to) else { return Ok(copied) };
        copy_one(source, target, mailbox, &mut copied).await?;
    }
}

async fn copy_one<S, T>(source: &S, target: &T, mailbox: MailboxId, copied: &mut CopiedRules) -> Result<(), RuleStoreError>
where
    S: RuleStore + ?Sized,
    T: RuleStore + ?Sized,
{
    let Some(wanted) = readable(source.load(&mailbox).await)? else {
        copied.damaged.push(mailbox);
        return Ok(());
    };
    let there = readable(target.load(&mailbox).await)?;
    if there.as_ref() == Some(&wanted) {
        // Its owner may have removed them from both meanwhile.
        copied.unchanged += u64::from(wanted.is_some());
        return Ok(());
    }
    // Rules of the target that cannot be read are replaced like none.
    let expected = there.flatten().map(|stored| stored.version);
    match target.replace(&mailbox, wanted.as_ref().map(|stored| &stored.rules), expected).await {
        Err(RuleStoreError::Conflict { .. }) => {
            copied.changed_meanwhile.push(mailbox);
            return Ok(());
        }
        replaced => replaced?,
    };
    match readable(target.load(&mailbox).await)? {
        Some(there) if there == wanted => match wanted {
            Some(_) => copied.copied += 1,
            None => copied.removed += 1,
        },
        _ => copied.changed_meanwhile.push(mailbox),
    }
    Ok(())
}

/// Returns the answer of a store; `None` if it is damaged.
fn readable<T>(loaded: Result<T, RuleStoreError>) -> Result<Option<T>, RuleStoreError> {
    match loaded {
        Err(RuleStoreError::Damaged { .. }) => Ok(None),
        loaded => loaded.map(Some),
    }
}

/// How many mailboxes of each store are in memory.
const PAGE: usize = 1000;

#[cfg(feature = "fs")]
#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::{Disk as _, PowerCutDisk, Unsynced};
    use crate::rules::{ArrivalRule, ArrivalRules, Content, FolderRules, StoredRules};

    async fn open(disk: &PowerCutDisk) -> FolderRules {
        FolderRules::open(disk.clone(), "/rules").await.unwrap()
    }

    fn rules(id: &str) -> ArrivalRules {
        ArrivalRules::new([ArrivalRule::new(id.parse().unwrap(), Content::Copy)]).unwrap()
    }

    fn mailbox(number: &str) -> MailboxId {
        number.parse().unwrap()
    }

    /// A store with these rules.
    async fn filled(there: &[(&str, &ArrivalRules)]) -> (PowerCutDisk, FolderRules) {
        let disk = PowerCutDisk::new();
        let store = open(&disk).await;
        for (number, rules) in there {
            store.replace(&mailbox(number), Some(rules), None).await.unwrap();
        }
        (disk, store)
    }

    async fn all(store: &FolderRules) -> Vec<(MailboxId, Option<StoredRules>)> {
        let mut all = Vec::new();
        for mailbox in store.mailboxes(None, 100).await.unwrap() {
            let rules = store.load(&mailbox).await.unwrap();
            all.push((mailbox, rules));
        }
        all
    }

    #[tokio::test]
    async fn the_target_has_the_rules_of_the_source_and_no_others() {
        let (one, two, none) = (rules("one"), rules("two"), ArrivalRules::default());
        let (_, source) = filled(&[("2041", &one), ("2042", &none), ("sales", &two)]).await;
        let (_, target) = filled(&[("2041", &two), ("2043", &two), ("sales", &two)]).await;
        let copied = copy_rules(&source, &target).await.unwrap();
        assert_eq!((copied.copied, copied.removed, copied.unchanged, copied.is_clean()), (2, 1, 1, true));
        assert_eq!(copied.to_string(), "rules of 2 mailboxes copied, 1 removed, 1 unchanged, 0 faults");
        assert_eq!(all(&target).await, all(&source).await);
        let again = copy_rules(&source, &target).await.unwrap();
        assert_eq!((again.copied, again.removed, again.unchanged), (0, 0, 3));
    }

    #[tokio::test]
    async fn a_copy_that_was_cut_off_goes_on() {
        let (one, two) = (rules("one"), rules("two"));
        let (_, source) = filled(&[("2041", &one), ("2042", &one), ("2044", &two)]).await;
        for operations in 0.. {
            let (disk, target) = filled(&[("2041", &two), ("2043", &two)]).await;
            disk.power_off_after(operations);
            let stopped = copy_rules(&source, &target).await.is_err();
            disk.power_cut(Unsynced::Forgotten);
            let target = open(&disk).await;
            assert!(copy_rules(&source, &target).await.unwrap().is_clean());
            assert_eq!(all(&target).await, all(&source).await, "cut off after {operations} operations");
            if !stopped {
                assert!(operations > 5);
                break;
            }
        }
    }

    #[tokio::test]
    async fn rules_that_cannot_be_read_hinder_no_others() {
        let one = rules("one");
        let (disk, source) = filled(&[("2041", &one), ("2042", &one), ("2043", &one)]).await;
        let (disk_there, target) = filled(&[("2041", &one), ("2043", &rules("two"))]).await;
        for (disk, file) in [(&disk, "/rules/2041.rules"), (&disk_there, "/rules/2043.rules")] {
            disk.open(Path::new(file)).unwrap().write_all_at(b"\xff", 0).unwrap();
        }
        let copied = copy_rules(&source, &target).await.unwrap();
        assert_eq!((copied.copied, copied.damaged.as_slice(), copied.is_clean()), (2, [mailbox("2041")].as_slice(), false));
        let expected = ["2041", "2042", "2043"].map(|number| (mailbox(number), Some(StoredRules::new(one.clone()))));
        assert_eq!(all(&target).await, expected, "what only the target could read stays");
    }
}
