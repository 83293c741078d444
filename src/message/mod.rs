//! Messages and the values that describe them: ids, mailboxes, callers, languages, times, sounds.
//!
//! This module has values only: they do no I/O, read no clock and never wait. All other modules use these types.

mod address;
mod audio;
pub(crate) mod call_details;
mod call_fields;
mod call_id;
mod caller;
mod delivery_failure;
mod digest;
mod disposition;
mod head_encoding;
mod id;
mod kind;
mod language;
mod mail_dialect;
mod mail_file;
#[cfg(feature = "wire")]
pub(crate) mod mail_text;
pub(crate) mod mailbox;
mod moment;
mod origin;
mod party_number;
mod receipt_report;
mod receipt_request;
mod site;
mod stamp;
mod summary;
mod transcript;
mod transport_security;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::address::{InvalidMailAddress, MailAddress};
pub use self::audio::{Audio, AudioSource, AudioType};
pub use self::call_details::CallDetails;
pub use self::call_fields::{CallFields, InvalidCallField};
pub use self::call_id::{CallId, InvalidCallId};
pub use self::caller::{Caller, CallerName, CallerNumber, InvalidCallerNumber};
pub use self::delivery_failure::DeliveryFailure;
pub use self::digest::{ContentDigest, InvalidContentDigest};
#[cfg(feature = "wire")]
pub(crate) use self::digest::{read_hex, write_hex};
pub use self::disposition::{Disposition, UnknownDisposition};
pub use self::head_encoding::InvalidHead;
#[cfg(feature = "node")]
pub(crate) use self::head_encoding::{read_lines, write_lines};
pub use self::id::{InvalidMessageId, MessageId};
pub use self::kind::MessageKind;
pub use self::language::{InvalidLanguage, Language};
pub use self::mail_dialect::{MailDialect, UnknownMailDialect};
pub use self::mail_file::MailFile;
use self::mail_file::SameFile;
pub use self::mailbox::{InvalidMailboxId, MailboxId};
pub use self::moment::{ClockQuality, ClockSource, InvalidClockQuality, RecordedAt};
pub use self::origin::Origin;
pub use self::party_number::{InvalidPartyNumber, PartyNumber};
pub use self::receipt_report::{InvalidReceiptReport, ReceiptReport};
pub use self::receipt_request::{ReceiptChoice, ReceiptRequest};
pub use self::site::{InvalidSiteId, SiteId};
pub use self::stamp::{RelativeDay, Stamp};
pub use self::summary::Summary;
pub use self::transcript::Transcript;
pub use self::transport_security::{TlsVersion, TransportSecurity};

/// One voice message: its sound, and its [`Head`] with all other facts.
///
/// It does not name the mailbox that it is for, because one message may be for several mailboxes.
///
/// ```
/// use std::time::Duration;
/// use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, Message, RecordedAt, Urgency};
///
/// let quality = ClockQuality::unknown(ClockSource::System);
/// let recorded_at = RecordedAt::new("2025-03-30T00:59:40Z".parse().unwrap(), chrono_tz::Europe::London, quality);
/// let message = Message::builder(Audio::new(AudioType::Wav, &b"RIFF.."[..]), recorded_at)
///     .urgency(Urgency::Urgent)
///     .length(Duration::from_secs(2))
///     .build();
/// assert_eq!(message.urgency(), Urgency::Urgent);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    head: Head,
    audio: Audio,
    mail: Option<Bytes>,
    mail_file: Option<SameFile>,
}

impl Message {
    /// Builds a message with a new id. Unless set, it has no caller and no site, normal urgency, is not private, and its length is zero.
    pub fn builder(audio: Audio, recorded_at: RecordedAt) -> MessageBuilder {
        MessageBuilder { message: Self::new(Head::new(recorded_at), audio) }
    }

    /// Returns a message with this head and this sound.
    pub fn new(head: Head, audio: Audio) -> Self {
        Self { head, audio, mail: None, mail_file: None }
    }

    /// Returns the same message, with the Internet message (RFC 5322) that it arrived as.
    ///
    /// A store that keeps Internet messages keeps this one, including all else that its sender put in.
    #[must_use]
    pub fn arrived_as(self, mail: Bytes) -> Self {
        Self { mail: Some(mail), ..self }
    }

    /// Returns the same message, with the file that holds the Internet message that it arrived as.
    #[must_use]
    pub fn arrived_in(self, file: Arc<dyn MailFile>) -> Self {
        Self { mail_file: Some(SameFile(file)), ..self }
    }

    /// Returns all facts but the sound.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the sound.
    pub fn audio(&self) -> &Audio {
        &self.audio
    }

    /// Returns the Internet message that this message arrived as, if it came by mail and the mail is in memory.
    pub fn mail(&self) -> Option<&Bytes> {
        self.mail.as_ref()
    }

    /// Returns the Internet message that this message arrived as, if the mail is in a file. Only a store that has staged the file gets one.
    pub fn mail_file(&self) -> Option<&Arc<dyn MailFile>> {
        self.mail_file.as_ref().map(|file| &file.0)
    }

    /// Returns the id of the message.
    pub fn id(&self) -> MessageId {
        self.head.id
    }

    /// Returns whether the message comes before others.
    pub fn urgency(&self) -> Urgency {
        self.head.urgency
    }
}

impl fmt::Debug for Message {
    /// Shows only the length of a mail: the words of a caller belong in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("head", &self.head).field("audio", &self.audio);
        if let Some(mail) = &self.mail {
            shown.field("mail_bytes", &mail.len());
        }
        shown.finish_non_exhaustive()
    }
}

