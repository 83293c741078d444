//! [`Changes`]: the mailboxes whose lamps are to be looked at, and the messages that wait for theirs.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, MutexGuard};

use tokio::sync::Notify;

use crate::lock::Lock;
use crate::message::{MailboxId, MessageId};

/// The mailboxes that may have changed since somebody last asked: at most one entry for each.
#[derive(Debug, Default)]
pub(super) struct Changes {
    mailboxes: Lock<BTreeSet<MailboxId>>,
    arrivals: Lock<Arrivals>,
    noted: Notify,
    /// By how many calls each mailbox is being changed.
    calls: Lock<HashMap<MailboxId, usize>>,
}

/// The messages that no lamp has shown yet.
#[derive(Debug, Default)]
struct Arrivals {
    waiting: HashMap<MailboxId, Vec<MessageId>>,
    count: usize,
}

/// Messages that a lamp is about to show. Dropped without [`shown`](Self::shown), they wait for it again.
#[derive(Debug)]
pub(super) struct Arrived<'a> {
    changes: &'a Changes,
    mailbox: MailboxId,
    messages: Arc<[MessageId]>,
}

impl Changes {
    pub(super) fn note(&self, mailbox: MailboxId) {
        self.mailboxes().insert(mailbox);
        self.noted.notify_one();
    }

    /// A call begins to change a mailbox.
    pub(super) fn handle_call(&self, mailbox: &MailboxId) {
        *self.calls().entry(mailbox.clone()).or_default() += 1;
    }

    /// The call has ended: the mailbox may have changed.
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

    /// Leaves out those that calls under way are changing: they are noted when the calls end.
    pub(super) fn without_own(&self, mut mailboxes: Vec<MailboxId>) -> Vec<MailboxId> {
        let calls = self.calls();
        mailboxes.retain(|mailbox| !calls.contains_key(mailbox));
        mailboxes
    }

    /// A message is in a mailbox. What comes beyond a bound is not named when its lamp is told, and told all the same.
    pub(super) fn note_arrival(&self, mailbox: &MailboxId, message: MessageId) {
        self.arrivals().add(mailbox, &[message]);
    }

    /// Those noted since the last call.
    pub(super) fn take(&self) -> BTreeSet<MailboxId> {
        std::mem::take(&mut *self.mailboxes())
    }

    /// The messages that are in a mailbox which is counted from now on, and were not shown yet.
    pub(super) fn arrived(&self, mailbox: &MailboxId) -> Arrived<'_> {
        let messages = self.arrivals().take(mailbox);
        Arrived { changes: self, mailbox: mailbox.clone(), messages: messages.into() }
    }

    /// Waits until one is noted.
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

    /// Its lamp needs to show them no more.
    pub(super) fn shown(mut self) {
        self.messages = Arc::default();
    }
}

impl Drop for Arrived<'_> {
    fn drop(&mut self) {
        self.changes.arrivals().add(&self.mailbox, &self.messages);
    }
}

/// How many messages are known by name whose lamps were not told yet: a mebibyte, where no lamp is.
const MOST_ARRIVALS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_waits_for_its_lamp_until_that_is_shown() {
        let (changes, mailbox, other) = (Changes::default(), "2001".parse().unwrap(), "2002".parse().unwrap());
        let (first, second) = (MessageId::random(), MessageId::random());
        changes.note_arrival(&mailbox, first);
        assert!(changes.arrived(&other).messages().is_empty());

        let arrived = changes.arrived(&mailbox);
        changes.note_arrival(&mailbox, second);
        assert_eq!(**arrived.messages(), [first]);
        drop(arrived); // the lamp could not be told
        let arrived = changes.arrived(&mailbox);
        assert_eq!(arrived.messages().iter().collect::<BTreeSet<_>>(), BTreeSet::from([&first, &second]));
        arrived.shown();
        assert!(changes.arrived(&mailbox).messages().is_empty());
    }

    #[test]
    fn what_a_call_under_way_changes_is_noted_when_the_last_one_ends() {
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
    fn where_no_lamp_is_told_only_so_many_messages_are_remembered() {
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
