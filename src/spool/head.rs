//! [`FileHead`]: the text at the start of each message file, for programs and for an operator with `head`.
//!
//! A disk that loses its power while it writes over a file may write some sectors of 512 bytes and not others. A mixture of two heads must
//! not be taken for a head: the head of a file that may be written over another one says so in its first line, and ends with a check of
//! all its lines.
//!
//! A message that says something of its call beside the caller has a larger head, with a first line of its own, and so has one with very
//! many mailboxes and a language. All others have the head that versions before had, and can be read by those.

use std::io;

use crate::disk::DiskFile;
use crate::message::{AudioType, ContentDigest, Head, MailboxId, MessageKind, read_lines, write_lines};

/// The size of the larger head in bytes: that of the smaller one, and what can be said of a call.
pub(crate) const MAX_HEAD_LEN: usize = 4096;
/// The longest sound that is read in one piece, in bytes: two minutes of mu-law. A longer one stays in its file while it is sent.
pub(super) const SHORT: usize = 1024 * 1024;

/// The contents of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileHead {
    pub(crate) size: HeadSize,
    pub(crate) source: SoundSource,
    pub(crate) head: Head,
    pub(crate) mailboxes: Vec<MailboxId>,
    pub(crate) media: AudioType,
    /// The size and the digest of the sound, once the recording is finished.
    pub(crate) audio: Option<(u64, ContentDigest)>,
}

/// The size of the text at the start of a file, padded with line ends; the sound follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadSize {
    /// 1024 bytes.
    Small,
    /// [`MAX_HEAD_LEN`] bytes, for a message that says something of its call.
    Large,
}

impl HeadSize {
    const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// Returns how many bytes the text has.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Small => SMALL,
            Self::Large => MAX_HEAD_LEN,
        }
    }

    /// Returns the first line of the text.
    const fn first_line(self, source: SoundSource) -> &'static str {
        match (self, source) {
            (Self::Small, SoundSource::Call) => "voicemail spool 1",
            (Self::Small, SoundSource::File) => "voicemail spool 1 file",
            (Self::Large, SoundSource::Call) => "voicemail spool 2",
            (Self::Large, SoundSource::File) => "voicemail spool 2 file",
        }
    }
}

/// Where the sound of a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SoundSource {
    /// A call, whose sound is written while it grows.
    Call,
    /// A sound file that was given whole. Its message is kept only if all of it reached the disk, because its file may have held another
    /// sound before.
    File,
}

impl SoundSource {
    const ALL: [Self; 2] = [Self::Call, Self::File];
}

impl FileHead {
    /// The head of a message that is recorded from now on, with as much space as it needs.
    pub(crate) fn new(source: SoundSource, head: Head, mailboxes: Vec<MailboxId>) -> Self {
        // Only a mail can request a receipt or be one, and no recording comes by mail: so a head is never too long because of one.
        let head = Head { receipt: None, kind: MessageKind::Voice, ..head };
        let mailboxes_len: usize = mailboxes.iter().map(|mailbox| mailbox.as_str().len() + 1).sum();
        let name_len = head.caller.name.as_ref().map_or(0, |name| name.as_str().len());
        let language_len = head.language.as_ref().map_or(0, |language| "language: \n".len() + language.as_str().len());
        let is_small = head.call_details.is_empty() && mailboxes_len + name_len + language_len <= MAX_IN_SMALL;
        let size = if is_small { HeadSize::Small } else { HeadSize::Large };
        Self { size, source, head, mailboxes, media: AudioType::Wav, audio: None }
    }

    /// The position of the sound in the file.
    pub(super) fn len(&self) -> u64 {
        self.size.bytes() as u64
    }

