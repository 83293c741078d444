//! A notifier with real sockets of this machine.

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::super::super::MessageSummary;
use super::super::super::digest::{DigestChallenge, DigestCredentials};
use super::super::super::message::{HeaderName, Request, SipMessage, StatusCode};
use super::super::{SipLimits, SipNotifier};
use super::telephone::state;
use crate::message::{MailboxId, Summary};
use crate::mwi::{CurrentState, MwiSink as _, MwiSource};

/// A source that always returns the same state.
#[derive(Debug)]
struct FixedSource(CurrentState);

#[async_trait]
impl MwiSource for FixedSource {
    async fn current(&self, _: &MailboxId) -> CurrentState {
        self.0.clone()
    }
}

async fn notifier(limits: SipLimits) -> Arc<SipNotifier> {
    let builder = SipNotifier::builder("vm.example").user("2041", "correct horse", ["2041".parse().unwrap()]).limits(limits);
    let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    Arc::new(builder.udp(udp).tcp(tcp).build().unwrap())
}

/// The text of a SUBSCRIBE over `transport`, with credentials if there is a challenge to answer.
fn subscribe(transport: &str, local: SocketAddr, number: u32, challenge: Option<&DigestChallenge>) -> String {
    let scheme = if transport == "TLS" { "sips" } else { "sip" };
    let proof = challenge.map(|challenge| {
        let uri = format!("{scheme}:2041@vm.example");
        let answer = challenge.answer(&DigestCredentials::new("2041", "correct horse"), "SUBSCRIBE", &uri, 1, "c");
        format!("Authorization: {answer}\r\n")
    });
    format!(
        "SUBSCRIBE {scheme}:2041@vm.example SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch=z9hG4bK{number};rport\r\n\
         From: <sip:2041@vm.example>;tag=a\r\nTo: <sip:2041@vm.example>\r\nCall-ID: {local}\r\nCSeq: {number} SUBSCRIBE\r\n\
         Contact: <{scheme}:2041@{local}>\r\nEvent: message-summary\r\nExpires: 600\r\n{}Content-Length: 0\r\n\r\n",
        proof.unwrap_or_default()
    )
}

fn challenge_of(message: &SipMessage) -> DigestChallenge {
    let SipMessage::Response(response) = message else { panic!("{message:?}") };
    assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    DigestChallenge::choose(response.headers.all(HeaderName::WwwAuthenticate)).unwrap()
}

