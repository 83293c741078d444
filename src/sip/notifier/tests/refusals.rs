//! What is refused, and how.

use std::time::Duration;

use super::super::super::digest::{Challenge, Login};
use super::super::super::message::{Headers, Message, Method, Name, Request, Status};
use super::super::super::transport::Way;
use super::super::SipLimits;
use super::telephone::{Bench, Telephone, address, udp, with};
use super::{PHONE, subscribed};

fn refused(change: impl Fn(Request) -> Request) -> (u16, Headers) {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    let request = change(telephone.request(600));
    let response = telephone.send(&mut bench, &request);
    assert_eq!(bench.server.len(), 0);
    (response.status.code(), response.headers)
}

#[test]
fn each_refusal_has_its_number_and_what_goes_with_it() {
    let set = |name: Name, value: &'static str| refused(move |request| with(&request, name, Some(value)));
    let (status, headers) = set(Name::Event, "presence");
    assert_eq!((status, headers.get(Name::AllowEvents)), (489, Some("message-summary")));
    assert_eq!(refused(|request| with(&request, Name::Event, None)).0, 489);
    let (status, headers) = set(Name::Require, "eventlist");
    assert_eq!((status, headers.get(Name::Unsupported)), (420, Some("eventlist")));
    let (status, headers) = set(Name::Expires, "59");
    assert_eq!((status, headers.get(Name::MinExpires)), (423, Some("60")));
    assert_eq!(set(Name::Expires, "soon").0, 400);
    assert_eq!(set(Name::Accept, "text/plain, application/pidf+xml").0, 406);
    assert_eq!(set(Name::Contact, "*").0, 400);
    assert_eq!(refused(|request| with(&request, Name::Contact, None)).0, 400);
    assert_eq!(set(Name::To, "<sip:2041@vm.example>;tag=1.0123456789abcdef").0, 481);
    let other = |uri: &'static str| refused(move |request| Request { uri: uri.into(), ..request }).0;
    assert_eq!((other("sip:2042@vm.example"), other("sip:9999@vm.example"), other("sip:")), (403, 403, 400));
    let long = format!("<sip:{}.example;lr>", "p".repeat(800));
    assert_eq!(refused(|request| with(&request, Name::RecordRoute, Some(&long))).0, 513);
}

#[test]
fn what_is_no_subscribe_is_answered_without_a_proof() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    for (method, expected) in [("OPTIONS", "200"), ("NOTIFY", "405"), ("REGISTER", "405"), ("PUBLISH", "405")] {
        let mut request = with(&telephone.request(600), Name::CSeq, Some(&format!("1 {method}")));
        request.method = Method::parse(method).unwrap();
        bench.receive(request, telephone.source);
        let (_, Message::Response(response)) = bench.sent.last().unwrap() else { panic!() };
        assert_eq!(response.headers.get(Name::Allow), Some("SUBSCRIBE, OPTIONS"));
        assert_eq!(bench.said(), [expected]);
    }
    for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
        bench.receive(with(&telephone.request(600), name, None), telephone.source);
        assert_eq!(bench.said(), ["400"], "{name:?}");
    }
    let mut ack = telephone.request(600);
    ack.method = Method::Ack;
    bench.receive(ack, telephone.source);
    bench.receive(with(&telephone.request(600), Name::Via, None), telephone.source);
    assert_eq!(bench.said(), [""; 0], "nobody waits for an answer, or nobody knows where");
}

#[test]
fn nobody_subscribes_with_a_wrong_password_and_nobody_tries_without_end() {
    let mut bench = Bench::new(SipLimits { failures: 3, ..SipLimits::default() });
    let guess = |bench: &mut Bench, peer: &str, user: &str, password: &str| {
        let mut telephone = Telephone::new(peer);
        telephone.login = Login::new(user, password);
        telephone.subscribe(bench, 600).status.code()
    };
    for _ in 0..3 {
        assert_eq!(guess(&mut bench, PHONE, "2041", "guess"), 401);
    }
    assert_eq!(guess(&mut bench, PHONE, "2041", "correct horse"), 403, "no more is heard, right or wrong");
    assert_eq!(guess(&mut bench, "192.0.2.8:5060", "2041", "correct horse"), 200, "from elsewhere it is");
    for user in ["1", "2", "3"] {
        assert_eq!(guess(&mut bench, PHONE, user, "guess"), 401);
    }
    assert_eq!(guess(&mut bench, PHONE, "4", "guess"), 403, "all names that nobody has count as one");
    bench.pass(Duration::from_secs(61));
    assert_eq!(guess(&mut bench, PHONE, "2041", "correct horse"), 200, "one is forgiven each minute");
}

