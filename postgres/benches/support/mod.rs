//! The parts that the benches share: a server on a disk, mailboxes, messages, and bare rows to compare with.

#![allow(dead_code, reason = "each bench uses a part of it")]

#[path = "../../tests/postgres/support/server.rs"]
pub(crate) mod server;

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, Origin, RecordedAt};
use voicemail::store::MessageStore as _;
use voicemail_postgres::PostgresStore;

use self::server::{Server, execute};

/// A server that flushes each commit, in the folder for temporary files; `None` if PostgreSQL is not installed.
pub(crate) fn durable_server(settings: &[&str]) -> Option<Server> {
    Server::start(&[&["fsync = on", "synchronous_commit = on", "max_wal_size = '4GB'"], settings].concat())
}

/// A connection without the pool and the store.
pub(crate) async fn connect(address: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Creates so many mailboxes.
pub(crate) async fn mailboxes(address: &str, count: u32) -> Vec<MailboxId> {
    execute(address, &format!("SELECT voicemail.create_mailbox(n::text) FROM generate_series(10000, {}) n", 9999 + count)).await;
    (0..count).map(|n| (10_000 + n).to_string().parse().unwrap()).collect()
}

/// The table for bare rows.
pub(crate) async fn create_bare_table(address: &str) {
    let table = "CREATE TABLE bare (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), head bytea, sound bytea); \
                 ALTER TABLE bare ALTER COLUMN sound SET STORAGE EXTERNAL";
    execute(address, table).await;
}

/// Puts bare rows with a sound of `size` bytes into their table over each connection until `time` is over; answers how many a second.
pub(crate) async fn bare_rows(clients: &[Client], size: usize, time: Duration) -> f64 {
    let (head, sound) = (vec![1_u8; HEAD], vec![2_u8; size]);
    let workers = clients.iter().map(|client| async {
        let insert = client.prepare("INSERT INTO bare (head, sound) VALUES ($1, $2)").await.unwrap();
        let params: [&(dyn ToSql + Sync); 2] = [&head, &sound];
        rate(time, async |_| {
            client.execute(&insert, &params).await.unwrap();
        })
        .await
    });
    join_all(workers).await.iter().sum()
}

/// Deposits messages with a sound of `size` bytes by so many callers until `time` is over, each caller into mailboxes that no other one uses at that
/// moment; answers how many a second. Caller `n` uses the store that `store` answers for it.
pub(crate) async fn deposits<'a>(
    store: impl Fn(usize) -> &'a PostgresStore,
    mailboxes: &[MailboxId],
    size: usize,
    callers: usize,
    time: Duration,
) -> f64 {
    let audio = Audio::new(AudioType::Basic, vec![2; size]);
    let workers = (0..callers).map(|caller| {
        let (store, audio) = (store(caller), audio.clone());
        let first = caller * mailboxes.len() / callers;
        async move {
            rate(time, async |turn| {
                let mailbox = &mailboxes[(first + turn) % mailboxes.len()];
                store.deposit(mailbox, &Origin::Here, &message(audio.clone())).await.unwrap();
            })
            .await
        }
    });
    join_all(workers).await.iter().sum()
}

/// A message with this sound, recorded now.
pub(crate) fn message(audio: Audio) -> Message {
    let quality = ClockQuality::unknown(ClockSource::System);
    Message::builder(audio, RecordedAt::new(chrono::Utc::now(), chrono_tz::UTC, quality)).build()
}

/// Does `work` again and again until `time` is over; answers how often a second. The work is given the number of its turn.
pub(crate) async fn rate(time: Duration, work: impl AsyncFn(usize)) -> f64 {
    let start = Instant::now();
    let mut turns = 0_u32;
    while start.elapsed() < time {
        work(turns as usize).await;
        turns += 1;
    }
    f64::from(turns) / start.elapsed().as_secs_f64()
}

/// As many bytes as the head of a message has, about.
pub(crate) const HEAD: usize = 300;
