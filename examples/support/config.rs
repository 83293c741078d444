//! The configuration files of the examples. Paths in them are relative to the file; all faults are reported at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use voicemail::forward::Custody;
use voicemail::forward::smtp::Security;
use voicemail::intake::{Access, Cidr, KnownPeer, PeerName, Sites, StoredPassword};
use voicemail::message::{MailAddress, SiteId};
use voicemail::network::{Network, NodeAddress, Role};

use super::Failure;
use super::clock::TimeFrom;
use super::custody::{CustodyConfig, KeySource};
use super::keys::Keys;
use super::tls::Identity;

/// The configuration of a central node.
pub struct CentralConfig {
    /// The node's address in the network.
    pub node: NodeAddress,
    /// The network.
    pub network: Network,
    /// The folder of the spool.
    pub spool: PathBuf,
    /// Where the mailboxes are.
    pub store: StoreConfig,
    /// The address to receive messages on.
    pub listen: String,
    /// The socket at which a mail server on this machine delivers by LMTP.
    pub lmtp: Option<PathBuf>,
    /// The certificate for TLS, if the node offers TLS.
    pub tls: Option<Tls>,
    /// The peers that may deliver.
    pub access: Access,
    /// How to reach each distributed node that gets greetings.
    pub nodes: BTreeMap<NodeAddress, Peer>,
    /// The destination of mail to the postmaster, if that is not a folder.
    pub postmaster: Option<PostmasterConfig>,
    /// The mail server for receipts, if it is not that of the postmaster.
    pub mail_out: Option<Peer>,
    /// The secret that proves receipts to nodes behind a mail server.
    pub custody_secret: Option<KeySource>,
    /// The source of its time.
    pub time: TimeFrom,
}

/// Where the mailboxes are.
#[derive(Clone)]
pub enum StoreConfig {
    /// In Maildirs in this folder.
    Folder(PathBuf),
    /// In a PostgreSQL database.
    Database(DatabaseConfig),
}

/// A PostgreSQL database, and what belongs to it.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// Its address.
    pub address: String,
    /// The PEM certificates of its servers.
    pub ca: Option<PathBuf>,
    /// The URL of the object store for long sounds.
    pub sounds: Option<String>,
    /// The program that writes messages down, and its arguments; empty without one.
    pub transcriber: Vec<String>,
}

impl StoreConfig {
    /// Reads the key `store`, and for a database also `database_ca`, `sounds` and `transcriber`.
    fn read(keys: &mut Keys) -> Option<Self> {
        let what =
            "the folder to keep the mailboxes in, or the address of a database, as postgres://voicemail@db.example/voicemail";
        let store: String = keys.required("store", what)?;
        if !store.starts_with("postgres://") && !store.starts_with("postgresql://") {
            return Some(Self::Folder(keys.beside(&store)));
        }
        let (ca, sounds) = (keys.path("database_ca"), keys.optional("sounds"));
        Some(Self::Database(DatabaseConfig {
            address: store,
            ca,
            sounds,
            transcriber: keys.list("transcriber").unwrap_or_default(),
        }))
    }
}

/// The destination of mail to the postmaster.
pub struct PostmasterConfig {
    /// The operator's e-mail address.
    pub to: MailAddress,
    /// How to reach a mail server that accepts it.
    pub server: Peer,
}

/// A certificate and its key.
pub enum Tls {
    /// PEM files.
    Files { certificate: PathBuf, key: PathBuf },
    /// A certificate made at the first start. Its PEM text, which other nodes trust, is kept in this file.
    SelfSigned { certificate: PathBuf },
}

/// The configuration of a distributed node.
pub struct DistributedConfig {
    /// The node's address in the network.
    pub node: NodeAddress,
    /// The network.
    pub network: Network,
    /// The folder of the spool.
    pub spool: PathBuf,
    /// The PBX that records the messages of `--deposit`.
    pub site: SiteId,
    /// How to reach the central node.
    pub central: Peer,
    /// The listener for greetings, if it receives them.
    pub greetings: Option<Listen>,
    /// Its keys, if a mail server is in between.
    pub custody: Option<CustodyConfig>,
    /// The source of its time.
    pub time: TimeFrom,
}

/// The listener for greetings of a distributed node.
pub struct Listen {
    /// The address.
    pub address: String,
    /// The certificate for TLS, if the node offers TLS.
    pub tls: Option<Tls>,
    /// The peers that may deliver.
    pub access: Access,
}

/// How to reach another node.
pub struct Peer {
    /// Host and port.
    pub connect: String,
    /// The required security of the connection.
    pub security: Security,
    /// PEM certificates to trust.
    pub ca: Option<PathBuf>,
    /// The password of this node at the other one.
    pub password: Option<String>,
}

