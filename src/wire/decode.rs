//! [`decode`] and [`decode_head`]: an Internet message as a message.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use encodify::{base64, qp};

use super::fields::Fields;
use super::parts::{SoundPart, find_sound};
use super::unpacking::Packed;
use super::{DecodeError, DecodeLimits, foreign, own};
use crate::audio::{announced_length, length_of, length_within};
use crate::message::{Audio, AudioType, Head, Message};

/// Reads a mail as a message; the message keeps the mail as it [arrived](Message::arrived_as).
///
/// What [`encode`](super::encode) wrote comes back as the identical value, and its sound is checked against the digest beside it: how
/// the sound itself is made is not judged, because the node that recorded it answers for that. A foreign mail must hold a sound that
/// can be read.
///
/// # Errors
///
/// A [`DecodeError`] that says what is missing or wrong. No bytes make it panic.
pub fn decode(mail: &Bytes) -> Result<Message, DecodeError> {
    decode_within(mail, DecodeLimits::default())
}

/// The same for a mail whose form stays within `limits`.
///
/// # Errors
///
/// As [`decode`]; what is beyond a limit is refused for it.
pub fn decode_within(mail: &Bytes, limits: DecodeLimits) -> Result<Message, DecodeError> {
    let (fields, body) = Fields::of_mail(mail, limits)?;
    let part = find_sound(&mail[..], &fields, body, limits)?;
    let audio = audio_of(mail, &part)?;
    if own::digest(&fields).is_some_and(|digest| digest != audio.digest()) {
        return Err(DecodeError::DigestMismatch);
    }
    let sound = Sound { media: part.media, beginning: audio.bytes(), len: audio.len() };
    let head = head_of(&fields, &mail[..body], &sound)?;
    Ok(Message::new(head, audio).arrived_as(mail.clone()))
}

/// Reads what is known of a message without its sound.
///
/// Of our own mail it needs the header block and looks at no more. For a foreign mail it looks for the sound in as much of the rest as
/// is given, for its length only; when the sound goes on beyond what is given, its header's account is taken.
///
/// # Errors
///
/// A [`DecodeError`] when the header block tells no message. A sound that is missing or unreadable is no error here.
pub fn decode_head(mail: &[u8]) -> Result<Head, DecodeError> {
    let (fields, body) = Fields::of_mail(mail, DecodeLimits::default())?;
    match own::read(&fields) {
        Some(head) => Ok(head),
        None => foreign::head(&fields, &mail[..body], length_by_what_is_there(mail, &fields, body)),
    }
}

/// The sound of a part.
pub(super) fn audio_of(mail: &Bytes, part: &SoundPart) -> Result<Audio, DecodeError> {
    Ok(match sound(mail, part)? {
        Cow::Owned(sound) => Audio::new(part.media, sound),
        Cow::Borrowed(sound) => Audio::new(part.media, mail.slice_ref(sound)),
    })
}

/// The sound's own bytes; borrowed when they stand in the mail as they are.
fn sound<'a>(mail: &'a [u8], part: &SoundPart) -> Result<Cow<'a, [u8]>, DecodeError> {
    let body = &mail[part.body.clone()];
    let decoded = match Packed::named(&part.encoding) {
        Some(Packed::Base64) => base64::MIME.decode(body).map(Cow::Owned).ok(),
        Some(Packed::QuotedPrintable) => qp::BINARY.decode(body).ok(),
        Some(Packed::AsItIs) => Some(Cow::Borrowed(body)),
        None => None,
    };
    decoded.ok_or_else(|| part.unreadable())
}

/// As much of a sound as tells what it is.
pub(super) struct Sound<'a> {
    pub(super) media: AudioType,
    pub(super) beginning: &'a [u8],
    /// How many bytes the whole has.
    pub(super) len: u64,
}

/// The head of a mail whose header block is `block`: our own, or what can be made of a foreign one with this sound in it.
pub(super) fn head_of(fields: &Fields<'_>, block: &[u8], sound: &Sound<'_>) -> Result<Head, DecodeError> {
    match own::read(fields) {
        Some(head) => Ok(head),
        None => foreign::head(fields, block, readable_length(sound)?),
    }
}

