//! [`ServerTransaction`]: a message under way, and its recipients.

use super::Recipient;
use super::body::Body;
use super::reply::Reply;
use crate::message::MailboxId;
use crate::smtp::command::BodyType;

/// A message under way, from MAIL to the last reply.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    pub(super) announced: usize,
    pub(super) body_type: BodyType,
    pub(super) mailboxes: Vec<MailboxId>,
    /// Whether the postmaster is a recipient, too.
    pub(super) postmaster: bool,
    /// What has come with BDAT so far, or why it was refused.
    pub(super) chunks: Chunks,
}

impl ServerTransaction {
    /// One without recipients yet.
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

    /// How many recipients it has.
    pub(super) fn len(&self) -> usize {
        self.mailboxes.len() + usize::from(self.postmaster)
    }
}

/// What has come with BDAT.
#[derive(Debug)]
pub(super) enum Chunks {
    None,
    Some(Body),
    Refused(Reply),
}
