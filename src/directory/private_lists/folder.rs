//! [`ListFolder`]: private lists on disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::{ListNumber, ListStore, ListStoreError, PrivateList};
use crate::disk::{self, Disk};
use crate::lock::Lock;
use crate::message::MailboxId;

/// Private lists in a folder, which an operator can read and write. Clones share the folder; one process uses it.
///
/// ```text
/// 2041/7.list       the name of the list 7 of mailbox 2041 on the first line, and a member on each other line
/// 2041/7.new        being written
/// ```
///
/// Nothing is cached in memory.
#[derive(Debug, Clone)]
pub struct ListFolder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Held while a list is written, and only by threads that may block.
    writing: Lock<()>,
}

impl ListFolder {
    /// Opens `folder`, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// [`ListStoreError::Unavailable`] if the folder cannot be created or made durable.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have created the folder, and has no other effect.
    pub async fn open(disk: impl Disk, folder: impl Into<PathBuf>) -> Result<Self, ListStoreError> {
        let inner = Arc::new(Inner { disk: Arc::new(disk), folder: folder.into(), writing: Lock::default() });
        let opened = Self { inner };
        opened.work(|inner| disk::create_dirs(&*inner.disk, &inner.folder)).await?;
        Ok(opened)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ListStoreError> {
        let inner = Arc::clone(&self.inner);
        disk::blocking(move || work(&inner)).await.map_err(|error| ListStoreError::Unavailable(error.into()))
    }
}

#[async_trait]
impl ListStore for ListFolder {
    async fn get(&self, owner: &MailboxId, number: ListNumber) -> Result<Option<PrivateList>, ListStoreError> {
        let path = self.inner.path(owner, number);
        let read = self.work(move |inner| match disk::read(&*inner.disk, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        });
        let Some(bytes) = read.await? else { return Ok(None) };
        parse(number, &bytes).map(Some).map_err(ListStoreError::Damaged)
    }

    async fn put(&self, owner: &MailboxId, list: &PrivateList) -> Result<(), ListStoreError> {
        let (path, text) = (self.inner.path(owner, list.number()), to_text(list));
        self.work(move |inner| inner.write(&path, text.as_bytes())).await
    }

    async fn remove(&self, owner: &MailboxId, number: ListNumber) -> Result<(), ListStoreError> {
        let path = self.inner.path(owner, number);
        let remove = move |inner: &Inner| {
            let _alone = inner.writing.lock();
            match inner.disk.remove(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
                Ok(()) => inner.disk.sync_dir(folder_of(&path)),
            }
        };
        self.work(remove).await
    }
}

impl Inner {
    fn path(&self, owner: &MailboxId, number: ListNumber) -> PathBuf {
        self.folder.join(owner.as_str()).join(format!("{number}.list"))
    }

    /// Replaces the file at `path`, durably.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let _alone = self.writing.lock();
        let (disk, folder, new) = (&*self.disk, folder_of(path), path.with_extension("new"));
        disk::create_dirs(disk, folder)?;
        match disk.remove(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(&new)?;
        file.write_all_at(bytes, 0)?;
        file.sync()?;
        disk.rename(&new, path)?;
        disk.sync_dir(folder)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn to_text(list: &PrivateList) -> String {
    let members = list.members().iter().map(|member| format!("{member}\n"));
    std::iter::once(format!("{}\n", list.name())).chain(members).collect()
}

fn parse(number: ListNumber, bytes: &[u8]) -> Result<PrivateList, Box<dyn std::error::Error + Send + Sync>> {
    let mut lines = std::str::from_utf8(bytes)?.lines();
    let name = lines.next().unwrap_or_default();
    let members = lines.map(|line| line.trim().parse()).collect::<Result<Vec<MailboxId>, _>>()?;
    Ok(PrivateList::new(number, name, members)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{PowerCutDisk, Unsynced};

    fn list(name: &str, members: &[&str]) -> PrivateList {
        PrivateList::new(7.try_into().unwrap(), name, members.iter().map(|member| member.parse().unwrap())).unwrap()
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        crate::conformance::lists::run_all(|| async { ListFolder::open(PowerCutDisk::new(), "/lists").await.unwrap() }).await;
    }

    #[tokio::test]
    async fn a_list_is_whole_after_a_power_cut_at_any_moment() {
        let owner: MailboxId = "2041".parse().unwrap();
        let (before, after) = (list("before", &["2001"]), list("after", &["2002", "sales"]));
        for operations in 0.. {
            let disk = PowerCutDisk::new();
            let lists = ListFolder::open(disk.clone(), "/lists").await.unwrap();
            lists.put(&owner, &before).await.unwrap();
            disk.power_off_after(operations);
            let answer = lists.put(&owner, &after).await;
            let was_cut = disk.power_cut(Unsynced::Forgotten);
            let lists = ListFolder::open(disk, "/lists").await.unwrap();
            let found = lists.all(&owner).await.unwrap();
            assert!(found == [after.clone()] || (answer.is_err() && found == [before.clone()]), "after {operations}: {found:?}");
            lists.put(&owner, &after).await.unwrap();
            lists.remove(&owner, after.number()).await.unwrap();
            lists.remove(&owner, after.number()).await.unwrap();
            assert!(lists.all(&owner).await.unwrap().is_empty());
            if !was_cut {
                assert!(answer.is_ok() && operations > 3);
                break;
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_list_is_reported_as_damaged() {
        let (disk, owner): (_, MailboxId) = (PowerCutDisk::new(), "2041".parse().unwrap());
        let lists = ListFolder::open(disk.clone(), "/lists").await.unwrap();
        lists.put(&owner, &list("team", &["2001"])).await.unwrap();
        disk.open(Path::new("/lists/2041/7.list")).unwrap().write_all_at(b"\xff", 0).unwrap();
        let error = lists.get(&owner, 7.try_into().unwrap()).await.unwrap_err();
        assert!(matches!(error, ListStoreError::Damaged(_)) && !error.is_transient());
    }
}
