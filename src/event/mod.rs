//! What happens in a node, as it happens: [`Event`], and the [`Events`] that carries it to whoever listens.
//!
//! # A message's way
//!
//! Each step is an event with its time, [`Occurrence::at`], and stands in a `tracing` span of the stretch that it belongs to. Every such
//! span has the message's id in its field `id`, at both nodes, so that all of them together are one trace; the id has as many random
//! bits as the trace id of an exporter. No span is open while a message waits.
//!
//! | step | event | told by | span |
//! |---|---|---|---|
//! | finish | [`Finished`](Event::Finished) | the node that records | `record` |
//! | spooled | [`Kept`](Event::Kept) | the node that records | `record` |
//! | connected | [`Connected`](Event::Connected) | the `SmtpForwarder` | `forward`, one for each try |
//! | sent | [`Sent`](Event::Sent) | the `SmtpForwarder` | `forward` |
//! | stored | [`Stored`](Event::Stored) | the node that keeps the mailboxes | `deposit` (`record`, if it recorded) |
//! | answered for | [`Forwarded`](Event::Forwarded) | the node that records | `forward` |
//! | summary | [`Counted`](Event::Counted) | the node that keeps the mailboxes | `lamp`, one for each message |
//! | told | [`LampShown`](Event::LampShown) | the node that keeps the mailboxes | `lamp` |
//!
//! Each node tells its steps in this order; but what was sent may be stored before its sender says so. Spans are of level INFO, and
//! each event is one of `tracing` too, of level DEBUG, with its [name](Event::name) in the field `step`. Where nobody listens by
//! `tracing`, a step costs some nanoseconds.

mod events;
mod name;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

pub use self::events::{Events, Occurrence};
use crate::greeting::GreetingEvent;
use crate::message::{MailboxId, MessageId, Origin, SiteId, Summary, TransportSecurity};
#[cfg(feature = "smtp")]
use crate::store::Deposit;

