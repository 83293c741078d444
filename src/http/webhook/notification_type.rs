//! [`NotificationType`]: the kind of a report.

use std::fmt;
use std::str::FromStr;

/// The kind of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NotificationType {
    /// A message was stored in a mailbox: `voicemail.message.stored`.
    MessageStored,
    /// The transcript of a message is there: `voicemail.message.transcribed`.
    MessageTranscribed,
    /// A message was marked as old, most often because its owner has heard it: `voicemail.message.heard`.
    MessageHeard,
    /// A message was marked as removed: `voicemail.message.removed`.
    MessageRemoved,
    /// A message waits in a spool until an operator decides: `voicemail.message.parked`.
    MessageParked,
    /// A lamp shows the state of a mailbox: `voicemail.lamp.changed`. After a restart of the node, once for each lamp.
    LampChanged,
}

impl NotificationType {
    /// All types.
    pub const ALL: [Self; 6] = [
        Self::MessageStored,
        Self::MessageTranscribed,
        Self::MessageHeard,
        Self::MessageRemoved,
        Self::MessageParked,
        Self::LampChanged,
    ];

    /// Returns the type as the body has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessageStored => "voicemail.message.stored",
            Self::MessageTranscribed => "voicemail.message.transcribed",
            Self::MessageHeard => "voicemail.message.heard",
            Self::MessageRemoved => "voicemail.message.removed",
            Self::MessageParked => "voicemail.message.parked",
            Self::LampChanged => "voicemail.lamp.changed",
        }
    }
}

impl fmt::Display for NotificationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NotificationType {
    type Err = InvalidNotificationType;

    fn from_str(text: &str) -> Result<Self, InvalidNotificationType> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(InvalidNotificationType)
    }
}

/// A text that is no [`NotificationType`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a type is one such as voicemail.message.stored")]
#[non_exhaustive]
pub struct InvalidNotificationType;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_reads_back() {
        for kind in NotificationType::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert!(kind.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte)));
        }
        assert_eq!("voicemail.message".parse::<NotificationType>(), Err(InvalidNotificationType));
    }
}
