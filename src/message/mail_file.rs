//! [`MailFile`]: the Internet message that a message arrived as, where it is too long to be in memory.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// An Internet message (RFC 5322) in a file, complete. A store knows those that it has [staged](crate::store::MessageStore::stage)
/// itself by their type, and need not copy them.
pub trait MailFile: Any + Debug + Send + Sync {
    /// How many bytes it has.
    fn size(&self) -> u64;

    /// Reads exactly `len` bytes from `offset`. Blocks.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the file ends first, or whatever the file system says.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>>;
}

/// A file that is the same as itself only.
#[derive(Debug, Clone)]
pub(super) struct SameFile(pub(super) Arc<dyn MailFile>);

impl PartialEq for SameFile {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }
}

impl Eq for SameFile {}
