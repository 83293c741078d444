//! How many deposits a second does a store take, beside the same bytes by a bare `INSERT` and commit in the same run?
//!
//! The server is started by the bench in the folder for temporary files, with `fsync` and `synchronous_commit` on, on the same machine. Not in the
//! number: the digest of the sound, which the receiver of the message has computed, and the network. The bare table has the same columns of
//! bytes, a primary key and nothing else.
//!
//! Between the two are the parts of a deposit, each with those before it: `row` is the whole row of a message with all its indexes, by a plain
//! `INSERT`; `function` the same inside a function; `lock` also locks the row of the mailbox; `look-ups` also looks for the key and the id; the
//! deposit also counts (by the statement that locks; it needs no look for the id), and goes through the pool of the store, which
//! notifies the other nodes. All take turns of half a second, so that another program slows down all of them.
//!
//! Run: `TMPDIR=/a/folder/on/the/disk cargo bench -p voicemail-postgres --bench deposit_throughput`, with 15 GB free. You will see a line for each size
//! and each number of connections. `TMPDIR=/dev/shm` shows the processor's share.

#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

mod support;

use std::time::Duration;

use futures::future::join_all;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;
use voicemail::message::MailboxId;
use voicemail_postgres::{Database, PostgresStore};

use self::support::server::execute;
use self::support::{HEAD, bare_rows, connect, create_bare_table, deposits, durable_server, mailboxes, rate};

#[tokio::main]
async fn main() {
    let Some(server) = durable_server(&[]) else { return };
    let address = server.create_database().await;
    let database = Database::connect(&address).await.unwrap();
    let mailboxes = mailboxes(&address, MAILBOXES).await;
    create_bare_table(&address).await;
    execute(&address, PARTS).await;
    drop(database);
    println!(
        "{:>8} {:>12} {:>10} {:>24} {:>24} {:>24} {:>24} {:>24}",
        "bytes", "connections", "bare a s", "row", "function", "lock", "look-ups", "deposits"
    );
    for size in [0, 40_000, 240_000] {
        for connections in [1, 4, 16] {
            let rates = take_turns(&address, &mailboxes, size, connections).await;
            let bare = rates[0];
            let shares = rates[1..].iter().map(|rate| format!(" {:>17.0} ({:>3.0}%)", rate, 100.0 * rate / bare));
            println!("{size:>8} {connections:>12} {bare:>10.0}{}", shares.collect::<String>());
        }
    }
}

/// How many a second of bare rows, of each part of a deposit, and of deposits.
async fn take_turns(address: &str, mailboxes: &[MailboxId], size: usize, connections: usize) -> [f64; PART_COUNT + 2] {
    let clients = join_all((0..connections).map(|_| connect(address))).await;
    let database = Database::builder(address).connections(connections).connect().await.unwrap();
    let store = PostgresStore::builder(&database).build();
    let mut rates = [0.0; PART_COUNT + 2];
    for turn in 0..=TURNS {
        let mut measured = [0.0; PART_COUNT + 2];
        measured[0] = bare_rows(&clients, size, TIME).await;
        for part in 0..PART_COUNT {
            measured[part + 1] = part_of_deposit(&clients, mailboxes, part, size).await;
        }
        measured[PART_COUNT + 1] = deposits(|_| &store, mailboxes, size, connections, TIME).await;
        // The first turn plans the statements.
        for (rate, measured) in rates.iter_mut().zip(measured).filter(|_| turn > 0) {
            *rate += measured / f64::from(TURNS);
        }
    }
    rates
}

/// How many a second of a part of a deposit, with those before it.
async fn part_of_deposit(clients: &[Client], mailboxes: &[MailboxId], part: usize, size: usize) -> f64 {
    let (head, sound, digest) = (vec![1_u8; HEAD], vec![2_u8; size], vec![3_u8; 32]);
    let bytes = i64::try_from(size).unwrap();
    let workers = clients.iter().enumerate().map(|(at, client)| {
        let (head, sound, digest) = (&head, &sound, &digest);
        let first = at * mailboxes.len() / clients.len();
        async move {
            let statement = client.prepare(STATEMENTS[part]).await.unwrap();
            rate(TIME, async |turn| {
                let mailbox = mailboxes[(first + turn) % mailboxes.len()].as_str();
                let recorded_ns = chrono::Utc::now().timestamp_nanos_opt().unwrap();
                let params: [&(dyn ToSql + Sync); 6] = [&mailbox, &recorded_ns, digest, &bytes, head, sound];
                client.query(&statement, &params).await.unwrap();
            })
            .await
        }
    });
    join_all(workers).await.iter().sum()
}

const MAILBOXES: u32 = 1000;
const TURNS: u32 = 5;
const TIME: Duration = Duration::from_millis(500);

const PART_COUNT: usize = 4;
const STATEMENTS: [&str; PART_COUNT] = [
    "INSERT INTO parts SELECT $1, gen_random_uuid(), gen_random_uuid(), 0, false, $2, now(), 5000, $4, 'audio/basic', $3, $4, $5, $6, NULL",
    "SELECT part_of_deposit(1, $1, $2, $3, $4, $5, $6)",
    "SELECT part_of_deposit(2, $1, $2, $3, $4, $5, $6)",
    "SELECT part_of_deposit(3, $1, $2, $3, $4, $5, $6)",
];
const PARTS: &str = "CREATE TABLE parts (LIKE voicemail.message INCLUDING ALL); \
CREATE FUNCTION part_of_deposit(p_part integer, p_mailbox text, p_recorded_ns bigint, p_digest bytea, p_size bigint, p_head bytea, p_sound bytea) \
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b voicemail.mailbox;
    p_key uuid := gen_random_uuid();
    p_id uuid := gen_random_uuid();
BEGIN
    IF p_part > 1 THEN
        SELECT * INTO b FROM voicemail.mailbox WHERE number = p_mailbox FOR NO KEY UPDATE;
    END IF;
    IF p_part > 2 THEN
        IF EXISTS (SELECT FROM parts m WHERE m.mailbox = p_mailbox AND m.key = p_key)
            OR EXISTS (SELECT FROM voicemail.gone g WHERE g.mailbox = p_mailbox AND g.key = p_key)
            OR EXISTS (SELECT FROM parts m WHERE m.mailbox = p_mailbox AND m.id = p_id) THEN
            RETURN;
        END IF;
    END IF;
    INSERT INTO parts VALUES (p_mailbox, p_id, p_key, 0, false, p_recorded_ns, now(), 5000, p_size, 'audio/basic', p_digest, p_size, p_head, p_sound, NULL);
END $$";
