//! [`Place`]: a place in a dialogue in which keys have meanings.

use std::fmt;
use std::str::FromStr;

use super::function::Function;

/// A place in a dialogue in which keys have meanings.
///
/// The enum is exhaustive on purpose, as the dialogues are: a new place needs keys in every map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Place {
    /// A caller hears the greeting.
    Greeting,
    /// A caller's message is recorded.
    Recording,
    /// A caller decides what to do with the recording.
    Review,
    /// An owner enters the number of the mailbox, or the PIN. The keys of functions begin with `*` or `#` here.
    Login,
    /// An owner is at the main menu.
    Main,
    /// A message is played to its owner. Keys that have no meaning here have their meaning in [`Place::Played`].
    Playing,
    /// A message was played, and its owner decides what to do with it.
    Played,
    /// An owner chooses a greeting, or, in some key maps, the recorded name or the PIN.
    Greetings,
    /// An owner hears, records or removes the greeting that was chosen.
    OneGreeting,
    /// An owner hears what became of a message that was sent.
    Sent,
    /// An owner hears, changes or deletes a private list.
    List,
    /// A greeting, a name, an introduction, an answer or a message of an owner is recorded.
    OwnerRecording,
    /// An owner decides what to do with the recording.
    OwnerReview,
    /// An owner enters a number: of a mailbox, of a list, of days, or a PIN. The keys of functions begin with `*` or `#` here.
    Entry,
}

impl Place {
    /// All places.
    pub const ALL: [Self; 14] = [
        Self::Greeting,
        Self::Recording,
        Self::Review,
        Self::Login,
        Self::Main,
        Self::Playing,
        Self::Played,
        Self::Greetings,
        Self::OneGreeting,
        Self::Sent,
        Self::List,
        Self::OwnerRecording,
        Self::OwnerReview,
        Self::Entry,
    ];

    /// Returns the name of the place in descriptions, such as `one-greeting`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Recording => "recording",
            Self::Review => "review",
            Self::Login => "login",
            Self::Main => "main",
            Self::Playing => "playing",
            Self::Played => "played",
            Self::Greetings => "greetings",
            Self::OneGreeting => "one-greeting",
            Self::Sent => "sent",
            Self::List => "list",
            Self::OwnerRecording => "owner-recording",
            Self::OwnerReview => "owner-review",
            Self::Entry => "entry",
        }
    }

    /// Returns the functions that keys can have at this place, in the order in which a menu names them.
    pub const fn functions(self) -> &'static [Function] {
        match self {
            Self::Greeting => &[Function::SkipGreeting, Function::Operator, Function::LogIn],
            Self::Recording => &[Function::EndRecording, Function::Operator],
            Self::Review => {
                &[Function::Send, Function::Hear, Function::RecordAgain, Function::Urgent, Function::Private, Function::Operator]
            }
            Self::Login => &[Function::EndEntry, Function::CancelEntry, Function::OtherMailbox],
            Self::Main => &[
                Function::NewMessages,
                Function::OldMessages,
                Function::RemovedMessages,
                Function::Compose,
                Function::SentMessages,
                Function::PrivateLists,
                Function::Greetings,
                Function::RecordName,
                Function::ChangePin,
                Function::Leave,
                Function::Help,
            ],
            Self::Playing => &[
                Function::Rewind,
                Function::Pause,
                Function::Forward,
                Function::FromStart,
                Function::Slower,
                Function::Faster,
                Function::NormalSpeed,
                Function::Again,
                Function::Keep,
                Function::KeepAsNew,
                Function::Remove,
                Function::Restore,
                Function::Previous,
                Function::Next,
                Function::Envelope,
                Function::PassOn,
                Function::Answer,
                Function::CallBack,
                Function::TakeMessage,
                Function::Back,
                Function::Help,
            ],
            Self::Played => &[
                Function::Again,
                Function::Keep,
                Function::KeepAsNew,
                Function::Remove,
                Function::Restore,
                Function::Previous,
                Function::Next,
                Function::Envelope,
                Function::PassOn,
                Function::Answer,
                Function::CallBack,
                Function::TakeMessage,
                Function::Back,
                Function::Help,
            ],
            Self::Greetings => &[
                Function::NormalGreeting,
                Function::BusyGreeting,
                Function::TemporaryGreeting,
                Function::RecordName,
                Function::ChangePin,
                Function::Back,
                Function::Help,
            ],
            Self::OneGreeting => {
                &[Function::HearGreeting, Function::RecordGreeting, Function::RemoveGreeting, Function::Back, Function::Help]
            }
            Self::Sent => &[Function::Again, Function::Previous, Function::Next, Function::Back, Function::Help],
            Self::List => &[
                Function::HearMembers,
                Function::AddMember,
                Function::RemoveMember,
                Function::DeleteList,
                Function::Back,
                Function::Help,
            ],
            Self::OwnerRecording => &[Function::EndRecording],
            Self::OwnerReview => &[
                Function::Accept,
                Function::Hear,
                Function::RecordAgain,
                Function::Urgent,
                Function::Private,
                Function::RequestReceipt,
                Function::Discard,
                Function::Help,
            ],
            Self::Entry => &[Function::EndEntry, Function::CancelEntry],
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Place {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, UnknownPlace> {
        Self::ALL.into_iter().find(|place| place.as_str() == text).ok_or(UnknownPlace)
    }
}

/// A text that names no [`Place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no place of a dialogue has this name; places are {}", names())]
#[non_exhaustive]
pub struct UnknownPlace;

fn names() -> String {
    Place::ALL.map(Place::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_written() {
        for place in Place::ALL {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        let error = "kitchen".parse::<Place>().unwrap_err();
        assert!(error.to_string().ends_with("owner-recording, owner-review, entry"), "{error}");
    }
}
