//! The SMTP receiver [`Intake`]: it answers 250 after a message is stored in its mailboxes, and not before.
//!
//! It accepts messages for the mailboxes of its own domain and relays nothing. The state machine [`smtp::server`](crate::smtp::server)
//! decides the conversation; a session around it reads, writes and waits.

mod connection_slots;
mod context;
mod deposit;
mod greetings;
mod listener;
mod logins;
mod lookup;
mod postmaster;
mod replies;
mod session;
mod staging;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, rustls};

use self::connection_slots::{ConnectionSlots, SlotPermit, within_descriptors};
use self::context::{IntakeContext, Mailboxes};
pub use self::listener::{ListenMode, ListenerPolicy};
use self::listener::{accept, report, turn_away};
use self::logins::LoginAttempts;
pub(crate) use self::postmaster::Postmaster;
#[cfg(feature = "fs")]
pub use self::postmaster::PostmasterFolder;
use self::session::{AcceptedConnection, StopPhase};
use crate::clock::{Clock, SystemClock};
use crate::descriptors::descriptor_limit;
use crate::directory::Directory;
use crate::event::Events;
use crate::greeting::GreetingKeeper;
use crate::lock::Lock;
use crate::message::MessageId;
use crate::retry::now;
pub use crate::smtp::server::{
    Access, Cidr, InvalidCidr, InvalidPassword, InvalidPeerName, InvalidStoredPassword, KnownPeer, Limits, PeerName, Reply,
    Sites, StoredPassword,
};
use crate::smtp::server::{Dialogue, Policy, reply};
use crate::store::MessageStore;

/// Receives mail by SMTP and stores it in mailboxes. Clones are handles of the same intake, and share its limits.
///
/// - **Kept.** 250 at the end of a message means that the store has it for every recipient. SMTP has one reply for all of them:
///   if one failed transiently, it is 4xx, and the mailboxes that have the message recognise it when it comes again; if all failures
///   are final, it is 5xx. A message that arrived before counts as kept.
/// - **Refused, not dropped.** An unknown mailbox is 550 5.1.1, another domain 550 5.7.1, a full mailbox 452 4.2.2, a full disk
///   452 4.3.1, too big 552 5.3.4, a failing directory or store 451 4.3.0, unreadable audio 554 5.6.1. If the store can
///   [predict](MessageStore::check) a failure from the size that MAIL announced, RCPT is refused, before the audio is sent; other failures
///   are reported at the end of the message.
/// - **Delivery reports.** This node sends from `voicemail` at its host name and reads no mail there: delivery reports are refused with
///   550 5.7.1 and an [`Event::ReportRefused`](crate::event::Event::ReportRefused). At RCPT it is not known which message a report is about.
/// - **No relay.** Other domains, address literals and source routes are refused, and a `%` in an address routes nowhere.
/// - **Bounded.** [`Limits`] bound the resources of each peer and of all together, and so does the number of files that the process may have
///   open. At the limit of connections, in total or of one address, a new client replaces the one that has been unproductive the longest.
/// - **Known peers.** The [`Access`] of each listener says which clients may deliver: by default, only clients on this host. A peer that has
///   authenticated may deliver for its own sites only; other sites are refused with 550 5.7.1.
///
/// # Examples
///
/// ```no_run
/// # async fn run(store: std::sync::Arc<dyn voicemail::store::MessageStore>,
/// #     directory: std::sync::Arc<dyn voicemail::directory::Directory>) -> std::io::Result<()> {
/// use voicemail::intake::{Access, ListenerPolicy, Intake, ListenMode};
///
/// let intake = Intake::builder("vm.example", store, directory).node("vm1.example").build();
/// let listener = tokio::net::TcpListener::bind("[::]:25").await?;
/// let policy = ListenerPolicy::new(ListenMode::StartTls, Access::anyone_on(["10.1.0.0/16".parse().expect("a network")]));
/// intake.serve(listener, policy, std::future::pending()).await
/// # }
/// ```
///
/// # Source
///
/// RFC 5321; [`Dialogue`] lists the extensions.
#[derive(Clone)]
pub struct Intake {
    context: Arc<IntakeContext>,
}

impl Intake {
    /// Starts building an intake for the mailboxes of `domain` that `directory` knows; it stores messages in `store`.
    pub fn builder(domain: impl Into<String>, store: impl MessageStore, directory: impl Directory) -> IntakeBuilder {
        let (store, directory) = (Arc::new(store), Arc::new(directory));
        IntakeBuilder::new(domain.into(), Some(Mailboxes { store, directory }))
    }