/// Subscribes over UDP, and sends the content of each NOTIFY through the channel.
async fn telephone(server: SocketAddr, contents: mpsc::UnboundedSender<(String, Option<Summary>)>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    let local = socket.local_addr().unwrap();
    let mut buffer = vec![0; 4096];
    socket.send(subscribe("UDP", local, 1, None).as_bytes()).await.unwrap();
    loop {
        let len = socket.recv(&mut buffer).await.unwrap();
        let message = SipMessage::parse(&buffer[..len]).unwrap();
        match &message {
            SipMessage::Request(notify) => {
                let subscription = notify.headers.get(HeaderName::SubscriptionState).unwrap().to_owned();
                let summary = MessageSummary::parse(&notify.body).ok().and_then(|summary| summary.voice);
                // The content is recorded before the response is sent, so that every answered NOTIFY has been recorded.
                if contents.send((subscription, summary)).is_err() {
                    return;
                }
                socket.send(&notify.response(StatusCode::OK, "a").to_bytes()).await.unwrap();
            }
            SipMessage::Response(response) if response.status.is_success() => {}
            SipMessage::Response(_) => {
                let answer = subscribe("UDP", local, 2, Some(&challenge_of(&message)));
                socket.send(answer.as_bytes()).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn keeps_the_contract() {
    let stops = std::sync::Mutex::new(Vec::new());
    let mut ready = Vec::new();
    // One notifier for each sentence of the contract, each with a telephone that has subscribed.
    for _ in 0..3 {
        let notifier = notifier(SipLimits::default()).await;
        let (sender, mut contents) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = Arc::clone(&notifier);
        tokio::spawn(async move { running.run(&FixedSource(CurrentState::Unknown), async { drop(stopped.await) }).await });
        tokio::spawn(telephone(notifier.udp_address().unwrap(), sender));
        assert_eq!(contents.recv().await, Some(("active;expires=600".to_owned(), None)), "an unknown state is not sent");
        stops.lock().unwrap().push(stop);
        ready.push((notifier, contents));
    }
    let ready = std::sync::Mutex::new(ready);
    crate::conformance::mwi::run_all(|| {
        let (notifier, contents) = ready.lock().unwrap().pop().unwrap();
        let contents = Arc::new(std::sync::Mutex::new((contents, None)));
        let look = {
            let notifier = Arc::clone(&notifier);
            move || {
                let (notifier, contents) = (Arc::clone(&notifier), Arc::clone(&contents));
                async move {
                    while !notifier.server().is_settled() {
                        tokio::task::yield_now().await;
                    }
                    let (contents, last) = &mut *contents.lock().unwrap();
                    while let Ok((_, summary)) = contents.try_recv() {
                        *last = summary;
                    }
                    *last
                }
            }
        };
        (notifier, look)
    })
    .await;
}

#[tokio::test]
async fn a_telephone_is_served_over_tcp_until_the_notifier_stops() {
    let notifier = notifier(SipLimits::default()).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = Arc::clone(&notifier);
    let run =
        tokio::spawn(
            async move { running.run(&FixedSource(CurrentState::Known(state(1, 3))), async { drop(stopped.await) }).await },
        );
    let mut stream = TcpStream::connect(notifier.tcp_address().unwrap()).await.unwrap();
    let local = stream.local_addr().unwrap();
    let mut input = BytesMut::new();
    stream.write_all(subscribe("TCP", local, 1, None).as_bytes()).await.unwrap();
    let challenge = challenge_of(&next(&mut stream, &mut input).await.unwrap());
    stream.write_all(subscribe("TCP", local, 2, Some(&challenge)).as_bytes()).await.unwrap();
    assert!(
        matches!(next(&mut stream, &mut input).await, Some(SipMessage::Response(response)) if response.status == StatusCode::OK)
    );
    let mut new = Vec::new();
    let mut stop = Some(stop);
    while let Some(message) = next(&mut stream, &mut input).await {
        let SipMessage::Request(notify) = message else { panic!("{message:?}") };
        new.push(MessageSummary::parse(&notify.body).unwrap().voice.unwrap().new);
        stream.write_all(&notify.response(StatusCode::OK, "a").to_bytes()).await.unwrap();
        match new.len() {
            1 => notifier.show(&state(2, 0)).await.unwrap(),
            2 => drop(stop.take()),
            _ => assert_eq!(notify.headers.get(HeaderName::SubscriptionState), Some("terminated;reason=deactivated")),
        }
    }
    assert_eq!(new, [3, 0, 0], "at once, at the change, and at the end; then the connection is closed");
    run.await.unwrap();
    assert_eq!(notifier.subscriptions(), 0);
}

#[tokio::test]
async fn a_connection_without_authentication_is_closed() {
    let limits =
        SipLimits { unauthenticated_timeout: Duration::from_millis(50), max_connections_per_address: 2, ..SipLimits::default() };
    let notifier = notifier(limits).await;
    let running = Arc::clone(&notifier);
    let run = tokio::spawn(async move { running.run(&FixedSource(CurrentState::Unknown), std::future::pending()).await });
    let address = notifier.tcp_address().unwrap();
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(TcpStream::connect(address).await.unwrap());
    }
    // The first is closed to make room for the third, and the others because nobody authenticates on them.
    for stream in &mut streams {
        let read = timeout(Duration::from_secs(10), stream.read(&mut [0; 16])).await.expect("it is closed");
        assert!(matches!(read, Ok(0) | Err(_)));
    }
    run.abort();
}

/// Subscribes on `stream`, and returns the first NOTIFY.
async fn subscribed(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), transport: &str, local: SocketAddr) -> Request {
    let mut input = BytesMut::new();
    stream.write_all(subscribe(transport, local, 1, None).as_bytes()).await.unwrap();
    let challenge = challenge_of(&next(stream, &mut input).await.unwrap());
    stream.write_all(subscribe(transport, local, 2, Some(&challenge)).as_bytes()).await.unwrap();
    let Some(SipMessage::Response(response)) = next(stream, &mut input).await else { panic!("closed") };
    assert_eq!(response.status, StatusCode::OK);
    let Some(SipMessage::Request(notify)) = next(stream, &mut input).await else { panic!("closed") };
    stream.write_all(&notify.response(StatusCode::OK, "a").to_bytes()).await.unwrap();
    notify
}

#[tokio::test]
async fn idle_connections_make_room_for_a_telephone() {
    let notifier = notifier(SipLimits { max_connections: 4, ..SipLimits::default() }).await;
    let running = Arc::clone(&notifier);
    let run =
        tokio::spawn(async move { running.run(&FixedSource(CurrentState::Known(state(1, 3))), std::future::pending()).await });
    let address = notifier.tcp_address().unwrap();
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let local = stream.local_addr().unwrap();
    timeout(Duration::from_secs(10), subscribed(&mut stream, "TCP", local)).await.expect("it is served at once");
    // After its authentication, it is not closed for those that come later.
    for _ in 0..20 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    // The sixteenth of them is closed, so all before it have been accepted.
    let closed = timeout(Duration::from_secs(10), idle[35].read(&mut [0; 1])).await.expect("it is closed");
    assert!(matches!(closed, Ok(0) | Err(_)));
    notifier.show(&state(2, 0)).await.unwrap();
    let contents = timeout(Duration::from_secs(10), next(&mut stream, &mut BytesMut::new())).await;
    assert!(matches!(contents, Ok(Some(SipMessage::Request(_)))), "{contents:?}");
    run.abort();
}

/// Set in the process that serves with few descriptors.
const SERVES: &str = "VOICEMAIL_TEST_SERVES_WITH_FEW_DESCRIPTORS";

#[test]
fn idle_connections_block_nothing_when_descriptors_run_out() {
    if std::env::var_os(SERVES).is_some() {
        return serve_with_few_descriptors();
    }
    let name = "sip::notifier::tests::sockets::idle_connections_block_nothing_when_descriptors_run_out";
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(SERVES, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let serves = lines.find_map(|line| line.unwrap().split_once("serves at ")?.1.trim().parse::<SocketAddr>().ok()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let notify = runtime.block_on(async {
        let mut idle = Vec::new();
        for _ in 0..150 {
            idle.push(TcpStream::connect(serves).await.unwrap());
        }
        let mut stream = TcpStream::connect(serves).await.unwrap();
        let local = stream.local_addr().unwrap();
        timeout(Duration::from_secs(20), subscribed(&mut stream, "TCP", local)).await
    });
    assert!(notify.is_ok(), "a telephone is served behind 150 idle connections");
    // The process ends when its standard input does.
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// Serves until standard input ends, with room for a few connections: fewer than the limits allow.
fn serve_with_few_descriptors() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let notifier = notifier(SipLimits::default()).await;
        let mut taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        taken.truncate(taken.len() - 3);
        println!("serves at {}", notifier.tcp_address().unwrap());
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
        notifier.run(&FixedSource(CurrentState::Known(state(1, 3))), async { drop(ended.await) }).await;
    });
}

#[cfg(feature = "sip-tls")]
#[tokio::test]
async fn a_telephone_is_served_at_a_sips_address_under_tls() {
    use super::super::super::transport::{SecureClient as _, TlsClient};
    let made = rcgen::generate_simple_self_signed(["vm.example".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = SipNotifier::builder("vm.example").user("2041", "correct horse", ["2041".parse().unwrap()]);
    let notifier = Arc::new(builder.tls_pem(listener, chain.as_bytes(), key.as_bytes()).unwrap().build().unwrap());
    let running = Arc::clone(&notifier);
    let run =
        tokio::spawn(async move { running.run(&FixedSource(CurrentState::Known(state(1, 3))), std::future::pending()).await });
    let stream = TcpStream::connect(notifier.tls_address().unwrap()).await.unwrap();
    let local = stream.local_addr().unwrap();
    let client = TlsClient::by_authorities(chain.as_bytes()).unwrap();
    let mut stream = client.connect(stream, "vm.example").await.unwrap();
    let notify = subscribed(&mut stream, "TLS", local).await;
    assert!(notify.headers.get(HeaderName::Via).unwrap().starts_with("SIP/2.0/TLS "), "{notify:?}");
    assert!(notify.headers.get(HeaderName::Contact).unwrap().starts_with("<sips:"), "{notify:?}");
    assert_eq!(MessageSummary::parse(&notify.body).unwrap().voice.unwrap().new, 3);
    run.abort();
}

/// The next message; `None` when the connection was closed.
async fn next(stream: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) -> Option<SipMessage> {
    loop {
        if let Some(message) = SipMessage::read(input).unwrap() {
            return Some(message);
        }
        if stream.read_buf(input).await.unwrap() == 0 {
            return None;
        }
    }
}
