//! Tests of mails that other voicemail systems write, and of forwarded messages.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use encodify::base64;
use proptest::prelude::*;

use super::limits::JOINED_LIMIT;
use super::mail_file::tests::in_file;
use super::{DecodeError, decode, decode_head};
use crate::audio::{AudioError, Format, Wav, to_wav};
use crate::message::{Audio, AudioType, CallerName, CallerNumber, Message, Privacy, Urgency};

const UNITY: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/unity_forwarded_twice.eml"));
const EXCHANGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/exchange_um.eml"));
const EXCHANGE_FORWARDED: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/exchange_um_forwarded.eml"));
const EXCHANGE_ORDER: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/exchange_um_order.eml"));
const AVAYA: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/avaya.eml"));
const FREESWITCH: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/freeswitch.eml"));
const KAZOO: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/kazoo.eml"));
const DATE: &str = "Date: Mon, 2 Mar 2026 10:00:00 -0500\r\n";

/// Reads a mail, and shows that it reads the same from a file, and its head without its sound.
fn read(mail: &str) -> Result<Message, DecodeError> {
    let message = read_twice(mail);
    if let Ok(message) = &message {
        assert_eq!(decode_head(mail.as_bytes()).as_ref(), Ok(message.head()));
    }
    message
}

/// Reads a mail, and shows that it reads the same from a file.
fn read_twice(mail: &str) -> Result<Message, DecodeError> {
    let mail = Bytes::copy_from_slice(mail.as_bytes());
    let (here, there) = (decode(&mail), in_file(&mail));
    let parts = |message: &Message| (message.head().clone(), message.audio().clone());
    assert_eq!(here.as_ref().map(parts), there.as_ref().map(parts));
    assert!(here.is_err() || decode_head(&mail).is_ok());
    here
}

fn caller(message: &Message) -> (Option<&str>, Option<&str>) {
    let caller = &message.head().caller;
    (caller.number.as_ref().map(CallerNumber::as_str), caller.name.as_ref().map(CallerName::as_str))
}

/// The runs of equal samples of a WAV of one byte a sample, without the silence between.
fn runs(message: &Message) -> Vec<(u8, usize)> {
    let wav = Wav::parse(message.audio().bytes()).unwrap();
    assert_eq!(wav.format, Format::TELEPHONE_PCMU);
    let samples = &message.audio().bytes()[wav.data];
    samples.chunk_by(|one, other| one == other).map(|run| (run[0], run.len())).filter(|run| run.0 != 0xff).collect()
}

/// A multipart of these parts, each with its fields and its body.
fn multipart(subtype: &str, boundary: &str, parts: &[&str]) -> String {
    let mut mail = format!("Content-Type: multipart/{subtype}; boundary={boundary}\r\n\r\n");
    for part in parts {
        write!(mail, "--{boundary}\r\n{part}\r\n").unwrap();
    }
    mail + &format!("--{boundary}--\r\n")
}

/// A part with a sound of one byte again and again, 50 ms long.
fn sound(byte: u8) -> String {
    let bytes = base64::MIME.encode([byte; 400]);
    format!(
        "Content-Type: audio/basic\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: inline; voice=Voice-Message\r\n\r\n{bytes}"
    )
}

fn forwarded(mail: &str) -> String {
    format!("Content-Type: message/rfc822\r\n\r\n{mail}")
}

#[test]
fn a_message_forwarded_twice_by_unity_is_read_whole() {
    let message = read(UNITY).unwrap();
    assert_eq!(runs(&message), [(0x33, 400), (0x22, 400), (0x11, 400)]);
    assert_eq!(message.head().length, Duration::from_millis(3 * 50 + 2 * 400));
    assert_eq!(caller(&message), (Some("4002"), Some("Carl Weiss")));
    assert_eq!(message.head().recorded_at.instant.to_rfc3339(), "2026-03-02T15:00:00+00:00");
    assert_eq!((message.head().urgency, message.head().privacy), (Urgency::Urgent, Privacy::Private));
    let plain = UNITY.replace("Sensitivity: Private\r\n", "").replace("Importance: High\r\n", "");
    let head = read(&plain).unwrap().head().clone();
    assert_eq!((head.urgency, head.privacy), (Urgency::Normal, Privacy::Normal));
}

#[test]
fn a_mail_of_exchange_is_read_alone_and_forwarded() {
    let message = read(EXCHANGE).unwrap();
    assert_eq!((runs(&message), caller(&message)), (vec![(0x44, 400)], (Some("+4930123"), Some("Dora Klein"))));
    let forwarded = read(EXCHANGE_FORWARDED).unwrap();
    assert_eq!(forwarded.audio(), message.audio(), "a single sound keeps its bytes");
    assert_eq!((caller(&forwarded), forwarded.head().urgency), ((None, None), Urgency::Urgent));
}

