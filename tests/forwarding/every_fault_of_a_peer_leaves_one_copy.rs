//! After any fault of the path or the peer, at any step of the conversation, one copy arrives in the end, byte for byte.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::faulty_proxy;
use crate::support;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use faulty_proxy::{FaultyProxy, ProxyFault, SmtpStep};
use futures::StreamExt as _;
use support::random::{Random, new_seed};
use support::{CENTRAL, HIMALAYA, clock, event, mailbox, network, node, run, site, wav};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex, split};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use voicemail::disk::PowerCutDisk;
use voicemail::event::Event;
use voicemail::forward::smtp::{ByteStream, Dial, Security, SmtpForwarder};
use voicemail::intake::{Intake, ListenMode};
use voicemail::record::CallFacts;
use voicemail::store::{MemoryStore, MessageStore as _};

/// The extensions that are removed from the peer's EHLO reply, so that the forwarder uses each form of transaction: all pipelined, only
/// the envelope pipelined, and stepwise.
const ROUTES: [&[&str]; 5] = [
    &[],
    &["ENHANCEDSTATUSCODES"],
    &["CHUNKING", "BINARYMIME"],
    &["PIPELINING"],
    &["PIPELINING", "CHUNKING", "BINARYMIME", "8BITMIME"],
];

const LATER: ProxyFault = ProxyFault::Reply("451 4.3.0 later\r\n");
const NEVER: ProxyFault = ProxyFault::Reply("554 5.0.0 never\r\n");
const ANYWHERE: [ProxyFault; 9] = [
    ProxyFault::Drop,
    ProxyFault::Stall,
    LATER,
    NEVER,
    ProxyFault::Reply("421 4.3.2 closing\r\n"),
    ProxyFault::Reply("\u{1}\u{7f} garbage\r\n"),
    ProxyFault::Reply("199 what\r\n"),
    ProxyFault::HalfAndDrop,
    ProxyFault::HalfAndStall,
];

/// The certificate of the central node, and its key.
struct Identity {
    pem: String,
    server: Arc<ServerConfig>,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed([CENTRAL.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    Identity { pem: made.cert.pem(), server: Arc::new(server) }
}

/// A central node's mailboxes, and its intake.
fn central() -> (Arc<MemoryStore>, Intake) {
    central_with(None)
}

fn central_with(tls: Option<Arc<ServerConfig>>) -> (Arc<MemoryStore>, Intake) {
    let store = Arc::new(MemoryStore::new([mailbox("2001")]));
    let network = network();
    let intake = Intake::builder(network.domain(), Arc::clone(&store), network.directory()).node(CENTRAL).binary_bodies();
    (store, tls.into_iter().fold(intake, voicemail::intake::IntakeBuilder::tls).build())
}

/// Records a message, sends it through `dial`, releases it each time it is parked, and asserts that one copy arrived; returns how often it
/// was parked.
async fn one_copy_arrives(case: &str, store: &MemoryStore, dial: impl Dial, security: Option<&str>) -> u32 {
    let disk = PowerCutDisk::new(); // one in memory, which is faster, and never cut here
    let builder = SmtpForwarder::builder(format!("{CENTRAL}:25"), "voicemail.example").node(HIMALAYA).dial(dial);
    let forwarder = match security {
        Some(pem) => builder.security(Security::Tls).ca_pem(pem.as_bytes()).build().unwrap(),
        None => builder.security(Security::PlainText).build().unwrap(),
    };
    let node = node(HIMALAYA, Path::new("/node")).disk(disk).forwarder(forwarder).clock(clock()).open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    let spoken = wav(1_200, 11);
    let kept = node.deposit_wav(&site("tokyo"), CallFacts::to(mailbox("2001")), spoken.clone().into()).await.unwrap();
    let mut parked = 0;
    let settled = async {
        loop {
            let released = event(&mut events, |event| match event {
                Event::Parked { id, mailbox, .. } => Some(Some((id, mailbox))),
                Event::Forwarded { .. } => Some(None),
                _ => None,
            });
            let Some((id, mailbox)) = released.await else { break };
            parked += 1;
            node.spool().release(id, &mailbox).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), settled).await.unwrap_or_else(|_| panic!("{case}: it never arrives"));
    running.stop().await;

    let list = store.list(&mailbox("2001")).await.unwrap();
    assert_eq!(list.len(), 1, "{case}: copies");
    let message = store.retrieve(&mailbox("2001"), kept.id).await.unwrap();
    assert!(message.audio().bytes()[..] == spoken[..], "{case}: byte for byte");
    assert!(node.spool().waiting().is_empty() && node.spool().parked().await.unwrap().is_empty(), "{case}: the spool");
    parked
}

/// Every case: the removed extensions, the step and kind of the fault, and how often it happens.
fn cases() -> Vec<(&'static [&'static str], SmtpStep, ProxyFault, u32)> {
    let mut cases = Vec::new();
    let answers =
        [SmtpStep::Banner, SmtpStep::Ehlo, SmtpStep::Mail, SmtpStep::Rcpt, SmtpStep::End].map(|step| (step, &ANYWHERE[..]));
    let silent = [SmtpStep::Body, SmtpStep::LastByte].map(|step| (step, &ANYWHERE[..2]));
    for route in ROUTES {
        let data = ["CHUNKING", "ENHANCEDSTATUSCODES"]
            .iter()
            .any(|hidden| route.contains(hidden))
            .then_some((SmtpStep::Data, &ANYWHERE[..]));
        // For the first and the last form also a single fault: then the second attempt succeeds.
        let times = if route.is_empty() || route.len() > 3 { &[1, 3][..] } else { &[3] };
        for (step, faults) in answers.into_iter().chain(silent).chain(data) {
            for fault in faults {
                cases.extend(times.iter().map(|times| (route, step, *fault, *times)));
            }
        }
    }
    cases
}

async fn spoil((route, step, fault, times): (&'static [&'static str], SmtpStep, ProxyFault, u32), tls: Option<&Identity>) {
    let case = format!("{fault:?} at {step:?}, {times} times, without {route:?}");
    let (store, intake) = central();
    let middle = FaultyProxy::new(intake, route, tls.map(|identity| Arc::clone(&identity.server)));
    middle.inject(step, fault, times);
    let parked = one_copy_arrives(&case, &store, middle.clone(), tls.map(|identity| identity.pem.as_str())).await;
    // The refusal of this node as such says nothing about the message.
    let is_final = fault == NEVER && matches!(step, SmtpStep::Mail | SmtpStep::Rcpt | SmtpStep::Data | SmtpStep::End);
    // A peer that rejects EHLO gets HELO, and serves.
    let is_forgiven = fault == NEVER && step == SmtpStep::Ehlo && tls.is_none();
    let expected = (if is_final { times } else { 0 }, if is_forgiven { 1 } else { times });
    assert_eq!((parked, middle.injected()), expected, "{case}: parked, struck");
}

