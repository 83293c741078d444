//! Requests that are refused, and their responses.

use std::time::Duration;

use super::super::super::digest::{DigestChallenge, DigestCredentials};
use super::super::super::message::{HeaderName, Headers, Method, Request, SipMessage, StatusCode};
use super::super::super::transport::NextHop;
use super::super::SipLimits;
use super::telephone::{Telephone, TestNotifier, address, udp, with};
use super::{PHONE, subscribed};

fn refused(change: impl Fn(Request) -> Request) -> (u16, Headers) {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    let request = change(telephone.request(600));
    let response = telephone.send(&mut notifier, &request);
    assert_eq!(notifier.server.len(), 0);
    (response.status.code(), response.headers)
}

#[test]
fn each_refusal_has_its_status_and_its_header_field() {
    let set = |name: HeaderName, value: &'static str| refused(move |request| with(&request, name, Some(value)));
    let (status, headers) = set(HeaderName::Event, "presence");
    assert_eq!((status, headers.get(HeaderName::AllowEvents)), (489, Some("message-summary")));
    assert_eq!(refused(|request| with(&request, HeaderName::Event, None)).0, 489);
    let (status, headers) = set(HeaderName::Require, "eventlist");
    assert_eq!((status, headers.get(HeaderName::Unsupported)), (420, Some("eventlist")));
    let (status, headers) = set(HeaderName::Expires, "59");
    assert_eq!((status, headers.get(HeaderName::MinExpires)), (423, Some("60")));
    assert_eq!(set(HeaderName::Expires, "soon").0, 400);
    assert_eq!(set(HeaderName::Accept, "text/plain, application/pidf+xml").0, 406);
    assert_eq!(set(HeaderName::Contact, "*").0, 400);
    assert_eq!(refused(|request| with(&request, HeaderName::Contact, None)).0, 400);
    assert_eq!(set(HeaderName::To, "<sip:2041@vm.example>;tag=1.0123456789abcdef").0, 481);
    let other = |uri: &'static str| refused(move |request| Request { uri: uri.into(), ..request }).0;
    assert_eq!((other("sip:2042@vm.example"), other("sip:9999@vm.example"), other("sip:")), (403, 403, 400));
    let long = format!("<sip:{}.example;lr>", "p".repeat(800));
    assert_eq!(refused(|request| with(&request, HeaderName::RecordRoute, Some(&long))).0, 513);
}

#[test]
fn a_name_without_a_mailbox_means_the_users_own_mailbox() {
    let status_of = |user: &'static str| {
        let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
        let request = Request { uri: format!("sip:{user}@vm.example"), ..telephone.request(600) };
        (telephone.send(&mut notifier, &request).status.code(), notifier.asked.pop().map(|(_, mailbox)| mailbox.to_string()))
    };
    for own in ["2041", "anna", "voicemail", "*97", "vm+2042"] {
        assert_eq!(status_of(own), (200, Some("2041".to_owned())), "{own}");
    }
    for foreign in ["2042", "sales", "Sales"] {
        assert_eq!(status_of(foreign), (403, None), "{foreign}");
    }
}

#[test]
fn other_requests_than_subscribe_need_no_authentication() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    for (method, expected) in [("OPTIONS", "200"), ("NOTIFY", "405"), ("REGISTER", "405"), ("PUBLISH", "405")] {
        let mut request = with(&telephone.request(600), HeaderName::CSeq, Some(&format!("1 {method}")));
        request.method = Method::parse(method).unwrap();
        notifier.receive(request, telephone.source);
        let (_, SipMessage::Response(response)) = notifier.sent.last().unwrap() else { panic!() };
        assert_eq!(response.headers.get(HeaderName::Allow), Some("SUBSCRIBE, OPTIONS"));
        assert_eq!(notifier.said(), [expected]);
    }
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        notifier.receive(with(&telephone.request(600), name, None), telephone.source);
        assert_eq!(notifier.said(), ["400"], "{name:?}");
    }
    let mut ack = telephone.request(600);
    ack.method = Method::Ack;
    notifier.receive(ack, telephone.source);
    notifier.receive(with(&telephone.request(600), HeaderName::Via, None), telephone.source);
    assert_eq!(notifier.said(), [""; 0], "an ACK gets no response, and without a Via there is no address for one");
}

