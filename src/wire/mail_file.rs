//! [`decode_file`]: a mail that is in a file as a message, with a bounded part of it in memory.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;
use sha2::{Digest as _, Sha256};

use super::decode::{Joiner, Sound, foreign_head};
use super::fields::Fields;
use super::limits::JOINED_LIMIT;
use super::parts::{Boundary, Delimiter, FoundSounds, Mail, SoundPart, begins_line, find_sound, find_sounds};
use super::transfer_decoder::{PartEncoding, TransferDecoder};
use super::{DecodeError, DecodeLimits, own};
use crate::message::{Audio, AudioSource, ContentDigest, MailFile, Message};

/// Reads a mail that is in a file as [`decode_within`](super::decode_within) reads one in memory: with the same result, but that the
/// message's sound and mail stay in the file. Blocks.
///
/// It takes up to 3 MiB of memory, however long the mail is, and reads the sound twice: to find its end, and for its digest. Of a
/// foreign WAV file, the samples must begin within the first MiB; and no line of a quoted-printable sound may be longer than 64 KiB.
/// Several sounds of a foreign mail are joined in memory, for which up to 80 MiB are needed.
///
/// # Errors
///
/// The error of the file; inside, the [`DecodeError`] of the mail.
pub fn decode_file(file: &Arc<dyn MailFile>, limits: DecodeLimits) -> io::Result<Result<Message, DecodeError>> {
    let mail = InFile { file: &**file, len: usize_of(file.size())?, failed: RefCell::default() };
    let decoded = decode(&mail, file, limits);
    match mail.failed.into_inner() {
        // The result is useless if bytes could not be read.
        Some(error) => Err(error),
        None => match decoded {
            Ok(message) => Ok(Ok(message)),
            Err(Failure::OfMail(error)) => Ok(Err(error)),
            Err(Failure::OfFile(error)) => Err(error),
        },
    }
}

/// Why a mail in a file is not decoded.
enum Failure {
    OfMail(DecodeError),
    OfFile(io::Error),
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::OfMail(error)
    }
}

fn decode(mail: &InFile<'_>, file: &Arc<dyn MailFile>, limits: DecodeLimits) -> Result<Message, Failure> {
    let beginning = mail.beginning(0..mail.len, limits.head);
    let (fields, body) = Fields::of_mail(&beginning, limits)?;
    if let Some(head) = own::read(&fields) {
        let (audio, _) = audio_in(file, &find_sound(mail, &fields, body, limits)?, 0)?;
        return Ok(Message::new(head, audio).arrived_in(Arc::clone(file)));
    }
    let FoundSounds { sounds, facts } = find_sounds(mail, &fields, body, limits)?;
    let (audio, first) = match &sounds[..] {
        [part] => {
            let (audio, first) = audio_in(file, part, BEGINNING)?;
            (audio, first.into())
        }
        parts => {
            let mut joiner = Joiner::of(parts.len());
            for part in parts {
                joiner.add(loaded(&audio_in(file, part, 0)?.0)?)?;
            }
            let audio = joiner.finish()?;
            let bytes = audio.bytes().clone();
            (audio, bytes)
        }
    };
    let sound = Sound { media: audio.media(), beginning: &first, len: audio.len() };
    let head = foreign_head(&fields, &beginning[..body], &facts, &sound)?;
    Ok(Message::new(head, audio).arrived_in(Arc::clone(file)))
}

/// Returns the sound of a part, which stays in the file, and its first bytes, at most `beginning`.
fn audio_in(file: &Arc<dyn MailFile>, part: &SoundPart, beginning: usize) -> Result<(Audio, Vec<u8>), Failure> {
    let encoding = PartEncoding::named(&part.encoding).ok_or_else(|| part.unreadable())?;
    let mut source = MailSound { file: Arc::clone(file), body: part.body.clone(), encoding, len: 0 };
    let (mut hasher, mut first) = (Sha256::new(), Vec::new());
    for piece in source.pieces() {
        match piece {
            Ok(piece) => {
                hasher.update(&piece);
                source.len += piece.len() as u64;
                first.extend_from_slice(&piece[..piece.len().min(beginning - first.len())]);
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(part.unreadable().into()),
            Err(error) => return Err(Failure::OfFile(error)),
        }
    }
    let digest = ContentDigest::from_hasher(hasher);
    part.check_digest(digest)?;
    Ok((Audio::from_source(part.media, source, digest), first))
}

/// Reads a sound into memory, unless it is too long to be joined to another one.
fn loaded(audio: &Audio) -> Result<Audio, Failure> {
    if audio.len() > JOINED_LIMIT {
        return Err(DecodeError::JoinedTooLong.into());
    }
    let mut bytes = Vec::new();
    audio.reader().read_to_end(&mut bytes).map_err(Failure::OfFile)?;
    Ok(Audio::with_digest(audio.media(), bytes, audio.digest()))
}

/// A mail in a file, as a [`Mail`]. An error is recorded, and bytes that cannot be read count as missing.
struct InFile<'a> {
    file: &'a dyn MailFile,
    len: usize,
    failed: RefCell<Option<io::Error>>,
}

