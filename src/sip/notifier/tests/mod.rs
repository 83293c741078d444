mod dialogs;
mod refusals;
mod sockets;
mod telephone;

use std::time::Duration;

use self::telephone::{Bench, Telephone, address, mailbox, state, tag, udp};
use super::super::Transport;
use super::super::message::{Headers, Message, Name, Status};
use super::super::transport::{ConnectionId, Place, Source, Way};
use super::*;
use crate::mwi::Current;

const SECOND: Duration = Duration::from_secs(1);
const PHONE: &str = "192.0.2.7:5062";

fn subscribed() -> (Bench, Telephone) {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    assert_eq!(telephone.subscribe(&mut bench, 600).status.code(), 200);
    assert_eq!(bench.notify().headers.get(Name::SubscriptionState), Some("active;expires=600"));
    bench.answer(200, None);
    bench.said();
    (bench, telephone)
}

#[test]
fn who_subscribes_is_told_the_true_state_at_once_and_at_each_refresh() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    let response = telephone.subscribe(&mut bench, 600);
    assert_eq!(response.headers.get(Name::Expires), Some("600"));
    assert_eq!(response.headers.get(Name::Contact), Some("<sip:192.0.2.1:5060>"));
    let notify = bench.notify();
    let get = |name| notify.headers.get(name).unwrap();
    assert_eq!(notify.uri, "sip:2041@192.0.2.7:5062");
    assert_eq!((get(Name::From), get(Name::To)), (telephone.to.as_str(), "<sip:2041@vm.example>;tag=phone"));
    assert_eq!((get(Name::CallId), get(Name::CSeq)), (telephone.call_id.as_str(), "1 NOTIFY"));
    assert_eq!((get(Name::Event), get(Name::MaxForwards)), ("message-summary", "70"));
    assert_eq!(notify.body, "Messages-Waiting: yes\r\nMessage-Account: sip:2041@vm.example\r\nVoice-Message: 1/0 (0/0)\r\n");
    assert_eq!(bench.sent.last().unwrap().0, Way::Datagram(address(PHONE)));
    assert_eq!(bench.said(), ["200", "active;expires=600: 1"]);
    assert_eq!(bench.asked.len(), 1);

    bench.sent.push((Way::Datagram(address(PHONE)), notify.into()));
    bench.answer(200, None);
    bench.said();
    bench.pass(500 * SECOND);
    bench.current = Some(Current::Known(state(2, 0)));
    telephone.subscribe(&mut bench, 600);
    assert_eq!(bench.notify().headers.get(Name::CSeq), Some("2 NOTIFY"));
    assert_eq!(bench.said(), ["200", "active;expires=600: 0"]);
    assert_eq!(bench.server.len(), 1);
}

#[test]
fn changes_are_told_once_a_second_and_the_newest_counts() {
    let (mut bench, _telephone) = subscribed();
    bench.pass(5 * SECOND);
    let mut told = Vec::new();
    let mut tell = |bench: &mut Bench| {
        if !bench.sent.is_empty() {
            bench.answer(200, None);
            told.extend(bench.said());
        }
    };
    for version in 10..40 {
        bench.server.handle_state(&state(version, u32::try_from(version).unwrap()), bench.now);
        bench.settle();
        tell(&mut bench);
        bench.pass(SECOND / 10);
        tell(&mut bench);
    }
    for _ in 0..10 {
        bench.pass(SECOND);
        tell(&mut bench);
    }
    let told: Vec<_> = told.iter().map(|said| said.rsplit(' ').next().unwrap()).collect();
    assert_eq!(told, ["10", "19", "29", "39"]);
}

#[test]
fn an_older_state_changes_nothing() {
    let (mut bench, _telephone) = subscribed();
    bench.pass(2 * SECOND);
    bench.server.handle_state(&state(7, 0), bench.now);
    bench.settle();
    bench.answer(200, None);
    bench.said();
    bench.pass(2 * SECOND);
    for version in [3, 7] {
        bench.server.handle_state(&state(version, 4), bench.now);
        bench.settle();
    }
    bench.pass(10 * SECOND);
    assert_eq!(bench.said(), [""; 0]);
}

#[test]
fn a_newer_state_that_comes_while_the_mailbox_is_counted_is_what_is_told() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    bench.current = None;
    telephone.subscribe(&mut bench, 600);
    bench.server.handle_state(&state(9, 9), bench.now);
    bench.settle();
    let (id, _) = bench.asked[0].clone();
    bench.server.handle_current(id, &Current::Known(state(8, 8)), bench.now);
    bench.settle();
    assert_eq!(bench.said(), ["200", "active;expires=600: 9"]);
}