    /// Returns the text, as long as its [size](HeadSize::bytes).
    ///
    /// # Errors
    ///
    /// [`TooLong`] when it does not fit, which takes more mailboxes than a recording may have.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, TooLong> {
        let text = self.to_text();
        let mut bytes = vec![b'\n'; self.size.bytes()];
        bytes.get_mut(..text.len()).ok_or(TooLong)?.copy_from_slice(text.as_bytes());
        Ok(bytes)
    }

    fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.size.first_line(self.source));
        let mut line = |name: &str, value: &str| text.extend([name, ": ", value, "\n"]);
        let mailboxes: Vec<_> = self.mailboxes.iter().map(MailboxId::as_str).collect();
        line("mailboxes", &mailboxes.join(" "));
        write_lines(&self.head, &mut line);
        line("media", self.media.mime());
        match &self.audio {
            Some((len, digest)) => line("audio", &format!("{len} bytes, sha-256 {digest}")),
            None => line("audio", "being recorded"),
        }
        if self.source == SoundSource::File {
            let check = check_of(&text);
            text.extend([CHECK, &check, "\n"]);
        }
        text
    }

    /// Reads the text back.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] with the name of the line that is missing or wrong.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable("the head is no UTF-8"))?;
        let mut lines = text.trim_end_matches('\n').lines();
        let first = lines.next().unwrap_or_default();
        let mut kinds = SoundSource::ALL.iter().flat_map(|source| HeadSize::ALL.map(|size| (*source, size)));
        let kind = kinds.find(|(source, size)| size.first_line(*source) == first);
        let (source, size) = kind.ok_or(Unreadable("the file does not begin as a spool file"))?;
        if source == SoundSource::File && !is_checked(text) {
            return Err(Unreadable("check"));
        }
        let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
        let find = |name: &str| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
        let need = |name: &'static str| find(name).ok_or(Unreadable(name));

        let mailboxes: Result<Vec<_>, _> = need("mailboxes")?.split(' ').map(str::parse).collect();
        let head = read_lines(&fields).map_err(|invalid| Unreadable(invalid.0))?;
        let media = AudioType::from_mime(need("media")?).ok_or(Unreadable("media"))?;
        let audio = match need("audio")? {
            "being recorded" => None,
            audio => Some(parse_audio(audio).ok_or(Unreadable("audio"))?),
        };
        Ok(Self { size, source, head, mailboxes: mailboxes.map_err(|_| Unreadable("mailboxes"))?, media, audio })
    }
}

/// Reads the head of a message's file. Blocks.
///
/// # Errors
///
/// [`InvalidData`](io::ErrorKind::InvalidData) when it has no such head, or the error of the file system.
pub(super) fn read_head(file: &dyn DiskFile) -> io::Result<FileHead> {
    let too_short = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Unreadable("the file is too short").into(),
        _ => error,
    };
    let mut bytes = vec![0; SMALL];
    file.read_exact_at(&mut bytes, 0).map_err(too_short)?;
    if bytes.starts_with(SETTLED.as_bytes()) {
        return Err(Settled.into());
    }
    if bytes.starts_with(HeadSize::Large.first_line(SoundSource::Call).as_bytes()) {
        bytes.resize(MAX_HEAD_LEN, 0);
        file.read_exact_at(&mut bytes[SMALL..], SMALL as u64).map_err(too_short)?;
    }
    FileHead::parse(&bytes).map_err(io::Error::from)
}

/// The error of a head that does not fit into its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the head does not fit into its part of the file")]
pub(crate) struct TooLong;

/// The error of a head that cannot be read: the line that is missing or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a readable spool file: {0}")]
pub(crate) struct Unreadable(pub(crate) &'static str);

impl From<Unreadable> for io::Error {
    fn from(error: Unreadable) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The error of a sound that has changed since its recording was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("damaged: the sound no longer matches the digest that was taken when it was finished")]
pub(super) struct Damaged;

impl From<Damaged> for io::Error {
    fn from(damaged: Damaged) -> Self {
        Self::new(io::ErrorKind::InvalidData, damaged)
    }
}

/// The error of a file whose message was settled: it was delivered, and the file was kept for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message of this file was delivered")]
pub(super) struct Settled;

impl From<Settled> for io::Error {
    fn from(settled: Settled) -> Self {
        Self::new(io::ErrorKind::InvalidData, settled)
    }
}

/// Whether `error` says that the message of a file was settled.
pub(super) fn is_settled(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.downcast_ref::<Settled>().is_some())
}

/// The head that takes the place of a delivered message's head, which was at least as long.
pub(super) fn settled_head() -> [u8; SMALL] {
    let mut bytes = [b'\n'; SMALL];
    bytes[..SETTLED.len()].copy_from_slice(SETTLED.as_bytes());
    bytes
}

/// Whether a file that begins with `bytes` is that of a sound that was given whole, or was meant to become one.
pub(super) fn is_sound_file(bytes: &[u8]) -> bool {
    HeadSize::ALL.iter().any(|size| bytes.starts_with(size.first_line(SoundSource::File).as_bytes()))
}

