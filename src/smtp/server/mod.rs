//! [`Dialogue`]: the server's side of SMTP or LMTP as a state machine, without sockets, clocks or tasks.

mod access;
mod body;
mod commands;
mod interface;
mod limits;
mod lmtp;
#[cfg(test)]
mod lmtp_tests;
mod login;
#[cfg(test)]
mod login_tests;
mod receiving;
pub(crate) mod replies;
mod replies_due;
mod storing;
#[cfg(test)]
mod storing_tests;
#[cfg(test)]
mod tests;
mod trace;
mod transaction;

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

pub use self::access::{Access, Cidr, InvalidCidr, KnownPeer, Sites};
pub use self::interface::{
    Action, Delivery, LoginOutcome, LoginPermit, Lookup, MemoryGrant, Peer, Policy, Protocol, Recipient, Spill,
};
pub use self::limits::Limits;
use self::login::PendingLogin;
use self::receiving::Receiving;
use self::storing::PendingStores;
use self::transaction::ServerTransaction;
pub use super::sasl::{InvalidPassword, InvalidPeerName, InvalidStoredPassword, LoginAttempt, PeerName, StoredPassword};
use super::sasl::{NONCE_LEN, ServerExchange};
use crate::message::{Origin, TlsVersion};
use crate::smtp::Reply;

/// The server's state machine for one connection, from the greeting to the end.
///
/// The driver reports what happened with `handle_*`, does what [`poll_action`](Self::poll_action) asks for, sends what
/// [`poll_output`](Self::poll_output) returns, and calls again at [`poll_timeout`](Self::poll_timeout) at the latest. The same
/// bytes get the same replies in whatever pieces they arrive, and no bytes make it panic.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Instant;
/// use bytes::BytesMut;
/// use voicemail::smtp::server::{Dialogue, Peer, Policy};
///
/// let policy = Policy::new("vm1.example", "example");
/// let now = Instant::now();
/// let mut dialogue = Dialogue::new(Arc::new(policy), Peer::default(), now);
/// dialogue.handle_time(now);
/// assert_eq!(dialogue.poll_output().unwrap(), "220 vm1.example ESMTP\r\n");
///
/// let mut input = BytesMut::from("NOOP\r\nQUI");
/// dialogue.handle_input(&mut input, now);
/// assert_eq!(dialogue.poll_output().unwrap(), "250 2.0.0 ok\r\n");
/// assert_eq!(input, "QUI");
/// ```
///
/// # Source
///
/// RFC 5321, and RFC 2033 for [LMTP](Protocol::Lmtp), with 1870 (SIZE), 2034, 2920 (PIPELINING), 3030 (CHUNKING, BINARYMIME), 3207 (STARTTLS), 3461 (DSN), 4954 (AUTH) and 6152 (8BITMIME).
#[derive(Debug)]
pub struct Dialogue {
    policy: Arc<Policy>,
    peer: Peer,
    /// Whether the peer's name was proven with AUTH.
    logged_in: bool,
    state: DialogueState,
    name: Option<HeloName>,
    transaction: Option<ServerTransaction>,
    output: BytesMut,
    stores: PendingStores,
    action: Option<Action>,
    /// The number of bytes that were skipped of a line that is too long.
    skipped: usize,
    /// When the line that has begun must be complete.
    line_deadline: Option<Instant>,
    /// The number of lines before EHLO that were no commands.
    unknown_commands: usize,
    commands: usize,
    errors: usize,
    messages: u64,
    memory_steps: usize,
    stopping: bool,
    /// Until when the peer keeps its connection for the last command that brought a message further.
    useful_until: Instant,
    /// When the session must be over.
    end: Instant,
    /// When the current step must be over.
    deadline: Instant,
}

/// The input or the answer that a dialogue waits for.
#[derive(Debug)]
enum DialogueState {
    /// The greeting was not sent yet, and the peer must not send anything.
    BeforeGreeting,
    /// A command is expected.
    Commands,
    /// The driver decides whether the peer may try to log in.
    AwaitingLoginPermit(PendingLogin),
    /// A response to a challenge is expected.
    LoggingIn(ServerExchange),
    /// The driver checks the peer's login attempt.
    CheckingLogin(ServerExchange),
    /// The driver looks up a recipient.
    LookingUp(Recipient),
    /// The driver reserves memory before more of a message is read.
    AwaitingMemory(Receiving),
    /// The driver spills a piece of a message before more of it is read.
    Spilling(Receiving),
    /// The bytes of a message are expected.
    Receiving(Receiving),
    /// The driver does the TLS handshake.
    StartingTls,
    /// The session ends as soon as the store has answered for all messages.
    Closing,
    /// The session is over.
    Closed,
}

/// The name that the peer gave in EHLO, HELO or LHLO.
#[derive(Debug)]
struct HeloName {
    text: String,
    /// Whether the command was EHLO or LHLO.
    extended: bool,
}

