//! [`DecodeError`]: why a mail is no message.

use super::limits::JOINED_LIMIT;
use crate::audio::AudioError;
use crate::message::AudioType;

/// The reason why a mail could not be read as a message.
///
/// Each of these is final: the same bytes fail in the same way again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No part of the mail is a sound.
    #[error("the mail has no audio part")]
    NoAudio,
    /// The sound has a type that is not accepted.
    #[error("audio of type {found}: accepted are {}", AudioType::ALL.map(AudioType::mime).join(", "))]
    UnsupportedAudio {
        /// Its media type as the mail has it: printable ASCII, at most 60 characters.
        found: String,
    },
    /// The sound does not match its type, or has a codec that is not accepted.
    #[error("unreadable audio")]
    UnreadableAudio(#[source] AudioError),
    /// The audio part has no bytes.
    #[error("the audio part is empty")]
    EmptyAudio,
    /// The audio part is not in the transfer encoding it claims, or claims an unknown one.
    #[error("the audio part is no valid {encoding}")]
    TransferEncoding {
        /// The encoding as the mail has it: printable ASCII, at most 60 characters.
        encoding: String,
    },
    /// The sound does not match its digest: it was damaged or replaced on its way.
    #[error("the audio does not match the digest that came with it")]
    DigestMismatch,
    /// There is no empty line after the header block: the mail was cut short, or this is no mail.
    #[error("the header block has no end")]
    HeaderCutShort,
    /// A header block is longer than [`DecodeLimits::head`](super::DecodeLimits::head).
    #[error("a header block is too long")]
    HeaderTooLong,
    /// A header block has more fields than [`DecodeLimits::fields`](super::DecodeLimits::fields).
    #[error("a header block has too many fields")]
    TooManyFields,
    /// Multiparts or forwarded mails lie inside each other deeper than [`DecodeLimits::depth`](super::DecodeLimits::depth).
    #[error("multiparts or forwarded mails nested too deep")]
    TooDeep,
    /// There are more parts than [`DecodeLimits::parts`](super::DecodeLimits::parts).
    #[error("too many parts")]
    TooManyParts,
    /// The sounds of a message that was forwarded, or that has several, are together longer than 32 MiB.
    #[error("the sounds of the mail are together longer than {} MiB of samples", JOINED_LIMIT >> 20)]
    JoinedTooLong,
    /// A forwarded mail, a part of type `message/rfc822`, has a transfer encoding. RFC 2046 §5.2.1 allows none but 7bit, 8bit and binary.
    #[error("the forwarded mail in the mail has a transfer encoding other than 7bit, 8bit and binary")]
    EncodedMail,
    /// The mail is about a greeting, and this field of it is missing or cannot be read.
    #[error("a greeting whose {field} is missing or unreadable")]
    InvalidGreeting {
        /// The name of the field.
        field: &'static str,
    },
    /// No field has the date of the recording or of the sending.
    #[error("neither Date nor Received has a valid date")]
    NoDate,
}

impl DecodeError {
    /// Returns whether the sound is wrong, so that a mail server answers 554 5.6.1. All other errors concern the form of the mail.
    ///
    /// # Source
    ///
    /// RFC 3463 §3.7: 5.6.1, media not supported.
    pub fn concerns_audio(&self) -> bool {
        match self {
            Self::NoAudio
            | Self::UnsupportedAudio { .. }
            | Self::UnreadableAudio(_)
            | Self::EmptyAudio
            | Self::TransferEncoding { .. }
            | Self::DigestMismatch
            | Self::JoinedTooLong => true,
            Self::HeaderCutShort
            | Self::HeaderTooLong
            | Self::TooManyFields
            | Self::TooDeep
            | Self::TooManyParts
            | Self::EncodedMail
            | Self::InvalidGreeting { .. }
            | Self::NoDate => false,
        }
    }
}

/// Returns `text` as it can be repeated in an answer to its sender: printable ASCII, at most 60 characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).take(60).collect()
}
