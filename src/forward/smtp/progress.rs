//! [`Progress`]: reports how far a message is.

use crate::event::{Event, Events};
use crate::forward::TransportSecurity;
use crate::message::MessageId;

/// Reports how far one message is, as events and to `tracing`.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) id: MessageId,
    pub(super) events: Option<Events>,
}

impl Progress {
    /// Reports that the message has a slot on a connection.
    pub(super) fn connected(&self, peer: &str, transport_security: TransportSecurity) {
        if self.events.is_some() || Event::are_traced() {
            self.report(Event::Connected { id: self.id, peer: peer.to_owned(), transport_security });
        }
    }

    /// Reports that the message was sent to its end.
    pub(super) fn sent(&self) {
        self.report(Event::Sent { id: self.id });
    }

    fn report(&self, event: Event) {
        match &self.events {
            Some(events) => events.emit(event),
            None => event.trace(),
        }
    }
}
