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
        queue.handle_unreachable(batch, now, 0.0);
    }
    let mut tries = 0;
    while now < start + Duration::from_secs(86_400) {
        now = queue.poll_timeout().unwrap();
        let probe = queue.poll_send(now).unwrap();
        assert!(queue.poll_send(now).is_none(), "one probe at a time");
        queue.handle_returned();
        let next = queue.handle_unreachable(&probe, now, 0.0);
        assert!(next - now <= RetryPolicy::default().destination_unreachable.max());
        tries += 1;
    }
    assert!(tries > 86_400 / 3);
    now = queue.poll_timeout().unwrap();
    let probe = queue.poll_send(now).unwrap();
    queue.handle_returned();
    queue.handle_reached();
    queue.handle_settled(&probe[0]);
    assert_eq!(std::iter::from_fn(|| queue.poll_send(now)).count(), 9);
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
            queue.handle_unreachable(&batch, now, 0.0);
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
        queue.handle_unreachable(&batch, now, 0.0);
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
                queue.handle_unreachable(&probe, now, 0.0);
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
    let mut queue = queue(16, 100);
    for outage in 0..10 {
        fail(&mut queue, 16, now);
        for _ in 0..20 {
            now = queue.poll_timeout().unwrap();
            fail(&mut queue, 1, now);
        }
        now = queue.poll_timeout().unwrap();
        deliver(&mut queue, now);
        assert!(queue.later.is_empty(), "all can go at once after outage {outage}");
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
    queue.handle_unreachable(&stalled, opened, 0.0);
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
    assert_eq!(queue.handle_unreachable(&probe, now, 0.0), now + Duration::from_secs(14));

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
