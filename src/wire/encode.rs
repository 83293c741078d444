//! [`encode`]: a message as an Internet message.

use bytes::{Bytes, BytesMut};
use encodify::base64;
use mail_builder::MessageBuilder;
use mail_builder::headers::HeaderType;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::message_id::MessageId as MessageIdField;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};
use memchr::memmem;

use super::pieces::EncodedInPieces;
use super::text::readable_text;
use super::{TransferEncoding, caller, own};
use crate::message::mail_text;
use crate::message::mailbox::NON_MAIL_USER;
use crate::message::{CallerName, Head, MailboxId, Message, MessageId, Privacy, Stamp, Urgency};

/// The sender and the recipients of a mail.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Addresses<'a> {
    /// The host name of the node that sends: the right side of `Message-ID` and of `From`.
    pub node: &'a str,
    /// The mail domain of the mailboxes.
    pub domain: &'a str,
    /// The mailboxes that the mail is for. If there are more than 100, `To` does not name them.
    pub recipients: &'a [MailboxId],
    /// The request for a receipt of the node that stores the message: one line of printable ASCII, as a node's custody key makes it.
    pub custody: Option<&'a str>,
}

impl<'a> Addresses<'a> {
    /// Returns the addresses of a mail from the node `node` to these mailboxes of `domain`.
    pub const fn new(node: &'a str, domain: &'a str, recipients: &'a [MailboxId]) -> Self {
        Self { node, domain, recipients, custody: None }
    }
}

/// A mail in three pieces that follow each other, so that the sound need not be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoded {
    /// All bytes before the sound.
    pub head: Bytes,
    /// The sound, in its transfer encoding.
    pub audio: Bytes,
    /// The end of the last part.
    pub tail: Bytes,
}

impl Encoded {
    /// Returns how many bytes the mail has.
    pub fn len(&self) -> usize {
        self.head.len() + self.audio.len() + self.tail.len()
    }

    /// Returns whether the mail has no bytes, which is never the case for one of [`encode`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the mail in one piece; copies the sound.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.len());
        for piece in [&self.head, &self.audio, &self.tail] {
            bytes.extend_from_slice(piece);
        }
        bytes.freeze()
    }
}

/// Writes `message` as an Internet message.
///
/// The request for a receipt is written, too, so a message for somebody else must be given without it: see [`Head::receipt`].
///
/// No text in a name can break or add a header field. A moment outside the years 1 to 9998 is written as the nearest one inside, because a
/// `Date` has four digits for a year.
///
/// # Panics
///
/// When the operating system has no random bits to give for the boundary, as in [`MessageId::random`].
///
/// # Examples
///
/// ```
/// use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, Message, RecordedAt};
/// use voicemail::wire::{Addresses, TransferEncoding, decode, encode};
///
/// let quality = ClockQuality::unknown(ClockSource::System);
/// let recorded_at = RecordedAt::new("2025-03-30T00:59:40Z".parse().unwrap(), chrono_tz::Europe::London, quality);
/// let message = Message::builder(Audio::new(AudioType::Basic, vec![0xff; 16_000]), recorded_at).build();
/// let recipients = ["2041".parse().unwrap()];
/// let addresses = Addresses::new("edge.example.com", "example.com", &recipients);
///
/// let mail = encode(&message, &addresses, TransferEncoding::Base64).to_bytes();
/// let read = decode(&mail)?;
/// assert_eq!((read.head(), read.audio()), (message.head(), message.audio()));
/// # Ok::<(), voicemail::wire::DecodeError>(())
/// ```
pub fn encode(message: &Message, addresses: &Addresses<'_>, encoding: TransferEncoding) -> Encoded {
    let boundary = match encoding {
        TransferEncoding::Base64 => random_boundary(),
        TransferEncoding::Binary => boundary_outside(message.audio().bytes(), random_boundary),
    };
    encode_with(message, addresses, encoding, &boundary)
}

fn encode_with(message: &Message, addresses: &Addresses<'_>, encoding: TransferEncoding, boundary: &str) -> Encoded {
    let audio = match encoding {
        TransferEncoding::Base64 => base64::MIME.encode(message.audio().bytes()).into(),
        TransferEncoding::Binary => message.audio().bytes().clone(),
    };
    let (head, tail) = around(message, addresses, encoding, boundary);
    Encoded { head, audio, tail }
}

/// Writes `message` as an Internet message whose sound is read and encoded piece by piece, as [`encode`] writes it whole.
///
/// # Panics
///
/// As [`encode`].
pub fn encode_in_pieces(message: &Message, addresses: &Addresses<'_>, encoding: TransferEncoding) -> EncodedInPieces {
    // Nobody knew the boundary when the sound was made: that the sound holds those 128 bits is less likely than that a disk lies.
    let (head, tail) = around(message, addresses, encoding, &random_boundary());
    EncodedInPieces { head, audio: message.audio().clone(), encoding, tail }
}

