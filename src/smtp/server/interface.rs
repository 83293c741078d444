//! What a [`Dialogue`] and whoever drives it tell each other.

use std::net::IpAddr;

use bytes::Bytes;
use chrono::{DateTime, Utc};

#[cfg(doc)]
use super::Dialogue;
use super::reply::Reply;
use super::{Access, Limits};
use crate::message::{MailboxId, Origin, TlsVersion};
use crate::smtp::sasl::{LoginAttempt, NONCE_LEN, PeerName};

/// What an intake is and takes in, the same for all its connections.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The node's own host name.
    pub node: String,
    /// The domain of its mailboxes; it takes messages for no other.
    pub domain: String,
    /// Whether mail to the postmaster is taken: `<postmaster>`, and `postmaster` at the domain or at the node.
    pub has_postmaster: bool,
    /// Whether STARTTLS can be had.
    pub offers_tls: bool,
    /// Whether a body may be binary.
    pub offers_binary: bool,
    /// How much a peer may take.
    pub limits: Limits,
    /// Who may deliver.
    pub access: Access,
}

/// Who is at the other end, as far as the connection tells.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it is.
    pub address: Option<IpAddr>,
    /// What protects the connection from its first byte on.
    pub tls: Option<TlsVersion>,
    /// Who it has proven to be. Whatever proves a name, a client certificate or AUTH, sets this and nothing else.
    pub origin: Origin,
    /// A number for the session that no other session has; it is part of what the trace calls a message.
    pub session: u64,
}

impl Default for Peer {
    /// A peer of which nothing is known.
    fn default() -> Self {
        Self { address: None, tls: None, origin: Origin::Unproven, session: 0 }
    }
}

/// What a dialogue asks to have done. Until that is answered it reads no input; but for [`Store`](Self::Store), while which it reads on.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Look up whether this recipient exists and would take so many bytes, 0 if nobody knows; then call [`Dialogue::handle_lookup`].
    LookUp(Recipient, u64),
    /// Set aside [`Dialogue::MEMORY_STEP`] more bytes of memory, then call [`Dialogue::handle_memory_grant`].
    Reserve,
    /// Write these bytes behind those of the same message that were spilled before, then call [`Dialogue::handle_spill`]. What was
    /// spilled is of no use any more once [`Dialogue::memory_steps`] is 0, unless the message is to be stored.
    Spill(Bytes),
    /// Decide whether the peer may try to log in: not when too many tries from there have failed. Then call
    /// [`Dialogue::handle_login_permit`].
    PermitLogin,
    /// [Check](LoginAttempt::check) this, then call [`Dialogue::handle_login`].
    CheckLogin(LoginAttempt),
    /// Store this message, then call [`Dialogue::handle_stored`]: for several, in the order in which they were asked for.
    Store(Delivery),
    /// Send the output, do a TLS handshake, then call [`Dialogue::handle_tls`].
    StartTls,
    /// Send the output and close the connection. Nothing comes after it.
    Close,
}

/// A recipient whose address is this node's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A mailbox, which exists or not.
    Mailbox(MailboxId),
    /// The postmaster, RFC 5321 §4.5.1.
    Postmaster,
    /// The address that this node sends from, `voicemail` at its host name: delivery reports come to it, and nobody reads them.
    NodeSender,
}

/// A message that has arrived whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How many bytes of it were spilled.
    pub spilled: usize,
    /// The Internet message, our trace before it; or the rest of it, after what was spilled.
    pub mail: Bytes,
    /// The mailboxes that it is for, none twice; at least one if it is not for the postmaster.
    pub mailboxes: Vec<MailboxId>,
    /// Whether it is for the postmaster too.
    pub postmaster: bool,
    /// Who handed it in.
    pub origin: Origin,
}

/// What became of a look at the directory and at the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// There is such a mailbox, and nothing is known to keep it from taking the message.
    Found,
    /// There is one that does not take the message; the reply says why.
    NotTaken(Reply),
    /// There is none.
    NotFound,
    /// The directory did not answer.
    Failed,
}

/// Whether a peer may try to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginPermit {
    /// The peer may try.
    Granted {
        /// Random bytes that no other try gets.
        nonce: [u8; NONCE_LEN],
    },
    /// Too many tries have failed.
    Denied,
}

/// What became of a try to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginOutcome {
    /// This is who the peer has proven to be.
    Proven(PeerName),
    /// It has proven nothing.
    Refused,
    /// It could not be checked.
    Failed,
}

/// Whether a piece of a message was written to where it needs no memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spill {
    /// The piece was written.
    Done,
    /// There is nowhere to write this message to: here are its first bytes back.
    NoPlace(Bytes),
    /// The piece was not written, and the message is refused with this reply.
    Failed(Reply),
}

/// Whether memory was set aside for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryGrant {
    /// One more [`Dialogue::MEMORY_STEP`] is set aside.
    Granted {
        /// What time it is; the trace says so.
        at: DateTime<Utc>,
    },
    /// There is no memory left.
    Denied,
}
