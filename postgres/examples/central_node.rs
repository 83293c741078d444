//! A central node whose mailboxes, greetings, jobs and leases are in PostgreSQL. Start it several times, with another spool each time: all of them serve
//! the same mailboxes, one of them updates the lamps, and another one takes over when that ends.
//!
//! Run: `cargo run -p voicemail-postgres --example central_node -- postgres://voicemail@localhost/voicemail /tmp/spool-1 127.0.0.1:2525`. You will see:
//! `listening smtp 127.0.0.1:2525`, and a line for each lamp that this node updates. It takes a message for 2041 at its start. Ctrl-C ends it.

use std::error::Error;

use tokio::net::TcpListener;
use voicemail::audio::{Format, Wav};
use voicemail::event::Event;
use voicemail::intake::ListenMode;
use voicemail::mwi::LogSink;
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail_postgres::{Database, PostgresGreetings, PostgresJobs, PostgresLease, PostgresStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, spool, listen] = &arguments[..] else { return Err(USAGE.into()) };
    let network = network()?;
    let directory = network.directory();
    let database = Database::builder(address).engine("company-mail").connect().await?;
    let store = PostgresStore::builder(&database).directory(directory.clone()).build();
    let listener = TcpListener::bind(listen).await?;
    println!("listening smtp {}", listener.local_addr()?);

    let node = Node::builder(network.central_node().clone(), network, directory, spool)
        .store(store)
        .greetings(PostgresGreetings::new(&database))
        .jobs(PostgresJobs::new(&database))
        .lamp_lease(PostgresLease::new(&database, listen))
        .sink(LogSink) // a SipSink for each PBX, behind a router
        .listen(listener, ListenMode::StartTls)
        .open()
        .await?;
    let mut events = node.events();
    node.deposit_wav(&"london".parse()?, CallFacts::to("2041".parse()?), a_second().into()).await?;
    let lamps = async {
        while let Ok(occurrence) = events.recv().await {
            if let Event::LampShown { mailbox, summary, .. } = occurrence.event {
                println!("lamp {mailbox} {summary}");
            }
        }
    };
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    tokio::select! {
        ran = node.run(stop) => ran?,
        () = lamps => {}
    }
    Ok(())
}

/// One PBX with one mailbox. Each node has the same description.
fn network() -> Result<Network, Box<dyn Error>> {
    let london = Site::builder("london".parse()?, VoicemailType::Central, chrono_tz::Europe::London)
        .node("central.voicemail.example".parse()?)
        .engine("company-mail".parse()?)
        .time(TimeSource::Sntp(vec!["ntp.example".parse()?]))
        .licence(LicenceClass::Voicemail)
        .ports(8)
        .mailbox(Mailbox::new("2041".parse()?));
    Ok(Network::builder("voicemail.example").site(london).build()?)
}

fn a_second() -> Vec<u8> {
    let silence = [0_u8; 16_000];
    let mut wav = Wav::header(Format::TELEPHONE_L16, 16_000);
    wav.extend(silence);
    wav
}

const USAGE: &str = "usage: central_node POSTGRES-URL SPOOL LISTEN-ADDRESS";
