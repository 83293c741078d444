//! [`JobError`]: the error type of stores of jobs.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

/// Why a store of jobs could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The disk failed.
    #[error("the jobs in {folder} cannot be read or written")]
    Disk {
        /// The folder of the jobs.
        folder: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// As many jobs wait as the store keeps.
    #[error("{most} jobs wait already; find out why they are not done")]
    Full {
        /// The most jobs that the store keeps.
        most: usize,
    },
    /// The medium did not answer; the same call may succeed later.
    #[error("the store of jobs is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl JobError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Disk { .. } | Self::Full { .. } | Self::Unavailable(_) => true,
        }
    }
}
