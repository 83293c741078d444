//! [`PostgresLease`]: the leases of the lamps, in the database.

use std::time::Duration;

use async_trait::async_trait;
use voicemail::message::{MessageId, SiteId};
use voicemail::mwi::{LampLease, LeaseError};

use crate::connect::Pool;
use crate::{Database, DatabaseError};

/// The [`LampLease`] of one node, in the database that all central nodes use.
///
/// A lease is a row with its holder and the time until which it is held, four seconds from each renewal by the clock of the database. All PBXs of a node
/// are renewed by one statement, on a connection that no other call uses. A node that is dead, frozen or cut off is replaced after 4.5 s at the latest.
///
/// With asynchronous standbys, or when the clock of a standby is ahead, a lease may be free some time too early after a promotion. So let the standby be
/// synchronous, keep the clocks of the servers within a second, and let no promotion be quicker than four seconds after the primary was last heard.
///
/// ```no_run
/// # fn with(database: &voicemail_postgres::Database, node: voicemail::node::NodeBuilder) -> voicemail::node::NodeBuilder {
/// use voicemail_postgres::PostgresLease;
///
/// node.lamp_lease(PostgresLease::new(database, "central-2"))
/// # }
/// ```
#[derive(Debug)]
pub struct PostgresLease {
    pool: Pool,
    holder: String,
}

impl PostgresLease {
    /// Returns a holder that has no lease yet. `node` is a name for an operator who reads the table; two holders may have the same one.
    pub fn new(database: &Database, node: &str) -> Self {
        Self { pool: database.pool().apart(1), holder: format!("{node}/{}", MessageId::random()) }
    }
}

#[async_trait]
impl LampLease for PostgresLease {
    async fn renew(&self, sites: &[SiteId]) -> Result<Vec<SiteId>, LeaseError> {
        let names: Vec<&str> = sites.iter().map(SiteId::as_str).collect();
        let rows = self.pool.query(RENEW, &[&names, &self.holder, &TERM.as_secs_f64()]).await.map_err(LeaseError::new)?;
        let site = |row: &tokio_postgres::Row| {
            let name: String = row.try_get(0).map_err(DatabaseError::from)?;
            name.parse::<SiteId>().map_err(DatabaseError::unexpected)
        };
        rows.iter().map(site).collect::<Result<_, _>>().map_err(LeaseError::new)
    }

    async fn release(&self) -> Result<(), LeaseError> {
        self.pool.query(RELEASE, &[&self.holder]).await.map_err(LeaseError::new).map(drop)
    }

    fn term(&self) -> Duration {
        TERM
    }
}

const TERM: Duration = Duration::from_secs(4);
const RENEW: &str = "SELECT voicemail.renew_leases($1, $2, make_interval(secs => $3))";
const RELEASE: &str = "UPDATE voicemail.lamp_lease SET until = '-infinity' WHERE holder = $1 AND until > clock_timestamp()";
