#[cfg(feature = "sip-dns")]
mod dns;
mod memory;
mod tls;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::DateTime;

use self::memory::{Answers, MemoryNetwork, always, silent};
use super::super::digest::{DigestAuthenticator, DigestSecret, DigestVerdict};
use super::super::message::{HeaderName, Headers, Request, SipMessage, StatusCode};
use super::*;
use crate::message::Summary;

const A: &str = "192.0.2.5:5060";
const B: &str = "192.0.2.6:5060";

fn sink(memory: &MemoryNetwork) -> SipSinkBuilder {
    let from = "sip:voicemail@vm.example".parse().unwrap();
    let targets = SipTargets::template("sip:{mailbox}@pbx.example;user=phone").unwrap();
    SipSink::builder(from, targets)
        .addresses([A])
        .credentials(DigestCredentials::new("voicemail", "correct horse"))
        .connect(memory.clone())
}

fn state(version: u64, new: u32) -> MwiState {
    let summary = Summary { new, ..Summary::default() };
    MwiState { mailbox: "2041".parse().unwrap(), summary, version, as_of: DateTime::UNIX_EPOCH }
}

fn status(code: u16) -> StatusCode {
    StatusCode::new(code).unwrap()
}

/// When each of `sent` was sent after `start`, in milliseconds.
fn times(memory: &MemoryNetwork, start: Instant) -> Vec<u128> {
    memory.sent().iter().map(|sent| (sent.at - start).as_millis()).collect()
}

