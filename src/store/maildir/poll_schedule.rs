//! [`PollSchedule`]: which mailbox to poll next for changes by other programs. It only decides, and does no I/O.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

use crate::disk::{ChangedFolders, WatchedFolder};
use crate::message::MailboxId;

/// Decides which mailbox to poll next, and collects which mailboxes may have changed.
///
/// All mailboxes are polled in rounds. A poll has the folders of a mailbox watched from then on; where this is not possible, it
/// reads when names last changed in them. A folder may change twice within the resolution of its file system's times, so a
/// new time means that the mailbox may have changed, in this round and in the next one.
#[derive(Debug, Default)]
pub(super) struct PollSchedule {
    /// The mailboxes that are left in this round, the next one last.
    left: Vec<MailboxId>,
    next_step: Option<Instant>,
    next_round: Option<Instant>,
    known: HashMap<MailboxId, PolledMailbox>,
    /// The mailboxes of each watched folder: more than one where an operator gave a mailbox two names.
    owners: HashMap<WatchedFolder, BTreeSet<MailboxId>>,
    /// The folder that all mailboxes are in, if it is watched.
    mail: Option<WatchedFolder>,
    /// Whether mailboxes were created or removed since they were listed.
    list_again: bool,
    /// The mailboxes that the store has opened since the last list began. One that is removed before a list shows it has changed, too.
    opened: BTreeSet<MailboxId>,
    /// Those that it had opened before the list that is being read.
    opened_before_list: BTreeSet<MailboxId>,
    changed: BTreeSet<MailboxId>,
}

/// A step to be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PollStep {
    /// List the mailboxes.
    List,
    /// List the mailboxes again, in the middle of a round.
    ListAgain,
    /// Poll these mailboxes.
    Poll(Vec<MailboxId>),
}

/// The result of polling a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PollResult {
    /// Its folders are watched.
    Watched([WatchedFolder; 2]),
    /// One of its folders does not exist, and the folder that they belong in is watched.
    ParentWatched(WatchedFolder),
    /// Its folders are not watched: when names in them last changed; `None` where the disk does not record that.
    Modified([Option<SystemTime>; 2]),
}

#[derive(Debug)]
struct PolledMailbox {
    result: PollResult,
    /// Whether it counts as changed once more at the next poll.
    again: bool,
}

impl PollResult {
    /// The folders that are watched.
    fn folders(&self) -> &[WatchedFolder] {
        match self {
            Self::Watched(folders) => folders,
            Self::ParentWatched(folder) => std::slice::from_ref(folder),
            Self::Modified(_) => &[],
        }
    }
}

impl PollSchedule {
    /// The mailboxes that may have changed since the last call, if there are any.
    pub(super) fn poll_changed(&mut self) -> Option<Vec<MailboxId>> {
        (!self.changed.is_empty()).then(|| std::mem::take(&mut self.changed).into_iter().collect())
    }

    /// The step to take now.
    pub(super) fn poll_step(&mut self, now: Instant) -> Option<PollStep> {
        if self.poll_timeout().is_some_and(|due| due > now) {
            return None;
        }
        self.next_step = Some(now + STEP);
        if std::mem::take(&mut self.list_again) {
            self.opened_before_list.append(&mut self.opened);
            return Some(PollStep::ListAgain);
        }
        if self.left.is_empty() {
            self.next_round = Some(now + ROUND);
            self.opened_before_list.append(&mut self.opened);
            return Some(PollStep::List);
        }
        let rest = self.left.len().saturating_sub(POLLED_AT_ONCE);
        let mut these = self.left.split_off(rest);
        these.reverse();
        Some(PollStep::Poll(these))
    }

