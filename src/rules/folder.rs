//! [`FolderRules`]: the rules of each mailbox in a file.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;

use super::{ArrivalRules, RuleStore, RuleStoreError, RulesVersion, StoredRules};
use crate::disk::{Disk, FolderFiles, SmallFiles};
use crate::message::MailboxId;
use crate::pages::first_after;

/// A folder with the rules of each mailbox, one file a mailbox, beside the store's folder. Clones share the folder.
///
/// ```text
/// 2041.rules       the rules of mailbox 2041, in the form that the module shows
/// 2041.rules.new   being written; the next change replaces it
/// ```
///
/// A change is on stable storage when it is answered. An operator may change a file, too: it is read for each message. Only one process may change
/// rules by `replace`.
#[derive(Debug, Clone)]
pub struct FolderRules {
    files: SmallFiles,
}

impl FolderRules {
    /// Opens `folder`, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// [`RuleStoreError::Disk`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call harms nothing.
    pub async fn open(disk: impl Disk, folder: impl Into<PathBuf>) -> Result<Self, RuleStoreError> {
        let folder = folder.into();
        let opened = SmallFiles::open(disk, &folder).await;
        Ok(Self { files: opened.map_err(|source| RuleStoreError::Disk { folder, source })? })
    }

    fn disk_error(&self, source: io::Error) -> RuleStoreError {
        RuleStoreError::Disk { folder: self.files.folder().to_owned(), source }
    }
}

#[async_trait]
impl RuleStore for FolderRules {
    async fn load(&self, mailbox: &MailboxId) -> Result<Option<StoredRules>, RuleStoreError> {
        let name = file_name(mailbox);
        let read = self.files.look(move |files| files.read(name)).await.flatten();
        let bytes = read.map_err(|source| self.disk_error(source))?;
        bytes.map(|bytes| parse(mailbox, bytes)).transpose()
    }

    async fn replace(
        &self,
        mailbox: &MailboxId,
        rules: Option<&ArrivalRules>,
        expected: Option<RulesVersion>,
    ) -> Result<Option<RulesVersion>, RuleStoreError> {
        let (mailbox, rules) = (mailbox.clone(), rules.cloned());
        let version = rules.as_ref().map(ArrivalRules::version);
        let changed = self.files.change(move |files| replace(files, &mailbox, rules.as_ref(), expected)).await.flatten();
        changed.map_err(|source| self.disk_error(source))??;
        Ok(version)
    }

    async fn mailboxes(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, RuleStoreError> {
        let names = self.files.look(|files| files.names("")).await.flatten().map_err(|source| self.disk_error(source))?;
        let mailbox = |name: &String| MailboxId::from_file_name(name.strip_suffix(".rules")?);
        Ok(first_after(names.iter().filter_map(mailbox), after, limit))
    }
}

/// Replaces rules if they have the expected version; the inner error is a conflict. Blocks.
fn replace(
    files: &FolderFiles,
    mailbox: &MailboxId,
    rules: Option<&ArrivalRules>,
    expected: Option<RulesVersion>,
) -> io::Result<Result<(), RuleStoreError>> {
    let name = file_name(mailbox);
    // Rules that cannot be read count as none.
    let there = files.read(&name)?.and_then(|bytes| parse(mailbox, bytes).ok());
    let current = there.map(|stored| stored.version);
    if current != expected {
        return Ok(Err(RuleStoreError::Conflict { mailbox: mailbox.clone(), current }));
    }
    match rules {
        Some(rules) => files.replace(name, rules.to_text().as_bytes()),
        None => files.remove(name),
    }
    .map(Ok)
}

fn parse(mailbox: &MailboxId, bytes: Vec<u8>) -> Result<StoredRules, RuleStoreError> {
    let damaged = |source| RuleStoreError::Damaged { mailbox: mailbox.clone(), source };
    let text = String::from_utf8(bytes).map_err(|error| damaged(error.into()))?;
    ArrivalRules::from_text(&text).map(StoredRules::new).map_err(|error| damaged(error.into()))
}

fn file_name(mailbox: &MailboxId) -> String {
    format!("{mailbox}.rules")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{OsDisk, PowerCutDisk, Unsynced};
    use crate::rules::{ArrivalRule, Content};

    fn rules(id: &str) -> ArrivalRules {
        ArrivalRules::new([ArrivalRule::new(id.parse().unwrap(), Content::Copy)]).unwrap()
    }

    fn mailbox() -> MailboxId {
        "sales.berlin".parse().unwrap()
    }

    async fn store(disk: &PowerCutDisk) -> FolderRules {
        FolderRules::open(disk.clone(), "/rules").await.unwrap()
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        crate::conformance::rules::run_all(|| async { store(&PowerCutDisk::new()).await }).await;
    }

    #[tokio::test]
    async fn a_power_cut_after_any_step_leaves_old_or_new_rules() {
        for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
            for change in [Some(rules("two")), None] {
                for operations in 0.. {
                    let disk = PowerCutDisk::new();
                    let before = store(&disk).await;
                    let one = before.replace(&mailbox(), Some(&rules("one")), None).await.unwrap();
                    disk.power_off_after(operations);
                    let answer = before.replace(&mailbox(), change.as_ref(), one).await;
                    let was_cut = disk.power_cut(unsynced);
                    let there = store(&disk).await.load(&mailbox()).await.unwrap().map(|stored| stored.rules);
                    let at = format!("after {operations} operations, {unsynced:?}, {answer:?}: {there:?}");
                    assert!(there == change || (answer.is_err() && there == Some(rules("one"))), "{at}");
                    // The same rules are there after another cut.
                    disk.power_cut(Unsynced::Forgotten);
                    assert_eq!(store(&disk).await.load(&mailbox()).await.unwrap().map(|stored| stored.rules), there, "{at}");
                    if !was_cut {
                        assert!(operations > 1 && answer.is_ok(), "{at}");
                        break;
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn an_operator_may_correct_a_damaged_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderRules::open(OsDisk, folder.path()).await.unwrap();
        let file = folder.path().join("sales.berlin.rules");
        std::fs::write(&file, "voicemail rules 1\nrule a\ncontent fax\n").unwrap();
        let error = store.load(&mailbox()).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(!error.is_transient() && cause.starts_with("line 3, content: "), "{error}: {cause}");
        store.replace(&mailbox(), None, None).await.unwrap();
        assert_eq!(store.load(&mailbox()).await.unwrap(), None);
        std::fs::write(&file, "voicemail rules 1\n# by hand\nrule a\ncontent copy\n").unwrap();
        assert_eq!(store.load(&mailbox()).await.unwrap(), Some(StoredRules::new(rules("a"))));
    }
}
