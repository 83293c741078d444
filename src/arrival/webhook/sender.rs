//! [`Webhooks`]: sends requests to end points.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{EndPoint, EndPointId, EndPoints, NotificationType, RequestOutcome, wait_at_age};
use crate::event::{Event, Events};
use crate::http::{HttpClient, HttpError, HttpRequest};
use crate::jobs::JobKey;
use crate::lock::Lock;
use crate::message::MailboxId;
use crate::network::{Commit, Network, NetworkObserver};

/// Sends requests to the end points of a node. Clones share everything.
///
/// It is given to a [`WebhookStep`](super::WebhookStep) for stored messages, and to a [`WebhookQueue`](super::WebhookQueue) for all else. As an observer of the
/// network it knows the PBX of each mailbox, for end points that report only [some PBXs](EndPoint::for_site).
#[derive(Debug, Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: HttpClient,
    end_points: EndPoints,
    network: Lock<Option<Arc<Network>>>,
    events: Option<Events>,
}

impl Webhooks {
    /// Sends to `end_points` by `client`.
    pub fn new(client: HttpClient, end_points: EndPoints) -> Self {
        Self { inner: Arc::new(Inner { client, end_points, network: Lock::new(None), events: None }) }
    }

    /// Reports requests to these listeners, from now on and for clones that are made later.
    #[must_use]
    pub fn events(self, events: Events) -> Self {
        let Inner { client, end_points, .. } = &*self.inner;
        let network = Lock::new(self.inner.network.lock().clone());
        let inner = Inner { client: client.clone(), end_points: end_points.clone(), network, events: Some(events) };
        Self { inner: Arc::new(inner) }
    }

    /// Finds the PBXs of mailboxes in this network, until an observer's commit brings another one.
    #[must_use]
    pub fn network(self, network: Network) -> Self {
        *self.inner.network.lock() = Some(Arc::new(network));
        self
    }

    /// Returns the end points.
    pub fn end_points(&self) -> &EndPoints {
        &self.inner.end_points
    }

    /// Returns the end points that want a report of this type about this mailbox.
    pub(super) fn wanting(&self, kind: NotificationType, mailbox: &MailboxId) -> Vec<Arc<EndPoint>> {
        let network = self.inner.network.lock().clone();
        let site = network.as_ref().and_then(|network| network.mailbox(mailbox)).map(|(site, _)| site.id());
        self.inner.end_points.wanting(kind, site)
    }

    /// Sends a request, whose first try was at `since`. A failure says when the next try is due.
    pub(super) async fn send(&self, request: &SignedRequest<'_>) -> Result<(), SendFailure> {
        let SignedRequest { end_point, key, since, now, .. } = *request;
        let Some(end_point) = self.inner.end_points.enabled(end_point) else {
            return Err(SendFailure { source: "the end point is disabled or unknown".into(), retry_in: None });
        };
        let reason = match self.exchange(&end_point, request).await {
            Ok(RequestOutcome::Done) => {
                self.inner.end_points.handle_success(&end_point.id, now);
                self.emit(Event::WebhookSent { end_point: end_point.id.to_string() });
                return Ok(());
            }
            Ok(RequestOutcome::Gone) => {
                self.disable(&end_point.id, "it has answered 410");
                return Err(SendFailure { source: "the end point has answered 410, and is disabled".into(), retry_in: None });
            }
            Ok(RequestOutcome::Failed { status, wait }) => (format!("it has answered {status}").into(), wait),
            Err(error) => (error.into(), Duration::ZERO),
        };
        let (source, least): (Box<dyn StdError + Send + Sync>, Duration) = reason;
        let age = (now - since).to_std().unwrap_or_default();
        let retry_in = wait_at_age(age, key).map(|wait| wait.max(least));
        if retry_in.is_none() && self.inner.end_points.handle_given_up(&end_point.id, since) {
            self.report_disabled(&end_point.id, "it has accepted nothing for three days");
        }
        let chain = crate::error_chain(&*source);
        self.emit(Event::WebhookFailed { end_point: end_point.id.to_string(), reason: chain, retry_in });
        Err(SendFailure { source, retry_in })
    }

    async fn exchange(&self, end_point: &EndPoint, request: &SignedRequest<'_>) -> Result<RequestOutcome, HttpError> {
        let (id, timestamp) = (format!("msg_{}", request.key), request.now.timestamp());
        let signature = end_point.signature(&id, timestamp, request.body.as_bytes());
        let made = HttpRequest::post(end_point.url.clone(), end_point.policy.clone(), request.body.to_owned())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature);
        let answer = self.inner.client.send(made).await?;
        Ok(RequestOutcome::of(answer.status, answer.retry_after.as_deref(), request.now))
    }

    fn disable(&self, id: &EndPointId, reason: &str) {
        if self.inner.end_points.disable(id, reason) {
            self.report_disabled(id, reason);
        }
    }

    fn report_disabled(&self, id: &EndPointId, reason: &str) {
        self.emit(Event::WebhookDisabled { end_point: id.to_string(), reason: reason.to_owned() });
    }

    fn emit(&self, event: Event) {
        if let Some(events) = &self.inner.events {
            events.emit(event);
        }
    }
}

impl NetworkObserver for Webhooks {
    fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, Box<dyn StdError + Send + Sync>> {
        Ok(Box::new(move || *self.inner.network.lock() = Some(Arc::clone(network))))
    }
}

/// A request that is to be signed and sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedRequest<'a> {
    pub(super) end_point: &'a str,
    /// The request has the id `msg_` and this key, in each try.
    pub(super) key: JobKey,
    pub(super) body: &'a str,
    /// When the request was made.
    pub(super) since: DateTime<Utc>,
    pub(super) now: DateTime<Utc>,
}

/// Why a request was not accepted.
#[derive(Debug)]
pub(super) struct SendFailure {
    pub(super) source: Box<dyn StdError + Send + Sync>,
    /// When the next try is due; `None` if there is to be none.
    pub(super) retry_in: Option<Duration>,
}
