//! [`PollSchedule`]: whose mailbox is to be looked at next for what other programs did. Decides; does nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

use crate::disk::{ChangedFolders, WatchedFolder};
use crate::message::MailboxId;

/// Whose mailbox is to be looked at next, and whose may have changed.
///
/// All mailboxes are polled in rounds. A look at one has the disk ring for its folders from now on; where the disk does not,
/// it sees when names last came or went in them. A folder may change twice within the time that its file system tells apart, so a
/// new time says that the mailbox may have changed, and says so once more in the round after.
#[derive(Debug, Default)]
pub(super) struct PollSchedule {
    /// Who is left in this round, the next one last.
    left: Vec<MailboxId>,
    next_step: Option<Instant>,
    next_round: Option<Instant>,
    known: HashMap<MailboxId, PolledMailbox>,
    /// Whose a folder is: more than one's where an operator gave a mailbox two names.
    owners: HashMap<WatchedFolder, BTreeSet<MailboxId>>,
    /// The folder that all mailboxes are in, if the disk rings for it.
    mail: Option<WatchedFolder>,
    /// Whether mailboxes have come or gone since they were listed.
    list_again: bool,
    changed: BTreeSet<MailboxId>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PollStep {
    /// See which mailboxes there are.
    List,
    /// See which have come and gone, in the middle of a round.
    ListAgain,
    /// Poll these.
    Poll(Vec<MailboxId>),
}

/// What a look at a mailbox has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PollResult {
    /// The disk rings for its folders.
    Watched([WatchedFolder; 2]),
    /// One of its folders is not there, and the disk rings for the one that they are in.
    ParentWatched(WatchedFolder),
    /// When names last came or went in its folders; `None` where that cannot be seen.
    Modified([Option<SystemTime>; 2]),
}

#[derive(Debug)]
struct PolledMailbox {
    result: PollResult,
    /// Whether it is said once more, after the next look, that it may have changed.
    again: bool,
}

impl PollResult {
    /// The folders that the disk rings for.
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

    /// What to do now.
    pub(super) fn poll_step(&mut self, now: Instant) -> Option<PollStep> {
        if self.poll_timeout().is_some_and(|due| due > now) {
            return None;
        }
        self.next_step = Some(now + STEP);
        if std::mem::take(&mut self.list_again) {
            return Some(PollStep::ListAgain);
        }
        if self.left.is_empty() {
            self.next_round = Some(now + ROUND);
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

    /// Begins a round through these mailboxes. Answers the folders that the disk needs ring for no longer.
    pub(super) fn handle_listed(&mut self, mut mailboxes: Vec<MailboxId>) -> Vec<WatchedFolder> {
        let unused = self.forget_others(&mailboxes);
        mailboxes.sort_unstable_by(|one, other| other.cmp(one));
        self.left = mailboxes;
        self.next_step = None;
        unused
    }

    /// These mailboxes are there in the middle of a round: those that are new come next. Answers the folders that the disk needs ring
    /// for no longer.
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

    /// The disk rings for the folder that all mailboxes are in; or it does not.
    pub(super) fn handle_mail(&mut self, mail: Option<WatchedFolder>) {
        self.mail = mail;
    }

    fn forget_others(&mut self, mailboxes: &[MailboxId]) -> Vec<WatchedFolder> {
        let there: HashSet<&MailboxId> = mailboxes.iter().collect();
        let gone: Vec<MailboxId> = self.known.keys().filter(|mailbox| !there.contains(mailbox)).cloned().collect();
        let mut unused = Vec::new();
        for mailbox in gone {
            unused.extend(self.known.remove(&mailbox).map(|known| self.leave(&mailbox, known.result)).unwrap_or_default());
            self.changed.insert(mailbox);
        }
        unused
    }

    /// What a look at the mailbox has found. Answers the folders that the disk needs ring for no longer.
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

    /// The disk has rung.
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
            // Not all at once: each when it is its turn, in this round or in another that follows it at once.
            ChangedFolders::Any => {
                self.known.values_mut().for_each(|known| known.again = true);
                self.list_again = self.mail.is_some();
                self.next_round = None;
            }
        }
    }

    /// The disk will not ring any more.
    pub(super) fn handle_watcher_failed(&mut self) {
        self.known.clear();
        self.owners.clear();
        self.mail = None;
        self.handle_changed(&ChangedFolders::Any);
    }

    /// Whether the disk may ring for the mailbox: it rings for so many only, as the system watches no endless number of folders.
    pub(super) fn may_watch(&self, mailbox: &MailboxId) -> bool {
        let is_watched = |known: &PolledMailbox| matches!(known.result, PollResult::Watched(_));
        self.owners.len() / 2 < MOST_WATCHED || self.known.get(mailbox).is_some_and(is_watched)
    }

    /// The folders are no longer the mailbox's; answers those that are nobody's now.
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
/// How many mailboxes a step looks at.
const POLLED_AT_ONCE: usize = 100;
/// For how many mailboxes the disk rings, with two folders each.
const MOST_WATCHED: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(number: u64) -> MailboxId {
        number.to_string().parse().unwrap()
    }

