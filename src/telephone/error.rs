//! [`PinError`].

use std::io;
use std::path::PathBuf;

/// Why a PIN could not be kept or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// A file is not what was written. It is left as it is, and nobody gets in by it.
    #[error("{file} was damaged on disk; it is for an operator to remove it")]
    Damaged {
        /// Which file.
        file: PathBuf,
    },
    /// The disk did not do it.
    #[error("the PINs in {folder} cannot be read or written")]
    Disk {
        /// The folder of the PINs.
        folder: PathBuf,
        /// What the file system said.
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
