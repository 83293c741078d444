//! [`decode`] and [`decode_head`]: an Internet message as a message.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use encodify::{base64, qp};

use super::fields::Fields;
use super::foreign::PartFacts;
use super::limits::JOINED_LIMIT;
use super::parts::{FoundSounds, SoundPart, find_sound, find_sounds};
use super::transfer_decoder::PartEncoding;
use super::{DecodeError, DecodeLimits, foreign, own};
use crate::audio::{FramesError, announced_length, join_all, joined_length, length_of, length_with_gaps, length_within};
use crate::message::{Audio, AudioType, Head, Message};

/// Reads a mail as a message; the message keeps the mail as it [arrived](Message::arrived_as).
///
/// A mail that [`encode`](super::encode) wrote is decoded to the identical value, and its sound is checked against its digest. The content of
/// such a sound is not checked, because the node that recorded it is responsible for that. A foreign mail must have a sound that can be
/// read.
///
/// # Errors
///
/// A [`DecodeError`] that says what is missing or wrong. No bytes make it panic.
pub fn decode(mail: &Bytes) -> Result<Message, DecodeError> {
    decode_within(mail, DecodeLimits::default())
}

/// Reads a mail as a message, as [`decode`] does, if the mail is within `limits`.
///
/// # Errors
///
/// As [`decode`]; a mail beyond a limit is refused with the error for this limit.
pub fn decode_within(mail: &Bytes, limits: DecodeLimits) -> Result<Message, DecodeError> {
    let (fields, body) = Fields::of_mail(mail, limits)?;
    if let Some(head) = own::read(&fields) {
        let part = find_sound(&mail[..], &fields, body, limits)?;
        let audio = audio_of(mail, &part)?;
        part.check_digest(audio.digest())?;
        return Ok(Message::new(head, audio).arrived_as(mail.clone()));
    }
    let FoundSounds { sounds, facts } = find_sounds(&mail[..], &fields, body, limits)?;
    let mut joiner = Joiner::of(sounds.len());
    for part in &sounds {
        let audio = audio_of(mail, part)?;
        part.check_digest(audio.digest())?;
        joiner.add(audio)?;
    }
    let audio = joiner.finish()?;
    let sound = Sound { media: audio.media(), beginning: audio.bytes(), len: audio.len() };
    let head = foreign_head(&fields, &mail[..body], &facts, &sound)?;
    Ok(Message::new(head, audio).arrived_as(mail.clone()))
}

/// Reads the head of a message, without its sound.
///
/// For a mail of this crate it needs the header block only. For a foreign mail it looks for the sound in the rest of `mail`, to find out its
/// duration; if the sound continues beyond the bytes given, the duration is taken from its header. The facts in later parts
/// are missing: whether a forwarded message is urgent or private, and the caller of a business card.
///
/// # Errors
///
/// A [`DecodeError`] when the header block is not that of a message. A sound that is missing or unreadable is no error here.
pub fn decode_head(mail: &[u8]) -> Result<Head, DecodeError> {
    let (fields, body) = Fields::of_mail(mail, DecodeLimits::default())?;
    if let Some(head) = own::read(&fields) {
        return Ok(head);
    }
    let found = find_sounds(mail, &fields, body, DecodeLimits::default()).ok();
    let length = found.as_ref().map_or(Duration::ZERO, |found| length_of_beginning(mail, &found.sounds));
    foreign::head(&fields, &mail[..body], &found.map(|found| found.facts).unwrap_or_default(), length)
}

/// Decodes the sound of a part.
pub(super) fn audio_of(mail: &Bytes, part: &SoundPart) -> Result<Audio, DecodeError> {
    Ok(match sound(mail, part)? {
        Cow::Owned(sound) => Audio::new(part.media, sound),
        Cow::Borrowed(sound) => Audio::new(part.media, mail.slice_ref(sound)),
    })
}

/// Decodes the bytes of a sound; they are borrowed if the mail has them without an encoding.
fn sound<'a>(mail: &'a [u8], part: &SoundPart) -> Result<Cow<'a, [u8]>, DecodeError> {
    let body = &mail[part.body.clone()];
    let decoded = match PartEncoding::named(&part.encoding) {
        Some(PartEncoding::Base64) => base64::MIME.decode(body).map(Cow::Owned).ok(),
        Some(PartEncoding::QuotedPrintable) => qp::BINARY.decode(body).ok(),
        Some(PartEncoding::Identity) => Some(Cow::Borrowed(body)),
        None => None,
    };
    decoded.ok_or_else(|| part.unreadable())
}

