//! [`ServerTransaction`]: a mail transaction, with its recipients.

use super::Recipient;
use super::body::Body;
use crate::message::MailboxId;
use crate::smtp::Reply;
use crate::smtp::command::BodyType;

/// A mail transaction, from MAIL to the end of the message.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    /// The size that MAIL has declared, or 0.
    pub(super) announced: usize,
    pub(super) body_type: BodyType,
    pub(super) mailboxes: Vec<MailboxId>,
    /// Whether the postmaster is a recipient.
    pub(super) postmaster: bool,
    /// The chunks that have arrived with BDAT.
    pub(super) chunks: Chunks,
}

impl ServerTransaction {
    /// A transaction without recipients.
    pub(super) fn new(announced: usize, body_type: BodyType) -> Self {
        Self { announced, body_type, mailboxes: Vec::new(), postmaster: false, chunks: Chunks::None }
    }

    pub(super) fn add(&mut self, recipient: Recipient) {
        match recipient {
            Recipient::Mailbox(mailbox) => self.mailboxes.push(mailbox),
            Recipient::Postmaster => self.postmaster = true,
            Recipient::NodeSender => {}
        }
    }

    pub(super) fn has(&self, recipient: &Recipient) -> bool {
        match recipient {
            Recipient::Mailbox(mailbox) => self.mailboxes.contains(mailbox),
            Recipient::Postmaster => self.postmaster,
            Recipient::NodeSender => false,
        }
    }

    /// Returns the number of recipients.
    pub(super) fn len(&self) -> usize {
        self.mailboxes.len() + usize::from(self.postmaster)
    }
}

/// The chunks of a message that have arrived with BDAT.
#[derive(Debug)]
pub(super) enum Chunks {
    /// No chunk has arrived.
    None,
    /// The chunks so far.
    Some(Body),
    /// A chunk was refused with this reply, and so are all later ones.
    Refused(Reply),
}
