//! How a recording begins: whether its mailboxes take it, whether the disk has room for it, and its file.

use std::sync::Arc;
use std::time::Duration;

use super::begun::Begun;
use super::claim::Claim;
use super::facts::MAX_MAILBOXES;
use super::take::Take;
use super::{CallFacts, RecordError, Recorder, Route, Shared, Studio};
use crate::audio::Format;
use crate::directory::RecordingLimits;
use crate::disk::{self, FreeSpace};
use crate::event::Event;
use crate::message::{AudioType, Head, MailboxId, RecordedAt};
use crate::network::Port;
use crate::spool::{FileHead, Sound};
use crate::store::StoreError;

impl Recorder {
    /// The limits that hold for all mailboxes of a message together.
    pub(super) async fn limits(&self, facts: &CallFacts) -> Result<RecordingLimits, RecordError> {
        if facts.mailboxes.is_empty() || facts.mailboxes.len() > MAX_MAILBOXES {
            return Err(RecordError::Mailboxes(facts.mailboxes.len()));
        }
        let mut all = RecordingLimits { min: Duration::ZERO, max: Duration::MAX };
        for mailbox in &facts.mailboxes {
            let unavailable = |source| RecordError::DirectoryUnavailable { mailbox: mailbox.clone(), source };
            let owner = self.shared.directory.find(mailbox).await.map_err(unavailable)?;
            let RecordingLimits { min, max } = owner.ok_or_else(|| RecordError::NoSuchMailbox(mailbox.clone()))?.recording;
            all = RecordingLimits { min: all.min.max(min), max: all.max.min(max) };
        }
        Ok(all)
    }

    /// Creates the file of a recording, if there is room for all that are under way.
    pub(super) async fn begin(
        &self,
        studio: Studio,
        facts: CallFacts,
        sound: Sound,
        min: Duration,
        most: u64,
        port: Port,
    ) -> Result<Arc<Take>, RecordError> {
        self.foretold(&facts.mailboxes, sound).await?;
        let claim = Claim::new(&self.shared, most)?;
        let now = self.shared.clock.now();
        let mut head = Head::new(RecordedAt { instant: now.instant, zone: studio.zone, quality: now.quality });
        head.caller = facts.caller;
        head.site = Some(studio.site.clone());
        head.urgency = facts.urgency;
        head.privacy = facts.privacy;
        let head = FileHead { head, mailboxes: facts.mailboxes.clone(), media: AudioType::Wav, audio: None };

        let shared = Arc::clone(&self.shared);
        let begun = disk::blocking(move || {
            let room = shared.spool.free_space()?;
            let enough = claim.all().saturating_add(shared.reserve);
            if room.bytes < enough || room.files < RESERVED_FILES {
                return Ok(Err(shared.nearly_full(room)));
            }
            let file = match shared.spool.begin(head.clone(), sound) {
                Err(error) if disk::is_no_space(&error) => return Ok(Err(shared.nearly_full(room))),
                begun => begun?,
            };
            let format = if let Sound::Frames(format) = sound { Some(format) } else { None };
            let take = Arc::new(Take::new(file, head, studio.zone, format, min, most, facts.mailboxes, studio.site));
            Ok(Ok(Begun::new(shared, take).enter(claim)))
        });
        let begun = begun.await.map_err(RecordError::Disk)??;
        // The port stays with this future, so that a dropped call gives it back at once.
        begun.and_then(|begun| begun.claim(port)).ok_or(RecordError::Stopping)
    }

    /// Asks whether a message would be taken, so that a caller does not speak to a full mailbox: this node's own store, or what is
    /// remembered of the central node's answers.
    ///
    /// Only that all of them are full is a reason to refuse. A store that is out of order, or slow to say, is none: the message
    /// waits in the spool for it.
    async fn foretold(&self, mailboxes: &[MailboxId], sound: Sound) -> Result<(), RecordError> {
        let store = match (self.shared.route(), &self.shared.store) {
            (Route::Here, Some(store)) => store,
            (Route::Here, None) => return Ok(()),
            (Route::To(_), _) => {
                // Who has spoken already is not turned away by what was so a while ago: the message waits in the spool.
                let to_speak = matches!(sound, Sound::Frames(_));
                let all_full = to_speak && mailboxes.iter().all(|mailbox| self.shared.full.contains(mailbox));
                let full = mailboxes.last().filter(|_| all_full).cloned();
                return full.map_or(Ok(()), |mailbox| Err(RecordError::MailboxFull(mailbox)));
            }
        };
        let mut full = None;
        for mailbox in mailboxes {
            match tokio::time::timeout(STORE_MAY_TAKE, store.check(mailbox, 0)).await {
                Ok(Err(StoreError::MailboxFull(_))) => full = Some(mailbox.clone()),
                _ => return Ok(()),
            }
        }
        full.map_or(Ok(()), |mailbox| Err(RecordError::MailboxFull(mailbox)))
    }
}

impl Shared {
    /// Tells that the disk has only room for what is under way.
    fn nearly_full(&self, FreeSpace { bytes: free, files }: FreeSpace) -> RecordError {
        self.events.emit(Event::DiskNearlyFull { free, files });
        RecordError::DiskNearlyFull { free, files }
    }
}

/// The bytes of whole frames that last `length`.
pub(super) fn bytes_in(format: Format, length: Duration) -> u64 {
    let frames = length.as_nanos().saturating_mul(u128::from(format.rate)) / 1_000_000_000;
    let most = u64::from(MOST_WAV) / u64::from(format.bytes_per_frame());
    u64::try_from(frames).unwrap_or(most).min(most) * u64::from(format.bytes_per_frame())
}

pub(super) fn check_format(format: Format) -> Result<(), RecordError> {
    let fits = (8_000..=48_000).contains(&format.rate) && (1..=2).contains(&format.channels);
    if fits { Ok(()) } else { Err(RecordError::UnusableFormat(format)) }
}

/// How much a disk must be able to create before a recording begins: its own file, its queue entries, its parking note.
const RESERVED_FILES: u64 = 64;
/// How long the store may take to say whether a mailbox is full, while a caller waits to speak.
const STORE_MAY_TAKE: Duration = Duration::from_secs(1);
/// A WAV file counts its bytes in 32 bits; some are for its header.
const MOST_WAV: u32 = u32::MAX - 1024;
