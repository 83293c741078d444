//! [`NodeBuilder`]: the parts and settings of a node.

use std::error::Error;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;

#[cfg(doc)]
use super::Node;
use super::greetings::MakeMailOut;
use crate::arrival::ArrivalStep;
use crate::arrival::mail::{MailStep, OwnerRules};
use crate::clock::{Clock, SystemClock};
use crate::directory::{Directory, ListStore, PrivateLists};
use crate::disk::{Disk, OsDisk};
use crate::event::Events;
use crate::forward::{Forwarder, MailOut};
#[cfg(doc)]
use crate::greeting::GreetingFolder;
use crate::greeting::GreetingStore;
use crate::intake::tls_pem::server_config;
use crate::intake::{Limits, Listener, ListenerPolicy, TlsPemError};
use crate::jobs::JobStore;
use crate::message::MailAddress;
use crate::mwi::{LampLease, MwiSink};
use crate::network::{GraceRule, Network, NetworkObserver, NoGrace, NodeAddress};
#[cfg(doc)]
use crate::outbox::Outbox;
use crate::retry::RetryPolicy;
use crate::sent::SentStore;
use crate::smtp::{CustodyKey, CustodySecret, ReturnPaths};
use crate::store::MessageStore;

/// Builds a [`Node`]; returned by [`Node::builder`].
///
/// The parts that a node needs follow from its role in the network: a central node needs a store, a distributed node a forwarder. A node
/// whose role may change needs both.
#[derive(Debug)]
#[must_use]
pub struct NodeBuilder {
    pub(super) address: NodeAddress,
    pub(super) network: Arc<Network>,
    pub(super) spool: PathBuf,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) store: Option<Arc<dyn MessageStore>>,
    pub(super) forwarder: Option<Arc<dyn Forwarder>>,
    pub(super) greetings: Option<Arc<dyn GreetingStore>>,
    pub(super) sent: Option<Arc<dyn SentStore>>,
    pub(super) lists: Option<Arc<dyn ListStore>>,
    pub(super) sink: Option<Arc<dyn MwiSink>>,
    pub(super) lamp_lease: Option<Arc<dyn LampLease>>,
    pub(super) mail_out: Option<Arc<dyn MailOut>>,
    pub(super) jobs: Option<Arc<dyn JobStore>>,
    pub(super) steps: Vec<Arc<dyn ArrivalStep>>,
    pub(super) postmaster: Option<MailAddress>,
    /// The rules of owners, and the sender of the mails that warn them.
    pub(super) warned_by: Option<(OwnerRules, MailAddress)>,
    pub(super) return_paths: Option<ReturnPaths>,
    pub(super) custody_key: Option<CustodyKey>,
    pub(super) custody_secret: Option<CustodySecret>,
    pub(super) observers: Vec<Arc<dyn NetworkObserver>>,
    pub(super) grace: Arc<dyn GraceRule>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    pub(super) min_free_space: u64,
    pub(super) retry: RetryPolicy,
    pub(super) listeners: Vec<(Listener, ListenerPolicy)>,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) limits: Limits,
    pub(super) max_clock_skew: Duration,
    pub(super) max_lamp_updates_per_sec: NonZeroU32,
    pub(super) shutdown_timeout: Duration,
    pub(super) make_mail_out: Option<MakeMailOut>,
}

impl NodeBuilder {
    pub(super) fn new(address: NodeAddress, network: Arc<Network>, directory: Arc<dyn Directory>, spool: PathBuf) -> Self {
        let (disk, clock) = (Arc::new(OsDisk), Arc::new(SystemClock));
        let (store, forwarder, sink, mail_out) = (None, None, None, None);
        let events = Events::new();
        let (listeners, tls, limits) = (Vec::new(), None, Limits::default());
        let (observers, grace) = (Vec::new(), Arc::new(NoGrace));
        Self {
            address,
            network,
            spool,
            directory,
            disk,
            store,
            forwarder,
            greetings: None,
            sent: None,
            lists: None,
            sink,
            lamp_lease: None,
            mail_out,
            jobs: None,
            steps: Vec::new(),
            postmaster: None,
            warned_by: None,
            return_paths: None,
            custody_key: None,
            custody_secret: None,
            observers,
            grace,
            clock,
            events,
            min_free_space: MIN_FREE_SPACE,
            retry: RetryPolicy::default(),
            listeners,
            tls,
            limits,
            max_clock_skew: MAX_CLOCK_SKEW,
            max_lamp_updates_per_sec: MAX_LAMP_UPDATES_PER_SEC,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            make_mail_out: None,
        }
    }

