//! The end of a recording: its file becomes a message, and the message goes its way.

use std::error::Error;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::take::{OnDisk, Take};
use super::unkept::Unkept;
use super::{Kept, RecordError, Recorder, Route, Shared};
use crate::disk;
use crate::event::Event;
use crate::message::{EndReason, MailboxId, Message, Origin, RecordedAt};

impl Recorder {
    /// Keeps a recording that has ended; what the disk does not take now is tried again later.
    ///
    /// It may be called again, also while an earlier call is under way or was dropped: the message is kept once, and every call
    /// gets the same answer.
    pub(super) async fn keep(&self, take: Arc<Take>) -> Result<Kept, RecordError> {
        let span = take.span();
        let keep = async {
            if take.handle_finish() {
                let (id, site, length) = (take.id, take.site.clone(), take.length());
                self.shared.events.emit(Event::Finished { id, site, length });
            }
            let kept = self.try_to_keep(Arc::clone(&take)).await;
            if let Err(RecordError::Disk(error)) = &kept {
                self.put_off(Unkept::Take(take), error);
            }
            kept
        };
        keep.instrument(span).await
    }

    /// Keeps a recording that has ended, if the disk does its part.
    pub(super) async fn try_to_keep(&self, take: Arc<Take>) -> Result<Kept, RecordError> {
        let shared = Arc::clone(&self.shared);
        let ended = Arc::clone(&take);
        let message = match disk::blocking(move || shared.settle(&ended)).await.map_err(RecordError::Disk)? {
            Settling::Settled(settled) => return settled,
            Settling::ForTheStore(message) => message,
        };
        let mut to = Vec::new();
        for mailbox in &take.mailboxes {
            if !self.stored(mailbox, &message).await {
                to.push((Arc::from(HERE), mailbox.clone()));
            }
        }
        let shared = Arc::clone(&self.shared);
        disk::blocking(move || Ok(shared.let_go(&take, &to))).await.map_err(RecordError::Disk)?
    }

    /// Throws a recording away.
    pub(super) async fn throw_away(&self, take: Arc<Take>) -> Result<(), RecordError> {
        let shared = Arc::clone(&self.shared);
        match disk::blocking(move || shared.throw_away(&take)).await.map_err(RecordError::Disk)? {
            Thrown::Away => Ok(()),
            Thrown::TooLate => Err(RecordError::KeptAlready),
        }
    }

    /// Whether this node's own store has taken the message. If not, it waits in the spool, where it is tried again or parked.
    async fn stored(&self, mailbox: &MailboxId, message: &Message) -> bool {
        let Some(store) = &self.shared.store else { return false };
        // Any program's store runs here: its panic may not end the node.
        let call = AssertUnwindSafe(store.deposit(mailbox, &Origin::Here, message)).catch_unwind();
        let error: Box<dyn Error> = match timeout(STORE_TIME, call).await {
            Ok(Ok(Ok(_))) => return true,
            Ok(Ok(Err(error))) => error.into(),
            Ok(Err(_)) => "the store panicked".into(),
            Err(elapsed) => elapsed.into(),
        };
        tracing::warn!(id = %message.id(), %mailbox, error = &*error, "the store did not take a message; it waits in the spool");
        false
    }
}

/// What [`Shared::settle`] came to.
enum Settling {
    /// The recording is settled, now or since before.
    Settled(Result<Kept, RecordError>),
    /// It goes into this node's own store.
    ForTheStore(Box<Message>),
}

/// Whether a recording could be thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thrown {
    Away,
    TooLate,
}

impl Shared {
    /// Removes the file of a recording, unless it is a message already or about to be one. Blocks.
    pub(super) fn throw_away(&self, take: &Take) -> io::Result<Thrown> {
        let mut file = take.file();
        match &*file {
            OnDisk::Kept(_) => return Ok(Thrown::TooLate),
            OnDisk::TooShort(_) | OnDisk::ThrownAway => return Ok(Thrown::Away),
            OnDisk::Growing(growing) if growing.head().audio.is_some() => return Ok(Thrown::TooLate),
            OnDisk::Growing(growing) => self.spool.discard_for_good(growing)?,
        }
        *file = OnDisk::ThrownAway;
        self.open().takes.remove(&take.id);
        Ok(Thrown::Away)
    }

