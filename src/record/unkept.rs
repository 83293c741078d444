//! What could not be kept because the disk did not do its part: it is tried again until it is.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument as _;

use super::take::Take;
use super::{Job, RecordError, Recorder};
use crate::error_chain;
use crate::event::Event;
use crate::message::MessageId;

/// A recording that has ended and is no message yet.
#[derive(Debug)]
pub(super) enum Unkept {
    /// One of this run.
    Take(Arc<Take>),
    /// One that an earlier run has left, by the name of its file.
    LeftOver(String),
}

impl Recorder {
    /// Has a recording kept later, and tells that it is not kept yet.
    pub(super) fn put_off(&self, unkept: Unkept, error: &io::Error) {
        tracing::error!(%unkept, %error, "a recording could not be kept; it is tried again until it can");
        if let Some(id) = unkept.id() {
            self.shared.events.emit(Event::NotKeptYet { id, reason: error_chain(error) });
        }
        self.ask(Job::KeepAgain(unkept));
    }

    /// Waits a little, and tries once more.
    pub(super) async fn keep_again(&self, unkept: Unkept) {
        tokio::time::sleep(PAUSE).await;
        let kept = match &unkept {
            Unkept::Take(take) => self.try_to_keep(Arc::clone(take)).instrument(take.span()).await.map(drop),
            Unkept::LeftOver(name) => self.take_up(name.clone()).await,
        };
        match kept {
            Err(RecordError::Disk(_)) => self.ask(Job::KeepAgain(unkept)),
            Ok(()) => tracing::info!(%unkept, "a recording that had to wait for the disk is kept"),
            Err(error) => {
                tracing::warn!(%unkept, error = &error as &dyn Error, "a recording that had to wait for the disk is no message");
            }
        }
    }
}

impl Unkept {
    fn id(&self) -> Option<MessageId> {
        match self {
            Self::Take(take) => Some(take.id),
            Self::LeftOver(name) => name.split_once('.')?.0.parse().ok(),
        }
    }
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Take(take) => write!(f, "{}", take.id),
            Self::LeftOver(name) => f.write_str(name),
        }
    }
}

/// How long what could not be kept waits before it is tried again: a disk that has room again is used within a second.
const PAUSE: Duration = Duration::from_millis(500);
