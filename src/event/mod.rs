//! Events of a node: [`Event`], and [`Events`], which carries them to listeners.
//!
//! # The path of a message
//!
//! Each step is an event with its time, [`Occurrence::at`], inside a `tracing` span for its part of the path. Every such span has the id of
//! the message in its field `id`, at both nodes, so that all of them together are one trace; the id has as many random bits as the trace
//! id of an exporter. No span is open while a message waits.
//!
//! | step | event | reported by | span |
//! |---|---|---|---|
//! | finish | [`Finished`](Event::Finished) | the node that records | `record` |
//! | spooled | [`Kept`](Event::Kept) | the node that records | `record` |
//! | connected | [`Connected`](Event::Connected) | the `SmtpForwarder` | `forward`, one for each try |
//! | sent | [`Sent`](Event::Sent) | the `SmtpForwarder` | `forward` |
//! | stored | [`Stored`](Event::Stored) | the node that keeps the mailboxes | `deposit` (`record`, if it recorded) |
//! | accepted | [`Forwarded`](Event::Forwarded) | the node that records | `forward` |
//! | summary | [`Counted`](Event::Counted) | the node that keeps the mailboxes | `lamp`, one for each message |
//! | lamp | [`LampShown`](Event::LampShown) | the node that keeps the mailboxes | `lamp` |
//!
//! Each node reports its steps in this order; but the other node may report a message as stored before its sender reports it as sent. Spans
//! have the level INFO. Each event is also a `tracing` event of level DEBUG, with its [name](Event::name) in the field `step`. Without a
//! `tracing` subscriber, a step costs some nanoseconds.

mod constructors;
mod events;
mod name;
mod reported_action;
mod return_path_state;
mod spool_state;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

pub use self::events::{Events, Occurrence};
pub use self::reported_action::ReportedAction;
pub use self::return_path_state::ReturnPathState;
pub use self::spool_state::SpoolState;
use crate::greeting::GreetingEvent;
use crate::message::{CallId, MailboxId, MessageId, Origin, SiteId, Status, Summary, TransportSecurity};
use crate::smtp::EnhancedStatus;
use crate::store::MailboxRoom;

