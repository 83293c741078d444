//! Recording: from a caller's first word to a message on stable storage.
//!
//! A [`Recording`] takes what the media thread pushes; the recorder behind it writes it to the spool's disk as it grows, and at the end
//! lets it go its way: into this node's own store, or into the spool for another node.

mod begun;
mod claim;
mod error;
mod facts;
mod keep;
mod opening;
mod recording;
mod recover;
mod take;
mod timeline;
mod unkept;

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use chrono_tz::Tz;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;

pub use self::error::RecordError;
pub use self::facts::CallFacts;
use self::opening::{bytes_in, check_format};
use self::recording::Unsettled;
pub use self::recording::{Progress, Recording, WrongFormat};
use self::take::Take;
use self::unkept::Unkept;
use crate::audio::{Format, length_within};
use crate::clock::{Clock, Reading};
use crate::directory::Directory;
use crate::disk;
use crate::event::Events;
use crate::forward::FullMailboxes;
use crate::lock::Lock;
use crate::message::{AudioType, EndReason, MessageId, SiteId};
use crate::network::Port;
use crate::spool::{Sound, Spool};
use crate::store::MessageStore;

/// A message that is on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Which message.
    pub id: MessageId,
    /// How long it is.
    pub length: Duration,
}

/// Which way messages go from this node.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    /// Into this node's own store.
    Here,
    /// To another node, through the spool.
    To(Arc<str>),
}

/// The PBX on which somebody records.
#[derive(Debug, Clone)]
pub(crate) struct Studio {
    pub(crate) site: SiteId,
    pub(crate) zone: Tz,
}

pub(crate) use self::keep::HERE;

/// Records calls; clones are the same recorder.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    spool: Spool,
    store: Option<Arc<dyn MessageStore>>,
    /// The mailboxes that the central node said were full.
    full: Arc<FullMailboxes>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    events: Events,
    reserve: u64,
    open: Lock<Open>,
    jobs: mpsc::UnboundedSender<Job>,
}

/// The recordings under way.
#[derive(Debug, Default)]
struct Open {
    takes: HashMap<MessageId, Weak<Take>>,
    /// The most bytes that recordings may come to have whose files are being created just now.
    opening: u64,
    stopping: bool,
}

/// Work that no caller waits for.
#[derive(Debug)]
enum Job {
    /// Write what is pending.
    Write(Arc<Take>),
    /// The caller hung up: keep what there is.
    Keep(Arc<Take>),
    /// The disk did not do its part: try again.
    KeepAgain(Unkept),
}