#[test]
fn what_is_not_known_is_not_told_and_asked_for_until_it_is() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    bench.current = Some(Current::Unknown);
    telephone.subscribe(&mut bench, 600);
    assert!(bench.notify().headers.get(Name::ContentType).is_none());
    bench.answer(200, None);
    assert_eq!(bench.said(), ["200", "active;expires=600: nothing"]);
    let start = bench.now;
    let mut asked = Vec::new();
    while bench.now < start + 20 * SECOND {
        bench.pass(SECOND);
        asked.push(bench.asked.len());
    }
    assert_eq!(asked[..8], [2, 2, 3, 3, 3, 3, 4, 4], "after 1, 3, 7 .. seconds");
    assert_eq!(bench.said(), [""; 0]);
    bench.current = Some(Current::Known(state(4, 4)));
    bench.pass(60 * SECOND);
    assert!(bench.said()[0].ends_with(": 4"));
}

#[test]
fn what_becomes_known_is_told_however_long_it_was_not() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    bench.current = Some(Current::Unknown);
    telephone.subscribe(&mut bench, 600);
    bench.answer(200, None);
    bench.pass(100 * SECOND);
    bench.said();
    bench.server.handle_state(&state(4, 4), bench.now);
    bench.settle();
    bench.answer(200, None);
    assert_eq!(bench.said(), ["active;expires=500: 4"]);
    // And while it is asked for again, what comes meanwhile is known, whatever the answer.
    bench.current = None;
    bench.pass(100 * SECOND);
    telephone.subscribe(&mut bench, 600);
    bench.server.handle_state(&state(5, 5), bench.now);
    let (id, _) = bench.asked.last().unwrap().clone();
    bench.server.handle_current(id, &Current::Unknown, bench.now);
    bench.settle();
    assert_eq!(bench.said(), ["200", "active;expires=600: 5"]);
}

#[test]
fn who_subscribes_to_a_mailbox_that_is_gone_is_told_so() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    bench.current = Some(Current::NoSuchMailbox);
    telephone.subscribe(&mut bench, 600);
    bench.answer(200, None);
    assert_eq!(bench.said(), ["200", "terminated;reason=noresource: nothing"]);
    assert_eq!(bench.server.len(), 0);
}

#[test]
fn to_ask_once_and_to_end_is_to_subscribe_for_no_time() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    telephone.subscribe(&mut bench, 0);
    bench.answer(200, None);
    assert_eq!(bench.said(), ["200", "terminated;reason=timeout: 1"]);
    assert_eq!(bench.server.len(), 0);

    let (mut bench, mut telephone) = subscribed();
    telephone.subscribe(&mut bench, 0);
    bench.answer(200, None);
    assert_eq!(bench.said(), ["200", "terminated;reason=timeout: 1"]);
    assert_eq!((bench.server.len(), bench.server.poll_timeout()), (0, None));
}

#[test]
fn a_subscription_that_nobody_refreshes_ends_and_says_so() {
    let (mut bench, _telephone) = subscribed();
    bench.pass(599 * SECOND);
    assert_eq!(bench.said(), [""; 0]);
    bench.pass(SECOND);
    bench.answer(200, None);
    assert_eq!(bench.said(), ["terminated;reason=timeout: 1"]);
    assert_eq!(bench.server.len(), 0);
}

#[test]
fn a_telephone_that_is_gone_is_forgotten() {
    for status in [481, 404, 489, 403] {
        let (mut bench, _telephone) = subscribed();
        bench.pass(2 * SECOND);
        bench.server.handle_state(&state(5, 5), bench.now);
        bench.settle();
        bench.answer(status, None);
        assert_eq!(bench.server.len(), 0, "{status}");
    }
    let (mut bench, _telephone) = subscribed();
    bench.pass(2 * SECOND);
    bench.server.handle_state(&state(5, 5), bench.now);
    bench.settle();
    bench.pass(31 * SECOND);
    assert_eq!((bench.server.len(), bench.said().len()), (1, 10), "it is told until 32 seconds have passed");
    bench.pass(2 * SECOND);
    assert_eq!((bench.server.len(), bench.server.poll_timeout()), (0, None));
}

#[test]
fn a_telephone_that_has_no_time_is_told_when_it_says() {
    let (mut bench, _telephone) = subscribed();
    bench.pass(2 * SECOND);
    bench.server.handle_state(&state(5, 5), bench.now);
    bench.settle();
    bench.answer(503, Some(7));
    bench.server.handle_state(&state(6, 6), bench.now);
    bench.settle();
    bench.said();
    bench.pass(6 * SECOND);
    assert_eq!(bench.said(), [""; 0]);
    bench.pass(SECOND);
    assert!(bench.said()[0].ends_with(": 6"));
}

