//! [`MailFile`]: an Internet message in a file, because it is too long to be kept in memory.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// A complete Internet message (RFC 5322) in a file. A store recognises a file that it has [staged](crate::store::MessageStore::stage)
/// itself by its type, and need not copy it.
pub trait MailFile: Any + Debug + Send + Sync {
    /// Returns how many bytes the file has.
    fn size(&self) -> u64;

    /// Reads exactly `len` bytes from `offset`. Blocks.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the file ends first, or the error of the file system.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>>;
}

/// A mail file that is equal to itself only.
#[derive(Debug, Clone)]
pub(super) struct SameFile(pub(super) Arc<dyn MailFile>);

impl PartialEq for SameFile {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }
}

impl Eq for SameFile {}
