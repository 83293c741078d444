//! [`SpoolReports`]: what reports mean for the relayed messages in the spool.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error_chain;
use crate::intake::ReportHandler;
use crate::message::{MailboxId, MessageId};
use crate::smtp::{CustodyKey, Reply, SignedReturnPath};
use crate::spool::{Settled, Spool};
use crate::wire::{self, DecodeLimits, DeliveryStatus, RecipientStatus};

/// Acts on the reports about messages in the spool.
///
/// | the report says | what happens |
/// |---|---|
/// | `delivered`, with the proof of the node that stores | the message is removed |
/// | `failed` | the message is parked |
/// | anything else, also `delivered` without the proof | nothing |
///
/// A report can be about the one message in its return path alone, and about mailboxes for which this message is relayed. It is never answered.
#[derive(Debug)]
pub(super) struct SpoolReports {
    pub(super) spool: Spool,
    pub(super) key: Option<CustodyKey>,
    /// The domain of the mailboxes.
    pub(super) domain: String,
}

#[async_trait]
impl ReportHandler for SpoolReports {
    async fn handle(&self, about: SignedReturnPath, mail: Bytes) -> Result<(), Reply> {
        let Some(DeliveryStatus { reporting_mta, recipients }) = wire::read_delivery_status(&mail, DecodeLimits::default())
        else {
            tracing::info!(id = %about.id, "a mail came to the return path of a message that is no delivery report");
            return Ok(());
        };
        for recipient in recipients {
            let Some(mailbox) = self.mailbox(&recipient) else { continue };
            self.act(about.id, &mailbox, &recipient, reporting_mta.as_deref()).await?;
        }
        Ok(())
    }
}

impl SpoolReports {
    async fn act(&self, id: MessageId, mailbox: &MailboxId, said: &RecipientStatus, mta: Option<&str>) -> Result<(), Reply> {
        let settled = match &*said.action {
            "delivered" => {
                let proven = self.key.as_ref().zip(said.custody.as_deref()).zip(said.digest);
                let proven = proven.filter(|((key, proof), digest)| key.proves(proof, id, mailbox, *digest));
                let Some((_, digest)) = proven else {
                    tracing::info!(%id, %mailbox, mta, "a report says that a message was delivered, without a proof");
                    return Ok(());
                };
                self.spool.confirm(id, mailbox, digest).await
            }
            "failed" => self.spool.refuse(id, mailbox, &reason(said, mta)).await,
            action => {
                tracing::info!(%id, %mailbox, action, mta, status = said.status, "a mail server has reported about a message");
                return Ok(());
            }
        };
        match settled {
            Ok(Settled::Done | Settled::Unknown) => Ok(()),
            Ok(Settled::OtherSound) => {
                tracing::warn!(%id, %mailbox, "a receipt is for another sound than the message has here");
                Ok(())
            }
            Ok(Settled::UnderWay) => Err(Reply::with_status(451, "4.3.0", "the message is being sent just now, try again later")),
            Err(error) => {
                tracing::warn!(%id, error = error_chain(&error), "a report could not be acted on");
                Err(Reply::with_status(451, "4.3.0", "the report cannot be acted on now, try again later"))
            }
        }
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
