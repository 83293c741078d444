//! Hours of lamps, in a blink.

use std::time::Duration;

use super::*;

fn mailbox(number: u32) -> MailboxId {
    number.to_string().parse().unwrap()
}

fn restarted(mailboxes: u32) -> Agenda {
    let mut agenda = Agenda::new(64, 200);
    (0..mailboxes).for_each(|number| agenda.handle_restart(mailbox(100_000 + number)));
    agenda
}

/// A life in which errands take no time: what was done when, until there is no more to do.
fn live(
    agenda: &mut Agenda,
    start: Instant,
    outcome: impl Fn(&MailboxId, Errand) -> Outcome,
) -> Vec<(Duration, MailboxId, Errand)> {
    let (mut now, mut done) = (start, Vec::new());
    loop {
        while let Some((mailbox, errand)) = agenda.poll_errand(now) {
            let outcome =
                if errand == Errand::Count { Outcome::Counted { new: is_new(&mailbox) } } else { outcome(&mailbox, errand) };
            agenda.handle_outcome(mailbox.clone(), outcome, now);
            done.push((now - start, mailbox, errand));
        }
        match agenda.poll_timeout() {
            Some(due) if due < start + Duration::from_secs(10_000) => now = now.max(due),
            _ => return done,
        }
    }
}

/// One mailbox in ten has new messages.
fn is_new(mailbox: &MailboxId) -> bool {
    mailbox.as_str().ends_with('7')
}

fn told(done: &[(Duration, MailboxId, Errand)]) -> impl Iterator<Item = &(Duration, MailboxId, Errand)> {
    done.iter().filter(|(_, _, errand)| *errand != Errand::Count)
}

#[test]
fn after_a_restart_200_lamps_are_told_a_second_those_with_new_messages_first_and_nothing_is_remembered() {
    let mut agenda = restarted(100_000);
    let done = live(&mut agenda, Instant::now(), |_, _| Outcome::Told);
    let times: Vec<Duration> = told(&done).map(|(at, _, _)| *at).collect();
    assert_eq!(times.len(), 100_000);
    assert!(times.windows(201).all(|times| times[0] + Duration::from_secs(1) <= times[200]), "a storm");
    assert!(*times.last().unwrap() <= Duration::from_secs(500), "{:?}", times.last());
    let last_new = told(&done).filter(|(_, mailbox, _)| is_new(mailbox)).last().unwrap();
    assert!(last_new.0 <= Duration::from_secs(101), "{last_new:?}");
    assert_eq!(agenda.mailboxes.len(), 0, "nothing is remembered of what is at rest");
    assert!(agenda.lanes.iter().all(BTreeSet::is_empty) && agenda.due.is_empty() && agenda.under_way == 0);
}

#[test]
fn a_change_waits_neither_for_the_lamps_of_a_restart_nor_for_dead_ones() {
    let (mut agenda, start) = (restarted(1_000), Instant::now());
    let later = |millis| start + Duration::from_millis(millis);
    let hung: Vec<_> = (0..2_000).filter_map(|millis| agenda.poll_errand(later(millis))).collect();
    assert_eq!(hung.len(), 48, "a quarter of the places is for changes");
    agenda.handle_changes([mailbox(999_999)].into());
    assert_eq!(agenda.poll_errand(later(2_000)), Some((mailbox(999_999), Errand::Tell)));
    assert_eq!(agenda.poll_errand(later(2_000)), None);
    assert_eq!(agenda.poll_timeout(), None, "a place must get free first");
}

#[test]
fn what_changes_after_a_restart_goes_first_and_is_not_told_twice_for_it() {
    let (mut agenda, now) = (restarted(1_000), Instant::now());
    agenda.handle_doubts(vec![mailbox(100_900)]);
    agenda.handle_changes([mailbox(100_999)].into());
    assert_eq!(agenda.poll_errand(now), Some((mailbox(100_999), Errand::Tell)));
    agenda.handle_outcome(mailbox(100_999), Outcome::Told, now);
    let done = live(&mut agenda, now, |_, _| Outcome::Told);
    assert_eq!(told(&done).count(), 999, "also the one in doubt, which is counted when it is its turn");
}

#[test]
fn a_change_while_a_mailbox_is_counted_after_a_restart_goes_first() {
    let (mut agenda, now) = (restarted(1_000), Instant::now());
    let (first, errand) = agenda.poll_errand(now).unwrap();
    assert_eq!(errand, Errand::Count);
    agenda.handle_changes([first.clone()].into());
    agenda.handle_outcome(first.clone(), Outcome::Counted { new: false }, now);
    assert_eq!(agenda.poll_errand(now), Some((first, Errand::Tell)));
}

#[test]
fn dead_lamps_are_tried_again_at_a_pace_and_hold_up_no_lamp_of_a_restart() {
    let (mut agenda, start) = (Agenda::new(64, 200), Instant::now());
    agenda.handle_changes((0..5_000).map(mailbox).collect());
    while let Some((mailbox, _)) = agenda.poll_errand(start) {
        agenda.handle_outcome(mailbox, Outcome::Failed, start);
    }
    (0..2_000).for_each(|number| agenda.handle_restart(mailbox(100_000 + number)));
    let mut now = start;
    let (mut tried, mut told) = (0, 0);
    while now < start + Duration::from_secs(10) {
        while let Some((mailbox, errand)) = agenda.poll_errand(now) {
            let outcome = match errand {
                Errand::Count => Outcome::Counted { new: false },
                _ if mailbox.as_str().len() < 6 => Outcome::Failed,
                _ => Outcome::Told,
            };
            tried += usize::from(outcome == Outcome::Failed);
            told += usize::from(outcome == Outcome::Told);
            agenda.handle_outcome(mailbox, outcome, now);
        }
        now = agenda.poll_timeout().unwrap();
    }
    assert!((1_700..=2_021).contains(&tried), "{tried}");
    assert!((1_990..=2_000).contains(&told), "{told}");
}

#[test]
fn a_change_during_the_telling_is_told_after_it_and_never_beside_it() {
    let (mut agenda, now) = (Agenda::new(64, 200), Instant::now());
    let changed = mailbox(2_001);
    agenda.handle_changes([changed.clone()].into());
    assert_eq!(agenda.poll_errand(now), Some((changed.clone(), Errand::Tell)));
    agenda.handle_changes([changed.clone()].into());
    assert_eq!(agenda.poll_errand(now), None);
    agenda.handle_outcome(changed.clone(), Outcome::Told, now);
    assert_eq!(agenda.poll_errand(now), None, "at most one a second");
    assert_eq!(agenda.into_untold().into_iter().collect::<Vec<_>>(), [(changed, Some(now + Duration::from_secs(1)))]);
}

#[test]
fn a_doubt_that_was_nothing_holds_up_no_change_and_is_not_waited_for_at_the_end() {
    let (mut agenda, now) = (Agenda::new(64, 200), Instant::now());
    let doubtful = mailbox(2_001);
    agenda.handle_doubts(vec![doubtful.clone()]);
    assert_eq!(agenda.poll_errand(now), Some((doubtful.clone(), Errand::TellIfOther)));
    agenda.handle_changes([doubtful.clone()].into());
    agenda.handle_outcome(doubtful.clone(), Outcome::Same, now);
    assert_eq!(agenda.poll_errand(now), Some((doubtful.clone(), Errand::Tell)));
    agenda.handle_outcome(doubtful.clone(), Outcome::Told, now);
    agenda.handle_doubts(vec![doubtful.clone()]);
    assert_eq!(agenda.poll_errand(now), None, "at most one a second");
    assert_eq!(agenda.into_untold().len(), 0);
}
