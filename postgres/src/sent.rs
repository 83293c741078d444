//! [`PostgresSent`]: the messages that owners have sent, in the database.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use voicemail::message::{Disposition, MailboxId, MessageId};
use voicemail::sent::{SentCopy, SentMessage, SentState, SentStore, SentStoreError};

use crate::columns::{Uuid, bigint, column, millis, nanos, page_of_mailboxes};
use crate::{Database, DatabaseError};

/// Keeps the messages that owners have sent and follow in the database, for any number of nodes at once: a receipt that comes to one node is in the list that
/// another one reads out.
///
/// A change is one statement, which locks the message: of two nodes that change one message at the same moment, none undoes the other. The newest 500
/// messages of an owner are kept, for 90 days; [housekeeping](voicemail::store::MessageStore::housekeep) of a
/// [`PostgresStore`](crate::PostgresStore) in the same database deletes older ones, also of owners who send no more. With the row of a mailbox, the list of its
/// owner is deleted, as are PIN, greetings, rules and private lists. Times are kept to the nanosecond, between the years 1677 and 2262; durations to the millisecond. A row that cannot be read, such as
/// one of a newer version of this package, is left out of the list.
///
/// ```no_run
/// # fn with(database: &voicemail_postgres::Database, node: voicemail::node::NodeBuilder) -> voicemail::node::NodeBuilder {
/// use voicemail_postgres::PostgresSent;
///
/// node.sent_messages(PostgresSent::new(database))
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PostgresSent {
    database: Database,
}

impl PostgresSent {
    /// The sent messages in `database`.
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone() }
    }
}

#[async_trait]
impl SentStore for PostgresSent {
    async fn record(&self, owner: &MailboxId, message: &SentMessage) -> Result<(), SentStoreError> {
        // The statement takes each mailbox once.
        let mut once = SentMessage::new(message.id, message.sent_at, message.length, Vec::new());
        once.merge(message);
        let (sent_ns, columns) = (nanos(message.sent_at), CopyColumns::of(&once.copies)?);
        let params: [&(dyn ToSql + Sync); 11] = [
            &owner.as_str(),
            &Uuid::from(message.id),
            &sent_ns,
            &millis(message.length),
            &columns.mailboxes,
            &columns.ids,
            &columns.states,
            &columns.dispositions,
            &columns.ended_ns,
            &bigint(SentMessage::MAX_KEPT),
            &oldest_kept(message.sent_at),
        ];
        self.database.pool().query(RECORD, &params).await.map(drop).map_err(unavailable)
    }

    async fn list(&self, owner: &MailboxId, now: DateTime<Utc>) -> Result<Vec<SentMessage>, SentStoreError> {
        let params: [&(dyn ToSql + Sync); 3] = [&owner.as_str(), &oldest_kept(now), &bigint(SentMessage::MAX_KEPT)];
        let rows = self.database.pool().read(LIST, &params).await.map_err(unavailable)?;
        let mut messages = Vec::with_capacity(rows.len());
        for row in &rows {
            let message = message_of(row).map_err(unavailable)?;
            if message.is_none() {
                tracing::warn!(%owner, "a row of a sent message cannot be read, and is left out");
            }
            messages.extend(message);
        }
        Ok(messages)
    }

    async fn find(&self, id: MessageId) -> Result<Option<(MailboxId, SentMessage)>, SentStoreError> {
        let rows = self.database.pool().read(FIND, &[&Uuid::from(id)]).await.map_err(unavailable)?;
        for row in &rows {
            let owner: &str = column(row, 8).map_err(unavailable)?;
            if let (Ok(owner), Some(message)) = (owner.parse(), message_of(row).map_err(unavailable)?) {
                return Ok(Some((owner, message)));
            }
            tracing::warn!(%id, "a row of a sent message cannot be read, and is left out");
        }
        Ok(None)
    }

    async fn settle(
        &self,
        owner: &MailboxId,
        mailbox: &MailboxId,
        id: MessageId,
        disposition: Disposition,
        at: DateTime<Utc>,
    ) -> Result<(), SentStoreError> {
        let (owner, mailbox, id) = (owner.as_str(), mailbox.as_str(), Uuid::from(id));
        let (state, disposition, ended_ns) = state_columns(SentState::of(disposition, at))?;
        let params: [&(dyn ToSql + Sync); 7] = [&owner, &mailbox, &id, &state, &disposition, &ended_ns, &oldest_kept(at)];
        self.database.pool().query(SETTLE, &params).await.map(drop).map_err(unavailable)
    }

    async fn owners(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, SentStoreError> {
        page_of_mailboxes(&self.database, OWNERS, after, limit).await.map_err(unavailable)
    }
}

/// The copies of a message as the columns of a statement.
#[derive(Debug, Default)]
struct CopyColumns<'a> {
    mailboxes: Vec<&'a str>,
    ids: Vec<Uuid>,
    states: Vec<i16>,
    dispositions: Vec<Option<&'static str>>,
    ended_ns: Vec<Option<i64>>,
}

impl<'a> CopyColumns<'a> {
    fn of(copies: &'a [SentCopy]) -> Result<Self, SentStoreError> {
        let mut columns = Self::default();
        for copy in copies {
            let (state, disposition, ended_ns) = state_columns(copy.state)?;
            columns.mailboxes.push(copy.mailbox.as_str());
            columns.ids.push(copy.id.into());
            columns.states.push(state);
            columns.dispositions.push(disposition);
            columns.ended_ns.push(ended_ns);
        }
        Ok(columns)
    }
}

