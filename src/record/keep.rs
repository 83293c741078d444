//! The end of a recording: its file becomes a message, which goes into the store or into the queue of another node.

use std::error::Error;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::active::{ActiveRecording, DiscardReason, FileState};
use super::failed_keep::FailedKeep;
use super::{Kept, RecordError, Recorder, RecorderShared, Route};
use crate::disk;
use crate::event::Event;
use crate::message::{EndReason, MailboxId, Message, Origin, RecordedAt};

impl Recorder {
    /// Keeps a recording that has ended. If the disk fails now, the node tries again later.
    ///
    /// It may be called again, also while an earlier call is under way or was dropped: the message is kept once, and every call
    /// returns the same result.
    pub(super) async fn keep(&self, recording: Arc<ActiveRecording>) -> Result<Kept, RecordError> {
        let span = recording.span();
        let keep = async {
            self.report_finished(&recording);
            let shared = Arc::clone(&self.shared);
            let ended = Arc::clone(&recording);
            let outcome = disk::blocking(move || shared.settle(&ended)).await;
            self.conclude(recording, outcome).await
        };
        keep.instrument(span).await
    }

    /// Reports that a recording has ended, once.
    pub(super) fn report_finished(&self, recording: &ActiveRecording) {
        if recording.handle_finish() {
            let (id, site, length) = (recording.id, recording.site.clone(), recording.length());
            self.shared.events.emit(Event::Finished { id, site, length });
        }
    }

    /// Does what is left after [`settle`](RecorderShared::settle). If the disk has failed, the node tries again later.
    pub(super) async fn conclude(
        &self,
        recording: Arc<ActiveRecording>,
        outcome: io::Result<SettleOutcome>,
    ) -> Result<Kept, RecordError> {
        let kept = self.store(Arc::clone(&recording), outcome).await;
        if let Err(RecordError::Disk(error)) = &kept {
            self.retry_later(FailedKeep::Recording(recording), error);
        }
        kept
    }

    /// Keeps a recording that has ended, unless the disk fails.
    pub(super) async fn try_to_keep(&self, recording: Arc<ActiveRecording>) -> Result<Kept, RecordError> {
        let shared = Arc::clone(&self.shared);
        let ended = Arc::clone(&recording);
        let outcome = disk::blocking(move || shared.settle(&ended)).await;
        self.store(recording, outcome).await
    }

    /// Puts a message that is complete into this node's own store, if it belongs there.
    async fn store(&self, recording: Arc<ActiveRecording>, outcome: io::Result<SettleOutcome>) -> Result<Kept, RecordError> {
        let message = match outcome.map_err(RecordError::Disk)? {
            SettleOutcome::Settled(settled) => return settled,
            SettleOutcome::NeedsStore(message) => message,
        };
        let mut to = Vec::new();
        for mailbox in &recording.mailboxes {
            if !self.stored(mailbox, &message).await {
                to.push((Arc::from(LOCAL_DESTINATION), mailbox.clone()));
            }
        }
        let shared = Arc::clone(&self.shared);
        disk::blocking(move || Ok(shared.commit(&recording, &to))).await.map_err(RecordError::Disk)?
    }

    /// Discards a recording.
    pub(super) async fn discard(&self, recording: Arc<ActiveRecording>) -> Result<(), RecordError> {
        let shared = Arc::clone(&self.shared);
        match disk::blocking(move || shared.discard(&recording)).await.map_err(RecordError::Disk)? {
            DiscardOutcome::Discarded => Ok(()),
            DiscardOutcome::AlreadyKept => Err(RecordError::KeptAlready),
        }
    }

    /// Deposits the message in this node's own store; returns whether the store has it. If not, it waits in the spool, where it is tried
    /// again or parked.
    async fn stored(&self, mailbox: &MailboxId, message: &Message) -> bool {
        let Some(store) = &self.shared.store else { return false };
        // The store may be an integrator's code: its panic must not end the node.
        let call = AssertUnwindSafe(store.deposit(mailbox, &Origin::Here, message)).catch_unwind();
        let error: Box<dyn Error> = match timeout(STORE_TIMEOUT, call).await {
            Ok(Ok(Ok(_))) => return true,
            Ok(Ok(Err(error))) => error.into(),
            Ok(Err(_)) => "the store panicked".into(),
            Err(elapsed) => elapsed.into(),
        };
        tracing::warn!(id = %message.id(), %mailbox, error = &*error, "the store did not take a message; it waits in the spool");
        false
    }
}

/// How far [`RecorderShared::settle`] came.
pub(super) enum SettleOutcome {
    /// The recording is settled, now or by an earlier call.
    Settled(Result<Kept, RecordError>),
    /// The message has yet to be deposited in this node's own store.
    NeedsStore(Box<Message>),
}

/// Whether a recording was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiscardOutcome {
    /// The recording is gone.
    Discarded,
    /// The recording is a message already.
    AlreadyKept,
}

impl RecorderShared {
    /// Removes the file of a recording, unless it is a message already or is being completed. Blocks.
    pub(super) fn discard(&self, recording: &ActiveRecording) -> io::Result<DiscardOutcome> {
        let mut file = recording.file();
        match &*file {
            FileState::Kept(_) => return Ok(DiscardOutcome::AlreadyKept),
            FileState::TooShort(_) | FileState::Discarded => return Ok(DiscardOutcome::Discarded),
            FileState::Growing(growing) if growing.head().audio.is_some() => return Ok(DiscardOutcome::AlreadyKept),
            FileState::Growing(growing) => self.spool.discard_for_good(growing)?,
        }
        *file = FileState::Discarded;
        self.active().recordings.remove(&recording.id);
        let length = recording.length();
        let reason = recording.buffer().discarded;
        if reason == Some(DiscardReason::NoSpeech) {
            for mailbox in &recording.mailboxes {
                self.events.emit(Event::NoSpeech { mailbox: mailbox.clone(), site: recording.site.clone(), length });
            }
        }
        Ok(DiscardOutcome::Discarded)
    }

