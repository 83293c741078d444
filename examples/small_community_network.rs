//! A small community network at work: a central node that is a distributed one for York, and two distributed nodes, one of which serves two PBXs.
//!
//! Run: `cargo run --example small_community_network`. You will see: the steps of each of eight messages from the
//! end of its recording to the lamp, with times; then every mailbox with its owner's local stamps; then what the lamps show; then which
//! features each PBX may use on the node that two PBXs share.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use support::{Failure, recordings::Recorded};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, oneshot};
use voicemail::audio::{Codec, Wav};
use voicemail::clock::ManualClock;
use voicemail::directory::Directory as _;
use voicemail::event::{Event, Events, Occurrence};
use voicemail::forward::SmtpForwarder;
use voicemail::intake::{Access, KnownPeer, ListenMode, ListenerPolicy, Sites, StoredPassword};
use voicemail::message::{MailboxId, MessageId, SiteId, Stamp, Summary};
use voicemail::mwi::LogSink;
use voicemail::network::{LicenceClass, Network, NetworkDescription};
use voicemail::node::{Node, NodeBuilder};
use voicemail::store::{MaildirStore, MessageStore as _};

/// The PBX at which each recording is made.
const RECORDED_AT: [(&str, &str); 8] = [
    ("vm01.wav", "kiritimati"),
    ("vm02.ulaw.wav", "tokyo"),
    ("vm03.alaw.wav", "kathmandu"),
    ("vm05.wav", "berlin"),
    ("vm08.wav", "tokyo"),
    ("vm10.wav", "kathmandu"),
    ("vm14.wav", "london"),
    ("vm19.alaw.wav", "kiritimati"),
];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let description: NetworkDescription = toml::from_str(include_str!("network.toml"))?;
    let network = description.check()?;
    println!("The network\n\n{}\n{}", network.to_table(), network.to_node_table());

    let folder = tempfile::tempdir()?;
    let clock = Arc::new(ManualClock::at("2025-01-01T00:00:00Z".parse()?));
    let events = Events::new();
    let part = |name: &str| -> Result<NodeBuilder, Failure> {
        let spool = folder.path().join(name).join("spool");
        let node = Node::builder(name.parse()?, network.clone(), network.directory(), spool);
        Ok(node.clock(Arc::clone(&clock)).events(events.clone()))
    };

    let identity = support::tls::Identity::self_signed("central.voicemail.example")?;
    let store = MaildirStore::builder(folder.path().join("mailboxes")).directory(network.directory()).open().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let central_at = listener.local_addr()?;
    let password = MessageId::random().to_string();
    let known = ["himalaya.voicemail.example", "pacific.voicemail.example"].map(|name| {
        let node = name.parse()?;
        let sites = network.sites_of(&node).map(|(site, _)| site.id().clone());
        Ok::<_, Failure>(KnownPeer::new(name.parse()?, Sites::only(sites)).password(StoredPassword::of(&password)?))
    });
    let known = known.into_iter().collect::<Result<Vec<_>, _>>()?;
    let central = part("central.voicemail.example")?
        .store(store)
        .sink(LogSink)
        .listen(listener, ListenerPolicy::new(ListenMode::StartTls, Access::peers(known)));
    let distributed = |name: &str| {
        let forwarder = SmtpForwarder::builder(central_at.to_string(), network.domain())
            .node(name)
            .server_name("central.voicemail.example")
            .ca_pem(&identity.chain)
            .credentials(name, &*password)
            .events(events.clone())
            .build()?;
        Ok::<_, Failure>(part(name)?.forwarder(forwarder).open())
    };
    let central = identity.offer(central)?.open().await?;
    let nodes = [central, distributed("himalaya.voicemail.example")?.await?, distributed("pacific.voicemail.example")?.await?];

    let (stop, running): (Vec<_>, Vec<_>) = nodes.iter().cloned().map(start).unzip();
    let mut lamps = BTreeMap::new();
    println!("The steps of each message\n");
    for recorded in support::recordings::all()? {
        show_steps(&network, &nodes, &clock, events.subscribe(), recorded, &mut lamps).await?;
    }
    show_mailboxes(&network, &nodes[0]).await?;
    println!("Lamps\n");
    for (mailbox, summary) in &lamps {
        println!("  {mailbox}  {}  {summary}", if summary.waiting() { "lit " } else { "dark" });
    }
    show_licences(&network, &nodes[1]);
    drop(stop);
    for node in running {
        node.await??;
    }
    Ok(())
}

/// Runs a node until the returned sender is dropped.
fn start(node: Node) -> (oneshot::Sender<()>, tokio::task::JoinHandle<Result<(), voicemail::node::NodeError>>) {
    let (stop, stopped) = oneshot::channel();
    (stop, tokio::spawn(async move { node.run(async { drop(stopped.await) }).await }))
}

