//! [`Outbox`]: a durable queue for mails to the outside, such as receipts and copies for owners.

mod builder;
mod queued_mail;
mod retry_queue;

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Notify;
use tokio::time::timeout;

pub use self::builder::OutboxBuilder;
use self::queued_mail::{QueuedMail, QueuedMailName};
use self::retry_queue::{AfterFailure, RetryQueue};
use crate::clock::Clock;
use crate::disk::{self, Disk, SharedFlush};
use crate::error_chain;
use crate::event::{Event, Events};
use crate::forward::{ForwardError, MailOut, Outcome, Sender};
use crate::lock::Lock;
use crate::message::MailAddress;
use crate::retry::{now, random_fraction, wait_until};

/// A [`MailOut`] that accepts each mail as soon as it is on stable storage, and then tries to send it for up to five days, or as long as
/// its [`RetryPolicy`](crate::retry::RetryPolicy) says.
///
/// It reports what becomes of a mail as [`Event::MailSent`], [`Event::MailDeferred`] and [`Event::MailGivenUp`]. If power is lost between
/// the server's answer and the removal of the mail, the mail is sent again. Clones are the same outbox.
///
/// ```text
/// OUTBOX/20261122T180000.000000Z-ID.mail    named after the time it was queued: its recipient, an empty line, and the mail
/// OUTBOX/NAME.part                          being written
/// OUTBOX/NAME.unreadable                    damaged, or no mail; left unchanged
/// ```
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<OutboxShared>,
}

#[derive(Debug)]
struct OutboxShared {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    flush: SharedFlush,
    transport: Arc<dyn MailOut>,
    clock: Arc<dyn Clock>,
    events: Events,
    retry_queue: Lock<RetryQueue>,
    changed: Notify,
}

impl Outbox {
    /// Returns a builder of an outbox in `folder`, which is created if it is missing. Mails are sent by `transport` as long as it
    /// [runs](Self::run).
    pub fn builder(folder: impl Into<PathBuf>, transport: impl MailOut) -> OutboxBuilder {
        OutboxBuilder::new(folder.into(), Arc::new(transport))
    }

    /// Returns how many mails wait, including those being sent.
    pub fn waiting(&self) -> usize {
        self.shared.retry_queue().len()
    }

    /// Sends the mails that wait until `stop` is ready; mails being sent then may take 30 seconds more. A [`Node`](crate::node::Node) runs
    /// its own outbox.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stops in the middle of its work. Mails that were being sent are sent by the next start, perhaps a second time.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let shared = &self.shared;
        let mut under_way = FuturesUnordered::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            while under_way.len() < MAX_UNDER_WAY
                && let Some(name) = { shared.retry_queue().poll_try(now()) }
            {
                under_way.push(shared.try_send(name));
            }
            let retry_at = { shared.retry_queue().poll_timeout() }.filter(|_| under_way.len() < MAX_UNDER_WAY);
            tokio::select! {
                () = &mut stop => break,
                Some(()) = under_way.next() => {}
                () = shared.changed.notified() => {}
                () = wait_until(retry_at) => {}
            }
        }
        let finished = async { while under_way.next().await.is_some() {} };
        if timeout(STOP_TIMEOUT, finished).await.is_err() {
            tracing::warn!("mails under way were cut off at the stop; they are sent again");
        }
    }
}

#[async_trait]
impl MailOut for Outbox {
    /// Returns [`Outcome::Accepted`] when the mail is on stable storage.
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        let (shared, to, mail) = (Arc::clone(&self.shared), to.clone(), mail.clone());
        let kept = disk::blocking(move || shared.keep(sender, &to, &mail)).await;
        let failed = |error: io::Error| ForwardError::Unreachable { peer: "the outbox".to_owned(), source: error.into() };
        kept.map(|()| Outcome::Accepted).map_err(failed)
    }
}

