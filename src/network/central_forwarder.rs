//! [`CentralForwarder`]: forwards to the central node, at the first of its hosts that can be reached; and [`HostOrder`].

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Commit, Network, NetworkObserver, NodeAddress, NodeHost};
use crate::forward::{Acceptance, Failover, ForwardError, Forwarder, Outcome};
use crate::lock::Lock;
use crate::message::{ContentDigest, MailboxId, Message, MessageId};

/// Forwards messages to the central node: to its first host, and to the next one if that cannot be reached, as [`Failover`] does.
///
/// Which host is the first one is a choice: that of the description for all nodes, or, [spread](Self::spread) over the hosts, another one for each
/// node. The [backup node](Network::backup_node) is the last one in any case.
///
/// When another network gives other hosts, later messages go to those, and messages that are being forwarded finish at the host
/// where they began. If the hosts stay the same, their connections are kept.
///
/// ```no_run
/// # use std::{error::Error, sync::Arc};
/// # #[cfg(feature = "smtp")]
/// # fn forwarder(network: &Arc<voicemail::network::Network>, pem: &'static [u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
/// use voicemail::forward::SmtpForwarder;
/// use voicemail::network::CentralForwarder;
///
/// let forwarder = CentralForwarder::new(network, move |network, host| {
///     SmtpForwarder::builder(host.to_string(), network.domain())
///         .node("himalaya.voicemail.example")
///         .server_name(network.central_node().as_str()) // the certificate is the node's, whatever its host
///         .ca_pem(pem)
///         .build()
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct CentralForwarder<F> {
    make: Box<Make<F>>,
    order: HostOrder,
    route: Lock<Arc<Route<F>>>,
}

type BoxError = Box<dyn Error + Send + Sync>;
type Make<F> = dyn Fn(&Network, &NodeHost) -> Result<F, BoxError> + Send + Sync;

/// The order in which the hosts of the central node are tried.
#[derive(Debug)]
enum HostOrder {
    /// That of the description.
    Described,
    /// That which the name of this node chooses.
    ChosenBy(NodeAddress),
}

impl HostOrder {
    fn of(&self, network: &Network) -> Vec<NodeHost> {
        let mut hosts = network.central_hosts();
        if let Self::ChosenBy(sender) = self {
            let is_backup = |host: &NodeHost| network.backup_node().is_some_and(|backup| *host == NodeHost::new(backup.clone()));
            // The host with the least digest comes first. Each digest depends on one host and on the sender, and on no other host.
            hosts.sort_by_cached_key(|host| (is_backup(host), ContentDigest::of(format!("{sender}\n{host}").as_bytes())));
        }
        hosts
    }
}

/// The forwarders in force, and the hosts that they were made for.
#[derive(Debug)]
struct Route<F> {
    node: NodeAddress,
    hosts: Vec<NodeHost>,
    forwarder: Failover<F>,
}

impl<F: Forwarder> CentralForwarder<F> {
    /// A forwarder to the central node of `network`; `make` makes the forwarder to each of its hosts.
    ///
    /// # Errors
    ///
    /// The errors of `make`.
    pub fn new<E: Into<BoxError>>(
        network: &Network,
        make: impl Fn(&Network, &NodeHost) -> Result<F, E> + Send + Sync + 'static,
    ) -> Result<Self, BoxError> {
        Self::in_order(HostOrder::Described, network, make)
    }

    /// A forwarder to the central node of `network`, as [`new`](Self::new) makes it, whose first host is chosen by the name of this node, `sender`: so
    /// the distributed nodes spread over the hosts, and each stays with its own as long as that can be reached. A host that is added or removed
    /// changes the choice of no more nodes than it must.
    ///
    /// # Errors
    ///
    /// The errors of `make`.
    pub fn spread<E: Into<BoxError>>(
        sender: NodeAddress,
        network: &Network,
        make: impl Fn(&Network, &NodeHost) -> Result<F, E> + Send + Sync + 'static,
    ) -> Result<Self, BoxError> {
        Self::in_order(HostOrder::ChosenBy(sender), network, make)
    }

    fn in_order<E: Into<BoxError>>(
        order: HostOrder,
        network: &Network,
        make: impl Fn(&Network, &NodeHost) -> Result<F, E> + Send + Sync + 'static,
    ) -> Result<Self, BoxError> {
        let make: Box<Make<F>> = Box::new(move |network, host| make(network, host).map_err(Into::into));
        let route = Lock::new(Arc::new(Route::to(network, order.of(network), &*make)?));
        Ok(Self { make, order, route })
    }

    /// The hosts in force, the preferred one first.
    pub fn hosts(&self) -> Vec<NodeHost> {
        self.route().hosts.clone()
    }

    fn route(&self) -> Arc<Route<F>> {
        Arc::clone(&self.route.lock())
    }
}

impl<F: Forwarder> Route<F> {
    fn to(network: &Network, hosts: Vec<NodeHost>, make: &Make<F>) -> Result<Self, BoxError> {
        let node = network.central_node().clone();
        let mut forwarders = hosts.iter().map(|host| make(network, host));
        let first = forwarders.next().ok_or("the central node has no host")??;
        let forwarder = forwarders.try_fold(Failover::new(first), |failover, next| Ok::<_, BoxError>(failover.or(next?)))?;
        Ok(Self { node, hosts, forwarder })
    }
}

#[async_trait]
impl<F: Forwarder> Forwarder for CentralForwarder<F> {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let route = self.route();
        route.forwarder.forward(message, recipients).await
    }

    async fn probe_return_path(&self, probe: MessageId) -> Result<Option<Outcome>, ForwardError> {
        let route = self.route();
        route.forwarder.probe_return_path(probe).await
    }

    fn reads_sounds(&self) -> bool {
        self.route().forwarder.reads_sounds()
    }
}

