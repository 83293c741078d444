//! The queue's decisions over hours and days, with time handed in.

use std::time::Duration;

use super::*;
use crate::message::{MessageId, Urgency};
use crate::spool::probes::MAX_PROBES;

fn name(n: u8, urgency: Urgency) -> EntryName {
    let recorded_at = chrono::DateTime::from_timestamp(i64::from(n), 0).unwrap();
    EntryName::new(urgency, recorded_at, MessageId::from_bytes([n; 16]), "2001".parse().unwrap())
}

fn queue(max_under_way: usize, messages: u8) -> Queue {
    let mut queue = Queue::new(max_under_way, &RetryPolicy::default());
    (1..=messages).for_each(|n| queue.insert(name(n, Urgency::Normal)));
    queue
}

#[test]
fn urgent_ones_go_first_then_the_oldest() {
    let mut queue = queue(9, 3);
    queue.insert(name(7, Urgency::Urgent));
    let now = Instant::now();
    let order: Vec<_> = std::iter::from_fn(|| queue.poll_send(now)).map(|batch| batch[0].id().as_bytes()[0]).collect();
    assert_eq!(order, [7, 1, 2, 3]);
}

#[test]
fn the_mailboxes_of_one_message_go_together() {
    let mut queue = queue(9, 1);
    let recorded_at = chrono::DateTime::from_timestamp(1, 0).unwrap();
    queue.insert(EntryName::new(Urgency::Normal, recorded_at, MessageId::from_bytes([1; 16]), "2002".parse().unwrap()));
    queue.insert(name(2, Urgency::Normal));
    assert_eq!(queue.poll_send(Instant::now()).unwrap().len(), 2);
}

#[test]
fn no_more_are_under_way_than_allowed() {
    let mut queue = queue(2, 3);
    let now = Instant::now();
    let first = queue.poll_send(now).unwrap();
    assert!(queue.poll_send(now).is_some() && queue.poll_send(now).is_none());
    queue.handle_returned();
    assert_eq!(queue.handle_settled(&first[0]), 1);
    assert!(queue.poll_send(now).is_some());
}

#[test]
fn an_outage_is_probed_every_few_seconds_and_ends_for_all() {
    let start = Instant::now();
    let mut queue = queue(16, 10);
    let mut now = start;
    let batches: Vec<_> = std::iter::from_fn(|| queue.poll_send(now)).collect();
    for batch in &batches {
        queue.handle_returned();
        queue.handle_failure(Failure::Unreachable, batch, now, 0.0);
    }
    let mut tries = 0;
    while now < start + Duration::from_secs(86_400) {
        now = queue.poll_timeout().unwrap();
        let probe = queue.poll_send(now).unwrap();
        assert!(queue.poll_send(now).is_none(), "one probe at a time");
        queue.handle_returned();
        let next = queue.handle_failure(Failure::Unreachable, &probe, now, 0.0);
        assert!(next - now <= RetryPolicy::default().destination_unreachable.max());
        tries += 1;
    }
    assert!(tries > 86_400 / 3);
    now = queue.poll_timeout().unwrap();
    let probe = queue.poll_send(now).unwrap();
    queue.handle_returned();
    queue.handle_reached();
    queue.handle_settled(&probe[0]);
    assert_eq!(std::iter::from_fn(|| queue.poll_send(now)).count(), AFTER_OUTAGE, "a few at a time");
    queue.handle_returned();
    queue.handle_reached();
    assert_eq!(std::iter::from_fn(|| queue.poll_send(now)).count(), 2, "each answer makes room for one more");
}

