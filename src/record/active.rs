//! [`ActiveRecording`]: one recording under way, shared by the call that fills it and the threads that write it to disk.

use std::io;
use std::sync::MutexGuard;
use std::time::Duration;

use chrono_tz::Tz;
use tracing::Span;

use crate::audio::Format;
use crate::clock::Reading;
use crate::lock::Lock;
use crate::message::{EndReason, Head, MailboxId, MessageId, SiteId};
use crate::network::Port;
use crate::spool::{FileHead, GrowingFile};

use super::{CallFacts, Kept, RecordingSite};

/// One recording under way.
///
/// It has two locks. A thread that needs both takes `file` first, then `buffer`. The media thread takes only `buffer`, which is never
/// held during I/O.
#[derive(Debug)]
pub(super) struct ActiveRecording {
    pub(super) id: MessageId,
    pub(super) site: SiteId,
    pub(super) zone: Tz,
    pub(super) format: Option<Format>,
    pub(super) min: Duration,
    pub(super) mailboxes: Vec<MailboxId>,
    /// The largest size that the recording may reach, in bytes.
    max_bytes: u64,
    buffer: Lock<Buffer>,
    file: Lock<FileState>,
}

impl Drop for ActiveRecording {
    /// Writes the pending bytes of a recording that was never settled to its file, where the next start finds them.
    fn drop(&mut self) {
        let mut file = std::mem::replace(&mut *self.file(), FileState::Discarded);
        if let Err(error) = self.write_to(&mut file, 0) {
            tracing::error!(id = %self.id, %error, "the end of a recording could not be written to disk");
        }
    }
}

/// The sound on its way to the disk, and the facts of the call.
#[derive(Debug)]
pub(super) struct Buffer {
    /// The bytes that are not on disk yet.
    pub(super) pending: Vec<u8>,
    /// How many bytes of sound were pushed, not counting headers.
    pub(super) taken: u64,
    /// How many bytes may be pushed in all.
    pub(super) limit: u64,
    /// How many bytes of sound the message has, if the end of the recording was cut off.
    pub(super) cut_at: Option<u64>,
    /// Whether a job to write the pending bytes was submitted.
    pub(super) write_requested: bool,
    /// Whether the last write failed.
    pub(super) write_failed: bool,
    /// Why and when the recording ended, if it has.
    pub(super) ending: Option<(EndReason, Reading)>,
    /// The choices that the caller has made since the recording began; they go into the head of the file at the end.
    pub(super) head: FileHead,
    /// Whether [`Event::Finished`](crate::event::Event::Finished) was reported.
    pub(super) finished: bool,
    /// Why it was thrown away, if it was: the first thread that takes the lock on its file removes the file.
    pub(super) discarded: Option<DiscardReason>,
    /// The port on the PBX, freed as soon as the call is over.
    pub(super) port: Option<Port>,
}

/// Why a recording was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiscardReason {
    /// The caller or the PBX chose so.
    Chosen,
    /// Nobody spoke in it.
    NoSpeech,
}

/// How far the recording is on disk.
#[derive(Debug)]
pub(super) enum FileState {
    /// The file is growing.
    Growing(Box<GrowingFile>),
    /// The recording is a message on stable storage.
    Kept(Kept),
    /// The recording was too short, and its file is gone.
    TooShort(Duration),
    /// The recording was discarded.
    Discarded,
}

impl Buffer {
    /// Ends the recording, if it has not ended yet.
    pub(super) fn end(&mut self, ending: EndReason, now: Reading) {
        self.ending.get_or_insert((ending, now));
    }

    /// How many bytes of sound the message has.
    pub(super) fn sound_len(&self) -> u64 {
        self.cut_at.unwrap_or(self.taken).min(self.taken)
    }
}

impl ActiveRecording {
    pub(super) fn new(
        file: GrowingFile,
        head: FileHead,
        RecordingSite { id: site, zone }: RecordingSite,
        format: Option<Format>,
        min: Duration,
        limit: u64,
    ) -> Self {
        let (id, mailboxes) = (head.head.id, head.mailboxes.clone());
        let buffer = Buffer {
            pending: Vec::new(),
            taken: 0,
            limit,
            cut_at: None,
            write_requested: false,
            write_failed: false,
            ending: None,
            head,
            finished: false,
            discarded: None,
            port: None,
        };
        let (buffer, file) = (Lock::new(buffer), Lock::new(FileState::Growing(Box::new(file))));
        Self { id, site, zone, format, min, mailboxes, max_bytes: limit, buffer, file }
    }

