//! Applies the retention, and deletes old keys and old entries of sent messages.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use voicemail::message::MailboxId;
use voicemail::sent::SentMessage;
use voicemail::store::{Housekeeping, Retention, StoreError};

use super::PostgresStore;
use super::mark::{EXPUNGE, MARK};
use super::values::{NEW, OLD, REMOVED};
use crate::columns::{Uuid, bigint, column, millis};

impl PostgresStore {
    /// A step of housekeeping. Several nodes may do theirs at the same time: each change is made once, by the node that came first.
    pub(super) async fn housekeeping_step(&self) -> Result<Housekeeping, StoreError> {
        let mut done = Housekeeping::default();
        self.retain(&mut done).await?;
        // Messages that were removed unheard must be answered whatever comes after.
        let rest = async {
            self.forget_old_keys().await?;
            self.forget_old_sent().await?;
            self.sounds.housekeep(self.database.pool()).await
        };
        match rest.await {
            Err(error) if done.mailboxes.is_empty() => return Err(error),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a part of the housekeeping has to wait"),
            Ok(()) => {}
        }
        done.mailboxes.sort();
        done.mailboxes.dedup();
        Ok(done)
    }

    /// Applies the retention to the mailboxes after those of the last step.
    async fn retain(&self, done: &mut Housekeeping) -> Result<(), StoreError> {
        if self.directory.is_none() && self.retention.is_for_ever() {
            return Ok(());
        }
        let after = lock(&self.retained_up_to).clone();
        let page = self.database.pool().query(MAILBOXES_AFTER, &[&after, &MAILBOXES_A_STEP]).await?;
        let numbers: Vec<&str> = page.iter().map(|row| column(row, 0)).collect::<Result<_, _>>()?;
        let next =
            (numbers.len() >= usize::try_from(MAILBOXES_A_STEP).unwrap_or(usize::MAX)).then(|| numbers.last().copied()).flatten();
        let mut times = Times::default();
        for number in numbers {
            let Ok(mailbox) = number.parse::<MailboxId>() else { continue };
            let retention = match self.retention_of(&mailbox).await {
                Ok(retention) => retention,
                // Its messages stay until the next turn, and so do those of the mailboxes after it.
                Err(error) if times.is_empty() => {
                    number.clone_into(&mut lock(&self.retained_up_to));
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the retention of a mailbox has to wait");
                    self.retain_in(&times, done).await?;
                    number.clone_into(&mut lock(&self.retained_up_to));
                    return Ok(());
                }
            };
            times.add(number, retention);
        }
        // A step that changes as much as it may has not dealt with all of these mailboxes.
        if self.retain_in(&times, done).await? < CHANGED_A_STEP {
            next.unwrap_or_default().clone_into(&mut lock(&self.retained_up_to));
        }
        Ok(())
    }

    /// The retention in force for a mailbox. An error if its owner's is not known: then no message is removed.
    pub(super) async fn retention_of(&self, mailbox: &MailboxId) -> Result<Retention, StoreError> {
        let Some(directory) = &self.directory else { return Ok(self.retention) };
        let owner = directory.find(mailbox).await.map_err(|error| StoreError::Unavailable(error.into()))?;
        Ok(owner.map_or(self.retention, |owner| owner.retention.or(self.retention)))
    }

    /// Deletes messages that were removed too long ago, and marks those as removed that were recorded too long ago; answers how many
    /// mailboxes had the former, or how many messages were the latter.
    async fn retain_in(&self, times: &Times<'_>, done: &mut Housekeeping) -> Result<i64, StoreError> {
        let deleted = self.delete_old_removed(times, done).await?;
        Ok(self.remove_old(times, done).await?.max(deleted))
    }

    /// Marks messages as removed that were recorded too long ago.
    async fn remove_old(&self, times: &Times<'_>, done: &mut Housekeeping) -> Result<i64, StoreError> {
        let params: [&(dyn ToSql + Sync); 4] = [&times.of_recorded.0, &times.statuses, &times.of_recorded.1, &CHANGED_A_STEP];
        let outdated = self.database.pool().query(RECORDED_BEFORE, &params).await?;
        for row in &outdated {
            let (text, number, id): (&str, i16, Uuid) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
            let Ok(mailbox) = text.parse::<MailboxId>() else { continue };
            let params: [&(dyn ToSql + Sync); 5] = [&text, &false, &id, &REMOVED, &Some(number)];
            let marked = match self.database.pool().query_one(MARK, &params).await {
                Ok(marked) => marked,
                // The caller learns what was done; the next step meets this message first.
                Err(_) if !done.mailboxes.is_empty() => return Ok(CHANGED_A_STEP),
                Err(error) => return Err(error.into()),
            };
            if column::<i16>(&marked, 0)? == 0 {
                self.announce(&mailbox, &marked, 1)?;
                done.expired.extend((number == NEW).then(|| (mailbox.clone(), id.id())));
                done.mailboxes.push(mailbox);
            }
        }
        Ok(bigint(outdated.len()))
    }

