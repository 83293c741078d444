//! [`NetworkDirectory`]: the owners of the mailboxes, the groups and the lists of the network in force.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Commit, Network, NetworkObserver};
use crate::directory::{Directory, DirectoryError, Group, Owner, RemoteMailbox};
use crate::lock::Lock;
use crate::message::MailboxId;

/// The owners of the mailboxes of the network in force, as [`Network::owner`] returns them, its groups and its distribution lists. Clones share the network: when a
/// node, its store and its router have clones, all of them change to another network together.
///
/// ```
/// # use voicemail::network::{Network, NetworkDirectory};
/// # fn follow(network: Network, tomorrow: Network) {
/// let directory = NetworkDirectory::new(network);
/// let for_the_store = directory.clone();
/// directory.replace(tomorrow); // a node does this itself if the directory is one of its network observers
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct NetworkDirectory {
    network: Arc<Lock<Arc<Network>>>,
}

impl NetworkDirectory {
    /// The owners of the mailboxes of `network`.
    pub fn new(network: impl Into<Arc<Network>>) -> Self {
        Self { network: Arc::new(Lock::new(network.into())) }
    }

    /// The network in force.
    pub fn network(&self) -> Arc<Network> {
        Arc::clone(&self.network.lock())
    }

    /// Replaces the network.
    pub fn replace(&self, network: impl Into<Arc<Network>>) {
        *self.network.lock() = network.into();
    }
}

#[async_trait]
impl Directory for NetworkDirectory {
    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
        Ok(self.network().owner(mailbox))
    }

    async fn list_members(&self, _owner: &MailboxId, list: &MailboxId) -> Result<Option<Vec<MailboxId>>, DirectoryError> {
        Ok(self.network().list(list).map(<[MailboxId]>::to_vec))
    }

    async fn group(&self, mailbox: &MailboxId) -> Result<Option<Group>, DirectoryError> {
        Ok(self.network().mailbox(mailbox).and_then(|(_, mailbox)| mailbox.group.clone()))
    }

    async fn groups_of(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, DirectoryError> {
        Ok(self.network().groups_of(mailbox).to_vec())
    }

    async fn copies_to(&self, mailbox: &MailboxId) -> Result<Vec<MailboxId>, DirectoryError> {
        Ok(self.network().mailbox(mailbox).map(|(_, mailbox)| mailbox.copies_to.clone()).unwrap_or_default())
    }

    async fn remote(&self, number: &MailboxId) -> Result<Option<RemoteMailbox>, DirectoryError> {
        Ok(self.network().remote(number))
    }
}

impl NetworkObserver for NetworkDirectory {
    fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, Box<dyn Error + Send + Sync>> {
        Ok(Box::new(|| self.replace(Arc::clone(network))))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::super::samples::{self, mailbox};
    use super::*;

    #[test]
    fn clones_follow_the_network_together() {
        let directory = NetworkDirectory::new(samples::network());
        let clone = directory.clone();
        let find = |number: &str| clone.find(&number.parse().unwrap()).now_or_never().unwrap().unwrap();
        assert_eq!(find("2002").map(|owner| owner.zone), Some(chrono_tz::Europe::Berlin));
        assert_eq!(find("2009"), None);
        let mut sites = samples::sites();
        sites[2] = samples::distributed("kathmandu").mailbox(mailbox("2009"));
        directory.replace(samples::of(sites).unwrap());
        assert_eq!(find("2009").map(|owner| owner.home), Some(samples::id("kathmandu")));
    }

    #[test]
    fn lists_are_those_of_the_network_in_force() {
        let with_list = |members: &[&str]| {
            let members = members.iter().map(|member| member.parse().unwrap());
            let sites =
                samples::sites().into_iter().fold(Network::builder("voicemail.example"), crate::network::NetworkBuilder::site);
            sites.list("900".parse().unwrap(), members).build().unwrap()
        };
        let directory = NetworkDirectory::new(with_list(&["2001", "2008", "2001"]));
        let members = |directory: &dyn Directory| {
            let found = directory.list_members(&"2003".parse().unwrap(), &"900".parse().unwrap()).now_or_never().unwrap();
            found.unwrap().map(|members| members.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(members(&directory), Some(vec!["2001".to_owned(), "2008".to_owned()]), "each once");
        assert_eq!(members(&directory.network().directory()), members(&directory));
        directory.replace(samples::network());
        assert_eq!(members(&directory), None);
    }

    #[cfg(feature = "memory")]
    #[tokio::test]
    async fn keeps_the_contract() {
        let directory = NetworkDirectory::new(samples::network());
        crate::conformance::directory::run_all(&directory, &"2001".parse().unwrap(), &"2999".parse().unwrap()).await;
    }
}
