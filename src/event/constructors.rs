//! Makes the events that a forwarder or a store outside this crate may report, and that of a deposit.

use std::path::PathBuf;

use super::Event;
#[cfg(feature = "smtp")]
use crate::message::{Head, MailboxId, Origin};
use crate::message::{MessageId, TransportSecurity};
#[cfg(feature = "smtp")]
use crate::store::Deposit;

impl Event {
    /// Makes a [`Connected`](Self::Connected), for a [`Forwarder`](crate::forward::Forwarder) outside this crate.
    pub fn connected(id: MessageId, peer: impl Into<String>, transport_security: TransportSecurity) -> Self {
        Self::Connected { id, peer: peer.into(), transport_security }
    }

    /// Makes a [`Sent`](Self::Sent), for a [`Forwarder`](crate::forward::Forwarder) outside this crate.
    pub const fn sent(id: MessageId) -> Self {
        Self::Sent { id }
    }

    /// Makes a [`PlainTextFallback`](Self::PlainTextFallback), for a [`Forwarder`](crate::forward::Forwarder) outside this crate.
    pub fn plain_text_fallback(peer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::PlainTextFallback { peer: peer.into(), reason: reason.into() }
    }

    /// Makes a [`TlsWithheld`](Self::TlsWithheld), for a [`Forwarder`](crate::forward::Forwarder) outside this crate.
    pub fn tls_withheld(peer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::TlsWithheld { peer: peer.into(), reason: reason.into() }
    }

    /// Makes a [`BadEntry`](Self::BadEntry), for a [`MessageStore`](crate::store::MessageStore) outside this crate.
    pub fn bad_entry(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::BadEntry { path: path.into(), reason: reason.into() }
    }

    /// Returns the event for the answer of a store to a deposit.
    #[cfg(feature = "smtp")]
    pub(crate) fn deposited(head: &Head, mailbox: &MailboxId, origin: Origin, deposit: Deposit) -> Self {
        let mailbox = mailbox.clone();
        match deposit {
            Deposit::Stored(id) => Self::Stored { id, mailbox, origin, call_id: head.call_details.call_id.clone() },
            Deposit::Duplicate => Self::Duplicate { id: head.id, mailbox },
        }
    }
}