    /// Deletes messages for good that were removed too long ago.
    async fn delete_old_removed(&self, times: &Times<'_>, done: &mut Housekeeping) -> Result<i64, StoreError> {
        let params: [&(dyn ToSql + Sync); 3] = [&times.of_removed.0, &times.of_removed.1, &CHANGED_A_STEP];
        let outdated = self.database.pool().query(REMOVED_BEFORE, &params).await?;
        for row in &outdated {
            let text: &str = column(row, 0)?;
            let before: DateTime<Utc> = column(row, 1)?;
            let Ok(mailbox) = text.parse::<MailboxId>() else { continue };
            let params: [&(dyn ToSql + Sync); 4] = [&text, &false, &Some(before), &DELETED_A_MAILBOX];
            let deleted = self.database.pool().query_one(EXPUNGE, &params).await?;
            if column::<i32>(&deleted, 1)? > 0 {
                self.announce(&mailbox, &deleted, 2)?;
                done.mailboxes.push(mailbox);
            }
        }
        Ok(bigint(outdated.len()))
    }

    async fn forget_old_keys(&self) -> Result<(), StoreError> {
        let window = millis(self.deduplication_window);
        self.database.pool().query(FORGET, &[&window, &FORGOTTEN_A_STEP]).await?;
        Ok(())
    }

    /// Deletes the entries of sent messages that are no longer kept, also of owners who send no more.
    async fn forget_old_sent(&self) -> Result<(), StoreError> {
        let days = i32::try_from(SentMessage::MAX_DAYS).unwrap_or(i32::MAX);
        self.database.pool().query(FORGET_SENT, &[&days, &FORGOTTEN_A_STEP]).await?;
        Ok(())
    }
}

/// How long the messages of some mailboxes stay, in milliseconds, as the columns of a statement.
#[derive(Debug, Default)]
struct Times<'a> {
    /// The mailboxes, and how long their new or old messages stay.
    of_recorded: (Vec<&'a str>, Vec<i64>),
    /// The status of the messages that each line of these is for.
    statuses: Vec<i16>,
    /// The mailboxes, and how long their removed messages stay.
    of_removed: (Vec<&'a str>, Vec<i64>),
}

impl<'a> Times<'a> {
    fn add(&mut self, number: &'a str, retention: Retention) {
        let in_reach = |stays: Option<Duration>| stays.filter(|stays| *stays < LONGEST);
        for (status, stays) in [(NEW, retention.new), (OLD, retention.old)] {
            if let Some(stays) = in_reach(stays) {
                self.of_recorded.0.push(number);
                self.of_recorded.1.push(millis(stays));
                self.statuses.push(status);
            }
        }
        if let Some(stays) = in_reach(retention.removed) {
            self.of_removed.0.push(number);
            // Another node may have removed a message unheard just now, and reads it to notify its sender.
            self.of_removed.1.push(millis(stays.max(SHORTEST_REMOVED)));
        }
    }

    fn is_empty(&self) -> bool {
        self.of_recorded.0.is_empty() && self.of_removed.0.is_empty()
    }
}

fn lock(position: &Mutex<String>) -> MutexGuard<'_, String> {
    position.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long keys are remembered if nothing else is said.
pub(super) const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long a removed message stays at least.
const SHORTEST_REMOVED: Duration = Duration::from_secs(5 * 60);
const CHANGED_A_STEP: i64 = 500;
const MAILBOXES_A_STEP: i64 = 1000;
/// The longest time that the database compares: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);
const DELETED_A_MAILBOX: i32 = 500;
const FORGOTTEN_A_STEP: i64 = 10_000;

const MAILBOXES_AFTER: &str =
    "SELECT number FROM voicemail.mailbox WHERE number > $1 AND new_n + old_n + removed_n > 0 ORDER BY number LIMIT $2";
const RECORDED_BEFORE: &str = "SELECT w.number, w.status, m.id FROM unnest($1::text[], $2::smallint[], $3::bigint[]) AS w (number, status, stays) \
    CROSS JOIN LATERAL (SELECT id FROM voicemail.message WHERE mailbox = w.number AND status = w.status AND urgent = ANY ('{f,t}'::boolean[]) \
        AND recorded_ns < ((extract(epoch FROM now()) * 1000)::bigint - w.stays) * 1000000 LIMIT $4) AS m LIMIT $4";
const REMOVED_BEFORE: &str = "SELECT w.number, now() - w.stays * interval '1 millisecond' AS before FROM unnest($1::text[], $2::bigint[]) AS w (number, stays) \
    WHERE EXISTS (SELECT FROM voicemail.message WHERE mailbox = w.number AND status = 2 AND since < now() - w.stays * interval '1 millisecond') LIMIT $3";
const FORGET: &str = "DELETE FROM voicemail.gone WHERE (mailbox, key) IN (\
    SELECT mailbox, key FROM voicemail.gone WHERE at < now() - $1::bigint * interval '1 millisecond' ORDER BY at LIMIT $2)";
const FORGET_SENT: &str = "DELETE FROM voicemail.sent_message WHERE (owner, id) IN (\
    SELECT owner, id FROM voicemail.sent_message \
    WHERE sent_ns < extract(epoch FROM now() - make_interval(days => $1))::bigint * 1000000000 \
    ORDER BY sent_ns LIMIT $2 FOR UPDATE SKIP LOCKED)";