#[test]
fn a_proof_is_good_for_one_address_only() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    let request = telephone.request(600);
    bench.receive(request.clone(), telephone.source);
    let (_, Message::Response(challenged)) = bench.sent.remove(0) else { panic!() };
    let challenge = Challenge::choose(challenged.headers.all(Name::WwwAuthenticate)).unwrap();
    bench.receive(telephone.proven(&request, &challenge), udp("203.0.113.5:5062"));
    assert_eq!(bench.said(), ["401"]);
}

#[test]
fn who_has_proven_nothing_gets_a_small_answer_where_it_is_and_leaves_nothing_behind() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    let mut request = telephone.request(600);
    request.headers.push(Name::RecordRoute, "<sip:203.0.113.9;lr>");
    let asked = request.to_bytes().len();
    for _ in 0..100 {
        bench.receive(request.clone(), udp("192.0.2.7:9"));
    }
    for (way, message) in &bench.sent {
        assert_eq!(*way, Way::Datagram(address("192.0.2.7:9")));
        assert!(message.to_bytes().len() <= 2 * asked, "{} bytes for {asked}", message.to_bytes().len());
    }
    assert_eq!((bench.sent.len(), bench.server.len(), bench.server.poll_timeout()), (100, 0, None));
    assert_eq!(bench.server.remembered(), 0);
}

#[test]
fn what_was_overtaken_on_its_way_changes_nothing() {
    let (mut bench, mut telephone) = subscribed();
    let late = with(&telephone.request(0), Name::CSeq, Some("0 SUBSCRIBE"));
    assert_eq!(telephone.send(&mut bench, &late).status, Status::SERVER_ERROR);
    assert_eq!(bench.server.len(), 1);
}

#[test]
fn nobody_ends_the_subscription_of_another() {
    let (mut bench, mut telephone) = subscribed();
    telephone.login = Login::new("2042", "correct horse");
    assert_eq!(telephone.subscribe(&mut bench, 0).status, Status::FORBIDDEN);
    assert_eq!(bench.server.len(), 1);
}

#[test]
fn subscriptions_have_an_end_for_a_user_and_for_all() {
    let limits = SipLimits { subscriptions: 3, subscriptions_of_user: 2, ..SipLimits::default() };
    let mut bench = Bench::new(limits);
    let mut subscribe = |number: u32, user: &str| {
        let mut telephone = Telephone::new(&format!("192.0.2.7:{}", 6000 + number));
        telephone.login = Login::new(user, "correct horse");
        let mut request = telephone.request(600);
        request.uri = format!("sip:{user}@vm.example");
        telephone.send(&mut bench, &request).status.code()
    };
    assert_eq!([subscribe(1, "2041"), subscribe(2, "2041"), subscribe(3, "2041")], [200, 200, 503]);
    assert_eq!([subscribe(4, "2042"), subscribe(5, "2042")], [200, 503]);
}

#[test]
fn telephones_that_start_again_and_again_while_nobody_counts_take_no_memory_without_end() {
    let mut bench = Bench::new(SipLimits { subscriptions: 3, ..SipLimits::default() });
    bench.counts = false;
    for number in 0..100 {
        let mut telephone = Telephone::new(PHONE);
        telephone.call_id = format!("another-{number}");
        assert_eq!(telephone.subscribe(&mut bench, 600).status, Status::OK);
    }
    assert_eq!(bench.server.len(), 3);
    assert!(bench.server.asks() <= 6, "{}", bench.server.asks());
    bench.counts = true;
    bench.settle();
    assert_eq!(bench.asked.len(), 3, "a subscription that is over asks for nothing");
}
