//! [`Webhooks`]: sends requests to end points.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::disabled::DisabledEndPoints;
use super::network_end_points::{self, WebhookSecretFaults};
use super::{EndPoint, EndPointId, EndPoints, NotificationType, RequestOutcome, schedule, wait_at_age};
use crate::event::{Event, Events};
use crate::http::{HttpClient, HttpError, HttpRequest};
use crate::jobs::{JobError, JobKey, JobStore};
use crate::lock::Lock;
use crate::message::MailboxId;
use crate::network::{Commit, Network, NetworkObserver};
use crate::retry;

/// Sends requests to the end points of a node. Clones share everything.
///
/// It is given to a [`WebhookStep`](super::WebhookStep) for stored messages, and to a [`WebhookQueue`](super::WebhookQueue) for all else.
///
/// As an observer of the network it knows the PBX of each mailbox, for end points that report only [some PBXs](EndPoint::for_site); if it was made
/// [of a network](Self::of_network), it takes the end points of each network that the node adopts.
///
/// # Disabled end points
///
/// An end point that answers 410, or has accepted nothing for as long as a request is tried, is disabled: it gets no requests until an operator
/// [enables](Self::enable) it. That time is at least three days in which this process has seen failures and nothing else, by the monotonic clock: what was before
/// its start does not count, nor does a clock that was set. [`jobs`](Self::jobs) keeps that an end point is disabled over restarts, and for all nodes that share a job store. Requests of that time are
/// parked, and an operator may try them again.
#[derive(Debug, Clone)]
pub struct Webhooks {
    client: HttpClient,
    end_points: EndPoints,
    network: Arc<Lock<Option<Arc<Network>>>>,
    /// Whether the end points are those of the network.
    follows: bool,
    events: Option<Events>,
    disabled: Option<Arc<DisabledEndPoints>>,
}

impl Webhooks {
    /// Sends to `end_points` by `client`.
    pub fn new(client: HttpClient, end_points: EndPoints) -> Self {
        let network = Arc::new(Lock::new(None));
        Self { client, end_points, network, follows: false, events: None, disabled: None }
    }

    /// Sends to the [web hooks](Network::webhooks) of `network` by `client`, and as an observer to those of each network that the node adopts. Their secrets are
    /// read now and whenever a network is adopted, also one that is the same: so a secret is replaced while the node runs.
    ///
    /// # Errors
    ///
    /// Each secret that cannot be read. A network with such a fault is not adopted.
    pub fn of_network(client: HttpClient, network: impl Into<Arc<Network>>) -> Result<Self, WebhookSecretFaults> {
        let network = network.into();
        let this = Self::new(client, EndPoints::new(network_end_points::read(&network)?));
        *this.network.lock() = Some(network);
        Ok(Self { follows: true, ..this })
    }

    /// Reports requests to these listeners, from now on and for clones that are made later.
    #[must_use]
    pub fn events(self, events: Events) -> Self {
        Self { events: Some(events), ..self }
    }

    /// Keeps in `jobs` which end points are disabled, from now on and for clones that are made later. Nodes that share `jobs` know within half a minute
    /// what another one has disabled or enabled. Without it, a restart of the program enables all end points.
    #[must_use]
    pub fn jobs(self, jobs: impl JobStore) -> Self {
        Self { disabled: Some(Arc::new(DisabledEndPoints::new(jobs))), ..self }
    }

    /// Finds the PBXs of mailboxes in this network, until an observer's commit brings another one.
    #[must_use]
    pub fn network(self, network: Network) -> Self {
        *self.network.lock() = Some(Arc::new(network));
        self
    }

    /// Returns the end points.
    pub fn end_points(&self) -> &EndPoints {
        &self.end_points
    }

