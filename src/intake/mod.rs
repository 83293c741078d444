//! The receiver [`Intake`] of SMTP and LMTP: it answers 250 after a message is stored in its mailboxes, and not before.
//!
//! It accepts messages for the mailboxes of its domain and relays nothing. The state machine [`smtp::server`](crate::smtp::server)
//! decides the conversation; a session around it reads, writes and waits.

mod builder;
mod connection_slots;
mod context;
#[cfg(feature = "node")]
mod custody;
mod deposit;
mod greetings;
mod listener;
mod login_attempts;
mod logins;
mod lookup;
mod postmaster;
mod read_ahead;
#[cfg(feature = "node")]
mod receipts;
mod replies;
mod report_handler;
mod reports;
mod session;
mod socket_file;
mod staging;
#[cfg(test)]
mod tests;
pub(crate) mod tls_pem;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use self::builder::IntakeBuilder;
use self::connection_slots::SlotPermit;
use self::context::{IntakeContext, Mailboxes};
use self::listener::{Connection, accept, report};
pub use self::listener::{ListenMode, Listener, ListenerPolicy};
#[cfg(feature = "node")]
pub(crate) use self::postmaster::Postmaster;
#[cfg(feature = "fs")]
pub use self::postmaster::PostmasterFolder;
#[cfg(feature = "node")]
pub(crate) use self::report_handler::{ReportHandler, ReturnedMail};
use self::session::{AcceptedConnection, StopPhase};
pub use self::socket_file::SocketFile;
pub use self::tls_pem::TlsPemError;
use crate::directory::Directory;
use crate::retry::now;
pub use crate::smtp::Reply;
#[cfg(doc)]
use crate::smtp::server::Dialogue;
pub use crate::smtp::server::{
    Access, Cidr, InvalidCidr, InvalidPassword, InvalidPeerName, InvalidStoredPassword, KnownPeer, Limits, PeerName, Sites,
    StoredPassword,
};
use crate::smtp::server::{Policy, Protocol, replies as smtp_replies};
use crate::store::MessageStore;

/// Receives mail by SMTP or [LMTP](ListenerPolicy::lmtp) and stores it in mailboxes. Clones are handles of the same intake, and share its limits.
///
/// - **Kept.** 250 at the end of a message means that the store has it for every recipient. SMTP has one reply for all of them:
///   if one failed transiently, it is 4xx, and the mailboxes that have the message recognise it when it comes again; if all failures
///   are final, it is 5xx. LMTP has one reply for each, about its mailbox alone. A message that arrived before counts as kept.
/// - **Refused, not dropped.** An unknown mailbox is 550 5.1.1, another domain 550 5.7.1, a full mailbox 452 4.2.2, a full disk
///   452 4.3.1, too big 552 5.3.4, a failing directory or store 451 4.3.0, unreadable audio 554 5.6.1. If the store can
///   [predict](MessageStore::check) a failure from the size that MAIL announced, RCPT is refused, before the audio is sent; other failures
///   are reported at the end of the message.
/// - **Delivery reports.** This node sends from `voicemail` at its host name and reads no mail there: delivery reports are refused with
///   550 5.7.1 and an [`Event::ReportRefused`](crate::event::Event::ReportRefused). Reports to a [return path](IntakeBuilder::return_paths) that this
///   node has signed are received, because it is known at RCPT which message they are about.
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

    /// Serves all clients that connect to `listener`, a [`TcpListener`](tokio::net::TcpListener) or a [`SocketFile`], and may deliver by its
    /// `policy`, until `stop`.
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
        listener: impl Into<Listener>,
        policy: impl Into<ListenerPolicy>,
        stop: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let (listener, ListenerPolicy { mode, access, protocol }) = (listener.into(), policy.into());
        self.check(mode)?;
        let policy = self.policy_for(access, protocol);
        let (phase, stopping) = watch::channel(StopPhase::Running);
        let mut sessions = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = sessions.join_next() => report(ended),
                (connection, address) = accept(|| listener.accept(), || self.context.slots.free_a_slot(now())) => {
                    if !policy.access.admits(address) {
                        connection.turn_away(mode, &smtp_replies::NOT_FROM_THERE);
                    } else if let Some(permit) = self.context.slots.enter(address, now()) {
                        let accepted = AcceptedConnection { policy: Arc::clone(&policy), address, mode };
                        sessions.spawn(self.clone().run(connection, accepted, permit, stopping.clone()));
                    } else {
                        connection.turn_away(mode, &smtp_replies::CROWDED);
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
        let ListenerPolicy { mode, access, protocol } = policy.into();
        self.check(mode)?;
        let accepted = AcceptedConnection { policy: self.policy_for(access, protocol), address, mode };
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

    async fn run(
        self,
        connection: Connection,
        accepted: AcceptedConnection,
        permit: SlotPermit,
        stopping: watch::Receiver<StopPhase>,
    ) -> io::Result<()> {
        match connection {
            Connection::Tcp(stream) => {
                // Replies are short, and the client waits for them: Nagle's algorithm would delay each by 40 ms.
                stream.set_nodelay(true)?;
                session::run(&self.context, stream, accepted, permit, stopping).await
            }
            Connection::Unix(stream) => session::run(&self.context, stream, accepted, permit, stopping).await,
        }
    }

    /// Returns the policy of this intake for clients with this `access` that speak this protocol.
    fn policy_for(&self, access: Access, protocol: Protocol) -> Arc<Policy> {
        Arc::new(Policy { protocol, access, ..Policy::clone(&self.context.policy) })
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

/// The part of the shutdown timeout that is reserved for the last replies.
const LAST_REPLIES: Duration = Duration::from_secs(1);
