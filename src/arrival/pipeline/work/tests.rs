//! The work through random orders of events, and through the death of a step.

use std::collections::BTreeMap;

use super::*;
use crate::message::MessageId;

const SECOND: Duration = Duration::from_secs(1);

/// Numbers that are random enough, and the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

fn arrived(number: u32) -> Arrived {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let mailbox = format!("{}", 2000 + number % 7).parse().unwrap();
    Arrived::new(mailbox, MessageId::from_bytes(id), chrono::DateTime::UNIX_EPOCH)
}

fn work(steps: usize) -> Work {
    Work::new(vec![60 * SECOND; steps], Backoff::new(5 * SECOND, 3600 * SECOND).unwrap())
}

/// The parts that were done or stored, by message and step.
type Ended = BTreeMap<(MessageId, usize), Vec<Arc<str>>>;

#[test]
fn a_step_without_end_of_patience_is_waited_for() {
    let (mut work, now) = (Work::new(vec![Duration::MAX; 2], Backoff::new(5 * SECOND, 3600 * SECOND).unwrap()), Instant::now());
    work.handle_arrival(arrived(0), now);
    let later = now + 30 * 24 * 3600 * SECOND;
    assert!(matches!(work.poll_action(now), Some(Action::Plan { step: 0, .. })));
    work.handle_time(later);
    assert_eq!(work.poll_action(later), None, "the second step waits");
}

#[test]
fn in_any_order_each_part_is_done_or_stored_once() {
    for seed in 0..200 {
        let (mut random, mut work, mut now) = (Random(seed), work(3), Instant::now());
        let (mut open, mut ended, mut settled) = (Vec::new(), Ended::new(), Vec::new());
        let mut arrivals = 0;
        while settled.len() < 60 {
            if arrivals < 60 && random.below(3) == 0 {
                work.handle_arrival(arrived(arrivals), now);
                work.handle_arrival(arrived(arrivals), now);
                arrivals += 1;
            }
            while let Some(action) = work.poll_action(now) {
                open.push(action);
            }
            let running = open.iter().filter(|action| matches!(action, Action::Plan { .. } | Action::Run { .. })).count();
            assert!(running <= MAX_RUNNING, "seed {seed}");
            if !open.is_empty() {
                let action = open.swap_remove(random.below(open.len()));
                answer(&mut work, action, (&mut ended, &mut settled), (now, &mut random));
            }
            now += SECOND * u32::try_from(random.below(4)).unwrap();
            work.handle_time(now);
        }
        assert_eq!((settled.len(), arrivals), (60, 60), "seed {seed}");
        settled.sort_unstable();
        settled.dedup();
        assert_eq!(settled.len(), 60, "seed {seed}: each is settled once");
        for number in 0..60 {
            for step in 0..3 {
                let parts = &ended[&(arrived(number).id, step)];
                let whole = parts.len() == 1 && &*parts[0] == "all";
                assert!(whole || parts.len() == 2 && parts[0] != parts[1], "seed {seed}: {parts:?}");
            }
        }
        assert!(work.arrivals.is_empty() && work.queued.is_empty(), "seed {seed}");
        assert_eq!(work.running.iter().sum::<usize>(), 0, "seed {seed}");
    }
}

fn answer(
    work: &mut Work,
    action: Action,
    (ended, settled): (&mut Ended, &mut Vec<MessageId>),
    (now, random): (Instant, &mut Random),
) {
    match action {
        Action::Plan { arrival, step, .. } => {
            let destination = |part: usize| Arc::from(format!("{}", part + random.below(3)));
            let destinations: Vec<Arc<str>> = (0..2).map(destination).collect();
            let parts = destinations.into_iter().enumerate().map(|(part, to)| (Arc::from(format!("{part}")), to)).collect();
            let parts = if random.below(10) == 0 { Err(SECOND) } else { Ok(parts) };
            work.handle_parts((arrival, step), parts, now);
        }
        Action::Run { part, arrived, run } => {
            let outcome = match random.below(6) {
                0 => RunOutcome::NotYet(SECOND),
                1 => RunOutcome::Failed { wait: SECOND, destination_wait: SECOND },
                2 => RunOutcome::FailedForGood,
                _ => RunOutcome::Done,
            };
            if outcome == RunOutcome::Done {
                ended.entry((arrived.id, part.step)).or_default().push(Arc::clone(&part.part));
            }
            work.handle_run(&part, &run, (outcome, 5 * SECOND), (now, 0.5));
        }
        Action::Store { arrival, step, arrived, job } => {
            ended.entry((arrived.id, step)).or_default().push(job.part.unwrap_or_else(|| "all".into()));
            work.handle_stored(arrival, step, now);
            if let Some(name) = job.destination {
                work.handle_held(&DestinationId { step, name }, now);
            }
        }
        Action::Settle { arrival, arrived } => {
            settled.push(arrived.id);
            work.handle_settled(arrival);
        }
        Action::Release { destination, most } => work.handle_released(&destination, most, random.below(most + 1), now),
    }
}