/// The beginning of a sound, its type and its size.
pub(super) struct Sound<'a> {
    pub(super) media: AudioType,
    pub(super) beginning: &'a [u8],
    /// How many bytes the whole has.
    pub(super) len: u64,
}

/// Joins the sounds of a foreign mail, if there are several.
pub(super) struct Joiner {
    count: usize,
    sounds: Vec<Audio>,
    /// How many bytes the sounds have together.
    len: u64,
}

impl Joiner {
    /// Returns a joiner for `count` sounds.
    pub(super) fn of(count: usize) -> Self {
        Self { count, sounds: Vec::with_capacity(count), len: 0 }
    }

    /// Adds the next sound. One of several that is empty is left out.
    pub(super) fn add(&mut self, audio: Audio) -> Result<(), DecodeError> {
        self.len = self.len.saturating_add(audio.len());
        if self.count > 1 && self.len > JOINED_LIMIT {
            return Err(DecodeError::JoinedTooLong);
        }
        if self.count == 1 || !audio.is_empty() {
            self.sounds.push(audio);
        }
        Ok(())
    }

    /// Returns the sounds as one.
    pub(super) fn finish(mut self) -> Result<Audio, DecodeError> {
        match self.sounds.len() {
            0 => Err(DecodeError::EmptyAudio),
            1 => self.sounds.pop().ok_or(DecodeError::EmptyAudio),
            _ => join_all(&self.sounds, JOINED_LIMIT).map_err(|error| match error {
                FramesError::Unreadable(error) => DecodeError::UnreadableAudio(error),
                FramesError::TooLong => DecodeError::JoinedTooLong,
            }),
        }
    }
}

/// Returns the head of a foreign mail with the header block `block` and this sound, if the sound can be read.
pub(super) fn foreign_head(fields: &Fields<'_>, block: &[u8], facts: &PartFacts, sound: &Sound<'_>) -> Result<Head, DecodeError> {
    if sound.len == 0 {
        return Err(DecodeError::EmptyAudio);
    }
    let length = length_within(sound.media, sound.beginning, sound.len).map_err(DecodeError::UnreadableAudio)?;
    foreign::head(fields, block, facts, length)
}

/// Returns the duration of the sounds in `mail`, which may be cut short.
fn length_of_beginning(mail: &[u8], parts: &[SoundPart]) -> Duration {
    let of_part = |part: &SoundPart| {
        let Ok(sound) = sound(mail, part) else { return announced_by(part) };
        let length = if part.ended { length_of(part.media, &sound) } else { announced_length(part.media, &sound) };
        length.unwrap_or(announced_by(part))
    };
    let whole = |part: &SoundPart| sound(mail, part).ok().map(|sound| Audio::new(part.media, sound.into_owned()));
    let joined = || {
        let sounds: Vec<_> = parts.iter().filter(|part| part.ended).map(whole).collect::<Option<_>>()?;
        let sounds: Vec<_> = sounds.into_iter().filter(|sound| !sound.is_empty()).collect();
        if parts.iter().all(|part| part.ended) && sounds.len() > 1 { joined_length(&sounds).ok() } else { None }
    };
    match parts {
        [part] => of_part(part),
        parts => joined().unwrap_or_else(|| length_with_gaps(parts.iter().map(of_part).filter(|length| !length.is_zero()))),
    }
}

