//! [`SpoolError`]: why the spool could not do what was asked.

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
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
    },
    /// No message of this id is parked for this mailbox.
    #[error("no message {id} is parked for mailbox {mailbox}")]
    NotParked {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
    },
    /// The note beside a parked message does not say which node it is for.
    #[error("no note says for which node message {id} for mailbox {mailbox} is; stop this node and move its file to queue/NODE/")]
    NoDestination {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
    },
    /// A file of the spool cannot be read as a message.
    #[error("the spool file {file} cannot be read: {reason}")]
    Unreadable {
        /// The name of the file.
        file: String,
        /// The reason, for people to read.
        reason: String,
    },
    /// The disk has no space left.
    #[error("no space is left for the spool at {path}")]
    NoSpace {
        /// The spool's folder.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// The disk failed.
    #[error("the spool at {path} cannot be used")]
    Disk {
        /// The spool's folder.
        path: PathBuf,
        /// The error of the file system.
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
