//! The parts that the tests share: servers, databases, messages.

pub(crate) mod messages;
#[allow(dead_code, reason = "other tests use a part of it")]
pub(crate) mod relay;
pub(crate) mod server;

use voicemail::directory::{Owner, StaticDirectory};
use voicemail::message::MailboxId;
use voicemail_postgres::{Database, PostgresStore};

use self::server::Server;

pub(crate) fn mailbox(number: &str) -> MailboxId {
    number.parse().unwrap()
}

/// A new database of the common server; `None` if PostgreSQL is not installed, which is said aloud.
pub(crate) async fn database() -> Option<Database> {
    let address = Server::common()?.create_database().await;
    Some(Database::connect(&address).await.unwrap())
}

/// A store in `database` with the mailboxes 2041 and 2042, without a directory.
pub(crate) async fn store_in(database: &Database) -> PostgresStore {
    let store = PostgresStore::builder(database).build();
    for number in ["2041", "2042"] {
        store.create_mailbox(&mailbox(number)).await.unwrap();
    }
    store
}

/// A directory that has the mailboxes 2041 and 2042.
pub(crate) fn directory() -> StaticDirectory {
    let owner = || Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
    ["2041", "2042"].into_iter().map(|number| (mailbox(number), owner())).collect()
}
