//! [`ServerTransaction`]: a mail transaction, with its recipients.

use super::body::Body;
use super::replies_due::RepliesDue;
use super::{Protocol, Recipient};
use crate::message::{MailAddress, MailboxId};
use crate::smtp::command::BodyType;
use crate::smtp::path::Path;
use crate::smtp::{MailRequest, RecipientRequest, Reply};

/// A mail transaction, from MAIL to the end of the message.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    /// The size that MAIL has declared, or 0.
    pub(super) announced: usize,
    pub(super) body_type: BodyType,
    pub(super) mailboxes: Vec<MailboxId>,
    /// The requests for reports in MAIL.
    pub(super) reports: MailRequest,
    /// The requests for reports in RCPT, for each mailbox.
    pub(super) recipient_reports: Vec<RecipientRequest>,
    /// The requests for reports in the RCPT whose recipient is being looked up.
    pub(super) next_reports: RecipientRequest,
    /// Whether the postmaster is a recipient.
    pub(super) postmaster: bool,
    /// The return path that a report goes to; it is the only recipient then.
    pub(super) report_to: Option<String>,
    has_null_sender: bool,
    /// The sender, if it is an address that needs no quotes.
    pub(super) sender: Option<MailAddress>,
    /// The replies that the end of the message gets.
    pub(super) replies_due: RepliesDue,
    /// The chunks that have arrived with BDAT.
    pub(super) chunks: Chunks,
}

impl ServerTransaction {
    /// A transaction without recipients.
    pub(super) fn new(from: &Path<'_>, announced: usize, body_type: BodyType, reports: MailRequest, protocol: Protocol) -> Self {
        let (mailboxes, has_null_sender) = (Vec::new(), *from == Path::Null);
        let sender = match from {
            Path::Mailbox { local, domain } => format!("{local}@{domain}").parse().ok(),
            Path::Null | Path::Local(_) | Path::Literal | Path::Routed => None,
        };
        Self {
            announced,
            body_type,
            mailboxes,
            reports,
            recipient_reports: Vec::new(),
            next_reports: RecipientRequest::default(),
            postmaster: false,
            report_to: None,
            has_null_sender,
            sender,
            replies_due: RepliesDue::of(protocol),
            chunks: Chunks::None,
        }
    }

    pub(super) fn add(&mut self, recipient: Recipient) {
        match recipient {
            Recipient::Mailbox(mailbox) => {
                self.mailboxes.push(mailbox);
                self.recipient_reports.push(std::mem::take(&mut self.next_reports));
            }
            Recipient::Postmaster => self.postmaster = true,
            Recipient::ReturnPath(local) => self.report_to = Some(local),
            Recipient::NodeSender => {}
        }
    }

    pub(super) fn has(&self, recipient: &Recipient) -> bool {
        match recipient {
            Recipient::Mailbox(mailbox) => self.mailboxes.contains(mailbox),
            Recipient::Postmaster => self.postmaster,
            Recipient::ReturnPath(local) => self.report_to.as_ref() == Some(local),
            Recipient::NodeSender => false,
        }
    }

    /// Returns the number of recipients.
    pub(super) fn len(&self) -> usize {
        self.mailboxes.len() + usize::from(self.postmaster) + usize::from(self.report_to.is_some())
    }

    /// Whether the recipient may be added: a report has the null sender and one recipient, which is a return path.
    pub(super) fn may_have(&self, recipient: &Recipient) -> bool {
        match recipient {
            Recipient::ReturnPath(_) => self.has_null_sender && (self.len() == 0 || self.has(recipient)),
            Recipient::Mailbox(_) | Recipient::Postmaster | Recipient::NodeSender => self.report_to.is_none(),
        }
    }

    /// Returns how long the message may be, where others may have `limit` bytes.
    pub(super) fn limit(&self, limit: usize) -> usize {
        if self.report_to.is_some() { limit.min(MAX_REPORT) } else { limit }
    }

    /// Notes that an RCPT with this recipient is accepted, which the transaction has.
    pub(super) fn note_accepted(&mut self, recipient: &Recipient) {
        if let RepliesDue::OfRecipients(places) = &mut self.replies_due {
            places.push(match recipient {
                Recipient::Mailbox(mailbox) => self.mailboxes.iter().position(|other| other == mailbox),
                Recipient::Postmaster | Recipient::ReturnPath(_) | Recipient::NodeSender => None,
            });
        }
    }

    /// Whether the recipient is one of the transaction already, and RCPT may name it again.
    pub(super) fn may_repeat(&self, recipient: &Recipient, limit: usize) -> bool {
        self.has(recipient) && self.replies_due.len() < limit
    }

    /// Returns how many recipients count towards the limit: in LMTP, each accepted RCPT does, because each gets a reply.
    pub(super) fn counted(&self) -> usize {
        self.len().max(self.replies_due.len())
    }
}

/// The longest report, in bytes.
pub(super) const MAX_REPORT: usize = 1024 * 1024;

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
