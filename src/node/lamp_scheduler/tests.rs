//! Tests of hours of lamps, with time handed in.

use std::time::Duration;

use super::*;
use crate::retry::RetryPolicy;

fn mailbox(number: u32) -> MailboxId {
    number.to_string().parse().unwrap()
}

fn restarted(mailboxes: u32) -> LampScheduler {
    let mut scheduler = LampScheduler::new(64, 200, RetryPolicy::default().lamp_failed);
    (0..mailboxes).for_each(|number| scheduler.handle_restart(mailbox(100_000 + number)));
    scheduler
}

/// Runs all tasks, which take no time, until none is left; returns each with its time.
fn run_all(
    scheduler: &mut LampScheduler,
    start: Instant,
    outcome: impl Fn(&MailboxId, LampTask) -> TaskOutcome,
) -> Vec<(Duration, MailboxId, LampTask)> {
    let (mut now, mut done) = (start, Vec::new());
    loop {
        while let Some((mailbox, task)) = scheduler.poll_task(now) {
            let outcome =
                if task == LampTask::Count { TaskOutcome::Counted { new: is_new(&mailbox) } } else { outcome(&mailbox, task) };
            scheduler.handle_outcome(mailbox.clone(), outcome, now);
            done.push((now - start, mailbox, task));
        }
        match scheduler.poll_timeout() {
            Some(due) if due < start + Duration::from_secs(10_000) => now = now.max(due),
            _ => return done,
        }
    }
}

/// One mailbox in ten has new messages.
fn is_new(mailbox: &MailboxId) -> bool {
    mailbox.as_str().ends_with('7')
}

fn shown(done: &[(Duration, MailboxId, LampTask)]) -> impl Iterator<Item = &(Duration, MailboxId, LampTask)> {
    done.iter().filter(|(_, _, task)| *task != LampTask::Count)
}

#[test]
fn after_a_restart_lamps_with_new_messages_come_first() {
    let mut scheduler = restarted(100_000);
    let done = run_all(&mut scheduler, Instant::now(), |_, _| TaskOutcome::Shown);
    let times: Vec<Duration> = shown(&done).map(|(at, _, _)| *at).collect();
    assert_eq!(times.len(), 100_000);
    assert!(times.windows(201).all(|times| times[0] + Duration::from_secs(1) <= times[200]), "a storm");
    assert!(*times.last().unwrap() <= Duration::from_secs(500), "{:?}", times.last());
    let last_new = shown(&done).filter(|(_, mailbox, _)| is_new(mailbox)).last().unwrap();
    assert!(last_new.0 <= Duration::from_secs(101), "{last_new:?}");
    assert_eq!(scheduler.mailboxes.len(), 0, "idle mailboxes are forgotten");
    assert!(scheduler.queues.iter().all(BTreeSet::is_empty) && scheduler.due.is_empty() && scheduler.in_progress == 0);
}

#[test]
fn a_change_waits_for_no_restart_and_no_dead_lamp() {
    let (mut scheduler, start) = (restarted(1_000), Instant::now());
    let later = |millis| start + Duration::from_millis(millis);
    let hung: Vec<_> = (0..2_000).filter_map(|millis| scheduler.poll_task(later(millis))).collect();
    assert_eq!(hung.len(), 48, "a quarter of the tasks is for changes");
    scheduler.handle_changes([mailbox(999_999)].into());
    assert_eq!(scheduler.poll_task(later(2_000)), Some((mailbox(999_999), LampTask::Show)));
    assert_eq!(scheduler.poll_task(later(2_000)), None);
    assert_eq!(scheduler.poll_timeout(), None, "a place must get free first");
}

#[test]
fn a_change_after_a_restart_comes_first_and_is_shown_once() {
    let (mut scheduler, now) = (restarted(1_000), Instant::now());
    scheduler.handle_possible_changes(vec![mailbox(100_900)]);
    scheduler.handle_changes([mailbox(100_999)].into());
    assert_eq!(scheduler.poll_task(now), Some((mailbox(100_999), LampTask::Show)));
    scheduler.handle_outcome(mailbox(100_999), TaskOutcome::Shown, now);
    let done = run_all(&mut scheduler, now, |_, _| TaskOutcome::Shown);
    assert_eq!(shown(&done).count(), 999, "including the possible change, which is counted in its turn");
}

