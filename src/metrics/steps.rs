//! [`Steps`]: the times of the steps of the messages under way.

use std::collections::HashMap;
use std::time::Instant;

use crate::message::MessageId;

/// The times of the steps of messages. When there are too many, the oldest messages are forgotten.
#[derive(Debug, Default)]
pub(super) struct Steps {
    newer: HashMap<MessageId, StepTimes>,
    older: HashMap<MessageId, StepTimes>,
}

/// The times of the steps of one message, as far as they have happened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StepTimes {
    pub(super) finished: Option<Instant>,
    pub(super) kept: Option<Instant>,
    pub(super) connected: Option<Instant>,
    pub(super) stored: Option<Instant>,
}

impl Steps {
    /// Returns the times of one message, to read or to change.
    pub(super) fn of(&mut self, id: MessageId) -> &mut StepTimes {
        if self.newer.len() >= MOST && !self.newer.contains_key(&id) {
            self.older = std::mem::take(&mut self.newer);
        }
        let Self { newer, older } = self;
        newer.entry(id).or_insert_with(|| older.remove(&id).unwrap_or_default())
    }
}

/// How many new messages are remembered before the older ones are forgotten.
const MOST: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_under_way_is_remembered_and_old_ones_are_forgotten() {
        let (mut steps, first, now) = (Steps::default(), MessageId::random(), Instant::now());
        steps.of(first).kept = Some(now);
        for _ in 0..MOST {
            steps.of(MessageId::random()).kept = Some(now);
        }
        assert_eq!(steps.of(first).kept, Some(now), "it is among the older ones, and is taken along");
        for _ in 0..3 * MOST {
            steps.of(MessageId::random());
        }
        assert_eq!(steps.of(first).kept, None);
        assert!(steps.newer.len() + steps.older.len() <= 2 * MOST);
    }
}
