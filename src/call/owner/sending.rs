//! The messages that an owner sends: messages passed on, answers, and the owner's own.

use std::sync::Arc;

use super::mailbox::OpenMailbox;
use super::{OwnerConversation, warn};
use crate::directory::DirectoryError;
use crate::message::{MailboxId, Message, MessageId, Privacy, ReceiptChoice, Urgency};
use crate::retrieval::{RetrievalError, Sent};
use crate::store::StoreError;
use crate::telephone::{Addressee, SendOutcome};

/// A message that was made and not delivered to everybody yet.
///
/// It is kept for another try: the store knows a message by its id, so that nobody gets it twice.
pub(super) struct Made {
    purpose: Purpose,
    message: Message,
    /// All mailboxes that it is for.
    to: Vec<MailboxId>,
}

/// The purpose of a message that an owner sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    PassOn(MessageId, ReceiptChoice),
    Answer(MessageId, Urgency, Privacy, ReceiptChoice),
    Compose(Urgency, Privacy, ReceiptChoice),
}

impl OwnerConversation<'_> {
    pub(super) async fn find_addressee(&mut self, number: MailboxId) -> Addressee {
        let Some(OpenMailbox { id: owner, service, .. }) = self.mailbox.clone() else { return Addressee::Unavailable };
        let directory = Arc::clone(self.shared.node.directory());
        let finding = async {
            let failed = |source| RetrievalError::Directory { mailbox: number.clone(), source };
            if directory.find(&number).await.map_err(failed)?.is_some() {
                return Ok::<_, RetrievalError>(Addressee::Mailbox(number));
            }
            match directory.list_members(&owner, &number).await {
                Ok(Some(members)) => return Ok(Addressee::List { list: number, members }),
                Ok(None) => {}
                Err(DirectoryError::ListTooLarge(_)) => return Ok(Addressee::ListTooLarge),
                Err(error) => return Err(failed(error)),
            }
            match service.remote(&owner, &number).await {
                Ok(Some(_)) => Ok(Addressee::Mailbox(number)),
                Ok(None) => Ok(Addressee::Unknown),
                Err(RetrievalError::Refused(_)) => Ok(Addressee::NotLicensed),
                Err(error) => Err(error),
            }
        };
        let found = self.session.wait(finding).await;
        found.and_then(|found| found.inspect_err(warn).ok()).unwrap_or(Addressee::Unavailable)
    }

    pub(super) async fn pass_on(
        &mut self,
        id: MessageId,
        to: Vec<MailboxId>,
        introduced: bool,
        receipt: ReceiptChoice,
    ) -> SendOutcome {
        let purpose = Purpose::PassOn(id, receipt);
        if !self.has_made(purpose, &to) {
            let Some(mailbox) = self.mailbox.clone() else { return SendOutcome::Failed };
            let introduction = if introduced { self.recorded().await } else { None };
            if introduced && introduction.is_none() {
                return SendOutcome::Failed;
            }
            let service = mailbox.service.with_receipts(receipt);
            let making = service.pass_on(&mailbox.id, id, &to, introduction.as_ref());
            match self.session.wait(making).await {
                Some(Ok(message)) => self.made = Some(Made { purpose, message, to: to.clone() }),
                failed => return not_made(failed.and_then(Result::err)),
            }
        }
        self.deliver(to).await
    }

    pub(super) async fn answer(
        &mut self,
        id: MessageId,
        urgency: Urgency,
        privacy: Privacy,
        receipt: ReceiptChoice,
    ) -> SendOutcome {
        let purpose = Purpose::Answer(id, urgency, privacy, receipt);
        if self.made.as_ref().is_none_or(|made| made.purpose != purpose) {
            let (Some(mailbox), Some(sound)) = (self.mailbox.clone(), self.recorded().await) else { return SendOutcome::Failed };
            let service = mailbox.service.with_receipts(receipt);
            let making = service.answer(&mailbox.id, id, sound, urgency, privacy);
            match self.session.wait(making).await {
                Some(Ok((to, message))) => self.made = Some(Made { purpose, message, to: vec![to] }),
                failed => return not_made(failed.and_then(Result::err)),
            }
        }
        let to = self.made.as_ref().map(|made| made.to.clone()).unwrap_or_default();
        self.deliver(to).await
    }

    pub(super) async fn compose(
        &mut self,
        to: Vec<MailboxId>,
        urgency: Urgency,
        privacy: Privacy,
        receipt: ReceiptChoice,
    ) -> SendOutcome {
        let purpose = Purpose::Compose(urgency, privacy, receipt);
        if !self.has_made(purpose, &to) {
            let (Some(mailbox), Some(sound)) = (self.mailbox.clone(), self.recorded().await) else { return SendOutcome::Failed };
            let service = mailbox.service.with_receipts(receipt);
            let making = service.compose(&mailbox.id, &to, sound, urgency, privacy);
            match self.session.wait(making).await {
                Some(Ok(message)) => self.made = Some(Made { purpose, message, to: to.clone() }),
                failed => return not_made(failed.and_then(Result::err)),
            }
        }
        self.deliver(to).await
    }

    /// Whether the message for `purpose` was made already, for these mailboxes at least.
    fn has_made(&self, purpose: Purpose, to: &[MailboxId]) -> bool {
        self.made.as_ref().is_some_and(|made| made.purpose == purpose && to.iter().all(|mailbox| made.to.contains(mailbox)))
    }

    /// Delivers the message that was made to these mailboxes.
    async fn deliver(&mut self, to: Vec<MailboxId>) -> SendOutcome {
        let (Some(OpenMailbox { id: owner, service, .. }), Some(made)) = (self.mailbox.clone(), &self.made) else {
            return SendOutcome::Failed;
        };
        let message = made.message.clone();
        let Some(results) = self.session.wait(service.send(&owner, &message, &to)).await else { return SendOutcome::Failed };
        let count =
            |is: fn(&RetrievalError) -> bool| results.iter().filter(|(_, result)| result.as_ref().err().is_some_and(is)).count();
        let unknown = count(|error| matches!(error, RetrievalError::Store(StoreError::NoSuchMailbox(_))));
        let unlicensed = count(|error| matches!(error, RetrievalError::Refused(_)));
        let too_private = count(|error| matches!(error, RetrievalError::PrivacyNotHonoured { .. }));
        let is_sent = |result: Result<Sent, RetrievalError>| match result.inspect_err(warn) {
            Ok(Sent::Mailed(outcome)) => outcome.is_accepted(),
            result => result.is_ok(),
        };
        let failed = results.into_iter().filter_map(|(mailbox, result)| (!is_sent(result)).then_some(mailbox));
        let failed: Vec<MailboxId> = failed.collect();
        if failed.is_empty() {
            (self.made, self.session.recording) = (None, None);
            SendOutcome::Delivered
        } else if unknown == to.len() {
            SendOutcome::NoSuchMailbox
        } else if unlicensed == to.len() {
            SendOutcome::NotLicensed
        } else if too_private == failed.len() {
            SendOutcome::PrivacyNotHonoured(failed)
        } else if failed.len() == to.len() {
            SendOutcome::Failed
        } else {
            SendOutcome::Partly(failed)
        }
    }
}

/// The outcome for a message that could not be made.
fn not_made(error: Option<RetrievalError>) -> SendOutcome {
    let Some(error) = error else { return SendOutcome::Failed };
    warn(&error);
    match error {
        RetrievalError::CallerHasNoMailbox(_) => SendOutcome::CannotAnswer,
        RetrievalError::Refused(_) => SendOutcome::NotLicensed,
        _ => SendOutcome::Failed,
    }
}