/// How long a foreign sound is, if it is one.
fn readable_length(sound: &Sound<'_>) -> Result<Duration, DecodeError> {
    if sound.len == 0 {
        return Err(DecodeError::EmptyAudio);
    }
    length_within(sound.media, sound.beginning, sound.len).map_err(DecodeError::UnreadableAudio)
}

fn length_by_what_is_there(mail: &[u8], fields: &Fields<'_>, body: usize) -> Duration {
    let Ok(part) = find_sound(mail, fields, body, DecodeLimits::default()) else { return Duration::ZERO };
    let Ok(sound) = sound(mail, &part) else { return said(&part) };
    let length = if part.ended { length_of(part.media, &sound) } else { announced_length(part.media, &sound) };
    length.unwrap_or(said(&part))
}

/// The length by the part's own account.
fn said(part: &SoundPart) -> Duration {
    Duration::from_secs(part.content_duration_secs.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::audio::AudioError;
    use crate::message::{CallerName, CallerNumber, ContentDigest, Ending, MessageId, Privacy, SiteId, Urgency};

    const OWN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/own.eml"));
    const ASTERISK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/asterisk.eml"));
    const VPIM: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/vpim.eml"));
    const MAIL_PROGRAM: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/mail_program.eml"));

    fn decoded(mail: &str) -> Result<Message, DecodeError> {
        decode(&Bytes::copy_from_slice(mail.as_bytes()))
    }

    /// Reads `mail`, and shows that its head alone reads the same.
    fn message(mail: &str) -> Message {
        let message = decoded(mail).unwrap();
        assert_eq!(&decode_head(mail.as_bytes()).unwrap(), message.head());
        message
    }

    /// `mail` with the one place that reads `from` changed.
    fn changed(mail: &str, from: &str, to: &str) -> String {
        assert_eq!(mail.matches(from).count(), 1, "{from}");
        mail.replace(from, to)
    }

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn caller(message: &Message) -> (Option<&str>, Option<&str>) {
        let caller = &message.head().caller;
        (caller.number.as_ref().map(CallerNumber::as_str), caller.name.as_ref().map(CallerName::as_str))
    }

    #[test]
    fn our_own_mail_is_read_to_the_last_field() {
        let message = message(OWN);
        let head = message.head();
        assert_eq!(head.id.to_string(), "0123456789abcdef0123456789abcdef");
        assert_eq!(caller(&message), (Some("+493023125014"), Some("Jürgen Groß")));
        assert_eq!(head.recorded_at.instant, instant("2025-10-26T00:30:00.25Z"));
        assert_eq!(head.recorded_at.zone, chrono_tz::Europe::Berlin);
        assert_eq!(head.recorded_at.quality.to_string(), "sntp; offset=-0.003500; uncertainty=0.010000; age=12");
        assert_eq!(head.site.as_ref().map(SiteId::as_str), Some("berlin-2"));
        assert_eq!((head.urgency, head.privacy, head.ending), (Urgency::Urgent, Privacy::Private, Ending::AtLimit));
        assert_eq!(head.length, Duration::from_micros(50_250));
        assert_eq!((message.audio().media(), message.audio().bytes().len()), (AudioType::Wav, 460));
        assert_eq!(message.mail().unwrap(), OWN.as_bytes());
    }

    #[test]
    fn our_own_mail_survives_servers_that_add_fields_or_change_line_ends() {
        let relayed = format!("Received: from edge by relay; Sun, 26 Oct 2025 03:30:00 +0100\r\nX-Spam: no\r\n{OWN}\r\n");
        for mail in [relayed, OWN.replace("\r\n", "\n"), OWN.replace("Voicemail-", "VOICEMAIL-")] {
            assert_eq!(message(&mail).head(), message(OWN).head());
            assert_eq!(message(&mail).audio(), message(OWN).audio());
        }
    }

    #[test]
    fn a_mail_of_our_form_with_an_unreadable_field_is_foreign() {
        for (from, to) in [
            ("[Europe/Berlin]", "[Europe/Atlantis]"),
            ("2025-10-26T02:30:00.250+02:00", "9999-12-31T23:59:59-23:59"),
            ("sntp; offset=-0.003500", "sundial"),
            ("Voicemail-Ending: at-limit", "Voicemail-Ending: never"),
            ("Voicemail-Site: berlin-2", "Voicemail-Site: Berlin, office 2"),
            ("Voicemail-Length: 0.050250000", "Voicemail-Length: -1"),
            ("Voicemail-Length: 0.050250000", "Voicemail-Length: 18446744073709551615.4294967295"),
            ("Voicemail-Length: 0.050250000", "Voicemail-Length: 18446744073709551616.000000000"),
            ("Message-ID: <0123456789abcdef0123456789abcdef@", "Message-ID: <1@"),
        ] {
            let message = message(&changed(OWN, from, to));
            assert_eq!(message.head().recorded_at.zone, chrono_tz::UTC, "{to}");
            assert_eq!(message.head().recorded_at.instant, instant("2025-10-26T00:30:00Z"), "{to}");
            assert_eq!(message.head().length, Duration::from_micros(50_250), "{to}");
        }
    }

    #[test]
    fn a_sound_that_is_not_the_one_of_the_digest_is_refused_whatever_else_is_wrong() {
        let exchanged = changed(OWN, "mqGorw==", "mqGprw==");
        assert_eq!(decoded(&exchanged), Err(DecodeError::DigestMismatch));
        let foreign = changed(&exchanged, "Voicemail-Ending: at-limit", "Voicemail-Ending: never");
        assert_eq!(decoded(&foreign), Err(DecodeError::DigestMismatch));
        assert!(DecodeError::DigestMismatch.concerns_audio());
    }

    #[test]
    fn a_mail_of_asterisk_is_understood() {
        let message = message(ASTERISK);
        assert_eq!(caller(&message), (Some("2417"), Some("lodie Lefvre")));
        assert_eq!(message.head().recorded_at.instant, instant("2026-11-22T15:36:24Z"));
        assert_eq!(message.head().length, Duration::from_millis(50));
        assert_eq!(message.head().id, message_id("<Asterisk-1-1310405980-2001-5628@remote1.example>"));
        assert_eq!((message.head().urgency, message.head().privacy), (Urgency::Normal, Privacy::Normal));
        assert!(message.audio().bytes().starts_with(b"RIFF") && message.audio().bytes().len() == 844);
    }

    #[test]
    fn a_mail_of_another_voicemail_system_gives_the_message_and_not_the_spoken_name() {
        let message = message(VPIM);
        assert_eq!(caller(&message), (Some("+12145551234"), Some("Parsons, Glenn")));
        assert_eq!(message.head().recorded_at.instant, instant("2019-08-26T17:20:20Z"));
        assert_eq!((message.audio().media(), message.audio().bytes().len()), (AudioType::Adpcm32, 600));
        assert_eq!(message.head().length, Duration::from_millis(150));
        assert_eq!((message.head().urgency, message.head().privacy), (Urgency::Urgent, Privacy::Private));
    }

    #[test]
    fn what_a_mail_program_attached_is_found_and_dated_by_the_last_server_when_its_clock_stood_still() {
        let message = message(MAIL_PROGRAM);
        assert_eq!(caller(&message), (None, None));
        assert_eq!(message.head().recorded_at.instant, instant("2025-10-26T00:30:05Z"));
        assert_eq!(message.head().length, Duration::from_millis(40));
        assert_eq!(message.head().urgency, Urgency::Urgent);
    }

    #[test]
    fn a_mail_without_a_message_id_has_the_same_id_each_time_and_another_mail_another() {
        let other = changed(MAIL_PROGRAM, "=?ISO-8859-1?Q?f=FCr?= dich", "again");
        assert_eq!(message(MAIL_PROGRAM).id(), message(MAIL_PROGRAM).id());
        assert_ne!(message(MAIL_PROGRAM).id(), message(&other).id());
    }

    #[test]
    fn the_caller_is_who_the_most_exact_field_says() {
        let with = |fields: &str| format!("{fields}{VPIM}");
        for (fields, expected) in [
            (
                "Caller-ID: 12145551212; NumberingPlan=E164\r\nCaller-Name: =?iso-8859-1?Q?Zo=EB?=\r\n",
                (Some("+12145551212"), Some("Zoë")),
            ),
            ("Caller-ID: 2417\r\nX-Asterisk-CallerID: 99\r\n", (Some("2417"), None)),
            ("Caller-Name: Anna\r\n", (None, Some("Anna"))),
            ("X-Asterisk-CallerID: Unknown\r\n", (None, None)),
        ] {
            assert_eq!(caller(&message(&with(fields))), expected, "{fields}");
        }
        assert_eq!(caller(&message(&changed(VPIM, "<+12145551234@", "<non-mail-user@"))), (None, None));
    }

    #[test]
    fn every_transfer_encoding_gives_the_same_sound() {
        let head = "Date: Mon, 26 Aug 2019 10:20:20 -0700\r\nContent-Type: audio/basic\r\n";
        for (encoding, body) in [
            ("Content-Transfer-Encoding: BASE64\r\n", "YT1i\r\n/w=="),
            ("Content-Transfer-Encoding: quoted-printable\r\n", "a=3Db=\r\n=FF"),
        ] {
            let message = message(&format!("{head}{encoding}\r\n{body}"));
            assert_eq!(&message.audio().bytes()[..], b"a=b\xff", "{encoding}");
        }
        for encoding in ["", "Content-Transfer-Encoding: 8bit\r\n", "Content-Transfer-Encoding: binary\r\n"] {
            assert_eq!(&message(&format!("{head}{encoding}\r\na=b")).audio().bytes()[..], b"a=b", "{encoding}");
        }
    }

    #[test]
    fn a_list_that_sees_only_the_beginning_of_a_foreign_sound_takes_its_headers_word() {
        let cut = ASTERISK.find("UklGR").unwrap() + 160;
        assert_eq!(decode_head(&ASTERISK.as_bytes()[..cut]).unwrap(), *message(ASTERISK).head());
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_reason() {
        let unsupported = |found: &str| DecodeError::UnsupportedAudio { found: found.to_owned() };
        let encoding = |encoding: &str| DecodeError::TransferEncoding { encoding: encoding.to_owned() };
        for (mail, error) in [
            ("Subject: hello\r\n".to_owned(), DecodeError::HeaderCutShort),
            ("Subject: hello\r\n\r\nhello".to_owned(), DecodeError::NoAudio),
            (changed(ASTERISK, "audio/x-wav", "image/png"), DecodeError::NoAudio),
            (changed(ASTERISK, "audio/x-wav", "audio/mpeg"), unsupported("audio/mpeg")),
            (changed(ASTERISK, "UklGR", "AklGR"), DecodeError::UnreadableAudio(AudioError::NotWav)),
            (changed(ASTERISK, "Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: x-uue"), encoding("x-uue")),
            (changed(ASTERISK, "UklGR", "Ukl\u{1}R"), encoding("base64")),
            (
                changed(ASTERISK, "\r\n\r\nUklGR", "\r\n------voicemail_122001562813104059 80\r\n\r\nUklGR"),
                DecodeError::EmptyAudio,
            ),
            (changed(VPIM, "Date: Mon, 26 Aug 2019", "Date: Mon, 31 Feb 2019"), DecodeError::NoDate),
            (changed(VPIM, "Date: Mon, 26 Aug 2019", "Date: Mon, 26 Aug 1970"), DecodeError::NoDate),
        ] {
            assert_eq!(decoded(&mail).unwrap_err(), error);
        }
    }

    fn message_id(text: &str) -> MessageId {
        let digest = ContentDigest::of(text.as_bytes());
        MessageId::from_bytes(digest.as_bytes()[..16].try_into().unwrap())
    }
}
