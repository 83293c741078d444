//! A distributed voicemail node: records at a remote site and forwards to the central node.
//!
//! Run, beside `central_node`: `cargo run --example distributed_node -- --config examples/distributed.toml --deposit
//! examples/recordings/vm01.wav --to 2001 --from +442079460112 --name "Anna Whitfield"`. You will see: `kept ID` as soon as the message is
//! on stable storage, then `forwarded ID` when the central node has accepted it. With deposits on the command line it ends when all are
//! forwarded, or, behind a mail server, when the central node's receipts have come; without, it runs until Ctrl-C or SIGTERM. With `--batch` it reads such deposits from standard input, one a line, and
//! continues to run. `--greet 2010 --out FILE.wav` writes the greeting that the node plays for mailbox 2010, and ends.

mod support;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use support::Failure;
use support::config::{DistributedConfig, Listen, custody_of};
use support::deposit::Arguments;
use support::deposit_service::DepositService;
use support::lines::{Line, Out, print_line, print_notice};
use support::local_node::LocalNode;
use tokio::net::TcpListener;
use voicemail::disk::OsDisk;
use voicemail::event::{Event, Events, SpoolState};
use voicemail::forward::Custody;
use voicemail::forward::smtp::TlsMemory;
use voicemail::intake::{ListenMode, ListenerPolicy};
use voicemail::node::Node;
use voicemail::smtp::{CustodyKey, ReturnPaths};

fn main() -> ExitCode {
    support::program::main(run())
}