    /// Sets the store of the mailboxes. A distributed node uses it only after it has become the central one.
    pub fn store(mut self, store: impl MessageStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets where greetings are kept; by default a [`GreetingFolder`] in the spool's folder `greetings`. Central nodes that share one store play
    /// each new greeting at once.
    pub fn greetings(mut self, store: impl GreetingStore) -> Self {
        self.greetings = Some(Arc::new(store));
        self
    }

    /// Adds the private lists in this store to the directory, as [`PrivateLists`] does, and has owners change their own on the telephone. Without it,
    /// the telephone does not offer this.
    pub fn private_lists(mut self, store: impl ListStore) -> Self {
        let store: Arc<dyn ListStore> = Arc::new(store);
        self.directory = Arc::new(PrivateLists::new(self.directory, Arc::clone(&store)));
        self.lists = Some(store);
        self
    }

    /// Sets where the messages are kept that owners have sent and requested receipts for, or to other voicemail systems, such as a
    /// [`SentFolder`](crate::sent::SentFolder). Without it, there is no list of them, and the telephone does not offer one; mails to other systems are
    /// then followed in the spool's folder `sent-mails`, so that owners get their receipts and failures.
    ///
    /// Central nodes that share [`jobs`](Self::jobs) send each other's mails, so they need one store here: an owner gets no failure of a mail that the node
    /// does not know.
    pub fn sent_messages(mut self, store: impl SentStore) -> Self {
        self.sent = Some(Arc::new(store));
        self
    }

    /// Sets the forwarder to the central node. The central node uses it only after it has become a distributed one.
    pub fn forwarder(mut self, forwarder: impl Forwarder) -> Self {
        self.forwarder = Some(Arc::new(forwarder));
        self
    }

    /// Sets the function that makes a [`MailOut`] by which the central node sends [greetings](Node::greet) to a distributed one. It gets
    /// the network in force and the address of the other node, and is called again when another network comes into force. Without it,
    /// greetings stay on the node where they were recorded. A distributed node uses it only after it has become the central one.
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
        self.make_mail_out = Some(MakeMailOut::new(make));
        self
    }

    /// Sets the sink that updates the lamps.
    pub fn sink(mut self, sink: impl MwiSink) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// Sets the lease that this node needs for the lamps of each PBX, where several central nodes use one store. Without it, this node updates all
    /// lamps, which is right for one central node.
    ///
    /// The node shows states by its [`sink`](Self::sink) only while it holds the lease of the mailbox's home PBX, and all states of a PBX whose lease it
    /// gains. Telephones that subscribe to a notifier of this node are served without a lease.
    pub fn lamp_lease(mut self, lease: impl LampLease) -> Self {
        self.lamp_lease = Some(Arc::new(lease));
        self
    }

    /// Limits how many lamps are updated a second after a restart, or when all lamps may have lost their state; 200 by default. Lamps
    /// that could not be updated before are tried again at the same rate, beside the others.
    ///
    /// All lamps are right after as many seconds as there are mailboxes divided by this limit: 100 000 mailboxes after 500 s. Mailboxes
    /// with new messages come first: their lamps are right after a fifth of that time, unless more than a fifth of the mailboxes have
    /// new messages. The lamp of a mailbox that changes is updated at once, and waits for no other.
    pub fn max_lamp_updates_per_sec(self, lamps: NonZeroU32) -> Self {
        Self { max_lamp_updates_per_sec: lamps, ..self }
    }

