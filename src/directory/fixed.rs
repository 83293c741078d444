//! [`StaticDirectory`]: a directory of fixed mailboxes and lists.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Directory, DirectoryError, Owner};
use crate::message::MailboxId;

/// A directory of fixed mailboxes and distribution lists: from a configuration, or in a test.
///
/// ```
/// use voicemail::directory::{Owner, StaticDirectory};
///
/// let directory: StaticDirectory = [("2041".parse().unwrap(), Owner::new("london".parse().unwrap(), chrono_tz::Europe::London))]
///     .into_iter()
///     .collect();
/// assert_eq!(directory.mailboxes().count(), 1);
/// ```
#[derive(Debug, Clone, Default)]
pub struct StaticDirectory {
    owners: BTreeMap<MailboxId, Owner>,
    lists: BTreeMap<MailboxId, Vec<MailboxId>>,
}

impl StaticDirectory {
    /// Returns all mailboxes, sorted by id.
    pub fn mailboxes(&self) -> impl Iterator<Item = (&MailboxId, &Owner)> {
        self.owners.iter()
    }

    /// Returns the same directory with a distribution list that every owner may use; a second list of one number replaces the first.
    #[must_use]
    pub fn with_list(mut self, number: MailboxId, members: impl IntoIterator<Item = MailboxId>) -> Self {
        self.lists.insert(number, members.into_iter().collect());
        self
    }
}

impl FromIterator<(MailboxId, Owner)> for StaticDirectory {
    fn from_iter<I: IntoIterator<Item = (MailboxId, Owner)>>(owners: I) -> Self {
        Self { owners: owners.into_iter().collect(), lists: BTreeMap::new() }
    }
}

#[async_trait]
impl Directory for StaticDirectory {
    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
        Ok(self.owners.get(mailbox).cloned())
    }

    async fn list_members(&self, _owner: &MailboxId, list: &MailboxId) -> Result<Option<Vec<MailboxId>>, DirectoryError> {
        Ok(self.lists.get(list).cloned())
    }
}
