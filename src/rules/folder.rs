//! [`FolderRules`]: the rules of each mailbox in a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::{ArrivalRules, RuleStore, RuleStoreError, RulesVersion, StoredRules};
use crate::disk::{self, Disk};
use crate::lock::Lock;
use crate::message::MailboxId;

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
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Held while rules are replaced, and only by threads that may block.
    replacing: Lock<()>,
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
        let (disk, folder): (Arc<dyn Disk>, PathBuf) = (Arc::new(disk), folder.into());
        let rules = Self { inner: Arc::new(Inner { disk, folder, replacing: Lock::default() }) };
        rules.work(Inner::open).await?;
        Ok(rules)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, RuleStoreError> + Send + 'static,
    ) -> Result<T, RuleStoreError> {
        let inner = Arc::clone(&self.inner);
        let done = disk::blocking(move || Ok(work(&inner))).await;
        done.map_err(|source| self.inner.disk_error(source))?
    }
}

#[async_trait]
impl RuleStore for FolderRules {
    async fn load(&self, mailbox: &MailboxId) -> Result<Option<StoredRules>, RuleStoreError> {
        let mailbox = mailbox.clone();
        self.work(move |inner| inner.load(&mailbox)).await
    }

    async fn replace(
        &self,
        mailbox: &MailboxId,
        rules: Option<&ArrivalRules>,
        expected: Option<RulesVersion>,
    ) -> Result<Option<RulesVersion>, RuleStoreError> {
        let (mailbox, rules) = (mailbox.clone(), rules.cloned());
        let version = rules.as_ref().map(ArrivalRules::version);
        self.work(move |inner| inner.replace(&mailbox, rules.as_ref(), expected)).await?;
        Ok(version)
    }
}

impl Inner {
    /// Blocks.
    fn open(&self) -> Result<(), RuleStoreError> {
        let created = disk::create_dirs(&*self.disk, &self.folder);
        // A process that died may have left a name that is not durable yet.
        created.and_then(|()| self.disk.sync_dir(&self.folder)).map_err(|source| self.disk_error(source))
    }

    /// Blocks.
    fn load(&self, mailbox: &MailboxId) -> Result<Option<StoredRules>, RuleStoreError> {
        let bytes = match disk::read(&*self.disk, &self.path(mailbox)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.disk_error(error)),
        };
        let damaged = |source| RuleStoreError::Damaged { mailbox: mailbox.clone(), source };
        let text = String::from_utf8(bytes).map_err(|error| damaged(error.into()))?;
        let rules = ArrivalRules::from_text(&text).map_err(|error| damaged(error.into()))?;
        Ok(Some(StoredRules::new(rules)))
    }

    /// Blocks.
    fn replace(
        &self,
        mailbox: &MailboxId,
        rules: Option<&ArrivalRules>,
        expected: Option<RulesVersion>,
    ) -> Result<(), RuleStoreError> {
        let _alone = self.replacing.lock();
        let current = match self.load(mailbox) {
            Err(RuleStoreError::Damaged { .. }) => None,
            loaded => loaded?.map(|stored| stored.version),
        };
        if current != expected {
            return Err(RuleStoreError::Conflict { mailbox: mailbox.clone(), current });
        }
        let changed = match rules {
            Some(rules) => self.write(mailbox, &rules.to_text()),
            None => self.remove(&self.path(mailbox)),
        };
        changed.and_then(|()| self.disk.sync_dir(&self.folder)).map_err(|source| self.disk_error(source))
    }

    /// The file gets its name when it is complete.
    fn write(&self, mailbox: &MailboxId, text: &str) -> io::Result<()> {
        let path = self.path(mailbox);
        let new = path.with_extension("rules.new");
        self.remove(&new)?;
        let file = self.disk.create(&new)?;
        file.write_all_at(text.as_bytes(), 0)?;
        file.sync()?;
        self.disk.rename(&new, &path)
    }

    /// Removes a file; one that is not there is removed.
    fn remove(&self, path: &Path) -> io::Result<()> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn disk_error(&self, source: io::Error) -> RuleStoreError {
        RuleStoreError::Disk { folder: self.folder.clone(), source }
    }

    fn path(&self, mailbox: &MailboxId) -> PathBuf {
        self.folder.join(format!("{mailbox}.rules"))
    }
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