/// Returns the bytes before and after the sound.
fn around(message: &Message, addresses: &Addresses<'_>, encoding: TransferEncoding, boundary: &str) -> (Bytes, Bytes) {
    let mut head = Vec::new();
    envelope(message, addresses, encoding, boundary).serialize(&mut head);
    // The envelope was built around an empty sound, so all that follows the sound is its end.
    let tail = format!("\r\n--{boundary}--\r\n");
    debug_assert!(head.ends_with(tail.as_bytes()));
    head.truncate(head.len() - tail.len());
    (head.into(), tail.into())
}

/// The mail around an empty sound.
fn envelope<'a>(
    message: &'a Message,
    addresses: &Addresses<'a>,
    encoding: TransferEncoding,
    boundary: &'a str,
) -> MessageBuilder<'a> {
    let head = message.head();
    let stamp = Stamp::new(own::representable(head.recorded_at.instant), head.recorded_at.zone);
    let content_duration = whole_seconds(message).to_string();

    let mut mail = MessageBuilder::new()
        .header("MIME-Version", Raw::new("1.0"))
        .header("Message-Context", Raw::new("voice-message"))
        .header("Message-ID", MessageIdField::new(format!("{}@{}", head.id, addresses.node)))
        .header("Date", Raw::new(stamp.to_rfc5322()))
        .header("From", from(message, addresses))
        .header("To", to(addresses))
        .header("Subject", Raw::new(readable_text(&mail_text::subject(head, head.language.as_ref(), head.length))))
        .header("Content-Duration", Raw::new(content_duration.clone()));
    if let Some(request) = &head.receipt {
        mail = mail.header("Disposition-Notification-To", Raw::new(format!("<{}>", request.to())));
    }
    if let Some(request) = addresses.custody {
        mail = mail.header(own::CUSTODY, Raw::new(request));
    }
    mail = with_call(mail, head);
    for (name, value) in own::fields(head, &stamp, message.audio().digest()) {
        mail = mail.header(name, Raw::new(value));
    }

    let filename = format!("{}.{}", head.id, message.audio().media().extension());
    let disposition = format!("inline; voice=Voice-Message; filename=\"{filename}\"");
    let media = ContentType::new(message.audio().media().mime()).attribute("name", filename);
    let sound = MimePart::new(media, BodyPart::Binary((&[][..]).into()))
        .transfer_encoding(encoding.name())
        .header("Content-Disposition", Raw::new(disposition))
        .header("Content-Duration", Raw::new(content_duration));
    let mut body = MimePart::new(ContentType::new("multipart/mixed").attribute("boundary", boundary), vec![words(head), sound]);
    if encoding == TransferEncoding::Binary {
        body = body.transfer_encoding(encoding.name()); // RFC 2045 §6.4: no part may be freer than the whole
    }
    mail.body(body)
}

/// Adds the fields of other standards about the caller, and about how the message is to be treated.
///
/// # Source
///
/// RFC 3939 for the caller; RFC 2156 §5.3 for `Importance` and `Sensitivity`, which RFC 3801 §4.2 uses.
pub(super) fn with_call<'a>(mut mail: MessageBuilder<'a>, head: &'a Head) -> MessageBuilder<'a> {
    if let Some(number) = &head.caller.number {
        mail = mail.header("Caller-ID", Raw::new(caller::caller_id(number)));
    }
    if let Some(name) = &head.caller.name {
        mail = mail.header("Caller-Name", Raw::new(caller::caller_name(name)));
    }
    if head.urgency == Urgency::Urgent {
        mail = mail.header("Importance", Raw::new("High"));
    }
    if head.privacy == Privacy::Private {
        mail = mail.header("Sensitivity", Raw::new("Private"));
    }
    mail
}

/// Returns the part that says to people what the message is. A receiver that has no use for it may drop it.
///
/// # Source
///
/// RFC 4239 §3: a voice message may have parts beside its sound; RFC 3459 §3: `handling=OPTIONAL`; RFC 3282: `Content-Language`.
pub(super) fn words(head: &Head) -> MimePart<'static> {
    let language = head.language.as_ref();
    let text = mail_text::text(head, head.recorded_at.zone, language, head.length);
    MimePart::new(ContentType::new("text/plain").attribute("charset", "utf-8"), BodyPart::Text(text.into()))
        .header("Content-Language", Raw::new(mail_text::written_in(language)))
        .header("Content-Disposition", Raw::new("inline; handling=OPTIONAL"))
}

/// Returns the address of the sender who requests a receipt, because a request counts only for the address that the mail is from. Else returns
/// that of the caller: the name, and the number at the node; `non-mail-user` when the number is withheld.
///
/// # Source
///
/// RFC 3801 §4.1.2; RFC 8098 §2.1.
fn from<'a>(message: &'a Message, addresses: &Addresses<'_>) -> Address<'a> {
    let caller = &message.head().caller;
    let number = caller.number.as_ref().map_or(NON_MAIL_USER, |number| number.as_str());
    let address = match &message.head().receipt {
        Some(request) => request.to().to_string(),
        None => format!("{number}@{}", addresses.node),
    };
    Address::new_address(caller.name.as_ref().map(CallerName::as_str), address)
}

