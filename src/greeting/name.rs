//! [`FileName`]: the name of the file of a greeting.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::{Edition, GreetingId};
use crate::message::AudioType;

/// The name of a greeting's file, which has all facts but the sound: `2041-normal-00001743296380000000-DIGEST.wav`, or `...-removed.txt`.
/// The end of a greeting stands before the extension: `...-DIGEST.20250406T000000Z.wav`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) id: GreetingId,
    pub(super) edition: Edition,
    /// The end of the greeting, if it has one; in whole seconds.
    pub(super) until: Option<DateTime<Utc>>,
    /// The kind of the sound, if there is one.
    pub(super) media: Option<AudioType>,
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GreetingId { mailbox, kind } = &self.id;
        write!(f, "{mailbox}-{kind}-{}-", self.edition.version)?;
        match (self.edition.digest, self.media) {
            (Some(digest), Some(media)) => {
                write!(f, "{digest}.")?;
                self.until.map_or(Ok(()), |until| write!(f, "{}.", until.format(UNTIL)))?;
                f.write_str(media.extension())
            }
            _ => f.write_str(REMOVED),
        }
    }
}

impl FromStr for FileName {
    type Err = ();

    /// Reads a name exactly as [`Display`](fmt::Display) writes it: another spelling would name a file that is not there.
    fn from_str(text: &str) -> Result<Self, ()> {
        // From the end, because the name of a mailbox may have hyphens, too.
        let mut fields = text.rsplitn(4, '-');
        let mut field = || fields.next().ok_or(());
        let (digest, until, media) = match field()? {
            REMOVED => (None, None, None),
            sound => {
                let (digest, rest) = sound.split_once('.').ok_or(())?;
                let (until, extension) = rest.split_once('.').map_or((None, rest), |(until, extension)| (Some(until), extension));
                let until = until.map(|until| NaiveDateTime::parse_from_str(until, UNTIL)).transpose().map_err(|_| ())?;
                let media = AudioType::from_extension(extension).ok_or(())?;
                (Some(digest.parse().map_err(|_| ())?), until.map(|until| until.and_utc()), Some(media))
            }
        };
        let version = field()?.parse().map_err(|_| ())?;
        let kind = field()?.parse().map_err(|_| ())?;
        let mailbox = field()?.parse().map_err(|_| ())?;
        let name = Self { id: GreetingId::new(mailbox, kind), edition: Edition { version, digest }, until, media };
        if name.to_string() == text { Ok(name) } else { Err(()) }
    }
}

const REMOVED: &str = "removed.txt";
const UNTIL: &str = "%Y%m%dT%H%M%SZ";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::greeting::{GreetingKind, GreetingVersion};
    use crate::message::ContentDigest;
    use crate::message::mailbox::tests::any_mailbox;

    #[test]
    fn a_name_reads_back_as_written() {
        let version = GreetingVersion::next(None, "2025-03-30T00:59:40Z".parse().unwrap());
        let digest = ContentDigest::of(b"hello");
        for (digest, media, end) in [
            (None, None, "removed.txt".to_owned()),
            (Some(digest), Some(AudioType::Wav), format!("{digest}.wav")),
            (Some(digest), Some(AudioType::Basic), format!("{digest}.au")),
            (Some(digest), Some(AudioType::Adpcm32), format!("{digest}.726")),
            (Some(digest), Some(AudioType::Gsm), format!("{digest}.gsm")),
        ] {
            let id = GreetingId::new("+493023125014".parse().unwrap(), GreetingKind::Busy);
            let name = FileName { id, edition: Edition { version, digest }, until: None, media };
            assert_eq!(name.to_string(), format!("+493023125014-busy-00001743296380000000-{end}"));
            assert_eq!(name.to_string().parse(), Ok(name));
        }
    }

    proptest! {
        #[test]
        fn any_mailbox_reads_back_from_its_file_names(
            mailbox in any_mailbox(), removed in any::<bool>(), until in prop::option::of(0..=super::super::LATEST_SECOND)
        ) {
            let version = GreetingVersion::next(None, "2025-03-30T00:59:40Z".parse().unwrap());
            let (digest, media) = if removed { (None, None) } else { (Some(ContentDigest::of(b"hello")), Some(AudioType::Wav)) };
            let until = until.filter(|_| !removed).and_then(|seconds| DateTime::from_timestamp(seconds, 0));
            for kind in GreetingKind::ALL {
                let id = GreetingId::new(mailbox.clone(), kind);
                let name = FileName { id, edition: Edition { version, digest }, until, media };
                prop_assert!(name.to_string().len() <= 200);
                prop_assert_eq!(name.to_string().parse(), Ok(name));
            }
        }
    }

    #[test]
    fn other_file_names_are_no_greetings() {
        let upper = format!("2041-normal-00001743296380000000-{}.wav", ContentDigest::of(b"x").to_string().to_uppercase());
        let end = |until: &str| format!("2041-normal-00001743296380000000-{}.{until}.wav", ContentDigest::of(b"x"));
        assert!(end("20250406T000000Z").parse::<FileName>().is_ok());
        for text in [
            &end(""),
            &end("20250406"),
            &end("20250406T000000"),
            &end("20250431T000000Z"),
            &end("+10000406T000000Z"),
            "",
            "README.txt",
            "2041-normal",
            "2041-normal-1-removed.txt",
            "2041-noon-00001743296380000000-removed.txt",
            &upper,
        ] {
            assert_eq!(text.parse::<FileName>(), Err(()), "{text}");
        }
    }
}
