use super::*;
use crate::greeting::GreetingKind;

fn node(name: &str) -> NodeAddress {
    name.parse().unwrap()
}

fn id(mailbox: u32) -> GreetingId {
    GreetingId::new(mailbox.to_string().parse().unwrap(), GreetingKind::Normal)
}

fn needs(node_name: &str, mailboxes: impl IntoIterator<Item = u32>) -> BTreeMap<NodeAddress, BTreeSet<GreetingId>> {
    BTreeMap::from([(node(node_name), mailboxes.into_iter().map(id).collect())])
}

fn all_tasks(schedule: &mut DistributionSchedule, now: Instant) -> Vec<GreetingTask> {
    std::iter::from_fn(|| schedule.poll_task(now)).collect()
}

fn just_before(due: Instant) -> Instant {
    due.checked_sub(Duration::from_millis(1)).unwrap()
}

fn unreachable() -> TaskOutcome {
    TaskOutcome::Unreachable("its cable is cut".to_owned())
}

#[test]
fn a_recorded_greeting_is_sent_before_others_are_offered() {
    let now = Instant::now();
    let mut schedule = DistributionSchedule::new(&RetryPolicy::default());
    schedule.handle_needs(needs("a.example", [1, 2]), now);
    schedule.handle_recorded(&node("a.example"), id(2));
    let firsts: Vec<_> = all_tasks(&mut schedule, now).into_iter().map(|task| (task.id, task.first)).collect();
    assert_eq!(firsts, [(id(2), FirstMail::Whole), (id(1), FirstMail::Offer)]);
    assert_eq!(schedule.poll_timeout(), None);
}

#[test]
fn an_accepted_greeting_is_offered_again_within_an_hour() {
    let now = Instant::now();
    let mut schedule = DistributionSchedule::new(&RetryPolicy::default());
    schedule.handle_recorded(&node("a.example"), id(1));
    let task = schedule.poll_task(now).unwrap();
    assert_eq!(schedule.handle_outcome(task, &TaskOutcome::Accepted, now, 1.0), None);
    let due = schedule.poll_timeout().unwrap();
    assert_eq!(due, now + OFFER_INTERVAL * 3 / 4);
    assert_eq!(schedule.poll_task(just_before(due)), None);
    assert_eq!(schedule.poll_task(due).unwrap().first, FirstMail::Offer);
}

#[test]
fn an_unreachable_node_is_tried_with_one_greeting() {
    let mut now = Instant::now();
    let mut schedule = DistributionSchedule::new(&RetryPolicy::default());
    schedule.handle_needs(needs("a.example", 1..=20), now);
    let first = all_tasks(&mut schedule, now);
    assert_eq!(first.len(), MAX_IN_PROGRESS);
    let waits: BTreeSet<_> =
        first.into_iter().map(|task| schedule.handle_outcome(task, &unreachable(), now, 0.0).unwrap()).collect();
    assert_eq!(waits, [Duration::from_secs(1)].into(), "together they are one failure");
    for wait in [1, 2, 4, 8, 16, 30, 30] {
        let due = schedule.poll_timeout().unwrap();
        assert_eq!((due - now).as_secs(), wait);
        assert_eq!(schedule.poll_task(just_before(due)), None);
        let [task] = &all_tasks(&mut schedule, due)[..] else { panic!("one is tried") };
        assert_eq!(schedule.poll_timeout(), None, "the answer comes first");
        schedule.handle_outcome(task.clone(), &unreachable(), due, 0.0);
        now = due;
    }
    let due = schedule.poll_timeout().unwrap();
    let task = schedule.poll_task(due).unwrap();
    schedule.handle_outcome(task, &TaskOutcome::Accepted, due, 0.0);
    let mut told = 1;
    loop {
        let tasks = all_tasks(&mut schedule, due);
        assert!(tasks.len() <= MAX_IN_PROGRESS);
        if tasks.is_empty() {
            break;
        }
        for task in tasks {
            told += 1;
            schedule.handle_outcome(task, &TaskOutcome::Accepted, due, 0.0);
        }
    }
    assert_eq!(told, 20, "each once");
}

