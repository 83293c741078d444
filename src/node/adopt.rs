//! How a node goes on in another network while it runs.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::watch;

use super::standing::destination;
use super::{Node, NodeError, raised};
use crate::forward::Forwarder;
use crate::network::{Network, NodeAddress};
use crate::record::LOCAL_DESTINATION;
use crate::spool;

impl Node {
    /// Goes on in `network`, at once and as a whole, or not at all.
    ///
    /// - **Calls** go on. Recordings under way hold their ports, which count against the new limits, and go the new way at their end.
    /// - **Connections** stay, those to the central node too unless its hosts are others. What is being sent is sent to its end.
    /// - **The spool** is redirected when another node is the central one. That is done by [`run`](Self::run), which tries until the
    ///   disk does its part.
    /// - **Mailboxes** stay where they are. A node that is no longer the central one answers its senders 451, so that they keep what
    ///   they have, and its mailboxes are for an operator to move.
    /// - **Lamps** are all told again.
    /// - What was given to [`follow`](super::NodeBuilder::follow) follows: a directory, a router of lamps, a forwarder.
    ///
    /// # Errors
    ///
    /// [`NodeError::NotInNetwork`], [`NodeError::NoStore`] and [`NodeError::NoForwarder`] say that the node cannot be what the network
    /// makes of it, [`NodeError::DomainChanges`] that the mailboxes' addresses would change, and [`NodeError::CannotFollow`] that a part
    /// cannot go on there. Nothing has changed then.
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
        // One at a time: readers see the old network or the new one, and the last to be adopted stays.
        let _alone = inner.adopting.lock();
        let (address, before) = (self.address(), inner.standing.network());
        check_parts(address, &network, inner.store.is_some(), inner.forwarder.is_some())?;
        if network.domain() != before.domain() {
            return Err(NodeError::DomainChanges { from: before.domain().to_owned(), to: network.domain().to_owned() });
        }
        let prepared: Result<Vec<_>, _> = inner.followers.iter().map(|follower| follower.prepare(&network)).collect();
        for step in prepared.map_err(NodeError::CannotFollow)? {
            step();
        }
        inner.admission.replace(&network);
        inner.standing.change(Arc::clone(&network));
        let to = destination(address, &network);
        inner.spool.set_destination(to);
        inner.road.send_if_modified(|road| road.turn(to));
        tracing::info!(central_node = %network.central_node(), pbxs = network.sites().len(), "another network is in force");
        Ok(())
    }

    /// Sends what waits to where everything goes: to the central node, or into this node's own store.
    pub(super) async fn forward(&self, stopped: watch::Receiver<bool>) {
        let mut roads = self.inner.road.subscribe();
        let mut deliveries = FuturesUnordered::new();
        let mut stop = std::pin::pin!(raised(stopped.clone()));
        let first = roads.borrow_and_update().clone();
        deliveries.push(self.deliver(first, stopped.clone()));
        loop {
            tokio::select! {
                Ok(()) = roads.changed() => {
                    let road = roads.borrow_and_update().clone();
                    deliveries.push(self.deliver(road, stopped.clone()));
                }
                Some(()) = deliveries.next() => {}
                () = &mut stop => break,
            }
        }
        while deliveries.next().await.is_some() {}
    }

    /// Sends what waits for the destination of `road` until everything goes elsewhere.
    async fn deliver(&self, road: Road, stopped: watch::Receiver<bool>) {
        let inner = &*self.inner;
        let forwarder: Option<&dyn Forwarder> = match &*road.destination {
            LOCAL_DESTINATION => inner.local.as_ref().map(|local| local as _),
            _ => inner.forwarder.as_ref().map(|forwarder| forwarder as _),
        };
        let Some(forwarder) = forwarder else { return };
        let mut roads = inner.road.subscribe();
        let leave = async {
            // An error says that nobody can turn it any more.
            let _ = roads.wait_for(|now| now.turns != road.turns).await;
        };
        spool::deliver(&inner.spool, &road.destination, forwarder, leave, raised(stopped)).await;
    }

    /// Lets what waits for a node that was the central one go where everything goes now.
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

/// Where everything goes, and how often that has changed.
#[derive(Debug, Clone)]
pub(super) struct Road {
    destination: Arc<str>,
    turns: u64,
}

impl Road {
    pub(super) fn to(destination: &str) -> Self {
        Self { destination: destination.into(), turns: 0 }
    }

    /// Whether it goes elsewhere now.
    fn turn(&mut self, destination: &str) -> bool {
        let turns = *self.destination != *destination;
        if turns {
            *self = Self { destination: destination.into(), turns: self.turns + 1 };
        }
        turns
    }
}

/// Whether the node at `address` has the parts for what `network` makes of it.
pub(super) fn check_parts(
    address: &NodeAddress,
    network: &Network,
    has_store: bool,
    has_forwarder: bool,
) -> Result<(), NodeError> {
    if network.sites_of(address).next().is_none() {
        return Err(NodeError::NotInNetwork(address.clone()));
    }
    match network.central_node() == address {
        true if !has_store => Err(NodeError::NoStore(address.clone())),
        false if !has_forwarder => Err(NodeError::NoForwarder(address.clone())),
        _ => Ok(()),
    }
}

/// How long a spool that could not be redirected waits for the next try.
const PAUSE: Duration = Duration::from_millis(500);
