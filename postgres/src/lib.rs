//! The mailboxes of [`voicemail`] in PostgreSQL, with long sounds in an object store, for several central nodes at once.
//!
//! ```text
//!     node ─┐                     ┌─ PostgreSQL: mailboxes, heads, states, short sounds
//!     node ─┼─ PostgresStore ─────┤
//!     node ─┘                     └─ object store: long sounds
//! ```
//!
//! A [`Database`] is connected once for each node. A [`PostgresStore`] in it is a [`MessageStore`](voicemail::store::MessageStore), like a Maildir store,
//! with the difference that any number of nodes use it at the same time: a message that comes to two of them is stored once, and each learns
//! of the changes that the others make.
//!
//! ```no_run
//! use voicemail::store::MessageStore;
//! use voicemail_postgres::{Database, PostgresStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let database = Database::connect("postgres://voicemail:secret@one.example,two.example/voicemail").await?;
//! let store = PostgresStore::builder(&database).build();
//! let mailbox = "2041".parse()?;
//! store.create_mailbox(&mailbox).await?;
//! println!("2041: {}", store.summary(&mailbox).await?);
//! # Ok(())
//! # }
//! ```
//!
//! [`PostgresPins`] keeps the PINs there, with the lockouts, [`PostgresGreetings`] the greetings, [`PostgresRules`] the rules that owners change,
//! [`PostgresLists`] their lists, and [`PostgresSent`] the messages that they have sent and follow: an owner enters the same PIN at every node, and each node
//! plays a new greeting, follows a new rule and reads out a receipt at once.
//!
//! # Left to others
//!
//! - PostgreSQL 13 or newer, its standbys, and the program that decides which of them is promoted. With `synchronous_standby_names` set, a message that was
//!   acknowledged is on two servers. Name two candidates, `ANY 1 (a, b)`: with a single one that is away, no deposit is answered.
//! - Nobody may cancel a statement that waits for a standby: the server answers it like success. This crate never does, and answers
//!   [`Unavailable`](voicemail::store::StoreError::Unavailable) when somebody else has.
//! - The old primary must not serve again by itself: it may have commits that the new one never had. `pg_rewind` or a new copy makes it a standby.
//! - An IMAP server cannot open these mailboxes. Those of a Maildir store it can.

mod changes;
mod columns;
mod connect;
mod error;
mod greetings;
mod jobs;
mod leases;
mod lists;
mod pins;
mod rules;
mod schema;
mod sent;
pub mod sounds;
mod store;

pub use self::connect::{Database, DatabaseBuilder, Encryption};
pub use self::error::DatabaseError;
pub use self::greetings::PostgresGreetings;
pub use self::jobs::PostgresJobs;
pub use self::leases::PostgresLease;
pub use self::lists::PostgresLists;
pub use self::pins::PostgresPins;
pub use self::rules::PostgresRules;
pub use self::sent::PostgresSent;
pub use self::store::{PostgresStore, PostgresStoreBuilder};
