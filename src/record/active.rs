//! [`ActiveRecording`]: one recording under way, shared between the call that fills it and the disk that keeps it.

use std::io;
use std::sync::MutexGuard;
use std::time::Duration;

use bytes::Bytes;
use chrono_tz::Tz;
use tracing::Span;

use crate::audio::Format;
use crate::clock::Reading;
use crate::lock::Lock;
use crate::message::{EndReason, MailboxId, MessageId, SiteId};
use crate::network::Port;
use crate::spool::{FileHead, GrowingFile};

use super::{CallFacts, Kept};

/// One recording under way.
///
/// Two locks, never held together the other way round: `file` first, then `buffer`. The media side takes only `buffer`, which is
/// never held during I/O.
#[derive(Debug)]
pub(super) struct ActiveRecording {
    pub(super) id: MessageId,
    pub(super) site: SiteId,
    pub(super) zone: Tz,
    pub(super) format: Option<Format>,
    pub(super) min: Duration,
    pub(super) mailboxes: Vec<MailboxId>,
    /// The most bytes that the recording may come to have.
    max_bytes: u64,
    buffer: Lock<Buffer>,
    file: Lock<FileState>,
}

impl Drop for ActiveRecording {
    /// Nobody answers for it any more, and it is no message: what is in memory goes to its file, where the next start finds it.
    fn drop(&mut self) {
        let mut file = std::mem::replace(&mut *self.file(), FileState::ThrownAway);
        if let Err(error) = self.write_to(&mut file, 0) {
            tracing::error!(id = %self.id, %error, "the end of a recording could not be written to disk");
        }
    }
}

/// What is on its way to the disk.
#[derive(Debug)]
pub(super) struct Buffer {
    /// What is not on disk yet.
    pub(super) pending: Vec<u8>,
    /// The sound, where it was given in one piece.
    pub(super) whole: Option<Bytes>,
    /// How many bytes of sound were taken, headers not counted.
    pub(super) taken: u64,
    /// How many bytes may be taken in all.
    pub(super) limit: u64,
    /// Whether somebody was asked to write what is pending.
    pub(super) write_requested: bool,
    /// Why it ended, once it has, and when.
    pub(super) ending: Option<(EndReason, Reading)>,
    /// What the caller has chosen since the recording began; taken over into the head at the end.
    pub(super) head: FileHead,
    /// Whether it was told that the recording has ended.
    pub(super) finished: bool,
    /// Whether the caller threw it away: whoever comes to its file first removes it.
    pub(super) thrown_away: bool,
    /// The port on the PBX, given back as soon as the call is over.
    pub(super) port: Option<Port>,
}

/// Where the recording stands on disk.
#[derive(Debug)]
pub(super) enum FileState {
    /// Its file grows.
    Growing(Box<GrowingFile>),
    /// It is a message, on stable storage.
    Kept(Kept),
    /// It was too short, and is gone.
    TooShort(Duration),
    /// It was thrown away.
    ThrownAway,
}

impl Buffer {
    /// Ends the recording, if it has not ended yet.
    pub(super) fn end(&mut self, ending: EndReason, now: Reading) {
        self.ending.get_or_insert((ending, now));
    }
}

impl ActiveRecording {
    #[expect(clippy::too_many_arguments, reason = "each is a field, and one caller fills them")]
    pub(super) fn new(
        file: GrowingFile,
        head: FileHead,
        zone: Tz,
        format: Option<Format>,
        min: Duration,
        limit: u64,
        mailboxes: Vec<MailboxId>,
        site: SiteId,
    ) -> Self {
        let id = head.head.id;
        let (pending, whole, port) = (Vec::new(), None, None);
        let buffer = Buffer {
            pending,
            whole,
            taken: 0,
            limit,
            write_requested: false,
            ending: None,
            head,
            finished: false,
            thrown_away: false,
            port,
        };
        let (buffer, file) = (Lock::new(buffer), Lock::new(FileState::Growing(Box::new(file))));
        Self { id, site, zone, format, min, mailboxes, max_bytes: limit, buffer, file }
    }

    /// The buffer; held only for as long as bytes are copied.
    pub(super) fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock()
    }

    /// The file; for threads that may block.
    pub(super) fn file(&self) -> MutexGuard<'_, FileState> {
        self.file.lock()
    }

    /// Writes what is pending, but for the last `hold_back` bytes, which late packets may still change. Blocks.
    pub(super) fn write(&self, hold_back: usize) -> io::Result<()> {
        self.write_to(&mut self.file(), hold_back)
    }

    /// The same, for whoever has the file already.
    pub(super) fn write_to(&self, file: &mut FileState, hold_back: usize) -> io::Result<()> {
        let FileState::Growing(growing) = file else { return Ok(()) };
        let bytes = {
            let mut buffer = self.buffer();
            buffer.write_requested = false;
            if let Some(whole) = buffer.whole.clone() {
                drop(buffer);
                return if growing.audio_len() == 0 { growing.append(&whole) } else { Ok(()) };
            }
            let ready = buffer.pending.len().saturating_sub(hold_back);
            let kept_back = buffer.pending.split_off(ready);
            std::mem::replace(&mut buffer.pending, kept_back)
        };
        let written = growing.append(&bytes);
        if written.is_err() {
            let mut buffer = self.buffer();
            let later = std::mem::replace(&mut buffer.pending, bytes);
            buffer.pending.extend_from_slice(&later);
        }
        written
    }

    /// The most bytes that may still come to the disk.
    pub(super) fn remaining_bytes(&self) -> u64 {
        let buffer = self.buffer();
        let written = buffer.taken.saturating_sub(buffer.pending.len() as u64);
        self.max_bytes.saturating_sub(written)
    }

    /// How long the sound is that was taken so far.
    pub(super) fn length(&self) -> Duration {
        let buffer = self.buffer();
        self.format.map_or(buffer.head.head.length, |format| format.duration_of(buffer.taken))
    }

    /// Its keeping begins; answers whether it does so for the first time.
    pub(super) fn handle_finish(&self) -> bool {
        !std::mem::replace(&mut self.buffer().finished, true)
    }

    /// The span of its way to stable storage.
    pub(super) fn span(&self) -> Span {
        tracing::info_span!("record", id = %self.id, site = %self.site)
    }

    /// Keeps `port` as long as the call is not over.
    pub(super) fn hold_port(&self, port: Port) {
        let mut buffer = self.buffer();
        buffer.port = Some(port).filter(|_| buffer.ending.is_none());
    }

    /// Hands over the port, if the call still has one.
    pub(super) fn take_port(&self) -> Option<Port> {
        self.buffer().port.take()
    }

    /// The facts of the call, as its caller has chosen them last.
    pub(super) fn facts(&self) -> CallFacts {
        let head = self.buffer().head.head.clone();
        let (caller, urgency, privacy) = (head.caller, head.urgency, head.privacy);
        CallFacts { mailboxes: self.mailboxes.clone(), caller, urgency, privacy }
    }

    /// The most bytes that the recording may come to have.
    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Ends the recording, if it has not ended yet, and gives its port back.
    pub(super) fn end(&self, ending: EndReason, now: Reading) {
        let mut buffer = self.buffer();
        buffer.end(ending, now);
        buffer.port = None;
    }
}
