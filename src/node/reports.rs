//! [`SpoolReports`]: what reports mean for the relayed messages in the spool.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::return_path::ReturnPathCheck;
use super::sent_mails::SentMails;
use crate::error_chain;
use crate::event::{Event, Events, ReportedAction};
use crate::intake::{ReportHandler, ReturnedMail};
use crate::message::{MailboxId, MessageId};
use crate::smtp::{CustodyKey, Reply, SignedReturnPath};
use crate::spool::{Settled, Spool};
use crate::wire::{self, DecodeLimits, DeliveryStatus, ReadReceipt, RecipientStatus};

/// Acts on the reports about messages in the spool.
///
/// | the report says | what happens |
/// |---|---|
/// | `delivered`, with the proof of the node that stores | the message is removed |
/// | `failed` | the message is parked |
/// | `failed`, about a sending before the last one | it is reported, and kept beside the message, whose last sending counts |
/// | anything else, also `delivered` without the proof | it is reported, and kept beside the message |
/// | another mail than a report | the same |
/// | nothing: it is a [probe](ReturnPathCheck) of this node | receipts can come back |
///
/// A report about a mail of an owner to another voicemail system goes to [`SentMails`], as do read receipts.
///
/// A report can be about the one message in its return path alone, and about mailboxes for which this message is relayed. It is never answered.
#[derive(Debug)]
pub(super) struct SpoolReports {
    pub(super) spool: Spool,
    pub(super) key: Option<CustodyKey>,
    /// The domain of the mailboxes.
    pub(super) domain: String,
    pub(super) events: Events,
    pub(super) return_path: Arc<ReturnPathCheck>,
    /// At a node with mailboxes, their mails to other systems.
    pub(super) mails: Option<SentMails>,
}

#[async_trait]
impl ReportHandler for SpoolReports {
    async fn handle(&self, about: SignedReturnPath, mail: Bytes) -> Result<ReturnedMail, Reply> {
        if self.return_path.handle_mail(about.id) {
            return Ok(ReturnedMail::Probe);
        }
        let read = wire::read_delivery_status(&mail, DecodeLimits::default());
        let status = read.unwrap_or(DeliveryStatus { reporting_mta: None, recipients: Vec::new() });
        let (mut unproven, mut mailboxes) = (Vec::new(), BTreeSet::new());
        for recipient in &status.recipients {
            if let Some(mails) = &self.mails
                && mails.reported(about.id, recipient).await?
            {
                continue;
            }
            let mailbox = self.mailbox(recipient);
            let is_settled = self.is_settled_by(about, mailbox.as_ref(), recipient, &status).await?;
            // The first of several groups about one mailbox is reported, and the first of those about none.
            if !is_settled && mailboxes.insert(mailbox.clone()) {
                unproven.push((mailbox, Some(recipient)));
            }
        }
        if status.recipients.is_empty() {
            unproven.push((None, None));
        }
        for (mailbox, said) in unproven {
            self.keep(about.id, mailbox, said, status.reporting_mta.clone(), &mail).await;
        }
        Ok(ReturnedMail::Report)
    }

    async fn handle_receipt(&self, to: &MailboxId, receipt: ReadReceipt) -> Result<bool, Reply> {
        match &self.mails {
            Some(mails) => mails.heard(to, receipt).await,
            None => Ok(false),
        }
    }
}

impl SpoolReports {
    /// Does what a report proves about one mailbox. Returns whether it proves anything; if not, nothing is done.
    async fn is_settled_by(
        &self,
        SignedReturnPath { id, days_ago, .. }: SignedReturnPath,
        mailbox: Option<&MailboxId>,
        said: &RecipientStatus,
        report: &DeliveryStatus,
    ) -> Result<bool, Reply> {
        let Some(mailbox) = mailbox else { return Ok(false) };
        let settled = match ReportedAction::of(&said.action) {
            ReportedAction::Delivered => {
                let proven = self.key.as_ref().zip(said.custody.as_deref()).zip(said.digest);
                let proven = proven.filter(|((key, proof), digest)| key.proves(proof, id, mailbox, *digest));
                let Some((_, digest)) = proven else { return Ok(false) };
                self.return_path.handle_receipt();
                self.spool.confirm(id, mailbox, digest).await
            }
            ReportedAction::Failed => {
                self.spool.refuse(id, mailbox, days_ago, &reason(said, report.reporting_mta.as_deref())).await
            }
            ReportedAction::Delayed | ReportedAction::Relayed | ReportedAction::Expanded | ReportedAction::Unreadable => {
                return Ok(false);
            }
        };
        match settled {
            Ok(Settled::Done | Settled::Unknown) => Ok(true),
            Ok(Settled::SentAgain) => Ok(false),
            Ok(Settled::OtherSound) => {
                tracing::warn!(%id, %mailbox, "a receipt is for another sound than the message has here");
                Ok(true)
            }
            Ok(Settled::UnderWay) => Err(Reply::with_status(451, "4.3.0", "the message is being sent just now, try again later")),
            Err(error) => {
                tracing::warn!(%id, error = error_chain(&error), "a report could not be acted on");
                Err(Reply::with_status(451, "4.3.0", "the report cannot be acted on now, try again later"))
            }
        }
    }

    /// Keeps a mail that proves nothing beside its message, and reports it, if the message is relayed.
    async fn keep(
        &self,
        id: MessageId,
        mailbox: Option<MailboxId>,
        said: Option<&RecipientStatus>,
        server: Option<String>,
        mail: &Bytes,
    ) {
        match self.spool.keep_said(id, mailbox.as_ref(), mail.clone()).await {
            Ok(true) => {}
            Ok(false) => return,
            // It is information only, and is reported all the same.
            Err(error) => tracing::warn!(%id, error = error_chain(&error), "a mail about a relayed message could not be kept"),
        }
        self.events.emit(Event::UnprovenReport {
            id,
            mailbox,
            action: said.map_or(ReportedAction::Unreadable, |said| ReportedAction::of(&said.action)),
            status: said.and_then(|said| said.status.parse().ok()),
            server,
            reply: said.and_then(|said| said.diagnostic.clone()),
        });
    }

    /// Returns the mailbox of the network that a report is about.
    fn mailbox(&self, recipient: &RecipientStatus) -> Option<MailboxId> {
        recipient.addresses.iter().find_map(|address| {
            let (local, domain) = address.rsplit_once('@')?;
            let local = local.strip_prefix('"').and_then(|local| local.strip_suffix('"')).unwrap_or(local);
            domain.eq_ignore_ascii_case(&self.domain).then(|| local.parse().ok())?
        })
    }
}

/// Returns why a message was refused, for an operator: at most 500 bytes of printable ASCII.
fn reason(said: &RecipientStatus, mta: Option<&str>) -> String {
    let reply = said.diagnostic.as_deref().unwrap_or("no reason was given");
    let mut reason = format!("{} {reply} (reported by {})", said.status, mta.unwrap_or("an unknown server"));
    reason.truncate(500);
    reason
}