    /// Sets how e-mail is sent: receipts to senders who request them, copies to owners, and messages to other voicemail systems. An [`Outbox`] in the
    /// spool's folder `outbox` keeps each mail and tries to send it, for five days by default; the node's [`MailboxService`](Node::mailbox_service) puts it there.
    pub fn mail_out(mut self, out: impl MailOut) -> Self {
        self.mail_out = Some(Arc::new(out));
        self
    }

    /// Adds a step that the central node does for each message that is deposited in its store. May be called several times: for one message, the steps begin
    /// in this order. [`arrival`](crate::arrival) describes what is promised.
    pub fn on_arrival(mut self, step: impl ArrivalStep) -> Self {
        self.steps.push(Arc::new(step));
        self
    }

    /// Sends the owners of mailboxes the mails that `rules` want, by `out`: adds a [`MailStep`] with its usual settings, as
    /// [`on_arrival`](Self::on_arrival) does. The mails come from `voicemail@` and the domain of the network; this address must take mail.
    #[expect(clippy::missing_panics_doc, reason = "the domain of a network is a host name")]
    pub fn mail_owners(self, rules: OwnerRules, out: impl MailOut) -> Self {
        let from = format!("voicemail@{}", self.network.domain()).parse().expect("the domain of a network is a host name");
        let step = MailStep::builder(rules, out, from).node(self.address.as_str()).build();
        self.on_arrival(step)
    }

    /// Sends the owners of mailboxes a mail when their mailbox becomes nearly full, and when it becomes full, by [`mail_out`](Self::mail_out): to each
    /// address that their `rules` send copies or announcements to. The next mail comes after the mailbox had room again.
    /// [`Event::MailboxRoom`](crate::event::Event::MailboxRoom) reports the same, with and without this.
    ///
    /// They also get a mail before messages are removed because of their age, as many days before as the owner's
    /// [thresholds](crate::directory::WarningThresholds) say, and no second one within as many days:
    /// [`Event::MessagesExpire`](crate::event::Event::MessagesExpire). The mailboxes of the network are looked at every six hours. The mails come from `voicemail@` and the domain
    /// of the network.
    #[expect(clippy::missing_panics_doc, reason = "the domain of a network is a host name")]
    pub fn warn_owners(mut self, rules: OwnerRules) -> Self {
        let from = format!("voicemail@{}", self.network.domain()).parse().expect("the domain of a network is a host name");
        self.warned_by = Some((rules, from));
        self
    }

    /// Sets where the mails of the outbox and the steps that failed wait, instead of folders. Central nodes that share it send each other's mails, and do each
    /// other's steps, when one of them has died.
    pub fn jobs(mut self, jobs: impl JobStore) -> Self {
        self.jobs = Some(Arc::new(jobs));
        self
    }

    /// Forwards mail to this node's postmaster to `address`, by [`mail_out`](Self::mail_out). Without an address, or without `mail_out`,
    /// such mail is kept in the spool's folder `postmaster`, by a [`PostmasterFolder`](crate::intake::PostmasterFolder).
    pub fn postmaster(mut self, address: MailAddress) -> Self {
        self.postmaster = Some(address);
        self
    }

    /// Takes reports that come to return paths signed by `paths`, about messages that the node has sent, also those of owners to other voicemail systems;
    /// by default all reports are refused. The [`mail_out`](Self::mail_out) and the
    /// [forwarder](crate::forward::smtp::SmtpForwarderBuilder::return_paths) need the same keys, and
    /// [`IntakeBuilder::return_paths`](crate::intake::IntakeBuilder::return_paths) says what a listener must admit.
    pub fn return_paths(mut self, paths: ReturnPaths) -> Self {
        self.return_paths = Some(paths);
        self
    }

    /// Sets the key by which a node that is behind a relay knows the receipts of the central node. The
    /// [forwarder](crate::forward::smtp::SmtpForwarderBuilder::custody) needs the same key.
    pub fn custody_key(mut self, key: CustodyKey) -> Self {
        self.custody_key = Some(key);
        self
    }

    /// Sets the secret by which the central node proves its receipts to nodes behind a relay. It needs [`mail_out`](Self::mail_out), by which they go; the
    /// server there must know how to reach those nodes.
    pub fn custody_secret(mut self, secret: CustodySecret) -> Self {
        self.custody_secret = Some(secret);
        self
    }

