//! [`Dialogue`]: the receiving side of SMTP, decided without a socket, a clock or a task.

mod access;
mod body;
mod commands;
mod interface;
mod limits;
mod login;
#[cfg(test)]
mod login_tests;
mod receiving;
pub(crate) mod reply;
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
pub use self::interface::{Action, Delivery, LoginOutcome, LoginPermit, Lookup, MemoryGrant, Peer, Policy, Recipient, Spill};
pub use self::limits::Limits;
use self::login::PendingLogin;
use self::receiving::Receiving;
pub use self::reply::Reply;
use self::storing::PendingStores;
use self::transaction::ServerTransaction;
pub use super::sasl::{InvalidPassword, InvalidPeerName, InvalidStoredPassword, LoginAttempt, PeerName, StoredPassword};
use super::sasl::{NONCE_LEN, ServerExchange};
use crate::message::{Origin, TlsVersion};

/// One connection's dialogue, from the greeting to the end.
///
/// Whoever drives it tells it what happened with `handle_*`, does what [`poll_action`](Self::poll_action) asks for, sends what
/// [`poll_output`](Self::poll_output) hands out, and comes back at [`poll_timeout`](Self::poll_timeout) at the latest. The same
/// bytes get the same replies however they were cut into pieces, and no bytes make it panic.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Instant;
/// use bytes::BytesMut;
/// use voicemail::smtp::server::{Access, Dialogue, Limits, Peer, Policy};
///
/// let policy = Policy {
///     node: "vm1.example".into(),
///     domain: "example".into(),
///     has_postmaster: false,
///     offers_tls: false,
///     offers_binary: false,
///     limits: Limits::default(),
///     access: Access::this_machine(),
/// };
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
/// RFC 5321, with 1870 (SIZE), 2034, 2920 (PIPELINING), 3030 (CHUNKING, BINARYMIME), 3207 (STARTTLS), 4954 (AUTH) and 6152 (8BITMIME).
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
    /// Bytes of a line that is too long already.
    skipped: usize,
    /// When the line that has begun must be whole.
    line_deadline: Option<Instant>,
    /// How many lines before EHLO were no commands.
    unknown_commands: usize,
    commands: usize,
    errors: usize,
    messages: u64,
    memory_steps: usize,
    stopping: bool,
    /// Until when what the peer has last said to bring a message further is worth its place.
    useful_until: Instant,
    /// When the session must be over.
    end: Instant,
    /// When the step under way must be over.
    deadline: Instant,
}

#[derive(Debug)]
enum DialogueState {
    /// The peer has to be silent until it is greeted.
    BeforeGreeting,
    /// A command is next.
    Commands,
    /// Somebody decides whether the peer may try to log in.
    AwaitingLoginPermit(PendingLogin),
    /// A response to a challenge is next.
    LoggingIn(ServerExchange),
    /// What the peer has said to prove its name is being checked.
    CheckingLogin(ServerExchange),
    /// The directory is asked for a recipient.
    LookingUp(Recipient),
    /// A message waits for memory before more of it is read.
    AwaitingMemory(Receiving),
    /// A piece of a message is written down before more of it is read.
    Spilling(Receiving),
    /// A message is next, or a part of it.
    Receiving(Receiving),
    /// The handshake is under way.
    StartingTls,
    /// All is said but what the store has still to answer.
    Closing,
    /// All is said.
    Closed,
}

/// What the peer calls itself.
#[derive(Debug)]
struct HeloName {
    text: String,
    extended: bool,
}

impl Dialogue {
    /// How many bytes one [`Action::Reserve`] asks for.
    pub const MEMORY_STEP: usize = 256 * 1024;
    /// How many random bytes a try to log in takes.
    pub const NONCE_LEN: usize = NONCE_LEN;

    /// A dialogue that begins now, with silence until [`poll_timeout`](Self::poll_timeout).
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

