//! [`Changes`]: the mailboxes that may have changed, and the messages that no lamp shows yet.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, MutexGuard};

use tokio::sync::Notify;

use super::group_counts::GroupCounts;
use crate::lock::Lock;
use crate::message::{MailboxId, MessageId};

/// The mailboxes that may have changed since the last call of [`take`](Self::take): at most one entry for each.
#[derive(Debug, Default)]
pub(super) struct Changes {
    mailboxes: Lock<BTreeSet<MailboxId>>,
    arrivals: Lock<Arrivals>,
    noted: Notify,
    /// The number of calls in progress that change each mailbox.
    calls: Lock<HashMap<MailboxId, usize>>,
    /// The counts of groups, each until the group may have changed.
    group_counts: GroupCounts,
}

/// The messages that no lamp has shown yet.
#[derive(Debug, Default)]
struct Arrivals {
    waiting: HashMap<MailboxId, Vec<MessageId>>,
    count: usize,
}

/// Messages that a lamp is about to show. Dropped without [`shown`](Self::shown), they wait for their lamp again.
#[derive(Debug)]
pub(super) struct Arrived<'a> {
    changes: &'a Changes,
    mailbox: MailboxId,
    messages: Arc<[MessageId]>,
}

impl Changes {
    /// Notes that a mailbox may have changed.
    pub(super) fn note(&self, mailbox: MailboxId) {
        self.group_counts.forget(&mailbox);
        self.mailboxes().insert(mailbox);
        self.noted.notify_one();
    }

    /// Handles the beginning of a call that may change a mailbox.
    pub(super) fn handle_call(&self, mailbox: &MailboxId) {
        *self.calls().entry(mailbox.clone()).or_default() += 1;
    }

    /// Handles the end of such a call: the mailbox may have changed.
    pub(super) fn handle_call_ended(&self, mailbox: &MailboxId) {
        {
            let mut calls = self.calls();
            if let Some(under_way) = calls.get_mut(mailbox) {
                *under_way -= 1;
                if *under_way == 0 {
                    calls.remove(mailbox);
                }
            }
        }
        self.note(mailbox.clone());
    }

    /// Notes mailboxes that others may have changed, and returns them without those that calls in progress are changing: these are noted when the
    /// calls end.
    pub(super) fn without_own(&self, mut mailboxes: Vec<MailboxId>) -> Vec<MailboxId> {
        for mailbox in &mailboxes {
            self.group_counts.forget(mailbox);
        }
        let calls = self.calls();
        mailboxes.retain(|mailbox| !calls.contains_key(mailbox));
        mailboxes
    }

    /// Notes a message that was stored in a mailbox. Beyond a bound, the message is not named when its lamp is updated; the lamp is
    /// updated all the same.
    pub(super) fn note_arrival(&self, mailbox: &MailboxId, message: MessageId) {
        self.arrivals().add(mailbox, &[message]);
    }

    /// Returns the mailboxes noted since the last call.
    pub(super) fn take(&self) -> BTreeSet<MailboxId> {
        std::mem::take(&mut *self.mailboxes())
    }

    /// Returns the messages of a mailbox that were not shown yet. Its count must begin after this call.
    pub(super) fn arrived(&self, mailbox: &MailboxId) -> Arrived<'_> {
        let messages = self.arrivals().take(mailbox);
        Arrived { changes: self, mailbox: mailbox.clone(), messages: messages.into() }
    }

    /// Returns the counts of groups.
    pub(super) fn group_counts(&self) -> &GroupCounts {
        &self.group_counts
    }

    /// Waits until a mailbox is noted.
    pub(super) async fn noted(&self) {
        self.noted.notified().await;
    }

    fn mailboxes(&self) -> MutexGuard<'_, BTreeSet<MailboxId>> {
        self.mailboxes.lock()
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<MailboxId, usize>> {
        self.calls.lock()
    }

    fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock()
    }
}

impl Arrivals {
    fn add(&mut self, mailbox: &MailboxId, messages: &[MessageId]) {
        let messages = &messages[..messages.len().min(MOST_ARRIVALS - self.count)];
        if !messages.is_empty() {
            self.count += messages.len();
            self.waiting.entry(mailbox.clone()).or_default().extend(messages);
        }
    }

    fn take(&mut self, mailbox: &MailboxId) -> Vec<MessageId> {
        let messages = self.waiting.remove(mailbox).unwrap_or_default();
        self.count -= messages.len();
        messages
    }
}

impl Arrived<'_> {
    pub(super) fn messages(&self) -> &Arc<[MessageId]> {
        &self.messages
    }

    /// Drops the messages: their lamp shows them.
    pub(super) fn shown(mut self) {
        self.messages = Arc::default();
    }
}

impl Drop for Arrived<'_> {
    fn drop(&mut self) {
        self.changes.arrivals().add(&self.mailbox, &self.messages);
    }
}

/// The most messages that are remembered until their lamps are updated: 1 MiB of ids.
const MOST_ARRIVALS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_waits_until_its_lamp_is_shown() {
        let (changes, mailbox, other) = (Changes::default(), "2001".parse().unwrap(), "2002".parse().unwrap());
        let (first, second) = (MessageId::random(), MessageId::random());
        changes.note_arrival(&mailbox, first);
        assert!(changes.arrived(&other).messages().is_empty());

        let arrived = changes.arrived(&mailbox);
        changes.note_arrival(&mailbox, second);
        assert_eq!(**arrived.messages(), [first]);
        drop(arrived); // the lamp could not be updated
        let arrived = changes.arrived(&mailbox);
        assert_eq!(arrived.messages().iter().collect::<BTreeSet<_>>(), BTreeSet::from([&first, &second]));
        arrived.shown();
        assert!(changes.arrived(&mailbox).messages().is_empty());
    }

    #[test]
    fn a_change_is_noted_when_the_last_call_ends() {
        let (changes, own, other): (_, MailboxId, MailboxId) =
            (Changes::default(), "2001".parse().unwrap(), "2002".parse().unwrap());
        changes.handle_call(&own);
        changes.handle_call(&own);
        changes.handle_call_ended(&own);
        assert_eq!(changes.without_own(vec![own.clone(), other.clone()]), [other]);
        changes.handle_call_ended(&own);
        assert_eq!(changes.without_own(vec![own.clone()]).len(), 1);
        assert_eq!(changes.take(), [own].into());
    }

    #[test]
    fn without_lamps_a_bounded_number_of_messages_is_remembered() {
        let (changes, mailbox) = (Changes::default(), "2001".parse().unwrap());
        for _ in 0..=MOST_ARRIVALS {
            changes.note_arrival(&mailbox, MessageId::from_bytes([7; 16]));
        }
        let arrived = changes.arrived(&mailbox);
        assert_eq!(arrived.messages().len(), MOST_ARRIVALS);
        drop(arrived);
        changes.arrived(&mailbox).shown();
        changes.note_arrival(&mailbox, MessageId::random());
        assert_eq!(changes.arrived(&mailbox).messages().len(), 1);
    }
}