/// Something that happened in a node. It carries ids and mailboxes, and nothing about the caller or the content of the message.
///
/// Both the events and their fields may become more. The functions of this type make the events that a forwarder or a store outside
/// this crate may report.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A recording has ended, and is on its way to stable storage: [`Kept`](Self::Kept), [`Discarded`](Self::Discarded) or
    /// [`NotKeptYet`](Self::NotKeptYet) follows.
    #[non_exhaustive]
    Finished {
        /// Which message it will be.
        id: MessageId,
        /// The PBX that recorded it.
        site: SiteId,
        /// How long it is.
        length: Duration,
    },
    /// A recording was finished and is on stable storage.
    #[non_exhaustive]
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
    #[non_exhaustive]
    NotKeptYet {
        /// Which message it will be.
        id: MessageId,
        /// What the disk said.
        reason: String,
    },
    /// A recording was too short to be a message.
    #[non_exhaustive]
    Discarded {
        /// For whom it would have been.
        mailbox: MailboxId,
        /// The PBX that recorded it.
        site: SiteId,
        /// How long it was.
        length: Duration,
    },
    /// A recording that a crash had cut off was found and is a message now, marked as truncated.
    #[non_exhaustive]
    Recovered {
        /// Which message.
        id: MessageId,
        /// How long it is.
        length: Duration,
    },
    /// What was found in the spool cannot be read as a message; the file was put aside, untouched.
    #[non_exhaustive]
    Unreadable {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that stands among the messages of a store cannot be one, and is skipped; everything else works.
    #[non_exhaustive]
    BadEntry {
        /// Where it stands.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A message has a place on a connection to another node, and its turn to be sent comes. Told by a forwarder that was given
    /// these [`Events`], as are all that only it can know.
    #[non_exhaustive]
    Connected {
        /// Which message.
        id: MessageId,
        /// The peer's name.
        peer: String,
        /// What the connection is.
        transport_security: TransportSecurity,
    },
    /// The last of a message went to the connection; what becomes of it is not known yet.
    #[non_exhaustive]
    Sent {
        /// Which message.
        id: MessageId,
    },
    /// Another node has answered for a message.
    #[non_exhaustive]
    Forwarded {
        /// Which message.
        id: MessageId,
        /// For whom.
        mailbox: MailboxId,
        /// The destination it went to.
        destination: String,
        /// How it went.
        transport_security: TransportSecurity,
        /// How many tries it took.
        attempts: u32,
    },
    /// A try to forward failed; there will be another.
    #[non_exhaustive]
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
    #[non_exhaustive]
    Parked {
        /// Which message.
        id: MessageId,
        /// For whom.
        mailbox: MailboxId,
        /// Why.
        reason: String,
    },
    /// An operator let a parked message wait again.
    #[non_exhaustive]
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
    #[non_exhaustive]
    DiskNearlyFull {
        /// Bytes left.
        free: u64,
        /// Files that can still be created.
        files: u64,
    },
    /// A peer was spoken to in plain text because TLS could not be had, as the policy for it allows.
    #[non_exhaustive]
    PlainTextFallback {
        /// The peer's name.
        peer: String,
        /// Why TLS could not be had.
        reason: String,
    },
    /// Somebody tried to log in at a listener with a name or a password that is wrong.
    #[non_exhaustive]
    LoginRefused {
        /// Where from.
        address: Option<IpAddr>,
    },
    /// A message claimed to come from a site that its sender does not speak for, and was refused.
    #[non_exhaustive]
    SiteRefused {
        /// Which message.
        id: MessageId,
        /// Who handed it in.
        origin: Origin,
        /// The site that it claimed.
        site: SiteId,
    },
    /// A mail to the address that this node sends from was refused: a delivery report, most likely. Which message it was about stands in the
    /// part that was never sent.
    #[non_exhaustive]
    ReportRefused {
        /// Where from.
        address: Option<IpAddr>,
    },
    /// A mail to the node's postmaster was taken in.
    #[non_exhaustive]
    PostmasterMail {
        /// The file in the postmaster's folder, or the `Message-ID` of the mail of the outbox that carries it on.
        kept_as: String,
    },
    /// A peer that has spoken TLS before does not any more, and is sent nothing: somebody may stand between.
    #[cfg_attr(feature = "smtp", doc = "[`TlsMemory`](crate::forward::smtp::TlsMemory)")]
    #[cfg_attr(not(feature = "smtp"), doc = "The forwarder's memory")]
    /// says what an operator can do.
    #[non_exhaustive]
    TlsWithheld {
        /// The peer's name.
        peer: String,
        /// Why TLS could not be had.
        reason: String,
    },
    /// A message is in a mailbox.
    #[non_exhaustive]
    Stored {
        /// Which message.
        id: MessageId,
        /// Whose mailbox.
        mailbox: MailboxId,
        /// Where it came from.
        origin: Origin,
    },
    /// A message arrived that was there already.
    #[non_exhaustive]
    Duplicate {
        /// Which message.
        id: MessageId,
        /// Whose mailbox.
        mailbox: MailboxId,
    },
    /// A message came from a PBX whose clock is off by more than it may be: ahead of this node's, or by its own account.
    #[non_exhaustive]
    ClockSkew {
        /// Which message.
        id: MessageId,
        /// Which PBX, if the message says so.
        site: Option<SiteId>,
        /// By how much, at least.
        by: Duration,
    },
    /// A greeting was recorded, sent, or came.
    Greeting(GreetingEvent),
    /// A mailbox was counted, for its lamp.
    #[non_exhaustive]
    Counted {
        /// Whose mailbox.
        mailbox: MailboxId,
        /// What is in it.
        summary: Summary,
        /// The messages that no lamp has shown before, as [`LampShown`](Self::LampShown) has them.
        arrived: Arc<[MessageId]>,
    },
    /// A server has answered for a mail of the outbox: a receipt, or a copy for an owner.
    #[non_exhaustive]
    MailSent {
        /// The mail's `Message-ID`, which has the id of the message that it is about.
        mail: String,
        /// How many tries it took.
        attempts: u32,
    },
    /// A try to send a mail of the outbox failed; there will be another.
    #[non_exhaustive]
    MailDeferred {
        /// The mail's `Message-ID`.
        mail: String,
        /// Why.
        reason: String,
        /// How many tries there were.
        attempts: u32,
        /// When the next one is due, from now.
        retry_in: Duration,
    },
    /// A mail of the outbox was refused for good, or has waited for five days, and is given up.
    #[non_exhaustive]
    MailGivenUp {
        /// The mail's `Message-ID`.
        mail: String,
        /// Why.
        reason: String,
        /// How many tries there were.
        attempts: u32,
    },
    /// A lamp shows a mailbox's state.
    #[non_exhaustive]
    LampShown {
        /// Whose lamp.
        mailbox: MailboxId,
        /// What it shows.
        summary: Summary,
        /// Which state.
        version: u64,
        /// The messages that arrived since it was shown last. Of very many that wait for their lamps, not all are named.
        arrived: Arc<[MessageId]>,
    },
    /// A lamp could not be told; it will be tried again, unless nothing shows this mailbox.
    #[non_exhaustive]
    LampFailed {
        /// Whose lamp.
        mailbox: MailboxId,
        /// Why.
        reason: String,
    },
}

impl Event {
    /// A message has a place on a connection to `peer`: for a [`Forwarder`](crate::forward::Forwarder) outside this crate.
    pub fn connected(id: MessageId, peer: impl Into<String>, transport_security: TransportSecurity) -> Self {
        Self::Connected { id, peer: peer.into(), transport_security }
    }

    /// The last byte of a message was sent: for a [`Forwarder`](crate::forward::Forwarder) outside this crate.
    pub const fn sent(id: MessageId) -> Self {
        Self::Sent { id }
    }

    /// `peer` was sent plain text, as the policy allows: for a [`Forwarder`](crate::forward::Forwarder) outside this crate.
    pub fn plain_text_fallback(peer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::PlainTextFallback { peer: peer.into(), reason: reason.into() }
    }

    /// `peer` no longer offers TLS and was sent nothing: for a [`Forwarder`](crate::forward::Forwarder) outside this crate.
    pub fn tls_withheld(peer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::TlsWithheld { peer: peer.into(), reason: reason.into() }
    }

    /// The entry at `path` of a store cannot be a message: for a [`MessageStore`](crate::store::MessageStore) outside this crate.
    pub fn bad_entry(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::BadEntry { path: path.into(), reason: reason.into() }
    }

    /// What a store's answer to a deposit tells.
    #[cfg(feature = "smtp")]
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
#[non_exhaustive]
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

impl SpoolState {
    /// Nothing waits for `destination`.
    pub fn empty(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), depth: 0, oldest: None, next_try: None }
    }
}