    /// The peer sent bytes: takes from the front of `input` what it can use, and leaves what must wait.
    pub fn handle_input(&mut self, input: &mut BytesMut, now: Instant) {
        while self.action.is_none() && !self.is_closed() {
            let went_on = match &self.state {
                DialogueState::BeforeGreeting if !input.is_empty() => {
                    self.close_with(&reply::SPOKE_FIRST);
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

    /// The directory has answered.
    pub fn handle_lookup(&mut self, lookup: Lookup, now: Instant) {
        let recipient = match mem::replace(&mut self.state, DialogueState::Commands) {
            DialogueState::LookingUp(recipient) => recipient,
            other => return self.state = other,
        };
        self.deadline = now + self.policy.limits.command_time;
        let reply = match (lookup, &mut self.transaction) {
            (Lookup::Found, Some(transaction)) => {
                transaction.add(recipient);
                self.useful_until = now + LEAST_STAY;
                reply::RECIPIENT_OK
            }
            (Lookup::Found, None) => reply::MAIL_FIRST,
            (Lookup::NotTaken(reply), _) => reply,
            (Lookup::NotFound, _) => reply::NO_SUCH_MAILBOX,
            (Lookup::Failed, _) => reply::DIRECTORY_DOWN,
        };
        self.say(&reply);
    }

    /// The TLS handshake is done; `origin` is who it has proven the peer to be. Whatever was said before it is forgotten.
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

    /// The node is stopping: a session without a message under way ends now, any other when its message is done.
    pub fn handle_stop(&mut self) {
        self.stopping = true;
        if matches!(self.state, DialogueState::BeforeGreeting | DialogueState::Commands | DialogueState::LoggingIn(_))
            && self.transaction.is_none()
        {
            self.close_with(&reply::STOPPING);
        }
    }

    /// The node cannot wait any longer: the session ends now, whatever is half said. A message that has arrived whole is still answered for.
    pub fn handle_cut(&mut self) {
        if !self.is_closed() {
            self.close_with(&reply::STOPPING);
        }
    }

    /// There are too many connections, and this one's place is needed: it ends unless the node is at work for it.
    pub fn handle_crowded(&mut self) {
        if self.idle_since().is_some() {
            self.close_with(&reply::CROWDED);
        }
    }

    /// Time has passed: greets when the silence is over, ends what took too long.
    pub fn handle_time(&mut self, now: Instant) {
        let Some(due) = self.poll_timeout().filter(|due| *due <= now) else { return };
        if matches!(self.state, DialogueState::BeforeGreeting) {
            if !self.policy.access.admits(self.peer.address) {
                return self.close_with(&reply::NOT_FROM_THERE);
            }
            self.state = DialogueState::Commands;
            self.deadline = now + self.policy.limits.command_time;
            Reply::telling(220, "", format_args!("{} ESMTP", self.policy.node)).write_to(&mut self.output);
        } else {
            let reply = if due == self.end { reply::TOO_LONG_HERE } else { reply::TOO_SLOW };
            self.close_with(&reply);
        }
    }

    /// What is to be done next, once.
    ///
    /// The store may be asked for up to [`MAX_PENDING_STORES`](Self::MAX_PENDING_STORES) messages before it has answered for the first; all else waits for
    /// its answer before the next is asked.
    pub fn poll_action(&mut self) -> Option<Action> {
        if matches!(self.state, DialogueState::Closing) && self.action.is_none() && self.stores.is_empty() {
            self.state = DialogueState::Closed;
            return Some(Action::Close);
        }
        self.action.take()
    }

    /// Whether no more input is wanted before the store has answered, or at all.
    pub fn is_held(&self) -> bool {
        self.stores.blocks_commands() || self.is_closed()
    }

    /// What is to be sent, once. Replies gather here until they are asked for.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        if self.output.is_empty() { None } else { Some(self.output.split().freeze()) }
    }

    /// When to call [`handle_time`](Self::handle_time), if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            DialogueState::BeforeGreeting => Some(self.deadline),
            // It is the peer that waits.
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

    /// Since when the peer has not brought a message further, which a message that comes too slowly does not either; `None` while the
    /// node is at work for it. Of many connections, the one with the earliest time is missed least. A peer with a proven name counts
    /// as of use for a minute longer.
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

    /// How many steps of room the message under way holds; the rest can be given back.
    pub fn memory_steps(&self) -> usize {
        self.memory_steps
    }

    /// Whether the dialogue is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, DialogueState::Closing | DialogueState::Closed)
    }

    /// Where the next reply goes: behind that to the last message which the store has.
    fn replies(&mut self) -> &mut BytesMut {
        self.stores.replies(&mut self.output)
    }

    /// Sends a reply; too many refusals end the session.
    fn say(&mut self, reply: &Reply) {
        reply.write_to(self.replies());
        if reply.is_refusal() {
            self.errors += 1;
            if self.errors >= self.policy.limits.errors {
                self.close_with(&reply::TOO_MANY_ERRORS);
            }
        }
    }

    fn close_with(&mut self, reply: &Reply) {
        reply.write_to(self.replies());
        self.close();
    }

    /// What the store has been asked for it is asked for still, and what it answers is said before the end.
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
            self.close_with(&reply::STOPPING);
        }
    }
}

/// How long everybody may be silent who has just come, or said something useful, before the place can be given to another: some round
/// trips. With the default of 512 places, a flood takes all of them only if it brings more than 2500 connections a second.
pub(crate) const LEAST_STAY: Duration = Duration::from_millis(200);

/// How much is read at once.
pub(crate) const READ_ROOM: usize = 64 * 1024;

/// How much longer than others a peer with a proven name may be of no use when places are needed.
const KNOWN_PEER_BONUS: Duration = Duration::from_secs(60);
