//! [`FileHead`]: the text at the start of each message file, for programs and for an operator with `head`.
//!
//! A disk that loses its power while it writes over a file may write some sectors of 512 bytes and not others. A mixture of two heads must
//! not be taken for a head: the head of a file that may be written over another one says so in its first line, and ends with a check of
//! all its lines.

use std::io;

use crate::disk::DiskFile;
use crate::message::{AudioType, ContentDigest, Head, MailboxId, read_lines, write_lines};

/// The size of the text in bytes, padded with line ends; the sound follows.
pub(crate) const HEAD_LEN: usize = 1024;
/// The longest sound that is read in one piece, in bytes: two minutes of mu-law. A longer one stays in its file while it is sent.
pub(super) const SHORT: usize = 1024 * 1024;

/// The contents of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileHead {
    pub(crate) source: SoundSource,
    pub(crate) head: Head,
    pub(crate) mailboxes: Vec<MailboxId>,
    pub(crate) media: AudioType,
    /// The size and the digest of the sound, once the recording is finished.
    pub(crate) audio: Option<(u64, ContentDigest)>,
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

impl FileHead {
    /// Returns the text, [`HEAD_LEN`] bytes long.
    ///
    /// # Errors
    ///
    /// [`TooLong`] when it does not fit, which takes more mailboxes than a recording may have.
    pub(crate) fn to_bytes(&self) -> Result<[u8; HEAD_LEN], TooLong> {
        let text = self.to_text();
        let mut bytes = [b'\n'; HEAD_LEN];
        bytes.get_mut(..text.len()).ok_or(TooLong)?.copy_from_slice(text.as_bytes());
        Ok(bytes)
    }

    fn to_text(&self) -> String {
        let mut text = match self.source {
            SoundSource::Call => format!("{MAGIC}\n"),
            SoundSource::File => format!("{SOUND_FILE}\n"),
        };
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
        let source = match lines.next() {
            Some(MAGIC) => SoundSource::Call,
            Some(SOUND_FILE) => SoundSource::File,
            _ => return Err(Unreadable("the file does not begin as a spool file")),
        };
        if source == SoundSource::File && !is_checked(text) {
            return Err(Unreadable("check"));
        }
        let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
        let find = |name: &str| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
        let need = |name: &'static str| find(name).ok_or(Unreadable(name));

        let mailboxes: Result<Vec<_>, _> = need("mailboxes")?.split(' ').map(str::parse).collect();
        let head = read_lines(&find).map_err(|invalid| Unreadable(invalid.0))?;
        let media = AudioType::from_mime(need("media")?).ok_or(Unreadable("media"))?;
        let audio = match need("audio")? {
            "being recorded" => None,
            audio => Some(parse_audio(audio).ok_or(Unreadable("audio"))?),
        };
        Ok(Self { source, head, mailboxes: mailboxes.map_err(|_| Unreadable("mailboxes"))?, media, audio })
    }
}

/// Reads the head of a message's file. Blocks.
///
/// # Errors
///
/// [`InvalidData`](io::ErrorKind::InvalidData) when it has no such head, or the error of the file system.
pub(super) fn read_head(file: &dyn DiskFile) -> io::Result<FileHead> {
    let mut bytes = [0; HEAD_LEN];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) if is_settled_head(&bytes) => Err(Settled.into()),
        Ok(()) => FileHead::parse(&bytes).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Unreadable("the file is too short").into()),
        Err(error) => Err(error),
    }
}

/// The error of a head that does not fit into [`HEAD_LEN`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the head does not fit into {HEAD_LEN} bytes")]
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

/// The head that takes the place of a delivered message's head.
pub(super) fn settled_head() -> [u8; HEAD_LEN] {
    let mut bytes = [b'\n'; HEAD_LEN];
    bytes[..SETTLED.len()].copy_from_slice(SETTLED.as_bytes());
    bytes
}

fn is_settled_head(bytes: &[u8]) -> bool {
    bytes.starts_with(SETTLED.as_bytes())
}

/// Whether a file that begins with `bytes` is that of a sound that was given whole, or was meant to become one.
pub(super) fn is_sound_file(bytes: &[u8]) -> bool {
    bytes.starts_with(SOUND_FILE.as_bytes())
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

const MAGIC: &str = "voicemail spool 1";
/// The first line in a file of [`SoundSource::File`].
const SOUND_FILE: &str = "voicemail spool 1 file";
const SETTLED: &str = "voicemail spool: delivered\n";
const CHECK: &str = "check: ";
const CHECK_DIGITS: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::message::mailbox::tests::any_mailbox;
    use crate::message::{Caller, CallerName, ClockQuality, ClockSource, EndReason, MessageId, Privacy, RecordedAt, Urgency};

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
        head.end_reason = EndReason::Truncated;
        FileHead {
            source: SoundSource::File,
            head,
            mailboxes: vec!["m".repeat(32).parse().unwrap()],
            media: AudioType::Adpcm32,
            audio: None,
        }
    }

    #[test]
    fn the_longest_head_fits_and_reads_back() {
        let mut head = longest();
        assert_eq!(FileHead::parse(&head.to_bytes().unwrap()), Ok(head.clone()));
        head.audio = Some((u64::MAX, ContentDigest::of(b"")));
        assert_eq!(FileHead::parse(&head.to_bytes().unwrap()), Ok(head));
    }

    #[test]
    fn a_head_without_caller_or_site_reads_back() {
        let zone = chrono_tz::UTC;
        let recorded_at = RecordedAt { instant: DateTime::UNIX_EPOCH, zone, quality: ClockQuality::unknown(ClockSource::System) };
        let mailboxes = vec!["1".parse().unwrap(), "2".parse().unwrap()];
        let head =
            FileHead { source: SoundSource::Call, head: Head::new(recorded_at), mailboxes, media: AudioType::Wav, audio: None };
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
            let mut call = longest();
            call.mailboxes = mailboxes.iter().map(|text| text.parse().unwrap()).collect();
            call.audio = Some((u64::from(u32::MAX), ContentDigest::of(b"")));
            call.head.recorded_at.quality = "sntp; offset=-86400.000001; uncertainty=86400.000001; age=86400".parse().unwrap();
            call.head.length = Duration::new(86_400, 999_999_999);
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
        let finished = |number: u8| {
            let mut head = longest();
            head.head.id = MessageId::from_bytes([number; 16]);
            head.audio = Some((1000, ContentDigest::of(&[number])));
            head.to_bytes().unwrap()
        };
        let (old, new) = (finished(1), finished(2));
        for at in (1..HEAD_LEN).filter(|at| old[..*at] != new[..*at] && old[*at..] != new[*at..]) {
            let mixed = [&new[..at], &old[at..]].concat();
            assert_eq!(FileHead::parse(&mixed), Err(Unreadable("check")), "{at}");
        }
    }

    #[test]
    fn damaged_heads_are_errors_and_never_panic() {
        let whole = longest().to_bytes().unwrap();
        for cut in 0..whole.len() {
            let _ = FileHead::parse(&whole[..cut]);
            let mut flipped = whole;
            flipped[cut] ^= 0x55;
            let _ = FileHead::parse(&flipped);
        }
        assert!(FileHead::parse(&[0; HEAD_LEN]).is_err());
        assert!(FileHead::parse(b"").is_err());
    }
}