#[test]
fn late_answers_and_those_of_others_do_nothing() {
    let (mut bench, _telephone) = subscribed();
    bench.pass(2 * SECOND);
    bench.server.handle_state(&state(5, 5), bench.now);
    bench.settle();
    let first = bench.notify();
    bench.answer(200, None);
    let late = first.response(Status::NO_SUBSCRIPTION, "phone");
    bench.receive(late, udp(PHONE));
    bench.pass(2 * SECOND);
    bench.server.handle_state(&state(6, 6), bench.now);
    bench.settle();
    let mut forged = bench.notify().response(Status::NO_SUBSCRIPTION, "phone");
    let via = forged.headers.get(Name::Via).unwrap().replace('.', "0");
    forged.headers = Headers::default().with(Name::Via, via).with(Name::CSeq, "3 NOTIFY");
    bench.receive(forged, udp("203.0.113.5:5060"));
    assert_eq!(bench.server.len(), 1);
}

#[test]
fn a_subscribe_that_comes_again_is_answered_again_and_begins_nothing() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    let request = telephone.request(600);
    let challenged = telephone.send(&mut bench, &request);
    assert_eq!(challenged.status.code(), 200);
    bench.answer(200, None);
    let proven = bench.sent.iter().filter(|(_, message)| matches!(message, Message::Response(_))).count();
    assert_eq!(proven, 2);
    bench.said();
    // The one with the proof, as it was.
    let again = telephone.last_proven.clone().unwrap();
    bench.receive(again.clone(), telephone.source);
    assert_eq!(bench.said(), ["200"]);
    bench.pass(33 * SECOND);
    bench.receive(again, telephone.source);
    assert_eq!(bench.said(), ["401"], "long after, it is a proof that was used");
    assert_eq!(bench.server.len(), 1);
}

#[test]
fn what_comes_through_proxies_goes_back_through_them() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    telephone.source = udp("198.51.100.1:5060");
    let mut request = telephone.request(600);
    request.headers = request
        .headers
        .with(Name::Via, "SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bKfirst")
        .with(Name::RecordRoute, "<sip:198.51.100.1:5070;lr>")
        .with(Name::RecordRoute, "<sip:proxy.example;lr>");
    let response = telephone.send(&mut bench, &request);
    let proxies = ["<sip:198.51.100.1:5070;lr>", "<sip:proxy.example;lr>"];
    assert_eq!(response.headers.all(Name::RecordRoute).collect::<Vec<_>>(), proxies);
    let notify = bench.notify();
    assert_eq!(notify.headers.all(Name::Route).collect::<Vec<_>>(), proxies);
    let place = |host: &str, port| Way::Place(Place { transport: Transport::Udp, host: host.into(), port });
    assert_eq!(bench.sent.last().unwrap().0, place("198.51.100.1", 5070));

    // A proxy that does not want to stay in between: to the telephone itself.
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new(PHONE));
    telephone.source = udp("198.51.100.1:5060");
    let mut request = telephone.request(600);
    request.headers = request.headers.with(Name::Via, "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKfirst");
    telephone.send(&mut bench, &request);
    assert_eq!(bench.sent.last().unwrap().0, place("198.51.100.1", 5060));
}

#[test]
fn a_connection_is_the_way_back_and_the_contact_when_it_is_gone() {
    let (mut bench, mut telephone) = (Bench::new(SipLimits::default()), Telephone::new("192.0.2.7:40000"));
    let connection = ConnectionId(3);
    telephone.source = Source { transport: Transport::Tcp, connection: Some(connection), ..telephone.source };
    telephone.subscribe(&mut bench, 600);
    let place = Place { transport: Transport::Tcp, host: "192.0.2.7".into(), port: 40000 };
    assert_eq!(bench.sent.last().unwrap().0, Way::Connection(connection, Some(place)));
    assert!(bench.notify().headers.get(Name::Via).unwrap().starts_with("SIP/2.0/TCP 192.0.2.1:5060;"));
    assert_eq!(bench.server.poll_proven(), Some(connection));
    bench.said();
    bench.pass(5 * SECOND);
    assert_eq!(bench.said(), [""; 0], "nothing is sent twice");
}

#[test]
fn a_stop_ends_every_subscription_and_takes_no_more() {
    let (mut bench, _telephone) = subscribed();
    bench.server.handle_stop(bench.now);
    bench.settle();
    bench.answer(200, None);
    assert_eq!(bench.said(), ["terminated;reason=deactivated: 1"]);
    assert_eq!(bench.server.len(), 0);
    let response = Telephone::new("192.0.2.8:5060").subscribe(&mut bench, 600);
    assert_eq!((response.status.code(), response.headers.get(Name::RetryAfter)), (503, Some("60")));
}

#[test]
fn tags_cannot_be_guessed_from_one_another() {
    let (mut bench, telephone) = subscribed();
    let mut other = Telephone::new("192.0.2.8:5060");
    other.subscribe(&mut bench, 600);
    let (one, other) = (tag(&telephone.to), tag(&other.to));
    assert_ne!(one.split('.').nth(1), other.split('.').nth(1));
    assert_eq!(mailbox().as_str(), "2041");
}
