//! [`MailboxWarnings`]: the facts that an owner should know before it is too late.

use chrono::{DateTime, TimeDelta, Utc};

use super::{MailboxService, RetrievalError};
use crate::directory::Retention;
use crate::message::{MailboxId, Status};
use crate::store::{MailboxRoom, Query, StoreError};

/// The facts that the owner of a mailbox should know before messages are refused, or removed because of their age.
///
/// It follows from what the store reports of its [usage](crate::store::MessageStore::usage), so that nothing is announced that the store would not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MailboxWarnings {
    /// How much room the mailbox has left.
    pub room: MailboxRoom,
    /// How many new and old messages will be removed within [`days`](Self::days) because of their age; at most 1 000 are counted.
    pub expiring: usize,
    /// The number of days for which `expiring` is counted.
    pub days: u16,
}

impl MailboxService {
    /// Returns what the owner of `mailbox` should know now, by the owner's [thresholds](crate::directory::Owner::warnings).
    ///
    /// # Errors
    ///
    /// [`RetrievalError::NoSuchMailbox`], [`RetrievalError::Directory`] and [`RetrievalError::Store`].
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn warnings(&self, mailbox: &MailboxId) -> Result<MailboxWarnings, RetrievalError> {
        let thresholds = self.owner(mailbox).await?.warnings;
        let usage = self.store.usage(mailbox).await?;
        let days = thresholds.days();
        let until = self.clock.now().instant + TimeDelta::days(days.into());
        let expiring = if days == 0 { 0 } else { self.expiring(mailbox, usage.retention, until).await? };
        Ok(MailboxWarnings { room: MailboxRoom::of(&usage, thresholds.percent()), expiring, days })
    }

    /// Counts the new and old messages that will be too old at `until`. Reads little more than those.
    async fn expiring(&self, mailbox: &MailboxId, retention: Retention, until: DateTime<Utc>) -> Result<usize, StoreError> {
        let mut count = 0;
        for status in [Status::New, Status::Old] {
            let Some(end) = retention.end_of(status, until) else { continue };
            let mut query = Query::only([status]).limit(PAGE);
            loop {
                let page = self.store.page(mailbox, &query).await?;
                let is_old = |instant: DateTime<Utc>| instant.timestamp() < end;
                let old = page.entries.iter().take_while(|entry| is_old(entry.head.recorded_at.instant)).count();
                count += old;
                match page.next {
                    Some(next) if old == page.entries.len() && count < MOST => query = query.after(next),
                    _ => break,
                }
            }
        }
        Ok(count.min(MOST))
    }
}

/// How many messages are read at a time.
const PAGE: usize = 100;
const MOST: usize = 1000;

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests;
