//! [`RecordError`].

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
    /// The PBX may not record here, or not now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No mailbox has this number anywhere in the network.
    #[error("no mailbox {0} in the network; check the number, or add the mailbox to the network description")]
    NoSuchMailbox(MailboxId),
    /// Whether there is such a mailbox cannot be told now.
    #[error("whether there is a mailbox {mailbox} cannot be told now")]
    DirectoryUnavailable {
        /// Which mailbox.
        mailbox: MailboxId,
        /// What the directory said.
        #[source]
        source: DirectoryError,
    },
    /// A message is for 1 to 16 mailboxes.
    #[error("a message is for 1 to 16 mailboxes, not for {0}")]
    Mailboxes(usize),
    /// The recording is no message: the caller hung up at once.
    #[error("the recording of {length:?} is shorter than the {min:?} that make a message")]
    TooShort {
        /// How long it was.
        length: Duration,
        /// How long it must be.
        min: Duration,
    },
    /// Nobody records calls in such a format.
    #[error("{0:?} cannot be recorded: the rate must be 8000 to 48000 Hz, in one or two channels")]
    UnusableFormat(Format),
    /// The sound is longer than the mailbox takes.
    #[error("the recording of {length:?} is longer than the {max:?} that the mailbox takes")]
    TooLong {
        /// How long it is.
        length: Duration,
        /// How long it may be.
        max: Duration,
    },
    /// The sound cannot be read.
    #[error("the recording cannot be read")]
    UnreadableAudio(#[from] AudioError),
    /// Every mailbox that the message is for holds as much as it may; this is one of them. Nobody has spoken yet.
    #[error("mailbox {0} is full; its owner has to remove messages first")]
    MailboxFull(MailboxId),
    /// The disk has only room for the recordings under way.
    #[error("the disk of the spool is nearly full: {free} bytes and {files} files are left, so no new recording begins")]
    DiskNearlyFull {
        /// Bytes left.
        free: u64,
        /// Files that can still be created.
        files: u64,
    },
    /// The disk did not do its part. A recording that has ended is not lost: the node keeps trying as long as it runs, and
    /// [`Event::Kept`](crate::event::Event::Kept) tells when it is a message; what is on disk by then is taken up by the next start.
    #[error("the recording could not be written to disk")]
    Disk(#[source] io::Error),
    /// The caller, or the PBX, threw the recording away.
    #[error("the recording was thrown away")]
    ThrownAway,
    /// The recording is a message already, because the node was stopping: it cannot be thrown away any more.
    #[error("the recording was kept when the node stopped, and cannot be thrown away any more")]
    KeptAlready,
    /// The node is stopping, and begins no new recording.
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
            | Self::ThrownAway
            | Self::KeptAlready => false,
        }
    }
}