/// Records one message at its site as a call would, and prints what happens to it until its owner's lamp shows it.
async fn show_steps(
    network: &Network,
    nodes: &[Node],
    clock: &ManualClock,
    mut events: broadcast::Receiver<Occurrence>,
    recorded: Recorded,
    lamps: &mut BTreeMap<MailboxId, Summary>,
) -> Result<(), Failure> {
    let site = RECORDED_AT.iter().find(|(file, _)| *file == recorded.file).map_or("london", |(_, site)| *site);
    let site: SiteId = site.parse()?;
    let serves = |node: &&Node| network.recording_node(&site).is_some_and(|address| node.address() == address);
    let node = nodes.iter().find(serves).ok_or("no node serves the site")?;
    let zone = network.site(&site).ok_or("no such site")?.zone();
    let to = recorded.facts.mailboxes[0].clone();
    println!("  {} for {to}, recorded at {site}: {}", recorded.file, Stamp::new(recorded.instant, zone));

    clock.set(recorded.instant);
    let recording = push_sound(node, &site, recorded).await?;
    let recorded_at = Instant::now();
    let id = recording.finish().await?.id;
    loop {
        let Occurrence { at, event, .. } = events.recv().await?;
        let step = match event {
            Event::Kept { id: kept, .. } if kept == id => format!("kept on stable storage by {}", node.address()),
            Event::Connected { id: connected, transport_security, .. } if connected == id => {
                format!("connected, under {transport_security}")
            }
            Event::Sent { id: sent, .. } if sent == id => "sent".to_owned(),
            Event::Forwarded { id: sent, transport_security, .. } if sent == id => {
                format!("accepted by the central node, under {transport_security}")
            }
            Event::Stored { id: stored, mailbox, .. } if stored == id => format!("stored in mailbox {mailbox}"),
            Event::Counted { mailbox, summary, arrived, .. } if mailbox == to && arrived.contains(&id) => {
                format!("mailbox {to} counted: {summary}")
            }
            Event::LampShown { mailbox, summary, arrived, .. } if mailbox == to && arrived.contains(&id) => {
                lamps.insert(mailbox, summary);
                println!("{:>10.1} ms  lamp of {to} lit: {summary}\n", millis(at, recorded_at));
                return Ok(());
            }
            _ => continue,
        };
        println!("{:>10.1} ms  {step}", millis(at, recorded_at));
    }
}

/// Pushes a WAV file's sound as a media thread would: 20 ms at a time.
async fn push_sound(node: &Node, site: &SiteId, recorded: Recorded) -> Result<voicemail::record::Recording, Failure> {
    let Wav { format, data, .. } = Wav::parse(&recorded.wav)?;
    let mut recording = node.record(site, recorded.facts, format).await?;
    let mut rtp_timestamp = 0;
    for frame in recorded.wav[data].chunks(160 * format.bytes_per_frame() as usize) {
        if format.codec == Codec::L16 {
            let samples: Vec<i16> = frame.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
            recording.push_samples(&samples)?;
        } else {
            recording.push_payload(frame, rtp_timestamp);
            rtp_timestamp += 160;
        }
    }
    Ok(recording)
}

/// Lists every mailbox that holds a message, as its owner sees it, and compares the sound with the recording.
async fn show_mailboxes(network: &Network, central: &Node) -> Result<(), Failure> {
    let store = central.store().ok_or("the central node has a store")?;
    let recorded = support::recordings::all()?;
    println!("Mailboxes\n");
    for (site, mailbox) in network.mailboxes() {
        let entries = store.list(&mailbox.number).await?;
        let owner = network.directory().find(&mailbox.number).await?.ok_or("the mailbox is known")?;
        for entry in entries {
            let message = store.retrieve(&mailbox.number, entry.head.id).await?;
            let whole = recorded.iter().any(|recorded| recorded.wav == message.audio().bytes()[..]);
            let head = &entry.head;
            println!(
                "  {} at {}  {:?}  {}",
                mailbox.number,
                site.id(),
                entry.status,
                Stamp::new(head.recorded_at.instant, owner.zone)
            );
            println!(
                "       {:.1} s from {}, {}",
                head.length.as_secs_f64(),
                caller(head),
                if whole { "byte for byte as recorded" } else { "NOT AS RECORDED" }
            );
        }
    }
    println!();
    Ok(())
}

/// Requests a licensed feature at each PBX that a node serves: each PBX has its own licences.
fn show_licences(network: &Network, node: &Node) {
    println!("\nCampaigns at {}\n", node.address());
    for (site, _) in network.sites_of(node.address()) {
        match node.admit(site.id(), LicenceClass::Campaigns) {
            Ok(_port) => println!("  {}: admitted, on its own port", site.id()),
            Err(refusal) => println!("  {}: refused: {refusal}", site.id()),
        }
    }
}

fn caller(head: &voicemail::message::Head) -> String {
    match (&head.caller.name, &head.caller.number) {
        (Some(name), Some(number)) => format!("{name} ({number})"),
        (Some(name), None) => name.to_string(),
        (None, Some(number)) => number.to_string(),
        (None, None) => "an unknown caller".to_owned(),
    }
}

fn millis(at: Instant, since: Instant) -> f64 {
    at.saturating_duration_since(since).as_secs_f64() * 1000.0
}
