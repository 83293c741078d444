//! A central voicemail node whose mailboxes are in PostgreSQL. Any number of them may use one database at the same time.
//!
//! Run: `cargo run -p voicemail-postgres --example postgres_node -- --config postgres/examples/central.toml`, with a database at the address that
//! the file names. You will see: `listening smtp 127.0.0.1:2525`, then a line for each message stored, each mail sent to an owner, each transcript and each
//! lamp changed. Ctrl-C or SIGTERM ends it cleanly. With `--greet FILE.wav --to 2010` it stores a greeting first, which all central nodes play then.
//! With `--rules FILE --to 2010` it only replaces the rules of that mailbox by those of the file, in the form of `voicemail::rules`, and prints their
//! version; every node follows them from the next message on.
//!
//! Messages, greetings, rules, private lists, sent messages, leases of lamps and mails that wait are in the database. Only the spool is on the node's own
//! disk. Owners get mails by the mail server of the table `postmaster`.

#[path = "support/database.rs"]
mod database;
#[path = "../../examples/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use support::Failure;
use support::config::{CentralConfig, DatabaseConfig, StoreConfig};
use voicemail::arrival::mail::OwnerRules;
use voicemail::arrival::transcript::{ProgramTranscriber, TranscriptStep};
use voicemail::forward::SmtpForwarder;
use voicemail::message::MailboxId;
use voicemail::network::Network;
use voicemail::node::NodeBuilder;
use voicemail::rules::{ArrivalRules, RuleStore as _};
use voicemail_postgres::sounds::SoundStore;
use voicemail_postgres::{
    Database, PostgresGreetings, PostgresJobs, PostgresLease, PostgresLists, PostgresRules, PostgresSent, PostgresStore,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--config", config, "--rules", rules, "--to", mailbox] => support::program::main(set_rules(config, rules, mailbox)),
        _ => support::program::main(support::central::run(USAGE, equip)),
    }
}

async fn equip(
    node: NodeBuilder,
    config: &StoreConfig,
    network: &Network,
    mail_server: Option<Arc<SmtpForwarder>>,
) -> Result<NodeBuilder, Failure> {
    let StoreConfig::Database(config) = config else { return Err(FOLDER.into()) };
    let database = open(config, network).await?;
    let mut store = PostgresStore::builder(&database).directory(network.directory());
    if let Some(url) = &config.sounds {
        store = store.sounds(SoundStore::builder(url).build()?);
    }
    // The name is for an operator who reads the table of leases; several nodes may have the same one.
    let lease = PostgresLease::new(&database, "central");
    let mut node = node
        .store(store.build())
        .greetings(PostgresGreetings::new(&database))
        .private_lists(PostgresLists::new(&database))
        .sent_messages(PostgresSent::new(&database))
        .jobs(PostgresJobs::new(&database))
        .lamp_lease(lease);
    // The transcript comes first: then it is in the mails.
    if let [program, args @ ..] = &config.transcriber[..] {
        let transcriber = ProgramTranscriber::builder(program).args(args).build();
        node = node.on_arrival(TranscriptStep::new(transcriber).directory(network.directory()));
    }
    if let Some(out) = mail_server {
        let rules = OwnerRules::new(network.directory()).with_store(PostgresRules::new(&database));
        node = node.mail_owners(rules.clone(), out).warn_owners(rules);
    }
    Ok(node)
}

/// Opens the database. The node starts also while it is away, and answers 451 until it is back.
async fn open(config: &DatabaseConfig, network: &Network) -> Result<Database, Failure> {
    let database = database::builder(&config.address, config.ca.as_deref())?;
    let database = network.engine().into_iter().fold(database, |database, engine| database.engine(engine.as_str()));
    Ok(database.open().await?)
}

/// Replaces the rules of a mailbox by those of a file.
async fn set_rules(config: &str, file: &str, mailbox: &str) -> Result<ExitCode, Failure> {
    let config = CentralConfig::load(Path::new(config))?;
    let StoreConfig::Database(database) = &config.store else { return Err(FOLDER.into()) };
    let mailbox: MailboxId = mailbox.parse().map_err(|error| format!("--to {mailbox}: {error}"))?;
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let rules = ArrivalRules::from_text(&text).map_err(|error| format!("{file}: {error}"))?;
    let store = PostgresRules::new(&open(database, &config.network).await?);
    let before = store.load(&mailbox).await?.map(|stored| stored.version);
    store.replace(&mailbox, Some(&rules), before).await?;
    println!("rules of {mailbox}: {} of them, version {}", rules.len(), rules.version());
    Ok(ExitCode::SUCCESS)
}

const USAGE: &str = "usage: postgres_node --config FILE [--greet FILE.wav --to MAILBOX [--kind normal|busy|temporary|name]]\n   \
    or: postgres_node --config FILE --rules FILE --to MAILBOX";
const FOLDER: &str = "this central node keeps its mailboxes in a database: set store = \"postgres://ROLE@HOST/DATABASE\", or run \
    cargo run --example central_node for mailboxes in a folder";
