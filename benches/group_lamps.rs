//! The time until 200 telephones show a new message: of one message to a group of 200 members, and of 200 messages, one to each.
//!
//! Run: `cargo bench --bench group_lamps`. Each line is the median of five turns, which alternate; each turn opens another node and another Maildir store.
//! The message has 5 seconds of mu-law. The clock runs from the first deposit to the moment at which the last of 200 lamps is shown.
//!
//! Not in the numbers: SMTP, opening the node and showing the lamps that it finds, and the work of a sink. A node updates a lamp at most
//! once a second, so the clock starts more than a second after the last of those.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use voicemail::directory::Group;
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, MailboxId, Message, Origin, RecordedAt};
use voicemail::mwi::{MwiError, MwiSink, MwiState};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::store::{Deposit, MaildirStore, MessageStore as _};

const MEMBERS: u32 = 200;
const TURNS: usize = 5;

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let (mut group, mut single) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        group.push(runtime.block_on(turn(true)));
        single.push(runtime.block_on(turn(false)));
    }
    println!("{:<24} {:>12}", "200 lamps by", "median");
    for (name, mut turns) in [("one message to a group", group), ("200 messages", single)] {
        turns.sort_unstable();
        println!("{name:<24} {:>9.0} ms", turns[TURNS / 2].as_secs_f64() * 1e3);
    }
}

/// Returns how long it takes until each member's lamp is lit.
async fn turn(as_group: bool) -> Duration {
    let folder = TempDir::new().expect("a temporary folder");
    let network = network();
    let directory = network.directory();
    let store = MaildirStore::builder(folder.path().join("store")).directory(directory.clone()).open().await.expect("a store");
    let (shown, mut lamps) = mpsc::unbounded_channel();
    let address = "vm.example".parse().expect("an address");
    let node = Node::builder(address, network, directory, folder.path().join("spool")).store(store).sink(Lamps(shown));
    let node = node.open().await.expect("a node");
    let (stop, stopped) = oneshot::channel::<()>();
    let running = {
        let node = node.clone();
        tokio::spawn(async move { node.run(async { drop(stopped.await) }).await })
    };
    let receivers: Vec<_> = if as_group { vec![group()] } else { members().collect() };
    let store = node.store().expect("a store");
    all_show(&mut lamps, false).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;

    let start = Instant::now();
    for receiver in &receivers {
        let message = message();
        let stored = store.deposit(receiver, &Origin::Here, &message).await.expect("room");
        assert_eq!(stored, Deposit::Stored(message.id()));
    }
    all_show(&mut lamps, true).await;
    let time = start.elapsed();

    drop(stop);
    running.await.expect("no panic").expect("the node runs");
    time
}

/// Waits until each member's lamp has been shown, lit or not.
async fn all_show(lamps: &mut mpsc::UnboundedReceiver<(MailboxId, bool)>, lit: bool) {
    let mut waiting: HashSet<_> = members().collect();
    while !waiting.is_empty() {
        let (mailbox, is_lit) = lamps.recv().await.expect("a lamp");
        if is_lit == lit {
            waiting.remove(&mailbox);
        }
    }
}

/// A sink that passes on each lamp, and whether it is lit.
#[derive(Debug)]
struct Lamps(mpsc::UnboundedSender<(MailboxId, bool)>);

#[async_trait]
impl MwiSink for Lamps {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        // The bench may have seen enough.
        let _ = self.0.send((state.mailbox.clone(), state.summary.new > 0));
        Ok(())
    }
}

fn network() -> Network {
    let mut shared = Mailbox::new(group());
    shared.group = Some(Group::new(members()));
    let site = Site::builder("london".parse().expect("an id"), VoicemailType::Central, chrono_tz::Europe::London)
        .node("vm.example".parse().expect("an address"))
        .time(TimeSource::Sntp(vec!["ntp.example".parse().expect("a server")]))
        .licence(LicenceClass::Voicemail)
        .ports(1)
        .mailbox(shared);
    let site = members().fold(site, |site, member| site.mailbox(Mailbox::new(member)));
    Network::builder("voicemail.example").site(site).build().expect("a network")
}

fn members() -> impl Iterator<Item = MailboxId> {
    (2001..2001 + MEMBERS).map(|number| number.to_string().parse().expect("a number"))
}

fn group() -> MailboxId {
    "sales".parse().expect("a name")
}

fn message() -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new("2026-11-29T00:00:00Z".parse().expect("a time"), chrono_tz::UTC, quality);
    Message::builder(Audio::new(AudioType::Basic, vec![0x5a; 40_000]), recorded_at).build()
}
