//! The time of each step of a message's path, from the events of both nodes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use voicemail::event::{Event, Events, Occurrence};
use voicemail::message::MessageId;

/// The stretches between one step and the next.
pub(crate) const STRETCHES: [&str; STEPS.len() - 1] = [
    "`finish` to spooled: one flush of the sound and its name",
    "to connected: the queue, and a place on a connection",
    "to sent: encoding, TLS, the socket",
    "to stored: reading, checking, one flush of the mail and its name",
    "to summary: counting the mailbox",
    "to shown: the time of the sink",
];

/// The steps in their order.
const STEPS: [&str; 7] = ["finished", "kept", "connected", "sent", "stored", "counted", "lamp_shown"];

/// The times of the steps of each message.
#[derive(Clone, Default)]
pub(crate) struct StepTimes(Arc<Mutex<HashMap<MessageId, [Option<Instant>; STEPS.len()]>>>);

impl StepTimes {
    /// Records events from now on, until no node reports any more.
    pub(crate) fn listen(events: &Events) -> Self {
        let step_times = Self::default();
        tokio::spawn(step_times.clone().collect(events.subscribe()));
        step_times
    }

    async fn collect(self, mut events: broadcast::Receiver<Occurrence>) {
        loop {
            match events.recv().await {
                Ok(Occurrence { at, event, .. }) => self.note(at, &event),
                // Messages with missing events are left out of the result.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn note(&self, at: Instant, event: &Event) {
        let Some(step) = STEPS.iter().position(|step| *step == event.name()) else { return };
        let ids = match event {
            Event::Counted { arrived, .. } | Event::LampShown { arrived, .. } => &arrived[..],
            Event::Finished { id, .. }
            | Event::Kept { id, .. }
            | Event::Connected { id, .. }
            | Event::Sent { id, .. }
            | Event::Stored { id, .. } => std::slice::from_ref(id),
            _ => return,
        };
        let mut step_times = self.0.lock().expect("no holder panics");
        for id in ids {
            step_times.entry(*id).or_default()[step] = Some(at);
        }
    }

    /// Returns how long each stretch took, for messages whose steps are all known, and clears the record.
    pub(crate) fn take(&self) -> [Vec<Duration>; STRETCHES.len()] {
        let mut stretches: [Vec<Duration>; STRETCHES.len()] = Default::default();
        for (_, steps) in self.0.lock().expect("no holder panics").drain() {
            let Some(times) = steps.into_iter().collect::<Option<Vec<_>>>() else { continue };
            for (stretch, pair) in stretches.iter_mut().zip(times.windows(2)) {
                // A message may be stored before its sender reports that it was sent.
                stretch.push(pair[1].saturating_duration_since(pair[0]));
            }
        }
        stretches
    }
}