fn state_columns(state: SentState) -> Result<(i16, Option<&'static str>, Option<i64>), SentStoreError> {
    match state {
        SentState::Sending => Ok((SENDING, None, None)),
        SentState::NotDelivered => Ok((NOT_DELIVERED, None, None)),
        SentState::Delivered => Ok((DELIVERED, None, None)),
        SentState::Returned => Ok((RETURNED, None, None)),
        SentState::Ended { disposition, at } => Ok((ENDED, Some(disposition.as_str()), Some(nanos(at)))),
        _ => Err(SentStoreError::Unavailable("this version of voicemail-postgres does not know this state".into())),
    }
}

/// The message of a row of [`LIST`] or [`FIND`]; `None` if it cannot be read.
fn message_of(row: &Row) -> Result<Option<SentMessage>, DatabaseError> {
    let (id, sent_ns, length_ms): (Uuid, i64, i64) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
    let mailboxes: Vec<&str> = column::<Option<_>>(row, 3)?.unwrap_or_default();
    let ids: Vec<Uuid> = column::<Option<_>>(row, 4)?.unwrap_or_default();
    let states: Vec<i16> = column::<Option<_>>(row, 5)?.unwrap_or_default();
    let dispositions: Vec<Option<&str>> = column::<Option<_>>(row, 6)?.unwrap_or_default();
    let ended_ns: Vec<Option<i64>> = column::<Option<_>>(row, 7)?.unwrap_or_default();
    let states = states.into_iter().zip(dispositions.into_iter().zip(ended_ns));
    let mut copies = Vec::with_capacity(mailboxes.len());
    for ((mailbox, id), (state, (disposition, ended_ns))) in mailboxes.into_iter().zip(ids).zip(states) {
        let (Ok(mailbox), Some(state)) = (mailbox.parse(), state_of(state, disposition, ended_ns)) else { return Ok(None) };
        copies.push(SentCopy::new(mailbox, id.id(), state));
    }
    let Ok(length_ms) = u64::try_from(length_ms) else { return Ok(None) };
    let length = Duration::from_millis(length_ms);
    Ok(Some(SentMessage::new(id.id(), DateTime::from_timestamp_nanos(sent_ns), length, copies)))
}

fn state_of(state: i16, disposition: Option<&str>, ended_ns: Option<i64>) -> Option<SentState> {
    match (state, disposition, ended_ns) {
        (SENDING, None, None) => Some(SentState::Sending),
        (NOT_DELIVERED, None, None) => Some(SentState::NotDelivered),
        (DELIVERED, None, None) => Some(SentState::Delivered),
        (RETURNED, None, None) => Some(SentState::Returned),
        (ENDED, Some(disposition), Some(at)) => {
            Some(SentState::Ended { disposition: disposition.parse().ok()?, at: DateTime::from_timestamp_nanos(at) })
        }
        _ => None,
    }
}

/// The time that the oldest message was sent that is kept at `now`, in nanoseconds since 1970.
fn oldest_kept(now: DateTime<Utc>) -> i64 {
    let days = TimeDelta::days(SentMessage::MAX_DAYS.into());
    now.checked_sub_signed(days).map_or(i64::MIN, nanos)
}

fn unavailable(error: DatabaseError) -> SentStoreError {
    SentStoreError::Unavailable(error.into())
}

/// The columns of a message and its copies, and its owner, for [`message_of`].
macro_rules! sent_message {
    () => {
        "SELECT m.id, m.sent_ns, m.length_ms, c.mailboxes, c.ids, c.states, c.dispositions, c.ended_ns, m.owner \
        FROM voicemail.sent_message m CROSS JOIN LATERAL (\
            SELECT array_agg(mailbox ORDER BY place, mailbox) AS mailboxes, array_agg(id ORDER BY place, mailbox) AS ids, \
                array_agg(state ORDER BY place, mailbox) AS states, array_agg(disposition ORDER BY place, mailbox) AS dispositions, \
                array_agg(ended_ns ORDER BY place, mailbox) AS ended_ns \
            FROM voicemail.sent_copy WHERE owner = m.owner AND message = m.id) c "
    };
}

const SENDING: i16 = 0;
const NOT_DELIVERED: i16 = 1;
const DELIVERED: i16 = 2;
const ENDED: i16 = 3;
const RETURNED: i16 = 4;
const RECORD: &str = "SELECT voicemail.record_sent($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const SETTLE: &str = "SELECT voicemail.settle_sent($1, $2, $3, $4, $5, $6, $7)";
const LIST: &str = concat!(sent_message!(), "WHERE m.owner = $1 AND m.sent_ns >= $2 ORDER BY m.sent_ns DESC, m.id DESC LIMIT $3");
const FIND: &str = concat!(
    sent_message!(),
    "WHERE (m.owner, m.id) IN (SELECT owner, message FROM voicemail.sent_copy WHERE id = $1) ORDER BY m.sent_ns DESC, m.id DESC"
);
const OWNERS: &str = "SELECT owner FROM voicemail.sent_message WHERE owner COLLATE \"C\" > $1 \
    GROUP BY owner ORDER BY owner COLLATE \"C\" LIMIT $2";
