//! How a recording begins: checks of its mailboxes and of the disk space, and the creation of its file.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::active::ActiveRecording;
use super::claim::DiskClaim;
use super::pending::PendingRecording;
use super::{CallFacts, RecordError, Recorder, RecorderShared, RecordingSite, Route};
use crate::audio::Format;
use crate::directory::RecordingLimits;
use crate::disk::{self, FreeSpace};
use crate::event::Event;
use crate::message::{Head, MailboxId, RecordedAt};
use crate::network::Port;
use crate::spool::{FileHead, GrowingFile, SoundInput, SoundSource, Spool};
use crate::store::StoreError;

impl Recorder {
    /// Returns the limits that all mailboxes of a message have together. Without a language, the facts get the one that all owners have.
    pub(super) async fn limits(&self, facts: &mut CallFacts) -> Result<RecordingLimits, RecordError> {
        if !facts.mailboxes_fit() {
            return Err(RecordError::Mailboxes(facts.mailboxes.len()));
        }
        let mut all = RecordingLimits { min: Duration::ZERO, max: Duration::MAX };
        let mut languages = Vec::with_capacity(facts.mailboxes.len());
        for mailbox in &facts.mailboxes {
            let unavailable = |source| RecordError::DirectoryUnavailable { mailbox: mailbox.clone(), source };
            let owner = self.shared.directory.find(mailbox).await.map_err(unavailable)?;
            let owner = owner.ok_or_else(|| RecordError::NoSuchMailbox(mailbox.clone()))?;
            let RecordingLimits { min, max } = owner.recording;
            all = RecordingLimits { min: all.min.max(min), max: all.max.min(max) };
            languages.push(owner.language);
        }
        languages.dedup();
        if let ([common], None) = (&mut languages[..], &facts.language) {
            facts.language = common.take();
        }
        Ok(all)
    }

    /// Creates the file of a recording, if the disk has space for all that are under way.
    pub(super) async fn begin(
        &self,
        site: RecordingSite,
        facts: CallFacts,
        sound: SoundInput,
        min: Duration,
        max_bytes: u64,
        port: Port,
    ) -> Result<Arc<ActiveRecording>, RecordError> {
        self.check_full(&facts.mailboxes, sound).await?;
        let new = self.prepare(site, facts, SoundSource::Call, min, max_bytes)?;
        let shared = Arc::clone(&self.shared);
        let pending = disk::blocking(move || {
            let format = if let SoundInput::Frames(format) = sound { Some(format) } else { None };
            shared.create(new, format, |spool, head| spool.begin(head, sound))
        });
        let pending = pending.await.map_err(RecordError::Disk)??;
        let recording = pending.hand_over().ok_or(RecordError::Stopping)?;
        // The port was in this future, so that it is free at once when the call is dropped.
        recording.hold_port(port);
        Ok(recording)
    }

    /// Claims space on the disk for a recording, and writes down what is known of its call.
    pub(super) fn prepare(
        &self,
        site: RecordingSite,
        facts: CallFacts,
        source: SoundSource,
        min: Duration,
        max_bytes: u64,
    ) -> Result<NewRecording, RecordError> {
        let claim = DiskClaim::new(&self.shared, max_bytes)?;
        let now = self.shared.clock.now();
        let mut head = Head::new(RecordedAt { instant: now.instant, zone: site.zone, quality: now.quality });
        head.caller = facts.caller;
        head.site = Some(site.id.clone());
        head.urgency = facts.urgency;
        head.privacy = facts.privacy;
        head.call_details = facts.call_details;
        head.language = facts.language;
        let head = FileHead::new(source, head, facts.mailboxes);
        Ok(NewRecording { claim, site, head, min, max_bytes })
    }

