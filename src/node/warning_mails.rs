//! [`WarningMails`]: the mails that warn owners.

use bytes::Bytes;

use super::warning_jobs::key_of;
use crate::arrival::mail::{Envelope, OwnerRules, RulesInForce};
use crate::error_chain;
use crate::forward::Sender;
use crate::jobs::Job;
use crate::message::{MailAddress, MailboxId};
use crate::outbox::Outbox;
use crate::rules::Content;

/// The parts and settings that the mails need.
#[derive(Debug, Clone)]
pub(super) struct WarningMails {
    pub(super) rules: OwnerRules,
    pub(super) outbox: Outbox,
    pub(super) from: MailAddress,
    pub(super) node: String,
}

impl WarningMails {
    /// Puts the mail of a job for each address of the owner's rules into the outbox, under keys that follow from the job.
    pub(super) async fn send(
        &self,
        job: &Job,
        mailbox: &MailboxId,
        mail: impl Fn(Envelope<'_>) -> Bytes + Send,
    ) -> Result<(), String> {
        let in_force = self.rules.in_force(mailbox).await.map_err(|error| error_chain(&error))?;
        for to in addresses(&in_force) {
            let key = key_of(&format!("{} {} {} {to}", job.kind, job.key, job.queued_at.timestamp_micros()));
            let mail = mail(Envelope { from: &self.from, to: &to, node: &self.node, key });
            self.outbox.add(key, Sender::Null, &to, &mail).await.map_err(|error| error_chain(&error))?;
        }
        Ok(())
    }
}

/// The addresses that the rules send copies or announcements to, each once.
fn addresses(in_force: &RulesInForce) -> Vec<MailAddress> {
    let mut addresses = Vec::new();
    for rule in in_force.rules.iter().filter(|rule| rule.content != Content::Alert) {
        addresses.extend(rule.to.address(in_force.owner.email.as_ref()).filter(|to| !addresses.contains(*to)).cloned());
    }
    addresses
}
