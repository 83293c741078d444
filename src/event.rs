//! What happens in a node, as it happens: [`Event`], and the [`Events`] that carries it to whoever listens.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::broadcast;

use crate::message::{MailboxId, MessageId, Origin, SiteId, Summary, Travelled};
#[cfg(feature = "node")]
use crate::store::Deposit;

/// Something that happened. It carries ids and numbers of mailboxes, and nothing of who called or what was said.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A recording was finished and is on stable storage.
    Kept {
        /// Which message.
        id: MessageId,
        /// For whom.
        mailbox: MailboxId,
        /// The PBX that recorded it.
        site: SiteId,
        /// How long it is.
        length: Duration,
    },
    /// A recording that has ended could not be written to disk. It is tried again until it can, and then is [`Kept`](Self::Kept), or
    /// [`Recovered`](Self::Recovered) if an earlier run of the node had left it.
    NotKeptYet {
        /// Which message it will be.
        id: MessageId,
        /// What the disk said.
        reason: String,
    },
    /// A recording was too short to be a message.
    Discarded {
        /// For whom it would have been.
        mailbox: MailboxId,
        /// The PBX that recorded it.
        site: SiteId,
        /// How long it was.
        length: Duration,
    },
    /// A recording that a crash had cut off was found and is a message now, marked as truncated.
    Recovered {
        /// Which message.
        id: MessageId,
        /// How long it is.
        length: Duration,
    },
    /// What was found in the spool cannot be read as a message; the file was put aside, untouched.
    Unreadable {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another node has answered for a message.
    Forwarded {
        /// Which message.
        id: MessageId,
        /// For whom.
        mailbox: MailboxId,
        /// The destination it went to.
        destination: String,
        /// How it went.
        travelled: Travelled,
        /// How many tries it took.
        attempts: u32,
    },
    /// A try to forward failed; there will be another.
    Deferred {
        /// Which message.
        id: MessageId,
        /// For whom.
        mailbox: MailboxId,
        /// Where to.
        destination: String,
        /// Why.
        reason: String,
        /// How many tries there were.
        attempts: u32,
        /// When the next one is due, from now.
        retry_in: Duration,
    },
    /// A message was refused for good, or an operator put it aside. It stays in the spool until an operator decides.
    Parked {
        /// Which message.
        id: MessageId,
        /// For whom.
        mailbox: MailboxId,
        /// Why.
        reason: String,
    },
    /// An operator let a parked message wait again.
    Released {
        /// Which message.
        id: MessageId,
        /// For whom.
        mailbox: MailboxId,
        /// Where to.
        destination: String,
    },
    /// How much waits for a destination: told when it begins to change, at most once a second while it does, and when it is at rest.
    /// [`Spool::state`](crate::spool::Spool::state) tells the same at any time.
    Backlog(SpoolState),
    /// A recording was refused, because the disk has only room for those under way.
    DiskNearlyFull {
        /// Bytes left.
        free: u64,
        /// Files that can still be created.
        files: u64,
    },
    /// A peer was spoken to in plain text because TLS could not be had, as the policy for it allows.
    PlainTextFallback {
        /// The peer's name.
        peer: String,
        /// Why TLS could not be had.
        reason: String,
    },
    /// Somebody tried to log in at a listener with a name or a password that is wrong.
    LoginRefused {
        /// Where from.
        address: Option<IpAddr>,
    },
    /// A message claimed to come from a site that its sender does not speak for, and was refused.
    SiteRefused {
        /// Which message.
        id: MessageId,
        /// Who handed it in.
        origin: Origin,
        /// The site that it claimed.
        site: SiteId,
    },
    /// A peer that has spoken TLS before does not any more, and is sent nothing: somebody may stand between.
    #[cfg_attr(feature = "smtp", doc = "[`TlsMemory`](crate::forward::smtp::TlsMemory)")]
    #[cfg_attr(not(feature = "smtp"), doc = "The forwarder's memory")]
    /// says what an operator can do.
    TlsWithheld {
        /// The peer's name.
        peer: String,
        /// Why TLS could not be had.
        reason: String,
    },
    /// A message is in a mailbox.
    Stored {
        /// Which message.
        id: MessageId,
        /// Whose mailbox.
        mailbox: MailboxId,
        /// Where it came from.
        origin: Origin,
    },
    /// A message arrived that was there already.
    Duplicate {
        /// Which message.
        id: MessageId,
        /// Whose mailbox.
        mailbox: MailboxId,
    },
    /// A message came from a PBX whose clock is off by more than it may be: ahead of this node's, or by its own account.
    ClockOff {
        /// Which message.
        id: MessageId,
        /// Which PBX, if the message says so.
        site: Option<SiteId>,
        /// By how much, at least.
        by: Duration,
    },
    /// A lamp shows a mailbox's state.
    LampShown {
        /// Whose lamp.
        mailbox: MailboxId,
        /// What it shows.
        summary: Summary,
        /// Which state.
        version: u64,
    },
    /// A lamp could not be told; it will be tried again, unless nothing shows this mailbox.
    LampFailed {
        /// Whose lamp.
        mailbox: MailboxId,
        /// Why.
        reason: String,
    },
}

impl Event {
    /// What a store's answer to a deposit tells.
    #[cfg(feature = "node")]
    pub(crate) fn deposited(id: MessageId, mailbox: &MailboxId, origin: Origin, deposit: Deposit) -> Self {
        let mailbox = mailbox.clone();
        match deposit {
            Deposit::Stored(id) => Self::Stored { id, mailbox, origin },
            Deposit::Duplicate => Self::Duplicate { id, mailbox },
        }
    }
}

/// How much waits for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolState {
    /// The node it waits for.
    pub destination: String,
    /// How many messages wait or are under way; one for several mailboxes counts for each.
    pub depth: usize,
    /// When the oldest of them was recorded.
    pub oldest: Option<DateTime<Utc>>,
    /// When the next try is due, if none is under way and none is due already.
    pub next_try: Option<Instant>,
}

/// An event, and when it happened.
#[derive(Debug, Clone)]
pub struct Occurrence {
    /// When.
    pub at: Instant,
    /// What.
    pub event: Event,
}

/// Carries events to whoever listens; clones carry to the same listeners.
///
/// A listener that is slower than 4096 events behind misses the oldest and is told how many: nothing waits for a listener.
#[derive(Debug, Clone)]
pub struct Events {
    sender: broadcast::Sender<Occurrence>,
}

impl Events {
    /// Events without a listener yet.
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(CAPACITY) }
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Occurrence> {
        self.sender.subscribe()
    }

    /// Tells all listeners.
    pub fn emit(&self, event: Event) {
        tracing::debug!(?event);
        // No listener is no failure.
        let _ = self.sender.send(Occurrence { at: Instant::now(), event });
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

const CAPACITY: usize = 4096;
