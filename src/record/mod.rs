//! Recordings: a caller's samples or RTP payload become a message on stable storage.
//!
//! A [`Recording`] takes the sound that the media thread pushes. The recorder behind it writes the sound to the spool's disk as it grows.
//! At the end the message goes into this node's own store, or into the spool for another node.

mod active;
mod claim;
mod deposit;
mod error;
mod facts;
mod failed_keep;
mod keep;
mod opening;
mod pending;
mod recording;
mod recover;

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use chrono_tz::Tz;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;

use self::active::ActiveRecording;
pub use self::error::RecordError;
pub use self::facts::CallFacts;
use self::failed_keep::FailedKeep;
use self::opening::bytes_in;
pub(crate) use self::opening::check_format;
pub use self::recording::{Progress, Recording, WrongFormat};
use crate::audio::Format;
use crate::clock::{Clock, Reading};
use crate::directory::Directory;
use crate::disk;
use crate::event::Events;
use crate::forward::FullMailboxes;
use crate::lock::Lock;
use crate::message::{EndReason, MessageId, SiteId};
use crate::network::Port;
use crate::spool::{SoundInput, Spool};
use crate::store::MessageStore;

/// A message that is on stable storage: the result of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The id of the message.
    pub id: MessageId,
    /// The length of its sound.
    pub length: Duration,
}

/// Where messages go from this node.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    /// Into this node's own store.
    LocalStore,
    /// To another node, through the spool.
    Forward(Arc<str>),
}

/// The PBX whose call is recorded.
#[derive(Debug, Clone)]
pub(crate) struct RecordingSite {
    pub(crate) id: SiteId,
    pub(crate) zone: Tz,
}

pub(crate) use self::keep::LOCAL_DESTINATION;

/// Records calls; clones are the same recorder.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    shared: Arc<RecorderShared>,
}

#[derive(Debug)]
struct RecorderShared {
    spool: Spool,
    store: Option<Arc<dyn MessageStore>>,
    /// The mailboxes that are full, as far as the central node has answered.
    full: Arc<FullMailboxes>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    events: Events,
    min_free_space: u64,
    active: Lock<ActiveRecordings>,
    jobs: mpsc::UnboundedSender<Job>,
}

/// The recordings under way.
#[derive(Debug, Default)]
struct ActiveRecordings {
    recordings: HashMap<MessageId, Weak<ActiveRecording>>,
    /// The size limits, added up, of the recordings whose files are being created just now.
    pending_bytes: u64,
    stopping: bool,
}

/// A job that no caller waits for.
#[derive(Debug)]
enum Job {
    /// Write the pending bytes to disk.
    Write(Arc<ActiveRecording>),
    /// Keep the recording, because the caller hung up.
    Keep(Arc<ActiveRecording>),
    /// Discard the recording, because nobody spoke in it.
    Discard(Arc<ActiveRecording>),
    /// Try again to keep a recording, after the disk failed.
    RetryKeep(FailedKeep),
}

/// The jobs that no caller waits for, to be passed to [`Recorder::run`].
#[derive(Debug)]
pub(crate) struct Jobs(mpsc::UnboundedReceiver<Job>);

impl Recorder {
    pub(crate) fn new(
        spool: Spool,
        store: Option<Arc<dyn MessageStore>>,
        full: Arc<FullMailboxes>,
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
        events: Events,
        min_free_space: u64,
    ) -> (Self, Jobs) {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let active = Lock::default();
        let shared = RecorderShared { spool, store, full, directory, clock, events, min_free_space, active, jobs };
        (Self { shared: Arc::new(shared) }, Jobs(receiver))
    }

    /// Begins to record frames in `format`.
    pub(crate) async fn record(
        &self,
        site: RecordingSite,
        mut facts: CallFacts,
        format: Format,
        port: Port,
    ) -> Result<Recording, RecordError> {
        check_format(format)?;
        let limits = self.limits(&mut facts).await?;
        let max_bytes = bytes_in(format, limits.max);
        let recording = self.begin(site, facts, SoundInput::Frames(format), limits.min, max_bytes, port).await?;
        Ok(Recording::new(self.clone(), recording, format))
    }

