//! [`Function`]: the function of a key or a sequence of keys at a place of a dialogue.

use std::fmt;
use std::str::FromStr;

/// The function of a key or a sequence of keys.
///
/// The enum is exhaustive on purpose: a voice needs words for every function, and the compiler finds those that it lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Function {
    /// Skips the greeting: the tone comes at once.
    SkipGreeting,
    /// Connects a caller to the operator; a recording is sent first.
    Operator,
    /// Lets an owner who calls from another telephone log in, instead of leaving a message.
    LogIn,
    /// Ends the recording.
    EndRecording,
    /// Sends the recording as a message.
    Send,
    /// Plays the recording that was just made.
    Hear,
    /// Discards the recording and records another one.
    RecordAgain,
    /// Marks the message as urgent, or no longer as urgent.
    Urgent,
    /// Marks the message as private, or no longer as private.
    Private,
    /// Requests a receipt for the message, or no longer requests it.
    RequestReceipt,
    /// Plays the new messages.
    NewMessages,
    /// Plays the old messages.
    OldMessages,
    /// Plays the removed messages, which can be restored.
    RemovedMessages,
    /// Records a message for other mailboxes.
    Compose,
    /// Says what became of the messages that were sent with a request for a receipt.
    SentMessages,
    /// Leads to the private lists.
    PrivateLists,
    /// Leads to the greetings.
    Greetings,
    /// Records the name of the owner.
    RecordName,
    /// Changes the PIN.
    ChangePin,
    /// Ends the call.
    Leave,
    /// Says the menu.
    Help,
    /// Goes back some seconds in the message.
    Rewind,
    /// Pauses the message, or resumes it.
    Pause,
    /// Goes forward some seconds in the message.
    Forward,
    /// Plays the message from its start.
    FromStart,
    /// Plays the message slower.
    Slower,
    /// Plays the message faster.
    Faster,
    /// Plays the message at the speed at which it was spoken.
    NormalSpeed,
    /// Plays the message again.
    Again,
    /// Keeps the message as an old one.
    Keep,
    /// Keeps the message as a new one.
    KeepAsNew,
    /// Removes the message.
    Remove,
    /// Restores the removed message.
    Restore,
    /// Plays the message before this one.
    Previous,
    /// Plays the message after this one.
    Next,
    /// Says when the message was recorded, from whom it is and how long it is.
    Envelope,
    /// Passes the message on to other mailboxes.
    PassOn,
    /// Records an answer, which is sent to the mailbox of the sender.
    Answer,
    /// Connects the owner to the telephone from which the message was left.
    CallBack,
    /// Takes a message of a group, so that it belongs to the caller's own mailbox.
    TakeMessage,
    /// Returns to the menu before.
    Back,
    /// Chooses the greeting for calls that nobody answers.
    NormalGreeting,
    /// Chooses the greeting for calls while the line is busy.
    BusyGreeting,
    /// Chooses the greeting that replaces both for a time.
    TemporaryGreeting,
    /// Plays the greeting.
    HearGreeting,
    /// Records the greeting.
    RecordGreeting,
    /// Removes the greeting.
    RemoveGreeting,
    /// Says the members of the list.
    HearMembers,
    /// Adds a member to the list.
    AddMember,
    /// Removes a member from the list.
    RemoveMember,
    /// Deletes the list.
    DeleteList,
    /// Uses the recording for its purpose: saves it, or sends it.
    Accept,
    /// Discards the recording.
    Discard,
    /// Ends the number that is entered.
    EndEntry,
    /// Cancels the entry and returns.
    CancelEntry,
    /// Clears the digits of a PIN; if there are none, asks for the number of another mailbox.
    OtherMailbox,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 56] = [
        Self::SkipGreeting,
        Self::Operator,
        Self::LogIn,
        Self::EndRecording,
        Self::Send,
        Self::Hear,
        Self::RecordAgain,
        Self::Urgent,
        Self::Private,
        Self::RequestReceipt,
        Self::NewMessages,
        Self::OldMessages,
        Self::RemovedMessages,
        Self::Compose,
        Self::SentMessages,
        Self::PrivateLists,
        Self::Greetings,
        Self::RecordName,
        Self::ChangePin,
        Self::Leave,
        Self::Help,
        Self::Rewind,
        Self::Pause,
        Self::Forward,
        Self::FromStart,
        Self::Slower,
        Self::Faster,
        Self::NormalSpeed,
        Self::Again,
        Self::Keep,
        Self::KeepAsNew,
        Self::Remove,
        Self::Restore,
        Self::Previous,
        Self::Next,
        Self::Envelope,
        Self::PassOn,
        Self::Answer,
        Self::CallBack,
        Self::TakeMessage,
        Self::Back,
        Self::NormalGreeting,
        Self::BusyGreeting,
        Self::TemporaryGreeting,
        Self::HearGreeting,
        Self::RecordGreeting,
        Self::RemoveGreeting,
        Self::HearMembers,
        Self::AddMember,
        Self::RemoveMember,
        Self::DeleteList,
        Self::Accept,
        Self::Discard,
        Self::EndEntry,
        Self::CancelEntry,
        Self::OtherMailbox,
    ];

    /// Returns the name of the function in descriptions, such as `new-messages`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SkipGreeting => "skip-greeting",
            Self::Operator => "operator",
            Self::LogIn => "log-in",
            Self::EndRecording => "end-recording",
            Self::Send => "send",
            Self::Hear => "hear",
            Self::RecordAgain => "record-again",
            Self::Urgent => "urgent",
            Self::Private => "private",
            Self::RequestReceipt => "request-receipt",
            Self::NewMessages => "new-messages",
            Self::OldMessages => "old-messages",
            Self::RemovedMessages => "removed-messages",
            Self::Compose => "compose",
            Self::SentMessages => "sent-messages",
            Self::PrivateLists => "private-lists",
            Self::Greetings => "greetings",
            Self::RecordName => "record-name",
            Self::ChangePin => "change-pin",
            Self::Leave => "leave",
            Self::Help => "help",
            Self::Rewind => "rewind",
            Self::Pause => "pause",
            Self::Forward => "forward",
            Self::FromStart => "from-start",
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::NormalSpeed => "normal-speed",
            Self::Again => "again",
            Self::Keep => "keep",
            Self::KeepAsNew => "keep-as-new",
            Self::Remove => "remove",
            Self::Restore => "restore",
            Self::Previous => "previous",
            Self::Next => "next",
            Self::Envelope => "envelope",
            Self::PassOn => "pass-on",
            Self::Answer => "answer",
            Self::CallBack => "call-back",
            Self::TakeMessage => "take-message",
            Self::Back => "back",
            Self::NormalGreeting => "normal-greeting",
            Self::BusyGreeting => "busy-greeting",
            Self::TemporaryGreeting => "temporary-greeting",
            Self::HearGreeting => "hear-greeting",
            Self::RecordGreeting => "record-greeting",
            Self::RemoveGreeting => "remove-greeting",
            Self::HearMembers => "hear-members",
            Self::AddMember => "add-member",
            Self::RemoveMember => "remove-member",
            Self::DeleteList => "delete-list",
            Self::Accept => "accept",
            Self::Discard => "discard",
            Self::EndEntry => "end-entry",
            Self::CancelEntry => "cancel-entry",
            Self::OtherMailbox => "other-mailbox",
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Function {
    type Err = UnknownFunction;

    fn from_str(text: &str) -> Result<Self, UnknownFunction> {
        Self::ALL.into_iter().find(|function| function.as_str() == text).ok_or(UnknownFunction)
    }
}

/// A text that names no [`Function`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no function has this name")]
#[non_exhaustive]
pub struct UnknownFunction;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_reads_back_as_written() {
        for function in Function::ALL {
            assert_eq!(function.to_string().parse(), Ok(function));
        }
        assert_eq!("new messages".parse::<Function>(), Err(UnknownFunction));
    }
}
