//! [`MessageCache`]: messages that were queued a moment ago and are still in memory.

use std::collections::HashMap;

use crate::message::{Message, MessageId};

/// Messages whose files need not be read for sending, because they were written a moment ago.
///
/// It holds a bounded number of bytes. Other messages are read from their files, as all are after a restart.
#[derive(Debug, Default)]
pub(super) struct MessageCache {
    messages: HashMap<MessageId, Message>,
    bytes: usize,
}

impl MessageCache {
    /// Adds `message`, unless that would exceed the bound.
    pub(super) fn put(&mut self, message: Message) {
        let bytes = size(&message);
        if self.bytes + bytes <= MAX_BYTES && self.messages.insert(message.id(), message).is_none() {
            self.bytes += bytes;
        }
    }

    /// Takes the message out: it is sent now, or leaves the queue.
    pub(super) fn take(&mut self, id: MessageId) -> Option<Message> {
        let message = self.messages.remove(&id)?;
        self.bytes -= size(&message);
        Some(message)
    }
}

/// Returns how much memory the sound takes.
fn size(message: &Message) -> usize {
    message.audio().in_memory().map_or(0, bytes::Bytes::len)
}

/// Enough for some dozens of messages of half a minute.
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
