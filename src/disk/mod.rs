//! The disk as the spool and the Maildir store use it: the trait [`Disk`], the real [`OsDisk`], and [`SharedFlush`].
//!
//! All calls block, except those that are async. Async code calls them through [`blocking`].
//!
//! `FaultyDisk` and `PowerCutDisk` fail on purpose, to prove that what is kept on a disk stays kept. A test does one piece of work again and
//! again, each time with the fault one operation later, until the work ends without having met the fault.

#[cfg(any(test, doc, feature = "conformance"))]
mod faulty;
mod listing;
mod os;
#[cfg(any(test, doc, feature = "conformance"))]
mod power_cut;
mod shared;
mod shared_flush;
mod small_files;
mod watcher;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinHandle;

#[cfg(any(test, doc, feature = "conformance"))]
pub use self::faulty::{FaultyDisk, InjectedFault, Operation};
pub use self::listing::{Listing, NotAFile};
pub use self::os::OsDisk;
#[cfg(any(test, doc, feature = "conformance"))]
pub use self::power_cut::{PowerCutDisk, Unsynced};
pub use self::shared_flush::SharedFlush;
pub(crate) use self::small_files::{FolderFiles, SmallFiles};
pub use self::watcher::{ChangeReport, ChangedFolders, FolderChanges, NameChange, WatchedFolder, Watcher};
use crate::lock::Lock;

/// A file system with the few operations that a durable tree of files needs.
///
/// It is a trait so that a test can use a disk that loses power after any single step.
///
/// # Contract
///
/// - **Nothing is durable by itself.** The contents of a file survive a power cut only after [`DiskFile::sync`]; a name that was added to
///   a folder, or removed from it, only after [`sync_dir`](Self::sync_dir) of that folder.
/// - **Names change at once.** `create`, `link` and `rename` are atomic, and `create` and `link` fail with
///   [`AlreadyExists`](io::ErrorKind::AlreadyExists) where the name is taken; `rename` replaces it.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Creates a file that must not exist yet; only its owner may read and write it.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that exists, for reading and writing. It follows no link, and never waits (as for the other end of a pipe).
    ///
    /// # Errors
    ///
    /// Any error of the file system; [`NotAFile`] if a folder, a link, a socket or the like is at `path`, see [`is_not_a_file`].
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that exists, for reading only, which needs fewer permissions. The default opens it for both.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path)
    }

    /// Gives the file at `from` the second name `to`, which must be free.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames the file at `from` to `to`; a file that had this name is replaced.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the name `path`.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates one folder that must not exist yet; only its owner may use it.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which names are in the folder `path`.
    ///
    /// # Errors
    ///
    /// Any error of the file system. After an error it is not known what is durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in the folder `path`, in no order. Names that are not UTF-8 are left out.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// The names in the folder `path`, those of files apart from all others. A link is not a file, wherever it leads. The default takes all
    /// names for names of files.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn list_files(&self, path: &Path) -> io::Result<Listing> {
        self.list(path).map(|files| Listing { files, others: Vec::new() })
    }

    /// Whether a file is at `path`, and not a link, a folder, a socket or the like. The default answers true.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn is_file(&self, path: &Path) -> io::Result<bool> {
        let _ = path;
        Ok(true)
    }

    /// Returns how much space is left on the file system that `path` is on.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn free_space(&self, path: &Path) -> io::Result<FreeSpace>;

    /// A watcher for folders under `path`; [`Unsupported`](io::ErrorKind::Unsupported) where the file system does not report all changes, as
    /// a network file system, and for a disk without this method.
    ///
    /// # Errors
    ///
    /// Any error of the file system. The caller then has to read the folders instead, which takes longer.
    fn watch(&self, path: &Path) -> io::Result<Box<dyn Watcher>> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// When a name was last added to the folder `path` or removed from it, as exactly as the file system records it;
    /// [`Unsupported`](io::ErrorKind::Unsupported) for a disk without this method.
    ///
    /// # Errors
    ///
    /// Any error of the file system; [`NotADirectory`](io::ErrorKind::NotADirectory) if something else is at `path`.
    fn folder_changed(&self, path: &Path) -> io::Result<SystemTime> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync {
    /// Reads into the whole of `buffer` from `offset`.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the file ends first, or any other error of the file system.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Reads exactly `len` bytes from `offset`.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the file ends first, or any other error of the file system.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// Any error of the file system; part may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// The file's length in bytes.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Cuts the file after `len` bytes, or lengthens it to so many with zeros.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// How many names the file has.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn links(&self) -> io::Result<u64>;

    /// Sets the time of last modification.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn set_modified(&self, modified: SystemTime) -> io::Result<()>;

    /// When the name or the contents of the file last changed (`ctime`, which no program can set);
    /// [`Unsupported`](io::ErrorKind::Unsupported) for a disk without this method.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn changed(&self) -> io::Result<SystemTime> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Makes the contents of the file durable. Its times may be written later, with its name.
    ///
    /// # Errors
    ///
    /// Any error of the file system. After an error it is not known what is durable.
    fn sync(&self) -> io::Result<()>;

    /// Waits for the file's exclusive lock. It ends when the file is closed or the process ends, however it ends.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn lock(&self) -> io::Result<()>;

    /// Takes the file's exclusive lock if it is free; answers whether it did.
    ///
    /// # Errors
    ///
    /// Any error of the file system.
    fn try_lock(&self) -> io::Result<bool>;
}

