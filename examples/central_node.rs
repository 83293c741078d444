//! A central voicemail node: receives messages by SMTP, stores them in Maildirs, updates lamps.
//!
//! Run: `cargo run --example central_node -- --config examples/central.toml`. You will see: `listening smtp 127.0.0.1:2525`, then a
//! line for each message stored and each lamp changed. Ctrl-C or SIGTERM ends it cleanly. With `--greet FILE.wav --to 2010` it stores a
//! greeting first, and sends it to the distributed node that answers calls for that mailbox.

mod support;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use support::Failure;
use support::config::{CentralConfig, PostmasterConfig};
use support::greet::Greet;
use support::lines::{Line, Out, print_line};
use support::local_node::LocalNode;
use tokio::net::TcpListener;
use voicemail::disk::OsDisk;
use voicemail::event::{Event, Events};
use voicemail::forward::smtp::TlsMemory;
use voicemail::intake::{ListenMode, ListenerPolicy};
use voicemail::mwi::LogSink;
use voicemail::network::{Network, NodeAddress};
use voicemail::node::Node;
use voicemail::store::MaildirStore;

fn main() -> ExitCode {
    support::program::main(run())
}

async fn run() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["--config", path, ref rest @ ..] = words[..] else { return Err(USAGE.into()) };
    let greet = match rest {
        [] => None,
        words => Some(Greet::from_words(words, "--greet", "--to").map_err(|error| format!("{error}\n{USAGE}"))?),
    };
    let path = Path::new(path);
    let config = CentralConfig::load(path)?;
    let stop = support::program::asked_to_stop()?;
    let events = Events::new();
    let subscription = events.subscribe();

    let listener = support::program::listen(path, &config.listen).await?;
    let address = listener.local_addr()?;
    let node = open(path, config, listener, events).await?;
    if let Some(greet) = greet {
        greet.keep(&node).await?;
    }
    let out = Out::new(tokio::io::stdout());
    print_line(&out, format!("listening smtp {address}")).await;
    support::program::run(&node, stop, subscription, &out, line_of).await?;
    Ok(ExitCode::SUCCESS)
}

async fn open(path: &Path, config: CentralConfig, listener: TcpListener, events: Events) -> Result<Node, Failure> {
    let directory = config.network.directory();
    let store = MaildirStore::builder(config.store).directory(directory.clone()).open().await?;
    let tls = config.tls.map(|tls| tls.identity(&config.node)).transpose()?;
    let (file, nodes) = (path.to_owned(), config.nodes);
    let memory = TlsMemory::in_folder(Arc::new(OsDisk), &config.spool);
    let domain = config.network.domain().to_owned();
    let local = LocalNode { node: config.node.clone(), domain, memory, events: events.clone() };
    let mail_server = |config: &PostmasterConfig| local.forwarder_to_mail_server(&config.server, path, "postmaster");
    let mail_server = config.postmaster.as_ref().map(mail_server).transpose()?;
    let greeting_forwarder = move |_: &Network, there: &NodeAddress| {
        let section = format!("nodes.\"{there}\"");
        let peer = nodes.get(there).ok_or_else(|| format!("{} has no [{section}]: how to reach it", file.display()))?;
        local.forwarder_to(there, peer, &file, &section)
    };
    let node = Node::builder(config.node, config.network, directory, config.spool)
        .store(store)
        .sink(LogSink)
        .greeting_forwarder(greeting_forwarder)
        .clock(config.time.clock().await)
        .events(events)
        .listen(listener, ListenerPolicy::new(ListenMode::StartTls, config.access));
    let node = match (mail_server, config.postmaster) {
        (Some(server), Some(postmaster)) => node.mail_out(server).postmaster(postmaster.to),
        (_, _) => node,
    };
    let node = match tls {
        Some(tls) => tls.offer(node)?,
        None => node,
    };
    Ok(node.open().await?)
}

fn line_of(event: Event) -> Option<Line> {
    match event {
        Event::Stored { id, mailbox, .. } => Some(Line::Output(format!("stored {id} {mailbox}"))),
        Event::Duplicate { id, mailbox, .. } => Some(Line::Output(format!("duplicate {id} {mailbox}"))),
        Event::LampShown { mailbox, summary, .. } => Some(Line::Output(format!("lamp {mailbox} {summary}"))),
        Event::LoginRefused { address, .. } => {
            let from = address.map_or_else(|| "this machine".to_owned(), |address| address.to_string());
            Some(Line::Notice(format!("a login from {from} was refused: name or password is wrong")))
        }
        Event::BadEntry { path, reason, .. } => Some(Line::Notice(format!("{} is skipped: {reason}", path.display()))),
        Event::SiteRefused { id, origin, site, .. } => {
            Some(Line::Notice(format!("refused {id}: {origin} may not send messages of the PBX {site}")))
        }
        Event::PostmasterMail { kept_as, .. } => Some(Line::Output(format!("postmaster {kept_as}"))),
        Event::ReportRefused { .. } => {
            Some(Line::Notice("a delivery report was refused: this node does not process them".to_owned()))
        }
        Event::Greeting(event) => support::greet::line_of(event),
        _ => None,
    }
}

const USAGE: &str = "usage: central_node --config FILE [--greet FILE.wav --to MAILBOX [--kind normal|busy|temporary|name]]";
