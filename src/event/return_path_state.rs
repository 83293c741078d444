//! [`ReturnPathState`].

use std::fmt;

/// Whether receipts find their way back to this node from behind a relay, as far as the node knows. More may be added.
///
/// The node sends a probe to itself through the relay when it starts, when its destination changes, and when a receipt is overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ReturnPathState {
    /// Nothing is known: there is no relay, or nobody has asked it yet.
    #[default]
    Unknown,
    /// A probe is under way, and none has come back.
    Probing,
    /// A probe or a receipt has come back.
    Works,
    /// No probe has come back in time: what this relay accepts cannot be confirmed.
    Fails,
}

impl fmt::Display for ReturnPathState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "it is not known whether receipts can come back",
            Self::Probing => "a probe shows soon whether receipts can come back through this relay",
            Self::Works => "receipts can come back through this relay",
            Self::Fails => "receipts cannot come back through this relay",
        })
    }
}