    /// When to ask for the next step; at once without a time.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let rests = self.left.is_empty() && !self.list_again;
        if rests { self.next_round.max(self.next_step) } else { self.next_step }
    }

    /// Begins a round through these mailboxes. Answers the folders that need not be watched any more.
    pub(super) fn handle_listed(&mut self, mut mailboxes: Vec<MailboxId>) -> Vec<WatchedFolder> {
        let unused = self.forget_others(&mailboxes);
        mailboxes.sort_unstable_by(|one, other| other.cmp(one));
        self.left = mailboxes;
        self.next_step = None;
        unused
    }

    /// Takes the list of mailboxes in the middle of a round: new ones come next. Answers the folders that need not be watched any more.
    pub(super) fn handle_listed_again(&mut self, mailboxes: Vec<MailboxId>) -> Vec<WatchedFolder> {
        let unused = self.forget_others(&mailboxes);
        let left: HashSet<&MailboxId> = self.left.iter().collect();
        let is_new = |mailbox: &MailboxId| !self.known.contains_key(mailbox) && !left.contains(mailbox);
        let new: Vec<MailboxId> = mailboxes.into_iter().filter(is_new).collect();
        if !new.is_empty() {
            self.left.extend(new);
            self.next_step = None;
        }
        unused
    }

    /// Notes the folder that all mailboxes are in, if it is watched.
    pub(super) fn handle_mail(&mut self, mail: Option<WatchedFolder>) {
        self.mail = mail;
    }

    /// Notes that the store has opened a mailbox, so that its messages may be known to callers. In a store that nobody polls, so many are noted at most.
    pub(super) fn handle_opened(&mut self, mailbox: MailboxId) {
        if self.opened.len() < MOST_OPENED {
            self.opened.insert(mailbox);
        }
    }

    fn forget_others(&mut self, mailboxes: &[MailboxId]) -> Vec<WatchedFolder> {
        let there: HashSet<&MailboxId> = mailboxes.iter().collect();
        let opened = std::mem::take(&mut self.opened_before_list);
        self.changed.extend(opened.into_iter().filter(|mailbox| !there.contains(mailbox)));
        let gone: Vec<MailboxId> = self.known.keys().filter(|mailbox| !there.contains(mailbox)).cloned().collect();
        let mut unused = Vec::new();
        for mailbox in gone {
            unused.extend(self.known.remove(&mailbox).map(|known| self.leave(&mailbox, known.result)).unwrap_or_default());
            self.changed.insert(mailbox);
        }
        unused
    }

    /// Takes the result of polling a mailbox. Answers the folders that need not be watched any more.
    pub(super) fn handle_polled(&mut self, mailbox: MailboxId, result: PollResult) -> Vec<WatchedFolder> {
        let before = self.known.get(&mailbox).map(|known| (known.result, known.again));
        let can_be_seen = matches!(result, PollResult::Watched(_) | PollResult::Modified([Some(_), Some(_)]));
        let is_other = before.is_none_or(|(before, _)| before != result);
        let again = is_other && matches!(result, PollResult::Modified(_));
        if is_other || !can_be_seen || before.is_some_and(|(_, again)| again) {
            self.changed.insert(mailbox.clone());
        }
        let unused = before.filter(|_| is_other).map(|(before, _)| self.leave(&mailbox, before)).unwrap_or_default();
        if is_other {
            for folder in result.folders() {
                self.owners.entry(*folder).or_default().insert(mailbox.clone());
            }
        }
        self.known.insert(mailbox, PolledMailbox { result, again });
        unused.into_iter().filter(|folder| !self.owners.contains_key(folder)).collect()
    }

    /// Takes a report of the watcher.
    pub(super) fn handle_changed(&mut self, changed: &ChangedFolders) {
        match changed {
            ChangedFolders::In(folders) => {
                self.list_again |= self.mail.is_some_and(|mail| folders.contains(&mail));
                for owner in folders.iter().filter_map(|folder| self.owners.get(folder)).flatten() {
                    self.changed.insert(owner.clone());
                    let parent_watched =
                        matches!(self.known.get(owner), Some(PolledMailbox { result: PollResult::ParentWatched(_), .. }));
                    if parent_watched && !self.left.contains(owner) {
                        self.left.push(owner.clone());
                    }
                }
            }
            // Not all at once: each in its turn, in this round or in another one that follows it at once.
            ChangedFolders::Any => {
                self.known.values_mut().for_each(|known| known.again = true);
                self.list_again = self.mail.is_some();
                self.next_round = None;
            }
        }
    }

    /// Notes that the watcher has failed and reports nothing any more.
    pub(super) fn handle_watcher_failed(&mut self) {
        self.known.values_mut().for_each(|known| known.result = PollResult::Modified([None, None]));
        self.owners.clear();
        self.mail = None;
        self.handle_changed(&ChangedFolders::Any);
    }

    /// Whether the mailbox may be watched: the number is limited, because the system watches a limited number of folders.
    pub(super) fn may_watch(&self, mailbox: &MailboxId) -> bool {
        let is_watched = |known: &PolledMailbox| matches!(known.result, PollResult::Watched(_));
        self.owners.len() / 2 < MOST_WATCHED || self.known.get(mailbox).is_some_and(is_watched)
    }

    /// Notes that the folders are no longer those of the mailbox; answers those that no other mailbox has.
    fn leave(&mut self, mailbox: &MailboxId, result: PollResult) -> Vec<WatchedFolder> {
        let mut unused = Vec::new();
        for folder in result.folders().iter().copied() {
            if let Some(owners) = self.owners.get_mut(&folder)
                && owners.remove(mailbox)
                && owners.is_empty()
            {
                self.owners.remove(&folder);
                unused.push(folder);
            }
        }
        unused
    }
}

