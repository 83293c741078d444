//! [`Summary`]: how many messages a mailbox holds.

use std::fmt;

/// How many messages a mailbox holds, as a lamp shows it. Removed messages do not count. An urgent message counts twice: among the new or old
/// ones, and among the urgent ones.
///
/// ```
/// use voicemail::message::Summary;
///
/// let summary = Summary::new(2, 8).with_urgent(0, 2);
/// assert_eq!(summary.to_string(), "2/8 (0/2)");
/// assert!(summary.waiting());
/// ```
///
/// # Source
///
/// RFC 3842 §5.2: new/old (urgent new/urgent old), each at most 4294967295.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Messages that their owner has not heard.
    pub new: u32,
    /// Messages that their owner has heard and kept.
    pub old: u32,
    /// How many of the new ones are urgent.
    pub urgent_new: u32,
    /// How many of the old ones are urgent.
    pub urgent_old: u32,
}

impl Summary {
    /// A mailbox with so many new and old messages, none of them urgent.
    pub const fn new(new: u32, old: u32) -> Self {
        Self { new, old, urgent_new: 0, urgent_old: 0 }
    }

    /// The same mailbox, where so many of the new and of the old messages are urgent.
    #[must_use]
    pub const fn with_urgent(self, new: u32, old: u32) -> Self {
        Self { urgent_new: new, urgent_old: old, ..self }
    }

    /// Returns whether the lamp is lit: it is if a message is new.
    pub const fn waiting(&self) -> bool {
        self.new > 0
    }

    /// Returns the messages of both mailboxes together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            new: self.new.saturating_add(other.new),
            old: self.old.saturating_add(other.old),
            urgent_new: self.urgent_new.saturating_add(other.urgent_new),
            urgent_old: self.urgent_old.saturating_add(other.urgent_old),
        }
    }

    /// Counts one more message.
    pub fn count(&mut self, status: super::Status, urgency: super::Urgency) {
        let urgent = u32::from(urgency == super::Urgency::Urgent);
        match status {
            super::Status::New => {
                self.new = self.new.saturating_add(1);
                self.urgent_new = self.urgent_new.saturating_add(urgent);
            }
            super::Status::Old => {
                self.old = self.old.saturating_add(1);
                self.urgent_old = self.urgent_old.saturating_add(urgent);
            }
            super::Status::Removed => {}
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({}/{})", self.new, self.old, self.urgent_new, self.urgent_old)
    }
}
