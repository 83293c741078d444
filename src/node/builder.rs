//! [`NodeBuilder`]: what a node is made of.

use std::error::Error;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use super::adopt::{Road, check_parts};
use super::changes::Changes;
use super::counter::Counter;
use super::greetings::{GreetingDesk, MakeWay};
use super::local::StoreForwarder;
use super::postmaster::postmaster;
use super::punctual::Punctual;
use super::standing::{Standing, destination};
use super::versions::Versions;
use super::watched::Watched;
use super::{Inner, Node, NodeError};
use crate::clock::{Clock, SystemClock};
use crate::directory::Directory;
use crate::disk::{Disk, OsDisk};
use crate::event::Events;
use crate::forward::{Forwarder, FullMailboxes, MailOut, RememberFull, TimeLimited};
use crate::greeting::{GreetingFolder, GreetingKeeper};
use crate::intake::{Intake, IntakeBuilder, Limits, ListenerPolicy};
use crate::lock::Lock;
use crate::message::MailAddress;
use crate::mwi::MwiSink;
use crate::network::{Admission, GraceRule, Network, NetworkObserver, NoGrace, NodeAddress};
use crate::outbox::Outbox;
use crate::record::Recorder;
use crate::retrieval::MailboxService;
use crate::spool::Spool;
use crate::store::MessageStore;

/// Puts a [`Node`] together; made by [`Node::builder`].
///
/// What a node needs follows from its roles in the network: a central one needs a store, a distributed one needs a forwarder. One that
/// may become the other needs both.
#[derive(Debug)]
#[must_use]
pub struct NodeBuilder {
    address: NodeAddress,
    network: Arc<Network>,
    spool: PathBuf,
    directory: Arc<dyn Directory>,
    disk: Arc<dyn Disk>,
    store: Option<Arc<dyn MessageStore>>,
    forwarder: Option<Arc<dyn Forwarder>>,
    sink: Option<Arc<dyn MwiSink>>,
    mail_out: Option<Arc<dyn MailOut>>,
    postmaster: Option<MailAddress>,
    followers: Vec<Arc<dyn NetworkObserver>>,
    grace: Arc<dyn GraceRule>,
    clock: Arc<dyn Clock>,
    events: Events,
    reserve: u64,
    listeners: Vec<(TcpListener, ListenerPolicy)>,
    tls: Option<Arc<ServerConfig>>,
    limits: Limits,
    clocks_within: Duration,
    lamps_a_second: NonZeroU32,
    stop_time: Duration,
    make_way: Option<MakeWay>,
}

impl NodeBuilder {
    pub(super) fn new(address: NodeAddress, network: Arc<Network>, directory: Arc<dyn Directory>, spool: PathBuf) -> Self {
        let (disk, clock) = (Arc::new(OsDisk), Arc::new(SystemClock));
        let (store, forwarder, sink, mail_out) = (None, None, None, None);
        let (events, reserve) = (Events::new(), RESERVE);
        let (listeners, tls, limits) = (Vec::new(), None, Limits::default());
        let (followers, grace) = (Vec::new(), Arc::new(NoGrace));
        Self {
            address,
            network,
            spool,
            directory,
            disk,
            store,
            forwarder,
            sink,
            mail_out,
            postmaster: None,
            followers,
            grace,
            clock,
            events,
            reserve,
            listeners,
            tls,
            limits,
            clocks_within: CLOCKS_WITHIN,
            lamps_a_second: LAMPS_A_SECOND,
            stop_time: STOP_TIME,
            make_way: None,
        }
    }

