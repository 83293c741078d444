//! Entry points for fuzzers: each function gives arbitrary bytes to one of the readers of untrusted input.
//!
//! Some of the readers are private, and this module is the only way to reach them. A function panics when the bytes break a
//! promise: because the reader panics, or because the value that it has read is inconsistent. The folder `fuzz/` has a target for
//! each function, and a test reads the inputs that the fuzzers have found.

#![expect(clippy::missing_panics_doc, reason = "a panic reports a broken promise")]

mod calls;
#[cfg(feature = "smtp")]
mod dialogue;
mod rtp;
#[cfg(feature = "sip")]
mod sip;

use std::io;
use std::num::NonZeroU32;
#[cfg(feature = "node")]
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::audio::{Frames, Wav, announced_length, length_of, to_wav};
#[cfg(feature = "node")]
use crate::disk::{Disk as _, PowerCutDisk};
#[cfg(feature = "node")]
use crate::message::MessageId;
use crate::message::{Audio, AudioType, MailFile, Message};
#[cfg(feature = "node")]
use crate::spool::{EntryName, FileHead, MAX_HEAD_LEN, MessageFile, read_left_over};
use crate::wire::{self, Addresses, DecodeLimits, TransferEncoding};

pub use self::calls::calls;
#[cfg(feature = "smtp")]
pub use self::dialogue::dialogue;
pub use self::rtp::rtp;
#[cfg(feature = "sip")]
pub use self::sip::sip;

/// Reads bytes as the replies of an SMTP server to a forwarder.
#[cfg(feature = "smtp")]
pub fn replies(bytes: &[u8]) {
    crate::smtp::read_hostile_replies(bytes);
}

/// A mail in memory that is read like a file.
#[derive(Debug)]
struct InMemory(Bytes);

impl MailFile for InMemory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..));
        rest.and_then(|rest| rest.get(..len)).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Reads bytes as a mail: with and without its audio, from memory and from a file, and as a mail with a greeting. A mail that can
/// be read is written again, and must then read the same.
pub fn mail(bytes: &[u8]) {
    let mail = Bytes::copy_from_slice(bytes);
    if let Ok(Some(greeting)) = wire::decode_greeting(&mail, DecodeLimits::default()) {
        let again = wire::encode_greeting(&greeting, "node.example", "vm.example");
        let read = wire::decode_greeting(&again, DecodeLimits::default());
        assert_eq!(read, Ok(Some(greeting)), "a greeting that was read can be written and read again");
    }
    let (head, decoded) = (wire::decode_head(bytes), wire::decode(&mail));
    let file: Arc<dyn MailFile> = Arc::new(InMemory(mail.clone()));
    let in_file = wire::decode_file(&file, DecodeLimits::default()).expect("memory can be read");
    let read = |message: &Message| (message.head().clone(), message.audio().clone());
    assert_eq!(in_file.as_ref().map(read), decoded.as_ref().map(read), "a mail reads the same from a file");
    let Ok(message) = decoded else { return };
    assert!(head.is_ok(), "a mail that can be read with its audio can be read without it");
    assert_eq!(message.mail(), Some(&mail));
    let recipients = ["2041".parse().expect("a number")];
    let addresses = Addresses::new("node.example", "vm.example", &recipients);
    for encoding in [TransferEncoding::Base64, TransferEncoding::Binary] {
        let again = wire::encode(&message, &addresses, encoding).to_bytes();
        let head = &again[..again.windows(4).position(|four| four == b"\r\n\r\n").expect("a header block has an end")];
        assert!(
            head.split(|byte| *byte == b'\n').all(|line| line.len() <= 999 && line.is_ascii()),
            "header lines are short and ASCII"
        );
        let read = wire::decode(&again).expect("a mail that was read can be written and read again");
        assert!(read.audio() == message.audio(), "the audio stays the same");
        assert_eq!(read.head().caller, message.head().caller, "no name breaks its header field");
        assert_eq!(
            read.head().call_details,
            message.head().call_details,
            "nothing that is said of a call breaks its header field"
        );
    }
}