#[tokio::test(start_paused = true)]
async fn in_plain_text_every_fault_at_every_step_leaves_one_copy() {
    futures::stream::iter(cases()).map(|case| spoil(case, None)).buffer_unordered(AT_ONCE).count().await;
}

#[tokio::test(start_paused = true)]
async fn under_tls_every_fault_at_every_step_leaves_one_copy() {
    let identity = identity();
    let opening =
        [SmtpStep::StartTls, SmtpStep::Handshake].into_iter().flat_map(|step| ANYWHERE.map(|fault| (ROUTES[0], step, fault, 3)));
    let all = cases().into_iter().filter(|(route, ..)| route.is_empty()).chain(opening);
    futures::stream::iter(all).map(|case| spoil(case, Some(&identity))).buffer_unordered(AT_ONCE).count().await;
}

/// A path that ends, or falls silent, after this many bytes in one direction: an attacker can do nothing else to TLS.
#[derive(Debug, Clone)]
struct Wire {
    intake: Intake,
    cuts: Arc<std::sync::Mutex<Vec<Cut>>>,
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    upwards: u64,
    downwards: u64,
    fault: ProxyFault,
}

#[async_trait]
impl Dial for Wire {
    async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn ByteStream>> {
        let (client, near) = duplex(4096);
        let (far, server) = duplex(4096);
        let intake = self.intake.clone();
        tokio::spawn(async move { drop(intake.serve_stream(server, None, ListenMode::StartTls, std::future::pending()).await) });
        let cut =
            self.cuts.lock().unwrap().pop().unwrap_or(Cut { upwards: u64::MAX, downwards: u64::MAX, fault: ProxyFault::Drop });
        tokio::spawn(async move {
            let ((near_read, near_write), (far_read, far_write)) = (split(near), split(far));
            // When either direction ends, the path ends.
            tokio::select! {
                () = carry(near_read, far_write, cut.upwards, cut.fault) => {}
                () = carry(far_read, near_write, cut.downwards, cut.fault) => {}
            }
        });
        Ok(Box::new(client))
    }
}

async fn carry(from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, bytes: u64, fault: ProxyFault) {
    let mut from = from.take(bytes);
    let carried = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.flush().await;
    if fault == ProxyFault::Stall && carried.is_ok_and(|carried| carried == bytes) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn tls_cut_at_any_byte_leaves_one_copy() {
    let seed = new_seed();
    println!("seed {seed}");
    let identity = identity();
    let mut dice = Random::with_seed(seed);
    let mut cuts = Vec::new();
    for n in 0..80 {
        let fault = if n % 2 == 0 { ProxyFault::Drop } else { ProxyFault::Stall };
        // The conversation has some 22 000 bytes to the server and 2 500 from it.
        let cut = match n % 4 {
            0 | 1 => Cut { upwards: dice.below(23_000), downwards: u64::MAX, fault },
            _ => Cut { upwards: u64::MAX, downwards: dice.below(3_000), fault },
        };
        cuts.push(vec![cut; if n % 3 == 0 { 3 } else { 1 }]);
    }
    let cut = async |cuts: Vec<Cut>| {
        let case = format!("{:?}, {} times, seed {seed}", cuts[0], cuts.len());
        let (store, intake) = central_with(Some(Arc::clone(&identity.server)));
        let wire = Wire { intake, cuts: Arc::new(std::sync::Mutex::new(cuts)) };
        assert_eq!(one_copy_arrives(&case, &store, wire, Some(&identity.pem)).await, 0, "{case}: parked");
    };
    futures::stream::iter(cuts).map(cut).buffer_unordered(AT_ONCE).count().await;
}

/// How many cases run at the same time, so that there are few files and folders.
const AT_ONCE: usize = 48;
