//! A central node, and a distributed node that forwards to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use voicemail::event::{Event, Occurrence};
use voicemail::forward::SmtpForwarder;
use voicemail::forward::smtp::Security;
use voicemail::intake::ListenMode;
use voicemail::message::{MessageId, SiteId};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::MaildirStore;

use super::certificate::certify;
use super::network::{CENTRAL, EDGE, network, next_mailbox};
use super::workers::share;

/// A node that runs until it is closed.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(node: Node) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move { node.run(async { drop(stopped.await) }).await.expect("the node runs") });
        Self { stop, task }
    }

    async fn close(self) {
        drop(self.stop);
        self.task.await.expect("the node ends");
    }
}

/// A central node with a Maildir in its own folder, listening with STARTTLS.
pub(crate) struct Central {
    /// The address at which it listens.
    pub(crate) address: SocketAddr,
    /// Its certificate, in PEM.
    pub(crate) pem: String,
    running: Running,
    /// Removed when this is dropped.
    _folder: TempDir,
}

impl Central {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let network = network();
        let directory = network.directory();
        let (tls, _, pem) = certify(CENTRAL);
        let store = MaildirStore::builder(folder.path().join("store")).directory(directory.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let node = Node::builder(CENTRAL.parse().expect("an address"), network, directory, folder.path().join("spool"))
            .store(store.open().await.expect("a store"))
            .tls(tls)
            .listen(listener, ListenMode::StartTls)
            .open()
            .await
            .expect("a central node");
        Self { address, pem, running: Running::start(node), _folder: folder }
    }

    pub(crate) async fn close(self) {
        self.running.close().await;
    }
}

/// A distributed node that forwards to a central one.
pub(crate) struct Distributed {
    node: Node,
    running: Running,
    answers: Arc<Answers>,
    listening: JoinHandle<()>,
    /// Removed when this is dropped.
    _folder: TempDir,
}

impl Distributed {
    pub(crate) async fn open(central: &Central, security: Security) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let network = network();
        let forwarder = SmtpForwarder::builder(central.address.to_string(), network.domain())
            .node(EDGE)
            .server_name(CENTRAL)
            .security(security)
            .ca_pem(central.pem.as_bytes())
            .max_connections(16)
            .build()
            .expect("a forwarder");
        let directory = network.directory();
        let node = Node::builder(EDGE.parse().expect("an address"), network, directory, folder.path())
            .forwarder(forwarder)
            .open()
            .await
            .expect("a distributed node");
        let answers: Arc<Answers> = Arc::default();
        let listening = tokio::spawn(Arc::clone(&answers).listen(node.events()));
        let running = Running::start(node.clone());
        Self { node, running, answers, listening, _folder: folder }
    }

    /// Sends `messages` messages, `concurrency` at a time; returns how long that took.
    pub(crate) async fn send(&self, messages: u64, concurrency: u64, wav: &Bytes) -> Duration {
        let start = Instant::now();
        let workers = (0..concurrency).map(|worker| {
            let share = share(messages, concurrency, worker);
            let (node, answers, wav) = (self.node.clone(), Arc::clone(&self.answers), wav.clone());
            tokio::spawn(async move {
                let site: SiteId = "edge".parse().expect("a site");
                for _ in 0..share {
                    let facts = CallFacts::to(next_mailbox());
                    let kept = node.deposit_wav(&site, facts, wav.clone()).await.expect("the message is kept");
                    answers.wait(kept.id).await;
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.expect("a worker ends");
        }
        start.elapsed()
    }

    pub(crate) async fn close(self) {
        drop(self.node);
        self.running.close().await;
        self.listening.await.expect("nobody else listens");
    }
}

/// The callers that wait for the reply to a message, and the replies that came before a caller waited.
#[derive(Default)]
struct Answers(Mutex<HashMap<MessageId, Option<oneshot::Sender<()>>>>);

impl Answers {
    async fn wait(&self, id: MessageId) {
        let (answer, answered) = oneshot::channel();
        let came_before = {
            let mut answers = self.0.lock().expect("no holder panics");
            let came_before = answers.remove(&id).is_some();
            if !came_before {
                answers.insert(id, Some(answer));
            }
            came_before
        };
        if !came_before {
            answered.await.expect("the answer comes");
        }
    }

    async fn listen(self: Arc<Self>, mut events: broadcast::Receiver<Occurrence>) {
        loop {
            match events.recv().await {
                Ok(Occurrence { event: Event::Forwarded { id, .. }, .. }) => {
                    let mut answers = self.0.lock().expect("no holder panics");
                    match answers.remove(&id) {
                        Some(waiting) => drop(waiting.map(|waiting| waiting.send(()))),
                        None => drop(answers.insert(id, None)),
                    }
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Closed) => return,
                Err(broadcast::error::RecvError::Lagged(missed)) => panic!("{missed} events were missed"),
            }
        }
    }
}
