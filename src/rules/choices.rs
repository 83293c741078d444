//! The choices that a rule has: what a mail contains, where it goes, and what becomes of the message.

use std::fmt;
use std::str::FromStr;

use crate::message::{InvalidMailAddress, MailAddress};

/// The content of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Content {
    /// A text about the call, and the sound: `copy`.
    Copy,
    /// A text about the call, without the sound: `notice`.
    Notice,
    /// A text of at most 160 characters, for a mail address that leads to short messages of a mobile telephone: `alert`.
    Alert,
}

/// The fate of a message after the mail server has accepted its mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Then {
    /// The message stays new: `keep`.
    #[default]
    Keep,
    /// The message counts as heard: `heard`.
    Heard,
    /// The message is removed: `remove`. Only a rule whose mail has the sound may do this.
    Remove,
}

/// The form of the sound in a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SoundForm {
    /// A WAV file with linear 16-bit samples, which every program plays: `wav`.
    #[default]
    Wav,
    /// The bytes as they are stored: `stored`.
    Stored,
}

/// The messages that a rule is for, by their urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MessageFilter {
    /// All messages: `all`.
    #[default]
    All,
    /// Urgent messages: `urgent`.
    Urgent,
}

/// Whether a rule is for private messages, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PrivateMessages {
    /// No mail is sent for a private message: `skip`.
    #[default]
    Skip,
    /// A private message is sent as any other: `send`.
    Send,
}

/// The address that a mail goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RuleRecipient {
    /// The mail address of the owner, [`Owner::email`](crate::directory::Owner::email), at the time of sending. No mail is sent while the owner has none.
    #[default]
    Owner,
    /// This address.
    Address(MailAddress),
}

impl RuleRecipient {
    /// Returns the address, which is `owner` if the rule names none.
    pub fn address<'a>(&'a self, owner: Option<&'a MailAddress>) -> Option<&'a MailAddress> {
        match self {
            Self::Owner => owner,
            Self::Address(address) => Some(address),
        }
    }
}

impl FromStr for RuleRecipient {
    type Err = InvalidMailAddress;

    fn from_str(text: &str) -> Result<Self, InvalidMailAddress> {
        text.parse().map(Self::Address)
    }
}

/// Gives an enum the words by which a description and a file name its variants.
macro_rules! words {
    ($name:ident, $what:literal, $($variant:ident = $word:literal),+) => {
        impl $name {
            /// Returns the word for this choice in a description.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownChoice;

            fn from_str(text: &str) -> Result<Self, UnknownChoice> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownChoice { what: $what, words: &[$($word),+] }),
                }
            }
        }
    };
}

words!(Content, "a rule's content", Copy = "copy", Notice = "notice", Alert = "alert");
words!(Then, "what becomes of a message", Keep = "keep", Heard = "heard", Remove = "remove");
words!(MessageFilter, "a selection of messages", All = "all", Urgent = "urgent");
words!(PrivateMessages, "what happens with private messages", Skip = "skip", Send = "send");
words!(SoundForm, "the form of a sound", Wav = "wav", Stored = "stored");

/// A text that is none of the words for a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is one of {}", .words.join(", "))]
#[non_exhaustive]
pub struct UnknownChoice {
    /// The choice to be made.
    pub what: &'static str,
    /// The words.
    pub words: &'static [&'static str],
}
