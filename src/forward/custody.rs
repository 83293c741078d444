//! [`Custody`]: what the answer of a peer means for a message.

use std::fmt;
use std::str::FromStr;

/// Whether the peer that accepts messages keeps the mailboxes itself, or sends the messages on.
///
/// Behind a relay, a message stays in the [`spool`](crate::spool) until the node that keeps the mailbox sends its receipt: the relay may lose the
/// message, or be refused later, and its own report that says "delivered" proves nothing (Exim 4.96 says so of a message that it has
/// handed to a server without delivery reports).
///
/// A node of this crate says under TLS that it keeps the mailboxes (`XVOICEMAIL 1 FINAL` in its reply to EHLO). Older nodes say nothing and send no
/// receipts: behind them, and behind other mail servers that keep the mailboxes themselves, [`Final`](Self::Final) is right, and
/// [`Auto`](Self::Auto) takes them for relays.
///
/// # Set-up of both nodes
///
/// | node | setting | why |
/// |---|---|---|
/// | the one that sends | `SmtpForwarderBuilder::custody` and `return_paths` | each message asks for a receipt, and says where to send it |
/// | | `NodeBuilder::return_paths` and `custody_key` | reports are received and believed by the same keys |
/// | | a listener that admits the relay | the receipts come by mail |
/// | the one that keeps the mailboxes | `NodeBuilder::custody_secret` and `mail_out` | it proves its receipts, and sends them |
///
/// The relay must route mail for the host name of the sending node to its listener. The node sends a probe to itself through the relay, and reports
/// whether it comes back: [`Event::ReturnPathWorks`](crate::event::Event::ReturnPathWorks) or
/// [`ReturnPathFails`](crate::event::Event::ReturnPathFails), and [`SpoolState::return_path`](crate::event::SpoolState::return_path).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Custody {
    /// The peer keeps the mailboxes: what it accepts, it has stored.
    #[default]
    Final,
    /// The peer keeps the mailboxes if it says so under TLS, by the name that its certificate proves; otherwise it is a relay.
    Auto,
    /// The peer is a relay, whatever it says.
    Relay,
}

impl Custody {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Final, Self::Auto, Self::Relay];

    /// The name of the value in a network description.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Auto => "auto",
            Self::Relay => "relay",
        }
    }

    /// Whether a peer is a relay that has proven to be the final node, or has not.
    #[cfg(feature = "smtp")]
    pub(crate) fn is_relay(self, has_proven_final: bool) -> bool {
        match self {
            Self::Final => false,
            Self::Auto => !has_proven_final,
            Self::Relay => true,
        }
    }
}

impl fmt::Display for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Custody {
    type Err = UnknownCustody;

    fn from_str(text: &str) -> Result<Self, UnknownCustody> {
        Self::ALL.into_iter().find(|custody| custody.as_str() == text).ok_or(UnknownCustody)
    }
}

/// A text that names no [`Custody`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("custody is one of final, auto, relay")]
pub struct UnknownCustody;