#[test]
fn the_next_step_begins_when_the_one_before_took_too_long() {
    let (mut work, start) = (work(2), Instant::now());
    work.handle_arrival(arrived(1), start);
    assert!(matches!(work.poll_action(start), Some(Action::Plan { step: 0, .. })));
    work.handle_parts((0, 0), Ok(vec![("".into(), "a".into())]), start);
    assert!(matches!(work.poll_action(start), Some(Action::Run { .. })));
    work.handle_time(start + 59 * SECOND);
    assert_eq!(work.poll_action(start + 59 * SECOND), None, "the first step still runs");
    work.handle_time(start + 60 * SECOND);
    assert!(matches!(work.poll_action(start + 60 * SECOND), Some(Action::Plan { step: 1, .. })));
}

#[test]
fn memory_stays_flat_while_a_step_is_dead() {
    let (mut work, mut now) = (work(1), Instant::now());
    let (mut stored, mut most) = (0, 0);
    for number in 0..100_000 {
        assert!(work.room() > 0, "{number}");
        work.handle_arrival(arrived(number), now);
        while let Some(action) = work.poll_action(now) {
            match action {
                Action::Plan { arrival, step, arrived } => {
                    let parts = vec![(Arc::from(""), Arc::from(arrived.mailbox.as_str()))];
                    work.handle_parts((arrival, step), Ok(parts), now);
                }
                Action::Run { part, run, .. } => {
                    work.handle_run(
                        &part,
                        &run,
                        (RunOutcome::Failed { wait: Duration::ZERO, destination_wait: Duration::ZERO }, 5 * SECOND),
                        (now, 0.5),
                    );
                }
                Action::Store { arrival, step, .. } => {
                    stored += 1;
                    work.handle_stored(arrival, step, now);
                }
                Action::Settle { arrival, .. } => work.handle_settled(arrival),
                Action::Release { destination, most } => work.handle_released(&destination, most, most, now),
            }
        }
        now += Duration::from_millis(30);
        work.handle_time(now);
        most = most.max(work.len());
    }
    assert_eq!(stored, 100_000, "each is a job");
    assert!(most <= 20, "{most} things were in memory at once");
}

#[test]
fn a_long_wait_of_one_run_delays_no_other_of_its_destination() {
    let hour = 3600 * SECOND;
    for (destination_wait, runs) in [(Duration::ZERO, true), (hour, false)] {
        let (mut work, start) = (work(1), Instant::now());
        let plan = |work: &mut Work, number, now| {
            work.handle_arrival(arrived(number), now);
            let (arrival, step) = loop {
                match work.poll_action(now) {
                    Some(Action::Plan { arrival, step, .. }) => break (arrival, step),
                    Some(Action::Release { destination, most }) => work.handle_released(&destination, most, 0, now),
                    other => panic!("no plan: {other:?}"),
                }
            };
            work.handle_parts((arrival, step), Ok(vec![("".into(), "a".into())]), now);
        };
        plan(&mut work, 1, start);
        let Some(Action::Run { part, run, .. }) = work.poll_action(start) else { panic!("no run") };
        work.handle_run(&part, &run, (RunOutcome::Failed { wait: hour, destination_wait }, SECOND), (start, 0.5));
        let Some(Action::Store { arrival, step, job, .. }) = work.poll_action(start) else { panic!("not stored") };
        assert_eq!(job.wait, hour);
        work.handle_stored(arrival, step, start);
        while let Some(Action::Settle { arrival, .. }) = work.poll_action(start) {
            work.handle_settled(arrival);
        }
        let later = start + 600 * SECOND;
        work.handle_time(later);
        plan(&mut work, 2, later);
        let action = work.poll_action(later);
        assert_eq!(matches!(action, Some(Action::Run { .. })), runs, "{destination_wait:?}: {action:?}");
    }
}
