//! A subscription is a dialog: which requests belong to it, and which subscription ends when there are too many.

use std::time::Duration;

use super::super::super::Transport;
use super::super::super::digest::DigestCredentials;
use super::super::super::message::{HeaderName, Request, SipMessage, StatusCode};
use super::super::super::transport::{ConnectionId, MessageSource, NextHop};
use super::super::SipLimits;
use super::telephone::{Telephone, TestNotifier, address, state, udp, with};
use super::{PHONE, SECOND, subscribed};

const AT_HOME: &str = "<sip:2041@192.168.1.10:5060>";

/// A telephone behind the router at `peer`, whose local address is the same behind every router.
fn subscribe_at_home(notifier: &mut TestNotifier, peer: &str) -> Telephone {
    let mut telephone = Telephone::new(peer);
    let request = with(&telephone.request(600), HeaderName::Contact, Some(AT_HOME));
    assert_eq!(telephone.send(notifier, &request).status, StatusCode::OK);
    notifier.answer(200, None);
    telephone
}

/// The next hops of the last `count` messages.
fn next_hops(notifier: &TestNotifier, count: usize) -> Vec<NextHop> {
    notifier.sent[notifier.sent.len() - count..].iter().map(|(next_hop, _)| next_hop.clone()).collect()
}

#[test]
fn two_telephones_with_one_contact_both_stay_subscribed() {
    let mut notifier = TestNotifier::new(SipLimits::default());
    let peers = ["127.0.0.2:5060", "127.0.0.3:5060"];
    let mut telephones = peers.map(|peer| subscribe_at_home(&mut notifier, peer));
    assert_eq!(notifier.server.len(), 2);
    notifier.pass(5 * SECOND);
    notifier.said();
    notifier.server.handle_state(&state(2, 2), notifier.now);
    notifier.settle();
    let mut next_hops = next_hops(&notifier, 2);
    next_hops.sort_by_key(|next_hop| format!("{next_hop:?}"));
    assert_eq!(next_hops, peers.map(|peer| NextHop::Datagram(address(peer))), "each NOTIFY goes where its SUBSCRIBE came from");
    assert_eq!(notifier.said(), ["active;expires=595: 2", "active;expires=595: 2"]);
    for telephone in &mut telephones {
        assert_eq!(telephone.subscribe(&mut notifier, 600).status, StatusCode::OK, "its refresh finds the dialog");
    }
}

#[test]
fn a_subscribe_that_comes_by_two_routes_begins_one_dialog() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    telephone.subscribe(&mut notifier, 600);
    notifier.answer(200, None);
    notifier.said();
    let forked =
        with(telephone.last_authorized.as_ref().unwrap(), HeaderName::Via, Some("SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKfork"));
    for source in [telephone.source, udp("198.51.100.1:5060")] {
        notifier.receive(forked.clone(), source);
        assert_eq!(notifier.said(), ["482"]);
    }
    assert_eq!(notifier.server.len(), 1);
    notifier.pass(33 * SECOND);
    notifier.receive(forked, telephone.source);
    assert_eq!(notifier.said(), ["401"], "much later, its nonce was used before");
}

#[test]
fn a_subscribe_whose_response_was_lost_keeps_its_dialog() {
    let (mut notifier, mut telephone) = subscribed();
    let first = telephone.to.clone();
    for _ in 0..3 {
        notifier.pass(2 * SECOND);
        telephone.to = "<sip:2041@vm.example>".into();
        assert_eq!(telephone.subscribe(&mut notifier, 600).status, StatusCode::OK);
        assert_eq!(telephone.to, first, "the tag is the same");
        notifier.answer(200, None);
    }
    assert_eq!(notifier.server.len(), 1);
}

#[test]
fn a_refresh_after_the_end_gets_481() {
    let (mut notifier, mut telephone) = subscribed();
    notifier.pass(600 * SECOND);
    assert_eq!(notifier.said().last().unwrap(), "terminated;reason=timeout: 1");
    assert_eq!(telephone.subscribe(&mut notifier, 600).status, StatusCode::NO_SUBSCRIPTION, "the NOTIFY is not answered yet");
    telephone.to = "<sip:2041@vm.example>".into();
    assert_eq!(telephone.subscribe(&mut notifier, 600).status, StatusCode::OK);
    notifier.pass(60 * SECOND);
    assert_eq!(notifier.server.len(), 0, "neither of both answers");
    let (mut notifier, mut telephone) = subscribed();
    telephone.subscribe(&mut notifier, 0);
    assert_eq!(telephone.subscribe(&mut notifier, 600).status, StatusCode::NO_SUBSCRIPTION, "it has just ended it itself");
}

