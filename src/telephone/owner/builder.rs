//! [`OwnerDialogueBuilder`]: the facts about an owner's call, before it begins.

use chrono_tz::Tz;

use super::super::KeyMap;
use super::OwnerDialogue;
use crate::message::MailboxId;

/// Describes the call of an owner; made by [`OwnerDialogue::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct OwnerDialogueBuilder {
    mailbox: Option<MailboxId>,
    keys: KeyMap,
    zone: Tz,
}

impl OwnerDialogueBuilder {
    pub(super) fn new() -> Self {
        Self { mailbox: None, keys: KeyMap::default(), zone: Tz::UTC }
    }

    /// The mailbox of the telephone that calls, so that only its PIN is asked for. Without it, the owner enters the number first.
    pub fn mailbox(self, mailbox: MailboxId) -> Self {
        Self { mailbox: Some(mailbox), ..self }
    }

    /// The keys and their functions; [`KeyMap::voicemail`] by default.
    pub fn keys(self, keys: KeyMap) -> Self {
        Self { keys, ..self }
    }

    /// The zone in which times are said if the mailbox could not be opened, so that its own zone is not known; UTC by default.
    pub fn zone(self, zone: Tz) -> Self {
        Self { zone, ..self }
    }

    /// Begins the call. The first prompt asks for the PIN, or for the mailbox.
    pub fn build(self) -> OwnerDialogue {
        OwnerDialogue::new(self.mailbox, self.keys, self.zone)
    }
}
