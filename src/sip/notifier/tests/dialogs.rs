//! A subscription is a dialog: which requests belong to one, and which of them gives way.

use std::time::Duration;

use super::super::super::Transport;
use super::super::super::digest::Login;
use super::super::super::message::{Message, Name, Request, Status};
use super::super::super::transport::{ConnectionId, Source, Way};
use super::super::SipLimits;
use super::telephone::{Bench, Telephone, address, state, udp, with};
use super::{PHONE, SECOND, subscribed};

const AT_HOME: &str = "<sip:2041@192.168.1.10:5060>";

/// A telephone behind the router at `peer`, whose own address is the same in every home.
fn subscribe_at_home(bench: &mut Bench, peer: &str) -> Telephone {
    let mut telephone = Telephone::new(peer);
    let request = with(&telephone.request(600), Name::Contact, Some(AT_HOME));
    assert_eq!(telephone.send(bench, &request).status, Status::OK);
    bench.answer(200, None);
    telephone
}

/// Where the last `count` messages went.
fn ways(bench: &Bench, count: usize) -> Vec<Way> {
    bench.sent[bench.sent.len() - count..].iter().map(|(way, _)| way.clone()).collect()
}

#[test]
fn two_telephones_with_one_contact_both_stay_subscribed() {
    let mut bench = Bench::new(SipLimits::default());
    let peers = ["127.0.0.2:5060", "127.0.0.3:5060"];
    let mut telephones = peers.map(|peer| subscribe_at_home(&mut bench, peer));
    assert_eq!(bench.server.len(), 2);
    bench.pass(5 * SECOND);
    bench.said();
    bench.server.handle_state(&state(2, 2), bench.now);
    bench.settle();
    let mut ways = ways(&bench, 2);
    ways.sort_by_key(|way| format!("{way:?}"));
    assert_eq!(ways, peers.map(|peer| Way::Datagram(address(peer))), "each NOTIFY goes where its SUBSCRIBE came from");
    assert_eq!(bench.said(), ["active;expires=595: 2", "active;expires=595: 2"]);
    for telephone in &mut telephones {
        assert_eq!(telephone.subscribe(&mut bench, 600).status, Status::OK, "its refresh finds the dialog");
    }
}

#[test]
fn a_subscribe_that_comes_by_two_ways_begins_one_dialog() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    telephone.subscribe(&mut bench, 600);
    bench.answer(200, None);
    bench.said();
    let forked = with(telephone.last_proven.as_ref().unwrap(), Name::Via, Some("SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKfork"));
    for source in [telephone.source, udp("198.51.100.1:5060")] {
        bench.receive(forked.clone(), source);
        assert_eq!(bench.said(), ["482"]);
    }
    assert_eq!(bench.server.len(), 1);
    bench.pass(33 * SECOND);
    bench.receive(forked, telephone.source);
    assert_eq!(bench.said(), ["401"], "much later, it is a proof that was used");
}

#[test]
fn a_subscribe_whose_response_was_lost_keeps_its_dialog() {
    let (mut bench, mut telephone) = subscribed();
    let first = telephone.to.clone();
    for _ in 0..3 {
        bench.pass(2 * SECOND);
        telephone.to = "<sip:2041@vm.example>".into();
        assert_eq!(telephone.subscribe(&mut bench, 600).status, Status::OK);
        assert_eq!(telephone.to, first, "the tag is the same");
        bench.answer(200, None);
    }
    assert_eq!(bench.server.len(), 1);
}

#[test]
fn a_refresh_that_comes_after_the_end_is_told_so() {
    let (mut bench, mut telephone) = subscribed();
    bench.pass(600 * SECOND);
    assert_eq!(bench.said().last().unwrap(), "terminated;reason=timeout: 1");
    assert_eq!(telephone.subscribe(&mut bench, 600).status, Status::NO_SUBSCRIPTION, "the NOTIFY is not answered yet");
    telephone.to = "<sip:2041@vm.example>".into();
    assert_eq!(telephone.subscribe(&mut bench, 600).status, Status::OK);
    bench.pass(60 * SECOND);
    assert_eq!(bench.server.len(), 0, "neither of both answers");
    let (mut bench, mut telephone) = subscribed();
    telephone.subscribe(&mut bench, 0);
    assert_eq!(telephone.subscribe(&mut bench, 600).status, Status::NO_SUBSCRIPTION, "it has just ended it itself");
}

