//! The actions on what an owner keeps beside messages: the list of sent messages, and private lists; and on the messages of a group.

use super::mailbox::OpenMailbox;
use super::{OwnerConversation, warn};
use crate::directory::ListNumber;
use crate::message::{MailboxId, MessageId};
use crate::retrieval::RetrievalError;
use crate::sent::SentMessage;
use crate::store::StoreError;
use crate::telephone::{Function, ListOutcome, OpenedMailbox, TakeOutcome};

impl OwnerConversation<'_> {
    /// Adds the functions that this mailbox has here beside those of each mailbox.
    pub(super) async fn with_functions(&mut self, mut opened: OpenedMailbox) -> OpenedMailbox {
        let Some(OpenMailbox { id, service, .. }) = self.mailbox.clone() else { return opened };
        if service.keeps_sent_messages() {
            opened = opened.offering(Function::SentMessages);
        }
        if service.keeps_private_lists() {
            opened = opened.offering(Function::PrivateLists);
        }
        let Some(own) = self.call.mailbox.clone().filter(|own| *own != id) else { return opened };
        let found = self.session.wait(self.shared.node.directory().group(&id)).await;
        let group = found.and_then(|found| found.inspect_err(warn).ok()).flatten();
        if group.is_some_and(|group| group.first_owns && group.members.contains(&own)) {
            opened = opened.offering(Function::TakeMessage);
        }
        opened
    }

    pub(super) async fn list_sent(&mut self) -> Option<Vec<SentMessage>> {
        let OpenMailbox { id, service, .. } = self.mailbox.clone()?;
        self.session.wait(service.sent_messages(&id)).await?.inspect_err(warn).ok()
    }

    pub(super) async fn open_list(&mut self, number: ListNumber) -> ListOutcome {
        let Some(OpenMailbox { id, service, .. }) = self.mailbox.clone() else { return ListOutcome::Failed };
        changed(self.session.wait(service.list_members(&id, number)).await)
    }

    pub(super) async fn add_to_list(&mut self, number: ListNumber, member: &MailboxId) -> ListOutcome {
        let Some(OpenMailbox { id, service, .. }) = self.mailbox.clone() else { return ListOutcome::Failed };
        changed(self.session.wait(service.add_to_list(&id, number, member)).await)
    }

    pub(super) async fn remove_from_list(&mut self, number: ListNumber, member: &MailboxId) -> ListOutcome {
        let Some(OpenMailbox { id, service, .. }) = self.mailbox.clone() else { return ListOutcome::Failed };
        changed(self.session.wait(service.remove_from_list(&id, number, member)).await)
    }

    pub(super) async fn delete_list(&mut self, number: ListNumber) -> ListOutcome {
        let Some(OpenMailbox { id, service, .. }) = self.mailbox.clone() else { return ListOutcome::Failed };
        let deleted = self.session.wait(service.delete_list(&id, number)).await;
        changed(deleted.map(|deleted| deleted.map(|()| Vec::new())))
    }

    /// Gives a message of the group that is open to the mailbox of the telephone that calls.
    pub(super) async fn take(&mut self, message: MessageId) -> TakeOutcome {
        let (Some(OpenMailbox { id: group, service, .. }), Some(own)) = (self.mailbox.clone(), self.call.mailbox.clone()) else {
            return TakeOutcome::Failed;
        };
        match self.session.wait(service.accept(&group, message, &own)).await {
            Some(Ok(_)) => TakeOutcome::Yours,
            Some(Err(RetrievalError::Store(StoreError::NoSuchMessage(_)))) => {
                let by = self.session.wait(service.accepted_by(&group, message)).await;
                let by = by.and_then(|by| by.inspect_err(warn).ok()).flatten();
                // An earlier try may have succeeded unnoticed.
                if by.as_ref() == Some(&own) { TakeOutcome::Yours } else { TakeOutcome::Taken(by) }
            }
            Some(Err(RetrievalError::Store(StoreError::MailboxFull(_)))) => TakeOutcome::NoRoom,
            Some(Err(error)) => {
                warn(&error);
                TakeOutcome::Failed
            }
            None => TakeOutcome::Failed,
        }
    }
}

fn changed(result: Option<Result<Vec<MailboxId>, RetrievalError>>) -> ListOutcome {
    match result {
        Some(Ok(members)) => ListOutcome::Members(members),
        Some(Err(RetrievalError::NoSuchMailbox(_))) => ListOutcome::NoSuchMailbox,
        Some(Err(RetrievalError::Refused(_))) => ListOutcome::NotLicensed,
        Some(Err(RetrievalError::NotOnList { .. })) => ListOutcome::NotAMember,
        Some(Err(RetrievalError::ListFull(_))) => ListOutcome::Full,
        Some(Err(RetrievalError::ListTooLarge(_))) => ListOutcome::TooLarge,
        Some(Err(error)) => {
            warn(&error);
            ListOutcome::Failed
        }
        None => ListOutcome::Failed,
    }
}
