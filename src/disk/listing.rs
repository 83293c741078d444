//! [`Listing`]: the names in a folder, those of files apart from others; and [`NotAFile`].

use std::io;

/// The names in a folder, in no order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The names of files.
    pub files: Vec<String>,
    /// All other names: of folders, links, sockets and the like.
    pub others: Vec<String>,
}

impl Listing {
    /// A listing of these names of files, and these other names.
    pub fn new(files: Vec<String>, others: Vec<String>) -> Self {
        Self { files, others }
    }
}

/// The error for a path that was to be opened as a file and leads to something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAFile {
    /// The path leads to a folder.
    #[error("it is a folder, not a file")]
    Folder,
    /// The path leads to a link, which is not followed.
    #[error("it is a symbolic link, which is not followed")]
    Link,
    /// The path leads to a pipe, a socket or a device.
    #[error("it is a pipe, a socket or a device, not a file")]
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
