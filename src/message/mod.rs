//! The words: what a message is, whose it is, who left it, and when.
//!
//! Values only. Nothing here does I/O by itself, reads a clock or waits; everything else in the crate speaks in these words.

mod address;
mod audio;
mod caller;
mod digest;
mod id;
mod mail_file;
pub(crate) mod mailbox;
mod moment;
mod origin;
mod site;
mod stamp;
mod summary;
mod transport_security;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::address::{InvalidMailAddress, MailAddress};
pub use self::audio::{Audio, AudioSource, AudioType};
pub use self::caller::{Caller, CallerName, CallerNumber, InvalidCallerNumber};
pub use self::digest::{ContentDigest, InvalidContentDigest};
#[cfg(feature = "wire")]
pub(crate) use self::digest::{read_hex, write_hex};
pub use self::id::{InvalidMessageId, MessageId};
pub use self::mail_file::MailFile;
use self::mail_file::SameFile;
pub use self::mailbox::{InvalidMailboxId, MailboxId};
pub use self::moment::{ClockQuality, ClockSource, InvalidClockQuality, RecordedAt};
pub use self::origin::Origin;
pub use self::site::{InvalidSiteId, SiteId};
pub use self::stamp::{RelativeDay, Stamp};
pub use self::summary::Summary;
pub use self::transport_security::{TlsVersion, TransportSecurity};

/// One voice message: the sound, and what is known of it.
///
/// It does not say whose mailbox it is for: one message may be for several.
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
    /// A message with a new id: no caller, normal urgency, not private, of unknown site and of length zero until told.
    pub fn builder(audio: Audio, recorded_at: RecordedAt) -> MessageBuilder {
        MessageBuilder { message: Self::new(Head::new(recorded_at), audio) }
    }

    /// A message of a head and its sound.
    pub fn new(head: Head, audio: Audio) -> Self {
        Self { head, audio, mail: None, mail_file: None }
    }

    /// The same message, with the Internet message (RFC 5322) that it arrived as.
    ///
    /// A store that keeps Internet messages keeps this one, with whatever else its sender put in.
    #[must_use]
    pub fn arrived_as(self, mail: Bytes) -> Self {
        Self { mail: Some(mail), ..self }
    }

    /// The same message, with the Internet message that it arrived as where that is in a file.
    #[must_use]
    pub fn arrived_in(self, file: Arc<dyn MailFile>) -> Self {
        Self { mail_file: Some(SameFile(file)), ..self }
    }

    /// All but the sound.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The sound.
    pub fn audio(&self) -> &Audio {
        &self.audio
    }

    /// The Internet message that it arrived as, if it came by mail and that is in memory.
    pub fn mail(&self) -> Option<&Bytes> {
        self.mail.as_ref()
    }

    /// The Internet message that it arrived as, if that is in a file: so long a one gets only a store that has staged it.
    pub fn mail_file(&self) -> Option<&Arc<dyn MailFile>> {
        self.mail_file.as_ref().map(|file| &file.0)
    }

    /// Which message.
    pub fn id(&self) -> MessageId {
        self.head.id
    }

    /// Whether it comes before others.
    pub fn urgency(&self) -> Urgency {
        self.head.urgency
    }
}

impl fmt::Debug for Message {
    /// Shows of a mail its length only: what a caller said belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("head", &self.head).field("audio", &self.audio);
        if let Some(mail) = &self.mail {
            shown.field("mail_bytes", &mail.len());
        }
        shown.finish_non_exhaustive()
    }
}

/// What is known of a message, without its sound.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Which message.
    pub id: MessageId,
    /// Who left it.
    pub caller: Caller,
    /// When it was completed, by which clock, in whose zone.
    pub recorded_at: RecordedAt,
    /// The PBX that the caller reached; `None` when another system recorded and did not say.
    pub site: Option<SiteId>,
    /// Whether it comes before others.
    pub urgency: Urgency,
    /// Whether its owner may pass it on.
    pub privacy: Privacy,
    /// How long the sound is.
    pub length: Duration,
    /// Whether the recording ended as it should.
    pub end_reason: EndReason,
}

impl Head {
    /// A head with a new id, and nothing known but when.
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
    /// Gives the id; without it, a random one.
    pub fn id(mut self, id: MessageId) -> Self {
        self.message.head.id = id;
        self
    }

    /// Who left it.
    pub fn caller(mut self, caller: Caller) -> Self {
        self.message.head.caller = caller;
        self
    }

    /// The PBX that the caller reached.
    pub fn site(mut self, site: SiteId) -> Self {
        self.message.head.site = Some(site);
        self
    }

    /// Whether it comes before others.
    pub fn urgency(mut self, urgency: Urgency) -> Self {
        self.message.head.urgency = urgency;
        self
    }

    /// Whether its owner may pass it on.
    pub fn privacy(mut self, privacy: Privacy) -> Self {
        self.message.head.privacy = privacy;
        self
    }

    /// How long the sound is.
    pub fn length(mut self, length: Duration) -> Self {
        self.message.head.length = length;
        self
    }

    /// Whether the recording ended as it should.
    pub fn end_reason(mut self, end_reason: EndReason) -> Self {
        self.message.head.end_reason = end_reason;
        self
    }

    /// The message.
    pub fn build(self) -> Message {
        self.message
    }
}

/// Whether a message comes before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Urgency {
    /// In its turn.
    #[default]
    Normal,
    /// Before all that are normal. `Importance: high`, RFC 2156.
    Urgent,
}

/// Whether the owner of a message may pass it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Privacy {
    /// The owner may.
    #[default]
    Normal,
    /// Nobody may. `Sensitivity: Private`, RFC 3801 §4.2.13.
    Private,
}

/// How a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum EndReason {
    /// The caller was done.
    #[default]
    Complete,
    /// The mailbox's longest length was reached.
    AtLimit,
    /// The node stopped in the middle; what was on disk by then is kept.
    Truncated,
}

/// Where a message stands with its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Not heard yet.
    New,
    /// Heard, and kept.
    Old,
    /// Removed, and can be restored until it is expunged.
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