#[test]
fn recordings_of_exchange_play_from_the_newest_to_the_oldest() {
    let message = read(EXCHANGE_ORDER).unwrap();
    assert_eq!(runs(&message), [(0x33, 400), (0x22, 400), (0x11, 400)], "without the music, which is not in the list");
    assert_eq!(message.head().length, Duration::from_millis(3 * 50 + 2 * 400));
    assert_eq!(caller(&message), (Some("+4930123"), Some("Dora Klein")));
    let field = |list: &str| {
        let (before, rest) = EXCHANGE_ORDER.split_once("X-AttachmentOrder: ").unwrap();
        let (_, after) = rest.split_once("MIME-Version").unwrap();
        runs(&read(&format!("{before}X-AttachmentOrder: {list}\r\nMIME-Version{after}")).unwrap())
    };
    let (dora, anna) = ("+4930123 (0 seconds) Voice Mail.wav", "Anna Lang (0 seconds) Voice Mail.wav");
    assert_eq!(field(&format!("{anna}; {dora}")), [(0x11, 400), (0x22, 400)]);
    assert_eq!(field(&format!("{dora};{dora};missing.wav;;")), [(0x11, 400)]);
    for nothing in ["", ";;", "missing.wav", &"x;".repeat(30_000)] {
        assert_eq!(field(nothing), [(0x22, 400)], "the first sound, as without the field");
    }
    let forwarded = read(&format!("{DATE}{}", forwarded(EXCHANGE_ORDER))).unwrap();
    assert_eq!(forwarded.audio(), message.audio(), "each mail has its own order");
}

#[test]
fn both_sounds_of_an_avaya_mail_are_read_and_its_card() {
    let message = read(AVAYA).unwrap();
    assert_eq!(caller(&message), (Some("+493055512"), Some("Ben Roth")));
    let wav = Wav::parse(message.audio().bytes()).unwrap();
    assert_eq!((wav.format, wav.duration()), (Format::TELEPHONE_L16, Duration::from_millis(500)));
    let linear = |byte: u8| {
        let wav = to_wav(&Audio::new(AudioType::Adpcm32, vec![byte; 200])).unwrap();
        let samples = Wav::parse(wav.bytes()).unwrap().data;
        wav.bytes()[samples].to_vec()
    };
    let samples = &message.audio().bytes()[wav.data];
    assert!(samples[..800] == linear(0x2a) && samples[800 + 6400..] == linear(0x4b));
}

#[test]
fn mails_of_freeswitch_and_kazoo_keep_their_only_sound() {
    let message = read(FREESWITCH).unwrap();
    assert_eq!((runs(&message), caller(&message)), (vec![(0x55, 400)], (Some("+4930777"), Some("Emil Frey"))));
    assert_eq!(message.head().urgency, Urgency::Urgent);
    let message = read(KAZOO).unwrap();
    assert_eq!((runs(&message), caller(&message)), (vec![(0x66, 400)], (None, None)));
}

#[test]
fn the_introduction_comes_first_wherever_it_stands() {
    let inner = multipart("voice-message", "i", &[&sound(1), &sound(2)]);
    let mail = DATE.to_owned() + &multipart("voice-message", "o", &[&forwarded(&inner), &sound(3), &forwarded(&sound(4))]);
    assert_eq!(runs(&read(&mail).unwrap()), [(3, 400), (1, 400), (2, 400), (4, 400)]);
    let only = format!("{DATE}{}", forwarded(&sound(5)));
    assert_eq!(&read(&only).unwrap().audio().bytes()[..], [5; 400]);
}

#[test]
fn alternatives_and_unmarked_sounds_are_no_further_sounds() {
    let unmarked = sound(1).replace("; voice=Voice-Message", "");
    let alternatives = multipart("alternative", "a", &[&sound(2), &sound(3)]);
    for (parts, expected) in [([&*unmarked, &*unmarked.replace("AQEB", "BAQE")], 1), ([&*alternatives, &*unmarked], 3)] {
        let message = read(&(DATE.to_owned() + &multipart("mixed", "o", &parts))).unwrap();
        assert_eq!(message.audio().bytes()[..], [expected; 400]);
    }
}

#[test]
fn an_empty_introduction_leaves_the_sound_as_it_is() {
    let empty = sound(1).split_once("\r\n\r\n").unwrap().0.to_owned() + "\r\n\r\n";
    let mail = DATE.to_owned() + &multipart("voice-message", "o", &[&empty, &forwarded(&sound(2))]);
    assert_eq!(&read(&mail).unwrap().audio().bytes()[..], [2; 400]);
    let mail = DATE.to_owned() + &multipart("voice-message", "o", &[&empty, &forwarded(&empty)]);
    assert_eq!(read(&mail), Err(DecodeError::EmptyAudio));
}

