//! [`CurrentNetwork`]: the network in force, and the role of this node in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, watch};

use crate::lock::Lock;
use crate::network::{Network, NodeAddress};
use crate::record::LOCAL_DESTINATION;

/// The network in force, and the role of this node in it.
#[derive(Debug)]
pub(super) struct CurrentNetwork {
    address: NodeAddress,
    network: Lock<Arc<Network>>,
    is_central: AtomicBool,
    changed: Notify,
    subscribers: watch::Sender<()>,
}

impl CurrentNetwork {
    pub(super) fn new(address: NodeAddress, network: Arc<Network>) -> Self {
        let is_central = AtomicBool::new(network.is_central_node(&address));
        Self { address, network: Lock::new(network), is_central, changed: Notify::new(), subscribers: watch::Sender::new(()) }
    }

    pub(super) fn address(&self) -> &NodeAddress {
        &self.address
    }

    pub(super) fn network(&self) -> Arc<Network> {
        Arc::clone(&self.network.lock())
    }

    /// Whether this node serves the mailboxes: it is the central node or its backup node.
    pub(super) fn is_central(&self) -> bool {
        self.is_central.load(Ordering::Acquire)
    }

    pub(super) fn change(&self, network: Arc<Network>) {
        self.is_central.store(network.is_central_node(&self.address), Ordering::Release);
        *self.network.lock() = network;
        self.changed.notify_one();
        self.subscribers.send_replace(());
    }

    /// Returns a receiver that is notified, from now on, each time another network comes into force.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.subscribers.subscribe()
    }

    /// Waits until another network comes into force. Only one task may wait.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Returns the destination of messages that the node at `address` records in `network`.
pub(super) fn destination<'a>(address: &NodeAddress, network: &'a Network) -> &'a str {
    if network.is_central_node(address) { LOCAL_DESTINATION } else { network.central_node().as_str() }
}
