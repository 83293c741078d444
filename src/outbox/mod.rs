//! [`Outbox`]: a durable queue for mails to the outside, such as receipts and copies for owners.

mod builder;
mod give_up_handler;
mod queued_mail;
mod retry;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::timeout;

pub use self::builder::OutboxBuilder;
pub(crate) use self::give_up_handler::GiveUpHandler;
use self::queued_mail::QueuedMail;
use self::retry::AfterFailure;
use crate::clock::Clock;
use crate::error_chain;
use crate::event::{Event, Events};
use crate::forward::{ForwardError, MailOut, Outcome, Sender};
use crate::jobs::{GiveUp, Job, JobError, JobKey, JobKind, JobStore, NewJob, while_claimed};
use crate::message::{DeliveryFailure, MailAddress};
use crate::retry::{RetryPolicy, now, random_fraction, wait_until};

/// A [`MailOut`] that accepts each mail as soon as it is on stable storage, and then tries to send it for up to five days, or as long as
/// its [`RetryPolicy`] says.
///
/// It reports what becomes of a mail as [`Event::MailSent`], [`Event::MailDeferred`] and [`Event::MailGivenUp`]. If power is lost between
/// the server's answer and the removal of the mail, the mail is sent again. Clones are the same outbox.
///
/// Each mail is a [job](crate::jobs) in a folder, or in a store that several nodes [share](OutboxBuilder::jobs): then another node sends the mails of one
/// that died. The payload of the job is two lines that an operator can read, an empty line, and the mail as it is sent.
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<OutboxShared>,
}

#[derive(Debug)]
struct OutboxShared {
    jobs: Arc<dyn JobStore>,
    transport: Arc<dyn MailOut>,
    clock: Arc<dyn Clock>,
    events: Events,
    retry: RetryPolicy,
    give_up_handler: Option<Arc<dyn GiveUpHandler>>,
}

/// The facts about a mail that its failure is reported with.
#[derive(Debug)]
struct Failed {
    /// The `Message-ID`; empty if the mail could not be read.
    mail: String,
    sender: Sender,
}

impl Outbox {
    /// Returns a builder of an outbox in `folder`, which is created if it is missing. Mails are sent by `transport` as long as it
    /// [runs](Self::run).
    pub fn builder(folder: impl Into<PathBuf>, transport: impl MailOut) -> OutboxBuilder {
        OutboxBuilder::new(folder.into(), Arc::new(transport))
    }

    /// Adds a mail under a key; no error, and no second mail, while one with this key waits.
    pub(crate) async fn add(&self, key: JobKey, sender: Sender, to: &MailAddress, mail: &[u8]) -> Result<(), JobError> {
        let (shared, payload) = (&self.shared, QueuedMail::encode(sender, to, mail));
        shared.jobs.add(&NewJob::new(&JobKind::MAIL, key, shared.clock.now().instant, &payload)).await.map(|_| ())
    }

    /// Returns how many mails wait, including those being sent, and those of other nodes that share the store.
    ///
    /// # Errors
    ///
    /// Those of [`JobStore::count`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    pub async fn waiting(&self) -> Result<usize, JobError> {
        self.shared.jobs.count(&JobKind::MAIL).await
    }

    /// Sends the mails that wait until `stop` is ready; mails being sent then may take 30 seconds more. A [`Node`](crate::node::Node) runs
    /// its own outbox.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stops in the middle of its work. Mails that were being sent are sent again when their claims have run out, or by the next start.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let shared = &self.shared;
        let mut under_way = FuturesUnordered::new();
        let mut look_at = now();
        let mut stop = std::pin::pin!(stop);
        loop {
            if look_at <= now() && under_way.len() < MAX_UNDER_WAY {
                let jobs = shared.take(MAX_UNDER_WAY - under_way.len()).await;
                if jobs.is_empty() {
                    // Another node may have taken the job, or the store may have failed.
                    look_at = now() + SHORTEST_PAUSE;
                }
                under_way.extend(jobs.into_iter().map(|job| shared.try_send(job)));
            }
            let due = async {
                wait_until(Some(look_at)).await;
                shared.jobs.due(&JobKind::MAIL).await;
            };
            tokio::select! {
                () = &mut stop => break,
                Some(()) = under_way.next() => {}
                () = due, if under_way.len() < MAX_UNDER_WAY => {}
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
        let kept = self.add(JobKey::random(), sender, to, mail).await;
        let failed = |error: JobError| ForwardError::Unreachable { peer: "the outbox".to_owned(), source: error.into() };
        kept.map(|()| Outcome::Accepted).map_err(failed)
    }
}

impl OutboxShared {
    /// Takes up to `most` mails that are due; none when the store fails.
    async fn take(&self, most: usize) -> Vec<Job> {
        self.jobs.take(&JobKind::MAIL, most, CLAIM).await.unwrap_or_else(|error| {
            tracing::warn!(reason = error_chain(&error), "the mails that wait in the outbox cannot be read yet");
            Vec::new()
        })
    }