    /// Checks that at least one mailbox is not full, so that no caller leaves a message that cannot be stored. It asks this node's own
    /// store, or uses what the central node has answered lately.
    ///
    /// The recording is refused only if all mailboxes are full. It is not refused when the store fails or is slow to answer: the message
    /// then waits in the spool.
    pub(super) async fn check_full(&self, mailboxes: &[MailboxId], sound: SoundInput) -> Result<(), RecordError> {
        let store = match (self.shared.route(), &self.shared.store) {
            (Route::LocalStore, Some(store)) => store,
            (Route::LocalStore, None) => return Ok(()),
            (Route::Forward(_), _) => {
                // A finished sound is not refused by an answer of some time ago: the message waits in the spool.
                let to_speak = matches!(sound, SoundInput::Frames(_));
                let all_full = to_speak && mailboxes.iter().all(|mailbox| self.shared.full.contains(mailbox));
                let full = mailboxes.last().filter(|_| all_full).cloned();
                return full.map_or(Ok(()), |mailbox| Err(RecordError::MailboxFull(mailbox)));
            }
        };
        let mut full = None;
        for mailbox in mailboxes {
            let checked = tokio::time::timeout(CHECK_TIMEOUT, store.check(mailbox, 0)).await;
            if !matches!(checked, Ok(Err(StoreError::MailboxFull(_)))) {
                return Ok(());
            }
            full = Some(mailbox.clone());
        }
        full.map_or(Ok(()), |mailbox| Err(RecordError::MailboxFull(mailbox)))
    }
}

/// A recording of which nothing is on the disk yet.
pub(super) struct NewRecording {
    claim: DiskClaim,
    pub(super) site: RecordingSite,
    pub(super) head: FileHead,
    min: Duration,
    max_bytes: u64,
}

impl RecorderShared {
    /// Creates the file of a recording by `begin`, if the disk has space for all that are under way. Blocks.
    pub(super) fn create(
        self: &Arc<Self>,
        new: NewRecording,
        format: Option<Format>,
        begin: impl FnOnce(&Spool, FileHead) -> io::Result<GrowingFile>,
    ) -> io::Result<Result<PendingRecording, RecordError>> {
        let NewRecording { claim, site, head, min, max_bytes } = new;
        let mut free_space = self.spool.free_space()?;
        let needed = claim.total_bytes().saturating_add(self.min_free_space);
        if free_space.bytes < needed && self.spool.empty_spare_files() {
            free_space = self.spool.free_space()?;
        }
        if free_space.bytes < needed || free_space.files < RESERVED_FILES {
            return Ok(Err(self.nearly_full(free_space)));
        }
        let file = match begin(&self.spool, head.clone()) {
            Err(error) if disk::is_no_space(&error) => return Ok(Err(self.nearly_full(free_space))),
            created => created?,
        };
        let recording = Arc::new(ActiveRecording::new(file, head, site, format, min, max_bytes));
        Ok(PendingRecording::new(Arc::clone(self), recording).register(claim).ok_or(RecordError::Stopping))
    }

    /// Reports that the disk has only space for the recordings under way, and returns the error.
    fn nearly_full(&self, FreeSpace { bytes: free, files }: FreeSpace) -> RecordError {
        self.events.emit(Event::DiskNearlyFull { free, files });
        RecordError::DiskNearlyFull { free, files }
    }
}

/// Returns the size of `length` in bytes, in whole frames.
pub(super) fn bytes_in(format: Format, length: Duration) -> u64 {
    let frames = length.as_nanos().saturating_mul(u128::from(format.rate)) / 1_000_000_000;
    let most = u64::from(MAX_WAV_BYTES) / u64::from(format.bytes_per_frame());
    u64::try_from(frames).unwrap_or(most).min(most) * u64::from(format.bytes_per_frame())
}

/// Checks that calls in this format can be recorded.
pub(crate) fn check_format(format: Format) -> Result<(), RecordError> {
    let fits = (8_000..=48_000).contains(&format.rate) && (1..=2).contains(&format.channels);
    if fits { Ok(()) } else { Err(RecordError::UnusableFormat(format)) }
}

/// How many files the disk must be able to create before a recording begins: its own file, its queue entries, its parking note.
const RESERVED_FILES: u64 = 64;
/// How long the store may take to answer whether a mailbox is full, while a caller waits to speak.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// A WAV file counts its bytes in 32 bits, of which some are for its header.
const MAX_WAV_BYTES: u32 = u32::MAX - 1024;