    /// Writes growing recordings to disk and keeps those whose caller hung up, until `stop` is ready; then ends and keeps all others.
    pub(crate) async fn run(&self, jobs: Jobs, stop: impl Future<Output = ()> + Send) {
        let Jobs(mut jobs) = jobs;
        let mut keeping = FuturesUnordered::new();
        let mut writing = FuturesUnordered::new();
        let (mut batch, mut to_write) = (Vec::new(), Vec::new());
        let mut stop = std::pin::pin!(stop);
        loop {
            // One batch at a time; jobs that come meanwhile are written with the next. A disk that hangs delays nothing else.
            if writing.is_empty() && !to_write.is_empty() {
                writing.push(write_all(std::mem::take(&mut to_write)));
            }
            tokio::select! {
                () = &mut stop => break,
                Some(()) = keeping.next() => continue,
                Some(()) = writing.next() => continue,
                _ = jobs.recv_many(&mut batch, MAX_JOBS) => {}
            }
            let (growing, ended): (Vec<_>, Vec<_>) = batch.drain(..).partition(|job| matches!(job, Job::Write(_)));
            keeping.extend(ended.into_iter().map(|job| self.run_job(job)));
            to_write.extend(growing);
        }
        for recording in self.stop_recordings() {
            recording.end(EndReason::Truncated, self.now());
            keeping.push(self.run_job(Job::Keep(recording)));
        }
        jobs.close();
        while let Some(job) = jobs.recv().await {
            keeping.push(self.run_job(job));
        }
        while keeping.next().await.is_some() {}
    }

    fn now(&self) -> Reading {
        self.shared.clock.now()
    }

    /// Adds a job that no caller waits for.
    fn submit(&self, job: Job) {
        // If the node is gone, what is on disk becomes a message at the next start.
        match self.shared.jobs.send(job) {
            Ok(()) | Err(mpsc::error::SendError(Job::Write(_))) => {}
            Err(mpsc::error::SendError(Job::Keep(recording))) => {
                tracing::warn!(id = %recording.id, "a caller hung up after the node had stopped");
            }
            Err(mpsc::error::SendError(Job::Discard(recording))) => {
                tracing::warn!(id = %recording.id, "a recording was not discarded because the node had stopped; the next start takes it up");
            }
            Err(mpsc::error::SendError(Job::RetryKeep(failed))) => {
                tracing::error!(%failed, "a recording was not kept when the node stopped; the next start takes it up");
            }
        }
    }

    async fn run_job(&self, job: Job) {
        let recording = match job {
            Job::RetryKeep(failed) => return self.retry_keep(failed).await,
            Job::Discard(recording) => return self.discard_later(recording).await,
            Job::Keep(recording) | Job::Write(recording) => recording,
        };
        if recording.buffer().ending.is_none() {
            return;
        }
        let id = recording.id;
        match self.keep(recording).await {
            Ok(_) | Err(RecordError::TooShort { .. } | RecordError::Discarded) => {}
            Err(error) => tracing::error!(%id, error = &error as &dyn Error, "a recording could not be kept yet"),
        }
    }

    /// Lets no further recording begin; returns those under way.
    fn stop_recordings(&self) -> Vec<Arc<ActiveRecording>> {
        let mut active = self.active();
        active.stopping = true;
        active.recordings.values().filter_map(Weak::upgrade).collect()
    }

    fn active(&self) -> MutexGuard<'_, ActiveRecordings> {
        self.shared.active()
    }
}

impl RecorderShared {
    /// Returns where messages go now.
    fn route(&self) -> Route {
        self.spool
            .current_destination()
            .filter(|destination| **destination != *LOCAL_DESTINATION)
            .map_or(Route::LocalStore, Route::Forward)
    }

    fn active(&self) -> MutexGuard<'_, ActiveRecordings> {
        self.active.lock()
    }
}

/// Writes the pending bytes of all recordings, in one blocking call.
async fn write_all(jobs: Vec<Job>) {
    let written = disk::blocking(move || {
        for job in jobs {
            let Job::Write(recording) = job else { continue };
            let hold_back = recording.format.map_or(0, |format| usize::try_from(bytes_in(format, HOLD_BACK)).unwrap_or(0));
            // Bytes that are not written are written with the next ones or at the end, which then reports the error to the caller.
            recording.write_or_log(hold_back);
        }
        Ok(())
    });
    if let Err(error) = written.await {
        tracing::error!(%error, "recordings could not be written");
    }
}

/// How late a packet may come and still be put in its place.
const HOLD_BACK: Duration = Duration::from_millis(500);
/// How many recordings are written in one blocking call.
const MAX_JOBS: usize = 256;
