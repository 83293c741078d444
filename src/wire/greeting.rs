//! A greeting as a mail from the central node to another, and back.

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, SecondsFormat, Utc};
use encodify::base64;
use memchr::memmem;

use super::decode::audio_of;
use super::fields::Fields;
use super::parts::find_sound;
use super::{DecodeError, DecodeLimits, own};
use crate::greeting::{Edition, Greeting, GreetingId};
use crate::message::mailbox::NODE_SENDER;
use crate::message::{Audio, Stamp};

/// A mail from the central node about a greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GreetingMail {
    /// An edition of a greeting, with its sound; or its removal.
    Greeting(Greeting),
    /// The offer of an edition, without its sound: a node that does not have this edition asks for the sound.
    Offer(GreetingId, Edition),
}

impl GreetingMail {
    /// Returns the id of the greeting.
    pub fn id(&self) -> &GreetingId {
        match self {
            Self::Greeting(greeting) => greeting.id(),
            Self::Offer(id, _) => id,
        }
    }

    /// Returns the id of the greeting, and the edition.
    #[cfg(feature = "smtp")]
    pub(crate) fn names(&self) -> (GreetingId, Edition) {
        match self {
            Self::Greeting(greeting) => (greeting.id().clone(), greeting.edition()),
            Self::Offer(id, edition) => (id.clone(), *edition),
        }
    }
}

/// Writes a greeting, or the offer of one, as a mail from the node `node` to the mailbox's address in `domain`.
///
/// ```text
/// MIME-Version: 1.0
/// Message-ID: <00001743296380000000.normal.2041@central.example.com>
/// Date: Sun, 30 Mar 2025 00:59:40 +0000                       when it was recorded
/// From: <voicemail@central.example.com>
/// To: <2041@example.com>
/// Subject: Voicemail greeting
/// Auto-Submitted: auto-generated                              RFC 3834
/// Voicemail-Greeting: 2041 normal                             whose, and for which calls
/// Voicemail-Greeting-Version: 00001743296380000000            microseconds since 1970
/// Voicemail-Greeting-Sound: here                              or removed, or on-request
/// Voicemail-Greeting-Until: 2025-04-06T00:00:00Z              its end, if it has one
/// Voicemail-Digest: sha-256=..                                of the sound, unless it was removed
/// Content-Type: audio/wav
/// Content-Transfer-Encoding: base64
/// Content-Disposition: inline; filename="2041-normal.wav"
/// ```
///
/// The lines are short and ASCII, so that any mail server can carry it. A node of a version before ends takes a greeting with an end as one
/// without, and plays it until the central node, which notices the end, sends the removal.
pub fn encode_greeting(mail: &GreetingMail, node: &str, domain: &str) -> Bytes {
    let (id, edition, sound) = match mail {
        GreetingMail::Greeting(greeting) => (greeting.id(), greeting.edition(), greeting.sound()),
        GreetingMail::Offer(id, edition) => (id, *edition, None),
    };
    let state = match mail {
        GreetingMail::Greeting(greeting) if greeting.sound().is_some() => HERE,
        GreetingMail::Offer(_, Edition { digest: Some(_), .. }) => ON_REQUEST,
        _ => REMOVED,
    };
    let GreetingId { mailbox, kind } = id;
    let version = edition.version;
    let date = Stamp::new(own::representable(version.recorded_at()), chrono_tz::UTC).to_rfc5322();
    let digest = edition.digest.map_or(String::new(), |digest| format!("{}: sha-256={digest}\r\n", own::DIGEST));
    let until = match mail {
        GreetingMail::Greeting(greeting) => greeting.until(),
        GreetingMail::Offer(..) => None,
    };
    let until = until.map_or(String::new(), |until| format!("{UNTIL}: {}\r\n", until.to_rfc3339_opts(SecondsFormat::Secs, true)));
    let head = format!(
        "MIME-Version: 1.0\r\n\
         Message-ID: <{version}.{kind}.{mailbox}@{node}>\r\n\
         Date: {date}\r\n\
         From: <{NODE_SENDER}@{node}>\r\n\
         To: <{mailbox}@{domain}>\r\n\
         Subject: Voicemail greeting\r\n\
         Auto-Submitted: auto-generated\r\n\
         {GREETING}: {mailbox} {kind}\r\n\
         {VERSION}: {version}\r\n\
         {SOUND}: {state}\r\n\
         {until}{digest}"
    );
    let mut bytes = BytesMut::from(head.as_bytes());
    match sound {
        Some(sound) => {
            let (media, extension) = (sound.media(), sound.media().extension());
            let part = format!(
                "Content-Type: {media}\r\n\
                 Content-Transfer-Encoding: base64\r\n\
                 Content-Disposition: inline; filename=\"{mailbox}-{kind}.{extension}\"\r\n\
                 \r\n"
            );
            bytes.extend_from_slice(part.as_bytes());
            bytes.extend_from_slice(base64::MIME.encode(sound.bytes()).as_bytes()); // with a line end after the last line
        }
        None => bytes.extend_from_slice(
            b"Content-Type: text/plain; charset=us-ascii\r\n\r\nThis mail is from one voicemail node to another, about a greeting.\r\n",
        ),
    }
    bytes.freeze()
}