impl Tls {
    /// Returns the certificate and the key of the node `node`.
    pub fn identity(&self, node: &NodeAddress) -> Result<Identity, Failure> {
        match self {
            Self::Files { certificate, key } => Ok(Identity::from_files(certificate, key)?),
            Self::SelfSigned { certificate } => Identity::self_signed_in(certificate, node.as_str()),
        }
    }
}

impl CentralConfig {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// All faults of it and of the network file that it names, one a line.
    pub fn load(path: &Path) -> Result<Self, String> {
        let mut keys = Keys::of_file(path)?;
        let node: Option<NodeAddress> = keys.required("node", NODE);
        let network = keys.network("network");
        let spool = keys.required_path("spool", SPOOL);
        let store = StoreConfig::read(&mut keys);
        let listen = keys.required("listen", "the address to take messages on, such as 127.0.0.1:2525");
        let lmtp = keys.path("lmtp");
        let tls = read_tls(&mut keys);
        let access = read_access(&mut keys, network.as_ref());
        let nodes = keys.sections("nodes", |keys, name| {
            let node = name.parse().or_else(|error| keys.fault(format!("{error}")).ok_or(())).ok();
            let peer = read_peer(keys);
            Some((node?, peer?))
        });
        let postmaster = keys.section("postmaster", |keys| {
            let (to, server) = (keys.required("to", "the operator's e-mail address"), read_peer(keys));
            Some(PostmasterConfig { to: to?, server: server? })
        });
        let mail_out = keys.section("mail_out", read_peer);
        let custody_secret = keys.section("custody", |keys| {
            KeySource::required(keys, "secret", "the secret that proves receipts, and from which the keys of nodes are made")
        });
        if mail_out.is_some() && postmaster.is_some() {
            keys.fault::<()>("postmaster and mail_out both name a mail server, and a node has one; remove mail_out");
        }
        if custody_secret.is_some() && mail_out.is_none() && postmaster.is_none() {
            keys.fault::<()>("mail_out is missing: the mail server for receipts, which custody needs");
        }
        if let (Some(node), Some(network)) = (&node, &network)
            && !network.is_central_node(node)
        {
            keys.fault::<()>(format!("node = \"{node}\": the network's central node is {}", network.central_node()));
        }
        let time = TimeFrom::read(&mut keys, node.as_ref(), network.as_ref());
        match (node, network, spool, store, listen, time, keys.into_faults()) {
            (Some(node), Some(network), Some(spool), Some(store), Some(listen), Some(time), faults) if faults.is_empty() => {
                let nodes = nodes.into_iter().collect();
                Ok(Self {
                    node,
                    network,
                    spool,
                    store,
                    listen,
                    lmtp,
                    tls,
                    access,
                    nodes,
                    postmaster,
                    mail_out,
                    custody_secret,
                    time,
                })
            }
            (.., faults) => Err(faults.join("\n")),
        }
    }
}

impl DistributedConfig {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// As [`CentralConfig::load`].
    pub fn load(path: &Path) -> Result<Self, String> {
        let mut keys = Keys::of_file(path)?;
        let node: Option<NodeAddress> = keys.required("node", NODE);
        let network = keys.network("network");
        let spool = keys.required_path("spool", SPOOL);
        let wanted: Option<SiteId> = keys.optional("site");
        let central = keys.required_section("central", "how to reach the central node", read_peer);
        let listen = keys.optional("listen");
        let (tls, access) = (read_tls(&mut keys), read_access(&mut keys, network.as_ref()));
        let greetings = listen.map(|address| Listen { address, tls, access });
        let by_relay = match (&node, &network) {
            (Some(node), Some(network)) => Some(node).filter(|node| custody_of(node, network) != Custody::Final),
            _ => None,
        };
        let custody = if let Some(node) = by_relay {
            if greetings.is_none() {
                keys.fault::<()>("listen is missing: the address at which receipts come, such as 127.0.0.1:2526");
            }
            let what = format!("the keys of {node}, which the network puts behind a mail server");
            keys.required_section("custody", &what, CustodyConfig::read)
        } else {
            let unused = keys.section("custody", CustodyConfig::read);
            if unused.is_some() && network.is_some() {
                keys.fault::<()>(
                    "custody has no use: the network description puts no mail server between this node and the central one; \
                     set custody = \"relay\" or \"auto\" of its PBXs there, or remove the table",
                );
            }
            None
        };
        let site = match (&node, &network) {
            (Some(node), Some(network)) => choose_site(node, network, wanted).or_else(|fault| keys.fault(fault).ok_or(())).ok(),
            _ => None,
        };
        let time = TimeFrom::read(&mut keys, node.as_ref(), network.as_ref());
        match (node, network, spool, site, central, time, keys.into_faults()) {
            (Some(node), Some(network), Some(spool), Some(site), Some(central), Some(time), faults) if faults.is_empty() => {
                Ok(Self { node, network, spool, site, central, greetings, custody, time })
            }
            (.., faults) => Err(faults.join("\n")),
        }
    }
}

