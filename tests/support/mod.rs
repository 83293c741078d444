//! The parts that tests share: a network of three PBXs, its nodes, and sounds to record.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

pub mod random;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use voicemail::audio::{Format, Wav};
use voicemail::event::{Event, Occurrence};
use voicemail::message::{MailboxId, SiteId};
use voicemail::network::{LicenceClass, Mailbox, Network, NodeAddress, Site, TimeSource, VoicemailType};
use voicemail::node::{Node, NodeBuilder, NodeError};

/// The central node's address.
pub const CENTRAL: &str = "central.voicemail.example";
/// The address of the node that Kathmandu and Tokyo share.
pub const HIMALAYA: &str = "himalaya.voicemail.example";

/// London is central and has mailboxes 2001 to 2009; Kathmandu (2 ports) and Tokyo (1 port) share a distributed node.
pub fn network() -> Network {
    let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
    let licensed =
        |site: voicemail::network::SiteBuilder, ports| site.time(time.clone()).licence(LicenceClass::Voicemail).ports(ports);
    let mut london = licensed(Site::builder(site("london"), VoicemailType::Central, chrono_tz::Europe::London), 64);
    london = london.node(address(CENTRAL));
    for number in 2001..=2009 {
        london = london.mailbox(Mailbox::new(mailbox(&number.to_string())));
    }
    let distributed = |name, zone, ports| {
        let site = licensed(Site::builder(site(name), VoicemailType::Distributed, zone), ports);
        site.node(address(HIMALAYA)).trunk_group("main", &"london".parse().unwrap()).destination("main")
    };
    let kathmandu = distributed("kathmandu", chrono_tz::Asia::Kathmandu, 64);
    let tokyo = distributed("tokyo", chrono_tz::Asia::Tokyo, 1);
    Network::builder("voicemail.example").site(london).site(kathmandu).site(tokyo).build().unwrap()
}

/// The node at `at` of that network, with its spool in its folder below `folder`.
pub fn node(at: &str, folder: &Path) -> NodeBuilder {
    let network = network();
    let directory = network.directory();
    Node::builder(address(at), network, directory, folder.join(at))
}

/// A node that runs until [`stop`](Self::stop) or [`crash`](Self::crash).
pub struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), NodeError>>,
}

/// Starts to run `node`.
pub fn run(node: &Node) -> Running {
    let (stop, stopped) = oneshot::channel();
    let node = node.clone();
    let task = tokio::spawn(async move { node.run(async { drop(stopped.await) }).await });
    Running { stop, task }
}

impl Running {
    /// Stops the node cleanly.
    pub async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap().unwrap();
    }

    /// Ends the node in the middle of its work, as a crash does.
    pub async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }
}

/// Waits for the first event for which `wanted` returns a value, and returns that value.
pub async fn event<T>(events: &mut broadcast::Receiver<Occurrence>, wanted: impl Fn(Event) -> Option<T>) -> T {
    loop {
        if let Some(found) = wanted(events.recv().await.unwrap().event) {
            return found;
        }
    }
}

/// Waits for `future`; the test fails when that takes more than 30 s.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(30), future).await.expect("the event comes within 30 s")
}

pub fn site(name: &str) -> SiteId {
    name.parse().unwrap()
}

pub fn mailbox(number: &str) -> MailboxId {
    number.parse().unwrap()
}

pub fn address(name: &str) -> NodeAddress {
    name.parse().unwrap()
}

/// A WAV file of `millis` of 8 kHz samples, which differ for each `seed`.
pub fn wav(millis: u32, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let samples = (0..millis * 8).flat_map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        [state.to_be_bytes()[0], state.to_be_bytes()[1]]
    });
    let data: Vec<u8> = samples.collect();
    let mut wav = Wav::header(Format::TELEPHONE_L16, u32::try_from(data.len()).unwrap());
    wav.extend(data);
    wav
}

/// A clock that stands at a moment in summer.
pub fn clock() -> Arc<voicemail::clock::ManualClock> {
    Arc::new(voicemail::clock::ManualClock::at("2025-07-14T09:05:12Z".parse().unwrap()))
}

/// The TLS configuration of a server with a certificate made for a test.
pub fn server_config(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Arc<tokio_rustls::rustls::ServerConfig> {
    use tokio_rustls::rustls::{ServerConfig, crypto::ring::default_provider, pki_types::PrivateKeyDer};
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let chain = vec![made.cert.der().clone()];
    Arc::new(config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap())
}
