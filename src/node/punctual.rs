//! [`Punctual`]: a store that tells which nodes' clocks are off.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::clock::{Clock, Reading};
use crate::event::{Event, Events};
use crate::message::{Head, MailboxId, Message, MessageId, Origin, RecordedAt, Status, Summary};
use crate::store::{Deposit, Entry, Housekeeping, MessageStore, Page, Query, StagedMail, StoreError};

/// A store that looks at the time of each message that comes from another node.
///
/// A message cannot have been recorded in the future, so one that says so comes from a clock that is fast, or this one is slow. How
/// slow another clock is cannot be seen, because a message may have waited; then its own account of itself counts.
#[derive(Debug)]
pub(super) struct Punctual {
    store: Arc<dyn MessageStore>,
    clock: Arc<dyn Clock>,
    events: Events,
    limit: Duration,
}

impl Punctual {
    pub(super) fn new(store: Arc<dyn MessageStore>, clock: Arc<dyn Clock>, events: Events, limit: Duration) -> Self {
        Self { store, clock, events, limit }
    }

    fn look(&self, head: &Head) {
        if let Some(by) = off_by(&head.recorded_at, &self.clock.now(), self.limit) {
            self.events.emit(Event::ClockSkew { id: head.id, site: head.site.clone(), by });
        }
    }
}

/// By how much the clock that recorded is off, if that is more than `limit`.
fn off_by(recorded_at: &RecordedAt, now: &Reading, limit: Duration) -> Option<Duration> {
    let doubt = recorded_at.quality.uncertainty.unwrap_or_default();
    let ahead = recorded_at.instant - now.instant - TimeDelta::from_std(now.quality.uncertainty.unwrap_or_default()).ok()?;
    let by = doubt.max(ahead.to_std().unwrap_or_default());
    (by > limit).then_some(by)
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MessageStore for Punctual {
    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        let deposit = self.store.deposit(mailbox, origin, message).await?;
        if *origin != Origin::Here && deposit != Deposit::Duplicate {
            self.look(message.head());
        }
        Ok(deposit)
    }

    async fn stage(&self) -> Result<Option<Box<dyn StagedMail>>, StoreError> {
        self.store.stage().await
    }

    fn reads_sounds(&self) -> bool {
        self.store.reads_sounds()
    }

    async fn check(&self, mailbox: &MailboxId, size: u64) -> Result<(), StoreError> {
        self.store.check(mailbox, size).await
    }

    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<Entry>, StoreError> {
        self.store.list(mailbox).await
    }

    async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
        self.store.page(mailbox, query).await
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.store.retrieve(mailbox, id).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.store.mark(mailbox, id, status).await
    }

    async fn expunge(&self, mailbox: &MailboxId) -> Result<usize, StoreError> {
        self.store.expunge(mailbox).await
    }

    async fn summary(&self, mailbox: &MailboxId) -> Result<Summary, StoreError> {
        self.store.summary(mailbox).await
    }

    async fn housekeep(&self) -> Result<Housekeeping, StoreError> {
        self.store.housekeep().await
    }

    async fn external_changes(&self) -> Vec<MailboxId> {
        self.store.external_changes().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ClockQuality, ClockSource};

    #[test]
    fn a_clock_is_off_when_it_is_ahead_or_says_so_itself() {
        let now = Reading {
            instant: "2026-11-22T18:00:00Z".parse().unwrap(),
            quality: ClockQuality { uncertainty: Some(Duration::from_secs(1)), ..ClockQuality::unknown(ClockSource::Sntp) },
        };
        let limit = Duration::from_secs(5);
        let by = |seconds_ahead, doubt| {
            let quality = ClockQuality { uncertainty: doubt, ..ClockQuality::unknown(ClockSource::System) };
            let instant = now.instant + TimeDelta::seconds(seconds_ahead);
            off_by(&RecordedAt { instant, zone: chrono_tz::UTC, quality }, &now, limit)
        };
        let secs = |secs| Some(Duration::from_secs(secs));
        assert_eq!(by(6, None), None, "one second of it may be this clock's");
        assert_eq!(by(7, None), secs(6));
        assert_eq!(by(-100_000, None), None, "it may have waited");
        assert_eq!((by(-100_000, secs(5)), by(-100_000, secs(9))), (None, secs(9)));
        assert_eq!(by(i64::from(i32::MAX), None), secs(2_147_483_646));
    }
}