#[test]
fn a_message_that_causes_each_outage_delays_others_briefly() {
    let mut now = Instant::now();
    let mut queue = queue(1, 50);
    let poison = name(1, Urgency::Normal);
    let start = now;
    let mut delivered = 0;
    while delivered < 49 {
        let Some(batch) = queue.poll_send(now) else {
            now = queue.poll_timeout().unwrap();
            continue;
        };
        queue.handle_returned();
        if batch[0] == poison {
            queue.handle_failure(Failure::Unreachable, &batch, now, 0.0);
        } else {
            queue.handle_reached();
            queue.handle_settled(&batch[0]);
            delivered += 1;
        }
    }
    assert!(now - start < Duration::from_secs(10), "took {:?}", now - start);
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_full_mailbox_delays_its_own_message_only() {
    let now = Instant::now();
    let mut queue = queue(1, 2);
    let first = queue.poll_send(now).unwrap();
    queue.handle_returned();
    queue.handle_reached();
    let (attempts, due) = queue.handle_deferred(&first[0], now, 0.0);
    assert_eq!((attempts, due), (1, now + RetryPolicy::default().message_deferred.first()));
    assert_eq!(queue.poll_send(now).unwrap(), [name(2, Urgency::Normal)]);
    queue.handle_returned();
    queue.handle_settled(&name(2, Urgency::Normal));
    assert_eq!(queue.poll_timeout(), Some(due));
    assert_eq!(queue.poll_send(due).unwrap(), first);
}

#[test]
fn only_waiting_messages_can_be_removed() {
    let now = Instant::now();
    let mut queue = queue(1, 2);
    let under_way = queue.poll_send(now).unwrap();
    assert!(!queue.remove(&under_way[0]));
    assert!(queue.remove(&name(2, Urgency::Normal)));
    assert_eq!(queue.len(), 1);
}

/// Sends `count` batches, all of which fail.
fn fail(queue: &mut Queue, count: usize, now: Instant) {
    let batches: Vec<_> = (0..count).map(|_| queue.poll_send(now).unwrap()).collect();
    for batch in batches {
        queue.handle_returned();
        queue.handle_failure(Failure::Unreachable, &batch, now, 0.0);
    }
}

/// Sends the next batch, which is answered and delivered.
fn deliver(queue: &mut Queue, now: Instant) -> EntryName {
    let batch = queue.poll_send(now).unwrap();
    queue.handle_returned();
    queue.handle_reached();
    queue.handle_settled(&batch[0]);
    batch[0].clone()
}

#[test]
fn an_unanswered_probe_delays_the_next_by_three_seconds_at_most() {
    let mut now = Instant::now();
    let mut queue = queue(16, 10);
    fail(&mut queue, 1, now);
    for _ in 0..MAX_PROBES {
        let due = queue.poll_timeout().unwrap();
        assert!(due - now <= RetryPolicy::default().destination_unreachable.max());
        now = due;
        assert!(queue.poll_send(now).is_some() && queue.poll_send(now).is_none(), "one more probe, and only one");
    }
    assert_eq!(queue.poll_timeout(), None, "no more than a few probes at once");
}

#[test]
fn the_most_urgent_message_probes_a_returned_peer() {
    for turns in 0..20 {
        let mut now = Instant::now();
        let mut queue = queue(16, 10);
        fail(&mut queue, 10, now);
        for _ in 0..turns {
            now = queue.poll_timeout().unwrap();
            while let Some(probe) = queue.poll_send(now) {
                queue.handle_returned();
                queue.handle_failure(Failure::Unreachable, &probe, now, 0.0);
            }
        }
        queue.insert(name(99, Urgency::Urgent));
        queue.insert(name(98, Urgency::Urgent));
        now = queue.poll_timeout().unwrap();
        assert_eq!(deliver(&mut queue, now), name(98, Urgency::Urgent), "after {turns} probes");
        assert_eq!(deliver(&mut queue, now), name(99, Urgency::Urgent), "after {turns} probes");
        assert_eq!(deliver(&mut queue, now), name(1, Urgency::Normal), "after {turns} probes");
    }
}

#[test]
fn a_probe_that_was_not_tried_makes_room_for_the_next() {
    let now = Instant::now();
    let mut queue = queue(16, 3);
    fail(&mut queue, 1, now);
    let due = queue.poll_timeout().unwrap();
    let unreadable = queue.poll_send(due).unwrap();
    queue.handle_returned();
    queue.handle_not_tried(&unreadable, due);
    queue.handle_settled(&unreadable[0]);
    assert_eq!(queue.poll_timeout(), Some(due));
    assert!(queue.poll_send(due).is_some());
}

#[test]
fn no_message_is_blamed_for_an_outage_that_all_messages_met() {
    let mut now = Instant::now();
    let mut queue = queue(16, 200);
    for outage in 0..10 {
        fail(&mut queue, 16, now);
        for _ in 0..20 {
            now = queue.poll_timeout().unwrap();
            fail(&mut queue, 1, now);
        }
        now = queue.poll_timeout().unwrap();
        deliver(&mut queue, now);
        assert!(queue.later.is_empty(), "all can go after outage {outage}");
        (AFTER_OUTAGE..16).for_each(|_| drop(deliver(&mut queue, now)));
    }
}

#[test]
fn a_failure_from_before_the_recovery_starts_no_outage() {
    let now = Instant::now();
    let mut queue = queue(16, 5);
    let stalled = queue.poll_send(now).unwrap();
    fail(&mut queue, 1, now);
    let opened = queue.poll_timeout().unwrap();
    deliver(&mut queue, opened);
    queue.handle_returned();
    queue.handle_failure(Failure::Unreachable, &stalled, opened, 0.0);
    assert_eq!(std::iter::from_fn(|| queue.poll_send(opened)).count(), 4);
}

#[test]
fn a_message_released_while_its_parking_settles_waits_again() {
    let now = Instant::now();
    let mut queue = queue(16, 1);
    let batch = queue.poll_send(now).unwrap();
    queue.handle_returned();
    queue.insert(batch[0].clone());
    assert!(queue.poll_send(now).is_none(), "nothing is under way twice");
    queue.handle_settled(&batch[0]);
    assert_eq!(queue.poll_send(now), Some(batch));
}

#[test]
fn a_queue_with_all_places_taken_asks_for_no_timeout() {
    let now = Instant::now();
    let mut queue = queue(1, 3);
    fail(&mut queue, 1, now);
    let due = queue.poll_timeout().unwrap();
    assert!(queue.poll_send(due).is_some());
    assert_eq!(queue.poll_timeout(), None, "or the node would spin");
}

#[test]
fn all_that_waits_is_taken_and_what_is_under_way_stays() {
    let now = Instant::now();
    let mut queue = queue(2, 4);
    let under_way = queue.poll_send(now).unwrap();
    let deferred = queue.poll_send(now).unwrap();
    queue.handle_returned();
    queue.handle_deferred(&deferred[0], now, 0.0);
    assert_eq!(queue.take_waiting().len(), 3);
    assert_eq!((queue.len(), queue.attempts(&deferred[0])), (1, 0));
    queue.handle_returned();
    queue.handle_deferred(&under_way[0], now, 0.0);
    assert_eq!(queue.take_waiting(), under_way);
    assert_eq!((queue.poll_send(now), queue.poll_timeout()), (None, None));
}

#[test]
fn the_waits_are_those_of_the_policy() {
    let backoff = |first, max| Backoff::new(Duration::from_secs(first), Duration::from_secs(max)).unwrap();
    let policy = RetryPolicy::default().destination_unreachable(backoff(7, 20)).message_deferred(backoff(5, 50));
    let mut queue = Queue::new(2, &policy);
    (1..=2).for_each(|n| queue.insert(name(n, Urgency::Normal)));
    let start = Instant::now();
    fail(&mut queue, 1, start);
    let now = queue.poll_timeout().unwrap();
    assert_eq!(now - start, Duration::from_secs(7));
    let probe = queue.poll_send(now).unwrap();
    assert_eq!(
        queue.poll_timeout(),
        Some(now + Duration::from_secs(20)),
        "an unanswered probe is followed after the longest wait"
    );
    queue.handle_returned();
    assert_eq!(queue.handle_failure(Failure::Unreachable, &probe, now, 0.0), now + Duration::from_secs(14));

    let (mut now, mut waits) = (now, Vec::new());
    queue.handle_reached();
    queue.remove(&name(2, Urgency::Normal));
    for _ in 0..5 {
        let batch = queue.poll_send(now).unwrap();
        queue.handle_returned();
        let (_, due) = queue.handle_deferred(&batch[0], now, 0.0);
        waits.push((due - std::mem::replace(&mut now, due)).as_secs());
    }
    assert_eq!(waits, [5, 10, 20, 40, 50]);
}

/// The course of one queue of 10 000 messages while the other node answers 451 for `away`, and then takes `at_once` messages at a time, each in
/// 20 ms.
struct Recovery {
    /// How many messages were sent as probes while the node was away.
    probes: u32,
    /// From the return of the node until it accepted the first message, and the last.
    first: Duration,
    last: Duration,
    /// The most messages under way within a tenth of a second after the first was accepted.
    most_at_once: usize,
    /// How many messages were refused after the return.
    refused: u32,
}

fn recovery(away: Duration, at_once: usize, mut jitter: impl FnMut() -> f64) -> Recovery {
    const TAKES: Duration = Duration::from_millis(20);
    let mut queue = Queue::new(64, &RetryPolicy::default());
    for n in 0..10_000_u32 {
        let recorded_at = chrono::DateTime::from_timestamp(i64::from(n), 0).unwrap();
        let id = MessageId::from_bytes(u128::from(n).to_be_bytes());
        queue.insert(EntryName::new(Urgency::Normal, recorded_at, id, "2001".parse().unwrap()));
    }
    let start = Instant::now();
    let returned = start + away;
    let (mut now, mut under_way) = (start, std::collections::VecDeque::new());
    let (mut first, mut recovery) = (None, Recovery { probes: 0, first: away, last: away, most_at_once: 0, refused: 0 });
    while queue.len() > 0 {
        while let Some(batch) = queue.poll_send(now) {
            under_way.push_back((now + TAKES, now >= returned && under_way.len() < at_once, batch));
            recovery.probes += u32::from(now < returned);
        }
        if first.is_some_and(|first| now < first + 5 * TAKES) {
            recovery.most_at_once = recovery.most_at_once.max(under_way.len());
        }
        let answer = under_way.front().map(|(at, _, _)| *at);
        now = answer.into_iter().chain(queue.poll_timeout()).min().unwrap().max(now);
        if answer.is_none_or(|at| at > now) {
            continue;
        }
        let (_, is_accepted, batch) = under_way.pop_front().unwrap();
        queue.handle_returned();
        if is_accepted {
            first.get_or_insert(now);
            queue.handle_reached();
            queue.handle_settled(&batch[0]);
        } else {
            recovery.refused += u32::from(now > returned + TAKES);
            queue.handle_failure(Failure::Unavailable, &batch, now, jitter());
        }
    }
    (recovery.first, recovery.last) = (first.unwrap() - returned, now - returned);
    recovery
}

#[test]
fn ten_thousand_messages_follow_within_seconds_of_a_return() {
    for (away, step) in [(30, 0), (3_600, 1), (86_400, 7), (86_401, 333)] {
        let mut state = 0_u32;
        let jitter = || {
            state = (state + step) % 1_000;
            f64::from(state) / 1_000.0
        };
        let recovery = recovery(Duration::from_secs(away), 64, jitter);
        assert!(recovery.first < Duration::from_millis(1_100), "the first after {:?}", recovery.first);
        let shortest = Duration::from_millis(20) * 10_000 / 64;
        assert!(recovery.last < recovery.first + 2 * shortest, "the last after {:?}", recovery.last);
        assert!(recovery.most_at_once <= 32 * AFTER_OUTAGE, "no stampede: {}", recovery.most_at_once);
        assert!(u64::from(recovery.probes) < 100 + 2 * away, "{} probes in {away} s", recovery.probes);
        assert_eq!(recovery.refused, 0);
    }
}