impl<F: Forwarder> NetworkObserver for CentralForwarder<F> {
    fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, BoxError> {
        let route = self.route();
        let hosts = self.order.of(network);
        if route.node == *network.central_node() && route.hosts == hosts {
            return Ok(Box::new(|| ()));
        }
        let new = Arc::new(Route::to(network, hosts, &*self.make)?);
        Ok(Box::new(move || *self.route.lock() = new))
    }
}

impl<F: fmt::Debug> fmt::Debug for CentralForwarder<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CentralForwarder").field("route", &self.route).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::super::samples::{self, central, centralized, node};
    use super::*;
    use crate::forward::{MemoryForwarder, Script};
    use crate::message::{Audio, AudioType, ClockQuality, ClockSource, RecordedAt};

    /// The forwarders made so far, by host.
    type Forwarders = Arc<Mutex<BTreeMap<String, MemoryForwarder>>>;

    fn forwarder(network: &Network) -> (CentralForwarder<MemoryForwarder>, Forwarders) {
        let made = Forwarders::default();
        let keep = Arc::clone(&made);
        let make_one = move |_: &Network, host: &NodeHost| {
            if host.port() == 666 {
                return Err("no forwarder for that port");
            }
            let forwarder = MemoryForwarder::new();
            keep.lock().unwrap().insert(host.to_string(), forwarder.clone());
            Ok(forwarder)
        };
        (CentralForwarder::new(network, make_one).unwrap(), made)
    }

    fn with_hosts(hosts: &[&str]) -> Arc<Network> {
        let london = hosts.iter().fold(central("london"), |london, host| london.host(host.parse().unwrap()));
        Arc::new(samples::of(vec![london, centralized("berlin")]).unwrap())
    }

    fn message() -> Message {
        let quality = ClockQuality::unknown(ClockSource::Manual);
        let recorded_at = RecordedAt { instant: "2025-03-30T00:59:40Z".parse().unwrap(), zone: chrono_tz::UTC, quality };
        Message::builder(Audio::new(AudioType::Wav, &b"RIFF"[..]), recorded_at).build()
    }

    #[tokio::test]
    async fn the_hosts_are_tried_in_the_order_of_the_description() {
        let (forwarder, made) = forwarder(&with_hosts(&["10.1.1.5", "10.1.1.6:2525"]));
        let made = made.lock().unwrap().clone();
        assert_eq!(made.keys().collect::<Vec<_>>(), ["10.1.1.5:25", "10.1.1.6:2525"]);
        let (first, second) = (&made["10.1.1.5:25"], &made["10.1.1.6:2525"]);
        let to = ["2041".parse().unwrap()];
        assert_eq!(forwarder.forward(&message(), &to).await.unwrap().outcomes, [Outcome::Accepted]);
        first.next(Script::Fail(ForwardError::TimedOut { peer: "first".to_owned(), step: "connection" }));
        assert_eq!(forwarder.forward(&message(), &to).await.unwrap().outcomes, [Outcome::Accepted]);
        assert_eq!((first.taken(&to[0]).len(), second.taken(&to[0]).len()), (1, 1));
    }

    #[test]
    fn senders_spread_over_the_hosts_and_stay_with_their_own() {
        let hosts = ["10.1.1.5", "10.1.1.6", "10.1.1.7"];
        let first = |sender: usize, hosts: &[&str]| {
            let sender = node(&format!("node-{sender}.voicemail.example"));
            let made = CentralForwarder::spread(sender, &with_hosts(hosts), |_, _| Ok::<_, BoxError>(MemoryForwarder::new()));
            let order = made.unwrap().hosts();
            assert_eq!(order.len(), hosts.len());
            order[0].to_string()
        };
        let mut counts = BTreeMap::<String, usize>::new();
        for sender in 0..300 {
            let chosen = first(sender, &hosts);
            assert_eq!(first(sender, &["10.1.1.7", "10.1.1.5", "10.1.1.6"]), chosen, "in whatever order they are described");
            if chosen != "10.1.1.7:25" {
                assert_eq!(first(sender, &hosts[..2]), chosen, "a host that goes takes only its own senders with it");
            }
            *counts.entry(chosen).or_default() += 1;
        }
        assert!(counts.len() == 3 && counts.values().all(|count| (70..130).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_node_without_hosts_is_reached_at_its_own_name() {
        let (forwarder, _) = forwarder(&with_hosts(&[]));
        assert_eq!(forwarder.hosts(), [NodeHost::new(node(samples::CENTRAL_NODE))]);
    }

    #[test]
    fn only_a_commit_changes_the_hosts_and_equal_hosts_are_kept() {
        let (forwarder, made) = forwarder(&with_hosts(&["10.1.1.5"]));
        let count = || made.lock().unwrap().len();
        made.lock().unwrap().clear();
        forwarder.prepare(&with_hosts(&["10.1.1.5"])).unwrap()();
        assert_eq!(count(), 0, "the connections are kept");

        let other = with_hosts(&["10.1.1.7", "10.1.1.5"]);
        drop(forwarder.prepare(&other).unwrap());
        assert_eq!(forwarder.hosts().len(), 1);
        forwarder.prepare(&other).unwrap()();
        assert_eq!(forwarder.hosts(), other.central_hosts());

        assert!(forwarder.prepare(&with_hosts(&["10.1.1.5", "10.1.1.5:666"])).is_err());
        assert_eq!(forwarder.hosts(), other.central_hosts());
    }
}