fn read_tls(keys: &mut Keys) -> Option<Tls> {
    keys.section("tls", |keys| match (keys.path("certificate"), keys.path("key"), keys.path("self_signed")) {
        (Some(certificate), Some(key), None) => Some(Tls::Files { certificate, key }),
        (None, None, Some(certificate)) => Some(Tls::SelfSigned { certificate }),
        _ => keys.fault("name either certificate and key, or self_signed = the file to write a certificate to"),
    })
}

/// Reads which peers may deliver: by default, only programs on this machine.
fn read_access(keys: &mut Keys, network: Option<&Network>) -> Access {
    let peers = keys.sections("peers", |keys, name| read_known_peer(keys, name, network));
    let networks: Vec<Cidr> = keys.list("anyone_on").unwrap_or_default();
    if peers.is_empty() && networks.is_empty() { Access::default() } else { Access::peers(peers).and_anyone_on(networks) }
}

fn read_peer(keys: &mut Keys) -> Option<Peer> {
    let connect = keys.required("connect", "the node's host and port, such as 127.0.0.1:2525");
    let security = match keys.optional::<String>("security").as_deref() {
        None | Some("tls") => Some(Security::Tls),
        Some("plain-text-if-no-tls") => Some(Security::PlainTextIfNoTls),
        Some("plain-text-even-after-tls") => Some(Security::PlainTextEvenAfterTls),
        Some("plain-text") => Some(Security::PlainText),
        Some(other) => {
            keys.fault(format!("security = {other:?}: choose tls, plain-text-if-no-tls, plain-text-even-after-tls or plain-text"))
        }
    };
    let ca = keys.path("ca");
    if security == Some(Security::Tls) && ca.is_none() {
        keys.fault::<()>(
            "ca is missing: the PEM file with the certificate to trust, without which there is no security = \"tls\"",
        );
    }
    let password = keys.optional("password");
    Some(Peer { connect: connect?, security: security?, ca, password })
}

/// Reads a node that may deliver. Its name is its address, which it proves by a password; it may send messages of the PBXs that the network gives it.
fn read_known_peer(keys: &mut Keys, name: &str, network: Option<&Network>) -> Option<KnownPeer> {
    // No fault may show the password.
    let password: String = keys.required("password", "the password of this node, or its hash as SCRAM-SHA-256$...")?;
    let stored = match password.parse::<StoredPassword>() {
        Ok(stored) => Some(stored),
        Err(error) if password.starts_with("SCRAM-SHA-256$") => keys.fault(format!("password: {error}")),
        Err(_) => StoredPassword::of(&password).or_else(|error| keys.fault(format!("password: {error}")).ok_or(())).ok(),
    }?;
    let peer: PeerName = name.parse().or_else(|error| keys.fault(format!("{error}")).ok_or(())).ok()?;
    let node: NodeAddress = name.parse().or_else(|error| keys.fault(format!("{error}")).ok_or(())).ok()?;
    let sites = network?.sites_of(&node).map(|(site, _)| site.id().clone());
    Some(KnownPeer::new(peer, Sites::only(sites)).password(stored))
}

/// Returns how the node at `node` reaches the central one: the most careful way of all its PBXs.
pub fn custody_of(node: &NodeAddress, network: &Network) -> Custody {
    let of_sites: Vec<Custody> = network.sites_of(node).map(|(site, _)| site.custody()).collect();
    [Custody::Relay, Custody::Auto].into_iter().find(|custody| of_sites.contains(custody)).unwrap_or_default()
}

/// Returns the PBX that `wanted` names, or else the first one that the node at `node` records for.
fn choose_site(node: &NodeAddress, network: &Network, wanted: Option<SiteId>) -> Result<SiteId, String> {
    let distributed = |(site, role): (&voicemail::network::Site, Role)| (role == Role::Distributed).then(|| site.id().clone());
    let mut served = network.sites_of(node).filter_map(distributed);
    match wanted {
        Some(wanted) if served.any(|site| site == wanted) => Ok(wanted),
        Some(wanted) => Err(format!("site = \"{wanted}\": {node} is the distributed node of no such PBX in the network")),
        None => served.next().ok_or_else(|| format!("node = \"{node}\": it is the distributed node of no PBX in the network")),
    }
}

const NODE: &str = "the node's address in the network";
const SPOOL: &str = "the folder for messages on their way";
