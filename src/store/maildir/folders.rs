//! [`Folders`]: one Maildir on the disk, in which other programs rename and remove files at the same time.

use std::io;
use std::path::{Path, PathBuf};

use super::bad_entries::is_no_folder;
use super::name::{FileName, Folder};
use crate::disk::{self, Disk, Listing, SharedFlush};

/// The folders of one Maildir.
#[derive(Debug)]
pub(super) struct Folders {
    root: PathBuf,
    new: PathBuf,
    cur: PathBuf,
}

/// The entries of the folders.
#[derive(Debug, Default)]
pub(super) struct MaildirListing {
    pub files: Vec<FileName>,
    /// The paths of entries that are not files, and of folders that are not folders.
    pub others: Vec<PathBuf>,
}

/// The files of one base name.
#[derive(Debug, Clone)]
pub(super) struct MessageFile {
    /// The name that counts.
    pub name: FileName,
    /// Another name in `new`, which a power cut between two flushes can leave there.
    pub also_new: Option<FileName>,
}

impl MessageFile {
    /// The file with these names, which all have one base name; `None` if there are none.
    pub(super) fn among(names: &[FileName]) -> Option<Self> {
        let name = names.iter().max()?;
        let also_new = names.iter().filter(|other| *other != name && other.folder == Folder::New).max();
        Some(Self { name: name.clone(), also_new: also_new.cloned() })
    }
}

impl Folders {
    /// The Maildir at `path`, with its folders created where they are missing, and durable.
    ///
    /// Also folders that exist are flushed: the process that created them may have died before it did so.
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let folders = Self { root: path.to_owned(), new: path.join("new"), cur: path.join("cur") };
        for folder in [&path.join("tmp"), &folders.new, &folders.cur] {
            disk::create_dirs(disk, folder)?;
        }
        disk.sync_dir(path)?;
        Ok(folders)
    }

    /// Where the file is.
    pub(super) fn path(&self, file: &FileName) -> PathBuf {
        self.folder(file.folder).join(&file.name)
    }

    /// Lists the folders. A folder that is missing is created again.
    pub(super) fn list(&self, disk: &dyn Disk) -> io::Result<MaildirListing> {
        let mut listed = MaildirListing::default();
        // In this order, a file that moves in between is seen twice rather than never.
        for folder in [Folder::New, Folder::Cur] {
            let Some(Listing { files, others }) = self.list_one(disk, folder)? else {
                listed.others.push(self.folder(folder).to_owned());
                continue;
            };
            listed.files.extend(files.into_iter().filter_map(|name| FileName::parse(folder, name)));
            let others = others.into_iter().filter_map(|name| FileName::parse(folder, name));
            listed.others.extend(others.map(|other| self.path(&other)));
        }
        Ok(listed)
    }

    /// The names in one folder; `None` if its path leads to something else.
    fn list_one(&self, disk: &dyn Disk, folder: Folder) -> io::Result<Option<Listing>> {
        let folder = self.folder(folder);
        match disk.list_files(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if is_no_folder(&error) => return Ok(None),
            listed => return listed.map(Some),
        }
        match disk.create_dir(folder) {
            // Messages that are put there must survive a power cut.
            Ok(()) => disk.sync_dir(&self.root)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        match disk.list_files(folder) {
            // A link that leads nowhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_no_folder(&error) => Ok(None),
            listed => listed.map(Some),
        }
    }

    /// Does `work` on the file, also when another program renames it in between; `None` if the file is gone.
    pub(super) fn with_renames<T>(
        &self,
        disk: &dyn Disk,
        file: &FileName,
        mut work: impl FnMut(&FileName) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let (mut file, mut missed) = (file.clone(), 0);
        for _ in 0..RENAMES_FOLLOWED {
            match work(&file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => return done.map(Some),
            }
            match self.list(disk)?.files.into_iter().filter(|other| other.base() == file.base()).max() {
                Some(found) => (file, missed) = (found, 0),
                // A name that moves while the folders are read is in neither list, so one look proves nothing.
                None if missed < MISSED_AT_MOST => missed += 1,
                None => return Ok(None),
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "another program renames the message all the time"))
    }

    /// Makes durable which names are in the folder.
    pub(super) fn flush(&self, disk: &dyn Disk, flush: &SharedFlush, folder: Folder) -> io::Result<()> {
        flush.sync_dir(disk, self.folder(folder))
    }

    /// Where the Maildir is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the folder is.
    pub(super) fn folder(&self, folder: Folder) -> &Path {
        match folder {
            Folder::New => &self.new,
            Folder::Cur => &self.cur,
        }
    }
}

const RENAMES_FOLLOWED: u32 = 8;
/// How many looks may miss a name before the file counts as gone.
const MISSED_AT_MOST: u32 = 2;