/// Reads a mail about a greeting; `None` for any other mail.
///
/// # Errors
///
/// A [`DecodeError`] for a mail that is about a greeting and cannot be read as one, also when its sound does not match its digest. No
/// bytes make it panic.
pub fn decode_greeting(mail: &Bytes, limits: DecodeLimits) -> Result<Option<GreetingMail>, DecodeError> {
    // Every message is checked, so this has to be quick.
    if memmem::find(&mail[..mail.len().min(limits.head)], GREETING.as_bytes()).is_none() {
        return Ok(None);
    }
    let (fields, body) = Fields::of_mail(mail, limits)?;
    let Some(id) = fields.text(GREETING) else { return Ok(None) };
    let id = read_id(&id).ok_or(DecodeError::InvalidGreeting { field: GREETING })?;
    let version = fields.text(VERSION).and_then(|version| version.parse().ok());
    let version = version.ok_or(DecodeError::InvalidGreeting { field: VERSION })?;
    let digest = || own::digest(&fields).ok_or(DecodeError::InvalidGreeting { field: own::DIGEST });
    match fields.text(SOUND).as_deref() {
        Some(REMOVED) => Ok(Some(GreetingMail::Greeting(Greeting::new(id, version, None)))),
        Some(ON_REQUEST) => Ok(Some(GreetingMail::Offer(id, Edition { version, digest: Some(digest()?) }))),
        Some(HERE) => {
            let digest = digest()?;
            let sound: Audio = audio_of(mail, &find_sound(&mail[..], &fields, body, limits)?)?;
            match sound.digest() == digest {
                _ if sound.bytes().is_empty() => Err(DecodeError::EmptyAudio),
                true => {
                    let greeting = Greeting::new(id, version, Some(sound));
                    Ok(Some(GreetingMail::Greeting(read_until(&fields)?.into_iter().fold(greeting, Greeting::with_until))))
                }
                false => Err(DecodeError::DigestMismatch),
            }
        }
        _ => Err(DecodeError::InvalidGreeting { field: SOUND }),
    }
}

/// The end of a greeting; `None` if it has none.
fn read_until(fields: &Fields) -> Result<Option<DateTime<Utc>>, DecodeError> {
    let until = fields.text(UNTIL).map(|until| DateTime::parse_from_rfc3339(&until).map(|until| until.to_utc()));
    until.transpose().map_err(|_| DecodeError::InvalidGreeting { field: UNTIL })
}

/// `2041 normal`.
fn read_id(text: &str) -> Option<GreetingId> {
    let (mailbox, kind) = text.split_once(' ')?;
    Some(GreetingId::new(mailbox.parse().ok()?, kind.parse().ok()?))
}