    /// Locks the buffer; to be held only while bytes are copied.
    pub(super) fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock()
    }

    /// Locks the file; for threads that may block.
    pub(super) fn file(&self) -> MutexGuard<'_, FileState> {
        self.file.lock()
    }

    /// Writes as [`write`](Self::write), which is tried again with the next packet: the log has the first failure and the end of the
    /// failures, and not each one.
    pub(super) fn write_or_log(&self, hold_back: usize) {
        let written = self.write(hold_back);
        let failed_before = std::mem::replace(&mut self.buffer().write_failed, written.is_err());
        match written {
            Err(error) if !failed_before => {
                tracing::warn!(id = %self.id, %error, "a recording cannot be written to disk just now; it is kept in memory");
            }
            Ok(()) if failed_before => tracing::info!(id = %self.id, "a recording is written to disk again"),
            Ok(()) | Err(_) => {}
        }
    }

    /// Writes the pending bytes except the last `hold_back`, which late packets may still change. Blocks.
    pub(super) fn write(&self, hold_back: usize) -> io::Result<()> {
        self.write_to(&mut self.file(), hold_back)
    }

    /// The same for a caller that has locked the file already.
    pub(super) fn write_to(&self, file: &mut FileState, hold_back: usize) -> io::Result<()> {
        let FileState::Growing(growing) = file else { return Ok(()) };
        let bytes = {
            let mut buffer = self.buffer();
            buffer.write_requested = false;
            let ready = buffer.pending.len().saturating_sub(hold_back);
            let kept_back = buffer.pending.split_off(ready);
            std::mem::replace(&mut buffer.pending, kept_back)
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let written = growing.append(&bytes);
        if written.is_err() {
            let mut buffer = self.buffer();
            let later = std::mem::replace(&mut buffer.pending, bytes);
            buffer.pending.extend_from_slice(&later);
        }
        written
    }

    /// Returns the bytes of the sound so far, without a header; `None` if the recording is settled. Blocks.
    pub(super) fn samples(&self) -> io::Result<Option<Vec<u8>>> {
        let file = self.file();
        let FileState::Growing(growing) = &*file else { return Ok(None) };
        let (pending, len) = {
            let buffer = self.buffer();
            (buffer.pending.clone(), buffer.sound_len())
        };
        let mut samples = growing.samples(len)?;
        let missing = usize::try_from(len.saturating_sub(samples.len() as u64)).unwrap_or(usize::MAX);
        samples.extend_from_slice(&pending[..pending.len().min(missing)]);
        Ok(Some(samples))
    }

    /// How many more bytes the recording may write to disk.
    pub(super) fn remaining_bytes(&self) -> u64 {
        let buffer = self.buffer();
        let written = buffer.taken.saturating_sub(buffer.pending.len() as u64);
        self.max_bytes.saturating_sub(written)
    }

    /// The length of the sound so far.
    pub(super) fn length(&self) -> Duration {
        let buffer = self.buffer();
        self.format.map_or(buffer.head.head.length, |format| format.duration_of(buffer.sound_len()))
    }

    /// Notes that the recording has finished; returns whether this is the first time.
    pub(super) fn handle_finish(&self) -> bool {
        !std::mem::replace(&mut self.buffer().finished, true)
    }

    /// The tracing span from the end of the recording until it is on stable storage.
    pub(super) fn span(&self) -> Span {
        record_span(self.id, &self.site)
    }

    /// Holds `port` until the call is over.
    pub(super) fn hold_port(&self, port: Port) {
        let mut buffer = self.buffer();
        buffer.port = Some(port).filter(|_| buffer.ending.is_none());
    }

    /// Returns the port, if the call still has one.
    pub(super) fn take_port(&self) -> Option<Port> {
        self.buffer().port.take()
    }

    /// The facts of the call, with the last choices of the caller.
    pub(super) fn facts(&self) -> CallFacts {
        let Head { caller, urgency, privacy, call_details, language, .. } = self.buffer().head.head.clone();
        CallFacts { mailboxes: self.mailboxes.clone(), caller, urgency, privacy, call_details, language }
    }

    /// The largest size that the recording may reach, in bytes.
    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Ends the recording, if it has not ended yet, and frees its port.
    pub(super) fn end(&self, ending: EndReason, now: Reading) {
        let mut buffer = self.buffer();
        buffer.end(ending, now);
        buffer.port = None;
    }
}

/// The tracing span of a message from the end of its recording until it is on stable storage.
pub(super) fn record_span(id: MessageId, site: &SiteId) -> Span {
    tracing::info_span!("record", %id, %site)
}
