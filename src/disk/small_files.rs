//! [`SmallFiles`]: small files in a folder, each replaced as a whole.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, blocking, create_dirs, read};
use crate::lock::Lock;

/// Small files in a folder and the folders in it, each replaced as a whole. Clones share the folder; one process changes it.
///
/// A file is written under its name with `.new` behind it, and gets its name when it is complete. A process that died may have left such a file; the next
/// change of the same file replaces it.
#[derive(Debug, Clone)]
pub(crate) struct SmallFiles {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: FolderFiles,
    /// Held while files are changed, and only by threads that may block.
    changing: Lock<()>,
}

impl SmallFiles {
    /// Opens `folder`, which is created if it is missing.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have created the folder, and has no other effect.
    pub(crate) async fn open(disk: impl Disk, folder: impl Into<PathBuf>) -> io::Result<Self> {
        let files = FolderFiles { disk: Arc::new(disk), folder: folder.into() };
        let opened = Self { inner: Arc::new(Inner { files, changing: Lock::default() }) };
        // A process that died may have left a name that is not durable yet.
        opened.look(|files| create_dirs(&*files.disk, &files.folder).and_then(|()| files.disk.sync_dir(&files.folder))).await??;
        Ok(opened)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.inner.files.folder
    }

    /// Runs `work`, which changes nothing, on a thread that may block. The error is one of that thread.
    pub(crate) async fn look<T: Send + 'static>(&self, work: impl FnOnce(&FolderFiles) -> T + Send + 'static) -> io::Result<T> {
        let inner = Arc::clone(&self.inner);
        blocking(move || Ok(work(&inner.files))).await
    }

    /// The same for `work` that changes files, while no other does.
    pub(crate) async fn change<T: Send + 'static>(&self, work: impl FnOnce(&FolderFiles) -> T + Send + 'static) -> io::Result<T> {
        let inner = Arc::clone(&self.inner);
        let alone = move || {
            let _alone = inner.changing.lock();
            Ok(work(&inner.files))
        };
        blocking(alone).await
    }
}

/// The files of [`SmallFiles`] for work on a thread that may block. Names are paths from the folder on.
#[derive(Debug)]
pub(crate) struct FolderFiles {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

impl FolderFiles {
    /// Reads a file; `None` if there is none.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> io::Result<Option<Vec<u8>>> {
        unless_missing(read(&*self.disk, &self.folder.join(name)).map(Some))
    }

    /// Lists the names in the folder `name`, sorted; none if there is no such folder.
    pub(crate) fn names(&self, name: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let mut names = unless_missing(self.disk.list(&self.folder.join(name)))?;
        names.sort_unstable();
        Ok(names)
    }

    /// Replaces a file, durably; its folder is created if it is missing.
    pub(crate) fn replace(&self, name: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.join(name);
        let (folder, new) = (folder_of(&path), with_new(&path));
        create_dirs(&*self.disk, folder)?;
        self.remove_name(&new)?;
        let file = self.disk.create(&new)?;
        file.write_all_at(bytes, 0)?;
        file.sync()?;
        self.disk.rename(&new, &path)?;
        self.disk.sync_dir(folder)
    }

    /// Removes a file, durably; no error if there is none.
    pub(crate) fn remove(&self, name: impl AsRef<Path>) -> io::Result<()> {
        let path = self.folder.join(name);
        self.remove_name(&path)?;
        unless_missing(self.disk.sync_dir(folder_of(&path)))
    }

    fn remove_name(&self, path: &Path) -> io::Result<()> {
        unless_missing(self.disk.remove(path))
    }
}

/// The default of `T` where something is missing.
fn unless_missing<T: Default>(done: io::Result<T>) -> io::Result<T> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        done => done,
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn with_new(path: &Path) -> PathBuf {
    let mut name: OsString = path.to_owned().into();
    name.push(".new");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{PowerCutDisk, Unsynced};

    async fn open(disk: &PowerCutDisk) -> SmallFiles {
        SmallFiles::open(disk.clone(), "/small").await.unwrap()
    }

    async fn content(files: &SmallFiles) -> Option<Vec<u8>> {
        files.look(|files| files.read("a/b")).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_file_is_old_or_new_after_a_power_cut_at_any_step() {
        for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
            for after in [Some(b"after".to_vec()), None] {
                for operations in 0.. {
                    let disk = PowerCutDisk::new();
                    let files = open(&disk).await;
                    files.change(|files| files.replace("a/b", b"before")).await.unwrap().unwrap();
                    disk.power_off_after(operations);
                    let wanted = after.clone();
                    let change = move |files: &FolderFiles| match wanted {
                        Some(bytes) => files.replace("a/b", &bytes),
                        None => files.remove("a/b"),
                    };
                    let answer = files.change(change).await.unwrap();
                    let was_cut = disk.power_cut(unsynced);
                    let there = content(&open(&disk).await).await;
                    let at = format!("after {operations} operations, {unsynced:?}, {answer:?}: {there:?}");
                    assert!(there == after || (answer.is_err() && there == Some(b"before".to_vec())), "{at}");
                    // The same is there after another cut.
                    disk.power_cut(Unsynced::Forgotten);
                    assert_eq!(content(&open(&disk).await).await, there, "{at}");
                    if !was_cut {
                        assert!(answer.is_ok() && operations > 1, "{at}");
                        break;
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_none_and_can_be_removed() {
        let files = open(&PowerCutDisk::new()).await;
        let looked = files.look(|files| (files.read("a/b").unwrap(), files.names("a").unwrap())).await.unwrap();
        assert_eq!(looked, (None, Vec::new()));
        files.change(|files| files.remove("a/b")).await.unwrap().unwrap();
        let names = |files: &FolderFiles| {
            files.replace("a/c", b"")?;
            files.replace("a/b", b"")?;
            files.names("a")
        };
        assert_eq!(files.change(names).await.unwrap().unwrap(), ["b", "c"]);
    }
}