/// Returns the duration that the part announces.
fn announced_by(part: &SoundPart) -> Duration {
    Duration::from_secs(part.content_duration_secs.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::audio::{AudioError, Format, Frames, Wav};
    use crate::message::{CallDetails, CallerName, CallerNumber, ContentDigest, EndReason, MessageId, Privacy, SiteId, Urgency};

    const OWN: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/own.eml"));
    const OWN_CALL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/own_call.eml"));
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
        assert_eq!((head.urgency, head.privacy, head.end_reason), (Urgency::Urgent, Privacy::Private, EndReason::AtLimit));
        assert_eq!(head.length, Duration::from_micros(50_250));
        assert_eq!((message.audio().media(), message.audio().bytes().len()), (AudioType::Wav, 460));
        assert_eq!(message.mail().unwrap(), OWN.as_bytes());
    }

    #[test]
    fn what_a_mail_says_of_its_call_is_read_in_any_case() {
        let expected = CallDetails::default()
            .called("+493023125000".parse().unwrap())
            .diverted_from("sip:2002@pbx.example".parse().unwrap())
            .call_id("a84b4c76e66710@pc33.example.com".parse().unwrap())
            .field("queue", "Verkauf, Zürich")
            .and_then(|details| details.field("ticket", "17"))
            .unwrap();
        assert_eq!(message(OWN_CALL).head().call_details, expected);
        assert_eq!(message(&OWN_CALL.replace("Voicemail-", "VOICEMAIL-")).head().call_details, expected);
        // A field that this version cannot read is left out, and the mail stays one of this crate.
        let changed = changed(&changed(OWN_CALL, "+493023125000", "+49 30"), "Field-queue", "Field-queue_1");
        let read = message(&changed);
        let CallDetails { called, call_id, fields, .. } = &read.head().call_details;
        assert_eq!((called, call_id.is_some(), fields.len()), (&None, true, 1));
        assert_eq!(read.head().recorded_at.zone, chrono_tz::Europe::Berlin);
    }

    #[test]
    fn our_mail_survives_added_fields_and_changed_line_ends() {
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
    fn a_sound_unlike_its_digest_is_refused_whatever_else_is_wrong() {
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
    fn another_systems_mail_gives_the_message_not_the_spoken_name() {
        let message = message(VPIM);
        assert_eq!(caller(&message), (Some("+12145551234"), Some("Parsons, Glenn")));
        assert_eq!(message.head().recorded_at.instant, instant("2019-08-26T17:20:20Z"));
        assert_eq!((message.audio().media(), message.audio().bytes().len()), (AudioType::Adpcm32, 600));
        assert_eq!(message.head().length, Duration::from_millis(150));
        assert_eq!((message.head().urgency, message.head().privacy), (Urgency::Urgent, Privacy::Private));
    }

    #[test]
    fn an_attachment_is_dated_by_the_last_server_if_its_clock_stood() {
        let message = message(MAIL_PROGRAM);
        assert_eq!(caller(&message), (None, None));
        assert_eq!(message.head().recorded_at.instant, instant("2025-10-26T00:30:05Z"));
        assert_eq!(message.head().length, Duration::from_millis(40));
        assert_eq!(message.head().urgency, Urgency::Urgent);
    }

    #[test]
    fn a_mail_without_message_id_has_a_stable_id_of_its_content() {
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
        assert_eq!(caller(&message(&changed(VPIM, "<+12145551234@", "<non-mail-user@"))), (None, Some("Glenn Parsons")));
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
    fn a_list_that_sees_a_sounds_beginning_trusts_its_header() {
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
            (changed(&changed(ASTERISK, "audio/x-wav", "audio/mpeg"), "UklGR", "SUQzR"), unsupported("audio/mpeg")),
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

    /// A mail with one part after the other, each its fields and its body, in a multipart of this subtype.
    fn multipart(subtype: &str, parts: &[(&str, &str)]) -> String {
        let part = |(fields, body): &(&str, &str)| format!("--b\r\n{fields}\r\n\r\n{body}\r\n");
        let parts = parts.iter().map(part).collect::<Vec<_>>().concat();
        format!("Date: Thu, 5 Mar 2026 10:00:00 Z\r\nContent-Type: multipart/{subtype}; boundary=b\r\n\r\n{parts}--b--\r\n")
    }

    /// A mail whose only part is this sound, under these fields.
    fn with_sound(fields: &str, sound: &[u8]) -> String {
        let fields = format!("{fields}\r\nContent-Transfer-Encoding: base64");
        multipart("mixed", &[(&fields, &base64::MIME.encode(sound))])
    }

    /// A second of silence in a WAV of so many samples a second.
    fn wav(rate: u32) -> Vec<u8> {
        let mut wav = Wav::header(Format { rate, ..Format::TELEPHONE_PCMU }, rate);
        wav.resize(wav.len() + rate as usize, 0xff);
        wav
    }

    fn gsm() -> Vec<u8> {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sounds/frames.gsm")).to_vec()
    }

    #[test]
    fn a_date_in_the_zone_z_leaves_the_field_behind_it_alone() {
        let message = message(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/date_zone_z.eml")));
        let head = message.head();
        assert_eq!(head.recorded_at.instant, instant("2026-03-10T15:00:00Z"));
        assert_eq!((head.privacy, head.urgency), (Privacy::Private, Urgency::Urgent));
        assert_eq!((message.audio().media(), head.length), (AudioType::Wav, Duration::from_millis(50)));
    }

    #[test]
    fn mails_of_other_systems_hold_the_wav_that_they_hold() {
        for mail in [
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/audio_x_wave.eml")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/alternative_gsm_then_wav.eml")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/cte_comment.eml")),
        ] {
            let message = message(mail);
            assert_eq!((message.audio().media(), message.head().length), (AudioType::Wav, Duration::from_millis(50)), "{mail}");
            assert!(message.audio().bytes().starts_with(b"RIFF") && message.audio().len() == 444, "{mail}");
        }
    }

    #[test]
    fn a_wav_is_a_wav_by_its_first_bytes() {
        let sound = wav(8000);
        for fields in [
            "Content-Type: audio/x-wave",
            "Content-Type: audio/x-pn-wav",
            "Content-Type: application/x-wav; name=a",
            "Content-Type: audio/wav; codec=7; rate=8000; charset=binary; x=\"\"",
            "Content-Type: audio/basic",
            "Content-Type: audio/x-gsm",
            "Content-Type: audio/what-nobody-knows",
            "Content-Type: application/octet-stream",
            "Content-Type: application/octet-stream; name=a.mp3",
            "Content-Type: audio/x-WAV; name=\"msg0000.WAV\"\r\nContent-Disposition: inline; voice=Voice-Message",
        ] {
            let message = message(&with_sound(fields, &sound));
            assert_eq!((message.audio().media(), &message.audio().bytes()[..]), (AudioType::Wav, &sound[..]), "{fields}");
            assert_eq!(message.head().length, Duration::from_secs(1), "{fields}");
        }
        assert_eq!(decoded(&with_sound("Content-Type: image/png", &sound)), Err(DecodeError::NoAudio));
    }

    #[test]
    fn what_other_systems_record_is_kept_as_it_is_with_its_length() {
        let sound = |name: &str| std::fs::read(format!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sounds/{}"), name)).unwrap();
        for (file, media, millis) in [
            ("frames.gsm", "audio/x-gsm", 31 * 20),
            ("frames.gsm", "application/octet-stream; name=\"msg0000.gsm\"", 31 * 20),
            ("wav49.wav", "audio/x-WAV", 16 * 40),
            ("gsm-wav49.wav", "audio/x-wav", 13 * 40),
            ("pcm8.wav", "audio/x-wav", 500),
            ("rf64.wav", "audio/x-wav", 500),
            ("odd-list-unpadded.wav", "audio/x-wav", 500),
        ] {
            let bytes = sound(file);
            let message = message(&with_sound(&format!("Content-Type: {media}"), &bytes));
            assert!(message.audio().bytes()[..] == bytes[..], "{file}");
            assert_eq!(message.head().length, Duration::from_millis(millis), "{file} as {media}");
            let frames = Frames::new(message.audio(), 8000.try_into().unwrap()).unwrap();
            assert_eq!(frames.count() as u64, millis / 20, "{file}");
        }
    }

    #[test]
    fn a_headerless_sound_is_read_as_its_name_says() {
        for (media, expected, millis) in [
            ("audio/PCMA", AudioType::Pcma, 1000),
            ("audio/x-mulaw", AudioType::Basic, 1000),
            ("audio/32kadpcm", AudioType::Adpcm32, 2000),
        ] {
            let message = message(&with_sound(&format!("Content-Type: {media}"), &[0x55; 8000]));
            assert_eq!((message.audio().media(), message.head().length), (expected, Duration::from_millis(millis)), "{media}");
        }
    }

    #[test]
    fn the_encoded_name_of_a_file_goes_before_the_plain_one() {
        let fields = "Content-Type: application/octet-stream\r\n\
                      Content-Disposition: attachment; filename=\"msg.txt\"; filename*=UTF-8''n%C2%B0%201.gsm";
        assert_eq!(message(&with_sound(fields, &gsm())).audio().media(), AudioType::Gsm);
        let fields = fields.replace("msg.txt", "msg.gsm").replace("1.gsm", "1.txt");
        assert_eq!(decoded(&with_sound(&fields, &gsm())), Err(DecodeError::NoAudio));
    }

    #[test]
    fn a_rate_at_which_nobody_speaks_is_refused_by_name() {
        let refusal = |rate: u32| decoded(&with_sound("Content-Type: audio/wav", &wav(rate))).err();
        for rate in [1, 3999, 192_001] {
            assert_eq!(refusal(rate), Some(DecodeError::UnreadableAudio(AudioError::Rate(rate))));
        }
        assert_eq!((refusal(4000), refusal(192_000)), (None, None));
        let au = [b".snd".to_vec(), [24_u32, u32::MAX, 1, 1, 1].map(u32::to_be_bytes).concat(), vec![0xff; 3600]].concat();
        assert_eq!(
            decoded(&with_sound("Content-Type: audio/basic", &au)),
            Err(DecodeError::UnreadableAudio(AudioError::Rate(1)))
        );
    }

    #[test]
    fn of_several_sounds_the_one_that_can_be_read_is_the_message() {
        let good = base64::MIME.encode(wav(8000));
        let other = base64::MIME.encode(wav(16_000));
        let (wav, mp3, bad_wav) = ("Content-Type: audio/wav", "Content-Type: audio/mpeg", "Content-Type: audio/x-wav");
        let base64 = |fields: &str| format!("{fields}\r\nContent-Transfer-Encoding: base64");
        let voice = |fields: &str| format!("{}\r\nContent-Disposition: inline; voice=Voice-Message", base64(fields));
        let (wav_voice, mp3_voice, mp3, wav, bad_wav) = (voice(wav), voice(mp3), base64(mp3), base64(wav), base64(bad_wav));
        let attached = base64("Content-Type: application/octet-stream; name=a.wav");
        let (good, other, id3, cut) = (good.as_str(), other.as_str(), "SUQzBAAA\r\n", "UklGRg==\r\n");
        let unsupported = || DecodeError::UnsupportedAudio { found: "audio/mpeg".to_owned() };
        for (subtype, parts, expected) in [
            ("mixed", &[(&mp3[..], id3), (&wav, good)][..], Ok(good)),
            ("mixed", &[(&wav, good), (&mp3, id3)], Ok(good)),
            ("mixed", &[(&bad_wav, cut), (&wav, good)], Ok(good)),
            ("mixed", &[(&mp3, id3), (&attached, good)], Ok(good)),
            ("mixed", &[(&wav, good), (&wav, other)], Ok(good)),
            ("mixed", &[(&mp3_voice, id3), (&wav_voice, good)], Ok(good)),
            ("mixed", &[(&wav, other), (&wav_voice, good)], Ok(good)),
            // The message is there, and it is not the other sound.
            ("mixed", &[(&mp3_voice, id3), (&wav, good)], Err(unsupported())),
            ("alternative", &[(&mp3, id3), (&wav, good)], Ok(good)),
            ("alternative", &[(&wav, good), (&mp3, id3)], Ok(good)),
            ("alternative", &[(&wav, other), (&wav, good), (&bad_wav, cut)], Ok(good)),
            ("alternative", &[(&mp3_voice, id3), (&wav, good)], Ok(good)),
            ("alternative", &[(&wav, cut), (&mp3, id3)], Err(unsupported())),
        ] {
            let sound = decoded(&multipart(subtype, parts)).map(|message| base64::MIME.encode(message.audio().bytes()));
            assert_eq!(sound.as_deref(), expected.as_ref().copied(), "{subtype} {parts:?}");
        }
    }

    fn message_id(text: &str) -> MessageId {
        let digest = ContentDigest::of(text.as_bytes());
        MessageId::from_bytes(digest.as_bytes()[..16].try_into().unwrap())
    }
}
