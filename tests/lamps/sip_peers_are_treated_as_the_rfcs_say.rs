//! PBXs and telephones that refuse, are busy, are silent or answer late, simulated by sipp, are treated as the RFCs say. The scenarios are in
//! `tests/sip`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;
use crate::telephones;

use std::time::{Duration, Instant};

use telephones::{PASSWORD, PeerProgram, SipNode, free_port, installed, is_taken, sipp, sipp_at};
use voicemail::message::Summary;
use voicemail::mwi::{MwiError, MwiSink as _, MwiState};
use voicemail::sip::digest::{DigestAlgorithm, DigestCredentials};
use voicemail::sip::{SipSink, SipSinkBuilder, SipTargets, Transport};

use support::{mailbox, soon};

/// A PBX on a free port that follows the scenario.
async fn pbx(scenario: &str, transport: Transport) -> (PeerProgram, String) {
    let port = free_port();
    let program = sipp(scenario, transport, port, None);
    // sipp does not report when it has begun to listen.
    soon(async {
        while !is_taken(port, transport) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    (program, format!("127.0.0.1:{port}"))
}

fn sink(addresses: impl IntoIterator<Item = String>, transport: Transport) -> SipSinkBuilder {
    let targets = SipTargets::template("sip:{mailbox}@pbx.example").unwrap();
    let builder = SipSink::builder("sip:voicemail@vm.example".parse().unwrap(), targets);
    builder.addresses(addresses).transport(transport).credentials(DigestCredentials::new("voicemail", "correct horse"))
}

fn state() -> MwiState {
    let summary = Summary::new(1, 0);
    MwiState::new(mailbox("2041"), summary, 1)
}

/// Shows a state on a PBX, and returns the result once the scenario has passed.
async fn notify(scenario: &str, transport: Transport) -> Result<(), MwiError> {
    let (program, address) = pbx(scenario, transport).await;
    let result = soon(sink([address], transport).build().show(&state())).await;
    let (well, said) = program.wait().await;
    assert!(well, "{scenario}: {said}");
    result
}

#[tokio::test]
async fn a_pbx_that_accepts_refuses_or_challenges_is_handled() {
    if !installed(&["sipp"]) {
        return;
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        assert!(notify("notify_200", transport).await.is_ok());
        assert!(notify("notify_401", transport).await.is_ok(), "the password is right");
        assert!(
            matches!(notify("notify_401_again", transport).await, Err(MwiError::Refused(_))),
            "refused credentials are not sent twice"
        );
        assert!(matches!(notify("notify_481", transport).await, Err(MwiError::Refused(_))));
        assert!(matches!(notify("notify_503", transport).await, Err(MwiError::Unavailable(_))));
        assert!(notify("notify_late", transport).await.is_ok());
    }
}

#[tokio::test]
async fn after_a_silent_or_busy_pbx_the_next_is_tried() {
    if !installed(&["sipp"]) {
        return;
    }
    let (_silent, first) = pbx("notify_nothing", Transport::Udp).await;
    let (busy, second) = pbx("notify_503", Transport::Udp).await;
    let (last, third) = pbx("notify_200", Transport::Udp).await;
    let start = Instant::now();
    soon(sink([first, second, third], Transport::Udp).build().show(&state())).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(3), "the first had its time");
    assert!(busy.wait().await.0 && last.wait().await.0);
}

#[tokio::test]
async fn a_telephone_is_served_or_dropped_by_its_responses() {
    if !installed(&["sipp"]) {
        return;
    }
    assert_eq!(PASSWORD, "secret", "as the scenarios have it");
    tokio::join!(telephones_over(Transport::Udp), telephones_over(Transport::Tcp));
}

#[tokio::test]
async fn two_telephones_with_one_contact_both_show_a_message() {
    if !installed(&["sipp"]) {
        return;
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let node = SipNode::start(&[DigestAlgorithm::Md5]).await;
        let port = free_port();
        let homes = ["127.0.0.2", "127.0.0.3"];
        let mut telephones = homes.map(|home| sipp_at(home, "subscribe_at_home", transport, port, Some(node.port())));
        for telephone in &mut telephones {
            telephone.wait_for("no message waits").await;
        }
        assert_eq!(node.notifier.subscriptions(), 2);
        node.deposit(1).await;
        for telephone in telephones {
            let (well, said) = telephone.wait().await;
            assert!(well, "over {transport:?}: {said}");
        }
        node.stop().await;
    }
}

async fn telephones_over(transport: Transport) {
    // sipp 3.6 supports MD5 only.
    let node = SipNode::start(&[DigestAlgorithm::Md5]).await;
    node.deposit(1).await;
    for scenario in ["subscribe", "subscribe_481", "subscribe_503", "subscribe_wrong"] {
        let (well, said) = sipp(scenario, transport, free_port(), Some(node.port())).wait().await;
        assert!(well, "{scenario} over {transport:?}: {said}");
        soon(async {
            while node.notifier.subscriptions() != 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    node.stop().await;
}
