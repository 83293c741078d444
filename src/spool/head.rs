//! [`FileHead`]: the text at the start of each message file, for programs and for an operator with `head`.

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
    pub(crate) head: Head,
    pub(crate) mailboxes: Vec<MailboxId>,
    pub(crate) media: AudioType,
    /// The size and the digest of the sound, once the recording is finished.
    pub(crate) audio: Option<(u64, ContentDigest)>,
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
        let mut text = format!("{MAGIC}\n");
        let mut line = |name: &str, value: &str| text.extend([name, ": ", value, "\n"]);
        let mailboxes: Vec<_> = self.mailboxes.iter().map(MailboxId::as_str).collect();
        line("mailboxes", &mailboxes.join(" "));
        write_lines(&self.head, &mut line);
        line("media", self.media.mime());
        match &self.audio {
            Some((len, digest)) => line("audio", &format!("{len} bytes, sha-256 {digest}")),
            None => line("audio", "being recorded"),
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
        if lines.next() != Some(MAGIC) {
            return Err(Unreadable("the file does not begin as a spool file"));
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
        Ok(Self { head, mailboxes: mailboxes.map_err(|_| Unreadable("mailboxes"))?, media, audio })
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

/// Whether `error` says that a sound is damaged.
pub(super) fn is_damaged(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.downcast_ref::<Damaged>().is_some())
}

fn parse_audio(text: &str) -> Option<(u64, ContentDigest)> {
    let (len, digest) = text.split_once(" bytes, sha-256 ")?;
    Some((len.parse().ok()?, digest.parse().ok()?))
}

const MAGIC: &str = "voicemail spool 1";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::message::mailbox::tests::any_mailbox;
    use crate::message::{Caller, CallerName, ClockQuality, ClockSource, EndReason, Privacy, RecordedAt, Urgency};

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
        FileHead { head, mailboxes: vec!["m".repeat(32).parse().unwrap()], media: AudioType::Adpcm32, audio: None }
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
        let head = FileHead { head: Head::new(recorded_at), mailboxes, media: AudioType::Wav, audio: None };
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