    fn watched(number: u64) -> PollResult {
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
    fn a_round_takes_ten_seconds_or_a_hundred_for_100_000_mailboxes() {
        let start = Instant::now();
        for (mailboxes, looked_at_in, next_after) in [(9, 0, 10_000), (10_000, 9_900, 10_000), (100_000, 99_900, 100_000)] {
            let mut schedule = PollSchedule::default();
            let end = round(&mut schedule, mailboxes, start, watched);
            let next = schedule.poll_timeout().unwrap();
            assert_eq!(((end - start).as_millis(), (next - start).as_millis()), (looked_at_in, next_after));
        }
    }

    #[test]
    fn a_ring_names_the_mailbox_and_a_round_names_nobody_who_rings() {
        let mut schedule = PollSchedule::default();
        round(&mut schedule, 3, Instant::now(), watched);
        assert_eq!(schedule.poll_changed().unwrap().len(), 3, "what was before the first look is not known");
        schedule.handle_changed(&ChangedFolders::In(vec![WatchedFolder(2), WatchedFolder(3), WatchedFolder(77)]));
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(1)]);
        let next = schedule.poll_timeout().unwrap();
        round(&mut schedule, 3, next, watched);
        assert_eq!(schedule.poll_changed(), None);
    }

    #[test]
    fn a_new_time_is_said_twice_because_two_changes_may_have_the_same() {
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
    fn when_the_disk_lost_count_everybody_is_named_in_a_round_that_begins_at_once() {
        let mut schedule = PollSchedule::default();
        let end = round(&mut schedule, 1_000, Instant::now(), watched);
        schedule.poll_changed();
        schedule.handle_changed(&ChangedFolders::Any);
        assert_eq!(schedule.poll_changed(), None, "not all at once");
        round(&mut schedule, 1_000, end + STEP, watched);
        assert_eq!(schedule.poll_changed().unwrap().len(), 1_000);
        let next = schedule.poll_timeout().unwrap();
        round(&mut schedule, 1_000, next, watched);
        assert_eq!(schedule.poll_changed(), None);
    }

    #[test]
    fn a_folder_that_goes_or_that_another_takes_the_place_of_is_named_and_rings_no_more() {
        let mut schedule = PollSchedule::default();
        round(&mut schedule, 3, Instant::now(), watched);
        schedule.poll_changed();
        assert_eq!(schedule.handle_polled(mailbox(2), watched(9)), [WatchedFolder(4), WatchedFolder(5)]);
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(2)]);
        assert_eq!(schedule.handle_listed(vec![mailbox(0), mailbox(2)]), [WatchedFolder(2), WatchedFolder(3)]);
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(1)]);
        schedule.handle_changed(&ChangedFolders::In([2, 3, 4, 5].map(WatchedFolder).into()));
        assert_eq!(schedule.poll_changed(), None);
        schedule.handle_watcher_failed();
        schedule.handle_changed(&ChangedFolders::In([0, 1, 18, 19].map(WatchedFolder).into()));
        assert_eq!(schedule.poll_changed(), None);
    }

    #[test]
    fn a_mailbox_that_comes_within_a_round_is_looked_at_at_once() {
        let (mut schedule, mail) = (PollSchedule::default(), WatchedFolder(99));
        let start = Instant::now();
        schedule.handle_mail(Some(mail));
        let end = round(&mut schedule, 2, start, watched);
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
        assert_eq!(schedule.handle_polled(mailbox(7), watched(7)), [WatchedFolder(70)]);
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
    fn a_mailbox_under_two_names_is_named_by_both() {
        let mut schedule = PollSchedule::default();
        for _ in 0..2 {
            schedule.handle_polled(mailbox(1), watched(1));
            schedule.handle_polled(mailbox(2), watched(1));
            schedule.poll_changed();
        }
        schedule.handle_changed(&ChangedFolders::In(vec![WatchedFolder(2)]));
        assert_eq!(schedule.poll_changed().unwrap(), [mailbox(1), mailbox(2)]);
        assert_eq!(schedule.handle_listed(vec![mailbox(2)]), [], "it is the other's still");
        assert_eq!(schedule.handle_listed(vec![]), [WatchedFolder(2), WatchedFolder(3)]);
    }

    #[test]
    fn the_disk_rings_for_so_many_mailboxes_and_goes_on_to_ring_for_them() {
        let mut schedule = PollSchedule::default();
        round(&mut schedule, MOST_WATCHED as u64 - 1, Instant::now(), watched);
        let (last, other) = (mailbox(900_001), mailbox(900_002));
        assert!(schedule.may_watch(&last) && schedule.may_watch(&other));
        schedule.handle_polled(last.clone(), watched(900_001));
        assert!(schedule.may_watch(&last) && !schedule.may_watch(&other));
    }
}