/// All facts about a message, without its sound.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The id of the message.
    pub id: MessageId,
    /// The caller who left the message.
    pub caller: Caller,
    /// When the recording was completed, in which zone, and how good the clock was.
    pub recorded_at: RecordedAt,
    /// The PBX that the caller reached; `None` when another system recorded and did not say.
    pub site: Option<SiteId>,
    /// Whether the message comes before others.
    pub urgency: Urgency,
    /// Whether the owner may pass the message on.
    pub privacy: Privacy,
    /// The duration of the sound.
    pub length: Duration,
    /// Why the recording ended.
    pub end_reason: EndReason,
    /// Details of the call that left the message, beside the caller.
    pub call_details: CallDetails,
    /// The language in which its mail is written to people: that of its owner, if it is known.
    pub language: Option<Language>,
    /// The sender's request for a read receipt, if the message came by a mail with one. A store keeps it with the message; a message that is
    /// passed on to others has none.
    pub receipt: Option<ReceiptRequest>,
    /// Whether somebody has recorded the message, or it is a receipt.
    pub kind: MessageKind,
}

impl Head {
    /// Returns a head with a new id and this time. Unless set, it has no caller and no site, normal urgency, is not private, its length is
    /// zero, the recording counts as complete, nothing is known of its call, nor the language of its owner, no receipt is requested, and somebody has
    /// recorded it.
    pub fn new(recorded_at: RecordedAt) -> Self {
        Self {
            id: MessageId::random(),
            caller: Caller::default(),
            recorded_at,
            site: None,
            urgency: Urgency::Normal,
            privacy: Privacy::Normal,
            length: Duration::ZERO,
            end_reason: EndReason::Complete,
            call_details: CallDetails::default(),
            language: None,
            receipt: None,
            kind: MessageKind::Voice,
        }
    }
}

/// Builds a [`Message`]; made by [`Message::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MessageBuilder {
    message: Message,
}

impl MessageBuilder {
    /// Sets the id. Without it, the message has a random one.
    pub fn id(mut self, id: MessageId) -> Self {
        self.message.head.id = id;
        self
    }

    /// Sets the caller who left the message.
    pub fn caller(mut self, caller: Caller) -> Self {
        self.message.head.caller = caller;
        self
    }

    /// Sets the PBX that the caller reached.
    pub fn site(mut self, site: SiteId) -> Self {
        self.message.head.site = Some(site);
        self
    }

    /// Sets whether the message comes before others.
    pub fn urgency(mut self, urgency: Urgency) -> Self {
        self.message.head.urgency = urgency;
        self
    }

    /// Sets whether the owner may pass the message on.
    pub fn privacy(mut self, privacy: Privacy) -> Self {
        self.message.head.privacy = privacy;
        self
    }

    /// Sets the duration of the sound.
    pub fn length(mut self, length: Duration) -> Self {
        self.message.head.length = length;
        self
    }

    /// Sets why the recording ended.
    pub fn end_reason(mut self, end_reason: EndReason) -> Self {
        self.message.head.end_reason = end_reason;
        self
    }

    /// Sets what the message says of its call, beside the caller.
    pub fn call_details(mut self, call_details: CallDetails) -> Self {
        self.message.head.call_details = call_details;
        self
    }

    /// Sets the language in which the mail of the message is written to people.
    pub fn language(mut self, language: Language) -> Self {
        self.message.head.language = Some(language);
        self
    }

    /// Sets the sender's request for a read receipt.
    pub fn receipt(mut self, request: ReceiptRequest) -> Self {
        self.message.head.receipt = Some(request);
        self
    }

    /// Sets whether somebody has recorded the message, or it is a receipt.
    pub fn kind(mut self, kind: MessageKind) -> Self {
        self.message.head.kind = kind;
        self
    }

    /// Returns the message.
    pub fn build(self) -> Message {
        self.message
    }
}

/// Whether a message comes before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Urgency {
    /// The message is played in its turn.
    #[default]
    Normal,
    /// The message is played before all normal ones. `Importance: high`, RFC 2156.
    Urgent,
}

/// Whether the owner of a message may pass it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Privacy {
    /// The owner may pass the message on.
    #[default]
    Normal,
    /// Nobody may pass the message on. `Sensitivity: Private`, RFC 3801 §4.2.13.
    Private,
}

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum EndReason {
    /// The caller hung up or ended the recording: the message is complete.
    #[default]
    Complete,
    /// The recording reached the longest length that the mailbox allows.
    AtLimit,
    /// The node stopped during the recording. The part that was on disk by then is the message.
    Truncated,
}

/// The status of a message in its mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The owner has not heard the message yet.
    New,
    /// The owner has heard the message, and kept it.
    Old,
    /// The owner has removed the message. It can be restored until it is expunged.
    Removed,
}

impl Status {
    /// Returns the status as text: `new`, `old` or `removed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Old => "old",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_mail_that_a_message_came_in() {
        let quality = ClockQuality::unknown(ClockSource::Manual);
        let recorded_at = RecordedAt { instant: chrono::DateTime::UNIX_EPOCH, zone: chrono_tz::UTC, quality };
        let message = Message::builder(Audio::new(AudioType::Wav, b"sound".to_vec()), recorded_at).build();
        let shown = format!("{:?}", message.arrived_as(Bytes::from_static(b"From: Anna")));
        assert!(shown.contains("mail_bytes: 10") && !shown.contains("Anna"), "{shown}");
    }
}
