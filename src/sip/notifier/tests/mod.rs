mod dialogs;
mod refusals;
mod sockets;
mod telephone;

use std::time::Duration;

use self::telephone::{Telephone, TestNotifier, address, mailbox, state, tag, udp};
use super::super::Transport;
use super::super::message::{HeaderName, Headers, SipMessage, StatusCode};
use super::super::transport::{ConnectionId, HostPort, MessageSource, NextHop};
use super::*;
use crate::mwi::CurrentState;

const SECOND: Duration = Duration::from_secs(1);
const PHONE: &str = "192.0.2.7:5062";

fn subscribed() -> (TestNotifier, Telephone) {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    assert_eq!(telephone.subscribe(&mut notifier, 600).status.code(), 200);
    assert_eq!(notifier.notify().headers.get(HeaderName::SubscriptionState), Some("active;expires=600"));
    notifier.answer(200, None);
    notifier.said();
    (notifier, telephone)
}

#[test]
fn a_subscriber_is_notified_at_once_and_at_each_refresh() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    let response = telephone.subscribe(&mut notifier, 600);
    assert_eq!(response.headers.get(HeaderName::Expires), Some("600"));
    assert_eq!(response.headers.get(HeaderName::Contact), Some("<sip:192.0.2.1:5060>"));
    let notify = notifier.notify();
    let get = |name| notify.headers.get(name).unwrap();
    assert_eq!(notify.uri, "sip:2041@192.0.2.7:5062");
    assert_eq!((get(HeaderName::From), get(HeaderName::To)), (telephone.to.as_str(), "<sip:2041@vm.example>;tag=phone"));
    assert_eq!((get(HeaderName::CallId), get(HeaderName::CSeq)), (telephone.call_id.as_str(), "1 NOTIFY"));
    assert_eq!((get(HeaderName::Event), get(HeaderName::MaxForwards)), ("message-summary", "70"));
    assert_eq!(notify.body, "Messages-Waiting: yes\r\nMessage-Account: sip:2041@vm.example\r\nVoice-Message: 1/0 (0/0)\r\n");
    assert_eq!(notifier.sent.last().unwrap().0, NextHop::Datagram(address(PHONE)));
    assert_eq!(notifier.said(), ["200", "active;expires=600: 1"]);
    assert_eq!(notifier.asked.len(), 1);

    notifier.sent.push((NextHop::Datagram(address(PHONE)), notify.into()));
    notifier.answer(200, None);
    notifier.said();
    notifier.pass(500 * SECOND);
    notifier.current = Some(CurrentState::Known(state(2, 0)));
    telephone.subscribe(&mut notifier, 600);
    assert_eq!(notifier.notify().headers.get(HeaderName::CSeq), Some("2 NOTIFY"));
    assert_eq!(notifier.said(), ["200", "active;expires=600: 0"]);
    assert_eq!(notifier.server.len(), 1);
}

#[test]
fn at_most_one_change_a_second_is_notified_and_it_is_the_newest() {
    let (mut notifier, _telephone) = subscribed();
    notifier.pass(5 * SECOND);
    let mut sent = Vec::new();
    let mut answer_and_collect = |notifier: &mut TestNotifier| {
        if !notifier.sent.is_empty() {
            notifier.answer(200, None);
            sent.extend(notifier.said());
        }
    };
    for version in 10..40 {
        notifier.server.handle_state(&state(version, u32::try_from(version).unwrap()), notifier.now);
        notifier.settle();
        answer_and_collect(&mut notifier);
        notifier.pass(SECOND / 10);
        answer_and_collect(&mut notifier);
    }
    for _ in 0..10 {
        notifier.pass(SECOND);
        answer_and_collect(&mut notifier);
    }
    let sent: Vec<_> = sent.iter().map(|said| said.rsplit(' ').next().unwrap()).collect();
    assert_eq!(sent, ["10", "19", "29", "39"]);
}

#[test]
fn an_older_state_changes_nothing() {
    let (mut notifier, _telephone) = subscribed();
    notifier.pass(2 * SECOND);
    notifier.server.handle_state(&state(7, 0), notifier.now);
    notifier.settle();
    notifier.answer(200, None);
    notifier.said();
    notifier.pass(2 * SECOND);
    for version in [3, 7] {
        notifier.server.handle_state(&state(version, 4), notifier.now);
        notifier.settle();
    }
    notifier.pass(10 * SECOND);
    assert_eq!(notifier.said(), [""; 0]);
}

#[test]
fn a_state_that_is_newer_than_the_one_looked_up_is_notified() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    notifier.current = None;
    telephone.subscribe(&mut notifier, 600);
    notifier.server.handle_state(&state(9, 9), notifier.now);
    notifier.settle();
    let (id, _) = notifier.asked[0].clone();
    notifier.server.handle_current(id, &CurrentState::Known(state(8, 8)), notifier.now);
    notifier.settle();
    assert_eq!(notifier.said(), ["200", "active;expires=600: 9"]);
}