impl InFile<'_> {
    fn read(&self, range: Range<usize>) -> Vec<u8> {
        self.file.read_at(range.start as u64, range.len()).unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            Vec::new()
        })
    }

    /// Returns the rest of the line from `at`, and the position of the next line; less of a line that can be no delimiter.
    fn rest_of_line(&self, mut at: usize, end: usize) -> (Vec<u8>, usize) {
        let mut line = Vec::new();
        while at < end {
            let piece = self.read(at..end.min(at + WINDOW));
            let len = memchr::memchr(b'\n', &piece).map_or(piece.len(), |at| at + 1);
            let is_padding = piece[..len].iter().all(u8::is_ascii_whitespace);
            at += len;
            // More white space makes no difference.
            if line.is_empty() || !is_padding {
                line.extend_from_slice(&piece[..len]);
            }
            let padding = line.strip_prefix(b"--").unwrap_or(&line);
            if piece.is_empty() || piece[..len].ends_with(b"\n") || !padding.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        (line, at)
    }
}

impl Mail for InFile<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn beginning(&self, range: Range<usize>, at_most: usize) -> Cow<'_, [u8]> {
        self.read(range.start..range.end.min(range.start.saturating_add(at_most))).into()
    }

    fn next_delimiter(&self, boundary: &Boundary, within: Range<usize>) -> Option<Delimiter> {
        let mut from = within.start;
        while from < within.end {
            let (start, end) = (from.saturating_sub(2), within.end.min(from + WINDOW.max(4 * boundary.dashed.len())));
            let window = self.read(start..end);
            if window.len() < end - start {
                return None;
            }
            for found in memmem::find_iter(&window[from - start..], &boundary.dashed) {
                let at = from + found;
                let (before, behind) = (&window[..at - start], &window[at - start + boundary.dashed.len()..]);
                if !begins_line(before) {
                    continue;
                }
                let next = at + boundary.dashed.len();
                let (rest, after) = match memchr::memchr(b'\n', behind) {
                    Some(line_end) => (behind[..=line_end].to_vec(), next + line_end + 1),
                    None => self.rest_of_line(next, within.end),
                };
                let delimiter = Boundary::read(before, at, &rest, after);
                if delimiter.is_some() {
                    return delimiter;
                }
            }
            if end == within.end {
                return None;
            }
            // A delimiter that begins in the last bytes of a window is found in the next one.
            from = end - (boundary.dashed.len() - 1);
        }
        None
    }
}

/// The sound of a mail in a file.
#[derive(Debug)]
struct MailSound {
    file: Arc<dyn MailFile>,
    body: Range<usize>,
    encoding: PartEncoding,
    /// How many bytes the decoded sound has.
    len: u64,
}

impl MailSound {
    /// Decodes the sound piece by piece; [`InvalidData`](io::ErrorKind::InvalidData) where it cannot be.
    fn pieces(&self) -> impl Iterator<Item = io::Result<Vec<u8>>> + Send + use<> {
        let (file, body) = (Arc::clone(&self.file), self.body.clone());
        let starts = body.clone().step_by(WINDOW);
        let windows = starts.map(move |start| file.read_at(start as u64, WINDOW.min(body.end - start)));
        TransferDecoder::new(self.encoding, windows)
    }
}

impl AudioSource for MailSound {
    fn size(&self) -> u64 {
        self.len
    }

    fn reader(self: Arc<Self>) -> Box<dyn Read + Send> {
        Box::new(Reader { pieces: Box::new(self.pieces()), piece: io::Cursor::default() })
    }
}

struct Reader {
    pieces: Box<dyn Iterator<Item = io::Result<Vec<u8>>> + Send>,
    piece: io::Cursor<Vec<u8>>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.pieces.next() {
                Some(piece) => self.piece = io::Cursor::new(piece?),
                None => return Ok(0),
            }
        }
    }
}