    /// Returns the end points that are disabled, each with the reason.
    ///
    /// # Errors
    ///
    /// Those of [`JobStore::list`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    pub async fn disabled(&self) -> Result<Vec<(EndPointId, String)>, JobError> {
        if let Some(disabled) = &self.disabled {
            disabled.look(&self.end_points).await?;
        }
        Ok(self.end_points.disabled())
    }

    /// Enables an end point again; returns false if it is unknown or not disabled. Requests that were parked meanwhile are sent when an operator
    /// [retries](crate::arrival::Steps::retry) them.
    ///
    /// # Errors
    ///
    /// Those of [`JobStore::remove`]: the end point is still disabled.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has enabled the end point or not. The same call again settles it.
    pub async fn enable(&self, id: &EndPointId) -> Result<bool, JobError> {
        match &self.disabled {
            Some(disabled) => disabled.enable(&self.end_points, id).await,
            None => Ok(self.end_points.enable(id)),
        }
    }

    /// Returns the end points that want a report of this type about this mailbox.
    pub(super) async fn wanting(&self, kind: NotificationType, mailbox: &MailboxId) -> Vec<Arc<EndPoint>> {
        self.refresh().await;
        let network = self.network.lock().clone();
        let site = network.as_ref().and_then(|network| network.mailbox(mailbox)).map(|(site, _)| site.id());
        self.end_points.wanting(kind, site)
    }

    /// Sends a request. A failure says when the next try is due.
    pub(super) async fn send(&self, request: &SignedRequest<'_>) -> Result<(), SendFailure> {
        let SignedRequest { end_point, key, since, tries, now, .. } = *request;
        self.refresh().await;
        let Some(end_point) = self.end_points.enabled(end_point) else {
            return Err(SendFailure::of_disabled("the end point is disabled or unknown"));
        };
        let reason = match self.exchange(&end_point, request).await {
            Ok(RequestOutcome::Done) => {
                self.end_points.handle_success(&end_point.id);
                self.emit(Event::WebhookSent { end_point: end_point.id.to_string() });
                return Ok(());
            }
            Ok(RequestOutcome::Gone) => {
                self.disable(&end_point, "it has answered 410", now).await;
                return Err(SendFailure::of_disabled("the end point has answered 410, and is disabled"));
            }
            Ok(RequestOutcome::Failed { status, wait }) => (format!("it has answered {status}").into(), wait),
            Err(error) => (error.into(), Duration::ZERO),
        };
        let (source, asked): (Box<dyn StdError + Send + Sync>, Duration) = reason;
        let retry_in = wait_at_age(schedule::age(now - since, tries), key).map(|wait| wait.max(asked));
        let failing_for = self.end_points.handle_failure(&end_point.id, retry::now());
        if retry_in.is_none() && failing_for >= DISABLED_AFTER {
            self.disable(&end_point, "it has accepted nothing for as long as a request is tried", now).await;
        }
        let chain = crate::error_chain(&*source);
        self.emit(Event::WebhookFailed { end_point: end_point.id.to_string(), reason: chain, retry_in });
        Err(SendFailure { source, retry_in, asked })
    }

    async fn exchange(&self, end_point: &EndPoint, request: &SignedRequest<'_>) -> Result<RequestOutcome, HttpError> {
        let (id, timestamp) = (format!("msg_{}", request.key), request.now.timestamp());
        let signature = end_point.signature(&id, timestamp, request.body.as_bytes());
        let made = HttpRequest::post(end_point.url.clone(), end_point.policy.clone(), request.body.to_owned())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signature);
        let answer = self.client.send(made).await?;
        Ok(RequestOutcome::of(answer.status, answer.retry_after.as_deref(), request.now))
    }

    /// Learns what other nodes, and this one before a restart, have disabled. An error means that what is known stays in force.
    async fn refresh(&self) {
        let Some(disabled) = &self.disabled else { return };
        if let Err(error) = disabled.refresh(&self.end_points).await {
            tracing::warn!(error = crate::error_chain(&error), "it is not known which web hooks other nodes have disabled");
        }
    }

    /// Disables the end point, also for the time after a restart. After a crash in between, the same request disables it again.
    async fn disable(&self, end_point: &EndPoint, reason: &str, now: DateTime<Utc>) {
        if !self.end_points.disable(end_point, reason) {
            return;
        }
        self.emit(Event::WebhookDisabled { end_point: end_point.id.to_string(), reason: reason.to_owned() });
        if let Some(disabled) = &self.disabled
            && let Err(error) = disabled.keep(&self.end_points, now).await
        {
            tracing::warn!(error = crate::error_chain(&error), %end_point.id, "a restart would enable a web hook that is disabled");
        }
    }

    fn emit(&self, event: Event) {
        if let Some(events) = &self.events {
            events.emit(event);
        }
    }
}

impl NetworkObserver for Webhooks {
    fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, Box<dyn StdError + Send + Sync>> {
        let end_points = if self.follows { Some(network_end_points::read(network)?) } else { None };
        Ok(Box::new(move || {
            *self.network.lock() = Some(Arc::clone(network));
            if let Some(end_points) = end_points {
                self.end_points.replace(end_points);
                self.disabled.iter().for_each(|disabled| disabled.forget_look());
            }
        }))
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
    /// How many tries have failed before, as far as is known.
    pub(super) tries: u32,
    pub(super) now: DateTime<Utc>,
}

/// Why a request was not accepted.
#[derive(Debug)]
pub(super) struct SendFailure {
    pub(super) source: Box<dyn StdError + Send + Sync>,
    /// When the next try is due; `None` if there is to be none.
    pub(super) retry_in: Option<Duration>,
    /// The wait that the receiver asked for; zero if it asked for none.
    pub(super) asked: Duration,
}

impl SendFailure {
    /// The failure of a request to an end point that gets none.
    fn of_disabled(reason: &str) -> Self {
        Self { source: reason.into(), retry_in: None, asked: Duration::ZERO }
    }
}

/// How long an end point must have failed in this process, until a request that is given up disables it: a little less than a request is tried.
const DISABLED_AFTER: Duration = Duration::from_secs(3 * 24 * 60 * 60);
