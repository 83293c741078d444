//! How many deposits a second does a store take, beside the same bytes by a bare `INSERT` and commit in the same run?
//!
//! The server is started by the bench in a temporary folder, with `fsync` and `synchronous_commit` on, on the same machine. Not in the number: the
//! digest of the sound, which the receiver of the message has computed, and the network. The bare table has the same columns of bytes, a primary key
//! and nothing else; so the difference is the lock of the mailbox, the look for the key, the counts, and the indexes for pages and retention.
//!
//! Run: `cargo bench -p voicemail-postgres --bench deposit_throughput`. You will see a line for each size and each number of connections.

#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

#[path = "../tests/postgres/support/server.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod server;

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio_postgres::NoTls;
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, Origin, RecordedAt};
use voicemail::store::MessageStore as _;
use voicemail_postgres::{Database, PostgresStore};

use self::server::{Server, execute};

const MAILBOXES: u32 = 1000;
const TIME: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let Some(server) = Server::start(&["fsync = on", "synchronous_commit = on", "max_wal_size = '4GB'"]) else { return };
    let address = server.create_database().await;
    let database = Database::connect(&address).await.unwrap();
    let store = PostgresStore::builder(&database).build();
    let mailboxes: Vec<MailboxId> = (0..MAILBOXES).map(|n| (10_000 + n).to_string().parse().unwrap()).collect();
    for mailbox in &mailboxes {
        store.create_mailbox(mailbox).await.unwrap();
    }
    let table = "CREATE TABLE bare (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), head bytea, sound bytea); \
                 ALTER TABLE bare ALTER COLUMN sound SET STORAGE EXTERNAL";
    execute(&address, table).await;
    println!("{:>8} {:>12} {:>12} {:>12} {:>8}", "bytes", "connections", "bare a s", "deposits a s", "share");
    for size in [0, 40_000, 240_000] {
        for connections in [1, 4, 16] {
            let bare = bare(&address, size, connections).await;
            let deposits = deposits(&address, &mailboxes, size, connections).await;
            println!("{size:>8} {connections:>12} {bare:>12.0} {deposits:>12.0} {:>7.0}%", 100.0 * deposits / bare);
        }
    }
}

/// Rows a second by a bare insert, each with its own commit.
async fn bare(address: &str, size: usize, connections: usize) -> f64 {
    let workers = (0..connections).map(|_| async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
        tokio::spawn(connection);
        let insert = client.prepare("INSERT INTO bare (head, sound) VALUES ($1, $2)").await.unwrap();
        let (head, sound) = (vec![1_u8; 300], vec![2_u8; size]);
        let (start, mut count) = (Instant::now(), 0_u32);
        while start.elapsed() < TIME {
            client.execute(&insert, &[&head, &sound]).await.unwrap();
            count += 1;
        }
        f64::from(count) / start.elapsed().as_secs_f64()
    });
    join_all(workers).await.iter().sum()
}

/// Deposits a second, spread over the mailboxes.
async fn deposits(address: &str, mailboxes: &[MailboxId], size: usize, connections: usize) -> f64 {
    let database = Database::builder(address).connections(connections).connect().await.unwrap();
    let store = PostgresStore::builder(&database).build();
    let workers = (0..connections).map(|worker| {
        let store = &store;
        async move {
            let audio = Audio::new(AudioType::Basic, vec![2; size]);
            let quality = ClockQuality::unknown(ClockSource::System);
            let (start, mut count) = (Instant::now(), 0_u32);
            for mailbox in mailboxes.iter().cycle().skip(worker * mailboxes.len() / connections) {
                let recorded_at = RecordedAt::new(chrono::Utc::now(), chrono_tz::UTC, quality);
                let message = Message::builder(audio.clone(), recorded_at).build();
                store.deposit(mailbox, &Origin::Here, &message).await.unwrap();
                count += 1;
                if start.elapsed() >= TIME {
                    break;
                }
            }
            f64::from(count) / start.elapsed().as_secs_f64()
        }
    });
    join_all(workers).await.iter().sum()
}
