//! [`SipSink`]: tells a PBX or a telephone that did not ask.

mod builder;
mod error;
mod notify;
mod peer;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

pub use self::builder::SipSinkBuilder;
use self::error::NotifyError;
use self::notify::{UnsolicitedNotify, random_id};
use self::peer::{Peer, Peers};
use super::digest::DigestCredentials;
use super::locate::{LocateOptions, Resolve, locate};
use super::transport::{Channel, Connect, Destination};
use super::{MessageSummary, SipTargets, SipUri, Transport};
use crate::message::MailboxId;
use crate::mwi::{MwiError, MwiSink, MwiState};

/// Shows each state by a NOTIFY that nobody subscribed to, as PBXs and many telephones take it.
///
/// [`show`](MwiSink::show) answers when the peer has said 200. A peer that asks for a password gets it by digest, once. One that is
/// silent, gone, or answers 503 gives way to its next address, and is tried last for a while. 404 is
/// [`NoSuchMailbox`](MwiError::NoSuchMailbox); what is refused for good, as by 481 or 489, is [`Refused`](MwiError::Refused).
///
/// For each mailbox there is one NOTIFY at a time, and none with an older state than one before. To each address, so many are under way
/// at once. Connections are kept and used again. What would be too long for a datagram goes over TCP. A `sips:` target, or one with
/// `transport=tls`, is reached over TLS alone (feature `sip-tls`).
///
/// ```
/// use voicemail::sip::{SipSink, SipTargets, digest::DigestCredentials};
///
/// let sink = SipSink::builder("sip:voicemail@vm.example".parse()?, SipTargets::template("sip:{mailbox}@pbx.example")?)
///     .addresses(["10.1.1.5:5060", "10.1.1.6:5060"])
///     .credentials(DigestCredentials::new("voicemail", "correct horse battery staple"))
///     .build();
/// # drop(sink);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// RFC 3842; RFC 3261 §17.1.2 (retransmission), §18.1.1 (length), §22 (digest); RFC 3263 (servers; NAPTR and SRV with feature
/// `sip-dns`).
#[derive(Debug)]
pub struct SipSink {
    from: SipUri,
    targets: SipTargets,
    addresses: Vec<String>,
    transport: Option<Transport>,
    credentials: Option<DigestCredentials>,
    server_name: Option<String>,
    resolver: Box<dyn Resolve>,
    /// Whether TLS can be spoken.
    tls: bool,
    connect: Box<dyn Connect>,
    peers: Peers,
    turns: Mutex<HashMap<MailboxId, MailboxTurn>>,
}

/// What is known of a mailbox's NOTIFYs.
#[derive(Debug)]
struct MailboxTurn {
    /// Of the newest state so far.
    version: u64,
    /// One place, for the NOTIFY under way.
    turn: Arc<Semaphore>,
}

impl SipSink {
    /// A sink that speaks as `from` to `targets`. A PBX may look at the user of `from`: Asterisk, say, shows what a known endpoint tells.
    pub fn builder(from: SipUri, targets: SipTargets) -> SipSinkBuilder {
        SipSinkBuilder::new(from, targets)
    }

