//! [`Fresh`]: messages that were kept just now, still in memory.

use std::collections::HashMap;

use crate::message::{Message, MessageId};

/// Messages on their way out whose files need not be read, because they were written a moment ago.
///
/// It holds a bounded number of bytes; what finds no place is read from its file, as everything is after a restart.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    messages: HashMap<MessageId, Message>,
    bytes: usize,
}

impl Fresh {
    /// Holds `message` until it is sent, if there is room.
    pub(super) fn put(&mut self, message: Message) {
        let bytes = size(&message);
        if self.bytes + bytes <= MOST_BYTES && self.messages.insert(message.id(), message).is_none() {
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
const MOST_BYTES: usize = 8 * 1024 * 1024;

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
    fn it_never_holds_more_than_its_bound_and_has_room_again_when_messages_leave() {
        let mut fresh = Fresh::default();
        let (first, second) = (message(MOST_BYTES), message(1));
        fresh.put(first.clone());
        fresh.put(second.clone());
        assert_eq!((fresh.take(second.id()), fresh.bytes), (None, MOST_BYTES));
        assert_eq!(fresh.take(first.id()), Some(first));
        fresh.put(second.clone());
        fresh.put(second.clone());
        assert_eq!((fresh.take(second.id()), fresh.bytes), (Some(second), 0));
    }
}
