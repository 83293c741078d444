//! [`Listing`]: the names in a folder by what they stand for; and [`NotAFile`].

use std::io;

/// The names in a folder, in no order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The names of files.
    pub files: Vec<String>,
    /// All others: of folders, links, sockets and the like.
    pub others: Vec<String>,
}

/// What stands where a file was to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAFile {
    /// A folder.
    #[error("it is a folder, and no file")]
    Folder,
    /// A link, which is not followed.
    #[error("it is a symbolic link, which is not followed")]
    Link,
    /// A pipe, a socket or a device.
    #[error("it is a pipe, a socket or a device, and no file")]
    Special,
}

impl From<NotAFile> for io::Error {
    fn from(what: NotAFile) -> Self {
        let kind = match what {
            NotAFile::Folder => io::ErrorKind::IsADirectory,
            NotAFile::Link | NotAFile::Special => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, what)
    }
}