    /// Notes that `state` is to be told; answers with the mailbox's turn, or nothing when a newer state is or was.
    fn claim_turn(&self, state: &MwiState) -> Option<Arc<Semaphore>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || MailboxTurn { version: 0, turn: Arc::new(Semaphore::new(1)) };
        let turn_of_mailbox = turns.entry(state.mailbox.clone()).or_insert_with(new);
        turn_of_mailbox.version = turn_of_mailbox.version.max(state.version);
        (turn_of_mailbox.version == state.version).then(|| Arc::clone(&turn_of_mailbox.turn))
    }

    async fn notify(&self, target: &SipUri, state: &MwiState) -> Result<(), NotifyError> {
        let body = MessageSummary::of(state.summary, target.account()).to_text().into();
        let notify = UnsolicitedNotify {
            from: &self.from,
            target,
            body,
            credentials: self.credentials.as_ref(),
            call_id: random_id()?,
            deadline: None,
        };
        let mut addresses = self.addresses_of(target).await?;
        let now = Instant::now().into_std();
        // Those that did not answer lately come last, the one whose time is over soonest before the others.
        addresses.sort_by_key(|address| self.peers.at(address, now).avoided_until(now));
        let last = addresses.len() - 1;
        let mut failed = None;
        for (number, address) in addresses.into_iter().enumerate() {
            let deadline = (number < last).then(|| Instant::now() + ADDRESS_TIMEOUT);
            let notify = UnsolicitedNotify { deadline, body: notify.body.clone(), call_id: random_id()?, ..notify };
            match self.notify_address(&address, &notify).await {
                Ok(()) => return Ok(()),
                Err(failure) if failure.next_address_after().is_some() => failed = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(failed.unwrap_or(NotifyError::NoAnswer))
    }

    /// Where to send what is for `target`, in order; there is one at least.
    async fn addresses_of(&self, target: &SipUri) -> io::Result<Vec<Destination>> {
        let mut found = if self.addresses.is_empty() {
            let options = LocateOptions { transport: self.transport, tls: self.tls };
            timeout(ADDRESS_TIMEOUT, locate(&*self.resolver, target, options)).await??
        } else {
            self.configured_addresses(target).await?
        };
        if let Some(name) = &self.server_name {
            found = found.into_iter().map(|each| Destination::new(each.transport, each.address, name)).collect();
        }
        Ok(found)
    }

    /// The addresses that are configured, for a target like `target`.
    async fn configured_addresses(&self, target: &SipUri) -> io::Result<Vec<Destination>> {
        let transport = if target.is_secure() { Some(Transport::Tls) } else { self.transport.or(target.transport()) };
        let transport = transport.unwrap_or(Transport::Udp);
        let mut addresses = Vec::new();
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for name in &self.addresses {
            match timeout(ADDRESS_TIMEOUT, tokio::net::lookup_host(name)).await {
                Ok(Ok(found)) => {
                    let host = name.rsplit_once(':').map_or(name.as_str(), |(host, _)| host);
                    addresses.extend(found.take(MAX_ADDRESSES).map(|address| Destination::new(transport, address, host)));
                }
                Ok(Err(error)) => failed = error,
                Err(_elapsed) => failed = io::ErrorKind::TimedOut.into(),
            }
        }
        if addresses.is_empty() { Err(failed) } else { Ok(addresses) }
    }

    /// Tells one address, over TCP if a datagram would be too long.
    async fn notify_address(&self, to: &Destination, notify: &UnsolicitedNotify<'_>) -> Result<(), NotifyError> {
        if to.transport == Transport::Udp && notify.len(to.transport, to.address) > MAX_DATAGRAM {
            match self.notify_over(&to.over(Transport::Tcp), notify).await {
                // RFC 3261 §18.1.1: one that takes no connections is an older one.
                Err(NotifyError::ConnectionFailed(_)) => {}
                result => return result,
            }
        }
        self.notify_over(to, notify).await
    }

    async fn notify_over(&self, to: &Destination, notify: &UnsolicitedNotify<'_>) -> Result<(), NotifyError> {
        let peer = self.peers.at(to, Instant::now().into_std());
        let _permit = peer.permits.acquire().await.map_err(io::Error::other)?;
        let attempt = Attempt::of(&peer);
        let result = self.deliver(&peer, to, notify).await;
        attempt.handle_end(result.as_ref().err().and_then(NotifyError::next_address_after));
        result
    }

    /// Delivers over a connection that is there, or a new one.
    async fn deliver(&self, peer: &Peer, to: &Destination, notify: &UnsolicitedNotify<'_>) -> Result<(), NotifyError> {
        if let Some(mut channel) = peer.take() {
            match notify.deliver(to.transport, &mut *channel).await {
                // It was closed while nobody used it; the same state may arrive twice.
                Err(NotifyError::ConnectionFailed(_)) => {}
                result => return keep(peer, channel, result),
            }
        }
        let opened = timeout(ADDRESS_TIMEOUT, self.connect.connect(to)).await;
        let mut channel = opened.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??;
        let result = notify.deliver(to.transport, &mut *channel).await;
        if to.transport.is_reliable() { keep(peer, channel, result) } else { result }
    }
}

/// Gives the connection back if nothing is awaited on it any more.
fn keep(peer: &Peer, channel: Box<dyn Channel>, result: Result<(), NotifyError>) -> Result<(), NotifyError> {
    match &result {
        Err(NotifyError::ConnectionFailed(_) | NotifyError::NoAnswer) => {}
        Ok(()) | Err(NotifyError::Rejected { .. } | NotifyError::Unauthorized(_)) => peer.give_back(channel),
    }
    result
}

#[async_trait]
impl MwiSink for SipSink {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        let target = self.targets.of(&state.mailbox).ok_or_else(|| MwiError::NoSuchMailbox(state.mailbox.clone()))?;
        let Some(turn) = self.claim_turn(state) else { return Ok(()) };
        let _turn = turn.acquire().await.map_err(|error| MwiError::Unavailable(error.into()))?;
        // While it waited, a newer one may have come, and that one answers for the lamp.
        if self.claim_turn(state).is_none() {
            return Ok(());
        }
        self.notify(&target, state).await.map_err(|failure| failure.into_error(&state.mailbox))
    }
}

/// An address being tried. Whoever gives up waiting for it has found it silent, too.
struct Attempt<'a> {
    peer: &'a Peer,
    since: Instant,
    ended: bool,
}

impl<'a> Attempt<'a> {
    fn of(peer: &'a Peer) -> Self {
        Self { peer, since: Instant::now(), ended: false }
    }

    fn handle_end(mut self, avoid_for: Option<Duration>) {
        self.ended = true;
        match avoid_for {
            Some(time) => self.peer.handle_failure(Instant::now().into_std(), time),
            None => self.peer.handle_answer(),
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended && self.since.elapsed() >= ADDRESS_TIMEOUT {
            self.peer.handle_failure(Instant::now().into_std(), ADDRESS_TIMEOUT);
        }
    }
}

/// How long an address may be silent when there is another one: time for three sendings.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);
/// Of one name.
const MAX_ADDRESSES: usize = 8;
/// RFC 3261 §18.1.1: what is longer goes over TCP.
const MAX_DATAGRAM: usize = 1300;
