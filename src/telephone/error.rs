//! [`PinError`]: the errors of a `PinFolder`.

use std::io;
use std::path::PathBuf;

/// The reason why a PIN could not be set or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// A file cannot be read as what was written to it. The file is left as it is, and admits nobody.
    #[error("{file} was damaged on disk; an operator has to remove it")]
    Damaged {
        /// The damaged file.
        file: PathBuf,
    },
    /// The disk failed, or the file system refused the operation.
    #[error("the PINs in {folder} cannot be read or written")]
    Disk {
        /// The folder of the PINs.
        folder: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
}

impl PinError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Disk { .. } => true,
            Self::Damaged { .. } => false,
        }
    }
}
