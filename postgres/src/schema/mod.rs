//! The tables and functions in the database, and the steps that make them.
//!
//! Each step is a numbered file of SQL that is applied once, in its own transaction, and never changes afterwards: a change is a new step. Nodes of
//! two versions work side by side while they are replaced, so a step only adds; what the version before uses is removed one step later at
//! the earliest. A function whose arguments change gets a new name. A node starts on a schema that is one step newer than it knows, so a release adds
//! one step at most.

mod plan;

use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use self::plan::AppliedStep;
use crate::DatabaseError;

/// The steps, in their order; the first one has the number 1.
const STEPS: &[&str] = &[
    include_str!("steps/001_mailboxes.sql"),
    include_str!("steps/002_pins.sql"),
    include_str!("steps/003_greetings.sql"),
    include_str!("steps/004_leases_and_jobs.sql"),
    include_str!("steps/005_engine.sql"),
    include_str!("steps/006_copying.sql"),
    include_str!("steps/007_steps_on_arrival.sql"),
    include_str!("steps/008_fewer_statements_a_deposit.sql"),
    include_str!("steps/009_transfer.sql"),
    include_str!("steps/010_rules_of_owners.sql"),
    include_str!("steps/011_transcripts.sql"),
    include_str!("steps/012_private_lists.sql"),
    include_str!("steps/013_one_sound_for_copies.sql"),
    include_str!("steps/014_sent_messages.sql"),
    include_str!("steps/015_returned_and_cleared.sql"),
];

/// Applies the steps that are missing, and checks those that are there.
pub(crate) async fn bring_up_to_date(client: &mut Client) -> Result<(), DatabaseError> {
    let known: Vec<[u8; 32]> = STEPS.iter().map(|sql| Sha256::digest(sql).into()).collect();
    if plan::missing(&known, &applied(client).await?).map_err(DatabaseError::Schema)?.is_empty() {
        return Ok(());
    }
    create_table_of_steps(client).await?;
    loop {
        let transaction = client.transaction().await?;
        // A step may take long, and so may those of another node that holds the lock.
        transaction.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
        transaction.batch_execute("LOCK TABLE voicemail.schema_step IN EXCLUSIVE MODE").await?;
        let rows = transaction.query(READ_STEPS, &[]).await?;
        let applied = rows.iter().map(AppliedStep::from_row).collect::<Result<Vec<_>, _>>()?;
        let missing = plan::missing(&known, &applied).map_err(DatabaseError::Schema)?;
        let Some(at) = missing.first().copied() else { return Ok(transaction.commit().await?) };
        let number = i32::try_from(at + 1).map_err(DatabaseError::unexpected)?;
        tracing::info!(number, "applies a step of the database's schema");
        transaction.batch_execute(STEPS[at]).await?;
        transaction.execute(WRITE_STEP, &[&number, &&known[at][..]]).await?;
        transaction.commit().await?;
    }
}

/// The steps that the database has; none if it has no table of them.
async fn applied(client: &Client) -> Result<Vec<AppliedStep>, DatabaseError> {
    let there: bool = client.query_one("SELECT to_regclass('voicemail.schema_step') IS NOT NULL", &[]).await?.try_get(0)?;
    if !there {
        return Ok(Vec::new());
    }
    client.query(READ_STEPS, &[]).await?.iter().map(AppliedStep::from_row).collect()
}

/// Creates the schema and its table of steps. Two nodes that do so at the same time get in each other's way; then it is there.
async fn create_table_of_steps(client: &Client) -> Result<(), DatabaseError> {
    let competing = [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_SCHEMA, SqlState::DUPLICATE_TABLE];
    match client.batch_execute(CREATE_STEPS).await {
        Err(error) if error.code().is_some_and(|code| competing.contains(code)) => Ok(client.batch_execute(CREATE_STEPS).await?),
        created => Ok(created?),
    }
}

/// Reads the name of the engine, after it was set to `name` if that is given and there was none.
pub(crate) async fn engine(client: &Client, name: Option<&str>) -> Result<Option<String>, DatabaseError> {
    if let Some(name) = name {
        client.execute("INSERT INTO voicemail.engine (name) VALUES ($1) ON CONFLICT DO NOTHING", &[&name]).await?;
    }
    let row = client.query_opt("SELECT name FROM voicemail.engine", &[]).await?;
    row.map_or(Ok(None), |row| Ok(Some(row.try_get(0)?)))
}

const CREATE_STEPS: &str = "CREATE SCHEMA IF NOT EXISTS voicemail; CREATE TABLE IF NOT EXISTS voicemail.schema_step (\
    number integer PRIMARY KEY, digest bytea NOT NULL, at timestamptz NOT NULL DEFAULT now())";
const READ_STEPS: &str = "SELECT number, digest FROM voicemail.schema_step ORDER BY number";
const WRITE_STEP: &str = "INSERT INTO voicemail.schema_step (number, digest) VALUES ($1, $2)";
