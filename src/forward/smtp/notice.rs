//! [`Notice`]: who is told how far a message is.

use crate::event::{Event, Events};
use crate::forward::Travelled;
use crate::message::MessageId;

/// Tells how far one message is: those who listen to events, and `tracing`.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) id: MessageId,
    pub(super) events: Option<Events>,
}

impl Notice {
    /// It has a place on a connection.
    pub(super) fn connected(&self, peer: &str, travelled: Travelled) {
        if self.is_heard() {
            self.tell(Event::Connected { id: self.id, peer: peer.to_owned(), travelled });
        }
    }

    /// The last of it went to the connection.
    pub(super) fn sent(&self) {
        self.tell(Event::Sent { id: self.id });
    }

    fn is_heard(&self) -> bool {
        self.events.is_some() || Event::are_traced()
    }

    fn tell(&self, event: Event) {
        match &self.events {
            Some(events) => events.emit(event),
            None => event.trace(),
        }
    }
}
