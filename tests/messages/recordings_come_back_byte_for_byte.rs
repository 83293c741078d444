//! Real recordings, with the names, numbers and zones of their callers, cross the wire and come back as they were.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use voicemail::audio::length_of;
use voicemail::message::{
    Audio, AudioType, Caller, CallerName, ClockQuality, ClockSource, MailboxId, Message, Privacy, RecordedAt, Urgency,
};
use voicemail::wire::{Addresses, TransferEncoding, decode, decode_head, encode};

#[test]
fn recordings_come_back_byte_for_byte() {
    let Some((folder, list)) = recordings() else { return };
    let mut messages = BTreeSet::new();
    for line in list.lines().skip(1) {
        let columns = columns(line);
        let (message, mailbox) = message(&folder, &columns);
        messages.insert(columns[0][..4].to_owned());
        for encoding in [TransferEncoding::Base64, TransferEncoding::Binary] {
            let recipients = [mailbox.clone()];
            let addresses = Addresses::new("edge.example.com", "example.com", &recipients);
            let mail = encode(&message, &addresses, encoding).to_bytes();
            let read = decode(&mail).expect("a mail of our own");
            assert_eq!(read.head(), message.head(), "{line}");
            assert_eq!(read.audio(), message.audio(), "{line}");
            assert_eq!(&decode_head(&mail).expect("a mail of our own"), message.head(), "{line}");
        }
    }
    assert_eq!(messages.len(), 24, "every message of the list");
}

#[test]
fn recordings_are_read_with_their_length_from_foreign_mail() {
    let Some((folder, list)) = recordings() else { return };
    for line in list.lines().skip(1) {
        let columns = columns(line);
        let (message, mailbox) = message(&folder, &columns);
        let recipients = [mailbox];
        let addresses = Addresses::new("edge.example.com", "example.com", &recipients);
        let mail = encode(&message, &addresses, TransferEncoding::Base64).to_bytes();
        let foreign = String::from_utf8(mail.to_vec()).expect("base64 is text").replace("\r\nVoicemail-", "\r\nX-Elsewhere-");
        let read = decode(&foreign.into()).expect("a readable sound");
        assert_eq!(read.audio(), message.audio(), "{line}");
        assert_eq!(read.head().length, message.head().length, "{line}");
        assert_eq!(read.head().caller, message.head().caller, "{line}");
        assert_eq!(read.head().recorded_at.instant, message.head().recorded_at.instant, "{line}");
    }
}

fn recordings() -> Option<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/recordings");
    let list = fs::read_to_string(folder.join("index.csv")).ok();
    if list.is_none() {
        eprintln!("skipped: there are no recordings in {}", folder.display());
    }
    Some((folder, list?))
}

/// The message of one line of the list, and whose mailbox it is for.
fn message(folder: &Path, columns: &[String]) -> (Message, MailboxId) {
    let [file, _, codec, number, name, mailbox, zone, priority, private, recorded_at, ..] = columns else {
        panic!("a line of the list has twelve columns")
    };
    let media = if codec == "g726-32" { AudioType::Adpcm32 } else { AudioType::Wav };
    let bytes = fs::read(folder.join(file)).expect("the list names files that are there");
    let recorded_at = RecordedAt::new(
        recorded_at.parse().expect("an instant"),
        zone.parse().expect("a zone"),
        ClockQuality::unknown(ClockSource::Manual),
    );
    let message = Message::builder(Audio::new(media, bytes.clone()), recorded_at)
        .caller(Caller::new(number.parse().ok(), CallerName::cleaned(name)))
        .urgency(if priority == "urgent" { Urgency::Urgent } else { Urgency::Normal })
        .privacy(if private == "yes" { Privacy::Private } else { Privacy::Normal })
        .length(length_of(media, &bytes).expect("a readable sound"))
        .build();
    (message, mailbox.parse().expect("a mailbox"))
}

/// The columns of a line, of which some are quoted.
fn columns(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => columns.last_mut().expect("one at least").push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            c => columns.last_mut().expect("one at least").push(c),
        }
    }
    columns
}