/// The mailboxes, as long as they are few enough to leave the header block within its limit.
fn to<'a>(addresses: &Addresses<'_>) -> HeaderType<'a> {
    if !(1..=MAX_NAMED_RECIPIENTS).contains(&addresses.recipients.len()) {
        return Raw::new("undisclosed-recipients:;").into(); // RFC 5322 §A.1.3
    }
    let mailbox = |id: &MailboxId| Address::new_address(None::<&str>, format!("{id}@{}", addresses.domain));
    Address::new_list(addresses.recipients.iter().map(mailbox).collect()).into()
}

/// The length in whole seconds (RFC 3803), rounded up.
pub(super) fn whole_seconds(message: &Message) -> u64 {
    let length = message.head().length;
    length.as_secs().saturating_add(u64::from(length.subsec_nanos() > 0))
}

/// The first of `candidates` that `sound` does not hold.
fn boundary_outside(sound: &[u8], mut candidates: impl FnMut() -> String) -> String {
    loop {
        let candidate = candidates();
        if memmem::find(sound, candidate.as_bytes()).is_none() {
            return candidate;
        }
    }
}

/// 128 random bits after a mark that base64 never holds: there an equals sign ends all.
pub(super) fn random_boundary() -> String {
    format!("=_{}", MessageId::random())
}

const MAX_NAMED_RECIPIENTS: usize = 100;

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::wire::decode;

    /// A mail of our own form, written down byte for byte.
    const OWN: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/own.eml"));

    #[test]
    fn a_message_is_written_as_it_always_was() {
        let message = decode(&Bytes::from_static(OWN)).unwrap();
        let recipients = ["2002".parse().unwrap(), "+493023125002".parse().unwrap()];
        let addresses = Addresses::new("edge.example.com", "example.com", &recipients);
        let boundary = "=_00112233445566778899aabbccddeeff";
        let written = encode_with(&message, &addresses, TransferEncoding::Base64, boundary).to_bytes();
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(OWN));
    }

    #[test]
    fn raw_audio_is_handed_on_without_a_copy() {
        let message = decode(&Bytes::from_static(OWN)).unwrap();
        let recipients = &["1".parse().unwrap()];
        let addresses = Addresses::new("edge.example.com", "example.com", recipients);
        let encoded = encode(&message, &addresses, TransferEncoding::Binary);
        assert_eq!(encoded.audio.as_ptr(), message.audio().bytes().as_ptr());
        let mail = encoded.to_bytes();
        assert_eq!(mail.len(), encoded.len());
        let sound = decode(&mail).unwrap();
        assert!(mail.as_ptr_range().contains(&sound.audio().bytes().as_ptr()), "a slice of the mail");
    }

    #[test]
    fn a_boundary_that_is_in_the_sound_is_not_taken() {
        let mut candidates = ["first", "second", "third"].into_iter().map(str::to_owned);
        assert_eq!(boundary_outside(b"first, then second", || candidates.next().unwrap()), "third");
    }

    #[test]
    fn any_number_of_recipients_leaves_a_readable_header_block() {
        let message = decode(&Bytes::from_static(OWN)).unwrap();
        let domain = format!("{}.example.com", "d".repeat(200));
        for (count, to) in
            [(0, "To: undisclosed"), (1, "To: <"), (100, "To: <"), (101, "To: undisclosed"), (20_000, "To: undisclosed")]
        {
            let recipients: Vec<MailboxId> = (0..count).map(|number| format!("+{number:015}").parse().unwrap()).collect();
            let addresses = Addresses::new("edge.example.com", &domain, &recipients);
            let mail = encode(&message, &addresses, TransferEncoding::Base64).to_bytes();
            assert!(memmem::find(&mail, to.as_bytes()).is_some(), "{count}");
            assert_eq!(decode(&mail).unwrap().head(), message.head());
        }
    }

    #[test]
    fn moments_outside_the_date_range_are_written_as_the_nearest() {
        let mut head = decode(&Bytes::from_static(OWN)).unwrap().head().clone();
        let audio = decode(&Bytes::from_static(OWN)).unwrap().audio().clone();
        for (instant, nearest) in [(DateTime::<Utc>::MIN_UTC, own::EARLIEST), (DateTime::<Utc>::MAX_UTC, own::LATEST)] {
            head.recorded_at.instant = instant;
            let addresses = Addresses::new("n", "d", &[]);
            let mail = encode(&Message::new(head.clone(), audio.clone()), &addresses, TransferEncoding::Base64).to_bytes();
            assert_eq!(decode(&mail).unwrap().head().recorded_at.instant, nearest);
        }
    }
}
