//! [`encode_for_system`]: a message as a mail to another voicemail system.

use std::time::Duration;

use bytes::Bytes;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::message_id::MessageId as MessageIdField;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};

use super::encode::{random_boundary, whole_seconds, with_call, words};
use super::own;
use super::text::readable_text;
use crate::audio::{FramesError, length_of, to_adpcm32, to_wav};
use crate::message::mailbox::NON_MAIL_USER;
use crate::message::{Audio, AudioType, Caller, CallerName, MailAddress, MailDialect, Message, Stamp, mail_text};

/// The addresses and the form of a mail to another voicemail system.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ToSystem<'a> {
    /// The host name of the node that sends: the right side of `Message-ID`.
    pub node: &'a str,
    /// The mail domain of the mailboxes.
    pub domain: &'a str,
    /// The address of the sender, if the sender has a mailbox in `domain`; else the mail is from `non-mail-user`.
    pub from: Option<&'a MailAddress>,
    /// The address at the other system.
    pub to: &'a MailAddress,
    /// The form that the other system understands.
    pub dialect: MailDialect,
    /// The sender's name as the sender speaks it. A mail in VPIM has it if it takes at most [`SPOKEN_NAME_LIMIT`] seconds and can be decoded.
    pub spoken_name: Option<&'a Audio>,
    /// Whether a mail in VPIM has the business card of the caller.
    pub business_card: bool,
}

impl<'a> ToSystem<'a> {
    /// Returns a mail of the node `node` and the domain `domain` to `to`, from nobody who has a mailbox, with a business card.
    pub const fn new(node: &'a str, domain: &'a str, to: &'a MailAddress, dialect: MailDialect) -> Self {
        Self { node, domain, from: None, to, dialect, spoken_name: None, business_card: true }
    }
}

/// Writes `message` as a mail to another voicemail system.
///
/// The mail has the caller, the moment of recording, the length, the urgency, the privacy and a request for a receipt of the sender; it has
/// no field that only nodes of this crate read, and so none of the integrator's fields.
///
/// ```
/// use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailDialect, Message, RecordedAt};
/// use voicemail::wire::{ToSystem, decode, encode_for_system};
///
/// let quality = ClockQuality::unknown(ClockSource::System);
/// let recorded_at = RecordedAt::new("2025-03-30T00:59:40Z".parse().unwrap(), chrono_tz::Europe::London, quality);
/// let message = Message::builder(Audio::new(AudioType::Basic, vec![0xff; 16_000]), recorded_at).build();
/// let to = "4711@vpim.example".parse()?;
///
/// let mail = encode_for_system(&message, &ToSystem::new("vm.example.com", "example.com", &to, MailDialect::Vpim))?;
/// let read = decode(&mail)?;
/// assert_eq!((read.audio().media(), read.audio().bytes().len()), (AudioType::Adpcm32, 8000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A [`FramesError`] when the dialect needs the sound in another form, and the sound cannot be decoded.
///
/// # Panics
///
/// When the operating system has no random bits to give for the boundary, as in [`MessageId::random`](crate::message::MessageId::random).
///
/// # Source
///
/// RFC 3801 §4 for VPIM; RFC 4239 for Internet mail.
pub fn encode_for_system(message: &Message, to: &ToSystem<'_>) -> Result<Bytes, FramesError> {
    let head = message.head();
    let stamp = Stamp::new(own::representable(head.recorded_at.instant), head.recorded_at.zone);
    let is_vpim = to.dialect != MailDialect::InternetMail;
    let boundary = random_boundary();

    let mut parts = Vec::new();
    if is_vpim {
        parts.extend(spoken_name(to));
    } else {
        parts.push(words(head));
    }
    parts.push(sound(message, to.dialect)?);
    let body = if is_vpim {
        parts.extend(to.business_card.then(|| business_card(&head.caller, to.from)));
        ContentType::new("multipart/voice-message").attribute("version", "2.0")
    } else {
        ContentType::new("multipart/mixed")
    };

    let mut mail = MessageBuilder::new()
        .header("MIME-Version", Raw::new(if is_vpim { "1.0 (Voice 2.0)" } else { "1.0" }))
        .header("Message-Context", Raw::new("voice-message"))
        .header("Message-ID", MessageIdField::new(format!("{}@{}", head.id, to.node)))
        .header("Date", Raw::new(stamp.to_rfc5322()))
        .header("From", from(&head.caller, to))
        .header("To", Address::new_address(None::<&str>, to.to.to_string()))
        .header("Subject", Raw::new(readable_text(&mail_text::subject(head, head.language.as_ref(), head.length))))
        .header("Content-Duration", Raw::new(whole_seconds(message).to_string()));
    if let Some(request) = head.receipt.as_ref().filter(|request| Some(request.to()) == to.from) {
        mail = mail.header("Disposition-Notification-To", Raw::new(format!("<{}>", request.to())));
    }
    let mail = with_call(mail, head).body(MimePart::new(body.attribute("boundary", boundary), parts));
    let mut bytes = Vec::new();
    mail.serialize(&mut bytes);
    Ok(bytes.into())
}