const GREETING: &str = "Voicemail-Greeting";
const VERSION: &str = "Voicemail-Greeting-Version";
const SOUND: &str = "Voicemail-Greeting-Sound";
const UNTIL: &str = "Voicemail-Greeting-Until";
const HERE: &str = "here";
const ON_REQUEST: &str = "on-request";
const REMOVED: &str = "removed";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::greeting::{GreetingKind, GreetingVersion};
    use crate::message::mailbox::tests::any_mailbox;
    use crate::message::{AudioType, ContentDigest};

    /// A mail about a greeting, written down byte for byte.
    const GREETING_MAIL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/greeting.eml"));

    fn decoded(mail: &str) -> Result<Option<GreetingMail>, DecodeError> {
        decode_greeting(&Bytes::copy_from_slice(mail.as_bytes()), DecodeLimits::default())
    }

    fn greeting(sound: Option<Audio>) -> Greeting {
        let id = GreetingId::new("2041".parse().unwrap(), GreetingKind::Busy);
        Greeting::new(id, GreetingVersion::next(None, "2025-03-30T00:59:40.5Z".parse().unwrap()), sound)
    }

    fn mails() -> impl Strategy<Value = GreetingMail> {
        let media = prop::sample::select(AudioType::ALL.to_vec());
        let sound = prop::option::of((media, prop::collection::vec(any::<u8>(), 1..300)));
        let instant = (0..250_000_000_000_i64).prop_map(|secs| chrono::DateTime::from_timestamp(secs, 1000).unwrap());
        let kind = prop::sample::select(GreetingKind::ALL.to_vec());
        let until = prop::option::of((0..250_000_000_000_i64).prop_map(|secs| DateTime::from_timestamp(secs, 0).unwrap()));
        (any_mailbox(), kind, instant, sound, any::<bool>(), until).prop_map(|(mailbox, kind, instant, sound, offered, until)| {
            let sound = sound.map(|(media, bytes)| Audio::new(media, bytes));
            let id = GreetingId::new(mailbox, kind);
            let greeting = Greeting::new(id.clone(), GreetingVersion::next(None, instant), sound);
            let greeting = until.into_iter().fold(greeting, Greeting::with_until);
            match greeting.edition() {
                edition @ Edition { digest: Some(_), .. } if offered => GreetingMail::Offer(id, edition),
                _ => GreetingMail::Greeting(greeting),
            }
        })
    }

    proptest! {
        #[test]
        fn every_greeting_reads_back_as_it_was(mail in mails()) {
            let written = encode_greeting(&mail, "central.example.com", "example.com");
            let text = std::str::from_utf8(&written).unwrap();
            prop_assert!(text.lines().all(|line| line.len() <= 998 && line.is_ascii()));
            prop_assert_eq!(decode_greeting(&written, DecodeLimits::default()), Ok(Some(mail)));
        }

        #[test]
        fn a_greeting_damaged_on_the_way_is_never_taken_for_whole(at in any::<prop::sample::Index>(), bit in 0..7_u8) {
            let mut damaged = GREETING_MAIL.as_bytes().to_vec();
            let body = GREETING_MAIL.find("\r\n\r\n").unwrap() + 4;
            let at = body + at.index(damaged.len() - body);
            damaged[at] ^= 1 << bit;
            if let Ok(read) = decode_greeting(&damaged.into(), DecodeLimits::default()) {
                prop_assert_eq!(read, decoded(GREETING_MAIL).unwrap());
            }
        }
    }

    #[test]
    fn a_greeting_is_written_as_it_always_was() {
        let sound = Audio::new(
            AudioType::Wav,
            &b"RIFF$\0\0\0WAVEfmt \x12\0\0\0\x07\0\x01\0@\x1f\0\0@\x1f\0\0\x01\0\x08\0\0\0data\0\0\0\0"[..],
        );
        let mail = GreetingMail::Greeting(greeting(Some(sound)));
        let written = encode_greeting(&mail, "central.example.com", "example.com");
        assert_eq!(String::from_utf8_lossy(&written), GREETING_MAIL);
        assert_eq!(decoded(GREETING_MAIL), Ok(Some(mail)));
        let relayed = format!("Received: from a by b; Sun, 26 Oct 2025 03:30:00 +0100\r\n{GREETING_MAIL}");
        assert_eq!(decoded(&relayed), decoded(GREETING_MAIL));
    }

    #[test]
    fn the_end_is_a_field_and_a_malformed_one_is_refused() {
        let until = "2025-04-06T00:00:00Z";
        let with = |end: &str| {
            GREETING_MAIL.replace("Voicemail-Digest:", &format!("Voicemail-Greeting-Until: {end}\r\nVoicemail-Digest:"))
        };
        let Ok(Some(GreetingMail::Greeting(read))) = decoded(&with(until)) else { panic!("it can be read") };
        assert_eq!(read.until(), Some(until.parse().unwrap()));
        let written = encode_greeting(&GreetingMail::Greeting(read), "central.example.com", "example.com");
        assert_eq!(String::from_utf8_lossy(&written), with(until));
        for end in ["never", "2025-04-06", "1743897600"] {
            assert_eq!(decoded(&with(end)), Err(DecodeError::InvalidGreeting { field: UNTIL }), "{end}");
        }
    }

    #[test]
    fn mail_without_greeting_is_none_and_a_broken_one_says_why() {
        let message = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/own.eml"));
        assert_eq!(decoded(message), Ok(None));
        for (from, to, field) in [
            ("2041 busy", "2041 lazy", GREETING),
            ("2041 busy", "no one busy", GREETING),
            ("00001743296380500000\r\nVoicemail-Greeting-Sound", "17\r\nVoicemail-Greeting-Sound", VERSION),
            ("Sound: here", "Sound: there", SOUND),
            ("Digest: sha-256=", "Digest: md5=", own::DIGEST),
        ] {
            assert_eq!(GREETING_MAIL.matches(from).count(), 1, "{from}");
            assert_eq!(decoded(&GREETING_MAIL.replace(from, to)), Err(DecodeError::InvalidGreeting { field }), "{to}");
        }
        let digest = ContentDigest::of(b"another sound").to_string();
        let (_, rest) = GREETING_MAIL.split_once("sha-256=").unwrap();
        assert_eq!(decoded(&GREETING_MAIL.replace(&rest[..64], &digest)), Err(DecodeError::DigestMismatch));
    }

    #[test]
    fn a_mail_cut_short_anywhere_never_panics_and_is_never_another() {
        for len in 0..GREETING_MAIL.len() {
            if let Ok(Some(read)) = decoded(&GREETING_MAIL[..len]) {
                assert_eq!(Ok(Some(read)), decoded(GREETING_MAIL), "{len}");
            }
        }
    }
}
