//! [`FileName`]: the name of the file of a greeting.

use std::fmt;
use std::str::FromStr;

use super::{Edition, GreetingId};
use crate::message::AudioType;

/// The name of a greeting's file, which has all facts but the sound: `2041-normal-00001743296380000000-DIGEST.wav`, or `...-removed.txt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) id: GreetingId,
    pub(super) edition: Edition,
    /// The kind of the sound, if there is one.
    pub(super) media: Option<AudioType>,
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GreetingId { mailbox, kind } = &self.id;
        write!(f, "{mailbox}-{kind}-{}-", self.edition.version)?;
        match (self.edition.digest, self.media) {
            (Some(digest), Some(media)) => write!(f, "{digest}.{}", media.extension()),
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
        let (digest, media) = match field()? {
            REMOVED => (None, None),
            sound => {
                let (digest, extension) = sound.split_once('.').ok_or(())?;
                let media = AudioType::from_extension(extension).ok_or(())?;
                (Some(digest.parse().map_err(|_| ())?), Some(media))
            }
        };
        let version = field()?.parse().map_err(|_| ())?;
        let kind = field()?.parse().map_err(|_| ())?;
        let mailbox = field()?.parse().map_err(|_| ())?;
        let name = Self { id: GreetingId::new(mailbox, kind), edition: Edition { version, digest }, media };
        if name.to_string() == text { Ok(name) } else { Err(()) }
    }
}

const REMOVED: &str = "removed.txt";

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
            let name = FileName { id, edition: Edition { version, digest }, media };
            assert_eq!(name.to_string(), format!("+493023125014-busy-00001743296380000000-{end}"));
            assert_eq!(name.to_string().parse(), Ok(name));
        }
    }

    proptest! {
        #[test]
        fn any_mailbox_reads_back_from_its_file_names(mailbox in any_mailbox(), removed in any::<bool>()) {
            let version = GreetingVersion::next(None, "2025-03-30T00:59:40Z".parse().unwrap());
            let (digest, media) = if removed { (None, None) } else { (Some(ContentDigest::of(b"hello")), Some(AudioType::Wav)) };
            for kind in GreetingKind::ALL {
                let name = FileName { id: GreetingId::new(mailbox.clone(), kind), edition: Edition { version, digest }, media };
                prop_assert!(name.to_string().len() <= 200);
                prop_assert_eq!(name.to_string().parse(), Ok(name));
            }
        }
    }

    #[test]
    fn other_file_names_are_no_greetings() {
        let upper = format!("2041-normal-00001743296380000000-{}.wav", ContentDigest::of(b"x").to_string().to_uppercase());
        for text in
            ["", "README.txt", "2041-normal", "2041-normal-1-removed.txt", "2041-noon-00001743296380000000-removed.txt", &upper]
        {
            assert_eq!(text.parse::<FileName>(), Err(()), "{text}");
        }
    }
}
