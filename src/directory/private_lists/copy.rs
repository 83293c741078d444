//! [`copy_lists`]: private lists on their way from one store to another.

use std::collections::BTreeMap;
use std::fmt;

use super::{ListNumber, ListStore, ListStoreError, PrivateList};
use crate::message::MailboxId;
use crate::pages::{Pages, next_of};

/// The numbers of private lists that [`copy_lists`] has copied, removed or left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CopiedLists {
    /// How many lists were copied, read back and found to be the same.
    pub copied: u64,
    /// How many lists the target alone had, which were removed.
    pub removed: u64,
    /// How many lists were the same already.
    pub unchanged: u64,
    /// The lists that the source cannot read, with their owners; those of the target were left there.
    pub damaged: Vec<(MailboxId, ListNumber)>,
    /// The lists that were changed in the target while they were copied. The same call again settles it.
    pub changed_meanwhile: Vec<(MailboxId, ListNumber)>,
}

impl CopiedLists {
    /// Whether the target has all lists of the source, and no others.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.changed_meanwhile.is_empty()
    }
}

impl fmt::Display for CopiedLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { copied, removed, unchanged, damaged, changed_meanwhile } = self;
        let faults = damaged.len() + changed_meanwhile.len();
        write!(f, "{copied} private lists copied, {removed} removed, {unchanged} unchanged, {faults} faults")
    }
}

/// Copies the private lists of all owners, so that `target` has those of `source` and no others.
///
/// A page of owners of each store and the lists of one owner are in memory. The call can be repeated until no node uses the source any more; what is the same
/// already is not written.
///
/// # Errors
///
/// [`ListStoreError`] if one of the stores fails as a whole; the same call goes on.
///
/// # Cancel safety
///
/// A dropped call has copied some lists, each of them whole. The same call again copies the rest.
pub async fn copy_lists<S, T>(source: &S, target: &T) -> Result<CopiedLists, ListStoreError>
where
    S: ListStore + ?Sized,
    T: ListStore + ?Sized,
{
    let mut copied = CopiedLists::default();
    let (mut from, mut to) = (Pages::new(PAGE), Pages::new(PAGE));
    loop {
        if from.is_due() {
            from.fill_keys(source.owners(from.last(), PAGE).await?);
        }
        if to.is_due() {
            to.fill_keys(target.owners(to.last(), PAGE).await?);
        }
        let Some((owner, ..)) = next_of(&mut from, &mut to) else { return Ok(copied) };
        let (wanted, there) = (lists_of(source, &owner).await?, lists_of(target, &owner).await?);
        for number in ListNumber::all() {
            match (wanted.get(&number), there.get(&number)) {
                (None, None) => {}
                (Some(None), _) => copied.damaged.push((owner.clone(), number)),
                (Some(list), Some(same)) if list == same => copied.unchanged += 1,
                (Some(Some(list)), _) => {
                    target.put(&owner, list).await?;
                    match readable(target.get(&owner, number).await)? {
                        Some(there) if there.as_ref() == Some(list) => copied.copied += 1,
                        _ => copied.changed_meanwhile.push((owner.clone(), number)),
                    }
                }
                (None, Some(_)) => {
                    target.remove(&owner, number).await?;
                    copied.removed += 1;
                }
            }
        }
    }
}

/// The lists of an owner; `None` for those that cannot be read.
async fn lists_of<S: ListStore + ?Sized>(
    store: &S,
    owner: &MailboxId,
) -> Result<BTreeMap<ListNumber, Option<PrivateList>>, ListStoreError> {
    if let Some(lists) = readable(store.all(owner).await)? {
        return Ok(lists.into_iter().map(|list| (list.number(), Some(list))).collect());
    }
    let mut lists = BTreeMap::new();
    for number in ListNumber::all() {
        let list = readable(store.get(owner, number).await)?;
        if list != Some(None) {
            lists.insert(number, list.flatten());
        }
    }
    Ok(lists)
}