#[test]
fn an_unknown_state_is_not_sent_and_is_looked_up_until_known() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    notifier.current = Some(CurrentState::Unknown);
    telephone.subscribe(&mut notifier, 600);
    assert!(notifier.notify().headers.get(HeaderName::ContentType).is_none());
    notifier.answer(200, None);
    assert_eq!(notifier.said(), ["200", "active;expires=600: nothing"]);
    let start = notifier.now;
    let mut asked = Vec::new();
    while notifier.now < start + 20 * SECOND {
        notifier.pass(SECOND);
        asked.push(notifier.asked.len());
    }
    assert_eq!(asked[..8], [2, 2, 3, 3, 3, 3, 4, 4], "after 1, 3, 7 .. seconds");
    assert_eq!(notifier.said(), [""; 0]);
    notifier.current = Some(CurrentState::Known(state(4, 4)));
    notifier.pass(60 * SECOND);
    assert!(notifier.said()[0].ends_with(": 4"));
}

#[test]
fn a_state_that_becomes_known_is_notified_however_late() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    notifier.current = Some(CurrentState::Unknown);
    telephone.subscribe(&mut notifier, 600);
    notifier.answer(200, None);
    notifier.pass(100 * SECOND);
    notifier.said();
    notifier.server.handle_state(&state(4, 4), notifier.now);
    notifier.settle();
    notifier.answer(200, None);
    assert_eq!(notifier.said(), ["active;expires=500: 4"]);
    // And while it is asked for again, what comes meanwhile is known, whatever the answer.
    notifier.current = None;
    notifier.pass(100 * SECOND);
    telephone.subscribe(&mut notifier, 600);
    notifier.server.handle_state(&state(5, 5), notifier.now);
    let (id, _) = notifier.asked.last().unwrap().clone();
    notifier.server.handle_current(id, &CurrentState::Unknown, notifier.now);
    notifier.settle();
    assert_eq!(notifier.said(), ["200", "active;expires=600: 5"]);
}

#[test]
fn a_subscription_to_a_mailbox_that_is_gone_ends() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    notifier.current = Some(CurrentState::NoSuchMailbox);
    telephone.subscribe(&mut notifier, 600);
    notifier.answer(200, None);
    assert_eq!(notifier.said(), ["200", "terminated;reason=noresource: nothing"]);
    assert_eq!(notifier.server.len(), 0);
}

#[test]
fn expires_0_gets_the_state_once_or_ends_a_subscription() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    telephone.subscribe(&mut notifier, 0);
    notifier.answer(200, None);
    assert_eq!(notifier.said(), ["200", "terminated;reason=timeout: 1"]);
    assert_eq!(notifier.server.len(), 0);

    let (mut notifier, mut telephone) = subscribed();
    telephone.subscribe(&mut notifier, 0);
    notifier.answer(200, None);
    assert_eq!(notifier.said(), ["200", "terminated;reason=timeout: 1"]);
    assert_eq!((notifier.server.len(), notifier.server.poll_timeout()), (0, None));
}

#[test]
fn a_subscription_that_is_not_refreshed_ends_with_a_notify() {
    let (mut notifier, _telephone) = subscribed();
    notifier.pass(599 * SECOND);
    assert_eq!(notifier.said(), [""; 0]);
    notifier.pass(SECOND);
    notifier.answer(200, None);
    assert_eq!(notifier.said(), ["terminated;reason=timeout: 1"]);
    assert_eq!(notifier.server.len(), 0);
}

#[test]
fn the_subscription_of_a_telephone_that_is_gone_ends() {
    for status in [481, 404, 489, 403] {
        let (mut notifier, _telephone) = subscribed();
        notifier.pass(2 * SECOND);
        notifier.server.handle_state(&state(5, 5), notifier.now);
        notifier.settle();
        notifier.answer(status, None);
        assert_eq!(notifier.server.len(), 0, "{status}");
    }
    let (mut notifier, _telephone) = subscribed();
    notifier.pass(2 * SECOND);
    notifier.server.handle_state(&state(5, 5), notifier.now);
    notifier.settle();
    notifier.pass(31 * SECOND);
    assert_eq!((notifier.server.len(), notifier.said().len()), (1, 10), "the NOTIFY is sent again until 32 seconds have passed");
    notifier.pass(2 * SECOND);
    assert_eq!((notifier.server.len(), notifier.server.poll_timeout()), (0, None));
}

#[test]
fn a_busy_telephone_is_notified_after_its_retry_after() {
    let (mut notifier, _telephone) = subscribed();
    notifier.pass(2 * SECOND);
    notifier.server.handle_state(&state(5, 5), notifier.now);
    notifier.settle();
    notifier.answer(503, Some(7));
    notifier.server.handle_state(&state(6, 6), notifier.now);
    notifier.settle();
    notifier.said();
    notifier.pass(6 * SECOND);
    assert_eq!(notifier.said(), [""; 0]);
    notifier.pass(SECOND);
    assert!(notifier.said()[0].ends_with(": 6"));
}