/// Reads bytes as a report about the delivery of a mail. Its texts go into events, and into lines for operators.
#[cfg(feature = "node")]
pub fn report(bytes: &[u8]) {
    let Some(status) = wire::read_delivery_status(bytes, DecodeLimits::default()) else { return };
    assert!(status.recipients.len() <= 100, "a report is about a bounded number of recipients");
    let short = |text: &String| text.len() <= 500 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    assert!(status.reporting_mta.iter().all(short), "a name is a short line");
    for wire::RecipientStatus { addresses, action, status, diagnostic, digest: _, custody } in &status.recipients {
        let texts = addresses.iter().chain([action, status]).chain(diagnostic);
        assert!(texts.into_iter().all(short), "a text is a short line");
        assert!(custody.iter().all(|proof| short(proof) && !proof.contains(' ')), "a proof is one word");
    }
}

/// Reads bytes as the JSON of another system. A text in it can be written and read again.
#[cfg(feature = "http-client")]
pub fn json(bytes: &[u8]) {
    let Some(value) = std::str::from_utf8(bytes).ok().and_then(crate::http::read_json) else { return };
    let mut values = vec![&value];
    while let Some(value) = values.pop() {
        if let Some(text) = value.as_text() {
            let again = crate::http::read_json(&crate::http::quote(text));
            assert_eq!(again.as_ref(), Some(value), "a text reads back as it was written");
        }
        values.extend(value.as_list());
        values.extend(["text", "segments", "language", "avg_logprob"].iter().filter_map(|name| value.get(name)));
    }
}

/// Reads bytes as audio of each type: measures, plays and decodes them.
pub fn sound(bytes: &[u8]) {
    if let Ok(wav) = Wav::parse(bytes) {
        assert!(wav.data.start <= wav.data.end && wav.data.end <= bytes.len(), "samples lie inside the file");
        assert_eq!(wav.data.len() % wav.format.bytes_per_frame() as usize, 0, "frames are whole");
        let _ = wav.duration();
    }
    for media in AudioType::ALL {
        let (length, _) = (length_of(media, bytes), announced_length(media, bytes));
        let audio = Audio::new(media, bytes.to_vec());
        let frames = Frames::new(&audio, NonZeroU32::MIN.saturating_add(7999));
        assert_eq!(
            frames.as_ref().ok().map(Frames::duration),
            length,
            "audio that can be measured can be played, and is as long"
        );
        let played = frames.map_or(0, |frames| frames.take(LONGEST_PLAYED).count());
        assert!(length.is_some_and(|length| !length.is_zero()) == (played > 0), "audio has frames exactly if it has a length");
        if bytes.len() <= LONGEST_DECODED
            && let Some(length) = length
        {
            let wav = to_wav(&audio).expect("audio that can be measured can be decoded");
            let decoded = length_of(AudioType::Wav, wav.bytes()).expect("a WAV that was just written");
            assert_eq!(decoded, length, "audio is as long as its samples");
        }
    }
}

/// The number of frames that are played.
const LONGEST_PLAYED: usize = 50;
/// The length in bytes up to which audio is decoded.
const LONGEST_DECODED: usize = 4096;

/// Reads bytes as a file of the spool, as it is found after a crash and as it is sent, and the first line as a file name.
#[cfg(feature = "node")]
pub fn spool_file(bytes: &[u8]) {
    let head = FileHead::parse(&bytes[..bytes.len().min(MAX_HEAD_LEN)]);
    if let Ok(head) = &head
        && let Ok(written) = head.to_bytes()
    {
        assert_eq!(FileHead::parse(&written).as_ref(), Ok(head), "a head that was read can be written and read again");
    }
    let disk = PowerCutDisk::new();
    let path = Path::new("file");
    disk.create(path).and_then(|file| file.write_all_at(bytes, 0)).expect("a disk in memory does not fail");
    let id = head.map_or(MessageId::from_bytes([0; 16]), |head| head.head.id);
    if let Ok(found) = MessageFile::open(&disk, path, id) {
        let _ = found.read_whole();
    }
    let _ = read_left_over(&disk, path);
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if let Ok(line) = std::str::from_utf8(line)
        && let Ok(name) = line.parse::<EntryName>()
    {
        assert_eq!(name.to_string(), line, "a name has only one spelling");
        stays_in_its_folder(&name.to_string());
    }
}

/// Reads bytes as the name of a file in a Maildir.
#[cfg(feature = "fs")]
pub fn maildir_name(bytes: &[u8]) {
    if let Ok(name) = std::str::from_utf8(bytes) {
        for name in crate::store::read_hostile_name(name) {
            stays_in_its_folder(&name);
        }
    }
}

#[cfg(feature = "fs")]
fn stays_in_its_folder(name: &str) {
    assert!(!name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']), "{name:?} names a file elsewhere");
}
