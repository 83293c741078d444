//! Applies the retention, and forgets old keys.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use voicemail::message::MailboxId;
use voicemail::store::{Housekeeping, StoreError};

use super::PostgresStore;
use super::mark::{EXPUNGE, MARK};
use super::values::{NEW, OLD, REMOVED, Uuid, column, millis};

impl PostgresStore {
    /// A step of housekeeping. Several nodes may do theirs at the same time: each change is made once, by the node that came first.
    pub(super) async fn housekeeping_step(&self) -> Result<Housekeeping, StoreError> {
        let mut done = Housekeeping::default();
        self.delete_old_removed(&mut done).await?;
        self.remove_old(&mut done).await?;
        // Messages that were removed unheard must be answered whatever comes after.
        let rest = async {
            self.forget_old_keys().await?;
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

    /// Marks messages as removed that were recorded too long ago.
    async fn remove_old(&self, done: &mut Housekeeping) -> Result<(), StoreError> {
        for (number, stays) in [(NEW, self.retention.new), (OLD, self.retention.old)] {
            let Some(stays) = stays else { continue };
            let outdated = self.database.pool().query(RECORDED_BEFORE, &[&number, &millis(stays), &CHANGED_A_STEP]).await?;
            for row in outdated {
                let (text, id): (&str, Uuid) = (column(&row, 0)?, column(&row, 1)?);
                let Ok(mailbox) = text.parse::<MailboxId>() else { continue };
                let params: [&(dyn ToSql + Sync); 5] = [&text, &false, &id, &REMOVED, &Some(number)];
                let marked = match self.database.pool().query_one(MARK, &params).await {
                    Ok(marked) => marked,
                    // The caller learns what was done; the next step meets this message first.
                    Err(_) if !done.mailboxes.is_empty() => return Ok(()),
                    Err(error) => return Err(error.into()),
                };
                if column::<i16>(&marked, 0)? == 0 {
                    self.announce(&mailbox, &marked, 1)?;
                    done.expired.extend((number == NEW).then(|| (mailbox.clone(), id.id())));
                    done.mailboxes.push(mailbox);
                }
            }
        }
        Ok(())
    }

    /// Deletes messages for good that were removed too long ago.
    async fn delete_old_removed(&self, done: &mut Housekeeping) -> Result<(), StoreError> {
        let Some(stays) = self.retention.removed else { return Ok(()) };
        // Another node may have removed a message unheard just now, and reads it to notify its sender.
        let stays = stays.max(SHORTEST_REMOVED);
        for row in self.database.pool().query(REMOVED_BEFORE, &[&millis(stays), &CHANGED_A_STEP]).await? {
            let text: &str = column(&row, 0)?;
            let before: DateTime<Utc> = column(&row, 1)?;
            let Ok(mailbox) = text.parse::<MailboxId>() else { continue };
            let params: [&(dyn ToSql + Sync); 4] = [&text, &false, &Some(before), &DELETED_A_MAILBOX];
            let deleted = self.database.pool().query_one(EXPUNGE, &params).await?;
            if column::<i32>(&deleted, 1)? > 0 {
                self.announce(&mailbox, &deleted, 2)?;
                done.mailboxes.push(mailbox);
            }
        }
        Ok(())
    }

    async fn forget_old_keys(&self) -> Result<(), StoreError> {
        let window = millis(self.deduplication_window);
        self.database.pool().query(FORGET, &[&window, &FORGOTTEN_A_STEP]).await?;
        Ok(())
    }
}

/// How long keys are remembered if nothing else is said.
pub(super) const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long a removed message stays at least.
const SHORTEST_REMOVED: Duration = Duration::from_secs(5 * 60);
const CHANGED_A_STEP: i64 = 500;
const DELETED_A_MAILBOX: i32 = 500;
const FORGOTTEN_A_STEP: i64 = 10_000;

const RECORDED_BEFORE: &str = "SELECT mailbox, id FROM voicemail.message WHERE status = $1 AND \
    recorded_ns < ((extract(epoch FROM now()) * 1000)::bigint - $2::bigint) * 1000000 ORDER BY recorded_ns LIMIT $3";
const REMOVED_BEFORE: &str = "SELECT DISTINCT mailbox, now() - $1::bigint * interval '1 millisecond' AS before FROM (\
    SELECT mailbox FROM voicemail.message WHERE status = 2 AND since < now() - $1::bigint * interval '1 millisecond' ORDER BY since LIMIT $2) m";
const FORGET: &str = "DELETE FROM voicemail.gone WHERE (mailbox, key) IN (\
    SELECT mailbox, key FROM voicemail.gone WHERE at < now() - $1::bigint * interval '1 millisecond' ORDER BY at LIMIT $2)";
