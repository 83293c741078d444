//! The memory of arrivals: a row for each message that no node has dealt with yet.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;
use voicemail::store::{PendingArrival, PendingArrivals, StoreError};

use super::PostgresStore;
use crate::DatabaseError;
use crate::columns::{Uuid, bigint, column};

/// A row comes in the transaction of its message. A node extends the holds of the arrivals that it has in
/// work; one that died holds its arrivals until their holds are over, by the time of the database.
#[async_trait]
impl PendingArrivals for PostgresStore {
    async fn remember(&self) -> Result<(), StoreError> {
        self.remembers_arrivals.store(true, Ordering::Release);
        Ok(())
    }

    async fn take(&self, most: usize, hold: Duration) -> Result<Vec<PendingArrival>, StoreError> {
        self.database.pool().query(FORGET_GONE, &[]).await?;
        let rows = self.database.pool().query(TAKE, &[&bigint(most), &hold.as_secs_f64()]).await?;
        Ok(rows.iter().map(arrival).collect::<Result<_, _>>()?)
    }

    async fn extend(&self, arrivals: &[PendingArrival], hold: Duration) -> Result<(), StoreError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let (mailboxes, ids) = columns(arrivals);
        self.database.pool().query(EXTEND, &[&mailboxes, &ids, &hold.as_secs_f64()]).await?;
        Ok(())
    }

    async fn add(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError> {
        let (mailboxes, ids) = columns(arrivals);
        self.database.pool().query(ADD, &[&mailboxes, &ids]).await?;
        Ok(())
    }

    async fn settle(&self, arrivals: &[PendingArrival]) -> Result<(), StoreError> {
        let (mailboxes, ids) = columns(arrivals);
        self.database.pool().query(SETTLE, &[&mailboxes, &ids]).await?;
        Ok(())
    }
}

/// The mailboxes and the ids of arrivals.
fn columns(arrivals: &[PendingArrival]) -> (Vec<&str>, Vec<Uuid>) {
    arrivals.iter().map(|arrival| (arrival.mailbox.as_str(), Uuid::from(arrival.id))).unzip()
}

fn arrival(row: &Row) -> Result<PendingArrival, DatabaseError> {
    let mailbox: String = column(row, 0)?;
    let mailbox = mailbox.parse().map_err(DatabaseError::unexpected)?;
    Ok(PendingArrival::new(mailbox, column::<Uuid>(row, 1)?.id()))
}

const FORGET_GONE: &str = "DELETE FROM voicemail.arrival USING ( \
        SELECT a.mailbox, a.id FROM voicemail.arrival a WHERE a.free_at <= now() \
            AND NOT EXISTS (SELECT FROM voicemail.message m WHERE m.mailbox = a.mailbox AND m.id = a.id) \
            FOR UPDATE SKIP LOCKED) AS gone \
    WHERE arrival.mailbox = gone.mailbox AND arrival.id = gone.id";
const TAKE: &str = "UPDATE voicemail.arrival SET free_at = now() + make_interval(secs => $2) \
    FROM (SELECT mailbox, id FROM voicemail.arrival WHERE free_at <= now() \
        ORDER BY free_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) AS next \
    WHERE arrival.mailbox = next.mailbox AND arrival.id = next.id RETURNING arrival.mailbox, arrival.id";
/// It waits for no row that is being settled or taken.
const EXTEND: &str = "UPDATE voicemail.arrival SET free_at = greatest(arrival.free_at, now() + make_interval(secs => $3)) \
    FROM (SELECT a.mailbox, a.id FROM voicemail.arrival a JOIN unnest($1::text[], $2::uuid[]) AS wanted (mailbox, id) USING (mailbox, id) \
        FOR NO KEY UPDATE OF a SKIP LOCKED) AS held \
    WHERE arrival.mailbox = held.mailbox AND arrival.id = held.id";
const ADD: &str = "INSERT INTO voicemail.arrival (mailbox, id, free_at) \
    SELECT mailbox, id, now() FROM unnest($1::text[], $2::uuid[]) AS added (mailbox, id) ON CONFLICT DO NOTHING";
const SETTLE: &str = "DELETE FROM voicemail.arrival USING unnest($1::text[], $2::uuid[]) AS settled (mailbox, id) \
    WHERE arrival.mailbox = settled.mailbox AND arrival.id = settled.id";
