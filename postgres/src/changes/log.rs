//! [`ChangeLog`]: decides what is announced, what is reported, and since when to look for changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use voicemail::message::MailboxId;

use super::payload;

/// Decides what a store announces to others, which changes of others it reports, and since when it looks for changes. Versions are microseconds
/// since 1970, or more.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    listens: bool,
    announcements: BTreeMap<MailboxId, i64>,
    reports: BTreeSet<MailboxId>,
    /// The versions that are known of mailboxes that changed not long ago.
    known: HashMap<MailboxId, i64>,
    /// All changes with a version up to this one have been seen.
    since: Option<i64>,
}

impl ChangeLog {
    /// From now on, changes of others are wanted. Answers whether this is new.
    pub(super) fn listen(&mut self) -> bool {
        !std::mem::replace(&mut self.listens, true)
    }

    pub(super) fn listens(&self) -> bool {
        self.listens
    }

    /// This store has changed `mailbox`.
    ///
    /// The change is reported, too, if others may have changed the mailbox before it without having been noticed: later versions hide theirs.
    pub(super) fn handle_own(&mut self, mailbox: &MailboxId, old_version: i64, new_version: i64) {
        self.announcements.insert(mailbox.clone(), new_version);
        if !self.listens {
            return;
        }
        let is_gapless = match self.known.get(mailbox) {
            Some(known) => *known == old_version,
            None => self.since.is_some_and(|since| old_version <= since),
        };
        if !is_gapless {
            self.reports.insert(mailbox.clone());
        }
        let known = self.known.entry(mailbox.clone()).or_insert(new_version);
        *known = new_version.max(*known);
    }

    /// `mailbox` was seen to have this version: in a notification, or in the database.
    pub(super) fn handle_seen(&mut self, mailbox: MailboxId, version: i64) {
        if self.known.get(&mailbox).is_some_and(|known| *known >= version) {
            return;
        }
        self.known.insert(mailbox.clone(), version);
        self.reports.insert(mailbox);
    }

    /// The texts of the notifications to be sent now.
    pub(super) fn poll_announcements(&mut self) -> Vec<String> {
        let texts = payload::write(&self.announcements);
        self.announcements.clear();
        texts
    }

    pub(super) fn has_announcements(&self) -> bool {
        !self.announcements.is_empty()
    }

    /// Above which version to look for changes, when the database's clock shows `clock`.
    pub(super) fn poll_since(&self, clock: i64) -> i64 {
        self.since.unwrap_or(clock - OVERLAP)
    }

    /// All mailboxes with a version above [`poll_since`](Self::poll_since) were seen; the database's clock showed `clock` before.
    pub(super) fn handle_looked(&mut self, clock: i64) {
        let since = clock - OVERLAP;
        self.since = Some(since);
        self.known.retain(|_, version| *version > since);
    }

    /// The mailboxes to be reported now.
    pub(super) fn poll_report(&mut self) -> Vec<MailboxId> {
        std::mem::take(&mut self.reports).into_iter().collect()
    }
}

/// Longer than a transaction takes from its version to its commit, in microseconds.
const OVERLAP: i64 = 30_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_743_296_380_000_000;

    fn mailbox() -> MailboxId {
        "2041".parse().unwrap()
    }

    fn listening() -> ChangeLog {
        let mut log = ChangeLog::default();
        assert!(log.listen() && !log.listen());
        log.handle_looked(NOW);
        log
    }

    #[test]
    fn a_change_is_reported_once_however_often_it_is_seen() {
        let mut log = listening();
        log.handle_seen(mailbox(), NOW + 1);
        assert_eq!(log.poll_report(), [mailbox()]);
        log.handle_seen(mailbox(), NOW + 1);
        log.handle_looked(NOW + 2);
        log.handle_seen(mailbox(), NOW + 1);
        assert!(log.poll_report().is_empty());
        log.handle_seen(mailbox(), NOW + 3);
        assert_eq!(log.poll_report(), [mailbox()]);
    }

    #[test]
    fn own_changes_are_announced_and_not_reported() {
        let mut log = listening();
        log.handle_own(&mailbox(), NOW - OVERLAP, NOW + 1);
        log.handle_own(&mailbox(), NOW + 1, NOW + 5);
        assert!(log.has_announcements());
        assert_eq!(log.poll_announcements(), [format!("2041 {}", NOW + 5)]);
        log.handle_seen(mailbox(), NOW + 5);
        assert!(log.poll_report().is_empty() && !log.has_announcements());
    }

    #[test]
    fn a_change_hidden_by_an_own_one_is_reported() {
        let mut log = listening();
        log.handle_own(&mailbox(), NOW - OVERLAP, NOW + 1);
        // Somebody else has made NOW + 2.
        log.handle_own(&mailbox(), NOW + 2, NOW + 3);
        assert_eq!(log.poll_report(), [mailbox()]);
    }

    #[test]
    fn changes_that_commit_late_are_within_the_overlap() {
        let mut log = listening();
        assert_eq!(log.poll_since(NOW + 1_000_000), NOW - OVERLAP);
        log.handle_looked(NOW + 1_000_000);
        assert_eq!(log.poll_since(NOW + 9_000_000), NOW + 1_000_000 - OVERLAP);
    }

    #[test]
    fn a_store_that_nobody_listens_to_remembers_nothing() {
        let mut log = ChangeLog::default();
        log.handle_own(&mailbox(), 1, 2);
        log.poll_announcements();
        assert!(log.known.is_empty() && log.poll_report().is_empty());
    }
}
