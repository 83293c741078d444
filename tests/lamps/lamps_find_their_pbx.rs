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

/// What a PBX's lamps were told, in order.
struct Lamps(mpsc::Receiver<MwiState>);

impl Lamps {
    /// What each was told last, of all told since the last look.
    fn look(&mut self) -> BTreeMap<String, u32> {
        let mut told = BTreeMap::new();
        while let Ok(state) = self.0.try_recv() {
            told.insert(state.mailbox.to_string(), state.summary.new);
        }
        told
    }
}

fn told<const N: usize>(lamps: [(&str, u32); N]) -> BTreeMap<String, u32> {
    lamps.map(|(number, new)| (number.to_owned(), new)).into()
}

struct Scene {
    node: Node,
    router: Arc<MwiRouter>,
    lamps: [Lamps; 3],
}

impl Scene {
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

    /// What London, Berlin and York were told since the last look, some seconds from now.
    async fn look(&mut self) -> [BTreeMap<String, u32>; 3] {
        sleep(Duration::from_secs(5)).await;
        self.lamps.each_mut().map(Lamps::look)
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_pbx_recorded_the_message_the_lamp_lights_at_home() {
    let folder = tempdir().unwrap();
    let mut scene = Scene::open(folder.path()).await;
    let running = run(&scene.node);
    assert_eq!(scene.look().await, [told([("2001", 0), ("2002", 0)]), told([("2003", 0)]), told([("2004", 0)])]);
    scene.deposit("york", "2003", 1).await;
    scene.deposit("london", "2004", 2).await;
    scene.deposit("berlin", "2001", 3).await;
    assert_eq!(scene.look().await, [told([("2001", 1)]), told([("2003", 1)]), told([("2004", 1)])]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_fallback_has_taken_over_the_central_pbxs_lamps_go_through_it_and_back_every_one_told_each_time() {
    let folder = tempdir().unwrap();
    let mut scene = Scene::open(folder.path()).await;
    let running = run(&scene.node);
    scene.deposit("london", "2002", 1).await;
    scene.look().await;

    scene.router.set_central_pbx(CentralPbx::FallbackActive).unwrap();
    let at_berlin = told([("2001", 0), ("2002", 1), ("2003", 0)]);
    assert_eq!(scene.look().await, [told([]), at_berlin, told([("2004", 0)])]);
    scene.deposit("york", "2001", 2).await;
    assert_eq!(scene.look().await, [told([]), told([("2001", 1)]), told([])]);

    scene.router.set_central_pbx(CentralPbx::Reachable).unwrap();
    assert_eq!(scene.look().await, [told([("2001", 1), ("2002", 1)]), told([("2003", 0)]), told([("2004", 0)])]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn lamps_that_could_not_be_told_for_long_are_told_as_soon_as_the_central_pbx_is_back() {
    let folder = tempdir().unwrap();
    let mut scene = Scene::open(folder.path()).await;
    let running = run(&scene.node);
    scene.look().await;
    scene.router.set_central_pbx(CentralPbx::Unreachable).unwrap();
    scene.deposit("york", "2001", 1).await;
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!(scene.look().await, [told([]), told([("2003", 0)]), told([("2004", 0)])]);
    scene.router.set_central_pbx(CentralPbx::Reachable).unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(scene.lamps[0].look(), told([("2001", 1), ("2002", 0)]));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_telephone_that_moves_to_another_pbx_is_told_there_when_the_node_takes_the_new_network() {
    let folder = tempdir().unwrap();
    let mut scene = Scene::open(folder.path()).await;
    let running = run(&scene.node);
    scene.deposit("london", "2002", 1).await;
    scene.look().await;
    scene.node.adopt(network("york")).unwrap();
    assert_eq!(scene.look().await, [told([("2001", 0)]), told([("2003", 0)]), told([("2002", 1), ("2004", 0)])]);
    running.stop().await;
}
