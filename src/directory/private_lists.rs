//! [`PrivateLists`]: a directory with lists that owners keep for themselves.

mod copy;
mod error;
#[cfg(feature = "fs")]
mod folder;
mod list;
mod store;

use std::collections::HashSet;

use async_trait::async_trait;

pub use self::copy::{CopiedLists, copy_lists};
pub use self::error::ListStoreError;
#[cfg(feature = "fs")]
pub use self::folder::ListFolder;
pub(crate) use self::list::MOST_MAILBOXES;
pub use self::list::{InvalidListMembers, InvalidListNumber, ListNumber, PrivateList};
pub use self::store::ListStore;
use super::{Directory, DirectoryError, Group, Owner, RemoteMailbox};
use crate::message::MailboxId;

/// A directory around another one, with the private lists of owners.
///
/// An owner addresses a private list by its number, 1 to 20; no other owner can. Its members are mailboxes and distribution lists of the inner
/// directory, and are looked up when a message is sent: a mailbox that is there several times gets the message once. A member that is unknown by then
/// stays among the members, so that the delivery to it fails, and to the others does not. A number that the inner directory has is not a private list.
/// One with more than 1 000 mailboxes, with those of the lists on it, is not used: [`DirectoryError::ListTooLarge`].
///
/// ```
/// use voicemail::directory::{Directory, ListFolder, Owner, PrivateList, PrivateLists, ListStore, StaticDirectory};
/// use voicemail::disk::OsDisk;
/// use voicemail::message::MailboxId;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// # let folder = root.path().join("lists");
/// let owner = Owner::new("london".parse()?, chrono_tz::Europe::London);
/// let (anna, ben): (MailboxId, MailboxId) = ("2001".parse()?, "2002".parse()?);
/// let directory: StaticDirectory = [(anna.clone(), owner.clone()), (ben.clone(), owner)].into_iter().collect();
///
/// let lists = ListFolder::open(OsDisk, &folder).await?;
/// lists.put(&anna, &PrivateList::new(7.try_into()?, "the team", [ben.clone()])?).await?;
/// let directory = PrivateLists::new(directory, lists);
/// assert_eq!(directory.list_members(&anna, &"7".parse()?).await?, Some(vec![ben.clone()]));
/// assert_eq!(directory.list_members(&ben, &"7".parse()?).await?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PrivateLists<D, L> {
    directory: D,
    lists: L,
}

impl<D: Directory, L: ListStore> PrivateLists<D, L> {
    /// The mailboxes of `directory`, with the private lists in `lists`.
    pub fn new(directory: D, lists: L) -> Self {
        Self { directory, lists }
    }

