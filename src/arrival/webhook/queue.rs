//! [`WebhookQueue`]: the reports of a node's events, as durable jobs.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::load::Load;
use super::sender::{SendFailure, SignedRequest};
use super::{Notification, NotificationType, Webhooks};
use crate::clock::Clock;
use crate::event::{Event, Occurrence};
use crate::jobs::{GiveUp, Job, JobError, JobKey, JobKind, JobStore, NewJob};
use crate::lock::Lock;
use crate::message::Status;
use crate::retry::now;

/// Reports the events of a node: messages heard, removed, parked and transcribed, and lamps. Stored messages are reported by the
/// [`WebhookStep`](super::WebhookStep).
///
/// It needs no store, so a distributed node may have one for its parked messages.
///
/// # Guarantees
///
/// Each report is a job in a [`JobStore`] before it is sent, and so is sent at least once, also when the node is killed meanwhile. The way to there is shorter:
/// an event of the last moments before a crash is lost, and so are events that come faster than the job store takes them, when more than 8192 are behind. A
/// receiver that must know all reads the mailboxes from time to time.
///
/// A request that is given up stays in the job store, parked, until an operator tries it again or removes it.
///
/// At most 16 requests are under way, of which four to one end point. An end point that fails gets no request for up to a minute.
#[derive(Debug)]
pub struct WebhookQueue {
    webhooks: Webhooks,
    jobs: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    load: Lock<Load>,
}

impl WebhookQueue {
    /// A queue that keeps its jobs in `jobs`.
    pub fn new(webhooks: Webhooks, jobs: impl JobStore, clock: impl Clock) -> Self {
        Self { webhooks, jobs: Arc::new(jobs), clock: Arc::new(clock), load: Lock::default() }
    }

    /// Takes `events` in and sends requests, until nothing is left that can report any events. The requests that wait stay in the job store.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has lost the events that it had not yet added as jobs. Requests under way are sent again by the next call.
    pub async fn run(&self, mut events: Receiver<Occurrence>) {
        let (mut under_way, kind) = (FuturesUnordered::new(), JobKind::WEBHOOK);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(occurrence) => self.handle_event(&occurrence.event).await,
                    Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events came too fast to be reported by web hooks"),
                    Err(RecvError::Closed) => return,
                },
                () = self.jobs.due(&kind), if under_way.len() < AT_ONCE => {
                    match self.jobs.take(&kind, AT_ONCE - under_way.len(), CLAIM).await {
                        Ok(taken) => under_way.extend(taken.into_iter().map(|job| self.do_job(job))),
                        Err(error) => {
                            tracing::warn!(error = crate::error_chain(&error), "the reports of web hooks cannot be taken");
                            tokio::time::sleep(STORE_WAIT).await;
                        }
                    }
                },
                Some(done) = under_way.next() => {
                    if let Err(error) = done {
                        tracing::warn!(error = crate::error_chain(&error), "a report of a web hook cannot be settled, and is sent again");
                    }
                }
            }
        }
    }

    /// Adds a job for each end point that wants to know of this event.
    pub(super) async fn handle_event(&self, event: &Event) {
        let at = self.clock.now().instant;
        let Some(report) = report_of(event, at) else { return };
        let wanting = self.webhooks.wanting(report.kind, &report.mailbox).await;
        for end_point in wanting {
            let payload = format!("{}\n{}", end_point.id, report.to_json());
            let added = self.jobs.add(&NewJob::new(&JobKind::WEBHOOK, JobKey::random(), at, payload.as_bytes())).await;
            if let Err(error) = added {
                tracing::warn!(error = crate::error_chain(&error), %end_point.id, "a report of a web hook is lost");
            }
        }
    }

    async fn do_job(&self, job: Job) -> Result<(), JobError> {
        let Some(payload) = self.jobs.read(&job).await? else { return Ok(()) };
        let Some((end_point, body)) = std::str::from_utf8(&payload).ok().and_then(|text| text.split_once('\n')) else {
            return self.jobs.give_up(&job, GiveUp::Unreadable).await;
        };
        let begun = self.load.lock().begin(end_point, now());
        if let Err(wait) = begun {
            return self.jobs.postpone(&job, wait, None).await;
        }
        let at = self.clock.now().instant;
        let request = SignedRequest { end_point, key: job.key, body, since: job.queued_at, tries: job.tries, now: at };
        let sent = self.webhooks.send(&request).await;
        let failed = sent.as_ref().err().and_then(|failure| failure.retry_in);
        self.load.lock().handle_ended(end_point, failed, now());
        match sent {
            Ok(()) => self.jobs.done(&job).await,
            Err(SendFailure { retry_in: Some(wait), .. }) => self.jobs.defer(&job, wait).await,
            Err(SendFailure { retry_in: None, source, .. }) => self.jobs.park(&job, &source.to_string()).await,
        }
    }
}

/// Returns the report of an event, if there is one.
fn report_of(event: &Event, at: DateTime<Utc>) -> Option<Notification> {
    let of = |kind, mailbox: &_, id| Some(Notification::of_message(kind, at, Clone::clone(mailbox), id));
    match event {
        Event::Marked { id, mailbox, status: Status::Old } => of(NotificationType::MessageHeard, mailbox, *id),
        Event::Marked { id, mailbox, status: Status::Removed } => of(NotificationType::MessageRemoved, mailbox, *id),
        Event::Transcribed { id, mailbox } => of(NotificationType::MessageTranscribed, mailbox, *id),
        Event::Parked { id, mailbox, .. } => of(NotificationType::MessageParked, mailbox, *id),
        Event::LampShown { mailbox, summary, .. } => Some(Notification::of_lamp(at, mailbox.clone(), *summary)),
        _ => None,
    }
}

const AT_ONCE: usize = 16;
/// How long a node that dies keeps a job from the others: three times as long as a request may take.
const CLAIM: Duration = Duration::from_secs(60);
const STORE_WAIT: Duration = Duration::from_secs(1);