/// A telephone at [`PHONE`] that has forgotten its subscription.
fn start_again(notifier: &mut TestNotifier, number: u32) -> Request {
    let mut telephone = Telephone::new(PHONE);
    telephone.call_id = format!("another-{number}");
    notifier.sent.clear();
    assert_eq!(telephone.subscribe(notifier, 600).status, StatusCode::OK);
    telephone.last_authorized.unwrap()
}

#[test]
fn a_telephone_that_starts_again_has_one_subscription() {
    let (mut notifier, _telephone) = subscribed();
    for number in 0..40 {
        let newest = start_again(&mut notifier, number);
        // One NOTIFY a second for each subscription.
        notifier.pass(SECOND);
        for (_, message) in std::mem::take(&mut notifier.sent) {
            let SipMessage::Request(notify) = message else { continue };
            let known = notify.headers.get(HeaderName::CallId) == newest.headers.get(HeaderName::CallId);
            notifier
                .receive(notify.response(if known { StatusCode::OK } else { StatusCode::NO_SUBSCRIPTION }, "phone"), udp(PHONE));
        }
        assert_eq!(notifier.server.len(), 1);
    }
}

#[test]
fn a_telephone_at_its_limit_ends_its_own_oldest_subscription() {
    let (mut notifier, _telephone) = subscribed();
    let mut elsewhere = Telephone::new("192.0.2.8:5062");
    elsewhere.subscribe(&mut notifier, 600);
    for number in 0..40 {
        start_again(&mut notifier, number);
        assert!(notifier.server.len() <= 9, "eight of the one, and one of the other");
    }
    let said = notifier.said();
    assert!(said.iter().any(|said| said.starts_with("terminated;reason=probation;retry-after=60")), "{said:?}");
    assert_eq!(elsewhere.subscribe(&mut notifier, 600).status, StatusCode::OK);
}

/// A telephone on connection `number` subscribes; returns the status of the response.
fn subscribe_over_tcp(notifier: &mut TestNotifier, user: &str, number: u64) -> u16 {
    let mut telephone = Telephone::new(&format!("192.0.2.{number}:40000"));
    telephone.source = MessageSource { transport: Transport::Tcp, connection: Some(ConnectionId(number)), ..telephone.source };
    telephone.credentials = DigestCredentials::new(user, "correct horse");
    let request = Request { uri: format!("sip:{user}@vm.example"), ..telephone.request(600) };
    telephone.send(notifier, &request).status.code()
}

#[test]
fn a_closed_connection_gives_way_to_a_live_telephone() {
    for limits in [
        SipLimits { max_subscriptions_per_user: 3, ..SipLimits::default() },
        SipLimits { max_subscriptions: 3, ..SipLimits::default() },
    ] {
        let mut notifier = TestNotifier::new(limits);
        for number in 1..=3 {
            assert_eq!(subscribe_over_tcp(&mut notifier, "2041", number), 200);
        }
        assert_eq!(subscribe_over_tcp(&mut notifier, "2041", 4), 503, "all are alive");
        notifier.server.handle_closed(ConnectionId(2));
        notifier.said();
        assert_eq!(subscribe_over_tcp(&mut notifier, "2041", 5), 200);
        let said = notifier.said();
        assert!(said.contains(&"terminated;reason=probation;retry-after=60: 1".to_owned()), "{said:?}");
        assert_eq!(notifier.server.len(), 3);
        assert_eq!(subscribe_over_tcp(&mut notifier, "2041", 6), 503, "one place was free");
    }
}

#[test]
fn a_repeated_request_without_branch_gets_the_same_response() {
    for via in ["SIP/2.0/UDP 192.0.2.7:5062;rport", "SIP/2.0/UDP 192.0.2.7:5062;rport;branch=1"] {
        let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
        let request = with(&telephone.request(600), HeaderName::Via, Some(via));
        notifier.receive(request.clone(), telephone.source);
        let SipMessage::Response(challenged) = notifier.sent[0].1.clone() else { panic!() };
        assert_eq!(notifier.said(), ["401"]);
        let authorized = telephone.authorized_by(&request, &challenged);
        notifier.receive(authorized.clone(), telephone.source);
        assert_eq!(notifier.said(), ["200", "active;expires=600: 1"]);
        notifier.receive(authorized, telephone.source);
        assert_eq!(notifier.said(), ["200"], "the same response again");
        assert_eq!(notifier.server.len(), 1);
    }
}

