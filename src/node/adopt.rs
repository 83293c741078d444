//! Puts another network into force while the node runs.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::watch;

use super::current_network::destination;
use super::{Node, NodeError, raised};
use crate::forward::Forwarder;
use crate::network::{Network, NodeAddress};
use crate::record::LOCAL_DESTINATION;
use crate::spool;
use crate::store::MessageStore;

impl Node {
    /// Puts `network` into force, at once and as a whole, or not at all.
    ///
    /// - **Calls** continue. Recordings in progress hold their ports, which count against the new limits; when they end, they are sent
    ///   to the destination of the new network.
    /// - **Connections** stay open, also those to the central node unless its hosts change. A message that is being sent is sent to its
    ///   end.
    /// - **The spool** is redirected when another node becomes the central one. [`run`](Self::run) does that, and tries again until the
    ///   disk allows it.
    /// - **Mailboxes** stay on their node. A node that is no longer the central one answers 451, so that senders keep their messages; an
    ///   operator has to move its mailboxes.
    /// - **Lamps** are all updated again.
    /// - Parts given to [`observe_network`](super::NodeBuilder::observe_network), such as a directory, a router of lamps or a forwarder,
    ///   use the new network.
    ///
    /// # Errors
    ///
    /// [`NodeError::NotInNetwork`], [`NodeError::NoStore`], [`NodeError::NoForwarder`] and [`NodeError::OtherEngine`] mean that the node lacks a part
    /// for its role in the network, [`NodeError::DomainChanges`] that the mailboxes' addresses would change, and [`NodeError::ObserverRefused`] that an
    /// observer cannot use the network. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn reload(node: &voicemail::node::Node, network: voicemail::network::Network) {
    /// match node.adopt(network) {
    ///     Ok(()) => println!("the new network is in force"),
    ///     Err(why) => println!("the old one stays in force: {why}"),
    /// }
    /// # }
    /// ```
    pub fn adopt(&self, network: impl Into<Arc<Network>>) -> Result<(), NodeError> {
        let (inner, network) = (&*self.inner, network.into());
        // One call at a time: readers see the old network or the new one, and the network adopted last stays in force.
        let _alone = inner.adopting.lock();
        let (address, before) = (self.address(), inner.current.network());
        check_parts(address, &network, inner.store.as_deref(), inner.forwarder.is_some())?;
        if network.domain() != before.domain() {
            return Err(NodeError::DomainChanges { from: before.domain().to_owned(), to: network.domain().to_owned() });
        }
        let prepared: Result<Vec<_>, _> = inner.observers.iter().map(|observer| observer.prepare(&network)).collect();
        for commit in prepared.map_err(NodeError::ObserverRefused)? {
            commit();
        }
        inner.admission.replace(&network);
        inner.current.change(Arc::clone(&network));
        let to = destination(address, &network);
        inner.spool.set_destination(to);
        inner.destination.send_if_modified(|destination| destination.change(to));
        tracing::info!(central_node = %network.central_node(), pbxs = network.sites().len(), "another network is in force");
        Ok(())
    }

    /// Sends the waiting messages to the current destination: the central node, or this node's own store.
    pub(super) async fn forward(&self, stopped: watch::Receiver<bool>) {
        let mut destinations = self.inner.destination.subscribe();
        let mut deliveries = FuturesUnordered::new();
        let mut stop = std::pin::pin!(raised(stopped.clone()));
        let first = destinations.borrow_and_update().clone();
        deliveries.push(self.deliver(first, stopped.clone()));
        loop {
            tokio::select! {
                Ok(()) = destinations.changed() => {
                    let destination = destinations.borrow_and_update().clone();
                    deliveries.push(self.deliver(destination, stopped.clone()));
                }
                Some(()) = deliveries.next() => {}
                () = &mut stop => break,
            }
        }
        while deliveries.next().await.is_some() {}
    }

    /// Sends the messages that wait for `destination` until the destination changes.
    async fn deliver(&self, destination: Destination, stopped: watch::Receiver<bool>) {
        let inner = &*self.inner;
        let forwarder: Option<&dyn Forwarder> = match &*destination.name {
            LOCAL_DESTINATION => inner.local.as_ref().map(|local| local as _),
            _ => inner.forwarder.as_ref().map(|forwarder| forwarder as _),
        };
        let Some(forwarder) = forwarder else { return };
        let mut destinations = inner.destination.subscribe();
        let changed = async {
            // An error means that the node is gone, and nothing changes any more.
            let _ = destinations.wait_for(|now| now.changes != destination.changes).await;
        };
        spool::deliver(&inner.spool, &destination.name, forwarder, changed, raised(stopped)).await;
    }

    /// Redirects messages that wait for a former central node to the current destination.
    pub(super) async fn redirect(&self, stopped: watch::Receiver<bool>) {
        let spool = &self.inner.spool;
        let work = async {
            loop {
                spool.misrouted().await;
                while let Err(error) = spool.redirect().await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the spool could not be redirected; it is tried again"
                    );
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = raised(stopped) => {}
        }
    }
}

/// Where messages are sent, and how often that has changed.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) name: Arc<str>,
    changes: u64,
}

impl Destination {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), changes: 0 }
    }

    /// Sets the destination; returns whether it is another one.
    fn change(&mut self, name: &str) -> bool {
        let changed = *self.name != *name;
        if changed {
            *self = Self { name: name.into(), changes: self.changes + 1 };
        }
        changed
    }
}

/// Checks that the node at `address` has the parts that its role in `network` needs.
pub(super) fn check_parts(
    address: &NodeAddress,
    network: &Network,
    store: Option<&dyn MessageStore>,
    has_forwarder: bool,
) -> Result<(), NodeError> {
    if network.sites_of(address).next().is_none() {
        return Err(NodeError::NotInNetwork(address.clone()));
    }
    if !network.is_central_node(address) {
        return if has_forwarder { Ok(()) } else { Err(NodeError::NoForwarder(address.clone())) };
    }
    let Some(store) = store else { return Err(NodeError::NoStore(address.clone())) };
    match (network.engine(), store.engine()) {
        (Some(described), Some(found)) if described.as_str() != found => {
            Err(NodeError::OtherEngine { described: described.clone(), found: found.to_owned() })
        }
        _ => Ok(()),
    }
}

/// The pause before another try to redirect the spool.
const PAUSE: Duration = Duration::from_millis(500);
