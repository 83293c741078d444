//! [`Recording`]: a call being recorded.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::audio::{Codec, Format, Timeline, Wav};
use crate::disk;
use crate::message::{Audio, AudioType, Caller, EndReason, MessageId, Privacy, Urgency};
use crate::spool::SoundInput;

use super::active::{ActiveRecording, Buffer, DiscardReason};
use super::opening::bytes_in;
use super::{Job, Kept, RecordError, Recorder, RecordingSite};

/// A call being recorded: samples or codec payload go in, and [`finish`](Self::finish) returns when the message is kept.
///
/// Pushing never waits for a disk, so a media thread may do it. The sound is written to disk while it grows. Dropping a recording means
/// that the caller hung up: if it is long enough to be a message, the node keeps it and reports
/// [`Event::Kept`](crate::event::Event::Kept).
pub struct Recording {
    guard: KeepOnDrop,
    format: Format,
    timeline: Timeline,
}

impl Recording {
    pub(super) fn new(recorder: Recorder, recording: Arc<ActiveRecording>, format: Format) -> Self {
        Self { guard: KeepOnDrop::new(recorder, recording), format, timeline: Timeline::new(format) }
    }

    /// The id of the message that this recording becomes.
    pub fn id(&self) -> MessageId {
        self.guard.recording.id
    }

    /// The length of the sound so far.
    pub fn length(&self) -> Duration {
        self.guard.recording.length()
    }

    /// Adds 16-bit samples at the rate the recording was opened with; several channels are interleaved. Only whole frames are added: the
    /// last sample of an odd number of them is dropped when there are two channels.
    ///
    /// # Errors
    ///
    /// [`WrongFormat`] unless it was opened for [`Codec::L16`].
    pub fn push_samples(&mut self, samples: &[i16]) -> Result<Progress, WrongFormat> {
        if self.format.codec != Codec::L16 {
            return Err(WrongFormat { opened_for: self.format.codec });
        }
        let channels = usize::from(self.format.channels.max(1));
        Ok(self.push(|buffer, room| {
            let whole = samples.len() - samples.len() % channels;
            let samples = &samples[..whole.min(room / 2)];
            buffer.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
            samples.len() * 2
        }))
    }

    /// Adds the payload of one RTP packet, in the codec the recording was opened with, at its RTP timestamp.
    ///
    /// A lost packet leaves silence, a late one is put in its place, and a duplicate changes nothing.
    ///
    /// # Source
    ///
    /// RFC 3550 §5.1 for the timestamp; RFC 3551 §4.5 for the payloads.
    pub fn push_payload(&mut self, payload: &[u8], rtp_timestamp: u32) -> Progress {
        let mut timeline = self.timeline.clone();
        let progress = self.push(|buffer, room| timeline.place(buffer, payload, rtp_timestamp, room));
        self.timeline = timeline;
        progress
    }

    /// Notes that the next payload comes from another sender (RTP: another SSRC), whose timestamps have no relation to those before. It is
    /// put at the end of the sound so far.
    ///
    /// # Source
    ///
    /// RFC 3550 §8.2.
    pub fn change_source(&mut self) {
        self.timeline.restart_source();
    }

    /// Ends the recording, and cuts off what is beyond `length`: the tone of the key that ended it, or the silence before a caller was
    /// taken to be gone. It never waits for a disk.
    ///
    /// A shorter `length` may be given later. The message has the shorter sound; a recording that a crash cut off before
    /// [`finish`](Self::finish) is recovered with its whole sound.
    pub fn truncate(&mut self, length: Duration) {
        let mut buffer = self.guard.recording.buffer();
        buffer.end(EndReason::Complete, self.guard.recorder.now());
        let cut_at = bytes_in(self.format, length);
        buffer.cut_at = Some(buffer.cut_at.map_or(cut_at, |before| before.min(cut_at)));
    }

    /// Returns the sound so far as a WAV file, so that the caller can hear it. The recording goes on, if it has not ended.
    ///
    /// All of it is read into memory, at most the longest length that the mailbox allows.
    ///
    /// # Errors
    ///
    /// [`RecordError::Disk`] when the disk cannot be read; [`RecordError::Stopping`] when the node is stopping and has settled the recording
    /// already.
    ///
    /// # Cancel safety
    ///
    /// A dropped call changes nothing.
    pub async fn sound(&self) -> Result<Audio, RecordError> {
        let (recording, format) = (Arc::clone(&self.guard.recording), self.format);
        let samples = disk::blocking(move || recording.samples()).await.map_err(RecordError::Disk)?;
        let samples = samples.ok_or(RecordError::Stopping)?;
        Ok(Audio::new(AudioType::Wav, Wav::file(format, &samples)))
    }

