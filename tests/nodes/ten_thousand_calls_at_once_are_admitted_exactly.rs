//! 12 000 callers of 100 PBXs with 100 ports each call one node at once: exactly 10 000 record, 100 on each PBX, and all ports are free
//! again at the end.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::sync::Arc;

use futures::future::join_all;
use support::{HIMALAYA, address, clock, mailbox, run, site};
use tokio::sync::Barrier;
use voicemail::audio::Format;
use voicemail::disk::PowerCutDisk;
use voicemail::forward::MemoryForwarder;
use voicemail::network::{LicenceClass, Mailbox, Network, NetworkBuilder, Refusal, Site, SiteBuilder, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::{CallFacts, RecordError, Recording};

const PBXS: usize = 100;
const PORTS: usize = 100;
const CALLERS: usize = 120;

fn network() -> Network {
    let pbx = |name: &str, voicemail, node: &str| {
        let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
        let pbx = Site::builder(site(name), voicemail, chrono_tz::UTC).node(address(node)).time(time);
        pbx.licence(LicenceClass::Voicemail).ports(PORTS.try_into().unwrap())
    };
    let london = pbx("london", VoicemailType::Central, "central.example").mailbox(Mailbox::new(mailbox("2001")));
    let far = |number| pbx(&name(number), VoicemailType::Distributed, HIMALAYA).trunk_group("main", &site("london"));
    let network = Network::builder("voicemail.example").site(london);
    let far: Vec<SiteBuilder> = (0..PBXS).map(|number| far(number).destination("main")).collect();
    far.into_iter().fold(network, NetworkBuilder::site).build().unwrap()
}

fn name(number: usize) -> String {
    format!("pbx-{number}")
}

/// Starts a call of every caller of every PBX at once; returns the recordings and the number of refusals of each PBX.
async fn all_call(node: &Node) -> Vec<(Vec<Recording>, usize)> {
    let start = Arc::new(Barrier::new(PBXS * CALLERS));
    let call = |number| {
        let (node, start) = (node.clone(), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            (number, node.record(&site(&name(number)), CallFacts::to(mailbox("2001")), Format::TELEPHONE_PCMU).await)
        })
    };
    // The PBXs take turns, so that their calls contend with each other.
    let calls: Vec<_> = (0..PBXS * CALLERS).map(|index| call(index % PBXS)).collect();
    let mut answers: Vec<_> = (0..PBXS).map(|_| (Vec::new(), 0)).collect();
    for called in join_all(calls).await {
        match called.unwrap() {
            (number, Ok(recording)) => answers[number].0.push(recording),
            (number, Err(RecordError::Refused(Refusal::AllPortsBusy { limit, .. }))) if limit as usize == PORTS => {
                answers[number].1 += 1;
            }
            (number, Err(error)) => panic!("{number}: {error}"),
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_pbx_records_as_many_calls_as_ports_and_frees_them_all() {
    let disk = PowerCutDisk::new();
    let network = network();
    let node = Node::builder(address(HIMALAYA), network.clone(), network.directory(), "spool").disk(disk).clock(clock());
    let node = node.forwarder(MemoryForwarder::new()).open().await.unwrap();
    let running = run(&node);
    let answers = all_call(&node).await;
    for (number, (recordings, refused)) in answers.iter().enumerate() {
        assert_eq!((recordings.len(), *refused), (PORTS, CALLERS - PORTS), "{}", name(number));
        let ports = node.ports(&site(&name(number))).unwrap();
        assert_eq!((ports.in_use, ports.limit), (100, 100));
    }
    // A call ends in one of four ways: dropped, finished, discarded, or with a panic of its task.
    let ends = answers.into_iter().flat_map(|(recordings, _)| recordings).enumerate().map(|(index, recording)| {
        tokio::spawn(async move {
            match index % 4 {
                0 => drop(recording),
                1 => drop(recording.finish().await),
                2 => drop(recording.discard().await),
                _ => std::panic::resume_unwind(Box::new(recording)),
            }
        })
    });
    drop(join_all(ends.collect::<Vec<_>>()).await);
    for number in 0..PBXS {
        assert_eq!(node.ports(&site(&name(number))).unwrap().in_use, 0, "{}", name(number));
    }
    running.stop().await;
}
