//! Recovery of recordings that a crash cut off.

use std::io;
use std::sync::Arc;

use tracing::Instrument as _;

use super::failed_keep::FailedKeep;
use super::{RecordError, Recorder, Route};
use crate::directory::RecordingLimits;
use crate::disk;
use crate::event::Event;
use crate::message::MailboxId;
use crate::spool::{GrowingFile, LeftOver};

use super::keep::LOCAL_DESTINATION;

impl Recorder {
    /// Makes messages of the recordings that a crash cut off, marked as truncated, and removes those that are too short.
    ///
    /// A file that cannot be read or written now is tried again while the node runs; the node starts without waiting for it.
    pub(crate) async fn recover(&self) -> Result<(), RecordError> {
        let shared = Arc::clone(&self.shared);
        let names = disk::blocking(move || shared.spool.left_over()).await.map_err(RecordError::Disk)?;
        for name in names {
            match self.take_up(name.clone()).await {
                Err(RecordError::Disk(error)) => self.retry_later(FailedKeep::LeftOver(name), &error),
                taken_up => taken_up?,
            }
        }
        Ok(())
    }

    /// Recovers one file that a crash has left: it becomes a message, is removed, or is moved to `unreadable/`.
    pub(super) async fn take_up(&self, name: String) -> Result<(), RecordError> {
        let shared = Arc::clone(&self.shared);
        let found = disk::blocking(move || shared.spool.take_up(&name)).await.map_err(RecordError::Disk)?;
        let Some(left_over) = found else { return Ok(()) };
        let LeftOver { mut file, finished } = *left_over;
        if finished {
            return self.enqueue(file, None).await;
        }
        let (id, length) = (file.head().head.id, file.head().head.length);
        let limits = self.limits_of(&file.head().mailboxes).await;
        if length < limits.min {
            return self.drop_left_over(file).await;
        }
        file.head_mut().head.recorded_at.instant += length;
        let file = disk::blocking(move || file.complete().map(|()| file)).await.map_err(RecordError::Disk)?;
        let span = tracing::info_span!("record", %id);
        self.enqueue(file, Some(Event::Recovered { id, length })).instrument(span).await?;
        tracing::info!(%id, "a recording that a crash had cut off is a message now");
        Ok(())
    }

    /// Puts a message into the queues of all its mailboxes, and reports `event` as soon as it is durable.
    async fn enqueue(&self, mut file: GrowingFile, event: Option<Event>) -> Result<(), RecordError> {
        let destination: Arc<str> = match self.shared.route() {
            Route::LocalStore => Arc::from(LOCAL_DESTINATION),
            Route::Forward(destination) => destination,
        };
        let to: Vec<_> = file.head().mailboxes.iter().map(|mailbox| (Arc::clone(&destination), mailbox.clone())).collect();
        let shared = Arc::clone(&self.shared);
        let events = self.shared.events.clone();
        let report = move || event.into_iter().for_each(|event| events.emit(event));
        disk::blocking(move || shared.spool.enqueue(&mut file, &to, report)).await.map_err(RecordError::Disk)
    }

    async fn drop_left_over(&self, file: GrowingFile) -> Result<(), RecordError> {
        let head = file.head().head.clone();
        let mailboxes = file.head().mailboxes.clone();
        let shared = Arc::clone(&self.shared);
        let dropped: io::Result<()> = disk::blocking(move || shared.spool.discard(&file)).await;
        dropped.map_err(RecordError::Disk)?;
        if let Some(site) = head.site {
            for mailbox in mailboxes {
                self.shared.events.emit(Event::Discarded { mailbox, site: site.clone(), length: head.length });
            }
        }
        Ok(())
    }

    /// Returns the limits of the mailboxes that still exist, or the default limits when none does. A message that was recorded for a
    /// mailbox is kept even if the mailbox is gone: the store refuses it then, and an operator sees it among the parked messages.
    async fn limits_of(&self, mailboxes: &[MailboxId]) -> RecordingLimits {
        let mut limits = RecordingLimits::default();
        for mailbox in mailboxes {
            if let Ok(Some(owner)) = self.shared.directory.find(mailbox).await {
                limits.min = limits.min.min(owner.recording.min);
            }
        }
        limits
    }
}