#[test]
fn a_change_during_the_first_count_comes_first() {
    let (mut scheduler, now) = (restarted(1_000), Instant::now());
    let (first, task) = scheduler.poll_task(now).unwrap();
    assert_eq!(task, LampTask::Count);
    scheduler.handle_changes([first.clone()].into());
    scheduler.handle_outcome(first.clone(), TaskOutcome::Counted { new: false }, now);
    assert_eq!(scheduler.poll_task(now), Some((first, LampTask::Show)));
}

#[test]
fn dead_lamps_are_retried_at_the_rate_and_delay_no_other() {
    let (mut scheduler, start) = (LampScheduler::new(64, 200, RetryPolicy::default().lamp_failed), Instant::now());
    scheduler.handle_changes((0..5_000).map(mailbox).collect());
    while let Some((mailbox, _)) = scheduler.poll_task(start) {
        scheduler.handle_outcome(mailbox, TaskOutcome::Failed, start);
    }
    (0..2_000).for_each(|number| scheduler.handle_restart(mailbox(100_000 + number)));
    let mut now = start;
    let (mut tried, mut shown) = (0, 0);
    while now < start + Duration::from_secs(10) {
        while let Some((mailbox, task)) = scheduler.poll_task(now) {
            let outcome = match task {
                LampTask::Count => TaskOutcome::Counted { new: false },
                _ if mailbox.as_str().len() < 6 => TaskOutcome::Failed,
                _ => TaskOutcome::Shown,
            };
            tried += usize::from(outcome == TaskOutcome::Failed);
            shown += usize::from(outcome == TaskOutcome::Shown);
            scheduler.handle_outcome(mailbox, outcome, now);
        }
        now = scheduler.poll_timeout().unwrap();
    }
    assert!((1_700..=2_021).contains(&tried), "{tried}");
    assert!((1_990..=2_000).contains(&shown), "{shown}");
}

#[test]
fn a_change_during_an_update_is_shown_after_it() {
    let (mut scheduler, now) = (LampScheduler::new(64, 200, RetryPolicy::default().lamp_failed), Instant::now());
    let changed = mailbox(2_001);
    scheduler.handle_changes([changed.clone()].into());
    assert_eq!(scheduler.poll_task(now), Some((changed.clone(), LampTask::Show)));
    scheduler.handle_changes([changed.clone()].into());
    assert_eq!(scheduler.poll_task(now), None);
    scheduler.handle_outcome(changed.clone(), TaskOutcome::Shown, now);
    assert_eq!(scheduler.poll_task(now), None, "at most one a second");
    assert_eq!(scheduler.into_unshown().into_iter().collect::<Vec<_>>(), [(changed, Some(now + Duration::from_secs(1)))]);
}

#[test]
fn a_possible_change_that_was_none_delays_no_change() {
    let (mut scheduler, now) = (LampScheduler::new(64, 200, RetryPolicy::default().lamp_failed), Instant::now());
    let doubtful = mailbox(2_001);
    scheduler.handle_possible_changes(vec![doubtful.clone()]);
    assert_eq!(scheduler.poll_task(now), Some((doubtful.clone(), LampTask::ShowIfChanged)));
    scheduler.handle_changes([doubtful.clone()].into());
    scheduler.handle_outcome(doubtful.clone(), TaskOutcome::Unchanged, now);
    assert_eq!(scheduler.poll_task(now), Some((doubtful.clone(), LampTask::Show)));
    scheduler.handle_outcome(doubtful.clone(), TaskOutcome::Shown, now);
    scheduler.handle_possible_changes(vec![doubtful.clone()]);
    assert_eq!(scheduler.poll_task(now), None, "at most one a second");
    assert_eq!(scheduler.into_unshown().len(), 0);
}

#[test]
fn a_failing_lamp_is_retried_after_the_waits_of_the_policy() {
    let backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(12)).unwrap();
    let (mut scheduler, mut now, mut waits) = (LampScheduler::new(64, 200, backoff), Instant::now(), Vec::new());
    scheduler.handle_changes([mailbox(2_001)].into());
    for _ in 0..4 {
        let (failing, _) = scheduler.poll_task(now).unwrap();
        scheduler.handle_outcome(failing, TaskOutcome::Failed, now);
        let due = scheduler.poll_timeout().unwrap();
        waits.push((due - std::mem::replace(&mut now, due)).as_secs());
    }
    assert_eq!(waits, [5, 10, 12, 12]);
}
