//! [`WebhookStep`]: the report of each stored message.

use std::time::Duration;

use async_trait::async_trait;

use super::sender::{SendFailure, SignedRequest};
use super::{CallerData, Notification, NotificationType, Webhooks};
use crate::arrival::{ArrivalStep, Arrived, StepError, StepName, StepOutcome, StepRun};
use crate::message::Head;
use crate::store::{MessageStore, StoreError};

/// Reports each stored message to the end points that want to know: `voicemail.message.stored`, at least once.
///
/// Each end point is a part of its own, and the end points of one host fail together. The `webhook-id` of a request is `msg_` and the
/// [key](StepRun::key) of the part. A message that is deleted before its report was sent is reported all the same, without its caller.
#[derive(Debug, Clone)]
pub struct WebhookStep {
    webhooks: Webhooks,
}

impl WebhookStep {
    /// The step that reports by `webhooks`.
    pub const fn new(webhooks: Webhooks) -> Self {
        Self { webhooks }
    }
}

#[async_trait]
impl ArrivalStep for WebhookStep {
    fn name(&self) -> StepName {
        StepName::WEBHOOK
    }

    async fn parts(&self, arrived: &Arrived, _: &dyn MessageStore) -> Result<Vec<String>, StepError> {
        let wanting = self.webhooks.wanting(NotificationType::MessageStored, &arrived.mailbox).await;
        Ok(wanting.iter().map(|end_point| end_point.id.to_string()).collect())
    }

    /// Returns the host of an end point; for one that is gone, its name.
    fn destination(&self, _: &Arrived, part: &str) -> String {
        let end_point = self.webhooks.end_points().enabled(part);
        end_point.map_or_else(|| part.to_owned(), |end_point| end_point.url.authority())
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn run(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        let Arrived { mailbox, id, noticed_at, .. } = run.arrived;
        let mut report = Notification::of_message(NotificationType::MessageStored, *noticed_at, mailbox.clone(), *id);
        let end_point = self.webhooks.end_points().enabled(run.part);
        if end_point.is_some_and(|end_point| end_point.caller == CallerData::Included)
            && let Some(head) = head_of(run).await?
        {
            report = report.with_caller(head.caller);
        }
        let (body, key) = (report.to_json(), run.key());
        let request = SignedRequest { end_point: run.part, key, body: &body, since: *noticed_at, tries: run.tries, now: run.now };
        match self.webhooks.send(&request).await {
            Ok(()) => Ok(StepOutcome::Done),
            // The age of one request says nothing about the next request to its host.
            Err(SendFailure { source, retry_in: Some(wait), asked }) => {
                Err(StepError::Deferred { wait, destination_wait: asked, source })
            }
            Err(SendFailure { source, retry_in: None, .. }) => Err(StepError::Final(source)),
        }
    }
}

/// Returns the facts about the message, if it is still there.
async fn head_of(run: &StepRun<'_>) -> Result<Option<Head>, StepError> {
    match run.store.entry(&run.arrived.mailbox, run.arrived.id).await {
        Ok(entry) => Ok(Some(entry.head)),
        Err(StoreError::NoSuchMessage(_) | StoreError::NoSuchMailbox(_)) => Ok(None),
        Err(error) => Err(StepError::Transient(error.into())),
    }
}
