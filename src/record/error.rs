//! [`RecordError`]: why a message was not recorded.

use std::io;
use std::time::Duration;

use crate::audio::{AudioError, Format};
use crate::directory::DirectoryError;
use crate::message::MailboxId;
use crate::network::Refusal;

/// Why a message was not recorded or not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The PBX may not record here, or not now: this node does not serve it, it has no valid licence, or all its ports are busy.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The network has no mailbox with this id.
    #[error("no mailbox {0} in the network; check the number, or add the mailbox to the network description")]
    NoSuchMailbox(MailboxId),
    /// The directory did not answer, so it is not known whether the mailbox exists.
    #[error("the directory does not answer whether mailbox {mailbox} exists")]
    DirectoryUnavailable {
        /// The mailbox that was looked up.
        mailbox: MailboxId,
        /// The error of the directory.
        #[source]
        source: DirectoryError,
    },
    /// The message has no mailbox, or more than 16, or their numbers and names have more than 256 characters together.
    #[error("a message is for 1 to 16 mailboxes with at most 256 characters together, not for these {0}")]
    Mailboxes(usize),
    /// The recording is too short to be a message: the caller hung up at once.
    #[error("the recording of {length:?} is shorter than the {min:?} that make a message")]
    TooShort {
        /// The length of the recording.
        length: Duration,
        /// The shortest length of a message for these mailboxes.
        min: Duration,
    },
    /// Calls cannot be recorded in this format.
    #[error("{0:?} cannot be recorded: the rate must be 8000 to 48000 Hz, in one or two channels")]
    UnusableFormat(Format),
    /// The sound is longer than the mailbox allows.
    #[error("the recording of {length:?} is longer than the {max:?} that the mailbox allows")]
    TooLong {
        /// The length of the sound.
        length: Duration,
        /// The longest length that the mailbox allows.
        max: Duration,
    },
    /// The sound cannot be read.
    #[error("the recording cannot be read")]
    UnreadableAudio(#[from] AudioError),
    /// All mailboxes that the message is for are full; this is one of them. The caller has not spoken yet.
    #[error("mailbox {0} is full; its owner has to remove messages first")]
    MailboxFull(MailboxId),
    /// The disk has only space for the recordings under way.
    #[error("the disk of the spool is nearly full: {free} bytes and {files} files are left, so no new recording begins")]
    DiskNearlyFull {
        /// How many bytes are free.
        free: u64,
        /// How many files can still be created.
        files: u64,
    },
    /// The disk failed. A recording that has ended, and whose file exists, is not lost: the node tries again as long as it runs, and reports
    /// [`Event::Kept`](crate::event::Event::Kept) when the message is on stable storage. After a stop, the next start recovers what is on
    /// disk.
    #[error("the recording could not be written to disk")]
    Disk(#[source] io::Error),
    /// The recording was discarded, by the caller or the PBX.
    #[error("the recording was discarded")]
    Discarded,
    /// The recording was kept as a message because the node was stopping, so it cannot be discarded any more.
    #[error("the recording was kept when the node stopped, and cannot be discarded any more")]
    KeptAlready,
    /// The node is stopping and begins no new recording.
    #[error("the voicemail node is stopping")]
    Stopping,
}

impl RecordError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_transient(),
            Self::DirectoryUnavailable { .. }
            | Self::MailboxFull(_)
            | Self::DiskNearlyFull { .. }
            | Self::Disk(_)
            | Self::Stopping => true,
            Self::NoSuchMailbox(_)
            | Self::Mailboxes(_)
            | Self::TooShort { .. }
            | Self::UnusableFormat(_)
            | Self::TooLong { .. }
            | Self::UnreadableAudio(_)
            | Self::Discarded
            | Self::KeptAlready => false,
        }
    }
}
