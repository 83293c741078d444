//! Greetings: the sounds that callers hear before they leave a message, and the spoken names of owners.
//!
//! An owner records greetings at the central node, which sends them to the node that answers the calls. Each recording has an [`Edition`]; of
//! two editions the newer one is in force, in whatever order they arrive. A removed greeting is an edition, too: one without a sound. A greeting
//! may have an end: after that it is as if it were removed, by the clock of each node.
//!
//! A [`GreetingStore`] keeps the newest edition of each greeting; a [`GreetingKeeper`] accepts the greetings that arrive.
#![cfg_attr(feature = "fs", doc = "[`GreetingFolder`] is the store on disk.")]

mod copy;
mod edition;
mod error;
mod event;
#[cfg(feature = "fs")]
mod folder;
mod keeper;
mod kind;
#[cfg(feature = "fs")]
mod name;
mod store;

use std::fmt;

use chrono::{DateTime, Utc};

pub use self::copy::{CopiedGreetings, copy_greetings};
pub use self::edition::{Edition, GreetingVersion, InvalidGreetingVersion};
pub use self::error::GreetingStoreError;
pub use self::event::GreetingEvent;
#[cfg(feature = "fs")]
pub use self::folder::GreetingFolder;
pub use self::keeper::{GreetingKeeper, KeepOutcome, KeeperError};
pub use self::kind::{GreetingKind, Greetings, UnknownGreetingKind};
pub use self::store::{GreetingEntry, GreetingStore, GreetingStoreExt};
use crate::message::{Audio, ContentDigest, MailboxId};

/// The id of a greeting: the mailbox that it belongs to, and its kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct GreetingId {
    /// The mailbox that the greeting belongs to.
    pub mailbox: MailboxId,
    /// The calls that the greeting is for.
    pub kind: GreetingKind,
}

impl GreetingId {
    /// Returns the id of the greeting of this kind for `mailbox`.
    pub fn new(mailbox: MailboxId, kind: GreetingKind) -> Self {
        Self { mailbox, kind }
    }
}

impl fmt::Display for GreetingId {
    /// `2041 normal`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.mailbox, self.kind)
    }
}

/// One edition of a greeting, with its sound.
///
/// ```
/// use voicemail::greeting::{Greeting, GreetingId, GreetingKind, GreetingVersion};
/// use voicemail::message::{Audio, AudioType};
///
/// let id = GreetingId::new("2041".parse()?, GreetingKind::Normal);
/// let at = |instant: &str| GreetingVersion::next(None, instant.parse().unwrap());
/// let recorded = Greeting::new(id.clone(), at("2025-03-30T00:59:40Z"), Some(Audio::new(AudioType::Wav, &b"RIFF.."[..])));
/// let removed = Greeting::new(id, at("2025-04-01T07:00:00Z"), None);
/// assert!(removed.edition() > recorded.edition());
/// # Ok::<(), voicemail::message::InvalidMailboxId>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    id: GreetingId,
    version: GreetingVersion,
    sound: Option<Audio>,
    until: Option<DateTime<Utc>>,
}

impl Greeting {
    /// Returns an edition of the greeting `id`: with this sound, or a removal.
    pub fn new(id: GreetingId, version: GreetingVersion, sound: Option<Audio>) -> Self {
        Self { id, version, sound, until: None }
    }

    /// Returns the same edition with an end, in whole seconds of the years 1970 to 9999. A removal has no end.
    #[must_use]
    pub fn with_until(self, until: DateTime<Utc>) -> Self {
        let until = self.sound.is_some().then(|| whole_seconds(until));
        Self { until, ..self }
    }

    /// Returns the id of the greeting.
    pub fn id(&self) -> &GreetingId {
        &self.id
    }

    /// Returns which edition of the greeting this is.
    pub fn edition(&self) -> Edition {
        Edition { version: self.version, digest: self.digest() }
    }

    /// Returns the sound, or `None` for a greeting that its owner removed.
    pub fn sound(&self) -> Option<&Audio> {
        self.sound.as_ref()
    }

    /// Returns the sound, unless the greeting was removed or has ended at `now`.
    pub fn sound_at(&self, now: DateTime<Utc>) -> Option<&Audio> {
        self.sound().filter(|_| !has_ended(self.until, now))
    }

    /// Returns the moment from which on the greeting is not played any more, if there is one.
    pub fn until(&self) -> Option<DateTime<Utc>> {
        self.until
    }

    fn digest(&self) -> Option<ContentDigest> {
        self.sound.as_ref().map(Audio::digest)
    }
}

fn has_ended(until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    until.is_some_and(|until| until <= now)
}

fn whole_seconds(moment: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(moment.timestamp().clamp(0, LATEST_SECOND), 0).unwrap_or_default()
}

/// The last second of the year 9999.
const LATEST_SECOND: i64 = 253_402_300_799;