/// Returns the answer of a store; `None` if it is damaged.
fn readable<T>(read: Result<T, ListStoreError>) -> Result<Option<T>, ListStoreError> {
    match read {
        Err(ListStoreError::Damaged(_)) => Ok(None),
        read => read.map(Some),
    }
}

/// How many owners of each store are in memory.
const PAGE: usize = 1000;

#[cfg(feature = "fs")]
#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::directory::ListFolder;
    use crate::disk::{Disk as _, PowerCutDisk, Unsynced};

    async fn open(disk: &PowerCutDisk) -> ListFolder {
        ListFolder::open(disk.clone(), "/lists").await.unwrap()
    }

    fn mailbox(number: &str) -> MailboxId {
        number.parse().unwrap()
    }

    /// A store with lists: owner, number, name.
    async fn filled(there: &[(&str, u8, &str)]) -> (PowerCutDisk, ListFolder) {
        let disk = PowerCutDisk::new();
        let store = open(&disk).await;
        for (owner, number, name) in there {
            let list = PrivateList::new((*number).try_into().unwrap(), name, [mailbox("2001")]).unwrap();
            store.put(&mailbox(owner), &list).await.unwrap();
        }
        (disk, store)
    }

    async fn all(store: &ListFolder) -> Vec<(MailboxId, Vec<PrivateList>)> {
        let mut all = Vec::new();
        for owner in store.owners(None, 100).await.unwrap() {
            let lists = store.all(&owner).await.unwrap();
            all.extend((!lists.is_empty()).then_some((owner, lists)));
        }
        all
    }

    #[tokio::test]
    async fn the_target_has_the_lists_of_the_source_and_no_others() {
        let (_, source) = filled(&[("2041", 7, "team"), ("2041", 9, "night"), ("2042", 1, "all")]).await;
        let (_, target) = filled(&[("2041", 7, "old name"), ("2041", 8, "gone"), ("2042", 1, "all"), ("2043", 1, "x")]).await;
        let copied = copy_lists(&source, &target).await.unwrap();
        assert_eq!(copied.to_string(), "2 private lists copied, 2 removed, 1 unchanged, 0 faults");
        assert!(copied.is_clean());
        assert_eq!(all(&target).await, all(&source).await);
        let again = copy_lists(&source, &target).await.unwrap();
        assert_eq!((again.copied, again.removed, again.unchanged), (0, 0, 3));
    }

    #[tokio::test]
    async fn a_copy_that_was_cut_off_goes_on() {
        let (_, source) = filled(&[("2041", 7, "team"), ("2042", 1, "all")]).await;
        for operations in 0.. {
            let (disk, target) = filled(&[("2041", 7, "old name"), ("2043", 1, "x")]).await;
            disk.power_off_after(operations);
            let stopped = copy_lists(&source, &target).await.is_err();
            disk.power_cut(Unsynced::Forgotten);
            let target = open(&disk).await;
            assert!(copy_lists(&source, &target).await.unwrap().is_clean());
            assert_eq!(all(&target).await, all(&source).await, "cut off after {operations} operations");
            if !stopped {
                assert!(operations > 5);
                break;
            }
        }
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_read_hinders_no_other() {
        let (disk, source) = filled(&[("2041", 7, "team"), ("2041", 8, "night")]).await;
        let (disk_there, target) = filled(&[("2041", 7, "kept"), ("2041", 8, "damaged"), ("2042", 1, "damaged")]).await;
        for (disk, file) in
            [(&disk, "/lists/2041/7.list"), (&disk_there, "/lists/2041/8.list"), (&disk_there, "/lists/2042/1.list")]
        {
            disk.open(Path::new(file)).unwrap().write_all_at(b"\xff", 0).unwrap();
        }
        let copied = copy_lists(&source, &target).await.unwrap();
        assert_eq!((copied.copied, copied.removed, copied.is_clean()), (1, 1, false));
        assert_eq!(copied.damaged, [(mailbox("2041"), 7.try_into().unwrap())]);
        let (_, expected) = filled(&[("2041", 7, "kept"), ("2041", 8, "night")]).await;
        assert_eq!(all(&target).await, all(&expected).await);
    }
}
