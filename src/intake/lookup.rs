//! Looks up a recipient, before the peer sends its message.

use std::net::IpAddr;

use tokio::time::timeout;

use super::context::{IntakeContext, Mailboxes};
use super::replies::{DepositFailure, reply_to_recipient};
use crate::message::MailboxId;
use crate::smtp::server::{Lookup, Recipient};
use crate::store::MessageStore;

impl IntakeContext {
    /// Asks whether a recipient exists and would accept `size` bytes, before the peer at `address` sends them.
    pub(super) async fn look_up(&self, recipient: &Recipient, size: u64, address: Option<IpAddr>) -> Lookup {
        match recipient {
            Recipient::Mailbox(mailbox) => self.look_up_mailbox(mailbox, size).await,
            Recipient::Postmaster => self.look_up_postmaster(size).await,
            Recipient::NodeSender => self.refuse_report(address),
            Recipient::ReturnPath(local) => self.look_up_return_path(local, address),
        }
    }

    /// Asks the directory for a mailbox, and the store whether it would accept `size` bytes.
    async fn look_up_mailbox(&self, mailbox: &MailboxId, size: u64) -> Lookup {
        if self.keeper.as_ref().is_some_and(|keeper| keeper.keeps(mailbox)) {
            return Lookup::Found;
        }
        let Some(Mailboxes { store, directory }) = &self.mailboxes else { return Lookup::NotFound };
        match timeout(self.policy.limits.answer_time, directory.find(mailbox)).await {
            Ok(Ok(Some(_))) => self.check(&**store, mailbox, size).await,
            Ok(Ok(None)) => Lookup::NotFound,
            Ok(Err(error)) => {
                tracing::warn!(%mailbox, error = &error as &dyn std::error::Error, "the lookup of a mailbox failed");
                Lookup::Failed
            }
            Err(_) => {
                tracing::warn!(%mailbox, "the directory does not answer");
                Lookup::Failed
            }
        }
    }

    async fn check(&self, store: &dyn MessageStore, mailbox: &MailboxId, size: u64) -> Lookup {
        let failure = match timeout(self.policy.limits.answer_time, store.check(mailbox, size)).await {
            Ok(Ok(())) => return Lookup::Found,
            Ok(Err(error)) => DepositFailure::Store(error),
            Err(_) => DepositFailure::NoAnswer,
        };
        tracing::info!(%mailbox, ?failure, "a message would not be stored, so its recipient is refused");
        Lookup::NotTaken(reply_to_recipient(mailbox, &failure))
    }

    /// Asks whether a mail of `size` bytes to the postmaster would be kept, before the peer sends it.
    pub(super) async fn look_up_postmaster(&self, size: u64) -> Lookup {
        match &self.postmaster {
            None => Lookup::NotFound,
            Some(postmaster) => postmaster.check(size).await.map_or_else(Lookup::NotTaken, |()| Lookup::Found),
        }
    }
}
