//! [`ReportedAction`].

use std::fmt;

/// The action that a delivery report says was taken for one recipient. More may be added.
///
/// # Source
///
/// RFC 3464 §2.3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReportedAction {
    /// The message could not be delivered.
    Failed,
    /// The message could not be delivered yet; the server goes on trying.
    Delayed,
    /// The message was delivered. Without the proof of the node that keeps the mailbox, this may be untrue.
    Delivered,
    /// The message was handed to a server that sends no reports.
    Relayed,
    /// The message was sent on to the recipients of an alias.
    Expanded,
    /// The mail is no delivery report, or names no such action.
    Unreadable,
}

impl ReportedAction {
    /// Reads an action in lower case.
    #[cfg(feature = "node")]
    pub(crate) fn of(action: &str) -> Self {
        match action {
            "failed" => Self::Failed,
            "delayed" => Self::Delayed,
            "delivered" => Self::Delivered,
            "relayed" => Self::Relayed,
            "expanded" => Self::Expanded,
            _ => Self::Unreadable,
        }
    }

    /// The action as reports write it, and `unreadable`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for ReportedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
