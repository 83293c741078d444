//! [`HeardBefore`]: messages that are new again although their sender has had a receipt.

use std::collections::HashSet;

use crate::lock::Lock;
use crate::message::{MailboxId, MessageId};

/// The messages that were marked new again after they had been heard or removed, in memory. When there are too many, the oldest are
/// forgotten.
#[derive(Debug, Default)]
pub(super) struct HeardBefore(Lock<Generations>);

#[derive(Debug, Default)]
struct Generations {
    newer: HashSet<(MailboxId, MessageId)>,
    older: HashSet<(MailboxId, MessageId)>,
}

impl HeardBefore {
    pub(super) fn insert(&self, owner: &MailboxId, id: MessageId) {
        let mut messages = self.0.lock();
        if messages.newer.len() >= MOST {
            messages.older = std::mem::take(&mut messages.newer);
        }
        messages.newer.insert((owner.clone(), id));
    }

    pub(super) fn contains(&self, owner: &MailboxId, id: MessageId) -> bool {
        let (message, messages) = ((owner.clone(), id), self.0.lock());
        messages.newer.contains(&message) || messages.older.contains(&message)
    }
}

/// How many messages are remembered before older ones are forgotten.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_thousand_are_remembered_and_memory_is_bounded() {
        let (messages, owner) = (HeardBefore::default(), "2041".parse().unwrap());
        let ids: Vec<_> = (0..3 * MOST).map(|_| MessageId::random()).collect();
        for id in &ids {
            messages.insert(&owner, *id);
        }
        assert!(ids[2 * MOST..].iter().all(|id| messages.contains(&owner, *id)));
        assert!(!messages.contains(&owner, ids[0]) && !messages.contains(&"2042".parse().unwrap(), ids[3 * MOST - 1]));
    }
}
