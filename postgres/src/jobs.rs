//! [`PostgresJobs`]: jobs in the database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use voicemail::jobs::{Added, GiveUp, Job, JobError, JobKey, JobKind, JobState, JobStore, ListedJob, NewJob, StateFilter};

use crate::{Database, DatabaseError};

/// Jobs in the database that all central nodes use: each is done by one node at a time, and those of a node that died by another one. Clones are the same
/// jobs.
///
/// Times are those of the database. Workers pass over jobs that others are just taking, and wait for none. A job of another node is noticed within a
/// second; one that is given up as unreadable stays in the table `voicemail.job` with state 1, for an operator.
///
/// ```no_run
/// # fn with(database: &voicemail_postgres::Database, node: voicemail::node::NodeBuilder) -> voicemail::node::NodeBuilder {
/// use voicemail_postgres::PostgresJobs;
///
/// node.jobs(PostgresJobs::new(database))
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PostgresJobs {
    database: Database,
    /// A call on these jobs may have made one due.
    changed: Arc<watch::Sender<()>>,
}

impl PostgresJobs {
    /// Returns the jobs in `database`.
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone(), changed: Arc::new(watch::Sender::new(())) }
    }

    /// Returns how long it is until the next job of this kind is due, in seconds; `None` if there is none.
    async fn seconds_to_due(&self, kind: &JobKind) -> Result<Option<f64>, DatabaseError> {
        let rows = self.database.pool().read(NEXT_DUE, &[&kind.as_str()]).await?;
        rows.first().map_or(Ok(None), |row| Ok(row.try_get(0)?))
    }

    async fn execute(&self, sql: &str, job: &Job) -> Result<Vec<Row>, JobError> {
        let rows = self.database.pool().query(sql, &[&job.kind.as_str(), &&job.key.as_bytes()[..], &claim(job)?]).await;
        rows.map_err(unavailable)
    }
}

#[async_trait]
impl JobStore for PostgresJobs {
    async fn add(&self, job: &NewJob<'_>) -> Result<Added, JobError> {
        let (key, tries, wait) = (&job.key.as_bytes()[..], i32::try_from(job.tries).unwrap_or(i32::MAX), job.wait.as_secs_f64());
        let kind = job.kind.as_str();
        let (state, reason) = (if job.parked.is_some() { PARKED } else { WAITING }, job.parked.map(one_line));
        let parameters: [&(dyn ToSql + Sync); 9] =
            [&kind, &key, &job.queued_at, &job.payload, &tries, &wait, &job.destination, &state, &reason];
        let row = self.database.pool().query_one(ADD, &parameters).await.map_err(unavailable)?;
        let added: bool = row.try_get(0).map_err(unexpected)?;
        self.changed.send_replace(());
        Ok(if added { Added::Stored } else { Added::Duplicate })
    }

    async fn take(&self, kind: &JobKind, most: usize, claim: Duration) -> Result<Vec<Job>, JobError> {
        let most = i64::try_from(most).map_err(|error| unavailable(DatabaseError::unexpected(error)))?;
        let rows = self.database.pool().query(TAKE, &[&kind.as_str(), &most, &claim.as_secs_f64()]).await.map_err(unavailable)?;
        let mut jobs = rows.iter().map(|row| taken(kind, row)).collect::<Result<Vec<_>, _>>().map_err(unavailable)?;
        jobs.sort_by_key(|(due, job)| (*due, job.queued_at));
        Ok(jobs.into_iter().map(|(_, job)| job).collect())
    }

    async fn read(&self, job: &Job) -> Result<Option<Bytes>, JobError> {
        let key = &job.key.as_bytes()[..];
        let rows = self.database.pool().read(READ, &[&job.kind.as_str(), &key]).await.map_err(unavailable)?;
        let payload = |row: &Row| row.try_get::<_, Vec<u8>>(0).map(Bytes::from).map_err(unexpected);
        rows.first().map(payload).transpose()
    }

