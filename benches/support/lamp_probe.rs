//! A central node, a distributed node that forwards to it, and a sink that reports when each lamp is updated.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use voicemail::arrival::{ArrivalStep, StepError, StepName, StepOutcome, StepRun};
use voicemail::event::Events;
use voicemail::forward::SmtpForwarder;
use voicemail::intake::ListenMode;
use voicemail::message::MailboxId;
use voicemail::mwi::{MwiError, MwiSink, MwiState};
use voicemail::node::Node;
use voicemail::store::MaildirStore;

use super::certificate::certify;
use super::network::{CENTRAL, EDGE, network};

/// Both nodes, with TLS between them, a Maildir at the central one, and one stream of events.
pub(crate) struct Pair {
    pub(crate) distributed: Node,
    pub(crate) lamps: LampProbe,
    pub(crate) events: Events,
    stop: Vec<oneshot::Sender<()>>,
    running: Vec<JoinHandle<()>>,
    /// Removed with this.
    _folder: TempDir,
}

impl Pair {
    /// Opens both. The central node does as many steps on arrival as `LAMP_STEPS` says, up to three; by default none.
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (network, events, lamps) = (network(), Events::new(), LampProbe::default());
        let directory = network.directory();
        let (tls, _, pem) = certify(CENTRAL);
        let store = MaildirStore::builder(folder.path().join("store")).directory(directory.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let peer = listener.local_addr().expect("an address").to_string();
        let node = |name: &str| {
            let spool = folder.path().join(name);
            Node::builder(name.parse().expect("an address"), network.clone(), directory.clone(), spool).events(events.clone())
        };
        let central = node(CENTRAL)
            .store(store.open().await.expect("a store"))
            .sink(lamps.clone())
            .tls(tls)
            .listen(listener, ListenMode::StartTls);
        let forwarder = SmtpForwarder::builder(peer, network.domain())
            .node(EDGE)
            .server_name(CENTRAL)
            .ca_pem(pem.as_bytes())
            .events(events.clone())
            .build()
            .expect("a forwarder");
        let steps = std::env::var("LAMP_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(0);
        let names = [StepName::TRANSCRIPT, StepName::MAIL, StepName::WEBHOOK];
        let central = names.into_iter().take(steps).fold(central, |central, name| central.on_arrival(EmptyStep(name)));
        let central = central.open().await.expect("a central node");
        let distributed = node(EDGE).forwarder(forwarder).open().await.expect("a distributed node");
        let (stop, running) = [distributed.clone(), central].map(start).into_iter().unzip();
        Self { distributed, lamps, events, stop, running, _folder: folder }
    }

    pub(crate) async fn close(self) {
        drop(self.stop);
        for running in self.running {
            running.await.expect("the node ends");
        }
    }
}

fn start(node: Node) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    (stop, tokio::spawn(async move { node.run(async { drop(stopped.await) }).await.expect("the node runs") }))
}

/// A step on arrival that has nothing to do.
#[derive(Debug)]
struct EmptyStep(StepName);

#[async_trait]
impl ArrivalStep for EmptyStep {
    fn name(&self) -> StepName {
        self.0.clone()
    }

    async fn run(&self, _: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        Ok(StepOutcome::Done)
    }
}

/// A sink that reports when the lamp shows a message. It recognises a message by the number of messages, which grows by one for each.
#[derive(Debug, Clone, Default)]
pub(crate) struct LampProbe(Arc<Mutex<HashMap<MailboxId, Lamp>>>);

#[derive(Debug, Default)]
struct Lamp {
    /// How many messages are expected in all.
    expected: u32,
    waiting: VecDeque<(u32, oneshot::Sender<Instant>)>,
}

impl LampProbe {
    /// The moment at which the lamp of `mailbox` shows one message more than all that were expected before.
    pub(crate) fn expect(&self, mailbox: &MailboxId) -> oneshot::Receiver<Instant> {
        let (shown, wait) = oneshot::channel();
        let mut lamps = self.lamps();
        let lamp = lamps.entry(mailbox.clone()).or_default();
        lamp.expected += 1;
        lamp.waiting.push_back((lamp.expected, shown));
        wait
    }

    fn lamps(&self) -> MutexGuard<'_, HashMap<MailboxId, Lamp>> {
        self.0.lock().expect("no holder panics")
    }
}

#[async_trait]
impl MwiSink for LampProbe {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        let called = Instant::now();
        let mut lamps = self.lamps();
        let Some(lamp) = lamps.get_mut(&state.mailbox) else { return Ok(()) };
        while lamp.waiting.front().is_some_and(|(expected, _)| *expected <= state.summary.new) {
            let (_, shown) = lamp.waiting.pop_front().expect("it is there");
            // A receiver that was dropped needs no report.
            let _ = shown.send(called);
        }
        Ok(())
    }
}
