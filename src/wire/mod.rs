//! Messages as Internet messages, and back: bytes to values and values to bytes, without I/O.
//!
//! [`encode`] writes a [`Message`](crate::message::Message) as RFC 5322 and MIME, so that any mail server can carry it and any mail
//! client can play it; [`decode`] reads what [`encode`] wrote back to the identical value, and reads what other voicemail systems
//! and mail programs write as well as it can be understood. [`decode_head`] does the same without the sound.
//! [`encode_greeting`] and [`decode_greeting`] do it for greetings, which go from the central node to others.
//!
//! # The form of a message
//!
//! ```text
//! MIME-Version: 1.0
//! Message-Context: voice-message                                      RFC 3458
//! Message-ID: <0123456789abcdef0123456789abcdef@edge.example.com>     the id, at the node that sends
//! Date: Sun, 26 Oct 2025 02:30:00 +0200                               when it was completed, in the site's zone
//! From: "J. Groß" <+493023125014@edge.example.com>                    non-mail-user@.. for a withheld number, RFC 3801
//! To: <2002@example.com>
//! Subject: =?utf-8?B?U3ByYWNobmFjaHJpY2h0IHZvbiBKLiBHcm/DnyArNDkzMDIzMTI1MDE0LCAwOjEx?=
//! Content-Duration: 11                                                whole seconds, rounded up, RFC 3803
//! Caller-ID: 493023125014, NumberingPlan=e164                         RFC 3939; local for a number without a plus
//! Caller-Name: =?utf-8?B?Si4gR3Jvw58=?=
//! Importance: High                                                    only when urgent
//! Sensitivity: Private                                                only when private
//! Voicemail-Recorded-At: 2025-10-26T02:30:00+02:00[Europe/Berlin]     instant, offset and zone, RFC 9557
//! Voicemail-Clock: sntp; offset=0.003500; uncertainty=0.010000; age=12
//! Voicemail-Site: berlin-2                                            only when known
//! Voicemail-Digest: sha-256=..                                        of the sound, 64 hexadecimal digits
//! Voicemail-Length: 10.441000000                                      seconds, to the nanosecond
//! Voicemail-Ending: complete                                          or at-limit, truncated
//! Voicemail-Called: +493023125000                                     only when known; so the next three
//! Voicemail-Diverted-From: 2002
//! Voicemail-Call-ID: a84b4c76e66710@pc33.example.com
//! Voicemail-Field-Queue: =?utf-8?B?WsO8cmljaA==?=                     each field of the integrator's, in any script
//! Voicemail-Language: de                                              of its owner, only when known
//! Voicemail-Custody: 1;edge.example.com;..                            only to a relay: asks for the receipt of the node that stores the message
//! Disposition-Notification-To: <anna@far.example>                     only when a receipt is requested, RFC 8098; then From is she
//! Voicemail-Receipt-About: <1@far.example>                            the Message-ID of her mail, or unknown
//! Voicemail-Report: displayed 2002 .. 2025-10-26T01:30:00Z            only of a receipt: what became of which message
//! Content-Type: multipart/mixed; boundary=".."
//! Content-Transfer-Encoding: binary                                   only when the sound is
//!
//! --..
//! Content-Type: text/plain; charset="utf-8"
//! Content-Language: de
//! Content-Disposition: inline; handling=OPTIONAL                      RFC 3459
//! Content-Transfer-Encoding: quoted-printable                         or 7bit, or base64
//!
//! Sprachnachricht von J. Gro=C3=9F +493023125014
//! L=C3=A4nge: 0:11
//! Aufgenommen: 2025-10-26 02:30 +02:00 Europe/Berlin
//!
//! --..
//! Content-Type: audio/wav; name="..wav"
//! Content-Transfer-Encoding: base64                                   or binary
//! Content-Disposition: inline; voice=Voice-Message; filename="..wav"
//! Content-Duration: 11
//! ```
//!
//! The subject and the text part are for people, and no decoder of this crate reads them. They name the caller, the length and the time, in the
//! owner's language if the message has it and the telephone speaks it, else in English. The time is in the zone of the PBX that recorded.
//!
//! A text part is right for every receiver of voice mail, because the mail is a `multipart/mixed` with `Message-Context: voice-message`, as RFC
//! 4239 asks for: only the `multipart/voice-message` of RFC 3801, which this crate reads and never writes, may have nothing but voice, fax and
//! business cards. A receiver finds the sound by `voice=Voice-Message`, and may drop the text, which is marked as optional.
//!
//! # Passes over the sound
//!
//! | operation | reads and writes |
//! |---|---|
//! | encode, base64 | one: each byte is read once and its base64 written once, with line ends |
//! | encode, binary | one search for the boundary; nothing is copied |
//! | decode, base64 | one search for the boundary, one decoding, one SHA-256 of the result |
//! | decode, binary | one search for the boundary, one SHA-256; the sound is a slice of the mail |
//!
//! # Trust
//!
//! A mail has the form of this crate when every `Voicemail-` field is there and can be read, but for those about the call, which are left
//! out where they cannot be read; else it is foreign. Anyone can write such
//! fields, so they are trusted no more than a `Date` or a `From`. Where a message really came from is its
//! [`Origin`](crate::message::Origin), which is in no field. The digest is checked in every mail that has one.
//!
//! # Mail of other systems
//!
//! A header block is split into fields before any is read, and each field is read alone: no field changes how another one is read. Comments
//! and encoded parameters of MIME fields are understood. The type of a sound is read from its first bytes, or else from the name of its
//! part. Of several sounds, one that can be read is used, and of alternatives the last; a part with `voice=Voice-Message` is preferred to
//! other sounds beside it. Where the sender's address has no number or name, they are taken from the business card in a
//! `multipart/voice-message`.
//!
//! All sounds of a forwarded message become one: the introduction, and then the sounds of the mails in parts of the type `message/rfc822`; so
//! do several parts of one mail with `voice=Voice-Message`. Sounds of one format keep their samples, and others become linear ones, with a
//! short silence between any two. Caller, id and date are those of the outermost mail, whose sender has forwarded the message; the
//! message is urgent or private if any of the mails is. A mail of which a forwarded part cannot be read is refused, so that its sender learns it.
//!
//! # Limits
//!
//! A header block of [`HEAD_LIMIT`] bytes and 1000 fields, multiparts and forwarded mails 8 deep, 64 parts, or less where [`DecodeLimits`] say
//! so. Past them a mail is refused, so that beyond its own size a hostile one costs a few MiB of memory at most. Several sounds may have 32 MiB
//! together, encoded and joined; up to 80 MiB are needed to join them, and each part of the mail is searched once for each multipart around it.
//!
//! # Source
//!
//! RFC 4239 for the shape; RFC 3801 for mail of other voicemail systems.