    async fn extend(&self, job: &Job, claim_for: Duration) -> Result<bool, JobError> {
        let (key, claim, seconds) = (&job.key.as_bytes()[..], claim(job)?, claim_for.as_secs_f64());
        let rows = self.database.pool().query(EXTEND, &[&job.kind.as_str(), &key, &claim, &seconds]).await;
        rows.map(|rows| !rows.is_empty()).map_err(unavailable)
    }

    async fn done(&self, job: &Job) -> Result<(), JobError> {
        let key = &job.key.as_bytes()[..];
        self.database.pool().query(DONE, &[&job.kind.as_str(), &key]).await.map(drop).map_err(unavailable)
    }

    async fn defer(&self, job: &Job, wait: Duration) -> Result<(), JobError> {
        let (key, claim, seconds) = (&job.key.as_bytes()[..], claim(job)?, wait.as_secs_f64());
        self.database.pool().query(DEFER, &[&job.kind.as_str(), &key, &claim, &seconds]).await.map_err(unavailable)?;
        self.changed.send_replace(());
        Ok(())
    }

    async fn give_up(&self, job: &Job, reason: GiveUp) -> Result<(), JobError> {
        let sql = match reason {
            GiveUp::Failed => GIVE_UP,
            GiveUp::Unreadable => PUT_ASIDE,
        };
        self.execute(sql, job).await.map(drop)
    }

    async fn postpone(&self, job: &Job, wait: Duration, destination: Option<&str>) -> Result<(), JobError> {
        let (key, claim, seconds) = (&job.key.as_bytes()[..], claim(job)?, wait.as_secs_f64());
        let parameters: [&(dyn ToSql + Sync); 5] = [&job.kind.as_str(), &key, &claim, &seconds, &destination];
        self.database.pool().query(POSTPONE, &parameters).await.map_err(unavailable)?;
        self.changed.send_replace(());
        Ok(())
    }

    async fn release(&self, kind: &JobKind, destination: &str, most: usize) -> Result<usize, JobError> {
        let most = i64::try_from(most).map_err(|error| unavailable(DatabaseError::unexpected(error)))?;
        let rows = self.database.pool().query(RELEASE, &[&kind.as_str(), &destination, &most]).await.map_err(unavailable)?;
        self.changed.send_replace(());
        Ok(rows.len())
    }

    async fn park(&self, job: &Job, reason: &str) -> Result<(), JobError> {
        let reason = one_line(reason);
        let (key, claim) = (&job.key.as_bytes()[..], claim(job)?);
        let parked = self.database.pool().query(PARK, &[&job.kind.as_str(), &key, &claim, &reason]).await;
        parked.map(drop).map_err(unavailable)
    }

    async fn list(
        &self,
        kind: &JobKind,
        filter: StateFilter,
        after: Option<&Job>,
        most: usize,
    ) -> Result<Vec<ListedJob>, JobError> {
        let state: i16 = match filter {
            StateFilter::Parked => PARKED,
            _ => WAITING,
        };
        let most = i64::try_from(most).map_err(|error| unavailable(DatabaseError::unexpected(error)))?;
        let (from, key) = (after.map(|job| job.queued_at), after.map(|job| &job.key.as_bytes()[..]));
        let rows = self.database.pool().read(LIST, &[&kind.as_str(), &state, &from, &key, &most]).await.map_err(unavailable)?;
        rows.iter().map(|row| listed(kind, row)).collect::<Result<_, _>>().map_err(unavailable)
    }

    async fn kinds(&self) -> Result<Vec<JobKind>, JobError> {
        let rows = self.database.pool().read(KINDS, &[]).await.map_err(unavailable)?;
        let kind = |row: &Row| -> Result<JobKind, DatabaseError> {
            row.try_get::<_, String>(0)?.parse().map_err(DatabaseError::unexpected)
        };
        rows.iter().map(kind).collect::<Result<_, _>>().map_err(unavailable)
    }