/// Whether the text has a check that fits all lines before it.
fn is_checked(text: &str) -> bool {
    let Some((lines, check)) = text.split_once(&format!("\n{CHECK}")) else { return false };
    check.lines().next() == Some(&check_of(&format!("{lines}\n")))
}

/// The check of the lines of a head: the first digits of their digest.
fn check_of(lines: &str) -> String {
    let mut digits = ContentDigest::of(lines.as_bytes()).to_string();
    digits.truncate(CHECK_DIGITS);
    digits
}

/// Whether `error` says that a sound is damaged.
pub(super) fn is_damaged(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.downcast_ref::<Damaged>().is_some())
}

fn parse_audio(text: &str) -> Option<(u64, ContentDigest)> {
    let (len, digest) = text.split_once(" bytes, sha-256 ")?;
    Some((len.parse().ok()?, digest.parse().ok()?))
}

/// How many bytes the mailboxes, the caller's name and the language may have together in the smaller head: as many as the mailboxes of a
/// recording, each with a space, and a name in any script.
const MAX_IN_SMALL: usize = 16 * 17 + 200;
/// The size of the smaller head in bytes.
const SMALL: usize = 1024;
const SETTLED: &str = "voicemail spool: delivered\n";
const CHECK: &str = "check: ";
const CHECK_DIGITS: usize = 8;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::disk::{Disk as _, PowerCutDisk};
    use crate::message::mailbox::tests::any_mailbox;
    use crate::message::{
        CallDetails, CallFields, CallId, Caller, CallerName, ClockQuality, ClockSource, EndReason, MessageId, PartyNumber,
        Privacy, RecordedAt, Urgency,
    };

    fn longest() -> FileHead {
        let recorded_at = RecordedAt {
            instant: "2025-04-05T15:00:00.123456789Z".parse().unwrap(),
            zone: chrono_tz::America::Argentina::ComodRivadavia,
            quality: "sntp; offset=-999999999999.000001; uncertainty=999999999999.000001; age=999999999999".parse().unwrap(),
        };
        let mut head = Head::new(recorded_at);
        head.caller = Caller { number: "+123456789012345".parse().ok(), name: CallerName::cleaned(&"𝒜".repeat(60)) };
        head.site = "x".repeat(63).parse().ok();
        head.urgency = Urgency::Urgent;
        head.privacy = Privacy::Private;
        head.length = Duration::new(u64::MAX, 999_999_999);
        head.language = format!("en-{}-{}", "x".repeat(8), "aaaaaaa-bbbbbbb-ccccccc").parse().ok();
        head.end_reason = EndReason::Truncated;
        FileHead { media: AudioType::Adpcm32, ..FileHead::new(SoundSource::File, head, vec!["m".repeat(32).parse().unwrap()]) }
    }

    /// As much as can be said of a call.
    fn longest_call_details() -> CallDetails {
        let mut details = CallDetails::default()
            .called("9".repeat(PartyNumber::MAX_LEN).parse().unwrap())
            .diverted_from("9".repeat(PartyNumber::MAX_LEN).parse().unwrap())
            .call_id("x".repeat(CallId::MAX_LEN).parse().unwrap());
        let value = "v".repeat(CallFields::MAX_BYTES / CallFields::MAX_FIELDS - 3);
        for number in 0..CallFields::MAX_FIELDS {
            details.fields.insert(&format!("n{number:02}"), &value).unwrap();
        }
        assert_eq!(details.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>(), CallFields::MAX_BYTES);
        details
    }

    fn with_call_details(head: FileHead) -> FileHead {
        let head = FileHead { head: Head { call_details: longest_call_details(), ..head.head }, ..head };
        FileHead { audio: head.audio, media: head.media, ..FileHead::new(head.source, head.head, head.mailboxes) }
    }

    #[test]
    fn the_longest_head_fits_and_reads_back() {
        for (mut head, len) in [(longest(), 1024), (with_call_details(longest()), 4096)] {
            assert_eq!(FileHead::parse(&head.to_bytes().unwrap()), Ok(head.clone()));
            head.audio = Some((u64::MAX, ContentDigest::of(b"")));
            let bytes = head.to_bytes().unwrap();
            assert_eq!((bytes.len(), head.len()), (len, len as u64));
            assert_eq!(FileHead::parse(&bytes), Ok(head));
        }
    }

    #[test]
    fn a_head_without_caller_or_site_reads_back() {
        let zone = chrono_tz::UTC;
        let recorded_at = RecordedAt { instant: DateTime::UNIX_EPOCH, zone, quality: ClockQuality::unknown(ClockSource::System) };
        let mailboxes = vec!["1".parse().unwrap(), "2".parse().unwrap()];
        let head = FileHead::new(SoundSource::Call, Head::new(recorded_at), mailboxes);
        assert_eq!(FileHead::parse(&head.to_bytes().unwrap()), Ok(head));
    }

    proptest! {
        #[test]
        fn any_mailbox_reads_back_from_the_longest_head(mailbox in any_mailbox()) {
            let head = FileHead { mailboxes: vec![mailbox], audio: Some((u64::MAX, ContentDigest::of(b""))), ..longest() };
            prop_assert_eq!(FileHead::parse(&head.to_bytes().unwrap()), Ok(head));
        }
    }

    #[test]
    fn the_head_of_a_call_with_the_most_mailboxes_fits() {
        let numbers = (0..16).map(|number| format!("+{number:015}")).collect::<Vec<_>>();
        let names = (0..8).map(|number| format!("n{number:031}")).collect::<Vec<_>>();
        for mailboxes in [numbers, names] {
            let mailboxes = mailboxes.iter().map(|text| text.parse().unwrap()).collect();
            let mut call = FileHead { media: AudioType::Adpcm32, ..FileHead::new(SoundSource::File, longest().head, mailboxes) };
            call.audio = Some((u64::from(u32::MAX), ContentDigest::of(b"")));
            call.head.recorded_at.quality = "sntp; offset=-86400.000001; uncertainty=86400.000001; age=86400".parse().unwrap();
            call.head.length = Duration::new(86_400, 999_999_999);
            assert_eq!(FileHead::parse(&call.to_bytes().unwrap()), Ok(call.clone()));
            call.head.language = None;
            let head = FileHead::new(SoundSource::File, call.head, call.mailboxes);
            call = FileHead { media: call.media, audio: call.audio, ..head };
            assert_eq!(call.len(), 1024);
            assert_eq!(FileHead::parse(&call.to_bytes().unwrap()), Ok(call.clone()));
            let call = with_call_details(call);
            assert_eq!(FileHead::parse(&call.to_bytes().unwrap()), Ok(call));
        }
    }

    #[test]
    fn too_many_mailboxes_are_an_error() {
        let mut head = longest();
        head.mailboxes = vec!["123456789012345".parse().unwrap(); 64];
        assert_eq!(head.to_bytes(), Err(TooLong));
    }

    #[test]
    fn a_mixture_of_two_finished_heads_is_no_head() {
        mix(&longest());
        mix(&with_call_details(longest()));
    }

    fn mix(head: &FileHead) {
        let finished = |number: u8| {
            let mut head = head.clone();
            head.head.id = MessageId::from_bytes([number; 16]);
            head.audio = Some((1000, ContentDigest::of(&[number])));
            head.to_bytes().unwrap()
        };
        let (old, new) = (finished(1), finished(2));
        for at in (1..old.len()).filter(|at| old[..*at] != new[..*at] && old[*at..] != new[*at..]) {
            let mixed = [&new[..at], &old[at..]].concat();
            assert_eq!(FileHead::parse(&mixed), Err(Unreadable("check")), "{at}");
        }
    }

    #[test]
    fn a_large_head_is_read_from_its_file_to_its_end() {
        let disk = PowerCutDisk::new();
        let head = with_call_details(FileHead { source: SoundSource::Call, ..longest() });
        let file = disk.create(Path::new("/file")).unwrap();
        file.write_all_at(&head.to_bytes().unwrap()[..4095], 0).unwrap();
        assert_eq!(read_head(&*file).unwrap_err().to_string(), "not a readable spool file: the file is too short");
        file.write_all_at(b"\n", 4095).unwrap();
        assert_eq!(read_head(&*file).unwrap(), head);
    }

    #[test]
    fn damaged_heads_are_errors_and_never_panic() {
        let whole = longest().to_bytes().unwrap();
        for cut in 0..whole.len() {
            let _ = FileHead::parse(&whole[..cut]);
            let mut flipped = whole.clone();
            flipped[cut] ^= 0x55;
            let _ = FileHead::parse(&flipped);
        }
        assert!(FileHead::parse(&[0; MAX_HEAD_LEN]).is_err());
        assert!(FileHead::parse(b"").is_err());
    }
}
