//! A lamp lights on the PBX that its telephone is on, through the fallback while the central PBX is gone, and through it again after.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::{CENTRAL, address, clock, mailbox, run, site, wav};
use tempfile::tempdir;
use tokio::sync::mpsc;
use tokio::time::sleep;
use voicemail::mwi::{CentralPbx, ChannelSink, MwiRouter, MwiState};
use voicemail::network::{
    Fallback, LicenceClass, Mailbox, Network, NetworkDirectory, Site, SiteBuilder, TimeSource, VoicemailType,
};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::MemoryStore;

/// Mailboxes 2001 in London, 2002 at `second`, 2003 in Berlin, which is the fallback, and 2004 in York.
fn network(second: &str) -> Network {
    let pbx = |name: &str, voicemail, numbers: &[&str]| {
        let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
        let pbx = Site::builder(site(name), voicemail, chrono_tz::UTC).time(time);
        let moved = (name == second).then_some("2002");
        numbers.iter().copied().chain(moved).map(|number| Mailbox::new(mailbox(number))).fold(pbx, SiteBuilder::mailbox)
    };
    let recording = |pbx: SiteBuilder| pbx.node(address(CENTRAL)).licence(LicenceClass::Voicemail).ports(8);
    let to_london = |pbx: SiteBuilder| pbx.trunk_group("main", &site("london")).destination("main");
    Network::builder("voicemail.example")
        .site(recording(pbx("london", VoicemailType::Central, &["2001"])))
        .site(to_london(pbx("berlin", VoicemailType::Centralized, &["2003"])).fallback(Fallback::default()))
        .site(recording(to_london(pbx("york", VoicemailType::Distributed, &["2004"]))))
        .build()
        .unwrap()
}

/// The states that were shown on a PBX, in order.
struct Lamps(mpsc::Receiver<MwiState>);

impl Lamps {
    /// The last state of each lamp that was shown since the last call.
    fn look(&mut self) -> BTreeMap<String, u32> {
        let mut lamps = BTreeMap::new();
        while let Ok(state) = self.0.try_recv() {
            lamps.insert(state.mailbox.to_string(), state.summary.new);
        }
        lamps
    }
}

fn lamps<const N: usize>(lamps: [(&str, u32); N]) -> BTreeMap<String, u32> {
    lamps.map(|(number, new)| (number.to_owned(), new)).into()
}

struct ThreePbxs {
    node: Node,
    router: Arc<MwiRouter>,
    lamps: [Lamps; 3],
}

impl ThreePbxs {
    async fn open(folder: &Path) -> Self {
        let network = network("london");
        let directory = NetworkDirectory::new(network.clone());
        let router = Arc::new(network.mwi_router(directory.clone()));
        let lamps = ["london", "berlin", "york"].map(|name| {
            let (sink, lamps) = ChannelSink::new(64);
            router.connect(site(name), sink);
            Lamps(lamps)
        });
        let store = MemoryStore::new(["2001", "2002", "2003", "2004"].map(mailbox));
        let node = Node::builder(address(CENTRAL), network, directory.clone(), folder)
            .store(store)
            .clock(clock())
            .sink(Arc::clone(&router))
            .observe_network(directory)
            .observe_network(Arc::clone(&router));
        Self { node: node.open().await.unwrap(), router, lamps }
    }

    async fn deposit(&self, at: &str, to: &str, seed: u32) {
        self.node.deposit_wav(&site(at), CallFacts::to(mailbox(to)), wav(1_000, seed).into()).await.unwrap();
    }

    /// The states that are shown in London, Berlin and York between the last call and five seconds from now.
    async fn look(&mut self) -> [BTreeMap<String, u32>; 3] {
        sleep(Duration::from_secs(5)).await;
        self.lamps.each_mut().map(Lamps::look)
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_pbx_recorded_the_message_the_lamp_lights_at_home() {
    let folder = tempdir().unwrap();
    let mut pbxs = ThreePbxs::open(folder.path()).await;
    let running = run(&pbxs.node);
    assert_eq!(pbxs.look().await, [lamps([("2001", 0), ("2002", 0)]), lamps([("2003", 0)]), lamps([("2004", 0)])]);
    pbxs.deposit("york", "2003", 1).await;
    pbxs.deposit("london", "2004", 2).await;
    pbxs.deposit("berlin", "2001", 3).await;
    assert_eq!(pbxs.look().await, [lamps([("2001", 1)]), lamps([("2003", 1)]), lamps([("2004", 1)])]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_fallback_gets_the_lamps_of_the_central_pbx_and_back() {
    let folder = tempdir().unwrap();
    let mut pbxs = ThreePbxs::open(folder.path()).await;
    let running = run(&pbxs.node);
    pbxs.deposit("london", "2002", 1).await;
    pbxs.look().await;

    pbxs.router.set_central_pbx(CentralPbx::FallbackActive).unwrap();
    let at_berlin = lamps([("2001", 0), ("2002", 1), ("2003", 0)]);
    assert_eq!(pbxs.look().await, [lamps([]), at_berlin, lamps([("2004", 0)])]);
    pbxs.deposit("york", "2001", 2).await;
    assert_eq!(pbxs.look().await, [lamps([]), lamps([("2001", 1)]), lamps([])]);

    pbxs.router.set_central_pbx(CentralPbx::Reachable).unwrap();
    assert_eq!(pbxs.look().await, [lamps([("2001", 1), ("2002", 1)]), lamps([("2003", 0)]), lamps([("2004", 0)])]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn lamps_that_wait_are_updated_once_the_central_pbx_is_back() {
    let folder = tempdir().unwrap();
    let mut pbxs = ThreePbxs::open(folder.path()).await;
    let running = run(&pbxs.node);
    pbxs.look().await;
    pbxs.router.set_central_pbx(CentralPbx::Unreachable).unwrap();
    pbxs.deposit("york", "2001", 1).await;
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(pbxs.look().await, [lamps([]), lamps([("2003", 0)]), lamps([("2004", 0)])]);
    pbxs.router.set_central_pbx(CentralPbx::Reachable).unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(pbxs.lamps[0].look(), lamps([("2001", 1), ("2002", 0)]));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_telephone_that_moves_is_notified_on_its_new_pbx() {
    let folder = tempdir().unwrap();
    let mut pbxs = ThreePbxs::open(folder.path()).await;
    let running = run(&pbxs.node);
    pbxs.deposit("london", "2002", 1).await;
    pbxs.look().await;
    pbxs.node.adopt(network("york")).unwrap();
    assert_eq!(pbxs.look().await, [lamps([("2001", 0)]), lamps([("2003", 0)]), lamps([("2002", 1), ("2004", 0)])]);
    running.stop().await;
}