#[test]
fn a_sips_address_is_refused_without_tls() {
    for (uri, status) in [("sips:2041@vm.example", 416), ("tel:2041", 416), ("sip:2041@vm.example", 401)] {
        let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
        let request = Request { uri: uri.into(), ..telephone.request(600) };
        notifier.receive(request, telephone.source);
        assert_eq!(notifier.said(), [status.to_string()], "{uri}");
    }
}

#[test]
fn a_sips_subscription_has_a_sips_contact() {
    for (contact, status) in [("<sips:2041@192.0.2.7>", "200"), ("<sip:2041@192.0.2.7>", "400")] {
        let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
        telephone.source = MessageSource { transport: Transport::Tls, connection: Some(ConnectionId(1)), ..telephone.source };
        let request =
            Request { uri: "sips:2041@vm.example".into(), ..with(&telephone.request(600), HeaderName::Contact, Some(contact)) };
        let response = telephone.send(&mut notifier, &request);
        assert_eq!(response.status.code().to_string(), status);
        if response.status == StatusCode::OK {
            assert_eq!(response.headers.get(HeaderName::Contact), Some("<sips:192.0.2.1:5060>"));
        }
    }
}

#[test]
fn guesses_through_a_proxy_do_not_affect_its_subscriptions() {
    let (mut notifier, mut owner) = subscribed();
    let mut guess = |password: &str| {
        let mut telephone = Telephone::new(PHONE);
        telephone.call_id = format!("guess-{password}");
        telephone.credentials = DigestCredentials::new("2041", password);
        telephone.subscribe(&mut notifier, 600).status.code()
    };
    for number in 0..20 {
        assert_eq!(guess(&format!("guess {number}")), 401);
    }
    assert_eq!(guess("correct horse"), 403, "nothing new begins there");
    assert_eq!(owner.subscribe(&mut notifier, 600).status, StatusCode::OK, "what has begun goes on");
    let to_owner = owner.to.clone();
    owner.to = to_owner.replace("tag=", "tag=9");
    assert_eq!(owner.subscribe(&mut notifier, 600).status, StatusCode::FORBIDDEN, "the tags must be right");
}

#[test]
fn a_sips_subscription_is_not_refreshed_without_tls() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    telephone.source = MessageSource { transport: Transport::Tls, connection: Some(ConnectionId(1)), ..telephone.source };
    let contact = Some("<sips:2041@192.0.2.7>");
    let request = Request { uri: "sips:2041@vm.example".into(), ..with(&telephone.request(600), HeaderName::Contact, contact) };
    assert_eq!(telephone.send(&mut notifier, &request).status, StatusCode::OK);
    notifier.answer(200, None);
    telephone.source = udp(PHONE);
    assert_eq!(telephone.subscribe(&mut notifier, 600).status, StatusCode::FORBIDDEN);
}

#[test]
fn guesses_from_many_addresses_are_limited_but_not_the_owner() {
    let mut notifier = TestNotifier::new(SipLimits { max_failures_per_user: 50, ..SipLimits::default() });
    let mut owner = Telephone::new(PHONE);
    assert_eq!(owner.subscribe(&mut notifier, 600).status, StatusCode::OK);
    let guess = |notifier: &mut TestNotifier, number: u32, user: &str, password: &str| {
        let mut telephone = Telephone::new(&format!("198.51.{}.{}:5060", number / 250, number % 250 + 1));
        telephone.credentials = DigestCredentials::new(user, password);
        telephone.subscribe(notifier, 600)
    };
    let heard =
        (0..400).filter(|number| guess(&mut notifier, *number, "2041", "guess").status == StatusCode::UNAUTHORIZED).count();
    assert_eq!(heard, 50);
    let refused = guess(&mut notifier, 400, "2041", "correct horse");
    assert_eq!((refused.status, refused.headers.get(HeaderName::RetryAfter)), (StatusCode::SERVICE_UNAVAILABLE, Some("60")));
    let other = guess(&mut notifier, 401, "2042", "guess");
    assert_eq!(other.status, StatusCode::UNAUTHORIZED, "other users are not slowed");
    assert_eq!(owner.subscribe(&mut notifier, 600).status, StatusCode::OK, "nor is the owner where the owner was");
    notifier.pass(Duration::from_secs(60));
    let heard =
        (500..600).filter(|number| guess(&mut notifier, *number, "2041", "guess").status == StatusCode::UNAUTHORIZED).count();
    assert_eq!(heard, 10, "ten a minute");
}
