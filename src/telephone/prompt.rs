//! [`Prompt`]: a sentence that a caller or an owner hears.

use std::time::Duration;

use super::keys::Menu;
use crate::greeting::GreetingKind;
use crate::message::{Caller, Disposition, MailboxId, MessageId, RelativeDay, Stamp};

/// Prompts to play one after the other, until a digit comes.
pub type Say = Vec<Prompt>;

/// A sentence that a caller or an owner hears. The PBX chooses the words, the voice and the language.
///
/// The enum is exhaustive on purpose: a PBX needs words for every prompt, and the compiler finds those that it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// "Please enter your PIN."
    EnterPin,
    /// The PIN was wrong.
    WrongPin,
    /// Too many wrong PINs were entered: the mailbox stays locked for this time.
    LockedOut(Duration),
    /// The mailbox has no PIN, and stays closed until an administrator sets one.
    NoPinSet,
    /// The PIN cannot be checked at the moment, so the mailbox stays closed; call again later.
    PinNotChecked,
    /// The numbers of messages in the mailbox.
    MessageCounts {
        /// The number of new messages, urgent ones included.
        new: usize,
        /// The number of new messages that are urgent.
        urgent: usize,
        /// The number of old messages.
        old: usize,
    },
    /// The owner's mailbox is nearly full: soon it takes no more messages.
    MailboxNearlyFull,
    /// Messages will be removed soon because of their age.
    MessagesExpire {
        /// The number of messages that will be removed.
        messages: usize,
        /// Within how many days they will be removed.
        days: u16,
    },
    /// The mailbox has no messages of the chosen kind.
    NoMessages,
    /// The messages cannot be reached at the moment; try again.
    MessagesUnavailable,
    /// The number of the message that is played next: the `number`th of `of`.
    MessageNumber {
        /// The place of the message, from 1.
        number: usize,
        /// The number of messages of this kind in the mailbox, also those that are not listed yet.
        of: usize,
    },
    /// The message is urgent.
    Urgent,
    /// The message is private.
    Private,
    /// The time at which the message was recorded, in the listener's zone, and the day as the listener names it today.
    ReceivedAt {
        /// The date and time, in the listener's zone.
        stamp: Stamp,
        /// The day, as seen from today in the listener's zone.
        day: RelativeDay,
    },
    /// The caller who left the message.
    From(Caller),
    /// The length of the message.
    Length(Duration),
    /// The message is a receipt: it says what became of a message that the owner has sent, also that it could not be delivered. The days are named as the
    /// listener names them today.
    Receipt {
        /// The outcome of the message.
        disposition: Disposition,
        /// The mailbox that the message was sent to.
        mailbox: MailboxId,
        /// When the message was recorded, in the listener's zone.
        recorded: Stamp,
        /// The day on which it was recorded.
        recorded_day: RelativeDay,
        /// When it was heard or removed, or the failure was reported, in the listener's zone.
        at: Stamp,
        /// The day of this moment.
        at_day: RelativeDay,
    },
    /// The message itself is played.
    Play(MessageId),
    /// There are no more messages of this kind.
    EndOfMessages,
    /// The message is removed.
    Removed,
    /// The removed message is restored.
    Restored,
    /// The message is kept.
    Kept,
    /// The message is kept as a new one.
    KeptAsNew,
    /// The mailbox could not be changed at the moment; try again.
    ChangeFailed,
    /// The message is not in the mailbox any more.
    MessageGone,
    /// The message is private and cannot be passed on.
    CannotPassOn,
    /// "Enter the number of the mailbox to send the message to, and then `#`."
    EnterMailbox,
    /// No mailbox has the number that was entered.
    NoSuchMailbox,
    /// "Enter the number of your mailbox, and then `#`."
    EnterOwnMailbox,
    /// The name of the mailbox's owner as recorded, or the number of the mailbox.
    Name(MailboxId),
    /// The mailbox that was entered, said back: the name of its owner as recorded, or its number.
    Addressee(MailboxId),
    /// The list that was entered, said back.
    AddresseeList {
        /// The number of the list.
        list: MailboxId,
        /// The number of mailboxes in the list.
        members: usize,
    },
    /// "Enter the number of another mailbox, or only `#` to go on."
    EnterNextMailbox,
    /// No more mailboxes can be added to the message.
    AddressesFull,
    /// The message was not sent to this mailbox.
    NotSentTo(MailboxId),
    /// The message is private, and the voicemail system that it is for is not known to keep it so.
    PrivacyNotHonoured,
    /// The owner's PBX has no licence for messages to other voicemail systems.
    NotLicensed,
    /// The sender has no mailbox that an answer could be sent to.
    CannotAnswer,
    /// The number of the sender is not known.
    NoNumber,
    /// The call could not be transferred.
    NotConnected,
    /// This function cannot be used here.
    NotAvailable,
    /// "Record this after the tone."
    RecordNow(RecordingKind),
    /// The message was sent.
    Sent,
    /// The message was not sent.
    NotSent,
    /// Nothing can be recorded at the moment.
    NotRecorded,
    /// A menu, which says what each key does now.
    Menu(Menu),
    /// "Enter a new PIN."
    EnterNewPin,
    /// "Enter the new PIN once more."
    RepeatNewPin,
    /// The PIN has too few digits or ones that are easily guessed, or it is the initial PIN, which others know.
    PinTooWeak,
    /// The two new PINs were not the same.
    PinsDiffer,
    /// The PIN is changed.
    PinChanged,
    /// The PIN could not be changed.
    PinNotChanged,
    /// The greeting is saved.
    GreetingSaved,
    /// The greeting was not saved; try again.
    GreetingNotSaved,
    /// The greeting that the owner has recorded is played.
    Greeting(GreetingKind),
    /// The owner has recorded no greeting of this kind.
    NoGreeting,
    /// The greeting is removed.
    GreetingRemoved,
    /// "Enter for how many days, and then `#`; only `#` for no end."
    EnterDays,
    /// The greeting is used until this moment, in the owner's zone.
    GreetingUntil(Stamp),
    /// The recorded name is saved.
    NameSaved,
    /// Welcome to the mailbox: the name, the greeting and the PIN are set up now.
    FirstUse,
    /// The standard greeting, for a mailbox whose owner has recorded none.
    DefaultGreeting {
        /// The mailbox.
        mailbox: MailboxId,
        /// Whether the line is busy; otherwise nobody has answered.
        busy: bool,
    },
    /// The mailbox is full, so no message can be left.
    MailboxFull,
    /// The tone after which recording begins.
    Tone,
    /// The recording that was just made is played.
    PlayRecording,
    /// A short tone during a recording, shortly before its maximum length. A sound, not words.
    LimitWarning,
    /// The recording was too short to be a message.
    TooShort,
    /// Nobody spoke in the recording.
    NoSpeech,
    /// The recording is discarded.
    RecordingDiscarded,
    /// The recording has ended at the maximum length.
    MaxLengthReached,
    /// The message is marked as urgent.
    MarkedUrgent,
    /// The message is no longer marked as urgent.
    MarkedNotUrgent,
    /// The message is marked as private.
    MarkedPrivate,
    /// The message is no longer marked as private.
    MarkedNotPrivate,
    /// A receipt is requested for the message.
    ReceiptRequested,
    /// A receipt is no longer requested for the message.
    ReceiptNotRequested,
    /// The owner has sent no messages with a request for a receipt.
    NoSentMessages,
    /// The time at which the owner sent a message, in the owner's zone.
    SentAt {
        /// The date and time, in the listener's zone.
        stamp: Stamp,
        /// The day, as seen from today in the listener's zone.
        day: RelativeDay,
    },
    /// The owner of this mailbox has not heard the message yet.
    NotHeardBy(MailboxId),
    /// The owner of a mailbox has heard the message or removed it, or it has expired there.
    EndedFor {
        /// The mailbox.
        mailbox: MailboxId,
        /// The end of the message.
        disposition: Disposition,
        /// When it was heard or removed, in the listener's zone.
        at: Stamp,
        /// The day, as seen from today in the listener's zone.
        day: RelativeDay,
    },
    /// The numbers of mailboxes in which a message has these states.
    SentCounts {
        /// How many have heard the message.
        heard: usize,
        /// How many have not heard it yet.
        unheard: usize,
        /// How many mailboxes it was removed from unheard.
        removed: usize,
        /// How many mailboxes did not get it.
        not_sent: usize,
    },
    /// "Enter the number of a private list, 1 to 20, and then `#`."
    EnterList,
    /// No private list can have the number that was entered.
    NoSuchList,
    /// The private list has no members.
    ListEmpty,
    /// "Enter the number of the mailbox to add, and then `#`; or only `#` to go on."
    EnterNewMember,
    /// "Enter the number of the mailbox to remove, and then `#`; or only `#` to go on."
    EnterOldMember,
    /// This mailbox is a member of the list now.
    MemberAdded(MailboxId),
    /// This mailbox is no longer a member of the list.
    MemberRemoved(MailboxId),
    /// The mailbox that was entered is no member of the list.
    NotAMember,
    /// The list cannot have more members.
    ListFull,
    /// A list can have at most 1 000 mailboxes, with those of the lists on it; this one has more, or would have.
    ListTooLarge,
    /// The list is deleted.
    ListDeleted,
    /// The message of the group belongs to the caller's own mailbox now.
    MessageIsYours,
    /// The message of the group belongs to another member, whose mailbox this is.
    TakenBy(MailboxId),
    /// The caller's own mailbox has no room for the message of the group.
    NoRoomToTake,
    /// The keys have no meaning at this point.
    NotUnderstood,
    /// "Goodbye."
    Goodbye,
}

/// The kind of a recording that somebody is asked to make. Exhaustive on purpose, like [`Prompt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordingKind {
    /// A message to other mailboxes.
    Message,
    /// A greeting, or the name of the owner.
    Greeting(GreetingKind),
    /// An introduction to a message that is passed on.
    Introduction,
    /// An answer to a message.
    Answer,
}