/// Something that happened in a node. It carries ids and mailboxes, and nothing about the caller or the content of the message.
///
/// Both the events and their fields may become more. The functions of this type make the events that a forwarder or a store outside
/// this crate may report.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A recording has ended and is being written to stable storage: [`Kept`](Self::Kept), [`Discarded`](Self::Discarded) or
    /// [`NotKeptYet`](Self::NotKeptYet) follows.
    #[non_exhaustive]
    Finished {
        /// The id of the message that it will be.
        id: MessageId,
        /// The PBX that recorded it.
        site: SiteId,
        /// The duration of the sound.
        length: Duration,
    },
    /// A recording was finished and is on stable storage.
    #[non_exhaustive]
    Kept {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
        /// The PBX that recorded it.
        site: SiteId,
        /// The duration of the sound.
        length: Duration,
        /// The id that the PBX has given the call, if it is known.
        call_id: Option<CallId>,
    },
    /// A recording that has ended could not be written to disk. The node tries again until it succeeds; the recording is then reported as
    /// [`Kept`](Self::Kept), or as [`Recovered`](Self::Recovered) if an earlier run of the node had left it.
    #[non_exhaustive]
    NotKeptYet {
        /// The id of the message that it will be.
        id: MessageId,
        /// The error of the disk, for people to read.
        reason: String,
    },
    /// A recording was too short to be a message, and was deleted.
    #[non_exhaustive]
    Discarded {
        /// The mailbox that it was recorded for.
        mailbox: MailboxId,
        /// The PBX that recorded it.
        site: SiteId,
        /// The duration of the sound.
        length: Duration,
    },
    /// Nobody spoke in a recording, and the PBX discarded it.
    #[non_exhaustive]
    NoSpeech {
        /// The mailbox that it was recorded for.
        mailbox: MailboxId,
        /// The PBX that recorded it.
        site: SiteId,
        /// The duration of the sound.
        length: Duration,
    },
    /// A recording that was cut off by a crash was found. It is a message now, marked as truncated.
    #[non_exhaustive]
    Recovered {
        /// The id of the message.
        id: MessageId,
        /// The duration of the sound.
        length: Duration,
    },
    /// A file in the spool cannot be read as a message. It was moved aside, unchanged.
    #[non_exhaustive]
    Unreadable {
        /// The name of the file.
        file: String,
        /// The reason, for people to read.
        reason: String,
    },
    /// An entry among the messages of a store cannot be a message, and is skipped. All else works.
    #[non_exhaustive]
    BadEntry {
        /// The path of the entry.
        path: PathBuf,
        /// The reason, for people to read.
        reason: String,
    },
    /// A message has a place on a connection to another node, and is sent next. Reported by a forwarder that was given these [`Events`],
    /// as are all events that only a forwarder can know.
    #[non_exhaustive]
    Connected {
        /// The id of the message.
        id: MessageId,
        /// The name of the peer.
        peer: String,
        /// How the connection is protected.
        transport_security: TransportSecurity,
    },
    /// The last byte of a message was written to the connection. The answer is not known yet.
    #[non_exhaustive]
    Sent {
        /// The id of the message.
        id: MessageId,
    },
    /// Another node has accepted a message, and is responsible for it now.
    #[non_exhaustive]
    Forwarded {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
        /// The destination that the message was sent to.
        destination: String,
        /// How the message was protected on its way.
        transport_security: TransportSecurity,
        /// How many attempts it took.
        attempts: u32,
    },
    /// A mail server has accepted a message to send it on. The message stays in the spool until the receipt of the other node comes:
    /// [`Confirmed`](Self::Confirmed) or [`Parked`](Self::Parked) follows.
    #[non_exhaustive]
    Relayed {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
        /// The node that it is for.
        destination: String,
        /// How it was protected on its way to the mail server.
        transport_security: TransportSecurity,
        /// How many attempts it took.
        attempts: u32,
    },
    /// The node that keeps the mailbox has proven by its receipt that it has stored a relayed message. The message was removed from the spool.
    #[non_exhaustive]
    Confirmed {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
        /// The node that it was for.
        destination: String,
    },
    /// No receipt has come for a relayed message for a while, four hours by default. It stays in the spool.
    #[non_exhaustive]
    Unconfirmed {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
        /// The node that it is for.
        destination: String,
        /// When it was relayed, rounded down to at most an hour.
        relayed_at: DateTime<Utc>,
    },
    /// No receipt has come for a relayed message for a long while, six days by default. It is sent again; if it is in the mailbox already, it is not
    /// stored again.
    #[non_exhaustive]
    OfferedAgain {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
        /// The node that it is sent to.
        destination: String,
    },
    /// An attempt to forward a message failed. The node will try again.
    #[non_exhaustive]
    Deferred {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
        /// The destination.
        destination: String,
        /// The reason, for people to read.
        reason: String,
        /// How many attempts there were.
        attempts: u32,
        /// How long the node waits until the next attempt.
        retry_in: Duration,
    },
    /// A message was refused for good, or an operator parked it. It stays in the spool until an operator decides.
    #[non_exhaustive]
    Parked {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
        /// The reason, for people to read.
        reason: String,
    },
    /// The mailbox for undeliverable messages has got a copy of a parked message, or a relay has accepted the copy for it. The message stays parked.
    #[non_exhaustive]
    UndeliverableDeposited {
        /// The id of the parked message.
        id: MessageId,
        /// The mailbox that it was for.
        mailbox: MailboxId,
        /// The mailbox for undeliverable messages.
        deposited_in: MailboxId,
    },
    /// A mailbox has become nearly full, or full. There is one such event until it has room again, also at several nodes that share their jobs.
    #[non_exhaustive]
    MailboxRoom {
        /// The mailbox.
        mailbox: MailboxId,
        /// The room that it has left.
        room: MailboxRoom,
    },
    /// Messages of a mailbox will soon be removed because of their age. Only a node that [warns owners](crate::node::NodeBuilder::warn_owners) reports it: once, as
    /// long as there are such messages, but again after as many days as they are announced before.
    #[non_exhaustive]
    MessagesExpire {
        /// The mailbox.
        mailbox: MailboxId,
        /// How many messages; at most 1 000 are counted.
        messages: usize,
        /// The number of days within which they will be removed.
        days: u16,
    },
    /// An operator released a parked message: it waits to be forwarded again.
    #[non_exhaustive]
    Released {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that it is for.
        mailbox: MailboxId,
        /// The destination.
        destination: String,
    },
    /// The number of messages that wait for a destination has changed. Reported when it begins to change, at most once a second while it
    /// changes, and when it no longer changes. [`Spool::state`](crate::spool::Spool::state) returns the same at any time.
    Backlog(SpoolState),
    /// A recording was refused, because the free space on the disk is needed by the recordings under way.
    #[non_exhaustive]
    DiskNearlyFull {
        /// The free space in bytes.
        free: u64,
        /// The number of files that can still be created.
        files: u64,
    },
    /// A connection to a peer is in plain text, because TLS failed and the policy for this peer allows that.
    #[non_exhaustive]
    PlainTextFallback {
        /// The name of the peer.
        peer: String,
        /// Why TLS failed.
        reason: String,
    },
    /// A client tried to log in at a listener with a wrong name or password.
    #[non_exhaustive]
    LoginRefused {
        /// The address of the client, if it has one.
        address: Option<IpAddr>,
    },
    /// A message was refused, because it claims to come from a site that its sender may not send for.
    #[non_exhaustive]
    SiteRefused {
        /// The id of the message.
        id: MessageId,
        /// The sender of the message.
        origin: Origin,
        /// The site that the message claims to come from.
        site: SiteId,
    },
    /// A mail to the address that this node sends from was refused: a delivery report, most likely. It was refused before its content was
    /// sent, so the message that it is about is not known.
    #[non_exhaustive]
    ReportRefused {
        /// The address of the client, if it has one.
        address: Option<IpAddr>,
    },
    /// A report about a message came to the return path that this node had signed for it, and was received.
    #[non_exhaustive]
    ReportReceived {
        /// The id of the message.
        id: MessageId,
    },
    /// A mail came to the return path of a relayed message that proves nothing: a report that it is delayed, relayed or delivered, or any other mail. The
    /// message stays as it is; [`Spool::said`](crate::spool::Spool::said) has the mail. Anybody may have sent it who knows the return path, such as the relay.
    #[non_exhaustive]
    UnprovenReport {
        /// The id of the message.
        id: MessageId,
        /// The mailbox that the mail is about, if the message is relayed for it.
        mailbox: Option<MailboxId>,
        /// The action that the mail reports.
        action: ReportedAction,
        /// The status code that it gives, if it gives one.
        status: Option<EnhancedStatus>,
        /// The name that the reporting mail server gives itself: at most 500 bytes of printable ASCII.
        server: Option<String>,
        /// The reply that it quotes: at most 500 bytes of printable ASCII.
        reply: Option<String>,
    },
    /// Receipts can come back through the relay to this destination: a probe that the node has sent to itself through it has come back, or a receipt has.
    #[non_exhaustive]
    ReturnPathWorks {
        /// The node that the relay sends messages on to.
        destination: String,
    },
    /// Receipts cannot come back through the relay to this destination: a probe that the node has sent to itself through it did not come back within a
    /// quarter of an hour by default, or was refused. Messages are forwarded all the same, and stay in the spool without a receipt. The node sends
    /// another probe after four times as long.
    #[non_exhaustive]
    ReturnPathFails {
        /// The node that the relay sends messages on to.
        destination: String,
        /// The reason, for people to read.
        reason: String,
    },
    /// A mail to the postmaster of the node was accepted.
    #[non_exhaustive]
    PostmasterMail {
        /// The name of the file in the folder of the postmaster, or the `Message-ID` of the mail that forwards it from the outbox.
        kept_as: String,
    },
    /// A peer that used TLS before no longer offers it, and is sent nothing: the connection may be under attack.
    #[cfg_attr(feature = "smtp", doc = "[`TlsMemory`](crate::forward::smtp::TlsMemory)")]
    #[cfg_attr(not(feature = "smtp"), doc = "The forwarder's memory")]
    /// describes what an operator can do.
    #[non_exhaustive]
    TlsWithheld {
        /// The name of the peer.
        peer: String,
        /// Why TLS failed.
        reason: String,
    },
    /// A message was stored in a mailbox.
    #[non_exhaustive]
    Stored {
        /// The id of the message.
        id: MessageId,
        /// The mailbox.
        mailbox: MailboxId,
        /// The sender of the message.
        origin: Origin,
        /// The id that the recording PBX had given the call, if the message says it.
        call_id: Option<CallId>,
    },
    /// The status of a message was set through the node, also to the one that it had.
    #[non_exhaustive]
    Marked {
        /// The id of the message.
        id: MessageId,
        /// The mailbox.
        mailbox: MailboxId,
        /// The status.
        status: Status,
    },
    /// The transcript of a message was stored.
    #[non_exhaustive]
    Transcribed {
        /// The id of the message.
        id: MessageId,
        /// The mailbox.
        mailbox: MailboxId,
    },
    /// A message arrived that the mailbox has already. Nothing was changed.
    #[non_exhaustive]
    Duplicate {
        /// The id of the message.
        id: MessageId,
        /// The mailbox.
        mailbox: MailboxId,
    },
    /// A message came from a PBX whose clock is off by more than the limit: ahead of the clock of this node, or by its own estimate.
    #[non_exhaustive]
    ClockSkew {
        /// The id of the message.
        id: MessageId,
        /// The PBX, if the message names it.
        site: Option<SiteId>,
        /// By how much the clock is off, at least.
        by: Duration,
    },
    /// A greeting was recorded, sent, received or refused.
    Greeting(GreetingEvent),
    /// The messages of a mailbox were counted for its lamp.
    #[non_exhaustive]
    Counted {
        /// The mailbox.
        mailbox: MailboxId,
        /// The numbers of messages.
        summary: Summary,
        /// The messages that no lamp has shown before, as [`LampShown`](Self::LampShown) has them.
        arrived: Arc<[MessageId]>,
    },
    /// A server has accepted a mail of the outbox: a receipt, or a copy for an owner.
    #[non_exhaustive]
    MailSent {
        /// The `Message-ID` of the mail, which contains the id of the message that it is about.
        mail: String,
        /// How many attempts it took.
        attempts: u32,
    },
    /// An attempt to send a mail of the outbox failed. The node will try again.
    #[non_exhaustive]
    MailDeferred {
        /// The `Message-ID` of the mail.
        mail: String,
        /// The reason, for people to read.
        reason: String,
        /// How many attempts there were.
        attempts: u32,
        /// How long the node waits until the next attempt.
        retry_in: Duration,
    },
    /// A mail of the outbox was refused for good, or has waited for its whole lifetime, five days by default. The node gives it up.
    #[non_exhaustive]
    MailGivenUp {
        /// The `Message-ID` of the mail.
        mail: String,
        /// The reason, for people to read.
        reason: String,
        /// How many attempts there were.
        attempts: u32,
    },
    /// A part of a step on arrival was done.
    #[non_exhaustive]
    StepDone {
        /// The name of the step.
        step: String,
        /// The mailbox.
        mailbox: MailboxId,
        /// The id of the message.
        id: MessageId,
        /// How many attempts it took.
        attempts: u32,
    },
    /// An attempt of a part of a step on arrival failed. The node will try again.
    #[non_exhaustive]
    StepDeferred {
        /// The name of the step.
        step: String,
        /// The mailbox.
        mailbox: MailboxId,
        /// The id of the message.
        id: MessageId,
        /// The reason, for people to read.
        reason: String,
        /// How many attempts there were.
        attempts: u32,
        /// How long the node waits until the next attempt.
        retry_in: Duration,
    },
    /// A part of a step on arrival failed for good, or for its whole lifetime, five days by default. It is parked until an operator decides.
    #[non_exhaustive]
    StepGivenUp {
        /// The name of the step.
        step: String,
        /// The mailbox.
        mailbox: MailboxId,
        /// The id of the message.
        id: MessageId,
        /// The reason, for people to read.
        reason: String,
        /// How many attempts there were.
        attempts: u32,
    },
    /// The receiver of web hooks has accepted a request.
    #[non_exhaustive]
    WebhookSent {
        /// The name of the end point.
        end_point: String,
    },
    /// A request to a receiver of web hooks failed.
    #[non_exhaustive]
    WebhookFailed {
        /// The name of the end point.
        end_point: String,
        /// The reason, for people to read. Contains nothing of the receiver's answer but its status.
        reason: String,
        /// How long the node waits until the next try; `None` if it gives the request up.
        retry_in: Option<Duration>,
    },
    /// A receiver of web hooks gets no more requests, until an operator enables it again.
    #[non_exhaustive]
    WebhookDisabled {
        /// The name of the end point.
        end_point: String,
        /// The reason, for people to read.
        reason: String,
    },
    /// A lamp shows the state of a mailbox.
    #[non_exhaustive]
    LampShown {
        /// The mailbox of the lamp.
        mailbox: MailboxId,
        /// The numbers of messages that the lamp shows.
        summary: Summary,
        /// The version of the state.
        version: u64,
        /// The messages that arrived since the lamp was last shown. If very many wait for their lamps, not all are named.
        arrived: Arc<[MessageId]>,
    },
    /// The state of a lamp could not be sent. The node will try again, unless no sink knows this mailbox.
    #[non_exhaustive]
    LampFailed {
        /// The mailbox of the lamp.
        mailbox: MailboxId,
        /// The reason, for people to read.
        reason: String,
    },
}