fn body(request: &Request) -> MessageSummary {
    MessageSummary::parse(&request.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    crate::conformance::mwi::run_all(|| {
        let memory = MemoryNetwork::default();
        memory.listen(Transport::Udp, A, always(StatusCode::OK));
        let look = {
            let memory = memory.clone();
            move || std::future::ready(memory.sent().last().and_then(|sent| body(&sent.request).voice))
        };
        (sink(&memory).build(), look)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_notify_has_all_fields_that_a_peer_needs() {
    let memory = MemoryNetwork::default();
    memory.listen(Transport::Udp, A, always(status(202)));
    let newest = state(1, 2);
    sink(&memory).build().show(&newest).await.unwrap();
    let request = memory.sent().remove(0).request;
    assert_eq!(request.uri, "sip:2041@pbx.example;user=phone");
    let get = |name| request.headers.get(name).unwrap();
    assert!(get(HeaderName::Via).starts_with("SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bK"));
    assert!(get(HeaderName::From).starts_with("<sip:voicemail@vm.example>;tag="));
    assert_eq!(get(HeaderName::To), "<sip:2041@pbx.example;user=phone>");
    assert_eq!(get(HeaderName::Contact), "<sip:voicemail@192.0.2.1:5070>");
    assert_eq!((get(HeaderName::Event), get(HeaderName::SubscriptionState)), ("message-summary", "terminated"));
    assert_eq!((get(HeaderName::MaxForwards), get(HeaderName::ContentType)), ("70", "application/simple-message-summary"));
    assert_eq!(body(&request), MessageSummary::of(newest.summary, "sip:2041@pbx.example".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_notify_is_sent_again_until_32_seconds_have_passed() {
    let memory = MemoryNetwork::default();
    memory.listen(Transport::Udp, A, silent);
    let start = Instant::now();
    let failed = sink(&memory).build().show(&state(1, 1)).await.unwrap_err();
    assert!(matches!(failed, MwiError::Unavailable(_)), "{failed:?}");
    assert_eq!(start.elapsed(), Duration::from_secs(32));
    assert_eq!(times(&memory, start), [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    let branches: std::collections::HashSet<_> =
        memory.sent().iter().map(|sent| sent.request.headers.get(HeaderName::Via).unwrap().to_owned()).collect();
    assert_eq!(branches.len(), 1, "it is one request, sent again");
}

#[tokio::test(start_paused = true)]
async fn late_and_provisional_responses_count() {
    let memory = MemoryNetwork::default();
    memory.listen(Transport::Udp, A, |request| vec![(Duration::from_secs(20), request.response(StatusCode::OK, "peer"))]);
    let start = Instant::now();
    sink(&memory).build().show(&state(1, 1)).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(20));

    let memory = MemoryNetwork::default();
    memory.listen(Transport::Udp, A, |request| {
        vec![
            (Duration::from_millis(100), request.response(status(100), "peer")),
            (Duration::from_secs(6), request.response(StatusCode::OK, "peer")),
        ]
    });
    let start = Instant::now();
    sink(&memory).build().show(&state(1, 1)).await.unwrap();
    assert_eq!(times(&memory, start), [0, 500, 4500], "a request that has arrived is sent again less often");
}

#[tokio::test(start_paused = true)]
async fn a_response_to_another_request_is_ignored() {
    let memory = MemoryNetwork::default();
    memory.listen(Transport::Udp, A, |request| {
        let mut other = request.clone();
        other.headers =
            Headers::default().with(HeaderName::Via, "SIP/2.0/UDP h;branch=z9hG4bKother").with(HeaderName::CSeq, "1 NOTIFY");
        vec![
            (Duration::ZERO, other.response(StatusCode::OK, "peer")),
            (Duration::from_secs(1), request.response(status(404), "peer")),
        ]
    });
    let failed = sink(&memory).build().show(&state(1, 1)).await.unwrap_err();
    assert!(matches!(failed, MwiError::NoSuchMailbox(_)), "{failed:?}");
}

/// A peer that authenticates by digest: a server with 401, or a proxy with 407. Each nonce is valid for one second.
fn guarded(code: u16, password: &'static str) -> impl Fn(&Request) -> Answers + Send + Sync {
    let start = Instant::now().into_std();
    let secret = DigestSecret::of("voicemail", "pbx", password);
    let users = [("voicemail".to_owned(), secret)];
    let authenticator = Mutex::new(
        DigestAuthenticator::new("pbx", [1; DigestAuthenticator::KEY_LEN], start)
            .users(users)
            .nonce_lifetime(Duration::from_secs(1)),
    );
    let (asks, proves) = match code {
        401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
        _ => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
    };
    move |request| {
        let (mut authenticator, now, here) =
            (authenticator.lock().unwrap(), Instant::now().into_std(), A.parse::<SocketAddr>().unwrap().ip());
        let verdict = request.headers.get(proves).map(|proof| authenticator.check(proof, "NOTIFY", here, now));
        if matches!(verdict, Some(DigestVerdict::Authenticated(_))) {
            return vec![(Duration::ZERO, request.response(StatusCode::OK, "peer"))];
        }
        let mut response = request.response(status(code), "peer");
        for challenge in authenticator.challenge(here, verdict == Some(DigestVerdict::Stale), now) {
            response.headers.push(asks, challenge);
        }
        vec![(Duration::ZERO, response)]
    }
}

#[tokio::test(start_paused = true)]
async fn a_challenge_of_server_or_proxy_is_answered() {
    for code in [401, 407] {
        let memory = MemoryNetwork::default();
        memory.listen(Transport::Udp, A, guarded(code, "correct horse"));
        sink(&memory).build().show(&state(1, 1)).await.unwrap();
        let sent = memory.sent();
        let of = |name: HeaderName| sent.iter().map(|sent| sent.request.headers.get(name).unwrap()).collect::<Vec<_>>();
        assert_eq!(of(HeaderName::CSeq), ["1 NOTIFY", "2 NOTIFY"]);
        let (vias, calls) = (of(HeaderName::Via), of(HeaderName::CallId));
        assert!(vias[0] != vias[1] && calls[0] == calls[1], "it is the same call, and another transaction: {vias:?} {calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_sent_once() {
    let memory = MemoryNetwork::default();
    memory.listen(Transport::Udp, A, guarded(401, "another horse"));
    let failed = sink(&memory).build().show(&state(1, 1)).await.unwrap_err();
    assert!(matches!(failed, MwiError::Refused(_)) && !failed.is_transient(), "{failed:?}");
    assert_eq!(memory.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_challenge_for_a_stale_nonce_is_answered() {
    let memory = MemoryNetwork::default();
    let guarded = guarded(401, "correct horse");
    let answered = AtomicUsize::new(0);
    // The first challenge takes longer than its nonce lives.
    memory.listen(Transport::Tcp, A, move |request| {
        let mut answers = guarded(request);
        if answered.fetch_add(1, Ordering::Relaxed) == 0 {
            answers[0].0 = Duration::from_secs(2);
        }
        answers
    });
    sink(&memory).transport(Transport::Tcp).build().show(&state(1, 1)).await.unwrap();
    assert_eq!(memory.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_answers_503_is_tried_last_for_a_while() {
    let memory = MemoryNetwork::default();
    memory.listen(Transport::Udp, A, |request| {
        let mut response = request.response(StatusCode::SERVICE_UNAVAILABLE, "peer");
        response.headers.push(HeaderName::RetryAfter, "2 (busy)");
        vec![(Duration::ZERO, response)]
    });
    memory.listen(Transport::Udp, B, always(StatusCode::OK));
    let sink = sink(&memory).addresses([A, B]).build();
    let mut counts = Vec::new();
    for version in 1..=3 {
        sink.show(&state(version, 1)).await.unwrap();
        counts.push(memory.sent()[counts.iter().sum::<usize>()..].len());
        if version == 2 {
            tokio::time::advance(Duration::from_secs(3)).await;
        }
    }
    assert_eq!(counts, [2, 1, 2], "first both, then the one that can, and both again when the time has passed");
    let order: Vec<_> = memory.sent().iter().map(|sent| sent.to.to_string()).collect();
    assert_eq!(order, [A, B, B, A, B]);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_or_silent_address_is_tried_last() {
    let memory = MemoryNetwork::default();
    memory.listen(Transport::Udp, B, always(StatusCode::OK));
    let started = Instant::now();
    sink(&memory).addresses([A, B]).build().show(&state(1, 1)).await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);

    memory.listen(Transport::Udp, A, silent);
    let sink = sink(&memory).addresses([A, B]).build();
    sink.show(&state(1, 1)).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    sink.show(&state(2, 0)).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(3), "it is not waited for again at once");
}

#[tokio::test(start_paused = true)]
async fn an_address_is_tried_last_also_after_a_dropped_call() {
    let memory = MemoryNetwork::default();
    memory.listen(Transport::Udp, A, silent);
    memory.listen(Transport::Udp, B, always(StatusCode::OK));
    let one = sink(&memory).addresses([A]).build();
    assert!(timeout(Duration::from_secs(5), one.show(&state(1, 1))).await.is_err());
    let address = A.parse().unwrap();
    let now = Instant::now().into_std();
    assert!(one.peers.at(&Destination::new(Transport::Udp, address, "pbx.example"), now).avoided_until(now).is_some());
}

#[tokio::test(start_paused = true)]
async fn each_status_is_transient_final_or_no_mailbox() {
    for (code, transient, refused) in [
        (404, false, false),
        (410, false, false),
        (604, false, false),
        (403, false, true),
        (405, false, true),
        (481, false, true),
        (489, false, true),
        (501, false, true),
        (302, false, true),
        (603, false, true),
        (408, true, false),
        (480, true, false),
        (500, true, false),
        (503, true, false),
        (600, true, false),
    ] {
        let memory = MemoryNetwork::default();
        memory.listen(Transport::Udp, A, always(status(code)));
        let failed = sink(&memory).build().show(&state(1, 1)).await.unwrap_err();
        assert_eq!((failed.is_transient(), matches!(failed, MwiError::Refused(_))), (transient, refused), "{code}");
        assert_eq!(memory.sent().len(), 1, "{code} is not asked for twice");
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_state_is_never_sent_after_a_newer_one() {
    let memory = MemoryNetwork::default();
    memory.listen(Transport::Udp, A, |request| vec![(Duration::from_secs(1), request.response(StatusCode::OK, "peer"))]);
    let sink = sink(&memory).build();
    let states = [state(1, 1), state(2, 2), state(3, 3)];
    let all = futures::future::join_all(states.iter().map(|state| sink.show(state))).await;
    assert!(all.iter().all(Result::is_ok));
    sink.show(&state(2, 2)).await.unwrap();
    let mut numbers: Vec<_> = memory.sent().iter().map(|sent| body(&sent.request).voice.unwrap().new).collect();
    numbers.dedup();
    assert_eq!(numbers, [1, 3], "one at a time, and the one in between was overtaken while it waited");
}

#[tokio::test(start_paused = true)]
async fn concurrent_notifys_to_one_address_are_limited() {
    let memory = MemoryNetwork::default();
    let answer_after = Duration::from_millis(100);
    memory.listen(Transport::Udp, A, move |request| vec![(answer_after, request.response(StatusCode::OK, "peer"))]);
    let sink = sink(&memory).max_concurrent(2).build();
    let start = Instant::now();
    let mailboxes = (0..10_u32).map(|number| MwiState { mailbox: format!("{number}").parse().unwrap(), ..state(1, 1) });
    let states: Vec<_> = mailboxes.collect();
    futures::future::join_all(states.iter().map(|state| sink.show(state))).await;
    assert_eq!(times(&memory, start), [0, 0, 100, 100, 200, 200, 300, 300, 400, 400]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_reused_and_reopened_when_it_was_closed() {
    let memory = MemoryNetwork::default();
    memory.listen(Transport::Tcp, A, always(StatusCode::OK));
    let sink = sink(&memory).transport(Transport::Tcp).build();
    for version in 1..=3 {
        sink.show(&state(version, 1)).await.unwrap();
    }
    assert_eq!((memory.connections().len(), memory.sent().len()), (1, 3));
    memory.hang_up();
    sink.show(&state(4, 1)).await.unwrap();
    assert_eq!((memory.connections().len(), memory.sent().len()), (2, 4));
    assert!(memory.sent()[0].request.headers.get(HeaderName::Contact).unwrap().ends_with(";transport=tcp>"));
}

#[tokio::test(start_paused = true)]
async fn a_request_too_long_for_a_datagram_goes_over_tcp_if_possible() {
    let long = || {
        let user = "x".repeat(400);
        SipTargets::from_fn(move |_| format!("sip:{user}@pbx.example").parse().ok())
    };
    for (with_tcp, transports) in [(true, &[Transport::Tcp][..]), (false, &[Transport::Udp])] {
        let memory = MemoryNetwork::default();
        memory.listen(Transport::Udp, A, always(StatusCode::OK));
        if with_tcp {
            memory.listen(Transport::Tcp, A, always(StatusCode::OK));
        }
        let from = "sip:voicemail@vm.example".parse().unwrap();
        let sink = SipSink::builder(from, long()).addresses([A]).connect(memory.clone()).build();
        sink.show(&state(1, 1)).await.unwrap();
        let used: Vec<_> = memory.sent().iter().map(|sent| sent.transport).collect();
        assert_eq!(used, transports);
    }
}

#[tokio::test]
async fn it_notifies_over_real_sockets() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let answer = |bytes: &[u8]| {
        let Ok(SipMessage::Request(request)) = SipMessage::parse(bytes) else { panic!("{bytes:?}") };
        (request.response(StatusCode::OK, "peer").to_bytes(), body(&request).voice.unwrap().new)
    };
    let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (transport, address) in [(Transport::Udp, udp.local_addr().unwrap()), (Transport::Tcp, tcp.local_addr().unwrap())] {
        let builder = sink(&MemoryNetwork::default()).connect(super::super::transport::NetworkConnector::default());
        let sink = builder.addresses([address.to_string()]).transport(transport).build();
        let peer = async {
            let mut buffer = vec![0; 4096];
            match transport {
                Transport::Udp => {
                    let (len, from) = udp.recv_from(&mut buffer).await.unwrap();
                    let (response, new) = answer(&buffer[..len]);
                    udp.send_to(&response, from).await.unwrap();
                    new
                }
                Transport::Tcp | Transport::Tls => {
                    let (mut stream, _) = tcp.accept().await.unwrap();
                    let len = stream.read(&mut buffer).await.unwrap();
                    let (response, new) = answer(&buffer[..len]);
                    stream.write_all(&response).await.unwrap();
                    new
                }
            }
        };
        let shown = state(1, 7);
        let (result, new) = tokio::join!(sink.show(&shown), peer);
        assert!(result.is_ok() && new == 7, "{result:?}");
    }
}
