//! Copies one message to 1000 mailboxes, where all copies have one sound, and deposits 1000 messages beside that: how many a second, and how many bytes?
//!
//! The server is started by the bench in the folder for temporary files, with `fsync` and `synchronous_commit` on, on the same machine. Not in the number: the
//! deposit of the message that is copied, which is one of 1000. The bytes are those that the database has grown by. Each round has mailboxes and messages of
//! its own.
//!
//! Run: `TMPDIR=/a/folder/on/the/disk cargo bench -p voicemail-postgres --bench broadcast`, with 2 GB free. You will see a line for each size of sound and
//! each number of callers.

#![allow(clippy::unwrap_used, reason = "a bench stops at the first fault")]

mod support;

use std::time::Instant;

use futures::future::join_all;
use voicemail::message::{Audio, AudioType, Origin};
use voicemail::store::MessageStore as _;
use voicemail_postgres::{Database, PostgresStore};

use self::support::server::execute;
use self::support::{durable_server, mailboxes, message};

#[tokio::main]
async fn main() {
    let Some(server) = durable_server(&[]) else { return };
    println!("{:>8} {:>8} {:>22} {:>22}", "bytes", "callers", "deposits a s (MB)", "copies a s (MB)");
    for size in [40_000, 240_000] {
        for callers in [1, 16] {
            let mut shown = Vec::new();
            for copies in [false, true] {
                let address = server.create_database().await;
                let store = PostgresStore::builder(&Database::connect(&address).await.unwrap()).build();
                let mailboxes = mailboxes(&address, RECEIVERS + 1).await;
                let audio = Audio::new(AudioType::Basic, vec![2; size]);
                let sent = message(audio.clone());
                let (first, receivers) = mailboxes.split_first().unwrap();
                let (store, audio, sent) = (&store, &audio, &sent);
                let before = bytes(&address).await;
                store.deposit(first, &Origin::Here, sent).await.unwrap();
                let start = Instant::now();
                join_all(receivers.chunks(receivers.len() / callers).map(|receivers| async move {
                    for receiver in receivers {
                        if copies {
                            store.copy(first, sent.id(), receiver).await.unwrap();
                        } else {
                            store.deposit(receiver, &Origin::Here, &message(audio.clone())).await.unwrap();
                        }
                    }
                }))
                .await;
                let rate = f64::from(RECEIVERS) / start.elapsed().as_secs_f64();
                shown.push(format!("{rate:.0} ({:.1})", (bytes(&address).await - before) / 1e6));
                if copies {
                    assert_eq!(execute(&address, SOUNDS).await, ["1"], "copies have more than one sound");
                }
            }
            println!("{size:>8} {callers:>8} {:>22} {:>22}", shown[0], shown[1]);
        }
    }
}

/// The bytes of the tables, with their indexes.
async fn bytes(address: &str) -> f64 {
    execute(address, "SELECT pg_database_size(current_database())").await[0].parse().unwrap()
}

const RECEIVERS: u32 = 1000;
const SOUNDS: &str = "SELECT (SELECT count(*) FROM voicemail.sound) + (SELECT count(sound) FROM voicemail.message)";
