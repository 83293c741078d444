//! [`StaticDirectory`]: a directory of fixed mailboxes, groups and lists.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::voicemail_system::{self, VoicemailSystem};
use super::{Directory, DirectoryError, Group, Owner, RemoteMailbox};
use crate::message::MailboxId;

/// A directory of fixed mailboxes, groups and distribution lists: from a configuration, or in a test.
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
    groups: BTreeMap<MailboxId, Group>,
    /// The groups of each member.
    memberships: BTreeMap<MailboxId, Vec<MailboxId>>,
    copies: BTreeMap<MailboxId, Vec<MailboxId>>,
    systems: Vec<VoicemailSystem>,
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

    /// Returns the same directory with a group, whose `mailbox` is one of the directory's; a second group of one mailbox replaces the first.
    #[must_use]
    pub fn with_group(mut self, mailbox: MailboxId, group: Group) -> Self {
        self.memberships.values_mut().for_each(|groups| groups.retain(|other| *other != mailbox));
        for member in &group.members {
            let groups = self.memberships.entry(member.clone()).or_default();
            if !groups.contains(&mailbox) {
                groups.push(mailbox.clone());
            }
        }
        self.groups.insert(mailbox, group);
        self
    }

    /// Returns the same directory, where each of `to` gets a copy of each message to `mailbox`, which is one of the directory's.
    #[must_use]
    pub fn with_copies(mut self, mailbox: MailboxId, to: impl IntoIterator<Item = MailboxId>) -> Self {
        self.copies.insert(mailbox, to.into_iter().collect());
        self
    }

    /// Returns the same directory with another voicemail system, to which owners send messages.
    #[must_use]
    pub fn with_system(mut self, system: VoicemailSystem) -> Self {
        self.systems.push(system);
        self
    }
}

impl FromIterator<(MailboxId, Owner)> for StaticDirectory {
    fn from_iter<I: IntoIterator<Item = (MailboxId, Owner)>>(owners: I) -> Self {
        Self { owners: owners.into_iter().collect(), ..Self::default() }
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

    async fn group(&self, mailbox: &MailboxId) -> Result<Option<Group>, DirectoryError> {
        Ok(self.groups.get(mailbox).cloned())
    }

    async fn groups_of(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, DirectoryError> {
        Ok(self.memberships.get(mailbox).cloned().unwrap_or_default())
    }

    async fn copies_to(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, DirectoryError> {
        Ok(self.copies.get(mailbox).cloned().unwrap_or_default())
    }

    async fn remote(&self, number: &MailboxId) -> Result<Option<RemoteMailbox>, DirectoryError> {
        Ok(voicemail_system::find(&self.systems, number))
    }
}
