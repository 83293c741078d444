//! Receipts for messages that came through a relay: the node that sent them keeps them until this node's receipt comes.

use std::io;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::IntakeBuilder;
use super::context::IntakeContext;
use super::receipts::Receipts;
use crate::forward::{MailOut, Sender};
use crate::message::{MailAddress, MailboxId, Message};
use crate::smtp::server::Delivery;
use crate::smtp::{CustodySecret, Reply};
use crate::wire::{self, DeliveredRecipient, DeliveredReport};

impl IntakeBuilder {
    /// Sends a receipt for each stored message whose sender asks for it, because the message came through a relay: a delivery report from the null
    /// reverse-path, with a proof by the sender's key, which is made from `secret`. It is handed to `out` before the message is answered 250, and `out`
    /// must be durable, as an [`Outbox`](crate::outbox::Outbox) is; while it takes none, the message is answered 451 4.3.0 and comes again.
    ///
    /// A message that has arrived before gets a receipt again, because the first one may be lost.
    ///
    /// # Source
    ///
    /// RFC 3461 §5.2.3, RFC 3464.
    pub fn receipts(mut self, secret: CustodySecret, out: impl MailOut) -> Self {
        self.receipts = Some(Receipts { secret: Some(secret), out: Arc::new(out) });
        self
    }

    /// Takes requests for delivery reports (DSN), and sends by `out` the report that a message is in its mailbox, to senders who ask for it by
    /// `NOTIFY=SUCCESS`. It does so with [`receipts`](Self::receipts), too. No other report is sent, because no message fails after 250.
    ///
    /// # Source
    ///
    /// RFC 3461.
    pub fn delivery_reports(mut self, out: impl MailOut) -> Self {
        self.receipts = Some(Receipts { secret: None, out: Arc::new(out) });
        self
    }
}

impl IntakeContext {
    /// Sends the receipt for a message that is in these mailboxes, if its sender has asked for it. The error is the reply that asks for the message again.
    pub(super) async fn send_receipt(
        &self,
        delivery: &Delivery,
        message: &Message,
        mailboxes: &[&MailboxId],
    ) -> Result<(), Reply> {
        let (Some(Receipts { secret, out }), Some(to)) = (&self.receipts, &delivery.sender) else { return Ok(()) };
        if mailboxes.is_empty() {
            return Ok(());
        }
        let (id, digest) = (message.id(), message.audio().digest());
        let key = match secret {
            Some(secret) => {
                let request = self.request_in(message).await.map_err(|error| Reply::with_status(451, "4.3.0", error))?;
                request.and_then(|request| secret.requester(&request, id, digest))
            }
            None => None,
        };
        let key = key.filter(|key| {
            let fits = is_address_of(to, key.node());
            if !fits {
                tracing::warn!(%id, "a request for a receipt is not answered: the message came from another address than the node's that asks");
            }
            fits
        });
        let asked = |mailbox: &MailboxId| {
            let position = delivery.mailboxes.iter().position(|other| other == mailbox)?;
            delivery.recipient_reports.get(position)
        };
        let recipients = mailboxes.iter().filter(|mailbox| key.is_some() || asked(mailbox).is_some_and(|asked| asked.on_success));
        let recipients: Vec<_> = recipients
            .map(|mailbox| DeliveredRecipient {
                mailbox,
                original: asked(mailbox).and_then(|asked| asked.original.as_deref()),
                custody: key.as_ref().map(|key| key.receipt(id, mailbox, digest)),
            })
            .collect();
        if recipients.is_empty() {
            return Ok(());
        }
        let report = DeliveredReport {
            node: &self.policy.node,
            domain: &self.policy.domain,
            to,
            id,
            digest,
            envelope_id: delivery.reports.envelope_id.as_deref(),
            recipients,
            at: self.clock.now().instant,
        };
        match out.send(Sender::Null, to, &report.to_mail()).await {
            Ok(outcome) if outcome.is_accepted() => Ok(()),
            failed => {
                tracing::warn!(%id, ?failed, "the receipt for a message could not be sent; the message comes again");
                Err(Reply::with_status(
                    451,
                    "4.3.0",
                    "the message is stored, but its receipt cannot be sent now, try again later",
                ))
            }
        }
    }

    /// Reads the request for a receipt from the mail that a message came as.
    async fn request_in(&self, message: &Message) -> io::Result<Option<String>> {
        let form = self.policy.limits.form;
        if let Some(mail) = message.mail() {
            return Ok(wire::custody_request(mail, form));
        }
        let Some(file) = message.mail_file().map(Arc::clone) else { return Ok(None) };
        let len = usize::try_from(file.size()).unwrap_or(usize::MAX).min(form.head);
        let read = spawn_blocking(move || file.read_at(0, len)).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        read.map(|head| wire::custody_request(&head, form))
    }
}

/// Whether an address is one of the node that asks for a receipt, or stands for it: a relay may have rewritten it (SRS), and gets the receipt back.
fn is_address_of(address: &MailAddress, node: &str) -> bool {
    let rewritten =
        ["SRS0", "SRS1"].iter().any(|mark| address.local_part().get(..4).is_some_and(|start| start.eq_ignore_ascii_case(mark)));
    rewritten || address.domain().eq_ignore_ascii_case(node)
}