    /// Tries to send one mail, and handles the outcome.
    async fn try_send(&self, job: Job) {
        let queued = match self.jobs.read(&job).await {
            Ok(Some(payload)) => match QueuedMail::parse(&payload) {
                Some(queued) => queued,
                None => return self.quarantine(&job).await,
            },
            Ok(None) => {
                tracing::error!(%job, "a mail that waited is no longer in the outbox: it was removed");
                return self.remove(&job).await;
            }
            Err(error) => {
                let unread = Failed { mail: String::new(), sender: Sender::Node };
                return self.handle_failure(&job, unread, error_chain(&error)).await;
            }
        };
        let mail = Failed { mail: queued.message_id(), sender: queued.sender };
        // The transport may be an integrator's code: if it panics or hangs, other mails must not wait for it.
        let call = AssertUnwindSafe(self.transport.send(queued.sender, &queued.to, &queued.mail)).catch_unwind();
        let Some(answer) = while_claimed(&*self.jobs, &job, CLAIM, timeout(SEND_TIMEOUT, call)).await else {
            tracing::warn!(%job, "another node has begun to send a mail that took this one too long");
            return;
        };
        let Ok(answer) = answer else {
            return self.handle_failure(&job, mail, "the transport never answered".to_owned()).await;
        };
        match answer {
            Ok(Ok(Outcome::Accepted | Outcome::Relayed)) => {
                self.remove(&job).await;
                self.events.emit(Event::MailSent { mail: mail.mail, attempts: job.tries.saturating_add(1) });
            }
            Ok(Ok(Outcome::Deferred(reply))) => self.handle_failure(&job, mail, reply.to_string()).await,
            Ok(Ok(Outcome::Refused(reply))) => self.refused(&job, mail, reply.to_string()).await,
            Ok(Err(error)) if error.is_transient() => self.handle_failure(&job, mail, error_chain(&error)).await,
            Ok(Err(error)) => self.refused(&job, mail, error_chain(&error)).await,
            Err(_) => self.handle_failure(&job, mail, "the transport panicked".to_owned()).await,
        }
    }

    async fn refused(&self, job: &Job, failed: Failed, reason: String) {
        let failure = DeliveryFailure::of([reason.as_str()]).unwrap_or(DeliveryFailure::Refused);
        self.give_up(job, failed, failure, reason).await;
    }

    async fn handle_failure(&self, job: &Job, failed: Failed, reason: String) {
        match AfterFailure::of(job, &self.retry, self.clock.now().instant, random_fraction()) {
            AfterFailure::Retry { attempts, retry_in } => {
                if let Err(error) = self.jobs.defer(job, retry_in).await {
                    tracing::warn!(%job, reason = error_chain(&error), "a mail that was not sent is tried again when its claim runs out");
                }
                self.events.emit(Event::MailDeferred { mail: failed.mail, reason, attempts, retry_in });
            }
            AfterFailure::GiveUp { .. } => {
                let failure = DeliveryFailure::of([reason.as_str()]).unwrap_or(DeliveryFailure::NotReached);
                self.give_up(job, failed, failure, reason).await;
            }
        }
    }

    async fn give_up(&self, job: &Job, Failed { mail, sender }: Failed, failure: DeliveryFailure, reason: String) {
        if let (Some(handler), Sender::Message(id)) = (&self.give_up_handler, sender)
            && let Err(error) = handler.handle(id, failure).await
        {
            tracing::warn!(%job, reason = error, "the sender of a mail that failed could not be informed yet; the mail is kept");
            if let Err(error) = self.jobs.defer(job, NOTICE_PAUSE).await {
                tracing::warn!(%job, reason = error_chain(&error), "a mail that failed is looked at again when its claim runs out");
            }
            return self.events.emit(Event::MailDeferred {
                mail,
                reason,
                attempts: job.tries.saturating_add(1),
                retry_in: NOTICE_PAUSE,
            });
        }
        if let Err(error) = self.jobs.give_up(job, GiveUp::Failed).await {
            tracing::warn!(%job, reason = error_chain(&error), "a mail that was given up could not be removed; it is tried again");
        }
        self.events.emit(Event::MailGivenUp { mail, reason, attempts: job.tries.saturating_add(1) });
    }

    /// Puts a job aside that is damaged or no mail.
    async fn quarantine(&self, job: &Job) {
        if let Err(error) = self.jobs.give_up(job, GiveUp::Unreadable).await {
            tracing::warn!(%job, reason = error_chain(&error), "a damaged mail could not be put aside");
        }
        self.events.emit(Event::Unreadable { file: job.to_string(), reason: "it is no mail of the outbox".to_owned() });
    }

    /// Removes a mail durably. If that fails, it is sent again.
    async fn remove(&self, job: &Job) {
        if let Err(error) = self.jobs.done(job).await {
            tracing::warn!(%job, reason = error_chain(&error), "a mail that is settled could not be removed; it is sent again later");
        }
    }
}

/// How many mails are sent at once, so that a slow server delays no other.
const MAX_UNDER_WAY: usize = 8;
/// How long the transport may take for one mail. A transport that keeps its contract takes much less.
const SEND_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// How long a mail is claimed at a time: for so long, nobody sends the mails of a node that died.
const CLAIM: Duration = Duration::from_secs(60);
/// The pause after a look for mails that found none.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// How long a mail that failed is kept before the next try, when its sender could not be informed.
const NOTICE_PAUSE: Duration = Duration::from_secs(60);
/// How long mails being sent may take after the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