    /// Completes a recording; one that goes to another node is kept at once, in the same turn on the disk. Blocks.
    fn settle(&self, take: &Take) -> io::Result<Settling> {
        let unwanted = take.buffer().unwanted;
        if unwanted && self.throw_away(take)? == Thrown::Away {
            return Ok(Settling::Settled(Err(RecordError::ThrownAway)));
        }
        if let Some(settled) = self.complete(take)? {
            return Ok(Settling::Settled(settled));
        }
        if let Route::To(destination) = self.route() {
            let to: Vec<_> = take.mailboxes.iter().map(|mailbox| (Arc::clone(&destination), mailbox.clone())).collect();
            return Ok(Settling::Settled(self.let_go(take, &to)));
        }
        match &*take.file() {
            OnDisk::Growing(growing) => Ok(Settling::ForTheStore(Box::new(growing.message()?))),
            other => Ok(Settling::Settled(settled(other, take.min).unwrap_or(Err(RecordError::ThrownAway)))),
        }
    }

    /// Writes the rest of the sound and the final head, and answers how the recording was settled, if it was. Blocks.
    fn complete(&self, take: &Take) -> io::Result<Option<Result<Kept, RecordError>>> {
        let mut file = take.file();
        if let Some(settled) = settled(&file, take.min) {
            return Ok(Some(settled));
        }
        let length = take.length();
        if length < take.min {
            let OnDisk::Growing(growing) = &*file else { return Err(io::Error::other("the recording is settled")) };
            self.spool.discard(growing)?;
            *file = OnDisk::TooShort(length);
            self.open().takes.remove(&take.id);
            self.discarded(take, length);
            return Ok(Some(Err(RecordError::TooShort { length, min: take.min })));
        }
        take.write_to(&mut file, 0)?;
        let OnDisk::Growing(growing) = &mut *file else { return Err(io::Error::other("the recording is settled")) };
        if growing.head().audio.is_none() {
            let (mut head, ended, whole) = {
                let buffer = take.buffer();
                (buffer.head.head.clone(), buffer.ending, buffer.whole.clone())
            };
            let (ending, at) = ended.unwrap_or_else(|| (EndReason::Complete, self.clock.now()));
            head.recorded_at = RecordedAt { instant: at.instant, zone: take.zone, quality: at.quality };
            head.length = length;
            head.end_reason = ending;
            growing.head_mut().head = head;
            growing.complete(whole.as_ref())?;
        }
        Ok(None)
    }

    /// Lets the message wait for those of `to`, or removes its file if there are none. Blocks.
    fn let_go(&self, take: &Take, to: &[(Arc<str>, MailboxId)]) -> Result<Kept, RecordError> {
        let mut file = take.file();
        if let Some(settled) = settled(&file, take.min) {
            return settled;
        }
        let OnDisk::Growing(growing) = &mut *file else { return Err(RecordError::ThrownAway) };
        let kept = Kept { id: take.id, length: growing.head().head.length };
        let tell = || {
            for mailbox in &take.mailboxes {
                let (id, mailbox, site) = (take.id, mailbox.clone(), take.site.clone());
                self.events.emit(Event::Kept { id, mailbox, site, length: kept.length });
            }
        };
        let done =
            if to.is_empty() { self.spool.discard(growing).map(|()| tell()) } else { self.spool.enqueue(growing, to, tell) };
        done.map_err(RecordError::Disk)?;
        *file = OnDisk::Kept(kept);
        self.open().takes.remove(&take.id);
        Ok(kept)
    }

    fn discarded(&self, take: &Take, length: Duration) {
        for mailbox in &take.mailboxes {
            self.events.emit(Event::Discarded { mailbox: mailbox.clone(), site: take.site.clone(), length });
        }
    }
}

/// How a recording was settled, if it was.
fn settled(file: &OnDisk, min: Duration) -> Option<Result<Kept, RecordError>> {
    match file {
        OnDisk::Growing(_) => None,
        OnDisk::Kept(kept) => Some(Ok(*kept)),
        OnDisk::TooShort(length) => Some(Err(RecordError::TooShort { length: *length, min })),
        OnDisk::ThrownAway => Some(Err(RecordError::ThrownAway)),
    }
}

/// The destination of what waits for this node's own store.
pub(crate) const HERE: &str = "here";
/// How long a caller is held up by a store that does not answer, for each mailbox of a message.
const STORE_TIME: Duration = Duration::from_secs(10);