    /// Removes the file of a recording that its call has not received. Blocks.
    pub(super) fn withdraw(&self, recording: &ActiveRecording) -> io::Result<()> {
        let mut file = recording.file();
        if let FileState::Growing(growing) = &*file {
            self.spool.discard_for_good(growing)?;
            *file = FileState::Discarded;
            self.active().recordings.remove(&recording.id);
        }
        Ok(())
    }

    /// Completes a recording. One for another node is put into the spool in the same blocking call. Blocks.
    pub(super) fn settle(&self, recording: &ActiveRecording) -> io::Result<SettleOutcome> {
        match self.try_to_settle(recording) {
            Err(error) if disk::is_no_space(&error) && self.spool.empty_spare_files() => self.try_to_settle(recording),
            outcome => outcome,
        }
    }

    fn try_to_settle(&self, recording: &ActiveRecording) -> io::Result<SettleOutcome> {
        let discarded = recording.buffer().discarded.is_some();
        if discarded && self.discard(recording)? == DiscardOutcome::Discarded {
            return Ok(SettleOutcome::Settled(Err(RecordError::Discarded)));
        }
        if let Some(settled) = self.complete(recording)? {
            return Ok(SettleOutcome::Settled(settled));
        }
        if let Route::Forward(destination) = self.route() {
            let to: Vec<_> = recording.mailboxes.iter().map(|mailbox| (Arc::clone(&destination), mailbox.clone())).collect();
            return Ok(SettleOutcome::Settled(self.commit(recording, &to)));
        }
        match &*recording.file() {
            FileState::Growing(growing) => Ok(SettleOutcome::NeedsStore(Box::new(growing.message()?))),
            other => Ok(SettleOutcome::Settled(settled(other, recording.min).unwrap_or(Err(RecordError::Discarded)))),
        }
    }

    /// Writes the rest of the sound and the final head. Returns how the recording was settled, if it is settled already. Blocks.
    fn complete(&self, recording: &ActiveRecording) -> io::Result<Option<Result<Kept, RecordError>>> {
        let mut file = recording.file();
        if let Some(settled) = settled(&file, recording.min) {
            return Ok(Some(settled));
        }
        let length = recording.length();
        if length < recording.min {
            let FileState::Growing(growing) = &*file else { return Err(io::Error::other("the recording is settled")) };
            self.spool.discard(growing)?;
            *file = FileState::TooShort(length);
            self.active().recordings.remove(&recording.id);
            self.discarded(recording, length);
            return Ok(Some(Err(RecordError::TooShort { length, min: recording.min })));
        }
        recording.write_to(&mut file, 0)?;
        let FileState::Growing(growing) = &mut *file else { return Err(io::Error::other("the recording is settled")) };
        if growing.head().audio.is_none() {
            let (mut head, ended, cut_at) = {
                let buffer = recording.buffer();
                (buffer.head.head.clone(), buffer.ending, buffer.cut_at)
            };
            if let Some(cut_at) = cut_at {
                growing.cut(cut_at);
            }
            let (ending, at) = ended.unwrap_or_else(|| (EndReason::Complete, self.clock.now()));
            head.recorded_at = RecordedAt { instant: at.instant, zone: recording.zone, quality: at.quality };
            head.length = length;
            head.end_reason = ending;
            growing.head_mut().head = head;
            growing.complete()?;
        }
        Ok(None)
    }

    /// Puts the message into the queues of `to`, or removes its file if `to` is empty. Blocks.
    fn commit(&self, recording: &ActiveRecording, to: &[(Arc<str>, MailboxId)]) -> Result<Kept, RecordError> {
        let mut file = recording.file();
        if let Some(settled) = settled(&file, recording.min) {
            return settled;
        }
        let FileState::Growing(growing) = &mut *file else { return Err(RecordError::Discarded) };
        let kept = Kept { id: recording.id, length: growing.head().head.length };
        let of_call = growing.head().head.call_details.call_id.clone();
        let report = || {
            for mailbox in &recording.mailboxes {
                let (id, mailbox, site) = (recording.id, mailbox.clone(), recording.site.clone());
                self.events.emit(Event::Kept { id, mailbox, site, length: kept.length, call_id: of_call.clone() });
            }
        };
        let done =
            if to.is_empty() { self.spool.discard(growing).map(|()| report()) } else { self.spool.enqueue(growing, to, report) };
        done.map_err(RecordError::Disk)?;
        *file = FileState::Kept(kept);
        self.active().recordings.remove(&recording.id);
        Ok(kept)
    }

    fn discarded(&self, recording: &ActiveRecording, length: Duration) {
        for mailbox in &recording.mailboxes {
            self.events.emit(Event::Discarded { mailbox: mailbox.clone(), site: recording.site.clone(), length });
        }
    }
}

/// Returns how a recording was settled, or `None` if it was not.
fn settled(file: &FileState, min: Duration) -> Option<Result<Kept, RecordError>> {
    match file {
        FileState::Growing(_) => None,
        FileState::Kept(kept) => Some(Ok(*kept)),
        FileState::TooShort(length) => Some(Err(RecordError::TooShort { length: *length, min })),
        FileState::Discarded => Some(Err(RecordError::Discarded)),
    }
}

/// The destination of messages for this node's own store; it names their folder in the spool.
pub(crate) const LOCAL_DESTINATION: &str = "here";
/// How long the end of a call waits for a store that does not answer, for each mailbox of a message.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);