fn usize_of(len: u64) -> io::Result<usize> {
    usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

/// How much of a mail is read at once.
const WINDOW: usize = 64 * 1024;
/// How much of a foreign sound is looked at to see what it is.
const BEGINNING: usize = 1024 * 1024;

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::message::AudioType;
    use crate::wire::{decode, decode_within};

    /// A mail in a file of which the first so many bytes can be read.
    #[derive(Debug)]
    struct File(Bytes, usize);

    impl MailFile for File {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
            let from = usize_of(offset)?;
            if from + len > self.1 {
                return Err(io::Error::other("a bad sector"));
            }
            Ok(self.0[from..from + len].to_vec())
        }
    }

    pub(in crate::wire) fn in_file(mail: &Bytes) -> Result<Message, DecodeError> {
        let file: Arc<dyn MailFile> = Arc::new(File(mail.clone(), mail.len()));
        decode_file(&file, DecodeLimits::default()).unwrap()
    }

    /// Head and sound are the same as from memory.
    fn compare(mail: &Bytes) {
        let (here, there) = (decode_within(mail, DecodeLimits::default()), in_file(mail));
        assert_eq!(
            here.as_ref().map(|message| (message.head(), message.audio())),
            there.as_ref().map(|message| (message.head(), message.audio()))
        );
        if let (Ok(here), Ok(there)) = (here, there) {
            let mut sound = Vec::new();
            there.audio().reader().read_to_end(&mut sound).unwrap();
            assert!(sound[..] == here.audio().bytes()[..]);
        }
    }

    const MAILS: [&[u8]; 7] = [
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/unity_forwarded_twice.eml")),
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/own.eml")),
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/asterisk.eml")),
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/vpim.eml")),
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/mail_program.eml")),
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/alternative_gsm_then_wav.eml")),
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mails/cte_comment.eml")),
    ];

    /// A mail with a sound of so many bytes, and a preamble of so many, so that a boundary comes to lie anywhere in a window.
    fn long(preamble: usize, sound: usize, encoding: &str, padding: &str) -> Bytes {
        let sound: String = "QmFzaWMgc291bmQgaGVy\r\n".chars().cycle().take(sound).collect();
        let preamble = "p".repeat(preamble);
        format!(
            "Date: Mon, 26 Aug 2019 10:20:20 -0700\r\nContent-Type: multipart/mixed; boundary=boundary\r\n\r\n{preamble}\r\n--boundary{padding}\r\n\
             Content-Type: audio/basic\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{sound}\r\n--boundary--{padding}\r\nepilogue"
        )
        .into()
    }

    #[test]
    fn real_mails_are_the_same_whole_cut_short_and_damaged() {
        for mail in MAILS {
            let mail = Bytes::from_static(mail);
            for len in (0..=mail.len()).rev().step_by(7) {
                compare(&mail.slice(..len));
            }
        }
    }

    #[test]
    fn a_boundary_is_found_wherever_it_lies_in_a_window() {
        for len in WINDOW - 40..WINDOW + 40 {
            compare(&long(len, 200, "7bit", ""));
            compare(&long(0, len - 80, "base64", ""));
        }
        for encoding in ["base64", "quoted-printable", "binary", "x-uue"] {
            for padding in ["", " ", &" ".repeat(3 * WINDOW), "x"] {
                compare(&long(3, 3 * WINDOW + 5, encoding, padding));
            }
        }
    }

    #[test]
    fn a_line_full_of_boundaries_holds_no_sound() {
        // A search that looks for the line's end at each of them would take minutes.
        for boundary in ["b", "\"\""] {
            let line = format!("--{}", boundary.trim_matches('"')).repeat(1024 * 1024);
            let mail = Bytes::from(format!(
                "Date: Mon, 26 Aug 2019 10:20:20 -0700\r\nContent-Type: multipart/mixed; boundary={boundary}\r\n\r\n{line}"
            ));
            assert_eq!((decode(&mail), in_file(&mail)), (Err(DecodeError::NoAudio), Err(DecodeError::NoAudio)));
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_no_message() {
        let mail = long(0, 3 * WINDOW, "base64", "");
        for readable in [0, 100, WINDOW, 2 * WINDOW + 7, mail.len() - 1] {
            let file: Arc<dyn MailFile> = Arc::new(File(mail.clone(), readable));
            assert_eq!(decode_file(&file, DecodeLimits::default()).unwrap_err().to_string(), "a bad sector", "{readable}");
        }
        assert_eq!(in_file(&mail).unwrap().audio().media(), AudioType::Basic);
    }

    #[test]
    fn a_line_that_can_be_no_boundary_is_not_read_to_its_end_for_it() {
        /// Counts what is read of a mail.
        #[derive(Debug)]
        struct Counting(Bytes, AtomicUsize);

        impl MailFile for Counting {
            fn size(&self) -> u64 {
                self.0.len() as u64
            }

            fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
                self.1.fetch_add(len, Ordering::Relaxed);
                let from = usize_of(offset)?;
                Ok(self.0[from..from + len].to_vec())
            }
        }

        for behind in ["-", "--", "--x", "-- x", "x"] {
            let mail = long(0, 0, "7bit", &format!("{behind}{}", "-".repeat(64 * WINDOW)));
            let counting = Arc::new(Counting(mail.clone(), AtomicUsize::new(0)));
            let file: Arc<dyn MailFile> = Arc::clone(&counting) as _;
            assert_eq!(decode_file(&file, DecodeLimits::default()).unwrap().unwrap_err(), DecodeError::NoAudio, "{behind:?}");
            let read = counting.1.load(Ordering::Relaxed);
            assert!(read < mail.len() + 8 * WINDOW, "{read} of {} bytes, behind {behind:?}", mail.len());
        }
    }

    proptest! {
        #[test]
        fn damaged_mails_are_the_same(which in 0..MAILS.len(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut mail = MAILS[which].to_vec();
            for (at, byte) in damage {
                let at = at.index(mail.len());
                mail[at] = byte;
            }
            compare(&mail.into());
        }
    }
}