/// The work that no caller waits for, to be handed to [`Recorder::run`].
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
        reserve: u64,
    ) -> (Self, Jobs) {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let open = Lock::default();
        let shared = Shared { spool, store, full, directory, clock, events, reserve, open, jobs };
        (Self { shared: Arc::new(shared) }, Jobs(receiver))
    }

    /// Begins to record frames in `format`.
    pub(crate) async fn record(
        &self,
        studio: Studio,
        facts: CallFacts,
        format: Format,
        port: Port,
    ) -> Result<Recording, RecordError> {
        check_format(format)?;
        let limits = self.limits(&facts).await?;
        let most = bytes_in(format, limits.max);
        let take = self.begin(studio, facts, Sound::Frames(format), limits.min, most, port).await?;
        Ok(Recording::new(self.clone(), take, format))
    }

    /// Keeps a sound that is recorded already, byte for byte.
    pub(crate) async fn deposit(
        &self,
        studio: Studio,
        facts: CallFacts,
        wav: bytes::Bytes,
        port: Port,
    ) -> Result<Kept, RecordError> {
        let length = length_within(AudioType::Wav, &wav, wav.len() as u64)?;
        let limits = self.limits(&facts).await?;
        if length < limits.min {
            return Err(RecordError::TooShort { length, min: limits.min });
        }
        if length > limits.max {
            return Err(RecordError::TooLong { length, max: limits.max });
        }
        let take = self.begin(studio, facts, Sound::AsItIs, limits.min, wav.len() as u64, port).await?;
        {
            let mut buffer = take.buffer();
            buffer.head.head.length = length;
            buffer.whole = Some(wav);
        }
        Unsettled::new(self.clone(), take).keep().await
    }

    /// Writes what grows and keeps what was hung up on, until `stop` is ready; then ends every recording under way and keeps it.
    pub(crate) async fn run(&self, jobs: Jobs, stop: impl Future<Output = ()> + Send) {
        let Jobs(mut jobs) = jobs;
        let mut keeping = FuturesUnordered::new();
        let mut writing = FuturesUnordered::new();
        let (mut batch, mut to_write) = (Vec::new(), Vec::new());
        let mut stop = std::pin::pin!(stop);
        loop {
            // One turn at a time; what comes meanwhile is written with the next. A disk that stands still holds up nothing else.
            if writing.is_empty() && !to_write.is_empty() {
                writing.push(write_all(std::mem::take(&mut to_write)));
            }
            tokio::select! {
                () = &mut stop => break,
                Some(()) = keeping.next() => continue,
                Some(()) = writing.next() => continue,
                _ = jobs.recv_many(&mut batch, MOST_JOBS) => {}
            }
            let (growing, ended): (Vec<_>, Vec<_>) = batch.drain(..).partition(|job| matches!(job, Job::Write(_)));
            keeping.extend(ended.into_iter().map(|job| self.attend_to(job)));
            to_write.extend(growing);
        }
        for take in self.stop_open() {
            take.end(EndReason::Truncated, self.now());
            keeping.push(self.attend_to(Job::Keep(take)));
        }
        jobs.close();
        while let Some(job) = jobs.recv().await {
            keeping.push(self.attend_to(job));
        }
        while keeping.next().await.is_some() {}
    }

    fn now(&self) -> Reading {
        self.shared.clock.now()
    }

    /// Asks for work that nobody waits for.
    fn ask(&self, job: Job) {
        // If the node is gone, what is on disk becomes a message at the next start.
        match self.shared.jobs.send(job) {
            Ok(()) | Err(mpsc::error::SendError(Job::Write(_))) => {}
            Err(mpsc::error::SendError(Job::Keep(take))) => {
                tracing::warn!(id = %take.id, "a caller hung up after the node had stopped");
            }
            Err(mpsc::error::SendError(Job::KeepAgain(unkept))) => {
                tracing::error!(%unkept, "a recording was not kept when the node stopped; the next start takes it up");
            }
        }
    }

    async fn attend_to(&self, job: Job) {
        let take = match job {
            Job::KeepAgain(unkept) => return self.keep_again(unkept).await,
            Job::Keep(take) | Job::Write(take) => take,
        };
        if take.buffer().ending.is_none() {
            return;
        }
        let id = take.id;
        match self.keep(take).await {
            Ok(_) | Err(RecordError::TooShort { .. } | RecordError::ThrownAway) => {}
            Err(error) => tracing::error!(%id, error = &error as &dyn Error, "a recording could not be kept yet"),
        }
    }

    /// Lets no recording begin any more; answers those under way.
    fn stop_open(&self) -> Vec<Arc<Take>> {
        let mut open = self.open();
        open.stopping = true;
        open.takes.values().filter_map(Weak::upgrade).collect()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.shared.open()
    }
}

impl Shared {
    /// Which way messages go now.
    fn route(&self) -> Route {
        self.spool.served().filter(|destination| **destination != *HERE).map_or(Route::Here, Route::To)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock()
    }
}

/// Writes what is pending of each, in one go.
async fn write_all(jobs: Vec<Job>) {
    let written = disk::blocking(move || {
        for job in jobs {
            let Job::Write(take) = job else { continue };
            let hold_back = take.format.map_or(0, |format| usize::try_from(bytes_in(format, HOLD_BACK)).unwrap_or(0));
            if let Err(error) = take.write(hold_back) {
                // It stays in memory, and is written with what follows or at the end, which then tells the caller.
                tracing::warn!(id = %take.id, %error, "a recording cannot be written to disk just now");
            }
        }
        Ok(())
    });
    if let Err(error) = written.await {
        tracing::error!(%error, "recordings could not be written");
    }
}

/// How late a packet may come and still find its place.
const HOLD_BACK: Duration = Duration::from_millis(500);
/// How many recordings are written in one go.
const MOST_JOBS: usize = 256;