impl Dialogue {
    /// The number of bytes that one [`Action::Reserve`] asks for.
    pub const MEMORY_STEP: usize = 256 * 1024;
    /// The number of random bytes that a login attempt needs.
    pub const NONCE_LEN: usize = NONCE_LEN;

    /// A dialogue that begins now; the greeting is due at [`poll_timeout`](Self::poll_timeout).
    pub fn new(policy: Arc<Policy>, peer: Peer, now: Instant) -> Self {
        let end = now + policy.limits.session_time;
        let deadline = now + policy.limits.greet_pause;
        Self {
            policy,
            peer,
            logged_in: false,
            state: DialogueState::BeforeGreeting,
            name: None,
            transaction: None,
            output: BytesMut::new(),
            stores: PendingStores::default(),
            action: None,
            skipped: 0,
            line_deadline: None,
            unknown_commands: 0,
            commands: 0,
            errors: 0,
            messages: 0,
            memory_steps: 0,
            stopping: false,
            useful_until: now + LEAST_STAY,
            end,
            deadline,
        }
    }

    /// Handles bytes that the peer sent: removes from the front of `input` what can be used now, and leaves the rest.
    pub fn handle_input(&mut self, input: &mut BytesMut, now: Instant) {
        while self.action.is_none() && !self.is_closed() {
            let went_on = match &self.state {
                DialogueState::BeforeGreeting if !input.is_empty() => {
                    self.close_with(&replies::SPOKE_FIRST);
                    false
                }
                DialogueState::Commands if self.stores.blocks_commands() => false,
                DialogueState::Commands | DialogueState::LoggingIn(_) => self.read_line(input, now),
                DialogueState::Receiving(_) => self.read_message(input, now),
                _ => false,
            };
            if !went_on {
                break;
            }
        }
    }

    /// Handles the answer to [`Action::LookUp`].
    pub fn handle_lookup(&mut self, lookup: Lookup, now: Instant) {
        let recipient = match mem::replace(&mut self.state, DialogueState::Commands) {
            DialogueState::LookingUp(recipient) => recipient,
            other => return self.state = other,
        };
        self.deadline = now + self.policy.limits.command_time;
        let reply = match (lookup, &mut self.transaction) {
            (Lookup::Found, Some(transaction)) => {
                transaction.add(recipient.clone());
                transaction.note_accepted(&recipient);
                self.useful_until = now + LEAST_STAY;
                replies::RECIPIENT_OK
            }
            (Lookup::Found, None) => replies::MAIL_FIRST,
            (Lookup::NotTaken(reply), _) => reply,
            (Lookup::NotFound, _) => replies::NO_SUCH_MAILBOX,
            (Lookup::Failed, _) => replies::DIRECTORY_DOWN,
        };
        self.send_reply(&reply);
    }

    /// Handles the end of the TLS handshake; `origin` is the identity that the peer has proven in it. All earlier commands are forgotten (RFC 3207 §4.2).
    pub fn handle_tls(&mut self, version: TlsVersion, origin: Origin, now: Instant) {
        if !matches!(self.state, DialogueState::StartingTls) {
            return;
        }
        self.peer.tls = Some(version);
        self.peer.origin = origin;
        self.logged_in = false;
        self.name = None;
        self.transaction = None;
        self.line_deadline = None;
        self.state = DialogueState::Commands;
        self.deadline = now + self.policy.limits.command_time;
    }

    /// Handles that the node is stopping: a session without a mail transaction ends now, any other at the end of its transaction.
    pub fn handle_stop(&mut self) {
        self.stopping = true;
        if matches!(self.state, DialogueState::BeforeGreeting | DialogueState::Commands | DialogueState::LoggingIn(_))
            && self.transaction.is_none()
        {
            self.close_with(&replies::STOPPING);
        }
    }

    /// Handles that the node cannot wait any longer: the session ends now, even in the middle of a message. A message that has arrived
    /// whole still gets its reply.
    pub fn handle_cut(&mut self) {
        if !self.is_closed() {
            self.close_with(&replies::STOPPING);
        }
    }

    /// Handles that there are too many connections: this one ends, unless the node is working for it.
    pub fn handle_crowded(&mut self) {
        if self.idle_since().is_some() {
            self.close_with(&replies::CROWDED);
        }
    }

    /// Handles the time: sends the greeting when it is due, and ends a session that is too slow or too old.
    pub fn handle_time(&mut self, now: Instant) {
        let Some(due) = self.poll_timeout().filter(|due| *due <= now) else { return };
        if matches!(self.state, DialogueState::BeforeGreeting) {
            if !self.policy.access.admits(self.peer.address) {
                return self.close_with(&replies::NOT_FROM_THERE);
            }
            self.state = DialogueState::Commands;
            self.deadline = now + self.policy.limits.command_time;
            Reply::with_status(220, "", format_args!("{} {}", self.policy.node, self.policy.protocol.name()))
                .write_to(&mut self.output);
        } else {
            let reply = if due == self.end { replies::TOO_LONG_HERE } else { replies::TOO_SLOW };
            self.close_with(&reply);
        }
    }

