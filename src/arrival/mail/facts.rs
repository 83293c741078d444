//! [`MailFacts`]: the facts of which a mail is made.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::message::{Head, Language, MailAddress, MailboxId, Stamp};
use crate::rules::Content;

/// The facts of which the mail for one message is made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MailFacts<'a> {
    /// The mailbox.
    pub mailbox: &'a MailboxId,
    /// All facts about the message.
    pub head: &'a Head,
    /// The zone in which the owner reads times.
    pub zone: Tz,
    /// The language of the owner, if it is known.
    pub language: Option<&'a Language>,
    /// The content of the mail.
    pub content: Content,
    /// Why the mail has no sound; `None` if it has one.
    pub no_sound: Option<NoSound>,
    /// The transcript of the sound, if there is one that may be sent.
    pub transcript: Option<&'a str>,
    /// The mail address of the caller, if the caller has one.
    pub reply_to: Option<&'a MailAddress>,
    /// The time by the clock of the node.
    pub now: DateTime<Utc>,
}

impl<'a> MailFacts<'a> {
    /// The facts of a mail with the sound, for an owner who reads times in `zone`. Unless set, language, transcript and the caller's address are not
    /// known.
    pub fn new(mailbox: &'a MailboxId, head: &'a Head, zone: Tz, content: Content, now: DateTime<Utc>) -> Self {
        let no_sound = (content != Content::Copy).then_some(NoSound::NotWanted);
        Self { mailbox, head, zone, language: None, content, no_sound, transcript: None, reply_to: None, now }
    }

    /// Returns the moment of the recording in the owner's zone.
    pub fn recorded_at(&self) -> Stamp {
        Stamp::new(self.head.recorded_at.instant, self.zone)
    }
}

/// Why a mail has no sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoSound {
    /// The rule wants none.
    NotWanted,
    /// The sound is larger than a mail may be.
    TooLarge,
}