#[test]
fn an_unreachable_node_delays_no_other() {
    let now = Instant::now();
    let mut schedule = DistributionSchedule::new(&RetryPolicy::default());
    for name in ["a.example", "b.example"] {
        schedule.handle_recorded(&node(name), id(1));
    }
    let away = schedule.poll_task(now).unwrap();
    schedule.handle_outcome(away, &unreachable(), now, 0.0);
    assert_eq!(schedule.poll_task(now).unwrap().node, node("b.example"));
    assert_eq!(schedule.poll_task(now), None);
}

#[test]
fn a_refused_greeting_waits_until_it_is_recorded_again() {
    let now = Instant::now();
    let mut schedule = DistributionSchedule::new(&RetryPolicy::default());
    schedule.handle_needs(needs("a.example", [1, 2]), now);
    let [refused, other] = &all_tasks(&mut schedule, now)[..] else { panic!("both are tried") };
    let wait = schedule.handle_outcome(refused.clone(), &TaskOutcome::Refused("550".to_owned()), now, 0.0);
    assert_eq!(wait, Some(RetryPolicy::default().greeting_refused.first()));
    schedule.handle_outcome(other.clone(), &TaskOutcome::Accepted, now, 0.0);
    assert_eq!(schedule.poll_timeout(), Some(now + RetryPolicy::default().greeting_refused.first()));
    schedule.handle_recorded(&node("a.example"), refused.id.clone());
    assert_eq!(schedule.poll_task(now).unwrap().first, FirstMail::Whole);
}

#[test]
fn a_greeting_recorded_while_in_progress_is_sent_again() {
    let now = Instant::now();
    for done in [TaskOutcome::Accepted, TaskOutcome::Refused("452".to_owned())] {
        let mut schedule = DistributionSchedule::new(&RetryPolicy::default());
        schedule.handle_recorded(&node("a.example"), id(1));
        let task = schedule.poll_task(now).unwrap();
        schedule.handle_recorded(&node("a.example"), id(1));
        assert_eq!(schedule.poll_task(now), None);
        schedule.handle_outcome(task.clone(), &done, now, 0.0);
        assert_eq!(schedule.poll_task(now), Some(task), "whole once more");
    }
}

#[test]
fn a_node_gets_only_the_greetings_that_it_needs() {
    let now = Instant::now();
    let mut schedule = DistributionSchedule::new(&RetryPolicy::default());
    schedule.handle_needs(needs("a.example", [1, 2]), now);
    let in_progress = schedule.poll_task(now).unwrap();
    schedule.handle_needs(needs("b.example", [2]), now);
    assert_eq!(schedule.handle_outcome(in_progress, &unreachable(), now, 0.0), None);
    let tasks = all_tasks(&mut schedule, now);
    assert_eq!(tasks, [GreetingTask { node: node("b.example"), id: id(2), first: FirstMail::Offer }]);
    schedule.handle_needs(BTreeMap::new(), now);
    assert_eq!((schedule.poll_task(now), schedule.poll_timeout()), (None, None));
}

#[test]
fn the_waits_are_those_of_the_policy() {
    let backoff = |first, max| Backoff::new(Duration::from_secs(first), Duration::from_secs(max)).unwrap();
    let policy = RetryPolicy::default().greeting_unreachable(backoff(5, 12)).greeting_refused(backoff(90, 100));
    let (mut now, mut schedule, mut waits) = (Instant::now(), DistributionSchedule::new(&policy), Vec::new());
    schedule.handle_recorded(&node("a.example"), id(1));
    for outcome in [unreachable(), unreachable(), unreachable(), refused(), refused()] {
        let task = schedule.poll_task(now).unwrap();
        let wait = schedule.handle_outcome(task, &outcome, now, 0.0).unwrap();
        waits.push(wait.as_secs());
        now += wait;
    }
    assert_eq!(waits, [5, 10, 12, 90, 100]);
}

fn refused() -> TaskOutcome {
    TaskOutcome::Refused("452".to_owned())
}