    /// The private lists.
    pub fn lists(&self) -> &L {
        &self.lists
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<D: Directory, L: ListStore> Directory for PrivateLists<D, L> {
    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
        self.directory.find(mailbox).await
    }

    async fn list_members(&self, owner: &MailboxId, list: &MailboxId) -> Result<Option<Vec<MailboxId>>, DirectoryError> {
        let inner = self.directory.list_members(owner, list).await?;
        let Ok(number) = list.as_str().parse::<ListNumber>() else { return Ok(inner) };
        if inner.is_some() || self.directory.find(list).await?.is_some() {
            return Ok(inner);
        }
        let found = self.lists.get(owner, number).await.map_err(|error| DirectoryError::Unavailable(error.into()))?;
        let Some(private) = found else { return Ok(None) };
        let mailboxes = mailboxes_of(&self.directory, owner, private.members()).await?;
        mailboxes.map(Some).ok_or_else(|| DirectoryError::ListTooLarge(list.clone()))
    }

    async fn group(&self, mailbox: &MailboxId) -> Result<Option<Group>, DirectoryError> {
        self.directory.group(mailbox).await
    }

    async fn groups_of(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, DirectoryError> {
        self.directory.groups_of(mailbox).await
    }

    async fn copies_to(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, DirectoryError> {
        self.directory.copies_to(mailbox).await
    }

    async fn remote(&self, number: &MailboxId) -> Result<Option<RemoteMailbox>, DirectoryError> {
        self.directory.remote(number).await
    }
}

/// Returns the mailboxes that these members of a private list of `owner` stand for, each once; `None` if they are more than 1 000.
pub(crate) async fn mailboxes_of<D: Directory + ?Sized>(
    directory: &D,
    owner: &MailboxId,
    members: &[MailboxId],
) -> Result<Option<Vec<MailboxId>>, DirectoryError> {
    let (mut seen, mut mailboxes) = (HashSet::new(), Vec::new());
    for member in members {
        let inner = directory.list_members(owner, member).await?;
        for mailbox in inner.unwrap_or_else(|| vec![member.clone()]) {
            if seen.insert(mailbox.clone()) {
                mailboxes.push(mailbox);
            }
        }
        if mailboxes.len() > MOST_MAILBOXES {
            return Ok(None);
        }
    }
    Ok(Some(mailboxes))
}

#[cfg(feature = "fs")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::StaticDirectory;
    use crate::disk::PowerCutDisk;

    fn id(number: &str) -> MailboxId {
        number.parse().unwrap()
    }

    #[tokio::test]
    async fn a_private_list_is_expanded_when_it_is_used() {
        let lists = ListFolder::open(PowerCutDisk::new(), "/lists").await.unwrap();
        let list =
            |members: &[&str]| PrivateList::new(7.try_into().unwrap(), "team", members.iter().map(|member| id(member))).unwrap();
        lists.put(&id("2001"), &list(&["2002", "900", "2099", "2002"])).await.unwrap();
        lists.put(&id("2001"), &PrivateList::new(8.try_into().unwrap(), "", [id("2002")]).unwrap()).await.unwrap();
        let owner = Owner::new("london".parse().unwrap(), chrono_tz::UTC);
        let inner: StaticDirectory =
            ["2001", "2002", "2003", "8"].map(|number| (id(number), owner.clone())).into_iter().collect();
        let directory = PrivateLists::new(inner.with_list(id("900"), ["2002", "2003"].map(id)), lists);
        let members = async |owner: &str, number: &str| directory.list_members(&id(owner), &id(number)).await.unwrap();
        assert_eq!(members("2001", "7").await, Some(["2002", "2003", "2099"].map(id).to_vec()), "an unknown member stays");
        assert_eq!(members("2001", "8").await, None, "8 is a mailbox");
        assert_eq!(members("2002", "7").await, None, "another owner's list");
        assert_eq!(members("2001", "900").await, Some(["2002", "2003"].map(id).to_vec()));
        crate::conformance::directory::run_all(&directory, &id("2001"), &id("2098")).await;
    }

    #[tokio::test]
    async fn a_list_with_more_than_1000_mailboxes_is_not_used() {
        let lists = ListFolder::open(PowerCutDisk::new(), "/lists").await.unwrap();
        let numbers: Vec<MailboxId> = (3_000..4_000).map(|number| id(&number.to_string())).collect();
        let inner = StaticDirectory::default()
            .with_list(id("900"), numbers[..600].to_vec())
            .with_list(id("901"), numbers[500..].to_vec());
        let directory = PrivateLists::new(inner, lists);
        for (members, fits) in [(&["900", "901"][..], true), (&["900", "901", "3999"], true), (&["900", "2001", "901"], false)] {
            let list = PrivateList::new(7.try_into().unwrap(), "all", members.iter().map(|member| id(member))).unwrap();
            directory.lists().put(&id("2001"), &list).await.unwrap();
            match directory.list_members(&id("2001"), &id("7")).await {
                Ok(found) => assert!(fits && found == Some(numbers.clone()), "{members:?}"),
                Err(DirectoryError::ListTooLarge(list)) => assert!(!fits && list == id("7"), "{members:?}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
