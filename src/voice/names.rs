//! [`Names`]: the names that owners have recorded.

use std::collections::HashMap;
use std::fmt;

use crate::message::{Audio, MailboxId};

/// The recorded names of the owners that a prompt may mention, by mailbox. Collect it from pairs of both.
#[derive(Clone, Default)]
pub struct Names(HashMap<MailboxId, Audio>);

impl Names {
    /// Returns no names: every mailbox is said by its number.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the recorded name of the owner of `mailbox`.
    pub fn get(&self, mailbox: &MailboxId) -> Option<&Audio> {
        self.0.get(mailbox)
    }

    /// Returns how many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(MailboxId, Audio)> for Names {
    fn from_iter<I: IntoIterator<Item = (MailboxId, Audio)>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

impl Extend<(MailboxId, Audio)> for Names {
    fn extend<I: IntoIterator<Item = (MailboxId, Audio)>>(&mut self, names: I) {
        self.0.extend(names);
    }
}

impl fmt::Debug for Names {
    /// Shows how many names there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Names({})", self.0.len())
    }
}
