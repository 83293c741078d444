//! PBXs with voicemail on this machine: telephones use SIP and RTP, the nodes of the PBXs use SMTP between them.
//!
//! Run, at the root of the repository: `cargo run --manifest-path examples/pbx/Cargo.toml -- examples/pbx.toml`. You will see which numbers to
//! dial at which address, then a line for each call, message and lamp. Ctrl-C ends it. README.md beside this package has the details.

mod calls;
mod config;
#[path = "../../support/espeak.rs"]
mod espeak;
mod leg;
#[cfg(test)]
mod leg_tests;
mod nodes;
mod signalling;
mod voices;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use futures::future;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast;
use voicemail::call::CallDriver;
use voicemail::disk::OsDisk;
use voicemail::error_chain;
use voicemail::event::{Event, Events, Occurrence};
use voicemail::greeting::GreetingEvent;
use voicemail::mwi::MwiSource;
use voicemail::telephone::{PinFolder, PinHash};

use crate::calls::{ANY, OWN, Pbx};
use crate::config::Config;
use crate::nodes::Nodes;
use crate::signalling::{Lamps, SipPort};

/// The error of anything that fails.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    // rsipstack logs whole messages, with their callers, as information.
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "warn,voicemail::call=info,rsipstack=off".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let ran = match &std::env::args_os().skip(1).collect::<Vec<_>>()[..] {
        [path] => run(Path::new(path)).await,
        _ => Err("usage: voicemail-pbx-example FILE.toml".into()),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", error_chain(&*failure));
            ExitCode::FAILURE
        }
    }
}

async fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (events, lamps) = (Events::new(), Lamps::default());
    let nodes = Nodes::open(&config.network, &config.folder, lamps.clone(), &events).await?;
    let voices = voices::of(&config).await?;
    let pins = pins(&config).await?;

    let source: Arc<dyn MwiSource> = Arc::new(nodes.central.clone());
    let mut central = None;
    let mut serving = Vec::new();
    for (site, address) in &config.telephones {
        let node = config.network.recording_node(site).and_then(|node| nodes.get(node)).ok_or("a PBX without a node")?;
        let taken = |error| {
            format!(
                "{}: [telephones] {site}: {address}: {error}; choose an address of this machine with a free port",
                path.display()
            )
        };
        let mut port = SipPort::bind(*address).await.map_err(taken)?;
        let there = *central.get_or_insert(port.address());
        let mut driver = CallDriver::builder(node.clone(), voices.clone())
            .pins(pins.clone())
            .mailbox_access(format!("sip:{ANY}@{there}").parse()?);
        if let Some(operator) = &config.operator {
            driver = driver.operator(operator.clone());
        }
        if node.store().is_none() {
            port.redirect([OWN, ANY], there);
        }
        println!("listening sip {site} {}", port.address());
        let pbx = Arc::new(Pbx(site.clone(), driver.build()));
        let answer = move |call, media| {
            let pbx = Arc::clone(&pbx);
            async move { pbx.answer(call, media).await }
        };
        serving.push(Arc::new(port).serve(lamps.clone(), Arc::clone(&source), answer));
    }
    println!("dial a mailbox to leave a message, {OWN} to listen to your own messages, {ANY} to listen from another telephone");
    for (site, mailbox) in config.network.mailboxes() {
        println!("mailbox {} at {}", mailbox.number, site.id());
    }

    let stop = async {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
            _ = future::select_all(serving.into_iter().map(Box::pin)) => {}
            () = print(events.subscribe()) => {}
        }
    };
    nodes.run(stop).await
}

/// Opens the PINs, and sets the first one of each mailbox that has none yet.
async fn pins(config: &Config) -> Result<PinFolder, Failure> {
    let folder = config.folder.join("pins");
    let pins = PinFolder::open(OsDisk, &folder).await?;
    for (mailbox, pin) in &config.pins {
        if !folder.join(format!("{mailbox}.pin")).exists() {
            pins.set_initial(mailbox.clone(), PinHash::new(pin)).await?;
        }
    }
    Ok(pins)
}

async fn print(mut events: broadcast::Receiver<Occurrence>) {
    loop {
        match events.recv().await.map(|Occurrence { event, .. }| event) {
            Ok(Event::Stored { id, mailbox, .. }) => println!("stored {id} for {mailbox}"),
            Ok(Event::Greeting(GreetingEvent::Received { greeting, .. })) => println!("received {greeting}"),
            Ok(Event::LampShown { mailbox, summary, .. }) => println!("lamp of {mailbox}: {summary}"),
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}