impl OutboxShared {
    /// Queues the mails that wait, and removes files that were never accepted.
    fn read_folder(&self) -> io::Result<()> {
        disk::create_dirs(&*self.disk, &self.folder)?;
        disk::sync_name(&*self.disk, &self.folder)?;
        let names: BTreeSet<String> = self.disk.list(&self.folder)?.into_iter().collect();
        // A name that can be read may not be durable before this flush.
        self.disk.sync_dir(&self.folder)?;
        let mut retry_queue = self.retry_queue();
        for name in names {
            if let Ok(name) = name.parse() {
                retry_queue.handle_queued(name, now());
            } else if Path::new(&name).extension().is_some_and(|extension| extension == "part") {
                self.disk.remove(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Makes a mail durable and queues it.
    fn keep(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> io::Result<()> {
        if self.retry_queue().len() >= MAX_WAITING {
            return Err(io::Error::other("too many mails wait"));
        }
        let name = QueuedMailName::new(self.clock.now().instant);
        let path = self.path(&name);
        let part = path.with_extension("part");
        let file = self.disk.create(&part)?;
        let head = QueuedMail::head(sender, to);
        let written = file.write_all_at(head.as_bytes(), 0).and_then(|()| file.write_all_at(mail, head.len() as u64));
        let placed = written.and_then(|()| file.sync()).and_then(|()| self.disk.rename(&part, &path));
        let flushed = placed.and_then(|()| self.flush.sync_dir(&*self.disk, &self.folder));
        if flushed.is_err() {
            // It has one of the two names. If this fails too, the next start sends the mail if it is whole.
            let _ = self.disk.remove(&part).or_else(|_| self.disk.remove(&path));
            return flushed;
        }
        self.retry_queue().handle_queued(name, now());
        self.changed.notify_one();
        Ok(())
    }

    /// Tries to send one mail, and handles the outcome.
    async fn try_send(self: &Arc<Self>, name: QueuedMailName) {
        let path = self.path(&name);
        let disk = Arc::clone(&self.disk);
        let queued = match disk::blocking(move || disk::read(&*disk, &path)).await.map(Bytes::from) {
            Ok(bytes) => match QueuedMail::parse(&bytes) {
                Some(queued) => queued,
                None => return self.quarantine(name).await,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::error!(%name, "a mail that waited is no longer in the outbox: its file was removed");
                self.retry_queue().handle_settled(&name);
                return;
            }
            Err(error) => return self.handle_failure(name, String::new(), error_chain(&error)).await,
        };
        let mail = queued.message_id();
        // The transport may be an integrator's code: if it panics or hangs, other mails must not wait for it.
        let call = AssertUnwindSafe(self.transport.send(queued.sender, &queued.to, &queued.mail)).catch_unwind();
        let Ok(answer) = timeout(SEND_TIMEOUT, call).await else {
            return self.handle_failure(name, mail, "the transport never answered".to_owned()).await;
        };
        match answer {
            Ok(Ok(Outcome::Accepted)) => {
                let attempts = self.retry_queue().handle_settled(&name);
                self.remove(name).await;
                self.events.emit(Event::MailSent { mail, attempts });
            }
            Ok(Ok(Outcome::Deferred(reply))) => self.handle_failure(name, mail, reply.to_string()).await,
            Ok(Ok(Outcome::Refused(reply))) => self.give_up(name, mail, reply.to_string()).await,
            Ok(Err(error)) if error.is_transient() => self.handle_failure(name, mail, error_chain(&error)).await,
            Ok(Err(error)) => self.give_up(name, mail, error_chain(&error)).await,
            Err(_) => self.handle_failure(name, mail, "the transport panicked".to_owned()).await,
        }
    }

    async fn handle_failure(self: &Arc<Self>, name: QueuedMailName, mail: String, reason: String) {
        let at = self.clock.now().instant;
        let next = self.retry_queue().handle_failure(&name, now(), at, random_fraction());
        match next {
            AfterFailure::Retry { attempts, retry_in } => {
                self.events.emit(Event::MailDeferred { mail, reason, attempts, retry_in });
            }
            AfterFailure::GiveUp { attempts } => {
                self.remove(name).await;
                self.events.emit(Event::MailGivenUp { mail, reason, attempts });
            }
        }
    }

    async fn give_up(self: &Arc<Self>, name: QueuedMailName, mail: String, reason: String) {
        let attempts = self.retry_queue().handle_settled(&name);
        self.remove(name).await;
        self.events.emit(Event::MailGivenUp { mail, reason, attempts });
    }

    /// Renames a file that is damaged or no mail.
    async fn quarantine(self: &Arc<Self>, name: QueuedMailName) {
        self.retry_queue().handle_settled(&name);
        let (shared, path) = (Arc::clone(self), self.path(&name));
        let aside = disk::blocking(move || shared.disk.rename(&path, &path.with_extension("unreadable"))).await;
        if let Err(error) = aside {
            tracing::warn!(%name, %error, "a damaged mail could not be renamed");
        }
        self.events.emit(Event::Unreadable { file: name.to_string(), reason: "it is no mail of the outbox".to_owned() });
    }

    /// Removes a mail durably. If that fails, the next start sends it again.
    async fn remove(self: &Arc<Self>, name: QueuedMailName) {
        let (shared, path) = (Arc::clone(self), self.path(&name));
        let removed = disk::blocking(move || {
            shared.disk.remove(&path)?;
            shared.flush.sync_dir(&*shared.disk, &shared.folder)
        });
        if let Err(error) = removed.await {
            tracing::warn!(%name, %error, "a mail that is settled could not be removed; the next start sends it again");
        }
    }

    fn path(&self, name: &QueuedMailName) -> PathBuf {
        self.folder.join(name.to_string())
    }

    fn retry_queue(&self) -> MutexGuard<'_, RetryQueue> {
        self.retry_queue.lock()
    }
}

/// How many mails are sent at once, so that a slow server delays no other.
const MAX_UNDER_WAY: usize = 8;
/// How many mails may wait.
const MAX_WAITING: usize = 100_000;
/// How long the transport may take for one mail. A transport that keeps its contract takes much less.
const SEND_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// How long mails being sent may take after the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
