//! [`StaticDirectory`]: a directory with a fixed list of mailboxes.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Directory, DirectoryError, Owner};
use crate::message::MailboxId;

/// A directory with a fixed list of mailboxes: from a configuration, or in a test.
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
}

impl StaticDirectory {
    /// Returns all mailboxes, sorted by id.
    pub fn mailboxes(&self) -> impl Iterator<Item = (&MailboxId, &Owner)> {
        self.owners.iter()
    }
}

impl FromIterator<(MailboxId, Owner)> for StaticDirectory {
    fn from_iter<I: IntoIterator<Item = (MailboxId, Owner)>>(owners: I) -> Self {
        Self { owners: owners.into_iter().collect() }
    }
}

#[async_trait]
impl Directory for StaticDirectory {
    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
        Ok(self.owners.get(mailbox).cloned())
    }
}