#[test]
fn late_and_forged_responses_do_nothing() {
    let (mut notifier, _telephone) = subscribed();
    notifier.pass(2 * SECOND);
    notifier.server.handle_state(&state(5, 5), notifier.now);
    notifier.settle();
    let first = notifier.notify();
    notifier.answer(200, None);
    let late = first.response(StatusCode::NO_SUBSCRIPTION, "phone");
    notifier.receive(late, udp(PHONE));
    notifier.pass(2 * SECOND);
    notifier.server.handle_state(&state(6, 6), notifier.now);
    notifier.settle();
    let mut forged = notifier.notify().response(StatusCode::NO_SUBSCRIPTION, "phone");
    let via = forged.headers.get(HeaderName::Via).unwrap().replace('.', "0");
    forged.headers = Headers::default().with(HeaderName::Via, via).with(HeaderName::CSeq, "3 NOTIFY");
    notifier.receive(forged, udp("203.0.113.5:5060"));
    assert_eq!(notifier.server.len(), 1);
}

#[test]
fn a_repeated_subscribe_gets_the_same_response_and_no_more() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    let request = telephone.request(600);
    let challenged = telephone.send(&mut notifier, &request);
    assert_eq!(challenged.status.code(), 200);
    notifier.answer(200, None);
    let authorized = notifier.sent.iter().filter(|(_, message)| matches!(message, SipMessage::Response(_))).count();
    assert_eq!(authorized, 2);
    notifier.said();
    // The one with the proof, as it was.
    let again = telephone.last_authorized.clone().unwrap();
    notifier.receive(again.clone(), telephone.source);
    assert_eq!(notifier.said(), ["200"]);
    notifier.pass(33 * SECOND);
    notifier.receive(again, telephone.source);
    assert_eq!(notifier.said(), ["401"], "long after, its nonce was used before");
    assert_eq!(notifier.server.len(), 1);
}

#[test]
fn a_notify_goes_back_through_the_proxies_of_its_subscribe() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    telephone.source = udp("198.51.100.1:5060");
    let mut request = telephone.request(600);
    request.headers = request
        .headers
        .with(HeaderName::Via, "SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bKfirst")
        .with(HeaderName::RecordRoute, "<sip:198.51.100.1:5070;lr>")
        .with(HeaderName::RecordRoute, "<sip:proxy.example;lr>");
    let response = telephone.send(&mut notifier, &request);
    let proxies = ["<sip:198.51.100.1:5070;lr>", "<sip:proxy.example;lr>"];
    assert_eq!(response.headers.all(HeaderName::RecordRoute).collect::<Vec<_>>(), proxies);
    let notify = notifier.notify();
    assert_eq!(notify.headers.all(HeaderName::Route).collect::<Vec<_>>(), proxies);
    let place = |host: &str, port| NextHop::Lookup(HostPort { transport: Transport::Udp, host: host.into(), port });
    assert_eq!(notifier.sent.last().unwrap().0, place("198.51.100.1", 5070));

    // A proxy that does not want to stay in between: to the telephone itself.
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new(PHONE));
    telephone.source = udp("198.51.100.1:5060");
    let mut request = telephone.request(600);
    request.headers = request.headers.with(HeaderName::Via, "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKfirst");
    telephone.send(&mut notifier, &request);
    assert_eq!(notifier.sent.last().unwrap().0, place("198.51.100.1", 5060));
}

#[test]
fn a_notify_uses_the_connection_or_else_the_contact() {
    let (mut notifier, mut telephone) = (TestNotifier::new(SipLimits::default()), Telephone::new("192.0.2.7:40000"));
    let connection = ConnectionId(3);
    telephone.source = MessageSource { transport: Transport::Tcp, connection: Some(connection), ..telephone.source };
    telephone.subscribe(&mut notifier, 600);
    let place = HostPort { transport: Transport::Tcp, host: "192.0.2.7".into(), port: 40000 };
    assert_eq!(notifier.sent.last().unwrap().0, NextHop::Connection(connection, Some(place)));
    assert!(notifier.notify().headers.get(HeaderName::Via).unwrap().starts_with("SIP/2.0/TCP 192.0.2.1:5060;"));
    assert_eq!(notifier.server.poll_authenticated(), Some(connection));
    notifier.said();
    notifier.pass(5 * SECOND);
    assert_eq!(notifier.said(), [""; 0], "nothing is sent twice");
}

#[test]
fn a_stop_ends_every_subscription_and_accepts_no_more() {
    let (mut notifier, _telephone) = subscribed();
    notifier.server.handle_stop(notifier.now);
    notifier.settle();
    notifier.answer(200, None);
    assert_eq!(notifier.said(), ["terminated;reason=deactivated: 1"]);
    assert_eq!(notifier.server.len(), 0);
    let response = Telephone::new("192.0.2.8:5060").subscribe(&mut notifier, 600);
    assert_eq!((response.status.code(), response.headers.get(HeaderName::RetryAfter)), (503, Some("60")));
}

#[test]
fn tags_cannot_be_guessed_from_one_another() {
    let (mut notifier, telephone) = subscribed();
    let mut other = Telephone::new("192.0.2.8:5060");
    other.subscribe(&mut notifier, 600);
    let (one, other) = (tag(&telephone.to), tag(&other.to));
    assert_ne!(one.split('.').nth(1), other.split('.').nth(1));
    assert_eq!(mailbox().as_str(), "2041");
}
