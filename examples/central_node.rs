//! A central voicemail node: receives messages by SMTP, stores them in Maildirs, updates lamps.
//!
//! Run: `cargo run --example central_node -- --config examples/central.toml`. You will see: `listening smtp 127.0.0.1:2525`, then a
//! line for each message stored and each lamp changed. Ctrl-C or SIGTERM ends it cleanly. With `--greet FILE.wav --to 2010` it stores a
//! greeting first, and sends it to the distributed node that answers calls for that mailbox. `--custody-key NODE` prints the key of a distributed
//! node behind a mail server, and ends.

mod support;

use std::process::ExitCode;

use support::config::StoreConfig;
use voicemail::store::MaildirStore;

fn main() -> ExitCode {
    let central = support::central::run(USAGE, async |node, store, network, _| match store {
        StoreConfig::Folder(folder) => Ok(node.store(MaildirStore::builder(folder).directory(network.directory()).open().await?)),
        StoreConfig::Database(_) => Err(DATABASE.into()),
    });
    support::program::main(central)
}

const USAGE: &str = "usage: central_node --config FILE [--greet FILE.wav --to MAILBOX [--kind normal|busy|temporary|name]] \
    [--custody-key NODE]";
const DATABASE: &str = "this central node keeps its mailboxes in a folder; for store = \"postgres://..\", run the one of the package \
    voicemail-postgres: cargo run -p voicemail-postgres --example postgres_node -- --config FILE";