    /// Serves all clients that connect to `listener` and may deliver by its `policy`, until `stop`.
    ///
    /// After `stop` no connection is accepted, idle connections get 421 4.3.2, and messages under way are finished. Shortly before
    /// [`Limits::shutdown_timeout`] is over, messages that have not arrived completely get 421 4.3.2 too; then this returns, whatever the
    /// peers do. The connections live inside this future, on the runtime's threads; none outlives it. If no file descriptor is free for a
    /// new connection, an unproductive one is closed.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for [`ListenMode::ImplicitTls`] without a certificate. Nothing else ends it.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes all connections. A message whose reply was not sent yet may be stored or not; its sender tries again, and it is
    /// stored once.
    pub async fn serve(
        &self,
        listener: TcpListener,
        policy: impl Into<ListenerPolicy>,
        stop: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let ListenerPolicy { mode, access } = policy.into();
        self.check(mode)?;
        let policy = self.policy_for(access);
        let (phase, stopping) = watch::channel(StopPhase::Running);
        let mut sessions = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = sessions.join_next() => report(ended),
                (stream, address) = accept(|| listener.accept(), || self.context.slots.free_a_slot(now())) => {
                    if !policy.access.admits(Some(address.ip())) {
                        turn_away(stream, mode, &reply::NOT_FROM_THERE);
                    } else if let Some(permit) = self.context.slots.enter(Some(address.ip()), now()) {
                        let accepted = AcceptedConnection { policy: Arc::clone(&policy), address: Some(address.ip()), mode };
                        sessions.spawn(self.clone().run_tcp(stream, accepted, permit, stopping.clone()));
                    } else {
                        turn_away(stream, mode, &reply::CROWDED);
                    }
                }
            }
        }
        drop(listener);
        let all_done = async {
            while let Some(ended) = sessions.join_next().await {
                report(ended);
            }
        };
        if self.stop(&phase, all_done).await.is_none() {
            tracing::warn!(sessions = sessions.len(), "sessions were cut off at the stop");
            sessions.shutdown().await;
        }
        Ok(())
    }

    /// Serves one connection over any stream, until it ends or for a limited time after `stop`. The client counts as connected from
    /// `address`, or from this host if there is none; the `policy` decides what it may deliver.
    ///
    /// # Errors
    ///
    /// The error of the stream, [`TimedOut`](io::ErrorKind::TimedOut) when it took longer than [`Limits::shutdown_timeout`] to stop, and
    /// [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) when there are too many connections. No message is lost because of any of them.
    ///
    /// # Cancel safety
    ///
    /// As for [`serve`](Self::serve).
    pub async fn serve_stream<S>(
        &self,
        stream: S,
        address: Option<IpAddr>,
        policy: impl Into<ListenerPolicy>,
        stop: impl Future<Output = ()> + Send,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let ListenerPolicy { mode, access } = policy.into();
        self.check(mode)?;
        let accepted = AcceptedConnection { policy: self.policy_for(access), address, mode };
        let permit = self.context.slots.enter(address, now()).ok_or(io::ErrorKind::QuotaExceeded)?;
        let (phase, stopping) = watch::channel(StopPhase::Running);
        let mut session = pin!(session::run(&self.context, stream, accepted, permit, stopping));
        tokio::select! {
            biased;
            ended = &mut session => return ended,
            () = stop => {}
        }
        self.stop(&phase, session).await.ok_or(io::ErrorKind::TimedOut)?
    }

    /// Asks sessions to finish, then cuts them off; returns the result of `all_done` if it ends in time.
    async fn stop<T>(&self, phase: &watch::Sender<StopPhase>, all_done: impl Future<Output = T>) -> Option<T> {
        let time = self.context.policy.limits.shutdown_timeout;
        let for_last_replies = LAST_REPLIES.min(time / 4);
        let mut all_done = pin!(all_done);
        phase.send_replace(StopPhase::Finishing);
        if let Ok(done) = timeout(time.saturating_sub(for_last_replies), &mut all_done).await {
            return Some(done);
        }
        phase.send_replace(StopPhase::Cutting);
        timeout(for_last_replies, all_done).await.ok()
    }

    async fn run_tcp(
        self,
        stream: TcpStream,
        accepted: AcceptedConnection,
        permit: SlotPermit,
        stopping: watch::Receiver<StopPhase>,
    ) -> io::Result<()> {
        // Replies are short, and the client waits for them: Nagle's algorithm would delay each by 40 ms.
        stream.set_nodelay(true)?;
        session::run(&self.context, stream, accepted, permit, stopping).await
    }

    /// Returns the policy of this intake for clients with this `access`.
    fn policy_for(&self, access: Access) -> Arc<Policy> {
        Arc::new(Policy { access, ..Policy::clone(&self.context.policy) })
    }

    fn check(&self, mode: ListenMode) -> io::Result<()> {
        match mode {
            ListenMode::ImplicitTls if self.context.tls.is_none() => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "implicit TLS needs a certificate"))
            }
            ListenMode::StartTls | ListenMode::ImplicitTls => Ok(()),
        }
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("policy", &self.context.policy).finish_non_exhaustive()
    }
}

/// Builds an [`Intake`]; made by [`Intake::builder`].
#[derive(Debug)]
#[must_use]
pub struct IntakeBuilder {
    domain: String,
    mailboxes: Option<Mailboxes>,
    keeper: Option<Arc<dyn GreetingKeeper>>,
    node: Option<String>,
    postmaster: Option<Arc<dyn Postmaster>>,
    tls: Option<Arc<rustls::ServerConfig>>,
    offers_binary: bool,
    limits: Limits,
    events: Events,
    deposit_reporter: DepositReporter,
    clock: Arc<dyn Clock>,
}

