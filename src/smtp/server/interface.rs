//! The vocabulary of a [`Dialogue`] and its driver: settings, actions, and their answers.

use std::net::IpAddr;

use bytes::Bytes;
use chrono::{DateTime, Utc};

#[cfg(doc)]
use super::Dialogue;
use super::{Access, Limits};
use crate::message::{MailAddress, MailboxId, Origin, TlsVersion};
use crate::smtp::sasl::{LoginAttempt, NONCE_LEN, PeerName};
use crate::smtp::{MailRequest, RecipientRequest, Reply};

/// The settings of a server, the same for all its connections.
///
/// ```
/// use voicemail::smtp::server::Policy;
///
/// let mut policy = Policy::new("vm1.example", "example");
/// policy.offers_tls = true;
/// policy.limits.recipients = 10;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that is offered or not")]
pub struct Policy {
    /// The host name of the node.
    pub node: String,
    /// The domain of the mailboxes; messages for any other domain are refused.
    pub domain: String,
    /// The protocol that is spoken.
    pub protocol: Protocol,
    /// Whether mail to the postmaster is accepted: `<postmaster>`, and `postmaster` at the domain or at the node.
    pub has_postmaster: bool,
    /// Whether STARTTLS is offered.
    pub offers_tls: bool,
    /// Whether BINARYMIME is offered.
    pub offers_binary: bool,
    /// Whether the server takes requests for delivery reports (DSN), and so must send them.
    pub offers_reports: bool,
    /// Whether the server tells clients under TLS that it stores messages itself and is no relay: `XVOICEMAIL 1 FINAL` and its name.
    pub is_final: bool,
    /// The resource limits.
    pub limits: Limits,
    /// The rules for who may deliver.
    pub access: Access,
}

impl Policy {
    /// A server at the host name `node`, for the mailboxes of `domain`. It speaks SMTP, has no postmaster, offers neither TLS nor binary bodies, and
    /// takes messages from this machine only.
    pub fn new(node: impl Into<String>, domain: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            domain: domain.into(),
            protocol: Protocol::Smtp,
            has_postmaster: false,
            offers_tls: false,
            offers_binary: false,
            offers_reports: false,
            is_final: false,
            limits: Limits::default(),
            access: Access::this_machine(),
        }
    }
}

/// The protocol of a server. Both have the same commands and extensions; they differ in the greeting and in the replies to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// SMTP: EHLO or HELO greets, and the end of a message gets one reply for all its recipients (RFC 5321).
    #[default]
    Smtp,
    /// LMTP: LHLO greets, and the end of a message gets one reply for each accepted RCPT, in their order (RFC 2033).
    Lmtp,
}

impl Protocol {
    /// Returns the name that the greeting of the server says.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Smtp => "ESMTP",
            Self::Lmtp => "LMTP",
        }
    }
}

/// The client at the other end of a connection, as far as the connection shows it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peer {
    /// The peer's address; `None` over a transport that has none, such as a pipe.
    pub address: Option<IpAddr>,
    /// The TLS version, if TLS protects the connection from its first byte on.
    pub tls: Option<TlsVersion>,
    /// The identity that the peer has proven, by a client certificate or by AUTH.
    pub origin: Origin,
    /// A unique number of the session; it is part of the message's id in the trace.
    pub session: u64,
}

impl Default for Peer {
    /// An unknown peer.
    fn default() -> Self {
        Self { address: None, tls: None, origin: Origin::Unproven, session: 0 }
    }
}

