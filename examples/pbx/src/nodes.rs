//! [`Nodes`]: the voicemail nodes of the network, all of them in this process, with SMTP between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use voicemail::event::Events;
use voicemail::forward::SmtpForwarder;
use voicemail::intake::{Access, KnownPeer, ListenMode, ListenerPolicy, Sites, StoredPassword};
use voicemail::message::MessageId;
use voicemail::network::NodeAddress;
use voicemail::store::MaildirStore;
use voicemail::{Network, Node};

use crate::Failure;
use crate::signalling::Lamps;

/// The nodes of a network.
pub struct Nodes {
    /// The node that has the mailboxes.
    pub central: Node,
    all: BTreeMap<NodeAddress, Node>,
}

impl Nodes {
    /// Opens the nodes with their folders in `folder`. Between them is TLS, and each proves its name by a password; both are made anew at each
    /// start, as all nodes are in this process.
    pub async fn open(network: &Network, folder: &Path, lamps: Lamps, events: &Events) -> Result<Self, Failure> {
        let recording = network.sites().filter_map(|site| network.recording_node(site.id()));
        let addresses: BTreeSet<NodeAddress> = recording.cloned().collect();
        let names = addresses.iter().map(|address| address.to_string()).collect::<Vec<_>>();
        let made = rcgen::generate_simple_self_signed(names)?;
        let (certificate, key) = (made.cert.pem().into_bytes(), made.signing_key.serialize_pem());
        let password = MessageId::random().to_string();

        let (mut listeners, mut ports) = (BTreeMap::new(), BTreeMap::new());
        for address in &addresses {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            ports.insert(address.clone(), listener.local_addr()?.to_string());
            listeners.insert(address.clone(), listener);
        }
        let ports = Arc::new(ports);
        let mut all = BTreeMap::new();
        for (address, listener) in listeners {
            let mut known = Vec::new();
            for peer in addresses.iter().filter(|peer| **peer != address) {
                let sites = Sites::only(network.sites_of(peer).map(|(site, _)| site.id().clone()));
                known.push(KnownPeer::new(peer.as_str().parse()?, sites).password(StoredPassword::of(&password)?));
            }
            let spool = folder.join(address.as_str()).join("spool");
            let mut node = Node::builder(address.clone(), network.clone(), network.directory(), spool)
                .events(events.clone())
                .listen(listener, ListenerPolicy::new(ListenMode::StartTls, Access::peers(known)))
                .tls_pem(&certificate, key.as_bytes())?;
            let (ports, domain, own) = (Arc::clone(&ports), network.domain().to_owned(), address.clone());
            let (certificate, password) = (certificate.clone(), password.clone());
            let forwarder = move |to: &NodeAddress| {
                let port = ports.get(to).ok_or("no such node")?;
                let forwarder = SmtpForwarder::builder(port, &domain).node(own.as_str()).server_name(to.as_str());
                Ok::<_, Failure>(forwarder.ca_pem(&certificate).credentials(own.as_str(), &password).build()?)
            };
            node = if address == *network.central_node() {
                let store = MaildirStore::builder(folder.join("mailboxes")).directory(network.directory()).open().await?;
                node.store(store).sink(lamps.clone()).greeting_forwarder(move |_: &Network, to: &NodeAddress| forwarder(to))
            } else {
                node.forwarder(forwarder(network.central_node())?)
            };
            all.insert(address, node.open().await?);
        }
        let central = all[network.central_node()].clone();
        Ok(Self { central, all })
    }

    /// Returns the node with this address.
    pub fn get(&self, address: &NodeAddress) -> Option<&Node> {
        self.all.get(address)
    }

    /// Runs the nodes until `stop` is ready.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) -> Result<(), Failure> {
        let (sender, _) = tokio::sync::broadcast::channel::<()>(1);
        let running = self.all.values().map(|node| {
            let mut stopped = sender.subscribe();
            async move { node.run(async move { drop(stopped.recv().await) }).await }
        });
        let running = futures::future::try_join_all(running);
        let stopping = async {
            stop.await;
            drop(sender.send(()));
        };
        let (ran, ()) = tokio::join!(running, stopping);
        ran?;
        Ok(())
    }
}
