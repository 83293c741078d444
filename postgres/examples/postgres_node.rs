//! A central voicemail node whose mailboxes are in PostgreSQL. Any number of them may use one database at the same time.
//!
//! Run: `cargo run -p voicemail-postgres --example postgres_node -- --config postgres/examples/central.toml`, with a database at the address that
//! the file names. You will see: `listening smtp 127.0.0.1:2525`, then a line for each message stored and each lamp changed. Ctrl-C or SIGTERM
//! ends it cleanly. With `--greet FILE.wav --to 2010` it stores a greeting first, which all central nodes play then.
//!
//! Messages, greetings, leases of lamps and mails that wait are in the database. Only the spool is on the node's own disk.

#[path = "../../examples/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use support::Failure;
use support::config::StoreConfig;
use voicemail::network::Network;
use voicemail::node::NodeBuilder;
use voicemail::rustls::pki_types::CertificateDer;
use voicemail::rustls::pki_types::pem::PemObject as _;
use voicemail::rustls::{ClientConfig, RootCertStore, crypto};
use voicemail_postgres::sounds::SoundStore;
use voicemail_postgres::{Database, Encryption, PostgresGreetings, PostgresJobs, PostgresLease, PostgresStore};

fn main() -> ExitCode {
    support::program::main(support::central::run(USAGE, equip))
}

async fn equip(node: NodeBuilder, config: &StoreConfig, network: &Network) -> Result<NodeBuilder, Failure> {
    let StoreConfig::Database { address, ca, sounds } = config else { return Err(FOLDER.into()) };
    let mut database = Database::builder(address);
    if let Some(ca) = ca {
        database = database.encryption(Encryption::Tls(trusting(ca)?));
    }
    if let Some(engine) = network.engine() {
        database = database.engine(engine.as_str());
    }
    // The node starts also while the database is away, and answers 451 until it is back.
    let database = database.open().await?;
    let mut store = PostgresStore::builder(&database).directory(network.directory());
    if let Some(url) = sounds {
        store = store.sounds(SoundStore::builder(url).build()?);
    }
    // The name is for an operator who reads the table of leases; several nodes may have the same one.
    let lease = PostgresLease::new(&database, "central");
    Ok(node
        .store(store.build())
        .greetings(PostgresGreetings::new(&database))
        .jobs(PostgresJobs::new(&database))
        .lamp_lease(lease))
}

/// A TLS configuration that trusts the certificates in the PEM file `ca`.
fn trusting(ca: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&support::tls::read(ca)?) {
        roots.add(certificate.map_err(|error| format!("{}: {error}", ca.display()))?)?;
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

const USAGE: &str = "usage: postgres_node --config FILE [--greet FILE.wav --to MAILBOX [--kind normal|busy|temporary|name]]";
const FOLDER: &str = "this central node keeps its mailboxes in a database: set store = \"postgres://ROLE@HOST/DATABASE\", or run \
    cargo run --example central_node for mailboxes in a folder";