/// How much space a file system has left for this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FreeSpace {
    /// How many bytes are free.
    pub bytes: u64,
    /// How many files can still be created, where the file system counts them; else [`u64::MAX`].
    pub files: u64,
}

impl FreeSpace {
    /// Space for `bytes` bytes and `files` files.
    pub const fn new(bytes: u64, files: u64) -> Self {
        Self { bytes, files }
    }
}

/// Reads the whole file at `path`.
///
/// # Errors
///
/// Any error of the file system.
pub fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open_to_read(path)?;
    file.read_at(0, usize::try_from(file.len()?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?)
}

/// Creates the folder `path` and the missing ones above it, each durable when this returns.
///
/// # Errors
///
/// Any error of the file system.
pub fn create_dirs(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match create_dir(disk, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).ok_or(error)?;
            create_dirs(disk, parent)?;
            // It is not found again where the parent is a link to nothing, or a file system such as /proc.
            create_dir(disk, path)
        }
        created => created,
    }
}

/// Creates the folder `path` if it is missing, durably.
fn create_dir(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.create_dir(path) {
        Ok(()) => sync_name(disk, path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the name of the folder `path` durable: the process that created the folder may have died or failed before it did so.
///
/// # Errors
///
/// Any error of the file system.
pub(crate) fn sync_name(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| disk.sync_dir(named(parent)))
}

/// Whether `error` says that no space is left, for bytes or for files.
pub fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether `error` says that the disk may not be written to, by this process or by any: `EACCES`, `EPERM` and `EROFS`.
pub fn is_not_writable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Whether `error` says that a path to be opened as a file leads to something else; see [`NotAFile`].
pub fn is_not_a_file(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::IsADirectory || error.get_ref().is_some_and(|inner| inner.downcast_ref::<NotAFile>().is_some())
}

/// Runs `work`, which blocks, on a thread where it delays no other task.
///
/// The work runs to its end even if the returned future is dropped. It runs in the caller's `tracing` span, in which each hand-over is
/// an event of level TRACE.
///
/// # Errors
///
/// The error of `work`; also an error when the runtime is shutting down.
///
/// # Panics
///
/// Outside a tokio runtime.
pub async fn blocking<T, F>(work: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> io::Result<T> + Send + 'static,
{
    let result = Arc::new(Lock::new(None));
    let place = Arc::clone(&result);
    spawn_work(Box::new(move || *place.lock() = Some(work()))).await.map_err(io::Error::other)?;
    let result = result.lock().take();
    result.expect("the work has ended")
}

/// Hands `work` to a blocking thread. It has one type for all work, so that tokio's tasks are compiled once and not for each closure.
fn spawn_work(work: Box<dyn FnOnce() + Send>) -> JoinHandle<()> {
    let span = tracing::Span::current();
    tracing::trace!("work is handed to a blocking thread");
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

/// `path`, or the current folder if it is empty.
fn named(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}
