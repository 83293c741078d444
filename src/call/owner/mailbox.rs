//! The actions on a mailbox: opening it, its PIN, the status of its messages, and its greetings.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{OwnerConversation, warn};
use crate::greeting::GreetingKind;
use crate::message::{MailboxId, MessageId};
use crate::node::GreetError;
use crate::retrieval::{MailboxService, RetrievalError};
use crate::store::{MailboxRoom, MessageStore, MessageStoreExt as _, Page, Query, StoreError};
use crate::telephone::{GreetingOutcome, MarkOutcome, OpenedMailbox, Pin, PinChangeOutcome, PinVerdict, Prompt, Say};

/// A mailbox that was opened with the right PIN.
#[derive(Debug, Clone)]
pub(super) struct OpenMailbox {
    pub(super) id: MailboxId,
    pub(super) store: Arc<dyn MessageStore>,
    pub(super) service: MailboxService,
}

impl OwnerConversation<'_> {
    pub(super) async fn check_pin(&mut self, mailbox: &MailboxId, entered: &str) -> PinVerdict {
        let Some(pins) = &self.shared.pins else { return PinVerdict::Unavailable };
        let now = self.shared.node.clock().now().instant;
        let check = pins.check(mailbox, self.call.caller.number.as_ref(), entered, now);
        self.session.wait(check).await.unwrap_or(PinVerdict::Unavailable)
    }

    pub(super) async fn set_pin(&mut self, pin: &Pin) -> PinChangeOutcome {
        let (Some(pins), Some(mailbox)) = (&self.shared.pins, &self.mailbox) else { return PinChangeOutcome::Failed };
        match self.session.wait(pins.set(&mailbox.id, pin)).await {
            Some(Ok(())) => PinChangeOutcome::Kept,
            Some(Err(error)) => {
                warn(&error);
                PinChangeOutcome::Failed
            }
            None => PinChangeOutcome::Failed,
        }
    }

    /// Opens a mailbox whose PIN was right, and speaks the language of its owner from now on.
    pub(super) async fn open(&mut self, id: MailboxId) -> Option<OpenedMailbox> {
        let node = &self.shared.node;
        let (store, service) = (Arc::clone(node.store()?), node.mailbox_service()?.clone());
        let found = self.session.wait(node.directory().find(&id)).await?;
        let owner = found.inspect_err(warn).ok()??;
        let summary = self.session.wait(store.summary(&id)).await?.inspect_err(warn).ok()?;
        self.session.renderer.mailbox = Some(id.clone());
        if let Some(language) = &owner.language {
            self.session.renderer.set_language(&self.shared.voices, Some(language));
        }
        self.mailbox = Some(OpenMailbox { id: id.clone(), store, service });
        let greetings = self.session.wait(node.greetings(&id)).await.unwrap_or_default();
        let warnings = self.warnings(&id).await;
        let opened = OpenedMailbox::new(id, owner.zone, summary, greetings).with_warnings(warnings);
        Some(self.with_functions(opened).await)
    }

    /// The warnings for the owner. A mailbox is opened without them if the store does not answer.
    async fn warnings(&mut self, id: &MailboxId) -> Say {
        let Some(OpenMailbox { service, .. }) = self.mailbox.clone() else { return Say::new() };
        let Some(Ok(warnings)) = self.session.wait(service.warnings(id)).await.map(|found| found.inspect_err(warn)) else {
            return Say::new();
        };
        let room = match warnings.room {
            MailboxRoom::Enough => None,
            MailboxRoom::Little => Some(Prompt::MailboxNearlyFull),
            MailboxRoom::None => Some(Prompt::MailboxFull),
        };
        let expire = Prompt::MessagesExpire { messages: warnings.expiring, days: warnings.days };
        room.into_iter().chain((warnings.expiring > 0).then_some(expire)).collect()
    }

    pub(super) async fn list(&mut self, query: &Query) -> Option<Page> {
        let OpenMailbox { id, store, .. } = self.mailbox.clone()?;
        self.session.wait(store.page(&id, query)).await?.inspect_err(warn).ok()
    }

    pub(super) async fn mark_old(&mut self, message: MessageId) -> MarkOutcome {
        let Some(OpenMailbox { id, service, .. }) = self.mailbox.clone() else { return MarkOutcome::Failed };
        marked(self.session.wait(service.played(&id, message)).await)
    }

    pub(super) async fn mark_new(&mut self, message: MessageId) -> MarkOutcome {
        let Some(OpenMailbox { id, service, .. }) = self.mailbox.clone() else { return MarkOutcome::Failed };
        marked(self.session.wait(service.mark_new(&id, message)).await)
    }

    pub(super) async fn remove(&mut self, message: MessageId) -> MarkOutcome {
        let Some(OpenMailbox { id, service, .. }) = self.mailbox.clone() else { return MarkOutcome::Failed };
        marked(self.session.wait(service.removed(&id, message)).await)
    }

    pub(super) async fn restore(&mut self, message: MessageId) -> MarkOutcome {
        let Some(OpenMailbox { id, store, .. }) = self.mailbox.clone() else { return MarkOutcome::Failed };
        let restored = self.session.wait(store.restore(&id, message)).await;
        marked(restored.map(|restored| restored.map_err(RetrievalError::from)))
    }

    pub(super) async fn save_greeting(&mut self, kind: GreetingKind, until: Option<DateTime<Utc>>) -> GreetingOutcome {
        let Some(sound) = self.recorded().await else { return GreetingOutcome::Failed };
        let Some(mailbox) = &self.mailbox else { return GreetingOutcome::Failed };
        let node = &self.shared.node;
        let saved = match until {
            Some(until) => self.session.wait(node.greet_until(&mailbox.id, kind, sound, until)).await,
            None => self.session.wait(node.greet(&mailbox.id, kind, sound)).await,
        };
        let outcome = set(saved);
        if outcome == GreetingOutcome::Done {
            self.session.recording = None;
        }
        outcome
    }

    pub(super) async fn remove_greeting(&mut self, kind: GreetingKind) -> GreetingOutcome {
        let Some(mailbox) = &self.mailbox else { return GreetingOutcome::Failed };
        set(self.session.wait(self.shared.node.clear_greeting(&mailbox.id, kind)).await)
    }
}

fn marked<T>(result: Option<Result<T, RetrievalError>>) -> MarkOutcome {
    match result {
        Some(Ok(_)) => MarkOutcome::Done,
        Some(Err(RetrievalError::Store(StoreError::NoSuchMessage(_)))) => MarkOutcome::NoSuchMessage,
        Some(Err(error)) => {
            warn(&error);
            MarkOutcome::Failed
        }
        None => MarkOutcome::Failed,
    }
}

fn set<T>(result: Option<Result<T, GreetError>>) -> GreetingOutcome {
    match result {
        Some(Ok(_)) => GreetingOutcome::Done,
        Some(Err(error)) => {
            warn(&error);
            GreetingOutcome::Failed
        }
        None => GreetingOutcome::Failed,
    }
}