async fn run() -> Result<ExitCode, Failure> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let config = DistributedConfig::load(&arguments.config)?;
    let asked_to_stop = support::program::asked_to_stop()?;
    let events = Events::new();
    let (printed, awaited) = (events.subscribe(), events.subscribe());
    let site = config.site.clone();
    let listener = match &config.greetings {
        Some(greetings) if arguments.greet.is_none() => {
            Some(support::program::listen(&arguments.config, &greetings.address).await?)
        }
        _ => None,
    };
    let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let node = open(&arguments.config, config, listener, events).await?;
    if let Some(greet) = &arguments.greet {
        greet.write(&node).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let out = Out::new(tokio::io::stdout());
    if let Some(address) = address {
        print_line(&out, format!("listening smtp {address}")).await;
    }
    print_line(&out, "ready").await;

    let service = DepositService { node: &node, site: &site, out: &out };
    let mut failed = false;
    let work = Box::pin(async {
        let mut kept = Vec::new();
        for deposit in &arguments.deposits {
            match service.deposit(deposit).await {
                Some(id) => kept.push(id),
                None => failed = true,
            }
        }
        if arguments.batch {
            service.deposit_lines(support::deposit_service::standard_input()).await;
        }
        if arguments.batch || arguments.deposits.is_empty() {
            std::future::pending::<()>().await;
        }
        failed |= !service.all_forwarded(kept, awaited).await;
    });
    let stop = async {
        tokio::select! {
            () = work => {}
            () = asked_to_stop => {}
        }
    };
    support::program::run(&node, stop, printed, &out, line_of).await?;
    match node.spool().waiting().len() {
        0 => {}
        waiting => print_notice(format!("{waiting} kept and waiting in the spool; start this node again to forward")).await,
    }
    for state in node.spool().state().iter().filter(|state| state.relayed > 0) {
        let SpoolState { relayed, return_path, .. } = state;
        print_notice(format!("{relayed} kept until a receipt comes; {return_path}")).await;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn open(path: &Path, config: DistributedConfig, listener: Option<TcpListener>, events: Events) -> Result<Node, Failure> {
    let memory = TlsMemory::in_folder(Arc::new(OsDisk), &config.spool);
    let domain = config.network.domain().to_owned();
    let local = LocalNode { node: config.node.clone(), domain, memory, events: events.clone() };
    let (central, custody) = (config.network.central_node(), custody_of(&config.node, &config.network));
    let (forwarder, receipts) = match &config.custody {
        Some(keys) if custody != Custody::Final => {
            let key = CustodyKey::new(config.node.as_str(), &keys.key.load()?);
            let paths = ReturnPaths::new(config.node.as_str(), &keys.return_path_key(&config.spool)?);
            let by = (custody, key.clone(), paths.clone());
            (local.forwarder_by_relay(central, &config.central, by, path, "central")?, Some((key, paths)))
        }
        _ => (local.forwarder_to(central, &config.central, path, "central")?, None),
    };
    let directory = config.network.directory();
    let mut node = Node::builder(config.node.clone(), config.network, directory, config.spool).forwarder(forwarder);
    if let Some((key, paths)) = receipts {
        node = node.custody_key(key).return_paths(paths);
    }
    if let (Some(Listen { tls, access, .. }), Some(listener)) = (config.greetings, listener) {
        node = node.listen(listener, ListenerPolicy::new(ListenMode::StartTls, access));
        if let Some(tls) = tls {
            node = tls.identity(&config.node)?.offer(node)?;
        }
    }
    Ok(node.clock(config.time.clock().await).events(events).open().await?)
}

fn line_of(event: Event) -> Option<Line> {
    match event {
        Event::Recovered { id, .. } => Some(Line::Output(format!("recovered {id}"))),
        Event::Forwarded { id, .. } => Some(Line::Output(format!("forwarded {id}"))),
        Event::Deferred { id, reason, retry_in, .. } => {
            let secs = retry_in.as_secs_f64();
            Some(Line::Notice(format!("waiting {id}: it is kept; next try in {secs:.1} s, because {reason}")))
        }
        Event::Parked { id, reason, .. } => {
            let advice = "it is kept in the folder parked of the spool, whose README.txt says how to send it again";
            Some(Line::Notice(format!("parked {id}: {reason}; {advice}")))
        }
        Event::Relayed { id, .. } => Some(Line::Output(format!("relayed {id}"))),
        Event::Confirmed { id, .. } => Some(Line::Output(format!("confirmed {id}"))),
        Event::Unconfirmed { id, relayed_at, .. } => {
            Some(Line::Notice(format!("no receipt for {id}, which the mail server accepted at {relayed_at}: it is kept")))
        }
        Event::OfferedAgain { id, .. } => Some(Line::Notice(format!("still no receipt for {id}: it is sent again"))),
        Event::ReportReceived { id, .. } => Some(Line::Output(format!("report {id}"))),
        Event::UnprovenReport { id, action, status, server, reply, .. } => {
            let status = status.map(|status| format!(" {status}")).unwrap_or_default();
            let server = server.unwrap_or_else(|| "a mail server".to_owned());
            let reply = reply.map(|reply| format!(" ({reply})")).unwrap_or_default();
            Some(Line::Notice(format!(
                "{server} reports {id}: {action}{status}{reply}; it is kept, and the report in {id}.said beside it"
            )))
        }
        Event::ReturnPathWorks { destination, .. } => Some(Line::Output(format!("return-path works {destination}"))),
        Event::ReturnPathFails { destination, reason, .. } => Some(Line::Notice(format!(
            "receipts of {destination} cannot come back: {reason}; the mail server has to send mail for this node's host name to its listener"
        ))),
        Event::Unreadable { file, reason, .. } => {
            Some(Line::Notice(format!("{file} was put into the folder unreadable of the spool: {reason}")))
        }
        Event::TlsWithheld { peer, reason, .. } => Some(Line::Notice(format!(
            "{peer} offered TLS before and does not now: nothing is sent to it until it does, or until its line is removed from \
             tls-peers.txt in the spool; {reason}"
        ))),
        Event::PlainTextFallback { peer, reason, .. } => {
            Some(Line::Notice(format!("mail to {peer} is sent in plain text: {reason}")))
        }
        Event::Greeting(event) => support::greet::line_of(event),
        _ => None,
    }
}