mod business_card;
mod caller;
#[cfg(feature = "node")]
mod custody;
mod date;
mod decode;
#[cfg(feature = "node")]
mod delivery_report;
mod encode;
mod error;
mod fields;
mod foreign;
#[cfg(test)]
mod forwarded_tests;
mod greeting;
#[cfg(test)]
mod injection_tests;
mod limits;
mod mail_file;
mod mime_field;
mod own;
mod parts;
mod pieces;
mod play_order;
#[cfg(feature = "node")]
mod read_receipt;
mod receipt;
mod resent;
mod text;
mod transfer_decoder;
mod transfer_encoding;
mod vpim;

#[cfg(feature = "node")]
pub(crate) use self::custody::custody_request;
pub use self::decode::{decode, decode_head, decode_within};
#[cfg(feature = "node")]
pub(crate) use self::delivery_report::{
    DeliveredRecipient, DeliveredReport, DeliveryStatus, RecipientStatus, read_delivery_status,
};
pub use self::encode::{Addresses, Encoded, encode, encode_in_pieces};
pub use self::error::DecodeError;
pub use self::greeting::{GreetingMail, decode_greeting, encode_greeting};
pub use self::limits::{DecodeLimits, HEAD_LIMIT};
pub use self::mail_file::decode_file;
pub use self::pieces::{EncodedInPieces, EncodedSound};
#[cfg(feature = "node")]
pub(crate) use self::read_receipt::{ReadReceipt, read_receipt};
pub(crate) use self::receipt::receipt;
pub(crate) use self::resent::{in_reply_to, resent};
#[cfg(feature = "node")]
pub(crate) use self::text::readable_text;
pub use self::transfer_encoding::TransferEncoding;
pub use self::vpim::{SPOKEN_NAME_LIMIT, ToSystem, encode_for_system};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use chrono::{DateTime, TimeDelta, Utc};
    use proptest::prelude::*;

    use super::*;
    use crate::message::call_details::tests::any_call_details;
    use crate::message::{
        Audio, AudioType, CallDetails, Caller, CallerName, ClockQuality, ClockSource, EndReason, Message, MessageId, Privacy,
        RecordedAt, Urgency,
    };

    const ENCODINGS: [TransferEncoding; 2] = [TransferEncoding::Base64, TransferEncoding::Binary];

    fn mail_of(message: &Message, encoding: TransferEncoding) -> Bytes {
        let recipients = ["2041".parse().unwrap(), "+493023125014".parse().unwrap()];
        let addresses = Addresses::new("edge.example.com", "example.com", &recipients);
        encode(message, &addresses, encoding).to_bytes()
    }

    /// Every kind of value that a message can have, to the precision that each type promises.
    pub(super) fn messages() -> impl Strategy<Value = Message> {
        let caller = (proptest::option::of("\\+?[0-9]{1,15}"), proptest::option::of(names())).prop_map(|(number, name)| Caller {
            number: number.and_then(|number| number.parse().ok()),
            name: name.and_then(|name| CallerName::cleaned(&name)),
        });
        let quality = (
            prop_oneof![
                Just(ClockSource::System),
                Just(ClockSource::Sntp),
                Just(ClockSource::Manual),
                Just(ClockSource::Unknown)
            ],
            proptest::option::of(-1_000_000_000_000_000_i64..1_000_000_000_000_000),
            proptest::option::of(0..1_000_000_000_000_000_u64),
            proptest::option::of(0..1_000_000_000_000_u64),
        )
            .prop_map(|(source, offset, uncertainty, age)| ClockQuality {
                source,
                offset: offset.map(TimeDelta::microseconds),
                uncertainty: uncertainty.map(Duration::from_micros),
                age: age.map(Duration::from_secs),
            });
        let recorded_at = (instants(), proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]), quality)
            .prop_map(|(instant, zone, quality)| RecordedAt { instant, zone, quality });
        let sound = (
            proptest::sample::select(AudioType::ALL.to_vec()),
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'.'), Just(b'=')], 0..200),
            ],
        );
        let rest = (any::<[u8; 16]>(), proptest::option::of("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"), 0..12_u8, any::<(u64, u32)>());
        let languages = proptest::sample::select(vec![None, Some("de-AT"), Some("fr"), Some("ne"), Some("zh-Hant-TW")]);
        let values = (caller, recorded_at, sound, rest, any_call_details(), languages);
        values.prop_map(|(caller, recorded_at, (media, audio), (id, site, choice, (secs, nanos)), call_details, language)| {
            let mut builder = Message::builder(Audio::new(media, audio), recorded_at)
                .id(MessageId::from_bytes(id))
                .caller(caller)
                .urgency(if choice % 2 == 0 { Urgency::Normal } else { Urgency::Urgent })
                .privacy(if choice / 2 % 2 == 0 { Privacy::Normal } else { Privacy::Private })
                .end_reason([EndReason::Complete, EndReason::AtLimit, EndReason::Truncated][usize::from(choice / 4)])
                .length(Duration::new(secs, nanos % 1_000_000_000))
                .call_details(call_details);
            if let Some(site) = site {
                builder = builder.site(site.parse().unwrap());
            }
            if let Some(language) = language {
                builder = builder.language(language.parse().unwrap());
            }
            builder.build()
        })
    }

    /// Any characters, and those that have a meaning in a header.
    fn names() -> impl Strategy<Value = String> {
        prop_oneof![
            ".*",
            "\\PC{0,60}",
            "[ -~]{0,60}",
            "[=?_\"\\\\<>()@,;:utf8BQ \\r\\n-]{0,60}",
            "(=\\?utf-8\\?Q\\?[a-z=_]{0,9}\\?= ?){0,3}",
            "[\\u{10000}-\\u{10ffff}]{40,60}",
        ]
    }

    /// Moments to the nanosecond in the years 1 to 9998, and around now.
    fn instants() -> impl Strategy<Value = DateTime<Utc>> {
        let secs = prop_oneof![-62_135_510_400..253_370_851_200_i64, 1_500_000_000..2_500_000_000_i64];
        let nanos = prop_oneof![Just(0), Just(5_000_000), 0..1_000_000_000_u32];
        (secs, nanos).prop_map(|(secs, nanos)| DateTime::from_timestamp(secs, nanos).unwrap())
    }

    /// Mails as they come: our own in both encodings, and foreign ones.
    fn real_mails() -> Vec<Bytes> {
        let own = Bytes::from_static(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/own.eml")));
        let binary = mail_of(&decode(&own).unwrap(), TransferEncoding::Binary);
        let foreign: [&[u8]; 3] = [
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/asterisk.eml")),
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/vpim.eml")),
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/mail_program.eml")),
        ];
        [own, binary].into_iter().chain(foreign.map(Bytes::from_static)).collect()
    }

    /// Pieces that a mail is made of, in any order.
    fn mail_like() -> impl Strategy<Value = Vec<u8>> {
        let pieces: [&[u8]; 22] = [
            b"Content-Type: multipart/mixed; boundary=b\r\n",
            b"Content-Type: multipart/mixed; boundary=\"\"\n",
            b"Content-Type: audio/basic\r\n",
            b"Content-Type: audio/wav; name*0*=utf-8''%C3; name*1=\"\r\n",
            b"Content-Transfer-Encoding: base64\r\n",
            b"Content-Transfer-Encoding: quoted-printable\r\n",
            b"Content-Disposition: inline; voice=Voice-Message\r\n",
            b"Date: Mon, 23 Nov 2026 00:36:24 +0900\r\n",
            b"Date: 31 Feb 65535 99:99:99 -9999\r\n",
            b"Received: ; 1 Jan 2020 00:00 +0000\r\n",
            b"From: =?utf-8?B?/w==?= <+1@x>\r\n",
            b"Caller-ID: ;NumberingPlan=e164\r\n",
            b"Voicemail-Recorded-At: 9999-12-31T23:59:59-23:59[Pacific/Chatham]\r\n",
            b"Voicemail-Length: 18446744073709551615.4294967295\r\n",
            b"\r\n",
            b"\n",
            b"\r\n--b\r\n",
            b"--b--",
            b"--",
            b" ",
            b"UklGRg==",
            b".snd\0\0\0\x1c",
        ];
        let piece = prop_oneof![9 => proptest::sample::select(pieces.to_vec()).prop_map(<[u8]>::to_vec), 1 => any::<Vec<u8>>()];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn a_mail_cut_short_anywhere_never_panics() {
        for mail in real_mails() {
            for len in 0..mail.len() {
                let _ = decode(&mail.slice(..len));
                let _ = decode_head(&mail[..len]);
            }
        }
    }

    #[test]
    fn a_head_of_our_own_mail_needs_the_header_block_and_no_less() {
        for mail in &real_mails()[..2] {
            let body = memchr::memmem::find(mail, b"\r\n\r\n").unwrap() + 4;
            assert_eq!(&decode_head(&mail[..body]).unwrap(), decode(mail).unwrap().head());
            assert_eq!(decode_head(&mail[..body - 2]), Err(DecodeError::HeaderCutShort));
        }
    }

    #[test]
    fn a_boundary_in_the_sound_ends_nothing() {
        let real = decode(&real_mails()[0]).unwrap();
        let other_mail = mail_of(&real, TransferEncoding::Binary);
        for sound in [&other_mail[..], b"\r\n.\r\n", b"\r\n--\r\n--=_", b"\r", b"\n", b"\r\n", b"--"] {
            let message = Message::new(real.head().clone(), Audio::new(AudioType::Wav, sound.to_vec()));
            for encoding in ENCODINGS {
                assert_eq!(decode(&mail_of(&message, encoding)).unwrap().audio(), message.audio());
            }
        }
    }

    proptest! {
        #[test]
        fn every_message_reads_back_as_it_was(message in messages()) {
            for encoding in ENCODINGS {
                let mail = mail_of(&message, encoding);
                let read = decode(&mail).unwrap();
                prop_assert_eq!(read.head(), message.head());
                prop_assert_eq!(read.audio(), message.audio());
                prop_assert_eq!(read.mail(), Some(&mail));
                prop_assert_eq!(&decode_head(&mail).unwrap(), message.head());
            }
        }

        #[test]
        fn nothing_in_a_name_adds_or_breaks_a_field(name in names()) {
            let caller = Caller { number: None, name: CallerName::cleaned(&name) };
            let mut head = decode(&real_mails()[0]).unwrap().head().clone();
            let usual = encode_head(&head);
            let mut expected = field_names(&usual);
            if caller.name.is_none() {
                expected.retain(|field| *field != "Caller-Name");
            }
            head.caller.name = caller.name;
            let written = encode_head(&head);
            prop_assert_eq!(field_names(&written), expected);
            prop_assert!(written.lines().all(|line| line.len() <= 998 && line.is_ascii()), "{}", written);
        }

        #[test]
        fn nothing_said_of_a_call_adds_or_breaks_a_field(call_details in any_call_details()) {
            let mut head = decode(&real_mails()[0]).unwrap().head().clone();
            let usual = encode_head(&head);
            let mut expected: Vec<String> = field_names(&usual).into_iter().map(str::to_owned).collect();
            let at = expected.iter().position(|name| name == "Content-Type").unwrap();
            let CallDetails { called, diverted_from, call_id, fields } = &call_details;
            let known = [("Called", called.is_some()), ("Diverted-From", diverted_from.is_some()), ("Call-ID", call_id.is_some())];
            let known = known.iter().filter(|(_, known)| *known).map(|(name, _)| format!("Voicemail-{name}"));
            let added: Vec<_> = known.chain(fields.iter().map(|(name, _)| format!("Voicemail-Field-{name}"))).collect();
            expected.splice(at..at, added);
            head.call_details = call_details.clone();
            let written = encode_head(&head);
            prop_assert_eq!(field_names(&written), expected);
            prop_assert!(written.lines().all(|line| line.len() <= 998 && line.is_ascii()), "{}", written);
            prop_assert_eq!(decode_head(format!("{written}\r\n\r\n").as_bytes()).unwrap().call_details, call_details);
        }

        #[test]
        fn mail_like_bytes_never_panic(bytes in mail_like()) {
            let _ = decode_head(&bytes);
            let _ = decode(&bytes.into());
        }

        #[test]
        fn no_value_of_any_field_makes_it_panic(
            which in any::<prop::sample::Index>(),
            value in prop_oneof!["\\PC*", "[0-9.:;=T+Z/\\[\\]<>@-]{0,60}", "[0-9]{1,25}\\.[0-9]{1,12}"],
        ) {
            let mail = String::from_utf8(real_mails()[0].to_vec()).unwrap();
            let names = field_names(mail.split("\r\n\r\n").next().unwrap());
            let name = which.get(&names);
            let line = mail.split_inclusive("\r\n").find(|line| line.starts_with(*name)).unwrap();
            let changed = mail.replacen(line, &format!("{name}: {value}\r\n"), 1);
            let _ = decode_head(changed.as_bytes());
            let _ = decode(&changed.into());
        }

        #[test]
        fn any_bytes_never_panic(bytes in any::<Vec<u8>>()) {
            let _ = decode_head(&bytes);
            let _ = decode(&bytes.into());
        }

        #[test]
        fn a_damaged_mail_never_panics(which in 0..5_usize, damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut mail = real_mails()[which].to_vec();
            for (at, byte) in damage {
                let at = at.index(mail.len());
                mail[at] = byte;
            }
            let _ = decode_head(&mail);
            let _ = decode(&mail.into());
        }

        #[test]
        fn a_sound_damaged_on_the_way_is_never_taken_for_whole(which in 0..2_usize, at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mail = &real_mails()[which];
            let whole = decode(mail).unwrap();
            let body = memchr::memmem::find(mail, b"\r\n\r\n").unwrap() + 4;
            let mut damaged = mail.to_vec();
            let at = body + at.index(mail.len() - body);
            damaged[at] ^= 1 << bit;
            if let Ok(read) = decode(&damaged.into()) {
                prop_assert_eq!(read.audio().bytes(), whole.audio().bytes());
            }
        }
    }

    fn encode_head(head: &crate::message::Head) -> String {
        let mail = mail_of(&Message::new(head.clone(), Audio::new(AudioType::Wav, Bytes::new())), TransferEncoding::Base64);
        let end = memchr::memmem::find(&mail, b"\r\n\r\n").unwrap();
        String::from_utf8(mail[..end].to_vec()).unwrap()
    }

    fn field_names(block: &str) -> Vec<&str> {
        block.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])).map(|line| line.split(':').next().unwrap()).collect()
    }
}