    async fn retry(&self, kind: &JobKind, key: JobKey) -> Result<bool, JobError> {
        let rows = self.database.pool().query(RETRY, &[&kind.as_str(), &&key.as_bytes()[..]]).await.map_err(unavailable)?;
        self.changed.send_replace(());
        Ok(!rows.is_empty())
    }

    async fn remove(&self, kind: &JobKind, key: JobKey) -> Result<bool, JobError> {
        let rows = self.database.pool().query(REMOVE, &[&kind.as_str(), &&key.as_bytes()[..]]).await;
        rows.map(|rows| !rows.is_empty()).map_err(unavailable)
    }

    async fn count(&self, kind: &JobKind) -> Result<usize, JobError> {
        let rows = self.database.pool().read(COUNT, &[&kind.as_str()]).await.map_err(unavailable)?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(unexpected)?;
        usize::try_from(count).map_err(|error| unavailable(DatabaseError::unexpected(error)))
    }

    /// Looks once a second.
    async fn due(&self, kind: &JobKind) {
        let mut changes = self.changed.subscribe();
        loop {
            let wait = match self.seconds_to_due(kind).await {
                Ok(Some(seconds)) if seconds <= 0.0 => return,
                Ok(Some(seconds)) => LOOK_INTERVAL.min(Duration::from_secs_f64(seconds.min(LOOK_INTERVAL.as_secs_f64()))),
                Ok(None) => LOOK_INTERVAL,
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "the jobs that are due cannot be read yet");
                    LOOK_INTERVAL
                }
            };
            tokio::select! {
                // The sender lives as long as these jobs.
                _ = changes.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// A job as an operator sees it.
fn listed(kind: &JobKind, row: &Row) -> Result<ListedJob, DatabaseError> {
    let key: Vec<u8> = row.try_get(0)?;
    let key = JobKey::from_bytes(key.try_into().map_err(|_| DatabaseError::unexpected("the key of a job has not 16 bytes"))?);
    let tries = u32::try_from(row.try_get::<_, i32>(2)?).map_err(DatabaseError::unexpected)?;
    let (state, due_in, taken): (i16, f64, bool) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
    let state = match state {
        PARKED => JobState::parked(row.try_get::<_, Option<String>>(6)?.unwrap_or_default()),
        _ if taken => JobState::Taken,
        _ => JobState::waiting(Duration::try_from_secs_f64(due_in).unwrap_or_default()),
    };
    Ok(ListedJob::new(Job::new(kind.clone(), key, row.try_get(1)?).claimed(tries, 0), state))
}

/// A job that was taken, and since when it had been due.
fn taken(kind: &JobKind, row: &Row) -> Result<(DateTime<Utc>, Job), DatabaseError> {
    let key: Vec<u8> = row.try_get(0)?;
    let key = JobKey::from_bytes(key.try_into().map_err(|_| DatabaseError::unexpected("the key of a job has not 16 bytes"))?);
    let (queued_at, tries, claim): (_, i32, i64) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    let (tries, claim) = (u32::try_from(tries).map_err(DatabaseError::unexpected)?, u64::try_from(claim));
    let job = Job::new(kind.clone(), key, queued_at).claimed(tries, claim.map_err(DatabaseError::unexpected)?);
    Ok((row.try_get(4)?, job))
}

/// The reason as one line of at most 400 characters.
fn one_line(reason: &str) -> String {
    reason.chars().map(|char| if char.is_control() { ' ' } else { char }).take(400).collect()
}

fn claim(job: &Job) -> Result<i64, JobError> {
    i64::try_from(job.claim).map_err(|error| unavailable(DatabaseError::unexpected(error)))
}

fn unavailable(error: DatabaseError) -> JobError {
    JobError::Unavailable(error.into())
}

fn unexpected(error: tokio_postgres::Error) -> JobError {
    unavailable(error.into())
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const WAITING: i16 = 0;
const PARKED: i16 = 2;
/// A duplicate writes its row again, so that its answer waits for the standby like that of the first one.
const ADD: &str = "INSERT INTO voicemail.job (kind, key, queued_at, payload, tries, due, destination, state, reason) \
    VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6), $7, $8, $9) \
    ON CONFLICT (kind, key) DO UPDATE SET kind = excluded.kind RETURNING xmax = 0";
const TAKE: &str = "UPDATE voicemail.job SET claim = job.claim + 1, due = now() + make_interval(secs => $3), taken = true, destination = NULL \
    FROM (SELECT kind, key, due FROM voicemail.job WHERE kind = $1 AND state = 0 AND due <= now() \
        ORDER BY due, queued_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) AS next \
    WHERE job.kind = next.kind AND job.key = next.key \
    RETURNING job.key, job.queued_at, job.tries, job.claim, next.due";
const READ: &str = "SELECT payload FROM voicemail.job WHERE kind = $1 AND key = $2";
const EXTEND: &str = "UPDATE voicemail.job SET due = now() + make_interval(secs => $4) \
    WHERE kind = $1 AND key = $2 AND claim = $3 AND state = 0 RETURNING 1";
const DONE: &str = "DELETE FROM voicemail.job WHERE kind = $1 AND key = $2";
/// The claim grows, so that the worker has lost it.
const DEFER: &str = "UPDATE voicemail.job SET due = now() + make_interval(secs => $4), tries = tries + 1, claim = claim + 1, taken = false \
    WHERE kind = $1 AND key = $2 AND claim = $3 AND state = 0";
const POSTPONE: &str = "UPDATE voicemail.job SET due = now() + make_interval(secs => $4), claim = claim + 1, taken = false, destination = $5 \
    WHERE kind = $1 AND key = $2 AND claim = $3 AND state = 0";
const RELEASE: &str = "UPDATE voicemail.job SET due = now(), destination = NULL \
    FROM (SELECT kind, key FROM voicemail.job WHERE kind = $1 AND destination = $2 AND state = 0 \
        ORDER BY queued_at, key LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED) AS first \
    WHERE job.kind = first.kind AND job.key = first.key RETURNING 1";
const PARK: &str = "UPDATE voicemail.job SET state = 2, reason = $4, taken = false, destination = NULL \
    WHERE kind = $1 AND key = $2 AND claim = $3 AND state = 0";
const LIST: &str = "SELECT key, queued_at, tries, state, greatest(extract(epoch FROM due - now()), 0)::double precision, \
        taken AND due > now(), reason \
    FROM voicemail.job WHERE kind = $1 AND state = $2 AND ($3::timestamptz IS NULL OR (queued_at, key) > ($3, $4::bytea)) \
    ORDER BY queued_at, key LIMIT $5";
const KINDS: &str = "SELECT DISTINCT kind COLLATE \"C\" FROM voicemail.job WHERE state <> 1 ORDER BY 1";
const RETRY: &str = "UPDATE voicemail.job SET state = 0, due = now(), tries = CASE state WHEN 2 THEN 0 ELSE tries END, \
        claim = claim + 1, taken = false, destination = NULL, reason = NULL \
    WHERE kind = $1 AND key = $2 AND (state = 2 OR state = 0 AND NOT (taken AND due > now())) RETURNING 1";
const REMOVE: &str = "DELETE FROM voicemail.job WHERE kind = $1 AND key = $2 AND state <> 1 RETURNING 1";
const GIVE_UP: &str = "DELETE FROM voicemail.job WHERE kind = $1 AND key = $2 AND claim = $3";
const PUT_ASIDE: &str = "UPDATE voicemail.job SET state = 1 WHERE kind = $1 AND key = $2 AND claim = $3";
const COUNT: &str = "SELECT count(*) FROM voicemail.job WHERE kind = $1 AND state = 0";
const NEXT_DUE: &str =
    "SELECT extract(epoch FROM min(due) - clock_timestamp())::double precision FROM voicemail.job WHERE kind = $1 AND state = 0";
