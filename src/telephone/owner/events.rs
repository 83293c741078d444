//! The events of an [`OwnerDialogue`](super::OwnerDialogue).

use chrono_tz::Tz;

use super::super::{Digit, Function, Greetings, PinVerdict, Recorded, Say};
use crate::message::{MailboxId, Summary};
use crate::sent::SentMessage;
use crate::store::Page;

/// An event on an owner's call, or the result of an action.
///
/// A digit may come at any time, also while the result of an action is awaited: the dialogue keeps it until the result is there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnerEvent {
    /// The last [`OwnerAction::Say`](super::OwnerAction::Say) was played to its end.
    Played,
    /// A sound of the last [`OwnerAction::Say`](super::OwnerAction::Say) could not be played (a message, a greeting, a recording),
    /// for example because the store failed.
    NotPlayed,
    /// The owner pressed a key.
    Digit(Digit),
    /// The owner pressed nothing for a while after the last prompt, or for a longer while in a message that is paused. The next one
    /// follows after the same while if the dialogue says nothing.
    Silence,
    /// The owner has hung up.
    HungUp,
    /// The result of [`OwnerAction::CheckPin`](super::OwnerAction::CheckPin).
    Checked(PinVerdict),
    /// The result of [`OwnerAction::Open`](super::OwnerAction::Open).
    Opened(OpenedMailbox),
    /// [`OwnerAction::Open`](super::OwnerAction::Open) failed.
    NotOpened,
    /// The result of [`OwnerAction::List`](super::OwnerAction::List).
    Listed(Page),
    /// [`OwnerAction::List`](super::OwnerAction::List) or [`OwnerAction::ListSent`](super::OwnerAction::ListSent) failed.
    NotListed,
    /// The result of [`OwnerAction::MarkOld`](super::OwnerAction::MarkOld), [`OwnerAction::MarkNew`](super::OwnerAction::MarkNew),
    /// [`OwnerAction::Remove`](super::OwnerAction::Remove) or [`OwnerAction::Restore`](super::OwnerAction::Restore).
    Marked(MarkOutcome),
    /// A recording has ended, by [`OwnerAction::StopRecording`](super::OwnerAction::StopRecording) or by itself.
    Recorded(Recorded),
    /// The recording could not begin, or was lost: [`OwnerAction::Record`](super::OwnerAction::Record) failed.
    NotRecorded,
    /// The result of [`OwnerAction::SaveGreeting`](super::OwnerAction::SaveGreeting) or
    /// [`OwnerAction::RemoveGreeting`](super::OwnerAction::RemoveGreeting).
    GreetingSet(GreetingOutcome),
    /// The result of [`OwnerAction::FindAddressee`](super::OwnerAction::FindAddressee).
    Addressee(Addressee),
    /// The result of [`OwnerAction::PassOn`](super::OwnerAction::PassOn), [`OwnerAction::Answer`](super::OwnerAction::Answer) or
    /// [`OwnerAction::Compose`](super::OwnerAction::Compose).
    Sent(SendOutcome),
    /// [`OwnerAction::CallBack`](super::OwnerAction::CallBack) failed: the owner is still here.
    NotConnected,
    /// The result of [`OwnerAction::SetPin`](super::OwnerAction::SetPin).
    PinSet(PinChangeOutcome),
    /// The result of [`OwnerAction::ListSent`](super::OwnerAction::ListSent), the newest message first.
    SentListed(Vec<SentMessage>),
    /// The result of [`OwnerAction::OpenList`](super::OwnerAction::OpenList), [`OwnerAction::AddToList`](super::OwnerAction::AddToList),
    /// [`OwnerAction::RemoveFromList`](super::OwnerAction::RemoveFromList) or [`OwnerAction::DeleteList`](super::OwnerAction::DeleteList).
    ListChanged(ListOutcome),
    /// The result of [`OwnerAction::Take`](super::OwnerAction::Take).
    Taken(TakeOutcome),
}