    /// Keeps this node's mailboxes. A distributed node has a use for it only if it is to become the central one.
    pub fn store(mut self, store: impl MessageStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Hands messages to the central node. The central one has a use for it only if it is to become a distributed one.
    pub fn forwarder(mut self, forwarder: impl Forwarder) -> Self {
        self.forwarder = Some(Arc::new(forwarder));
        self
    }

    /// Makes the way by which the central node brings [greetings](Node::greet) to a distributed one: `make` is given the network in force
    /// and the other node's address. It is asked again when another network is in force. Without it, greetings stay at the node that
    /// they were recorded at; a distributed node has a use for it only if it is to become the central one.
    ///
    /// ```no_run
    /// # fn with(node: voicemail::node::NodeBuilder, pem: &'static [u8]) -> voicemail::node::NodeBuilder {
    /// use voicemail::forward::SmtpForwarder;
    ///
    /// node.greeting_forwarder(move |network, node| {
    ///     let forwarder = SmtpForwarder::builder(format!("{node}:25"), network.domain());
    ///     forwarder.node(network.central_node().as_str()).ca_pem(pem).build()
    /// })
    /// # }
    /// ```
    pub fn greeting_forwarder<W: MailOut, E: Into<Box<dyn Error + Send + Sync>>>(
        mut self,
        make: impl Fn(&Network, &NodeAddress) -> Result<W, E> + Send + Sync + 'static,
    ) -> Self {
        self.make_way = Some(MakeWay::new(make));
        self
    }

    /// Shows lamps.
    pub fn sink(mut self, sink: impl MwiSink) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// How many lamps are told a second after a restart, or when all may have lost what they were shown; 200 without it. As many
    /// again may be told that could not be told before.
    ///
    /// Every lamp is right after so many seconds as there are mailboxes divided by this: 100 000 after 500 s. Those with new messages
    /// come first, and are right in a fifth of the time unless more than a fifth of the mailboxes have some. A mailbox that changes
    /// is told at once, whatever else waits.
    pub fn lamps_a_second(self, lamps: NonZeroU32) -> Self {
        Self { lamps_a_second: lamps, ..self }
    }

    /// Sends e-mail: receipts to senders who ask for them, and copies for owners. What is to be sent is kept in the spool's folder
    /// `outbox` and tried for five days, as an [`Outbox`] does it; the node's [`mailbox_service`](Node::mailbox_service) puts it there.
    pub fn mail_out(mut self, out: impl MailOut) -> Self {
        self.mail_out = Some(Arc::new(out));
        self
    }

    /// Sends mail to this node's postmaster on to `address`, by way of [`mail_out`](Self::mail_out). Without an address, or without a way to
    /// send mail, it is kept in the spool's folder `postmaster`, as a [`PostmasterFolder`](crate::intake::PostmasterFolder) does it.
    pub fn postmaster(mut self, address: MailAddress) -> Self {
        self.postmaster = Some(address);
        self
    }

    /// Goes on in each network that the node [adopts](Node::adopt): what was set up by the network, such as a
    /// [`NetworkDirectory`](crate::network::NetworkDirectory), an [`MwiRouter`](crate::mwi::MwiRouter) or a
    /// [`CentralForwarder`](crate::network::CentralForwarder). May be given several times.
    pub fn follow(mut self, follower: impl NetworkObserver) -> Self {
        self.followers.push(Arc::new(follower));
        self
    }

    /// Lets licences count beyond their last day as `rule` says; without it, [`NoGrace`] is in force.
    pub fn grace(mut self, rule: impl GraceRule) -> Self {
        self.grace = Arc::new(rule);
        self
    }

    /// Tells the time, and is [kept right](Clock::keep) as long as the node runs; without it, the operating system tells it.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Takes in, on this listener, what other nodes send: messages at the central node, greetings at the others. They must pass its
    /// [`ListenerPolicy`]; a [`ListenMode`](crate::intake::ListenMode) alone is one for this machine only. May be given several times.
    pub fn listen(mut self, listener: TcpListener, policy: impl Into<ListenerPolicy>) -> Self {
        self.listeners.push((listener, policy.into()));
        self
    }

    /// The certificate and key that listeners speak TLS with; without it they speak plain text only.
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// What senders may ask of the listeners; without it, safe limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where to tell what happens: to the same listeners as the forwarder, say.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// How far the clock of another node may be off before it is told, as [`Event::ClockSkew`](crate::event::Event::ClockSkew); 5
    /// seconds without it.
    pub fn clocks_within(self, limit: Duration) -> Self {
        Self { clocks_within: limit, ..self }
    }

    /// How long a stop may take, whatever peers do; 8 seconds without it.
    ///
    /// What [`Node::run`] has not finished by then waits for the next start. A supervisor should wait a little longer before it kills the
    /// process. A tokio runtime that is dropped waits for its blocking threads, such as one that asks a dead name server: end it with
    /// `Runtime::shutdown_timeout`.
    pub fn stop_time(self, limit: Duration) -> Self {
        Self { stop_time: limit, ..self }
    }

    /// The disk that the spool is on; without it, the operating system's.
    pub fn disk(mut self, disk: impl Disk) -> Self {
        self.disk = Arc::new(disk);
        self
    }

    /// How many bytes of the spool's disk no new recording may claim; 64 MiB without it.
    pub fn reserve(mut self, bytes: u64) -> Self {
        self.reserve = bytes;
        self
    }

    /// Opens the spool, takes up what a crash left behind, and answers with the node.
    ///
    /// # Errors
    ///
    /// [`NodeError::NotInNetwork`], [`NodeError::NoStore`] and [`NodeError::NoForwarder`] say that network and parts do not fit;
    /// [`NodeError::Spool`], [`NodeError::Greetings`] and [`NodeError::Recover`] that the spool's disk does not do its part.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has opened nothing; what it took up is taken up by the next.
    pub async fn open(self) -> Result<Node, NodeError> {
        check_parts(&self.address, &self.network, self.store.is_some(), self.forwarder.is_some())?;
        let standing = Arc::new(Standing::new(self.address, Arc::clone(&self.network)));
        let destination = destination(standing.address(), &self.network);
        let changes = Arc::new(Changes::default());
        let watch = |store| {
            let punctual = Punctual::new(store, Arc::clone(&self.clock), self.events.clone(), self.clocks_within);
            let (changes, standing) = (Arc::clone(&changes), Arc::clone(&standing));
            Arc::new(Watched::new(Arc::new(punctual), changes, standing, self.events.clone())) as Arc<dyn MessageStore>
        };
        let store = self.store.map(watch);
        let counter = match &store {
            Some(store) => {
                let versions = Arc::new(Versions::new(Arc::clone(&self.disk), self.spool.clone()));
                versions.recall().await;
                Some(Counter::new(Arc::clone(store), Arc::clone(&self.clock), versions))
            }
            None => None,
        };
        let [folder, outbox, in_folder] = [GREETINGS, "outbox", "postmaster"].map(|folder| self.spool.join(folder));
        let root = self.spool.clone();
        let spool = Spool::open(Arc::clone(&self.disk), self.spool, Arc::clone(&self.clock), self.events.clone()).await?;
        let outbox = match self.mail_out {
            Some(out) => Some(open_outbox(&self.disk, outbox, out, &self.clock, &self.events).await?),
            None => None,
        };
        let admission = Arc::new(Admission::of_node(standing.address().clone(), &self.network).grace(self.grace));
        let mailbox_service = store.clone().map(|store| {
            let service = MailboxService::builder(self.network.domain(), store, Arc::clone(&self.directory))
                .node(standing.address().as_str())
                .clock(Arc::clone(&self.clock));
            outbox.iter().fold(service, |service, outbox| service.mail(outbox.clone(), Arc::clone(&admission))).build()
        });
        let operator = self.postmaster.zip(outbox.clone());
        let postmaster = postmaster(standing.address(), operator, &self.disk, in_folder, &self.clock);
        // The spool is this process's alone by now, and so is the folder in it.
        let greetings = Arc::new(GreetingDesk::new(
            GreetingFolder::open(self.disk, folder).await.map_err(NodeError::Greetings)?,
            Arc::clone(&standing),
            Arc::clone(&self.directory),
            Arc::clone(&self.clock),
            self.events.clone(),
            self.make_way,
        ));
        let keeper = Arc::clone(&greetings) as Arc<dyn GreetingKeeper>;
        let intake = match store.clone() {
            Some(store) => Intake::builder(self.network.domain(), store, Arc::clone(&self.directory)).greetings(keeper),
            None => Intake::of_greetings(self.network.domain(), keeper),
        };
        let intake = intake.node(standing.address().as_str()).limits(self.limits).postmaster_by(postmaster);
        let intake = intake.clock(Arc::clone(&self.clock)).events(self.events.clone()).deposits_reported_by_store();
        let intake = self.tls.into_iter().fold(intake, IntakeBuilder::tls).build();
        // The central node may have been another one when what waits was recorded.
        spool.set_destination(destination);
        spool.redirect().await?;
        let full = Arc::new(FullMailboxes::default());
        let (recorder, jobs) = Recorder::new(
            spool.clone(),
            store.clone(),
            Arc::clone(&full),
            Arc::clone(&self.directory),
            Arc::clone(&self.clock),
            self.events.clone(),
            self.reserve,
        );
        recorder.recover().await.map_err(|source| NodeError::Recover { spool: root, source })?;
        Ok(Node {
            inner: Arc::new(Inner {
                admission,
                mailbox_service,
                outbox,
                road: watch::Sender::new(Road::to(destination)),
                adopting: Lock::default(),
                standing,
                followers: self.followers,
                local: store.clone().map(|store| TimeLimited::new(StoreForwarder::new(store), STORE_TIME)),
                store,
                forwarder: self.forwarder.map(|forwarder| Arc::new(RememberFull::new(forwarder, full)) as _),
                sink: self.sink,
                clock: self.clock,
                events: self.events,
                spool,
                recorder,
                jobs: Lock::new(Some(jobs)),
                intake,
                greetings,
                listeners: Lock::new(self.listeners),
                changes,
                counter,
                lamps_a_second: self.lamps_a_second,
                stop_time: self.stop_time,
            }),
        })
    }
}

async fn open_outbox(
    disk: &Arc<dyn Disk>,
    folder: PathBuf,
    out: Arc<dyn MailOut>,
    clock: &Arc<dyn Clock>,
    events: &Events,
) -> Result<Outbox, NodeError> {
    let opened = Outbox::open(Arc::clone(disk), folder.clone(), out, Arc::clone(clock), events.clone()).await;
    opened.map_err(|source| NodeError::Outbox { folder, source })
}

/// The folder of greetings, in the spool's.
const GREETINGS: &str = "greetings";
/// How far the clock of another node may be off.
const CLOCKS_WITHIN: Duration = Duration::from_secs(5);
/// How many lamps are told a second that have not just changed.
const LAMPS_A_SECOND: NonZeroU32 = NonZeroU32::new(200).expect("200 is not zero");
/// What a disk keeps free for the recordings under way, the store and everybody else.
const RESERVE: u64 = 64 * 1024 * 1024;
/// How long a stop may take.
const STOP_TIME: Duration = Duration::from_secs(8);
/// How long this node's own store may take for what waits for it; then it is tried again.
const STORE_TIME: Duration = Duration::from_secs(60);