/// Returns the sender's address, with the caller's name.
///
/// # Source
///
/// RFC 3801 §4.1.2: a sender without an address is `non-mail-user`.
fn from<'a>(caller: &'a Caller, to: &ToSystem<'_>) -> Address<'a> {
    let address = to.from.map_or_else(|| format!("{NON_MAIL_USER}@{}", to.domain), ToString::to_string);
    Address::new_address(caller.name.as_ref().map(CallerName::as_str), address)
}

/// Returns the part with the sound, in the form of the dialect.
fn sound(message: &Message, dialect: MailDialect) -> Result<MimePart<'static>, FramesError> {
    let stored = message.audio();
    let audio = match (dialect, stored.media()) {
        (MailDialect::Vpim, _) => to_adpcm32(stored)?,
        (MailDialect::VpimAsStored, _) | (MailDialect::InternetMail, AudioType::Wav | AudioType::Basic) => stored.clone(),
        (MailDialect::InternetMail, _) => to_wav(stored)?,
    };
    let name = format!("{}.{}", message.id(), audio.media().extension());
    let part =
        voice_part(&audio, "Voice-Message", &name).header("Content-Duration", Raw::new(whole_seconds(message).to_string()));
    Ok(match &message.head().language {
        Some(language) => part.header("Content-Language", Raw::new(language.to_string())),
        None => part,
    })
}

/// Returns the part with the sender's spoken name, which comes first; none if there is no name, or it is too long or damaged.
fn spoken_name(to: &ToSystem<'_>) -> Option<MimePart<'static>> {
    let short = |audio: &&Audio| length_of(audio.media(), audio.bytes()).is_some_and(|length| length <= LONGEST_NAME);
    let name = to.spoken_name.filter(short)?;
    // A message with no name is better than none.
    let name = if to.dialect == MailDialect::Vpim { to_adpcm32(name).ok()? } else { name.clone() };
    let file_name = format!("name.{}", name.media().extension());
    Some(voice_part(&name, "Originator-Spoken-Name", &file_name))
}

/// Returns a part with a sound and its role.
///
/// # Source
///
/// RFC 3801 §4.3.2 for the parameter `voice`.
fn voice_part(audio: &Audio, voice: &str, file_name: &str) -> MimePart<'static> {
    let body = BodyPart::Binary(audio.bytes().to_vec().into());
    MimePart::new(ContentType::new(audio.media().mime()), body)
        .header("Content-Disposition", Raw::new(format!("inline; voice={voice}; filename=\"{file_name}\"")))
}

/// Returns the business card of the caller: name, number and address, as far as they are known.
///
/// # Source
///
/// RFC 3801 §4.5.2, by which each system must accept a card, and none need send one; RFC 2426 for the card.
fn business_card(caller: &Caller, address: Option<&MailAddress>) -> MimePart<'static> {
    let name = caller.name.as_ref().map_or_else(String::new, |name| escaped(name.as_str()));
    let number = caller.number.as_ref().map(|number| format!("TEL;TYPE=VOICE:{}", escaped(number.as_str())));
    let email = address.map(|address| format!("EMAIL;TYPE=INTERNET:{}", escaped(&address.to_string())));
    let mut lines = vec!["BEGIN:VCARD".to_owned(), "VERSION:3.0".to_owned(), format!("N:{name}"), format!("FN:{name}")];
    lines.extend(number.into_iter().chain(email));
    lines.push("END:VCARD\r\n".to_owned());
    let card = lines.join("\r\n");
    let media = ContentType::new("text/directory").attribute("charset", "utf-8").attribute("profile", "vCard");
    MimePart::new(media, BodyPart::Text(card.into()))
}

/// Returns a value of a business card, so that no text in it ends it.
///
/// # Source
///
/// RFC 2426 §4.
fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if matches!(letter, '\\' | ';' | ',') {
            value.push('\\');
        }
        value.push(letter);
    }
    value
}

