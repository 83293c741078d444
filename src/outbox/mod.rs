//! Mails to anybody, receipts and copies for owners, that wait to be sent: [`Outbox`].

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

/// A way out for mails that answers for each as soon as it is on stable storage, and then tries to send it for up to five days.
///
/// What becomes of a mail is told as [`Event::MailSent`], [`Event::MailDeferred`] and [`Event::MailGivenUp`]. If power is lost between
/// a server's answer and the removal of the mail, it is sent again. Clones are the same outbox.
///
/// ```text
/// OUTBOX/20261122T180000.000000Z-ID.mail    when it was put there; where it goes, an empty line, and the mail
/// OUTBOX/NAME.part                          being written
/// OUTBOX/NAME.unreadable                    no such file, or a damaged one, untouched
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
    /// An outbox to be opened in `folder`, which is created if it is missing. Mails are sent by `transport` as long as it
    /// [runs](Self::run).
    pub fn builder(folder: impl Into<PathBuf>, transport: impl MailOut) -> OutboxBuilder {
        OutboxBuilder::new(folder.into(), Arc::new(transport))
    }

    /// How many mails wait, those being sent among them.
    pub fn waiting(&self) -> usize {
        self.shared.retry_queue().len()
    }

    /// Sends what waits until `stop` is ready; then what is being sent may take 30 seconds more. A [`Node`](crate::node::Node) runs its
    /// own.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stops where it stands. What was being sent is sent by the next start, again if need be.
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
    /// Answers [`Outcome::Accepted`] when the mail is on stable storage.
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        let (shared, to, mail) = (Arc::clone(&self.shared), to.clone(), mail.clone());
        let kept = disk::blocking(move || shared.keep(sender, &to, &mail)).await;
        let failed = |error: io::Error| ForwardError::Unreachable { peer: "the outbox".to_owned(), source: error.into() };
        kept.map(|()| Outcome::Accepted).map_err(failed)
    }
}

impl OutboxShared {
    /// Takes up what waits, and removes what was never answered for.
    fn read_folder(&self) -> io::Result<()> {
        disk::create_dirs(&*self.disk, &self.folder)?;
        disk::sync_name(&*self.disk, &self.folder)?;
        let names: BTreeSet<String> = self.disk.list(&self.folder)?.into_iter().collect();
        // What is here may be so only by chance until it is flushed.
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

    /// Makes a mail durable, and lets it go out.
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
            // Whichever name it has. If that fails too, the next start sends what is whole.
            let _ = self.disk.remove(&part).or_else(|_| self.disk.remove(&path));
            return flushed;
        }
        self.retry_queue().handle_queued(name, now());
        self.changed.notify_one();
        Ok(())
    }

    /// Tries to send one mail, and writes down what became of it.
    async fn try_send(self: &Arc<Self>, name: QueuedMailName) {
        let path = self.path(&name);
        let disk = Arc::clone(&self.disk);
        let queued = match disk::blocking(move || disk::read(&*disk, &path)).await.map(Bytes::from) {
            Ok(bytes) => match QueuedMail::parse(&bytes) {
                Some(queued) => queued,
                None => return self.quarantine(name).await,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::error!(%name, "a mail that waited is no longer in the outbox: somebody has removed its file");
                self.retry_queue().handle_settled(&name);
                return;
            }
            Err(error) => return self.handle_failure(name, String::new(), error_chain(&error)).await,
        };
        let mail = queued.message_id();
        // Any program's way out runs here: neither its panic nor its silence may keep the other mails.
        let call = AssertUnwindSafe(self.transport.send(queued.sender, &queued.to, &queued.mail)).catch_unwind();
        let Ok(answer) = timeout(SEND_TIMEOUT, call).await else {
            return self.handle_failure(name, mail, "the way out never answered".to_owned()).await;
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
            Err(_) => self.handle_failure(name, mail, "the way out panicked".to_owned()).await,
        }
    }

    async fn handle_failure(self: &Arc<Self>, name: QueuedMailName, mail: String, reason: String) {
        let at = self.clock.now().instant;
        let next = self.retry_queue().handle_failure(&name, now(), at, random_fraction());
        match next {
            AfterFailure::Retry { attempts, retry_in } => {
                self.events.emit(Event::MailDeferred { mail, reason, attempts, retry_in })
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

    /// The file is none of ours, or damaged.
    async fn quarantine(self: &Arc<Self>, name: QueuedMailName) {
        self.retry_queue().handle_settled(&name);
        let (shared, path) = (Arc::clone(self), self.path(&name));
        let aside = disk::blocking(move || shared.disk.rename(&path, &path.with_extension("unreadable"))).await;
        if let Err(error) = aside {
            tracing::warn!(%name, %error, "a damaged mail could not be put aside");
        }
        self.events.emit(Event::Unreadable { file: name.to_string(), reason: "it is no mail of the outbox".to_owned() });
    }

    /// Removes a mail for good; one that cannot be is sent again by the next start.
    async fn remove(self: &Arc<Self>, name: QueuedMailName) {
        let (shared, path) = (Arc::clone(self), self.path(&name));
        let removed = disk::blocking(move || {
            shared.disk.remove(&path)?;
            shared.flush.sync_dir(&*shared.disk, &shared.folder)
        });
        if let Err(error) = removed.await {
            tracing::warn!(%name, %error, "a mail that is done with could not be removed; the next start sends it again");
        }
    }

    fn path(&self, name: &QueuedMailName) -> PathBuf {
        self.folder.join(name.to_string())
    }

    fn retry_queue(&self) -> MutexGuard<'_, RetryQueue> {
        self.retry_queue.lock()
    }
}

/// How many mails are on their way at once: a server that is slow to answer holds up no other.
const MAX_UNDER_WAY: usize = 8;
/// How many mails may wait.
const MAX_WAITING: usize = 100_000;
/// How long a way out may take over one mail. One that keeps its contract ends long before.
const SEND_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// How long mails that are under way may go on after the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
