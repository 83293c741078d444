//! Runs a central node, whatever its mailboxes are in.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use voicemail::disk::OsDisk;
use voicemail::event::{Event, Events};
use voicemail::forward::SmtpForwarder;
use voicemail::forward::smtp::TlsMemory;
use voicemail::intake::{ListenMode, ListenerPolicy, SocketFile};
use voicemail::mwi::LogSink;
use voicemail::network::{Network, NodeAddress};
use voicemail::node::{Node, NodeBuilder};
use voicemail::smtp::CustodySecret;

use super::Failure;
use super::config::{CentralConfig, PostmasterConfig, StoreConfig};
use super::custody::to_hex;
use super::greet::Greet;
use super::lines::{Line, Out, print_line};
use super::local_node::LocalNode;

/// Runs the central node of the words on the command line, `--config FILE` and perhaps a greeting; `equip` gives it its store. It gets the mail server of
/// the file, too, if that names one.
pub async fn run(
    usage: &str,
    equip: impl AsyncFnOnce(NodeBuilder, &StoreConfig, &Network, Option<Arc<SmtpForwarder>>) -> Result<NodeBuilder, Failure>,
) -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["--config", path, ref rest @ ..] = words[..] else { return Err(usage.into()) };
    let greet = match rest {
        [] => None,
        ["--custody-key", node] => {
            println!("{}", custody_key(Path::new(path), node)?);
            return Ok(ExitCode::SUCCESS);
        }
        words => Some(Greet::from_words(words, "--greet", "--to").map_err(|error| format!("{error}\n{usage}"))?),
    };
    let path = Path::new(path);
    let config = CentralConfig::load(path)?;
    let stop = super::program::asked_to_stop()?;
    let events = Events::new();
    let subscription = events.subscribe();

    let listener = super::program::listen(path, &config.listen).await?;
    let address = listener.local_addr()?;
    let (store, network) = (config.store.clone(), config.network.clone());
    let (node, mail_server) = build(path, config, listener, events).await?;
    let node = equip(node, &store, &network, mail_server).await?.open().await?;
    if let Some(greet) = greet {
        greet.keep(&node).await?;
    }
    let out = Out::new(tokio::io::stdout());
    print_line(&out, format!("listening smtp {address}")).await;
    super::program::run(&node, stop, subscription, &out, line_of).await?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the key of a distributed node behind a mail server, as text.
fn custody_key(path: &Path, node: &str) -> Result<String, Failure> {
    let config = CentralConfig::load(path)?;
    let node: NodeAddress = node.parse()?;
    if config.network.sites_of(&node).next().is_none() {
        return Err(format!("--custody-key {node}: the network has no such node").into());
    }
    let secret = config.custody_secret.ok_or_else(|| format!("{} has no [custody]: the secret", path.display()))?.load()?;
    Ok(to_hex(&CustodySecret::new(&secret).key_bytes(node.as_str())))
}

/// Returns the node without its store, and the mail server of the file.
async fn build(
    path: &Path,
    config: CentralConfig,
    listener: TcpListener,
    events: Events,
) -> Result<(NodeBuilder, Option<Arc<SmtpForwarder>>), Failure> {
    let directory = config.network.directory();
    let tls = config.tls.map(|tls| tls.identity(&config.node)).transpose()?;
    let (file, nodes) = (path.to_owned(), config.nodes);
    let memory = TlsMemory::in_folder(Arc::new(OsDisk), &config.spool);
    let domain = config.network.domain().to_owned();
    let local = LocalNode { node: config.node.clone(), domain, memory, events: events.clone() };
    let mail_server = match (&config.postmaster, &config.mail_out) {
        (Some(PostmasterConfig { server, .. }), _) => Some(local.forwarder_to_mail_server(server, path, "postmaster")?),
        (None, Some(server)) => Some(local.forwarder_to_mail_server(server, path, "mail_out")?),
        (None, None) => None,
    };
    let mail_server = mail_server.map(Arc::new);
    let custody_secret = config.custody_secret.map(|source| source.load()).transpose()?;
    let greeting_forwarder = move |_: &Network, there: &NodeAddress| {
        let section = format!("nodes.\"{there}\"");
        let peer = nodes.get(there).ok_or_else(|| format!("{} has no [{section}]: how to reach it", file.display()))?;
        local.forwarder_to(there, peer, &file, &section)
    };
    let node = Node::builder(config.node, config.network, directory, config.spool)
        .sink(LogSink)
        .greeting_forwarder(greeting_forwarder)
        .clock(config.time.clock().await)
        .events(events)
        .listen(listener, ListenerPolicy::new(ListenMode::StartTls, config.access));
    let node = match config.lmtp {
        Some(path) => node.listen(SocketFile::bind(path, 0o660).await?, ListenerPolicy::from(ListenMode::StartTls).lmtp()),
        None => node,
    };
    let node = mail_server.iter().map(Arc::clone).fold(node, NodeBuilder::mail_out);
    let node = config.postmaster.into_iter().fold(node, |node, postmaster| node.postmaster(postmaster.to));
    let node = custody_secret.iter().map(CustodySecret::new).fold(node, NodeBuilder::custody_secret);
    let node = match tls {
        Some(tls) => tls.offer(node)?,
        None => node,
    };
    Ok((node, mail_server))
}

fn line_of(event: Event) -> Option<Line> {
    match event {
        Event::Stored { id, mailbox, .. } => Some(Line::Output(format!("stored {id} {mailbox}"))),
        Event::Duplicate { id, mailbox, .. } => Some(Line::Output(format!("duplicate {id} {mailbox}"))),
        Event::LampShown { mailbox, summary, .. } => Some(Line::Output(format!("lamp {mailbox} {summary}"))),
        Event::StepDone { step, mailbox, id, .. } => Some(Line::Output(format!("done {step} {id} {mailbox}"))),
        Event::StepGivenUp { step, mailbox, id, reason, .. } => {
            Some(Line::Notice(format!("the step {step} of {id} for {mailbox} was given up: {reason}")))
        }
        Event::LoginRefused { address, .. } => {
            let from = address.map_or_else(|| "this machine".to_owned(), |address| address.to_string());
            Some(Line::Notice(format!("a login from {from} was refused: name or password is wrong")))
        }
        Event::BadEntry { path, reason, .. } => Some(Line::Notice(format!("{} is skipped: {reason}", path.display()))),
        Event::SiteRefused { id, origin, site, .. } => {
            Some(Line::Notice(format!("refused {id}: {origin} may not send messages of the PBX {site}")))
        }
        Event::PostmasterMail { kept_as, .. } => Some(Line::Output(format!("postmaster {kept_as}"))),
        Event::MailDeferred { mail, reason, retry_in, .. } => {
            let secs = retry_in.as_secs_f64();
            Some(Line::Notice(format!("mail {mail} waits; next try in {secs:.1} s, because {reason}")))
        }
        Event::MailGivenUp { mail, reason, .. } => Some(Line::Notice(format!("mail {mail} is given up: {reason}"))),
        Event::ReportRefused { .. } => {
            Some(Line::Notice("a delivery report was refused: it was not for a message of this node".to_owned()))
        }
        Event::Greeting(event) => super::greet::line_of(event),
        _ => None,
    }
}