/// A telephone at [`PHONE`] that has forgotten its subscription.
fn start_again(bench: &mut Bench, number: u32) -> Request {
    let mut telephone = Telephone::new(PHONE);
    telephone.call_id = format!("another-{number}");
    bench.sent.clear();
    assert_eq!(telephone.subscribe(bench, 600).status, Status::OK);
    telephone.last_proven.unwrap()
}

#[test]
fn a_telephone_that_starts_again_has_one_subscription() {
    let (mut bench, _telephone) = subscribed();
    for number in 0..40 {
        let newest = start_again(&mut bench, number);
        // One NOTIFY a second for each subscription.
        bench.pass(SECOND);
        for (_, message) in std::mem::take(&mut bench.sent) {
            let Message::Request(notify) = message else { continue };
            let known = notify.headers.get(Name::CallId) == newest.headers.get(Name::CallId);
            bench.receive(notify.response(if known { Status::OK } else { Status::NO_SUBSCRIPTION }, "phone"), udp(PHONE));
        }
        assert_eq!(bench.server.len(), 1);
    }
}

#[test]
fn a_telephone_that_subscribes_without_end_ends_its_oldest() {
    let (mut bench, _telephone) = subscribed();
    let mut elsewhere = Telephone::new("192.0.2.8:5062");
    elsewhere.subscribe(&mut bench, 600);
    for number in 0..40 {
        start_again(&mut bench, number);
        assert!(bench.server.len() <= 9, "eight of the one, and one of the other");
    }
    let said = bench.said();
    assert!(said.iter().any(|said| said.starts_with("terminated;reason=probation;retry-after=60")), "{said:?}");
    assert_eq!(elsewhere.subscribe(&mut bench, 600).status, Status::OK);
}

/// A telephone on connection `number`, and its answer.
fn subscribe_over_tcp(bench: &mut Bench, user: &str, number: u64) -> u16 {
    let mut telephone = Telephone::new(&format!("192.0.2.{number}:40000"));
    telephone.source = Source { transport: Transport::Tcp, connection: Some(ConnectionId(number)), ..telephone.source };
    telephone.login = Login::new(user, "correct horse");
    let request = Request { uri: format!("sip:{user}@vm.example"), ..telephone.request(600) };
    telephone.send(bench, &request).status.code()
}

#[test]
fn a_closed_connection_gives_way_to_a_live_telephone() {
    for limits in
        [SipLimits { subscriptions_of_user: 3, ..SipLimits::default() }, SipLimits { subscriptions: 3, ..SipLimits::default() }]
    {
        let mut bench = Bench::new(limits);
        for number in 1..=3 {
            assert_eq!(subscribe_over_tcp(&mut bench, "2041", number), 200);
        }
        assert_eq!(subscribe_over_tcp(&mut bench, "2041", 4), 503, "all are alive");
        bench.server.handle_closed(ConnectionId(2));
        bench.said();
        assert_eq!(subscribe_over_tcp(&mut bench, "2041", 5), 200);
        let said = bench.said();
        assert!(said.contains(&"terminated;reason=probation;retry-after=60: 1".to_owned()), "{said:?}");
        assert_eq!(bench.server.len(), 3);
        assert_eq!(subscribe_over_tcp(&mut bench, "2041", 6), 503, "one place was free");
    }
}

#[test]
fn a_request_without_branch_is_answered_and_known_again() {
    for via in ["SIP/2.0/UDP 192.0.2.7:5062;rport", "SIP/2.0/UDP 192.0.2.7:5062;rport;branch=1"] {
        let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
        let request = with(&telephone.request(600), Name::Via, Some(via));
        bench.receive(request.clone(), telephone.source);
        let Message::Response(challenged) = bench.sent[0].1.clone() else { panic!() };
        assert_eq!(bench.said(), ["401"]);
        let proven = telephone.proven_by(&request, &challenged);
        bench.receive(proven.clone(), telephone.source);
        assert_eq!(bench.said(), ["200", "active;expires=600: 1"]);
        bench.receive(proven, telephone.source);
        assert_eq!(bench.said(), ["200"], "the same response again");
        assert_eq!(bench.server.len(), 1);
    }
}

