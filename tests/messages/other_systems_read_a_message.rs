//! A mail to another voicemail system, as other programs read it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use voicemail::audio::{Frames, to_adpcm32};
use voicemail::message::{
    Audio, AudioType, Caller, CallerName, ClockQuality, ClockSource, MailDialect, Message, Privacy, RecordedAt, Urgency,
};
use voicemail::wire::{ToSystem, encode_for_system};

const RECORDING: &[u8] = include_bytes!("../../examples/recordings/vm01.wav");

fn message() -> Message {
    let quality = ClockQuality::unknown(ClockSource::System);
    let recorded_at = RecordedAt::new("2026-03-25T22:59:00Z".parse().unwrap(), chrono_tz::Europe::Berlin, quality);
    let caller = Caller::new("+493023125014".parse().ok(), CallerName::cleaned("J. Groß; \u{5c71}\u{7530}"));
    Message::builder(Audio::new(AudioType::Wav, RECORDING), recorded_at)
        .caller(caller)
        .length(Duration::from_secs(2))
        .urgency(Urgency::Urgent)
        .privacy(Privacy::Private)
        .build()
}

fn mail(dialect: MailDialect) -> Vec<u8> {
    let to = "4711@vpim.example".parse().unwrap();
    let from = "2001@example.com".parse().unwrap();
    let mut system = ToSystem::new("vm.example.com", "example.com", &to, dialect);
    let name = Audio::new(AudioType::Basic, vec![0x55; 8000]);
    (system.from, system.spoken_name) = (Some(&from), Some(&name));
    encode_for_system(&message(), &system).unwrap().to_vec()
}

/// Runs a program on `input`; `None`, after saying so, if it is not there.
fn output_of(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let started = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut running) = started else {
        eprintln!("SKIPPED: {program} is not there, so its reading of a mail is not checked");
        return None;
    };
    let (mut stdin, input) = (running.stdin.take().unwrap(), input.to_vec());
    std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let printed = running.wait_with_output().unwrap();
    assert!(printed.status.success(), "{program}");
    Some(printed.stdout)
}

const READER: &str = r#"
import email, email.policy, sys
mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = [part for part in mail.walk() if not part.is_multipart()]
sounds = [part for part in parts if part.get_content_maintype() == "audio"]
print(mail["from"].addresses[0].display_name, mail["from"].addresses[0].addr_spec, sep="|")
print(mail["date"], mail["importance"], mail["sensitivity"], mail["content-duration"], sep="|")
print(mail["mime-version"], mail.get_content_type(), sounds[0].get_content_type(), sep="|")
for sound in sounds:
    print(sound["content-disposition"].params.get("voice"), len(sound.get_payload(decode=True)), sep="|")
print(len(mail.defects) + sum(len(part.defects) for part in parts))
print("|".join(line for line in parts[-1].get_payload(decode=True).decode().splitlines() if line.startswith(("FN", "TEL"))))
"#;

#[test]
fn python_reads_who_called_when_and_what() {
    let Some(printed) = output_of("python3", &["-c", READER], &mail(MailDialect::Vpim)) else { return };
    let lines: Vec<_> = std::str::from_utf8(&printed).unwrap().lines().collect();
    let expected = [
        "J. Groß; \u{5c71}\u{7530}|2001@example.com",
        "Wed, 25 Mar 2026 23:59:00 +0100|High|Private|2",
        "1.0 (Voice 2.0)|multipart/voice-message|audio/32kadpcm",
        "Originator-Spoken-Name|4000",
        "Voice-Message|8000",
        "0",
        "FN:J. Groß\\; \u{5c71}\u{7530}|TEL;TYPE=VOICE:+493023125014",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn ffmpeg_plays_what_was_recorded() {
    let original = Audio::new(AudioType::Wav, RECORDING);
    let encoded = to_adpcm32(&original).unwrap();
    let arguments = ["-v", "error", "-f", "g726le", "-ar", "8000", "-i", "pipe:0", "-f", "s16le", "pipe:1"];
    let Some(played) = output_of("ffmpeg", &arguments, encoded.bytes()) else { return };
    let played: Vec<_> = played.as_chunks().0.iter().map(|sample| f64::from(i16::from_le_bytes(*sample))).collect();
    let frames = Frames::new(&original, 8000.try_into().unwrap()).unwrap();
    let recorded: Vec<_> = frames.flatten().map(f64::from).take(played.len()).collect();
    assert!(played.len() >= 15_000, "{} samples", played.len());
    let product = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f64>();
    let likeness = product(&recorded, &played) / (product(&recorded, &recorded) * product(&played, &played)).sqrt();
    assert!(likeness > 0.99, "{likeness}");
}

#[test]
fn what_asterisk_sent_is_passed_on_to_a_vpim_system() {
    let mail = include_bytes!("../mails/asterisk.eml");
    let received = voicemail::wire::decode(&mail.to_vec().into()).unwrap();
    let head = received.head();
    let message = Message::builder(received.audio().clone(), head.recorded_at.clone())
        .caller(head.caller.clone())
        .length(head.length)
        .urgency(Urgency::Urgent)
        .privacy(Privacy::Private)
        .build();
    let to = "4711@unity.example".parse().unwrap();
    let system = ToSystem::new("vm.example.com", "example.com", &to, MailDialect::Vpim);
    let sent = voicemail::wire::decode(&encode_for_system(&message, &system).unwrap()).unwrap();
    assert!(head.caller.number.is_some() && head.caller.name.is_some(), "{head:?}");
    assert_eq!(sent.head().caller, head.caller);
    assert_eq!(sent.head().recorded_at.instant.timestamp(), head.recorded_at.instant.timestamp());
    assert_eq!((sent.head().urgency, sent.head().privacy), (Urgency::Urgent, Privacy::Private));
    assert!(sent.head().length.abs_diff(head.length) <= Duration::from_millis(1), "{:?}", sent.head().length);
    assert_eq!(sent.audio(), &to_adpcm32(received.audio()).unwrap());
}
