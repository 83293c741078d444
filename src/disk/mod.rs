//! The disk as the spool and the Maildir store use it: the trait [`Disk`], the real [`OsDisk`], and flushes that are shared.
//!
//! All calls block, but for those that are async. Whoever is in async code goes through [`blocking`].
//!
//! `FaultyDisk` and `PowerCutDisk` fail on purpose, to prove that what is kept on a disk stays kept. A tree of files is proven by doing
//! one piece of work again and again, each time with the fault one operation later, until the work gets through without meeting it.

mod bell;
#[cfg(any(test, doc, feature = "conformance"))]
mod faulty;
mod listing;
mod os;
#[cfg(any(test, doc, feature = "conformance"))]
mod power_cut;
mod shared_flush;
mod watch;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::time::SystemTime;

pub use self::bell::{Bell, Rung};
#[cfg(any(test, doc, feature = "conformance"))]
pub use self::faulty::{Fault, FaultyDisk, Operation};
pub use self::listing::{Listing, NotAFile};
pub use self::os::OsDisk;
#[cfg(any(test, doc, feature = "conformance"))]
pub use self::power_cut::{PowerCutDisk, Unsynced};
pub use self::shared_flush::SharedFlush;
pub use self::watch::{Change, Changes, Told, Watch, WatchedFolder};

/// A file system, asked for only what a durable tree of files needs.
///
/// It is a trait so that a test can be the disk that loses power after any single step.
///
/// # Contract
///
/// - **Nothing is durable by itself.** What a file holds survives a power cut only after [`DiskFile::sync`]; that a name stands in a
///   folder, or no longer does, only after [`sync_dir`](Self::sync_dir) of that folder.
/// - **Names change at once.** `create`, `link` and `rename` are atomic, and `create` and `link` fail with
///   [`AlreadyExists`](io::ErrorKind::AlreadyExists) where the name is taken; `rename` replaces it.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Creates a file that must not exist, for reading and writing by its owner alone.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that exists, for reading and writing. A link is not followed, and nothing is waited for.
    ///
    /// # Errors
    ///
    /// Whatever the file system says; [`NotAFile`] where a folder, a link, a socket or the like stands, see [`is_not_a_file`].
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that exists, for reading alone, which more may do; a disk without this method opens it for both.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path)
    }

    /// Gives the file at `from` a second name.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives the file at `from` another name instead.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes the name `path` away.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates one folder that must not exist, for its owner alone.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which names stand in the folder `path`.
    ///
    /// # Errors
    ///
    /// Whatever the file system says. After an error nothing is known of what is durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in the folder `path`, in no order; names that are no UTF-8 are left out.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// The same, files apart from all else; a link is no file, wherever it leads. For a disk without this method, all are files.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn list_files(&self, path: &Path) -> io::Result<Listing> {
        self.list(path).map(|files| Listing { files, others: Vec::new() })
    }

    /// Whether a file stands at `path`, and no link, folder, socket or the like; true for a disk without this method.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn is_file(&self, path: &Path) -> io::Result<bool> {
        let _ = path;
        Ok(true)
    }

    /// How much room is left where `path` is.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn room(&self, path: &Path) -> io::Result<Room>;

    /// Tells what changes in folders under `path`, so that they need not be read again; [`Unsupported`](io::ErrorKind::Unsupported)
    /// where nobody tells all that changes, as on a network file system, and for a disk without this method.
    ///
    /// # Errors
    ///
    /// Whatever the file system says. Nothing is lost by it but time.
    fn watch(&self, path: &Path) -> io::Result<Box<dyn Watch>> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Says at once where names come and go in folders under `path`; [`Unsupported`](io::ErrorKind::Unsupported) where nobody tells
    /// all that changes, and for a disk without this method.
    ///
    /// # Errors
    ///
    /// Whatever the file system says. Nothing is lost by it but time.
    fn bell(&self, path: &Path) -> io::Result<Box<dyn Bell>> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// When names last came or went in the folder `path`, as exactly as the file system says;
    /// [`Unsupported`](io::ErrorKind::Unsupported) for a disk without this method.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
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
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the file ends first, or whatever the file system says.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Reads exactly `len` bytes from `offset`.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the file ends first, or whatever the file system says.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// Whatever the file system says; part may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// The file's length in bytes.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Makes the file empty.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn clear(&self) -> io::Result<()>;

    /// How many names the file has.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn links(&self) -> io::Result<u64>;

    /// Sets the time of last modification.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn set_modified(&self, modified: SystemTime) -> io::Result<()>;

    /// When the file last got another name, or other contents; nobody can set it. [`Unsupported`](io::ErrorKind::Unsupported) for a
    /// disk without this method.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn changed(&self) -> io::Result<SystemTime> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Makes durable what the file holds.
    ///
    /// # Errors
    ///
    /// Whatever the file system says. After an error nothing is known of what is durable.
    fn sync(&self) -> io::Result<()>;

    /// Waits for the file's exclusive lock, which ends with the file's closing or the process, however it ends.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn lock(&self) -> io::Result<()>;

    /// Takes the file's exclusive lock if nobody has it; answers whether it did.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn try_lock(&self) -> io::Result<bool>;
}

/// How much room a file system has left for this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Files, where the file system counts them; else [`u64::MAX`].
    pub files: u64,
}

/// Reads the whole file at `path`.
///
/// # Errors
///
/// Whatever the file system says.
pub fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open_to_read(path)?;
    file.read_at(0, usize::try_from(file.len()?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?)
}

/// Creates the folder `path` and the missing ones above it, each durable when this returns.
///
/// # Errors
///
/// Whatever the file system says.
pub fn create_dirs(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.create_dir(path) {
        Ok(()) => sync_name(disk, path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).ok_or(error)?;
            create_dirs(disk, parent)?;
            create_dirs(disk, path)
        }
        Err(error) => Err(error),
    }
}

/// Makes the name of the folder `path` durable: it may be there since a process that died, or failed, before it could.
///
/// # Errors
///
/// Whatever the file system says.
pub(crate) fn sync_name(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| disk.sync_dir(named(parent)))
}

/// Whether `error` says that no room is left, for bytes or for files.
pub fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether `error` says that the disk may not be written to, by this process or by any: `EACCES`, `EPERM` and `EROFS`.
pub fn is_not_writable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Whether `error` says that a file was to be opened, and something else stands there.
pub fn is_not_a_file(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::IsADirectory || error.get_ref().is_some_and(|inner| inner.downcast_ref::<NotAFile>().is_some())
}

/// Runs `work`, which blocks, where blocking holds up no other task.
///
/// The work runs to its end even if the returned future is dropped. It runs in the caller's `tracing` span, in which each hand-over is
/// an event of level TRACE.
///
/// # Errors
///
/// What `work` answers; also when the runtime is shutting down.
///
/// # Panics
///
/// Outside a tokio runtime.
pub async fn blocking<T, F>(work: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> io::Result<T> + Send + 'static,
{
    let span = tracing::Span::current();
    tracing::trace!("work is handed to a blocking thread");
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(io::Error::other)?
}

/// The folder that an empty relative path means.
fn named(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}
