//! A central voicemail node: takes messages in by SMTP, keeps them in Maildirs, tells lamps.
//!
//! Run: `cargo run --example central_node -- --config examples/central.toml`. You will see: `listening smtp 127.0.0.1:2525`, then a
//! line for each message stored and each lamp changed. Ctrl-C or SIGTERM ends it cleanly.

mod support;

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use support::Failure;
use support::config::{CentralConfig, Tls};
use support::lines::{Line, Out, tell};
use tokio::net::TcpListener;
use voicemail::event::{Event, Events};
use voicemail::intake::{Door, ListenMode};
use voicemail::mwi::LogSink;
use voicemail::node::Node;
use voicemail::store::MaildirStore;

#[tokio::main]
async fn main() -> ExitCode {
    support::program::ended(run().await).await
}

async fn run() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["--config", path] = words[..] else { return Err(USAGE.into()) };
    let config = CentralConfig::load(Path::new(path))?;
    let stop = support::program::asked_to_stop()?;
    let events = Events::new();
    let happening = events.subscribe();

    let listener = listen(path, &config.listen).await?;
    let address = listener.local_addr()?;
    let node = open(config, listener, events).await?;
    let out = Out::new(tokio::io::stdout());
    tell(&out, format!("listening smtp {address}")).await;
    support::program::run(&node, stop, happening, &out, line_of).await?;
    Ok(ExitCode::SUCCESS)
}

async fn listen(path: &str, address: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => "stop the program that uses it, or choose another port",
            _ => "choose an address of this machine, such as 127.0.0.1:2525",
        };
        format!("{path}: cannot listen on {address}: {error}; {advice}")
    })
}

async fn open(config: CentralConfig, listener: TcpListener, events: Events) -> Result<Node, Failure> {
    let directory = config.network.directory();
    let store = MaildirStore::builder(config.store).directory(Arc::new(directory.clone())).open().await?;
    let tls = match config.tls {
        Some(Tls::Files { certificate, key }) => Some(support::tls::from_files(&certificate, &key)?),
        Some(Tls::SelfSigned { certificate }) => Some(support::tls::self_signed_in(&certificate, config.node.as_str())?),
        None => None,
    };
    let mut node = Node::builder(config.node, config.network, directory, config.spool)
        .store(store)
        .sink(LogSink)
        .clock(config.time.clock().await)
        .events(events)
        .listen(listener, Door::new(ListenMode::StartTls, config.access));
    if let Some(tls) = tls {
        node = node.tls(tls);
    }
    Ok(node.open().await?)
}

fn line_of(event: Event) -> Option<Line> {
    match event {
        Event::Stored { id, mailbox, .. } => Some(Line::Told(format!("stored {id} {mailbox}"))),
        Event::Duplicate { id, mailbox } => Some(Line::Told(format!("duplicate {id} {mailbox}"))),
        Event::LampShown { mailbox, summary, .. } => Some(Line::Told(format!("lamp {mailbox} {summary}"))),
        Event::LoginRefused { address } => {
            let from = address.map_or_else(|| "this machine".to_owned(), |address| address.to_string());
            Some(Line::Remarked(format!("a login from {from} was refused: name or password is wrong")))
        }
        Event::SiteRefused { id, origin, site } => {
            Some(Line::Remarked(format!("refused {id}: {origin} does not speak for the PBX {site}")))
        }
        _ => None,
    }
}

const USAGE: &str = "usage: central_node --config FILE";
