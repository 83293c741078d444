//! Every reader that meets bytes of strangers, as a function of those bytes: for fuzzers, and for replays of what they found.
//!
//! Some of these readers are nobody's business but the crate's, so they are reached through here and stay private otherwise. A
//! function panics when the bytes break a promise: by a panic of the reader's own, or because what it read does not hold together.
//! The folder `fuzz/` has a target for each.

#![expect(clippy::missing_panics_doc, reason = "to panic is how a promise is said to be broken")]

#[cfg(feature = "smtp")]
mod dialogue;
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
use crate::spool::{EntryName, FileHead, HEAD_LEN, MessageFile, read_left_over};
use crate::wire::{self, Addresses, DecodeLimits, TransferEncoding};

#[cfg(feature = "smtp")]
pub use self::dialogue::dialogue;
#[cfg(feature = "sip")]
pub use self::sip::sip;

/// What a server answers to a forwarder.
#[cfg(feature = "smtp")]
pub fn replies(bytes: &[u8]) {
    crate::smtp::read_hostile_replies(bytes);
}

/// A mail in memory, as if it were in a file.
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

/// A mail, with and without its sound, in memory and in a file, and as one about a greeting. What can be read is written again, and must read the same.
pub fn mail(bytes: &[u8]) {
    let mail = Bytes::copy_from_slice(bytes);
    if let Ok(Some(greeting)) = wire::decode_greeting(&mail, DecodeLimits::default()) {
        let again = wire::encode_greeting(&greeting, "node.example", "vm.example");
        let read = wire::decode_greeting(&again, DecodeLimits::default());
        assert_eq!(read, Ok(Some(greeting)), "what was read can be written and read again");
    }
    let (head, decoded) = (wire::decode_head(bytes), wire::decode(&mail));
    let file: Arc<dyn MailFile> = Arc::new(InMemory(mail.clone()));
    let in_file = wire::decode_file(&file, DecodeLimits::default()).expect("memory can be read");
    let read = |message: &Message| (message.head().clone(), message.audio().clone());
    assert_eq!(in_file.as_ref().map(read), decoded.as_ref().map(read), "a mail in a file is the same");
    let Ok(message) = decoded else { return };
    assert!(head.is_ok(), "what can be read with its sound can be read without");
    assert_eq!(message.mail(), Some(&mail));
    let recipients = ["2041".parse().expect("a number")];
    let addresses = Addresses { node: "node.example", domain: "vm.example", recipients: &recipients };
    for encoding in [TransferEncoding::Base64, TransferEncoding::Binary] {
        let again = wire::encode(&message, &addresses, encoding).to_bytes();
        let head = &again[..again.windows(4).position(|four| four == b"\r\n\r\n").expect("a header block has an end")];
        assert!(
            head.split(|byte| *byte == b'\n').all(|line| line.len() <= 999 && line.is_ascii()),
            "header lines are short and ASCII"
        );
        let read = wire::decode(&again).expect("what was read can be written and read again");
        assert!(read.audio() == message.audio(), "the sound stays what it was");
        assert_eq!(read.head().caller, message.head().caller, "nothing in a name breaks its field");
    }
}

/// A sound of each kind: how long it is, and what it sounds like.
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
        assert_eq!(frames.as_ref().ok().map(Frames::duration), length, "what can be read can be played, and is as long");
        let played = frames.map_or(0, |frames| frames.take(LONGEST_PLAYED).count());
        assert!(length.is_some_and(|length| !length.is_zero()) == (played > 0), "a sound has frames");
        if bytes.len() <= LONGEST_DECODED
            && let Some(length) = length
        {
            let wav = to_wav(&audio).expect("what can be read can be decoded");
            let decoded = length_of(AudioType::Wav, wav.bytes()).expect("a WAV of our own");
            assert_eq!(decoded, length, "a sound is as long as its samples");
        }
    }
}

/// How many frames of a sound are played.
const LONGEST_PLAYED: usize = 50;
/// How many bytes of a sound are decoded.
const LONGEST_DECODED: usize = 4096;

/// A file of the spool, as it is found after a crash and as it is sent; and its first line as a name.
#[cfg(feature = "node")]
pub fn spool_file(bytes: &[u8]) {
    let head = FileHead::parse(&bytes[..bytes.len().min(HEAD_LEN)]);
    if let Ok(head) = &head
        && let Ok(written) = head.to_bytes()
    {
        assert_eq!(FileHead::parse(&written).as_ref(), Ok(head), "what a head says can be written and read again");
    }
    let disk = PowerCutDisk::new();
    let path = Path::new("file");
    disk.create(path).and_then(|file| file.write_all_at(bytes, 0)).expect("a disk in memory takes it");
    let id = head.map_or(MessageId::from_bytes([0; 16]), |head| head.head.id);
    if let Ok(found) = MessageFile::open(&disk, path, id) {
        let _ = found.read_whole();
    }
    let _ = read_left_over(&disk, path);
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if let Ok(line) = std::str::from_utf8(line)
        && let Ok(name) = line.parse::<EntryName>()
    {
        assert_eq!(name.to_string(), line, "a name has one spelling");
        stays_in_its_folder(&name.to_string());
    }
}

/// The name of a file in a Maildir.
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