    /// Returns the next action, once.
    ///
    /// Up to [`MAX_PENDING_STORES`](Self::MAX_PENDING_STORES) messages may be stored at the same time. Every other action must be answered
    /// before the next one is returned.
    pub fn poll_action(&mut self) -> Option<Action> {
        if matches!(self.state, DialogueState::Closing) && self.action.is_none() && self.stores.is_empty() {
            self.state = DialogueState::Closed;
            return Some(Action::Close);
        }
        self.action.take()
    }

    /// Whether the driver should read no more input, because the store must answer first or the session is over.
    pub fn is_held(&self) -> bool {
        self.stores.blocks_commands() || self.is_closed()
    }

    /// Returns the output to send, once. Replies are collected until this is called.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        if self.output.is_empty() { None } else { Some(self.output.split().freeze()) }
    }

    /// Returns when to call [`handle_time`](Self::handle_time), if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            DialogueState::BeforeGreeting => Some(self.deadline),
            // The peer is waiting for the server.
            DialogueState::Commands if !self.stores.is_empty() => {
                Some(self.line_deadline.map_or(self.end, |due| due.min(self.end)))
            }
            DialogueState::Commands | DialogueState::LoggingIn(_) => {
                let due = self.deadline.min(self.end);
                Some(self.line_deadline.map_or(due, |line| line.min(due)))
            }
            DialogueState::Receiving(receiving) => Some(receiving.deadline(&self.policy.limits).min(self.end)),
            DialogueState::AwaitingLoginPermit(_)
            | DialogueState::CheckingLogin(_)
            | DialogueState::LookingUp(_)
            | DialogueState::AwaitingMemory(_)
            | DialogueState::Spilling(_)
            | DialogueState::StartingTls
            | DialogueState::Closing
            | DialogueState::Closed => None,
        }
    }

    /// Returns since when the peer has been idle: it has sent nothing that brings a message further, or a message that arrives too slowly.
    /// `None` while the node is working for it. At the connection limit, the connection with the earliest time is closed. An authenticated
    /// peer counts as active for a minute longer.
    pub fn idle_since(&self) -> Option<Instant> {
        if !self.stores.is_empty() {
            return None;
        }
        let since = match &self.state {
            DialogueState::BeforeGreeting | DialogueState::Commands | DialogueState::LoggingIn(_) => self.useful_until,
            DialogueState::Receiving(receiving) => receiving.worth_until().max(self.useful_until),
            DialogueState::AwaitingLoginPermit(_)
            | DialogueState::CheckingLogin(_)
            | DialogueState::LookingUp(_)
            | DialogueState::AwaitingMemory(_)
            | DialogueState::Spilling(_)
            | DialogueState::StartingTls
            | DialogueState::Closing
            | DialogueState::Closed => return None,
        };
        Some(if self.peer.origin == Origin::Unproven { since } else { since + KNOWN_PEER_BONUS })
    }

    /// Returns how many [`MEMORY_STEP`](Self::MEMORY_STEP)s the current message needs; the driver can release the others.
    pub fn memory_steps(&self) -> usize {
        self.memory_steps
    }

    /// Whether the dialogue has ended.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, DialogueState::Closing | DialogueState::Closed)
    }

    /// Returns the buffer for the next reply, which comes after the reply to the last message that is being stored.
    fn replies(&mut self) -> &mut BytesMut {
        self.stores.replies(&mut self.output)
    }

    /// Sends a reply. Too many refusals end the session.
    fn send_reply(&mut self, reply: &Reply) {
        reply.write_to(self.replies());
        if reply.is_refusal() {
            self.errors += 1;
            if self.errors >= self.policy.limits.errors {
                self.close_with(&replies::TOO_MANY_ERRORS);
            }
        }
    }

    fn close_with(&mut self, reply: &Reply) {
        reply.write_to(self.replies());
        self.close();
    }

    /// Ends the session. Messages that are being stored still get their replies.
    fn close(&mut self) {
        self.state = DialogueState::Closing;
        self.transaction = None;
        self.memory_steps = 0;
        if !matches!(self.action, Some(Action::Store(_))) {
            self.action = None;
        }
    }

    fn end_transaction(&mut self) {
        self.transaction = None;
        self.memory_steps = 0;
        if self.stopping && !self.is_closed() {
            self.close_with(&replies::STOPPING);
        }
    }
}

/// How long a connection that is new, or has sent a useful command, is not closed for another one: some round trips. With the default
/// limit of 512 connections, a flood needs more than 2500 connections a second to occupy all of them.
pub(crate) const LEAST_STAY: Duration = Duration::from_millis(200);

/// The number of bytes that are read at once.
pub(crate) const READ_ROOM: usize = 64 * 1024;

/// How much longer than others an authenticated peer counts as active at the connection limit.
const KNOWN_PEER_BONUS: Duration = Duration::from_secs(60);