#[test]
fn a_forward_that_cannot_be_read_whole_is_refused() {
    let with = |forwarded: &str| read(&(DATE.to_owned() + &multipart("voice-message", "o", &[&sound(1), forwarded])));
    let other = |from: &str, to: &str| with(&forwarded(&sound(2)).replace(from, to));
    assert_eq!(other("audio/basic", "audio/mpeg"), Err(DecodeError::UnsupportedAudio { found: "audio/mpeg".to_owned() }));
    assert_eq!(other("audio/basic", "audio/wav"), Err(DecodeError::UnreadableAudio(AudioError::NotWav)));
    assert_eq!(other("AgIC", "Ag\u{1}C"), Err(DecodeError::TransferEncoding { encoding: "base64".to_owned() }));
    let digest = format!("message/rfc822\r\n\r\nVoicemail-Digest: sha-256={}", "0".repeat(64));
    assert_eq!(other("message/rfc822\r\n", &digest), Err(DecodeError::DigestMismatch));
    let encoded = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==";
    assert_eq!(with(encoded), Err(DecodeError::EncodedMail));
    assert!(DecodeError::JoinedTooLong.concerns_audio() && !DecodeError::EncodedMail.concerns_audio());
    assert!(with(&forwarded("Sensitivity: Private\r\n\r\ntext")).is_ok_and(|message| message.head().privacy == Privacy::Normal));
}

#[test]
fn a_returned_mail_is_not_forwarded() {
    let returned = multipart("report", "r", &["\r\nNo such mailbox", &forwarded(&sound(1))]);
    assert_eq!(read(&(DATE.to_owned() + &returned)), Err(DecodeError::NoAudio));
    let mixed = multipart("mixed", "r", &["\r\nNo such mailbox", &forwarded(&sound(1))]);
    assert_eq!(read(&format!("{DATE}Auto-Submitted: Auto-Replied (by exim)\r\n{mixed}")), Err(DecodeError::NoAudio));
    assert!(read(&format!("{DATE}Auto-Submitted: auto-generated\r\n{mixed}")).is_ok());
}

#[test]
fn forwards_may_be_eight_deep_and_no_more() {
    let nest = |depth: usize| DATE.to_owned() + &"Content-Type: message/rfc822\r\n\r\n".repeat(depth) + &sound(1);
    assert!(read(&nest(8)).is_ok());
    for depth in [9, 100_000] {
        assert_eq!(read(&nest(depth)), Err(DecodeError::TooDeep));
    }
}

#[test]
fn sixty_four_sounds_become_one_and_no_more_become_any() {
    let part = sound(1);
    let mail = |count: usize| DATE.to_owned() + &multipart("voice-message", "o", &vec![&*part; count]);
    assert_eq!(read(&mail(64)).unwrap().head().length, Duration::from_millis(64 * 50 + 63 * 400));
    assert_eq!(read(&mail(65)), Err(DecodeError::TooManyParts));
}

#[test]
fn sounds_that_become_too_long_together_are_refused() {
    // A second of GSM at 8 kHz would become 24 times as long at the rate of the other sound.
    let mut wide = Wav::header(Format { rate: 192_000, ..Format::TELEPHONE_PCMU }, 192);
    wide.extend([0xff; 192]);
    let part = |media: &str, bytes: &[u8]| {
        sound(0).replace("audio/basic", media).split_once("\r\n\r\n").unwrap().0.to_owned()
            + "\r\n\r\n"
            + &base64::MIME.encode(bytes)
    };
    let mail = |len: usize| {
        let long = part("audio/GSM", &[0xd0; 33].repeat(len));
        DATE.to_owned() + &multipart("voice-message", "o", &[&long, &part("audio/wav", &wide)])
    };
    // Each of the frames has 20 ms, which are 7680 bytes at that rate.
    let frames = usize::try_from(JOINED_LIMIT).unwrap() / 7680;
    assert_eq!(read(&mail(frames)), Err(DecodeError::JoinedTooLong));
    assert!(read(&mail(frames / 100)).is_ok());
}

/// Pieces of forwarded mails, in any order.
fn nests() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0..3_u8).prop_map(sound),
        Just(sound(7).replace("Voice-Message", "Spoken-Subject")),
        Just(sound(8).replace("audio/basic", "audio/wav")),
        Just("\r\ntext".to_owned()),
        Just("Content-Type: text/directory\r\n\r\nN:x;y\r\nTEL:1\r\n".to_owned()),
    ];
    leaf.prop_recursive(20, 70, 6, |inner| {
        let parts = proptest::collection::vec(inner.clone(), 0..6);
        let subtype = proptest::sample::select(vec!["voice-message", "mixed", "alternative", "report"]);
        prop_oneof![
            inner.prop_map(|mail| forwarded(&format!("Importance: high\r\n{mail}"))),
            (subtype, "[a-c]", parts).prop_map(|(subtype, boundary, parts)| {
                let parts: Vec<_> = parts.iter().map(String::as_str).collect();
                multipart(subtype, &boundary, &parts)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_nest_is_decoded_or_refused_and_bounded(nest in nests(), cut in any::<prop::sample::Index>()) {
        let mail = format!("{DATE}{nest}");
        for mail in [&mail[..], &mail[..cut.index(mail.len())]] {
            if let Ok(message) = read_twice(mail) {
                prop_assert!(message.audio().len() <= JOINED_LIMIT + 100);
            }
        }
    }
}
