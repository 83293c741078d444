//! [`SipSink`]: sends NOTIFYs to a PBX or a telephone that did not subscribe.

mod builder;
mod error;
mod notify;
mod peer;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
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
use crate::lock::Lock;
use crate::message::MailboxId;
use crate::mwi::{MwiError, MwiSink, MwiState};
use crate::retry::now;

/// Shows each state by an unsolicited NOTIFY, one without a subscription, which PBXs and many telephones accept.
///
/// [`show`](MwiSink::show) returns `Ok` when the peer has answered with a 2xx response. A challenge of the peer is answered by digest, once.
/// An address that is unreachable, does not answer, or answers 503 is followed by the next address, and is tried last for a while. 404 is
/// reported as [`NoSuchMailbox`](MwiError::NoSuchMailbox), a final refusal such as 481 or 489 as [`Refused`](MwiError::Refused).
///
/// For each mailbox there is one NOTIFY at a time, and never one with an older state than a NOTIFY before. The number of concurrent NOTIFYs
/// to one address is limited. Connections are reused. A request that is too long for a datagram is sent over TCP. A `sips:` target, or one
/// with `transport=tls`, is reached over TLS only (feature `sip-tls`).
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
    /// Whether TLS is configured.
    tls: bool,
    connect: Box<dyn Connect>,
    peers: Peers,
    turns: Lock<HashMap<MailboxId, MailboxTurn>>,
}

/// The order of the NOTIFYs of one mailbox.
#[derive(Debug)]
struct MailboxTurn {
    /// The version of the newest state so far.
    version: u64,
    /// One permit, for the NOTIFY that is being sent.
    turn: Arc<Semaphore>,
}

impl SipSink {
    /// A builder of a sink that sends NOTIFYs from `from` to `targets`. A PBX may check the user of `from`: Asterisk, for one, accepts NOTIFYs
    /// of known endpoints only.
    pub fn builder(from: SipUri, targets: SipTargets) -> SipSinkBuilder {
        SipSinkBuilder::new(from, targets)
    }

    /// Registers `state` as the next one of its mailbox; returns the semaphore of the mailbox, or `None` where a newer state is known.
    fn claim_turn(&self, state: &MwiState) -> Option<Arc<Semaphore>> {
        let mut turns = self.turns.lock();
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
        let now = now();
        // Addresses that did not answer lately come last; among them, the one that is avoided for the shortest time comes first.
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

    /// The addresses of `target`, in the order in which they are tried; at least one.
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

    /// The addresses that were given to the builder, with the transport that `target` needs.
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

    /// Sends the NOTIFY to one address, over TCP if a datagram would be too long.
    async fn notify_address(&self, to: &Destination, notify: &UnsolicitedNotify<'_>) -> Result<(), NotifyError> {
        if !to.transport.is_reliable() && notify.len(to.transport, to.address) > MAX_DATAGRAM {
            match self.notify_over(&to.over(Transport::Tcp), notify).await {
                // RFC 3261 §18.1.1: a peer that refuses TCP is an older one, and gets a datagram.
                Err(NotifyError::ConnectionFailed(_)) => {}
                result => return result,
            }
        }
        self.notify_over(to, notify).await
    }

    async fn notify_over(&self, to: &Destination, notify: &UnsolicitedNotify<'_>) -> Result<(), NotifyError> {
        let peer = self.peers.at(to, now());
        let _permit = peer.permits.acquire().await.map_err(io::Error::other)?;
        let attempt = Attempt::of(&peer);
        let result = self.deliver(&peer, to, notify).await;
        attempt.handle_end(result.as_ref().err().and_then(NotifyError::next_address_after));
        result
    }

    /// Sends the NOTIFY over an idle connection, or a new one.
    async fn deliver(&self, peer: &Peer, to: &Destination, notify: &UnsolicitedNotify<'_>) -> Result<(), NotifyError> {
        if let Some(mut channel) = peer.take() {
            match notify.deliver(to.transport, &mut *channel).await {
                // The peer has closed the idle connection. The NOTIFY is sent again, so the same state may arrive twice.
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

/// Gives the connection back to `peer` if no response is expected on it any more.
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
        // A newer state may have come during the wait; its NOTIFY then sets the lamp.
        if self.claim_turn(state).is_none() {
            return Ok(());
        }
        self.notify(&target, state).await.map_err(|failure| failure.into_error(&state.mailbox))
    }
}

/// An attempt to notify one address. If it is dropped after [`ADDRESS_TIMEOUT`], the address counts as one that does not answer.
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
            Some(time) => self.peer.handle_failure(now(), time),
            None => self.peer.handle_answer(),
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended && self.since.elapsed() >= ADDRESS_TIMEOUT {
            self.peer.handle_failure(now(), ADDRESS_TIMEOUT);
        }
    }
}

/// How long a response is awaited where there is another address: three transmissions.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(3);
/// The number of addresses of one name.
const MAX_ADDRESSES: usize = 8;
/// RFC 3261 §18.1.1: a longer request is sent over TCP.
const MAX_DATAGRAM: usize = 1300;
