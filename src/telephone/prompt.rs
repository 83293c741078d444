//! [`Prompt`]: a sentence that a caller or an owner hears.

use std::time::Duration;

use crate::greeting::GreetingKind;
use crate::message::{Caller, MailboxId, MessageId, RelativeDay, Stamp};

/// The prompts to play, one after the other, until a digit comes.
pub type Say = Vec<Prompt>;

/// A sentence that a caller or an owner hears. The PBX chooses the words, the voice and the language.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prompt {
    /// Please enter your PIN.
    EnterPin,
    /// That was wrong.
    WrongPin,
    /// Too many wrong PINs were entered: nobody gets in for so long.
    LockedOut(Duration),
    /// The mailbox has no PIN, so nobody gets in; an administrator sets one.
    NoPinSet,
    /// The PIN cannot be checked just now, so nobody gets in; call again later.
    PinNotChecked,
    /// How many messages wait; the urgent ones are among the new.
    MessageCounts {
        /// New messages.
        new: usize,
        /// How many of the new ones are urgent.
        urgent: usize,
        /// Old messages.
        old: usize,
    },
    /// There is nothing to hear there.
    NoMessages,
    /// The messages cannot be reached just now; try again.
    MessagesUnavailable,
    /// Which message comes now: the `number`th of `of`.
    MessageNumber {
        /// From 1.
        number: usize,
        /// How many the mailbox has of this kind, also those that are not listed yet.
        of: usize,
    },
    /// It is urgent.
    Urgent,
    /// It is private.
    Private,
    /// When it was recorded, in the listener's zone, with the day as seen from the listener's now.
    ReceivedAt {
        /// The moment.
        stamp: Stamp,
        /// Its day.
        day: RelativeDay,
    },
    /// Who left it.
    From(Caller),
    /// How long it is.
    Length(Duration),
    /// The message itself.
    Play(MessageId),
    /// No more messages of this kind.
    EndOfMessages,
    /// The message is removed.
    Removed,
    /// The message is back.
    Restored,
    /// The message is kept.
    Kept,
    /// That was not done, because the mailbox could not be changed just now; try again.
    ChangeFailed,
    /// The message is not in the mailbox any more.
    MessageGone,
    /// It is private, and cannot be passed on.
    CannotPassOn,
    /// Enter the mailbox that it goes to, and then `#`.
    EnterMailbox,
    /// There is no such mailbox.
    NoSuchMailbox,
    /// Record after the tone what is to be said, and then `#`.
    RecordNow,
    /// It was sent.
    Sent,
    /// It was not sent.
    NotSent,
    /// It cannot be recorded just now.
    NotRecorded,
    /// What the digits mean now.
    Menu(Menu),
    /// Enter a new PIN.
    EnterNewPin,
    /// Enter it once more.
    RepeatNewPin,
    /// The PIN has too few digits, or ones that are easily guessed.
    PinTooWeak,
    /// The two were not the same.
    PinsDiffer,
    /// The PIN is changed.
    PinChanged,
    /// The PIN could not be changed.
    PinNotChanged,
    /// The greeting is saved.
    GreetingSaved,
    /// The greeting was not saved; try again.
    GreetingNotSaved,
    /// A greeting in the owner's voice.
    Greeting(GreetingKind),
    /// The usual words, for a mailbox without a greeting.
    DefaultGreeting(MailboxId),
    /// Nothing can be left: the mailbox is full.
    MailboxFull,
    /// The tone after which recording begins.
    Tone,
    /// What was just recorded.
    PlayRecording,
    /// Nothing was heard.
    TooShort,
    /// The recording has ended at its longest length.
    MaxLengthReached,
    /// It is marked as urgent.
    MarkedUrgent,
    /// It is no longer marked as urgent.
    MarkedNotUrgent,
    /// It is marked as private.
    MarkedPrivate,
    /// It is no longer marked as private.
    MarkedNotPrivate,
    /// That digit means nothing here.
    NotUnderstood,
    /// Goodbye.
    Goodbye,
}

/// What the digits mean, where they mean several things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Menu {
    /// `1` new messages, `2` old messages, `3` removed messages, `4` greetings, `5` change the PIN, `*` end.
    Main,
    /// `1` again, `2` keep, `3` remove, `4` previous, `5` when and from whom, `6` next, `7` restore, `8` pass on, `9` answer,
    /// `*` back.
    Message,
    /// `1` normal, `2` busy, `3` temporary: record it. `4` drop the temporary one. `*` back.
    Greetings,
    /// `1` use it, `2` hear it, `3` record it again, `*` drop it.
    Recording,
    /// For a caller: `1` send, `2` hear it, `3` record it again, `4` urgent or not, `5` private or not, `0` operator.
    Review,
}
