//! [`SoundError`].

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use voicemail::message::MessageId;
use voicemail::store::StoreError;

use super::SoundName;

/// Why a sound could not be put, read, deleted or listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoundError {
    /// The object store failed or could not be reached. After a put, the sound may be there under a name that nobody knows.
    #[error("the object store failed")]
    Failed(#[source] object_store::Error),
    /// The object store did not answer in time. After a put, the sound may be there under a name that nobody knows.
    #[error("the object store did not finish within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The object store refused: its credentials are wrong, or they do not allow this.
    #[error("the object store refused: check its credentials and their rights")]
    Refused(#[source] object_store::Error),
    /// The folder's file system has no space left.
    #[error("the object store has no space left")]
    NoSpace(#[source] object_store::Error),
    /// The answer ended before the whole sound was read.
    #[error("only {read} of the {size} bytes of sound {name} were read")]
    Incomplete {
        /// The name of the sound.
        name: SoundName,
        /// The number of bytes that were read.
        read: u64,
        /// The number of bytes that the sound has.
        size: u64,
    },
    /// The object store has no such sound.
    #[error("there is no sound {0} in the object store")]
    Missing(SoundName),
    /// The sound in the object store is not the one that was put: its length or its digest differs.
    #[error("sound {0} in the object store is not the one that was put there")]
    Damaged(SoundName),
    /// The sound to put could not be read to its end from its source.
    #[error("the sound to put could not be read")]
    Source(#[source] io::Error),
}

impl SoundError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Failed(_)
            | Self::TimedOut(_)
            | Self::Refused(_)
            | Self::NoSpace(_)
            | Self::Incomplete { .. }
            | Self::Source(_) => true,
            Self::Missing(_) | Self::Damaged(_) => false,
        }
    }

    /// Returns the error of a store for the message `id` whose sound this is about. A sound that is missing or damaged makes its message damaged:
    /// a caller that reads the sound of a row first makes sure that the row is still there.
    pub fn into_store_error(self, id: MessageId) -> StoreError {
        match self {
            Self::Refused(_) => StoreError::NotWritable(self.into()),
            Self::NoSpace(_) => StoreError::NoSpace(self.into()),
            Self::Failed(_) | Self::TimedOut(_) | Self::Incomplete { .. } | Self::Source(_) => {
                StoreError::Unavailable(self.into())
            }
            Self::Missing(_) | Self::Damaged(_) => StoreError::Damaged { id, source: self.into() },
        }
    }

    /// Returns the error of a call about the sound `name` that the object store answered with `error`.
    pub(super) fn about(name: &SoundName, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing(name.clone()),
            error => Self::from(error),
        }
    }
}

impl From<object_store::Error> for SoundError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => Self::Refused(error),
            error => match io_kind(&error) {
                Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Self::NoSpace(error),
                Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => Self::Refused(error),
                _ => Self::Failed(error),
            },
        }
    }
}

/// The kind of the first error of the file system among the causes of `error`.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    std::iter::successors(Some(error), |error| (*error).source())
        .find_map(|error| error.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_refusal_are_told_from_other_failures() {
        let of = |kind: io::ErrorKind| {
            SoundError::from(object_store::Error::Generic { store: "test", source: io::Error::from(kind).into() })
        };
        assert!(matches!(of(io::ErrorKind::StorageFull), SoundError::NoSpace(_)));
        assert!(matches!(of(io::ErrorKind::ReadOnlyFilesystem), SoundError::Refused(_)));
        assert!(matches!(of(io::ErrorKind::ConnectionReset), SoundError::Failed(_)));
    }
}
