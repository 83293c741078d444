//! Recordings that could not be kept because the disk failed: the node tries again until they are.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument as _;

use super::active::ActiveRecording;
use super::{Job, RecordError, Recorder};
use crate::error_chain;
use crate::event::Event;
use crate::message::MessageId;

/// A recording that has ended and is no message yet.
#[derive(Debug)]
pub(super) enum FailedKeep {
    /// A recording of this run.
    Recording(Arc<ActiveRecording>),
    /// A recording that an earlier run has left, by the name of its file.
    LeftOver(String),
}

impl Recorder {
    /// Submits another attempt to keep a recording, and reports that it is not kept yet.
    pub(super) fn retry_later(&self, failed: FailedKeep, error: &io::Error) {
        tracing::error!(%failed, %error, "a recording could not be kept; it is tried again until it can");
        if let Some(id) = failed.id() {
            self.shared.events.emit(Event::NotKeptYet { id, reason: error_chain(error) });
        }
        self.submit(Job::RetryKeep(failed));
    }

    /// Removes the file of a recording that was discarded. If the disk fails, it is tried again.
    pub(super) async fn discard_later(&self, recording: Arc<ActiveRecording>) {
        if let Err(RecordError::Disk(error)) = self.discard(Arc::clone(&recording)).await {
            tracing::error!(id = %recording.id, %error, "the file of a discarded recording could not be removed; it is tried again until it can");
            self.submit(Job::RetryKeep(FailedKeep::Recording(recording)));
        }
    }

    /// Waits for half a second and tries once more.
    pub(super) async fn retry_keep(&self, failed: FailedKeep) {
        tokio::time::sleep(RETRY_PAUSE).await;
        let kept = match &failed {
            FailedKeep::Recording(recording) => {
                self.try_to_keep(Arc::clone(recording)).instrument(recording.span()).await.map(drop)
            }
            FailedKeep::LeftOver(name) => self.take_up(name.clone()).await,
        };
        match kept {
            Err(RecordError::Disk(_)) => self.submit(Job::RetryKeep(failed)),
            Ok(()) => tracing::info!(%failed, "a recording that had to wait for the disk is kept"),
            Err(error) => {
                tracing::warn!(%failed, error = &error as &dyn Error, "a recording that had to wait for the disk is no message");
            }
        }
    }
}

impl FailedKeep {
    fn id(&self) -> Option<MessageId> {
        match self {
            Self::Recording(recording) => Some(recording.id),
            Self::LeftOver(name) => name.split_once('.')?.0.parse().ok(),
        }
    }
}

impl fmt::Display for FailedKeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recording(recording) => write!(f, "{}", recording.id),
            Self::LeftOver(name) => f.write_str(name),
        }
    }
}

/// The pause before another attempt: a disk that has space again is used within a second.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
