//! [`MessageCache`]: messages that were kept just now, still in memory.

use std::collections::HashMap;

use crate::message::{Message, MessageId};

/// Messages on their way out whose files need not be read, because they were written a moment ago.
///
/// It holds a bounded number of bytes; what finds no place is read from its file, as everything is after a restart.
#[derive(Debug, Default)]
pub(super) struct MessageCache {
    messages: HashMap<MessageId, Message>,
    bytes: usize,
}

impl MessageCache {
    /// Holds `message` until it is sent, if there is room.
    pub(super) fn put(&mut self, message: Message) {
        let bytes = size(&message);
        if self.bytes + bytes <= MAX_BYTES && self.messages.insert(message.id(), message).is_none() {
            self.bytes += bytes;
        }
    }

    /// The message, for whoever sends it first or takes it out of the queue.
    pub(super) fn take(&mut self, id: MessageId) -> Option<Message> {
        let message = self.messages.remove(&id)?;
        self.bytes -= size(&message);
        Some(message)
    }
}

/// How much memory the sound takes.
fn size(message: &Message) -> usize {
    message.audio().in_memory().map_or(0, bytes::Bytes::len)
}

/// Some dozens of messages of half a minute.
const MAX_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Audio, AudioType, ClockQuality, ClockSource, RecordedAt};

    fn message(bytes: usize) -> Message {
        let quality = ClockQuality::unknown(ClockSource::Manual);
        let recorded_at = RecordedAt { instant: chrono::DateTime::UNIX_EPOCH, zone: chrono_tz::UTC, quality };
        Message::builder(Audio::new(AudioType::Wav, vec![0; bytes]), recorded_at).build()
    }

    #[test]
    fn it_holds_no_more_than_its_bound_and_frees_space_on_take() {
        let mut cache = MessageCache::default();
        let (first, second) = (message(MAX_BYTES), message(1));
        cache.put(first.clone());
        cache.put(second.clone());
        assert_eq!((cache.take(second.id()), cache.bytes), (None, MAX_BYTES));
        assert_eq!(cache.take(first.id()), Some(first));
        cache.put(second.clone());
        cache.put(second.clone());
        assert_eq!((cache.take(second.id()), cache.bytes), (Some(second), 0));
    }
}