#[test]
fn a_secure_address_is_refused_where_there_is_no_tls() {
    for (uri, status) in [("sips:2041@vm.example", 416), ("tel:2041", 416), ("sip:2041@vm.example", 401)] {
        let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
        let request = Request { uri: uri.into(), ..telephone.request(600) };
        bench.receive(request, telephone.source);
        assert_eq!(bench.said(), [status.to_string()], "{uri}");
    }
}

#[test]
fn a_secure_subscription_has_a_secure_contact() {
    for (contact, status) in [("<sips:2041@192.0.2.7>", "200"), ("<sip:2041@192.0.2.7>", "400")] {
        let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
        telephone.source = Source { transport: Transport::Tls, connection: Some(ConnectionId(1)), ..telephone.source };
        let request =
            Request { uri: "sips:2041@vm.example".into(), ..with(&telephone.request(600), Name::Contact, Some(contact)) };
        let response = telephone.send(&mut bench, &request);
        assert_eq!(response.status.code().to_string(), status);
        if response.status == Status::OK {
            assert_eq!(response.headers.get(Name::Contact), Some("<sips:192.0.2.1:5060>"));
        }
    }
}

#[test]
fn guesses_through_one_proxy_leave_its_subscriptions_alone() {
    let (mut bench, mut owner) = subscribed();
    let mut guess = |password: &str| {
        let mut telephone = Telephone::new(PHONE);
        telephone.call_id = format!("guess-{password}");
        telephone.login = Login::new("2041", password);
        telephone.subscribe(&mut bench, 600).status.code()
    };
    for number in 0..20 {
        assert_eq!(guess(&format!("guess {number}")), 401);
    }
    assert_eq!(guess("correct horse"), 403, "nothing new begins there");
    assert_eq!(owner.subscribe(&mut bench, 600).status, Status::OK, "what has begun goes on");
    let to_owner = owner.to.clone();
    owner.to = to_owner.replace("tag=", "tag=9");
    assert_eq!(owner.subscribe(&mut bench, 600).status, Status::FORBIDDEN, "the tags must be right");
}

#[test]
fn a_secure_subscription_is_not_refreshed_in_clear() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    telephone.source = Source { transport: Transport::Tls, connection: Some(ConnectionId(1)), ..telephone.source };
    let contact = Some("<sips:2041@192.0.2.7>");
    let request = Request { uri: "sips:2041@vm.example".into(), ..with(&telephone.request(600), Name::Contact, contact) };
    assert_eq!(telephone.send(&mut bench, &request).status, Status::OK);
    bench.answer(200, None);
    telephone.source = udp(PHONE);
    assert_eq!(telephone.subscribe(&mut bench, 600).status, Status::FORBIDDEN);
}

#[test]
fn guesses_from_many_addresses_end_and_the_owner_goes_on() {
    let mut bench = Bench::new(SipLimits { failures_of_user: 50, ..SipLimits::default() });
    let mut owner = Telephone::new(PHONE);
    assert_eq!(owner.subscribe(&mut bench, 600).status, Status::OK);
    let guess = |bench: &mut Bench, number: u32, user: &str, password: &str| {
        let mut telephone = Telephone::new(&format!("198.51.{}.{}:5060", number / 250, number % 250 + 1));
        telephone.login = Login::new(user, password);
        telephone.subscribe(bench, 600)
    };
    let heard = (0..400).filter(|number| guess(&mut bench, *number, "2041", "guess").status == Status::UNAUTHORIZED).count();
    assert_eq!(heard, 50);
    let refused = guess(&mut bench, 400, "2041", "correct horse");
    assert_eq!((refused.status, refused.headers.get(Name::RetryAfter)), (Status::SERVICE_UNAVAILABLE, Some("60")));
    let other = guess(&mut bench, 401, "2042", "guess");
    assert_eq!(other.status, Status::UNAUTHORIZED, "other users are not slowed");
    assert_eq!(owner.subscribe(&mut bench, 600).status, Status::OK, "nor is the owner where the owner was");
    bench.pass(Duration::from_secs(60));
    let heard = (500..600).filter(|number| guess(&mut bench, *number, "2041", "guess").status == Status::UNAUTHORIZED).count();
    assert_eq!(heard, 10, "ten a minute");
}
