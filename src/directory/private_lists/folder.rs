//! [`ListFolder`]: private lists on disk.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;

use super::{ListNumber, ListStore, ListStoreError, PrivateList};
use crate::disk::{Disk, SmallFiles};
use crate::message::MailboxId;
use crate::pages::first_after;

/// Private lists in a folder, which an operator can read and write. Clones share the folder; one process uses it.
///
/// ```text
/// 2041/7.list       the name of the list 7 of mailbox 2041 on the first line, and a member on each other line
/// 2041/7.list.new   being written; the next change replaces it
/// ```
///
/// Nothing is cached in memory.
#[derive(Debug, Clone)]
pub struct ListFolder {
    files: SmallFiles,
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
        Ok(Self { files: SmallFiles::open(disk, folder).await.map_err(unavailable)? })
    }
}

#[async_trait]
impl ListStore for ListFolder {
    async fn get(&self, owner: &MailboxId, number: ListNumber) -> Result<Option<PrivateList>, ListStoreError> {
        let name = file_name(owner, number);
        let read = self.files.look(move |files| files.read(name)).await.flatten().map_err(unavailable)?;
        read.map(|bytes| parse(number, &bytes)).transpose().map_err(ListStoreError::Damaged)
    }

    async fn put(&self, owner: &MailboxId, list: &PrivateList) -> Result<(), ListStoreError> {
        let (name, text) = (file_name(owner, list.number()), to_text(list));
        self.files.change(move |files| files.replace(name, text.as_bytes())).await.flatten().map_err(unavailable)
    }

    async fn remove(&self, owner: &MailboxId, number: ListNumber) -> Result<(), ListStoreError> {
        let name = file_name(owner, number);
        self.files.change(move |files| files.remove(name)).await.flatten().map_err(unavailable)
    }

    async fn owners(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, ListStoreError> {
        let names = self.files.look(|files| files.names("")).await.flatten().map_err(unavailable)?;
        Ok(first_after(names.iter().filter_map(|name| MailboxId::from_file_name(name)), after, limit))
    }
}

fn file_name(owner: &MailboxId, number: ListNumber) -> String {
    format!("{owner}/{number}.list")
}

fn unavailable(error: io::Error) -> ListStoreError {
    ListStoreError::Unavailable(error.into())
}

fn to_text(list: &PrivateList) -> String {
    let members = list.members().iter().map(|member| format!("{member}\n"));
    std::iter::once(format!("{}\n", list.name())).chain(members).collect()
}

fn parse(number: ListNumber, bytes: &[u8]) -> Result<PrivateList, Box<dyn StdError + Send + Sync>> {
    let mut lines = std::str::from_utf8(bytes)?.lines();
    let name = lines.next().unwrap_or_default();
    let members = lines.map(|line| line.trim().parse()).collect::<Result<Vec<MailboxId>, _>>()?;
    Ok(PrivateList::new(number, name, members)?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