    /// Sets how urgent the message is, as the caller chose.
    pub fn set_urgency(&mut self, urgency: Urgency) {
        self.guard.recording.buffer().head.head.urgency = urgency;
    }

    /// Sets whether the message is private, as the caller chose.
    pub fn set_privacy(&mut self, privacy: Privacy) {
        self.guard.recording.buffer().head.head.privacy = privacy;
    }

    /// Sets the caller, when more became known during the call.
    pub fn set_caller(&mut self, caller: Caller) {
        self.guard.recording.buffer().head.head.caller = caller;
    }

    /// Ends the recording, and returns when the message is on stable storage.
    ///
    /// # Errors
    ///
    /// [`RecordError::TooShort`] when it is too short to be a message; nothing is kept then. [`RecordError::Disk`] when the disk failed:
    /// the node tries again, and reports [`Event::Kept`](crate::event::Event::Kept) when the message is kept after all.
    ///
    /// # Cancel safety
    ///
    /// A dropped call means that the caller hung up: the message is kept all the same, as long as the node runs.
    pub async fn finish(self) -> Result<Kept, RecordError> {
        self.boxed_finish().await
    }

    /// [`finish`](Self::finish) as a boxed future, which is compiled with this crate.
    fn boxed_finish(self) -> BoxFuture<'static, Result<Kept, RecordError>> {
        Box::pin(async move { self.guard.keep().await })
    }

    /// Discards the recording, as the caller chose: nothing of it is kept.
    ///
    /// # Errors
    ///
    /// [`RecordError::KeptAlready`] when the node was stopped and has kept it; [`RecordError::Disk`] when its file could not be
    /// removed.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has discarded the recording, or will do so. One that was never polled counts as a hang-up.
    pub async fn discard(mut self) -> Result<(), RecordError> {
        let recording = self.guard.give_up(DiscardReason::Chosen);
        self.guard.recorder.discard(recording).await
    }

    /// Discards the recording as [`discard`](Self::discard) does, but never waits for a disk: the node removes the file soon.
    ///
    /// A node that crashes or is stopped before that finds the file at its next start, and recovers a recording that is long enough as a
    /// message whose end was cut off. [`discard`](Self::discard) returns when that cannot happen any more.
    pub fn discard_later(mut self) {
        let recording = self.guard.give_up(DiscardReason::Chosen);
        self.guard.recorder.submit(Job::Discard(recording));
    }

    /// Discards the recording because nobody spoke in it: nothing of it is kept. It never waits for a disk.
    ///
    /// The node reports [`Event::NoSpeech`](crate::event::Event::NoSpeech) when the file is removed. A recording that the node has kept
    /// because it is stopping stays a message, and one whose file was not removed before a crash is recovered as one, as for
    /// [`discard_later`](Self::discard_later).
    pub fn discard_without_speech(mut self) {
        let recording = self.guard.give_up(DiscardReason::NoSpeech);
        self.guard.recorder.submit(Job::Discard(recording));
    }

    /// Discards the recording and begins a new one of the same call, on the port that the call has: the caller records again.
    ///
    /// The new recording has a new id. Caller, urgency and privacy are as they were last set.
    ///
    /// # Errors
    ///
    /// As for [`discard`](Self::discard), and as [`Node::record`](crate::node::Node::record) refuses a mailbox or a disk. Nothing
    /// is recorded then, and the port is free.
    ///
    /// # Cancel safety
    ///
    /// A dropped call records nothing and frees the port; the first recording is discarded, or will be. One that was never polled
    /// counts as a hang-up.
    pub async fn restart(self) -> Result<Self, RecordError> {
        let (recorder, recording) = (self.guard.recorder.clone(), Arc::clone(&self.guard.recording));
        // There is no port when the node has ended the recording because it is stopping.
        let port = recording.take_port();
        let format = self.format;
        self.discard().await?;
        let port = port.ok_or(RecordError::Stopping)?;
        let facts = recording.facts();
        let site = RecordingSite { id: recording.site.clone(), zone: recording.zone };
        let again = recorder.begin(site, facts, SoundInput::Frames(format), recording.min, recording.max_bytes(), port).await?;
        Ok(Self::new(recorder, again, format))
    }

    /// Calls `add` with the pending bytes and the number of bytes that it may append. When enough bytes are pending, asks for a write.
    fn push(&mut self, add: impl FnOnce(&mut Vec<u8>, usize) -> usize) -> Progress {
        let mut buffer = self.guard.recording.buffer();
        if buffer.ending.is_some() {
            return Progress::Ended;
        }
        let frame = self.format.bytes_per_frame() as usize;
        let room = usize::try_from(buffer.limit.saturating_sub(buffer.taken)).unwrap_or(usize::MAX);
        let memory = MAX_PENDING.saturating_sub(buffer.pending.len());
        let Buffer { pending, .. } = &mut *buffer;
        let added = add(pending, room.min(memory) / frame * frame);
        buffer.taken += added as u64;
        if buffer.taken + frame as u64 > buffer.limit {
            buffer.end(EndReason::AtLimit, self.guard.recorder.now());
            return Progress::Ended;
        }
        if buffer.pending.len() + frame > MAX_PENDING {
            // The disk has not answered for minutes. The rest of the call is lost, and the message is marked as truncated.
            buffer.end(EndReason::Truncated, self.guard.recorder.now());
            return Progress::Ended;
        }
        if buffer.pending.len() >= WRITE_THRESHOLD && !buffer.write_requested {
            buffer.write_requested = true;
            self.guard.recorder.submit(Job::Write(Arc::clone(&self.guard.recording)));
        }
        Progress::Recording
    }
}

