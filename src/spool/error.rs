//! [`SpoolError`].

use std::io;
use std::path::PathBuf;

use crate::message::{MailboxId, MessageId};

/// Why the spool could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another process has the spool open.
    #[error("the spool {0} is in use by another process; stop that one first, or give this node a folder of its own")]
    InUse(PathBuf),
    /// No message of this id waits for this mailbox, or it is being sent just now.
    #[error("no message {id} waits for mailbox {mailbox} in the spool, or it is under way just now")]
    NotWaiting {
        /// Which message.
        id: MessageId,
        /// For whom.
        mailbox: MailboxId,
    },
    /// No message of this id is parked for this mailbox.
    #[error("no message {id} is parked for mailbox {mailbox}")]
    NotParked {
        /// Which message.
        id: MessageId,
        /// For whom.
        mailbox: MailboxId,
    },
    /// The note beside a parked message does not say which node it is for.
    #[error("no note says for which node message {id} for mailbox {mailbox} is; stop this node and move its file to queue/NODE/")]
    NoDestination {
        /// Which message.
        id: MessageId,
        /// For whom.
        mailbox: MailboxId,
    },
    /// A file of the spool cannot be read as a message.
    #[error("the spool file {file} cannot be read: {reason}")]
    Unreadable {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk has no room left.
    #[error("no room is left for the spool at {path}")]
    NoSpace {
        /// The spool's folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The disk did not do it.
    #[error("the spool at {path} cannot be used")]
    Disk {
        /// The spool's folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
}

impl SpoolError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::InUse(_) | Self::NoSpace { .. } | Self::Disk { .. } => true,
            Self::NotWaiting { .. } | Self::NotParked { .. } | Self::NoDestination { .. } | Self::Unreadable { .. } => false,
        }
    }
}
