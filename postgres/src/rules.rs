//! [`PostgresRules`]: the rules that owners have changed, in the database.

use async_trait::async_trait;
use voicemail::message::MailboxId;
use voicemail::rules::{ArrivalRules, RuleStore, RuleStoreError, RulesVersion, StoredRules};

use crate::columns::page_of_mailboxes;
use crate::{Database, DatabaseError};

/// Keeps the rules that owners have changed in the database, for any number of nodes at once: each node follows a change from the next message on.
///
/// A row has the rules of one mailbox, in the form that the module [`rules`](voicemail::rules) shows. A change is one statement, which compares the version:
/// of two nodes that change the same rules at the same moment, one does. Rules that cannot be read, such as those of a newer version of this package, are
/// reported as damaged; like none, they can be replaced.
///
/// ```no_run
/// use voicemail::arrival::mail::OwnerRules;
/// use voicemail::directory::StaticDirectory;
/// use voicemail_postgres::{Database, PostgresRules};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = StaticDirectory::from_iter([]);
/// let database = Database::connect("postgres://voicemail@%2Frun%2Fpostgresql/voicemail").await?;
/// let rules = OwnerRules::new(directory).with_store(PostgresRules::new(&database));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PostgresRules {
    database: Database,
}

impl PostgresRules {
    /// The rules in `database`.
    pub fn new(database: &Database) -> Self {
        Self { database: database.clone() }
    }
}

#[async_trait]
impl RuleStore for PostgresRules {
    async fn load(&self, mailbox: &MailboxId) -> Result<Option<StoredRules>, RuleStoreError> {
        let rows = self.database.pool().read(LOAD, &[&mailbox.as_str()]).await.map_err(unavailable)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let rules = ArrivalRules::from_text(row.try_get(0).map_err(unexpected)?);
        let damaged = |source| RuleStoreError::Damaged { mailbox: mailbox.clone(), source: Box::new(source) };
        rules.map(StoredRules::new).map(Some).map_err(damaged)
    }

    async fn replace(
        &self,
        mailbox: &MailboxId,
        rules: Option<&ArrivalRules>,
        expected: Option<RulesVersion>,
    ) -> Result<Option<RulesVersion>, RuleStoreError> {
        let version = rules.map(ArrivalRules::version);
        let text = rules.map(ArrivalRules::to_text);
        let mut believed = expected.map(|version| version.to_string());
        for _ in 0..MOST_TRIES {
            let done = self.database.pool().query_one(REPLACE, &[&mailbox.as_str(), &text, &believed]).await;
            let row = done.map_err(unavailable)?;
            if row.try_get(0).map_err(unexpected)? {
                return Ok(version);
            }
            let there: Option<&str> = row.try_get(2).map_err(unexpected)?;
            let current = there.and_then(|text| ArrivalRules::from_text(text).ok()).map(|rules| rules.version());
            if current != expected {
                return Err(RuleStoreError::Conflict { mailbox: mailbox.clone(), current });
            }
            // The row was written by hand or by another version of this package, cannot be read, or is gone by now: then it is not another change.
            believed = row.try_get(1).map_err(unexpected)?;
        }
        Err(RuleStoreError::Unavailable("the rules change too often".into()))
    }

    async fn mailboxes(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, RuleStoreError> {
        page_of_mailboxes(&self.database, MAILBOXES, after, limit).await.map_err(unavailable)
    }
}

fn unavailable(error: DatabaseError) -> RuleStoreError {
    RuleStoreError::Unavailable(error.into())
}

fn unexpected(error: tokio_postgres::Error) -> RuleStoreError {
    unavailable(error.into())
}

const MOST_TRIES: usize = 8;
const LOAD: &str = "SELECT rules FROM voicemail.owner_rules WHERE mailbox = $1";
const REPLACE: &str = "SELECT is_done, there_version, there_rules FROM voicemail.replace_rules($1, $2, $3)";
const MAILBOXES: &str =
    "SELECT mailbox FROM voicemail.owner_rules WHERE mailbox COLLATE \"C\" > $1 ORDER BY mailbox COLLATE \"C\" LIMIT $2";