    /// Adds an observer that gets each network that the node [adopts](Node::adopt): a part that was made from the network, such as a
    /// [`NetworkDirectory`](crate::network::NetworkDirectory), an [`MwiRouter`](crate::mwi::MwiRouter) or a
    /// [`CentralForwarder`](crate::network::CentralForwarder). May be called several times.
    pub fn observe_network(mut self, observer: impl NetworkObserver) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Sets how long licences count beyond their last day; [`NoGrace`] by default.
    pub fn grace(mut self, rule: impl GraceRule) -> Self {
        self.grace = Arc::new(rule);
        self
    }

    /// Sets the clock, which is [kept right](Clock::synchronize) while the node runs; the operating system's clock by default.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Adds a listener, a [`TcpListener`](tokio::net::TcpListener) or a [`SocketFile`](crate::intake::SocketFile), for mail from other nodes:
    /// messages at the central node, greetings at the others. Clients must pass its [`ListenerPolicy`]; a
    /// [`ListenMode`](crate::intake::ListenMode) alone admits clients on this machine only. May be called several times.
    pub fn listen(mut self, listener: impl Into<Listener>, policy: impl Into<ListenerPolicy>) -> Self {
        self.listeners.push((listener.into(), policy.into()));
        self
    }

    /// Sets the TLS configuration of the listeners; without it, the listeners offer no TLS.
    ///
    /// For a certificate alone, [`tls_pem`](Self::tls_pem) is easier; for client certificates or other rules, this is needed.
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Offers TLS on the listeners, with this certificate and its private key, both in PEM; as
    /// [`IntakeBuilder::tls_pem`](crate::intake::IntakeBuilder::tls_pem) does.
    ///
    /// # Errors
    ///
    /// A [`TlsPemError`] that says which of the two texts is wrong, and how to correct it. It contains nothing of the key.
    pub fn tls_pem(self, cert_chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsPemError> {
        Ok(self.tls(server_config(cert_chain_pem, key_pem)?))
    }

    /// Sets the limits of the listeners; [`Limits::default`] by default.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets where events are reported, so that a node and its forwarder can report to the same subscribers.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Sets how far the clock of another node may be off before that is reported as [`Event::ClockSkew`](crate::event::Event::ClockSkew);
    /// 5 seconds by default.
    pub fn max_clock_skew(self, limit: Duration) -> Self {
        Self { max_clock_skew: limit, ..self }
    }

    /// Sets how long a stop may take, even if peers do not answer; 8 seconds by default.
    ///
    /// Work that [`Node::run`] has not finished by then waits for the next start. A supervisor should wait a little longer before it kills
    /// the process. A tokio runtime that is dropped waits for its blocking threads, such as one that asks a dead name server: end it with
    /// `Runtime::shutdown_timeout`.
    pub fn shutdown_timeout(self, limit: Duration) -> Self {
        Self { shutdown_timeout: limit, ..self }
    }

    /// Sets the disk of the spool; the operating system's by default.
    pub fn disk(mut self, disk: impl Disk) -> Self {
        self.disk = Arc::new(disk);
        self
    }

    /// Sets how many bytes of the spool's disk stay free of new recordings; 64 MiB by default.
    pub fn min_free_space(mut self, bytes: u64) -> Self {
        self.min_free_space = bytes;
        self
    }

    /// Sets the waits before the node tries again what has failed: messages in the spool, mails in the outbox, greetings for other nodes,
    /// steps on arrival and lamps; [`RetryPolicy::default`] by default.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }
}

/// How far the clock of another node may be off.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5);
/// The rate limit for lamps of mailboxes that have not just changed.
const MAX_LAMP_UPDATES_PER_SEC: NonZeroU32 = NonZeroU32::new(200).expect("200 is not zero");
/// The bytes that stay free for recordings in progress, the store and other programs.
const MIN_FREE_SPACE: u64 = 64 * 1024 * 1024;
/// How long a stop may take.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);