/// The part that reports deposits as events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DepositReporter {
    Intake,
    #[cfg(feature = "node")]
    Store,
}

impl IntakeBuilder {
    fn new(domain: String, mailboxes: Option<Mailboxes>) -> Self {
        Self {
            domain,
            mailboxes,
            keeper: None,
            node: None,
            postmaster: None,
            tls: None,
            offers_binary: false,
            limits: Limits::default(),
            events: Events::new(),
            deposit_reporter: DepositReporter::Intake,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the host name of the node, for its greeting and its `Received` lines; the domain by default.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// Keeps mail to the postmaster, of any form, in `folder`: `<postmaster>`, and `postmaster` at the domain or at the node. Without a
    /// folder such mail is refused, and the reply says why.
    ///
    /// 250 means that the mail is on stable storage; [`Event::PostmasterMail`](crate::event::Event::PostmasterMail) names its file.
    ///
    /// # Source
    ///
    /// RFC 5321 §4.5.1 requires every receiver to have a postmaster.
    #[cfg(feature = "fs")]
    pub fn postmaster(self, folder: PostmasterFolder) -> Self {
        self.postmaster_by(Arc::new(folder))
    }

    /// Hands mail for the postmaster to this part.
    #[cfg(feature = "fs")]
    pub(crate) fn postmaster_by(mut self, postmaster: Arc<dyn Postmaster>) -> Self {
        self.postmaster = Some(postmaster);
        self
    }

    /// Sets the TLS configuration, with the certificate of the node; without it, TLS is not offered.
    ///
    /// For a certificate alone, [`tls_pem`](Self::tls_pem) is easier; for client certificates or other rules, this is needed.
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Accepts binary bodies too (BINARYMIME), which are a quarter smaller on the wire.
    ///
    /// Mail is stored as it came, so this is for stores whose readers all accept binary mail. The Maildirs of
    /// [`MaildirStore`](crate::store::MaildirStore) are no such store: an IMAP server changes line ends in the mails that it reads there.
    ///
    /// # Source
    ///
    /// RFC 3030 §3.
    pub fn binary_bodies(mut self) -> Self {
        self.offers_binary = true;
        self
    }

    /// Sets the limits on the resources of peers; [`Limits::default`] by default.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets where events are reported, such as [`Event::Stored`](crate::event::Event::Stored) and
    /// [`Event::Duplicate`](crate::event::Event::Duplicate).
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// The store reports each deposit itself.
    #[cfg(feature = "node")]
    pub(crate) fn deposits_reported_by_store(self) -> Self {
        Self { deposit_reporter: DepositReporter::Store, ..self }
    }

    /// Sets the clock for the dates of `Received` lines; the operating system's by default.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds the intake. In its host names, each character that no host name has becomes a hyphen.
    pub fn build(self) -> Intake {
        let limits = self.limits.bounded();
        let files = descriptor_limit();
        let (connections, of_one_address) = within_descriptors(limits.connections, limits.connections_per_address, files);
        if connections < limits.connections {
            tracing::info!(
                connections,
                files,
                "fewer connections than configured are allowed, because the process may not open enough files"
            );
        }
        let domain = host_name(&self.domain);
        let context = IntakeContext {
            attempts: Lock::new(LoginAttempts::new(limits.failed_logins, limits.failed_login_time)),
            checks: Semaphore::new(CHECKS_AT_ONCE),
            readers: Semaphore::new(READERS_AT_ONCE),
            slots: Arc::new(ConnectionSlots::new(connections, of_one_address, now())),
            memory: Arc::new(Semaphore::new((limits.bodies_in_flight / Dialogue::MEMORY_STEP).clamp(1, Semaphore::MAX_PERMITS))),
            policy: Arc::new(Policy {
                node: self.node.as_deref().map_or_else(|| domain.clone(), host_name),
                domain,
                has_postmaster: self.postmaster.is_some(),
                offers_tls: self.tls.is_some(),
                offers_binary: self.offers_binary,
                limits,
                access: Access::default(),
            }),
            mailboxes: self.mailboxes,
            keeper: self.keeper,
            postmaster: self.postmaster,
            clock: self.clock,
            deposits: (self.deposit_reporter == DepositReporter::Intake).then(|| self.events.clone()),
            events: self.events,
            tls: self.tls.map(TlsAcceptor::from),
            sessions: AtomicU64::new(random_number()),
        };
        Intake { context: Arc::new(context) }
    }
}

fn host_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_[]:".contains(c) { c } else { '-' }).collect()
}

/// Returns a random first session number, so that two runs of a node do not use the same numbers.
fn random_number() -> u64 {
    MessageId::random().as_bytes().iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The part of the shutdown timeout that is reserved for the last replies.
const LAST_REPLIES: Duration = Duration::from_secs(1);

/// How many passwords are checked at the same time: a flood of logins uses no more threads than this.
const CHECKS_AT_ONCE: usize = 2;

/// How many long messages are parsed at the same time: each uses up to 2 MiB and one processor.
const READERS_AT_ONCE: usize = 8;
