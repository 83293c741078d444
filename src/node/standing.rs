//! [`Standing`]: what the node is in the network that is in force.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Notify, watch};

use crate::network::{Network, NodeAddress};
use crate::record::LOCAL_DESTINATION;

/// What the node is in the network that is in force.
#[derive(Debug)]
pub(super) struct Standing {
    address: NodeAddress,
    network: RwLock<Arc<Network>>,
    is_central: AtomicBool,
    changed: Notify,
    followed: watch::Sender<()>,
}

impl Standing {
    pub(super) fn new(address: NodeAddress, network: Arc<Network>) -> Self {
        let is_central = AtomicBool::new(*network.central_node() == address);
        Self { address, network: RwLock::new(network), is_central, changed: Notify::new(), followed: watch::Sender::new(()) }
    }

    pub(super) fn address(&self) -> &NodeAddress {
        &self.address
    }

    pub(super) fn network(&self) -> Arc<Network> {
        Arc::clone(&self.network.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it keeps the mailboxes.
    pub(super) fn is_central(&self) -> bool {
        self.is_central.load(Ordering::Acquire)
    }

    pub(super) fn change(&self, network: Arc<Network>) {
        self.is_central.store(*network.central_node() == self.address, Ordering::Release);
        *self.network.write().unwrap_or_else(PoisonError::into_inner) = network;
        self.changed.notify_one();
        self.followed.send_replace(());
    }

    /// Tells, from now on, each time that another network is in force.
    pub(super) fn follow(&self) -> watch::Receiver<()> {
        self.followed.subscribe()
    }

    /// Waits until another network is in force; for one who waits alone.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// The destination of what the node at `address` records in `network`.
pub(super) fn destination<'a>(address: &NodeAddress, network: &'a Network) -> &'a str {
    if network.central_node() == address { LOCAL_DESTINATION } else { network.central_node().as_str() }
}