impl fmt::Debug for Recording {
    /// `Recording(id, L16, 8000 Hz, 2.5s)`: the sound does not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recording({}, {:?}, {} Hz, {:?})", self.guard.recording.id, self.format.codec, self.format.rate, self.length())
    }
}

/// A recording that a call owns. When it is dropped, the node keeps the recording.
pub(super) struct KeepOnDrop {
    /// Declared before the recorder and so dropped first: the spool is still open when the rest of the sound goes to its file.
    recording: Arc<ActiveRecording>,
    recorder: Recorder,
    settled: bool,
}

impl KeepOnDrop {
    pub(super) fn new(recorder: Recorder, recording: Arc<ActiveRecording>) -> Self {
        Self { recorder, recording, settled: false }
    }

    /// Ends the recording, so that the node throws it away and does not keep it.
    fn give_up(&mut self, reason: DiscardReason) -> Arc<ActiveRecording> {
        self.settled = true;
        self.recording.end(EndReason::Complete, self.recorder.now());
        // A node that stops in this moment may complete the file before its file is removed.
        self.recording.buffer().discarded = Some(reason);
        Arc::clone(&self.recording)
    }

    /// Notes that the recording needs nothing more when this is dropped.
    pub(super) fn settled(mut self) {
        self.settled = true;
    }

    /// Keeps the recording. If the returned future is dropped, the node does it.
    pub(super) async fn keep(mut self) -> Result<Kept, RecordError> {
        self.recording.end(EndReason::Complete, self.recorder.now());
        let kept = self.recorder.keep(Arc::clone(&self.recording)).await;
        self.settled = true;
        kept
    }
}

impl Drop for KeepOnDrop {
    fn drop(&mut self) {
        if !self.settled {
            self.recording.end(EndReason::Complete, self.recorder.now());
            self.recorder.submit(Job::Keep(Arc::clone(&self.recording)));
        }
    }
}

/// Whether a recording goes on after a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The recording goes on.
    Recording,
    /// The recording has ended: it has the longest length that the mailbox allows, the disk hangs, or the node is stopping. Further sound is
    /// ignored. [`Recording::finish`] keeps the message.
    Ended,
}

/// The error of pushing samples into a recording that was opened for another codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("the recording was opened for {opened_for:?} payload; open it for L16 to push samples")]
pub struct WrongFormat {
    /// The codec that the recording was opened for.
    pub opened_for: Codec,
}

/// How many bytes are pending before they are written: two seconds of 8 kHz samples.
const WRITE_THRESHOLD: usize = 32 * 1024;
/// How many bytes may be pending while the disk hangs.
const MAX_PENDING: usize = 8 * 1024 * 1024;