/// How long a round takes at least.
const ROUND: Duration = Duration::from_secs(10);
/// How long a step takes at least.
const STEP: Duration = Duration::from_millis(100);
/// How many mailboxes a step polls.
const POLLED_AT_ONCE: usize = 100;
/// How many mailboxes are watched, with two folders each.
const MOST_WATCHED: usize = 16_384;
/// How many mailboxes are noted as opened between two lists: more than a store can open in that time.
const MOST_OPENED: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(number: u64) -> MailboxId {
        number.to_string().parse().unwrap()
    }

    fn watched_result(number: u64) -> PollResult {
        PollResult::Watched([WatchedFolder(2 * number), WatchedFolder(2 * number + 1)])
    }

    fn modified(secs: u64) -> PollResult {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        PollResult::Modified([Some(at), Some(at)])
    }

    /// Goes through a whole round of these mailboxes; answers when it ended.
    fn round(schedule: &mut PollSchedule, mailboxes: u64, start: Instant, look: impl Fn(u64) -> PollResult) -> Instant {
        let mut now = start;
        assert_eq!(schedule.poll_step(now), Some(PollStep::List));
        schedule.handle_listed((0..mailboxes).map(mailbox).collect());
        while !schedule.left.is_empty() {
            now = schedule.poll_timeout().unwrap_or(now);
            let Some(PollStep::Poll(these)) = schedule.poll_step(now) else { panic!("a poll") };
            assert!(these.len() <= POLLED_AT_ONCE);
            for mailbox in these {
                let number = mailbox.as_str().parse().unwrap();
                schedule.handle_polled(mailbox, look(number));
            }
        }
        now
    }

    #[test]
    fn a_round_takes_10_s_or_100_s_for_100_000_mailboxes() {
        let start = Instant::now();
        for (mailboxes, looked_at_in, next_after) in [(9, 0, 10_000), (10_000, 9_900, 10_000), (100_000, 99_900, 100_000)] {
            let mut schedule = PollSchedule::default();
            let end = round(&mut schedule, mailboxes, start, watched_result);
            let next = schedule.poll_timeout().unwrap();
            assert_eq!(((end - start).as_millis(), (next - start).as_millis()), (looked_at_in, next_after));
        }
    }

    #[test]
    fn a_watched_mailbox_is_named_by_its_watcher_only() {
        let mut schedule = PollSchedule::default();
        round(&mut schedule, 3, Instant::now(), watched_result);
        assert_eq!(schedule.poll_changed().unwrap().len(), 3, "what was before the first look is not known");
        schedule.handle_changed(&ChangedFolders::In(vec![WatchedFolder(2), WatchedFolder(3), WatchedFolder(77)]));
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(1)]);
        let next = schedule.poll_timeout().unwrap();
        round(&mut schedule, 3, next, watched_result);
        assert_eq!(schedule.poll_changed(), None);
    }

    #[test]
    fn a_new_time_names_the_mailbox_in_two_rounds() {
        let mut schedule = PollSchedule::default();
        let mut now = Instant::now();
        for (time, expected) in [(1, true), (1, true), (1, false), (2, true), (3, true), (3, true), (3, false)] {
            round(&mut schedule, 1, now, |_| modified(time));
            assert_eq!(schedule.poll_changed().is_some(), expected, "at {time}");
            now = schedule.poll_timeout().unwrap();
        }
        for _ in 0..3 {
            round(&mut schedule, 1, now, |_| PollResult::Modified([None, None]));
            assert!(schedule.poll_changed().is_some(), "what cannot be seen may have changed");
            now = schedule.poll_timeout().unwrap();
        }
    }

    #[test]
    fn after_an_overflow_a_round_names_every_mailbox() {
        let mut schedule = PollSchedule::default();
        let end = round(&mut schedule, 1_000, Instant::now(), watched_result);
        schedule.poll_changed();
        schedule.handle_changed(&ChangedFolders::Any);
        assert_eq!(schedule.poll_changed(), None, "not all at once");
        round(&mut schedule, 1_000, end + STEP, watched_result);
        assert_eq!(schedule.poll_changed().unwrap().len(), 1_000);
        let next = schedule.poll_timeout().unwrap();
        round(&mut schedule, 1_000, next, watched_result);
        assert_eq!(schedule.poll_changed(), None);
    }

    #[test]
    fn a_removed_or_replaced_folder_is_named_and_forgotten() {
        let mut schedule = PollSchedule::default();
        round(&mut schedule, 3, Instant::now(), watched_result);
        schedule.poll_changed();
        assert_eq!(schedule.handle_polled(mailbox(2), watched_result(9)), [WatchedFolder(4), WatchedFolder(5)]);
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(2)]);
        assert_eq!(schedule.handle_listed(vec![mailbox(0), mailbox(2)]), [WatchedFolder(2), WatchedFolder(3)]);
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(1)]);
        schedule.handle_changed(&ChangedFolders::In([2, 3, 4, 5].map(WatchedFolder).into()));
        assert_eq!(schedule.poll_changed(), None);
        schedule.handle_watcher_failed();
        schedule.handle_changed(&ChangedFolders::In([0, 1, 18, 19].map(WatchedFolder).into()));
        assert_eq!(schedule.poll_changed(), None);
        assert_eq!(schedule.handle_listed(vec![mailbox(0)]), []);
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(2)], "removed after the watcher failed");
    }

    #[test]
    fn a_mailbox_opened_and_removed_between_two_lists_is_named() {
        let (mut schedule, now) = (PollSchedule::default(), Instant::now());
        schedule.handle_opened(mailbox(1));
        schedule.handle_opened(mailbox(2));
        assert_eq!(schedule.poll_step(now), Some(PollStep::List));
        // The list that is being read need not show this one.
        schedule.handle_opened(mailbox(3));
        schedule.handle_listed(vec![mailbox(2)]);
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(1)]);
        let next = schedule.poll_timeout().unwrap_or(now);
        assert_eq!(schedule.poll_step(next), Some(PollStep::Poll(vec![mailbox(2)])));
        schedule.handle_polled(mailbox(2), modified(1));
        schedule.poll_changed();
        let next = schedule.poll_timeout().unwrap();
        assert_eq!(schedule.poll_step(next), Some(PollStep::List));
        schedule.handle_listed(vec![mailbox(2)]);
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(3)]);
        schedule.handle_listed(vec![mailbox(2)]);
        assert_eq!(schedule.poll_changed(), None);
    }

    #[test]
    fn a_mailbox_created_within_a_round_is_polled_at_once() {
        let (mut schedule, mail) = (PollSchedule::default(), WatchedFolder(99));
        let start = Instant::now();
        schedule.handle_mail(Some(mail));
        let end = round(&mut schedule, 2, start, watched_result);
        schedule.poll_changed();
        let now = end + Duration::from_secs(1);
        assert_eq!(schedule.poll_step(now), None);
        schedule.handle_changed(&ChangedFolders::In(vec![mail]));
        assert_eq!(schedule.poll_step(now), Some(PollStep::ListAgain));
        assert_eq!(schedule.handle_listed_again(vec![mailbox(0), mailbox(1), mailbox(7)]), []);
        assert_eq!(schedule.poll_step(now), Some(PollStep::Poll(vec![mailbox(7)])), "and no other");
        // Its folders are not there yet.
        schedule.handle_polled(mailbox(7), PollResult::ParentWatched(WatchedFolder(70)));
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(7)]);
        schedule.handle_changed(&ChangedFolders::In(vec![WatchedFolder(70)]));
        let now = schedule.poll_timeout().unwrap();
        assert!(now <= end + Duration::from_secs(1) + STEP);
        assert_eq!(schedule.poll_step(now), Some(PollStep::Poll(vec![mailbox(7)])));
        assert_eq!(schedule.handle_polled(mailbox(7), watched_result(7)), [WatchedFolder(70)]);
        schedule.poll_changed();
        schedule.handle_changed(&ChangedFolders::In(vec![WatchedFolder(14)]));
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(7)]);
        // One that goes is named at once, too.
        schedule.handle_changed(&ChangedFolders::In(vec![mail]));
        let now = schedule.poll_timeout().unwrap();
        assert_eq!(schedule.poll_step(now), Some(PollStep::ListAgain));
        assert_eq!(schedule.handle_listed_again(vec![mailbox(0), mailbox(1)]), [WatchedFolder(14), WatchedFolder(15)]);
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(7)]);
    }

    #[test]
    fn a_store_that_nobody_polls_notes_so_many_mailboxes_at_most() {
        let mut schedule = PollSchedule::default();
        (0..MOST_OPENED as u64 + 10).for_each(|number| schedule.handle_opened(mailbox(number)));
        assert_eq!(schedule.opened.len(), MOST_OPENED);
    }

    #[test]
    fn a_mailbox_under_two_names_is_named_by_both() {
        let mut schedule = PollSchedule::default();
        for _ in 0..2 {
            schedule.handle_polled(mailbox(1), watched_result(1));
            schedule.handle_polled(mailbox(2), watched_result(1));
            schedule.poll_changed();
        }
        schedule.handle_changed(&ChangedFolders::In(vec![WatchedFolder(2)]));
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(1), mailbox(2)]);
        assert_eq!(schedule.handle_listed(vec![mailbox(2)]), [], "it is the other's still");
        assert_eq!(schedule.handle_listed(vec![]), [WatchedFolder(2), WatchedFolder(3)]);
    }

    #[test]
    fn only_so_many_mailboxes_are_watched_and_they_stay_so() {
        let mut schedule = PollSchedule::default();
        round(&mut schedule, MOST_WATCHED as u64 - 1, Instant::now(), watched_result);
        let (last, other) = (mailbox(900_001), mailbox(900_002));
        assert!(schedule.may_watch(&last) && schedule.may_watch(&other));
        schedule.handle_polled(last.clone(), watched_result(900_001));
        assert!(schedule.may_watch(&last) && !schedule.may_watch(&other));
    }
}