/// An action that a dialogue asks its driver for.
///
/// The dialogue reads no input until the action is answered, except during [`Store`](Self::Store). A driver must handle every action, so the
/// enum is exhaustive: a new action is a breaking change on purpose.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Look up whether this recipient exists and would accept a message of this size in bytes, 0 if it is not known; then call
    /// [`Dialogue::handle_lookup`].
    LookUp(Recipient, u64),
    /// Reserve [`Dialogue::MEMORY_STEP`] more bytes of memory, then call [`Dialogue::handle_memory_grant`].
    Reserve,
    /// Write these bytes behind those of the same message that were spilled before, then call [`Dialogue::handle_spill`]. Spilled bytes can
    /// be deleted when [`Dialogue::memory_steps`] is 0, unless the message is to be stored.
    Spill(Bytes),
    /// Decide whether the peer may try to log in, which it may not after too many failed attempts from its address; then call
    /// [`Dialogue::handle_login_permit`].
    PermitLogin,
    /// [Check](LoginAttempt::check) this login attempt, then call [`Dialogue::handle_login`].
    CheckLogin(LoginAttempt),
    /// Store this message, then call [`Dialogue::handle_stored`] or [`Dialogue::handle_stored_each`]; for several messages, in the order of the actions.
    Store(Delivery),
    /// Send the output, do a TLS handshake, then call [`Dialogue::handle_tls`].
    StartTls,
    /// Send the output and close the connection. No action follows.
    Close,
}

/// A recipient at this node. Drivers must look up each kind, so the enum is exhaustive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A mailbox, which may exist or not.
    Mailbox(MailboxId),
    /// The postmaster (RFC 5321 §4.5.1).
    Postmaster,
    /// The address that this node sends from, `voicemail` at its host name. Delivery reports are sent to it, and it has no mailbox.
    NodeSender,
    /// An address of the form of a [return path](crate::smtp::ReturnPaths), to which a report about a message comes. Given is the local part,
    /// which is not verified yet.
    ReturnPath(String),
}

/// A message that has arrived whole.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The number of its bytes that were spilled.
    pub spilled: usize,
    /// The Internet message, with the trace of this server before it; or the rest of it, after the spilled bytes.
    pub mail: Bytes,
    /// The address that reports about the message go to; `None` for the null reverse-path, and for one that needs quotes or is an address literal.
    pub sender: Option<MailAddress>,
    /// The recipients' mailboxes, none twice; at least one if the postmaster is no recipient, and it is no report.
    pub mailboxes: Vec<MailboxId>,
    /// The sender's requests for reports about the message.
    pub reports: MailRequest,
    /// The sender's requests for reports for each of the mailboxes, in their order.
    pub recipient_reports: Vec<RecipientRequest>,
    /// Whether the postmaster is a recipient.
    pub postmaster: bool,
    /// The local part of the return path that a report came to. It is then the only recipient, and the sender is the null reverse-path.
    pub report_to: Option<String>,
    /// The origin of the message.
    pub origin: Origin,
}

/// The answer to [`Action::LookUp`]. A dialogue handles these answers only, so the enum is exhaustive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The mailbox exists, and no reason is known why it would not accept the message.
    Found,
    /// The mailbox exists and does not accept the message, for the reason in the reply.
    NotTaken(Reply),
    /// The mailbox does not exist.
    NotFound,
    /// The directory could not answer.
    Failed,
}

/// The answer to [`Action::PermitLogin`]: whether a peer may try to log in. A dialogue handles these answers only, so the enum is exhaustive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginPermit {
    /// The peer may try.
    Granted {
        /// Random bytes, used for this attempt only.
        nonce: [u8; NONCE_LEN],
    },
    /// Too many attempts have failed.
    Denied,
}

/// The answer to [`Action::CheckLogin`]: the outcome of a login attempt. A dialogue handles these answers only, so the enum is exhaustive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The peer has proven this name.
    Proven(PeerName),
    /// The name or the password is wrong.
    Refused,
    /// The attempt could not be checked.
    Failed,
}

/// The answer to [`Action::Spill`]: whether a piece of a message was written. A dialogue handles these answers only, so the enum is
/// exhaustive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spill {
    /// The piece was written.
    Done,
    /// There is no place to write this message to; its first bytes are returned.
    NoPlace(Bytes),
    /// The piece was not written, and the message is refused with this reply.
    Failed(Reply),
}

/// The answer to [`Action::Reserve`]: whether memory was reserved. A dialogue handles these answers only, so the enum is exhaustive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryGrant {
    /// One more [`Dialogue::MEMORY_STEP`] is reserved.
    Granted {
        /// The current time, for the trace.
        at: DateTime<Utc>,
    },
    /// There is no memory left.
    Denied,
}