/// The longest spoken name in seconds: a longer one is left out.
///
/// # Source
///
/// RFC 3801 §4.4.3, which expects about 5 seconds.
pub const SPOKEN_NAME_LIMIT: u64 = 12;
const LONGEST_NAME: Duration = Duration::from_secs(SPOKEN_NAME_LIMIT);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ClockQuality, ClockSource, Privacy, ReceiptRequest, RecordedAt, Urgency};
    use crate::wire::decode;

    fn message(name: &str) -> Message {
        let quality = ClockQuality::unknown(ClockSource::System);
        let recorded_at = RecordedAt::new("2025-10-26T01:30:00Z".parse().unwrap(), chrono_tz::Europe::Berlin, quality);
        let caller = Caller::new("+493023125014".parse().ok(), CallerName::cleaned(name));
        Message::builder(Audio::new(AudioType::Basic, vec![0xd5; 20_000]), recorded_at)
            .caller(caller)
            .length(Duration::from_millis(2500))
            .urgency(Urgency::Urgent)
            .privacy(Privacy::Private)
            .build()
    }

    fn written(message: &Message, dialect: MailDialect, from: Option<&MailAddress>, name: Option<&Audio>) -> Bytes {
        let to = "4711@vpim.example".parse().unwrap();
        let to = ToSystem { from, spoken_name: name, ..ToSystem::new("vm.example.com", "example.com", &to, dialect) };
        encode_for_system(message, &to).unwrap()
    }

    #[test]
    fn each_dialect_keeps_who_called_when_and_how_long() {
        let message = message("J. Groß");
        let adpcm = to_adpcm32(message.audio()).unwrap();
        for (dialect, sound) in [
            (MailDialect::Vpim, &adpcm),
            (MailDialect::VpimAsStored, message.audio()),
            (MailDialect::InternetMail, message.audio()),
        ] {
            let read = decode(&written(&message, dialect, None, None)).unwrap();
            let (read_head, head) = (read.head(), message.head());
            assert_eq!(read.audio(), sound, "{dialect}");
            assert_eq!(read_head.caller, head.caller, "{dialect}");
            assert_eq!(read_head.recorded_at.instant, head.recorded_at.instant, "{dialect}");
            assert_eq!(read_head.length, head.length, "{dialect}");
            assert_eq!((read_head.urgency, read_head.privacy), (Urgency::Urgent, Privacy::Private), "{dialect}");
        }
    }

    #[test]
    fn the_message_is_played_though_a_spoken_name_comes_first() {
        let message = message("Anna");
        let spoken = Audio::new(AudioType::Basic, vec![0x55; 8000]);
        let mail = written(&message, MailDialect::VpimAsStored, None, Some(&spoken));
        assert_eq!(decode(&mail).unwrap().audio(), message.audio());
        let text = String::from_utf8(mail.to_vec()).unwrap();
        let place = |mark: &str| text.find(mark).unwrap_or_else(|| panic!("{mark} in {text}"));
        assert!(place("voice=Originator-Spoken-Name") < place("voice=Voice-Message"));
        assert!(text.contains("MIME-Version: 1.0 (Voice 2.0)\r\n"));
        assert!(place("voice=Voice-Message") < place("text/directory"));
        let damaged = Audio::new(AudioType::Wav, &b"RIFF"[..]);
        for (name, has_name) in [(8000 * 12, true), (8000 * 12 + 1, false)]
            .map(|(samples, has_name)| (Audio::new(AudioType::Basic, vec![0x55; samples]), has_name))
            .into_iter()
            .chain([(damaged, false)])
        {
            let mail = written(&message, MailDialect::Vpim, None, Some(&name));
            assert_eq!(String::from_utf8(mail.to_vec()).unwrap().contains("Spoken-Name"), has_name, "{name:?}");
        }
    }

    #[test]
    fn a_system_that_wants_no_business_card_gets_none() {
        let (message, to) = (message("Anna"), "4711@vpim.example".parse().unwrap());
        let to = ToSystem::new("vm.example.com", "example.com", &to, MailDialect::Vpim);
        for business_card in [true, false] {
            let mail = encode_for_system(&message, &ToSystem { business_card, ..to }).unwrap();
            assert_eq!(String::from_utf8(mail.to_vec()).unwrap().contains("text/directory"), business_card);
            assert_eq!(decode(&mail).unwrap().head().caller.number, message.head().caller.number);
        }
    }

    #[test]
    fn no_name_adds_a_field_a_part_or_a_line_of_a_card() {
        let name = "Eve\r\nBcc: all@example.com\r\n\r\n--x;TEL:1,\\n\u{2028}";
        for dialect in MailDialect::ALL {
            let mail = String::from_utf8(written(&message(name), dialect, None, None).to_vec()).unwrap();
            assert!(mail.lines().all(|line| !line.starts_with("Bcc") && line.len() <= 998 && line.is_ascii()), "{mail}");
            assert!(mail.lines().filter(|line| line.starts_with("TEL")).count() <= 1, "{mail}");
        }
        assert_eq!(escaped("a;b,c\\d\r\nTEL:1"), "a\\;b\\,c\\\\dTEL:1");
    }

    #[test]
    fn a_receipt_is_requested_only_for_the_sender() {
        let anna: MailAddress = "2001@example.com".parse().unwrap();
        let message = message("Anna");
        let head = crate::message::Head { receipt: Some(ReceiptRequest::new(anna.clone())), ..message.head().clone() };
        let message = Message::new(head, message.audio().clone());
        let asks = |from| {
            String::from_utf8(written(&message, MailDialect::Vpim, from, None).to_vec()).unwrap().contains("Disposition-Not")
        };
        assert!(asks(Some(&anna)));
        assert!(!asks(None) && !asks(Some(&"2002@example.com".parse().unwrap())));
    }
}