#[test]
fn a_wrong_password_is_refused_and_attempts_are_limited() {
    let mut notifier = TestNotifier::new(SipLimits { max_failures: 3, ..SipLimits::default() });
    let guess = |notifier: &mut TestNotifier, peer: &str, user: &str, password: &str| {
        let mut telephone = Telephone::new(peer);
        telephone.credentials = DigestCredentials::new(user, password);
        telephone.subscribe(notifier, 600).status.code()
    };
    for _ in 0..3 {
        assert_eq!(guess(&mut notifier, PHONE, "2041", "guess"), 401);
    }
    assert_eq!(guess(&mut notifier, PHONE, "2041", "correct horse"), 403, "no more is checked, right or wrong");
    assert_eq!(guess(&mut notifier, "192.0.2.8:5060", "2041", "correct horse"), 200, "from elsewhere it is");
    for user in ["1", "2", "3"] {
        assert_eq!(guess(&mut notifier, PHONE, user, "guess"), 401);
    }
    assert_eq!(guess(&mut notifier, PHONE, "4", "guess"), 403, "all names that nobody has count as one");
    notifier.pass(Duration::from_secs(61));
    assert_eq!(guess(&mut notifier, PHONE, "2041", "correct horse"), 200, "one is forgiven each minute");
}

#[test]
fn credentials_are_valid_for_one_address_only() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    let request = telephone.request(600);
    notifier.receive(request.clone(), telephone.source);
    let (_, SipMessage::Response(challenged)) = notifier.sent.remove(0) else { panic!() };
    let challenge = DigestChallenge::choose(challenged.headers.all(HeaderName::WwwAuthenticate)).unwrap();
    notifier.receive(telephone.authorized(&request, &challenge), udp("203.0.113.5:5062"));
    assert_eq!(notifier.said(), ["401"]);
}

#[test]
fn an_unauthenticated_sender_gets_a_small_response_and_no_state() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    let mut request = telephone.request(600);
    request.headers.push(HeaderName::RecordRoute, "<sip:203.0.113.9;lr>");
    let asked = request.to_bytes().len();
    for _ in 0..100 {
        notifier.receive(request.clone(), udp("192.0.2.7:9"));
    }
    for (next_hop, message) in &notifier.sent {
        assert_eq!(*next_hop, NextHop::Datagram(address("192.0.2.7:9")));
        assert!(message.to_bytes().len() <= 2 * asked, "{} bytes for {asked}", message.to_bytes().len());
    }
    assert_eq!((notifier.sent.len(), notifier.server.len(), notifier.server.poll_timeout()), (100, 0, None));
    assert_eq!(notifier.server.cached_responses(), 0);
}

#[test]
fn a_subscribe_that_was_overtaken_changes_nothing() {
    let (mut notifier, mut telephone) = subscribed();
    let late = with(&telephone.request(0), HeaderName::CSeq, Some("0 SUBSCRIBE"));
    assert_eq!(telephone.send(&mut notifier, &late).status, StatusCode::SERVER_ERROR);
    assert_eq!(notifier.server.len(), 1);
}

#[test]
fn nobody_ends_the_subscription_of_another() {
    let (mut notifier, mut telephone) = subscribed();
    telephone.credentials = DigestCredentials::new("2042", "correct horse");
    assert_eq!(telephone.subscribe(&mut notifier, 0).status, StatusCode::FORBIDDEN);
    assert_eq!(notifier.server.len(), 1);
}

#[test]
fn subscriptions_are_limited_for_a_user_and_for_all() {
    let limits = SipLimits { max_subscriptions: 3, max_subscriptions_per_user: 2, ..SipLimits::default() };
    let mut notifier = TestNotifier::new(limits);
    let mut subscribe = |number: u32, user: &str| {
        let mut telephone = Telephone::new(&format!("192.0.2.7:{}", 6000 + number));
        telephone.credentials = DigestCredentials::new(user, "correct horse");
        let mut request = telephone.request(600);
        request.uri = format!("sip:{user}@vm.example");
        telephone.send(&mut notifier, &request).status.code()
    };
    assert_eq!([subscribe(1, "2041"), subscribe(2, "2041"), subscribe(3, "2041")], [200, 200, 503]);
    assert_eq!([subscribe(4, "2042"), subscribe(5, "2042")], [200, 503]);
}

#[test]
fn telephones_that_restart_take_limited_memory() {
    let mut notifier = TestNotifier::new(SipLimits { max_subscriptions: 3, ..SipLimits::default() });
    notifier.counts = false;
    for number in 0..100 {
        let mut telephone = Telephone::new(PHONE);
        telephone.call_id = format!("another-{number}");
        assert_eq!(telephone.subscribe(&mut notifier, 600).status, StatusCode::OK);
    }
    assert_eq!(notifier.server.len(), 3);
    assert!(notifier.server.pending_lookups() <= 6, "{}", notifier.server.pending_lookups());
    notifier.counts = true;
    notifier.settle();
    assert_eq!(notifier.asked.len(), 3, "a subscription that is over asks for nothing");
}
