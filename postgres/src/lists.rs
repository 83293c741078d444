//! [`PostgresLists`]: the private lists of owners, in the database.

use async_trait::async_trait;
use tokio_postgres::Row;
use voicemail::directory::{ListNumber, ListStore, ListStoreError, PrivateList};
use voicemail::message::MailboxId;

use crate::columns::page_of_mailboxes;
use crate::{Database, DatabaseError};

/// Keeps the private lists of owners in the database, for any number of nodes at once: a list that an owner changes at one node is the same at all.
///
/// ```no_run
/// use voicemail::directory::{PrivateLists, StaticDirectory};
/// use voicemail_postgres::{Database, PostgresLists};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = StaticDirectory::from_iter([]);
/// let database = Database::connect("postgres://voicemail@%2Frun%2Fpostgresql/voicemail").await?;
/// let directory = PrivateLists::new(directory, PostgresLists::new(&database));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PostgresLists {
    database: Database,
}

impl PostgresLists {
    /// The private lists in `database`.
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone() }
    }
}

#[async_trait]
impl ListStore for PostgresLists {
    async fn get(&self, owner: &MailboxId, number: ListNumber) -> Result<Option<PrivateList>, ListStoreError> {
        let rows = self.database.pool().read(GET, &[&owner.as_str(), &column_of(number)?]).await.map_err(unavailable)?;
        rows.first().map(list_of).transpose()
    }

    async fn put(&self, owner: &MailboxId, list: &PrivateList) -> Result<(), ListStoreError> {
        let members: Vec<&str> = list.members().iter().map(MailboxId::as_str).collect();
        let (owner, number) = (owner.as_str(), column_of(list.number())?);
        let done = self.database.pool().query(PUT, &[&owner, &number, &list.name(), &members]).await;
        done.map(drop).map_err(unavailable)
    }

    async fn remove(&self, owner: &MailboxId, number: ListNumber) -> Result<(), ListStoreError> {
        let done = self.database.pool().query(REMOVE, &[&owner.as_str(), &column_of(number)?]).await;
        done.map(drop).map_err(unavailable)
    }

    async fn all(&self, owner: &MailboxId) -> Result<Vec<PrivateList>, ListStoreError> {
        let rows = self.database.pool().read(ALL, &[&owner.as_str()]).await.map_err(unavailable)?;
        rows.iter().map(list_of).collect()
    }

    async fn owners(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, ListStoreError> {
        page_of_mailboxes(&self.database, OWNERS, after, limit).await.map_err(unavailable)
    }
}

fn list_of(row: &Row) -> Result<PrivateList, ListStoreError> {
    let unexpected = |error: tokio_postgres::Error| unavailable(error.into());
    let (number, name, members): (i16, &str, Vec<&str>) =
        (row.try_get(0).map_err(unexpected)?, row.try_get(1).map_err(unexpected)?, row.try_get(2).map_err(unexpected)?);
    let number: ListNumber = number.to_string().parse().map_err(damaged)?;
    let members = members.into_iter().map(str::parse).collect::<Result<Vec<MailboxId>, _>>().map_err(damaged)?;
    PrivateList::new(number, name, members).map_err(damaged)
}

fn column_of(number: ListNumber) -> Result<i16, ListStoreError> {
    number.to_string().parse().map_err(damaged)
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> ListStoreError {
    ListStoreError::Damaged(error.into())
}

fn unavailable(error: DatabaseError) -> ListStoreError {
    ListStoreError::Unavailable(error.into())
}

const GET: &str = "SELECT number, name, members FROM voicemail.private_list WHERE owner = $1 AND number = $2";
const ALL: &str = "SELECT number, name, members FROM voicemail.private_list WHERE owner = $1 ORDER BY number";
const PUT: &str = "INSERT INTO voicemail.private_list (owner, number, name, members) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (owner, number) DO UPDATE SET name = excluded.name, members = excluded.members";
const REMOVE: &str = "DELETE FROM voicemail.private_list WHERE owner = $1 AND number = $2";
const OWNERS: &str = "SELECT owner FROM voicemail.private_list WHERE owner COLLATE \"C\" > $1 \
    GROUP BY owner ORDER BY owner COLLATE \"C\" LIMIT $2";