/// The facts about a mailbox that was opened with the right PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenedMailbox {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The zone in which the owner hears times.
    pub zone: Tz,
    /// The numbers of messages in the mailbox.
    pub summary: Summary,
    /// The greetings that the owner has recorded.
    pub greetings: Greetings,
    /// The warnings that the owner hears first: [`Prompt::MailboxNearlyFull`](super::super::Prompt::MailboxNearlyFull) or
    /// [`Prompt::MailboxFull`](super::super::Prompt::MailboxFull), and [`Prompt::MessagesExpire`](super::super::Prompt::MessagesExpire).
    pub warnings: Say,
    /// The functions that the mailbox has beside those of each mailbox.
    pub functions: Vec<Function>,
}

impl OpenedMailbox {
    /// A mailbox whose owner hears times in `zone`, with so many messages and these greetings.
    pub fn new(mailbox: MailboxId, zone: Tz, summary: Summary, greetings: Greetings) -> Self {
        Self { mailbox, zone, summary, greetings, warnings: Say::new(), functions: Vec::new() }
    }

    /// The same mailbox, whose owner hears these warnings.
    #[must_use]
    pub fn with_warnings(self, warnings: Say) -> Self {
        Self { warnings, ..self }
    }

    /// Offers a function that not each mailbox has: [`Function::SentMessages`], [`Function::PrivateLists`] or [`Function::TakeMessage`]. Without this, no
    /// menu says it.
    #[must_use]
    pub fn offering(mut self, function: Function) -> Self {
        self.functions.push(function);
        self
    }
}

/// The result of giving a message a new status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkOutcome {
    /// The store has marked the message.
    Done,
    /// The mailbox no longer has the message.
    NoSuchMessage,
    /// The store could not mark the message; the same call may succeed later.
    Failed,
}

/// The result of saving or removing a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GreetingOutcome {
    /// The greeting was saved to stable storage, or removed from it.
    Done,
    /// The greeting is as it was before.
    Failed,
}

/// The result of changing a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinChangeOutcome {
    /// The new PIN is on stable storage.
    Kept,
    /// The PIN is as it was before.
    Failed,
}

/// The mailboxes that an entered number stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Addressee {
    /// The number of a mailbox.
    Mailbox(MailboxId),
    /// The number of a distribution list that this owner may use.
    List {
        /// The number of the list.
        list: MailboxId,
        /// The mailboxes on it, at most 1 000.
        members: Vec<MailboxId>,
    },
    /// The number of a list with more than 1 000 mailboxes.
    ListTooLarge,
    /// No mailbox and no list has this number.
    Unknown,
    /// The number leads to another voicemail system, and the owner's PBX has no licence for messages there.
    NotLicensed,
    /// The directory did not answer; the same number may be found later.
    Unavailable,
}

/// The result of reading or changing a private list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListOutcome {
    /// It is done, and these are the members of the list now. A list without members is not kept.
    Members(Vec<MailboxId>),
    /// No mailbox and no distribution list has the number of the new member.
    NoSuchMailbox,
    /// The number of the new member leads to another voicemail system, and the owner's PBX has no licence for messages there.
    NotLicensed,
    /// The list does not have the member that was to be removed.
    NotAMember,
    /// The list has as many members as it can have.
    Full,
    /// With the new member, the list would have more than 1 000 mailboxes, with those of the lists on it.
    TooLarge,
    /// The list could not be read or changed; the same action may succeed later.
    Failed,
}

/// The result of taking a message of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeOutcome {
    /// The message is in the caller's own mailbox now.
    Yours,
    /// Another member has taken the message: the one of this mailbox, if it is known.
    Taken(Option<MailboxId>),
    /// The caller's own mailbox has no room.
    NoRoom,
    /// The message could not be taken; the same action may succeed later.
    Failed,
}

/// The result of sending a message to one or several mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// The message was stored in every mailbox.
    Delivered,
    /// The message was stored in some mailboxes, but not in these. A second try sends it to these only.
    Partly(Vec<MailboxId>),
    /// The message is private, and was not sent to these numbers: they lead to systems that are not known to keep it so. Everybody else has it. A second
    /// try sends it to these only.
    PrivacyNotHonoured(Vec<MailboxId>),
    /// No mailbox has this number.
    NoSuchMailbox,
    /// The number leads to another voicemail system, and the owner's PBX has no licence for messages there.
    NotLicensed,
    /// The caller who left the message has no mailbox, so there can be no answer.
    CannotAnswer,
    /// The message could not be delivered to anyone; the same call may succeed later.
    Failed,
}
