//! [`Senders`]: distributed nodes that send one message after the other to the central nodes, and note how long each took.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use voicemail::audio::{Format, Wav};
use voicemail::event::Event;
use voicemail::forward::smtp::{Security, SmtpForwarder};
use voicemail::message::{MailboxId, MessageId};
use voicemail::network::{CentralForwarder, Network, NodeHost};
use voicemail::node::{Node, NodeError};
use voicemail::record::CallFacts;

use super::network::{HIMALAYA, NUMBERS, network};
use super::{mailbox, soon};

/// Distributed nodes, one for each host of the central node, which send while they are not stopped.
#[derive(Debug)]
pub(crate) struct Senders {
    _folder: TempDir,
    /// Whether the messages under way are the last ones.
    last: watch::Sender<bool>,
    /// Whether the nodes stop.
    stop: watch::Sender<bool>,
    nodes: JoinSet<Result<(), NodeError>>,
    acknowledged: watch::Sender<usize>,
    sending: JoinSet<Sent>,
}

/// The messages that were acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The mailbox of each message.
    pub(crate) messages: BTreeMap<MessageId, MailboxId>,
    /// The longest time from the moment that a message was kept until it was acknowledged, and the tries that it took.
    pub(crate) longest: (Duration, u32),
}

impl Senders {
    /// Starts a distributed node for each of `hosts`, which prefers that host. Each has `at_once` messages under way.
    pub(crate) async fn start(hosts: &[SocketAddr], at_once: u32) -> Self {
        let (folder, acknowledged) = (tempfile::tempdir().unwrap(), watch::Sender::new(0));
        let [last, stop] = [(); 2].map(|()| watch::Sender::new(false));
        let (mut nodes, mut sending) = (JoinSet::new(), JoinSet::new());
        for first in 0..hosts.len() {
            let mut order = hosts.to_vec();
            order.rotate_left(first);
            let node = open(&folder.path().join(first.to_string()), &order).await;
            for nth in 0..at_once {
                let seed = u32::try_from(first).unwrap() << 24 | nth << 16;
                sending.spawn(send(node.clone(), seed, last.clone(), acknowledged.clone()));
            }
            let mut stopped = stop.subscribe();
            nodes.spawn(async move { node.run(async { drop(stopped.wait_for(|stop| *stop).await) }).await });
        }
        Self { _folder: folder, last, stop, nodes, acknowledged, sending }
    }

    /// Waits until so many more messages are acknowledged.
    pub(crate) async fn more(&self, count: u64) {
        let mut acknowledged = self.acknowledged.subscribe();
        let wanted = *acknowledged.borrow() + usize::try_from(count).unwrap();
        soon("messages are acknowledged", acknowledged.wait_for(|count| *count >= wanted)).await.unwrap();
    }

    /// Waits until the messages under way are acknowledged, and sends no others.
    pub(crate) async fn stop(mut self) -> Sent {
        let mut all = Sent::default();
        self.last.send_replace(true);
        while let Some(sent) = soon("the last messages are acknowledged", self.sending.join_next()).await {
            let sent = sent.unwrap();
            all.messages.extend(sent.messages);
            all.longest = all.longest.max(sent.longest);
        }
        self.stop.send_replace(true);
        while let Some(ended) = self.nodes.join_next().await {
            ended.unwrap().unwrap();
        }
        all
    }
}

/// Opens a distributed node; the central node is at `hosts`, which are tried in this order.
pub(crate) async fn open(spool: &Path, hosts: &[SocketAddr]) -> Node {
    let network = network(hosts);
    let forwarder = CentralForwarder::new(&network, |network: &Network, host: &NodeHost| {
        SmtpForwarder::builder(host.to_string(), network.domain()).node(HIMALAYA).security(Security::PlainText).build()
    });
    let directory = network.directory();
    let node = Node::builder(HIMALAYA.parse().unwrap(), network, directory, spool);
    node.forwarder(forwarder.unwrap()).open().await.unwrap()
}

/// Sends one message after the other, until the last one is acknowledged.
async fn send(node: Node, seed: u32, last: watch::Sender<bool>, acknowledged: watch::Sender<usize>) -> Sent {
    let (site, mut events, mut sent) = ("kathmandu".parse().unwrap(), node.events(), Sent::default());
    for n in seed.. {
        if *last.borrow() {
            break;
        }
        let to = mailbox(NUMBERS[n as usize % NUMBERS.len()]);
        let kept = node.deposit_wav(&site, CallFacts::to(to.clone()), wav(n).into()).await.unwrap();
        let begun = Instant::now();
        let tries = loop {
            match events.recv().await.unwrap().event {
                Event::Forwarded { id, attempts, .. } if id == kept.id => break attempts,
                Event::Parked { id, reason, .. } => panic!("{id} was refused: {reason}"),
                _ => {}
            }
        };
        sent.longest = sent.longest.max((begun.elapsed(), tries));
        sent.messages.insert(kept.id, to);
        acknowledged.send_modify(|count| *count += 1);
    }
    sent
}

/// A sound of a second that no other message has.
pub(crate) fn wav(seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let samples = (0..8_000).flat_map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        [state.to_be_bytes()[0], state.to_be_bytes()[1]]
    });
    let data: Vec<u8> = seed.to_be_bytes().into_iter().chain(samples).collect();
    let mut wav = Wav::header(Format::TELEPHONE_L16, u32::try_from(data.len()).unwrap());
    wav.extend(data);
    wav
}
