//! Everything that is said by `tracing` in this process, at every level, for a test to look at.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

/// Spans and events, as far as they came.
#[derive(Default)]
pub struct Traces {
    state: Mutex<State>,
    closed: Notify,
}

#[derive(Default)]
struct State {
    spans: Vec<SpanSeen>,
    said: Vec<String>,
}

/// One span.
#[derive(Clone)]
pub struct SpanSeen {
    pub name: &'static str,
    pub fields: HashMap<String, String>,
    /// The field `step` of each event in it.
    pub steps: Vec<String>,
    /// How many handles there are; none, and it is closed.
    handles: usize,
    metadata: &'static Metadata<'static>,
}

/// Listens from the first call on to everything that this process says.
pub fn listen() -> Arc<Traces> {
    static TRACES: LazyLock<Arc<Traces>> = LazyLock::new(|| {
        let traces = Arc::<Traces>::default();
        tracing::subscriber::set_global_default(Listener(Arc::clone(&traces))).unwrap();
        traces
    });
    Arc::clone(&TRACES)
}

impl Traces {
    /// The spans whose field `id` is `id`, in the order in which they began.
    pub fn of(&self, id: &str) -> Vec<SpanSeen> {
        let state = self.state();
        state.spans.iter().filter(|span| span.fields.get("id").is_some_and(|found| found == id)).cloned().collect()
    }

    /// Waits until no span whose field `id` is `id` is open.
    pub async fn all_closed(&self, id: &str) {
        loop {
            let mut closed = std::pin::pin!(self.closed.notified());
            closed.as_mut().enable();
            if self.of(id).iter().all(|span| span.handles == 0) {
                return;
            }
            closed.await;
        }
    }

    /// Every name, field and text that was said, of spans and of events.
    pub fn said(&self) -> String {
        self.state().said.join("\n")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Listener(Arc<Traces>);

thread_local! {
    /// The spans that this thread is in, the innermost last.
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let (mut fields, metadata) = (Fields::default(), attributes.metadata());
        attributes.record(&mut fields);
        let mut state = self.0.state();
        state.said.push(format!("{} {:?}", metadata.name(), fields.0));
        state.spans.push(SpanSeen { name: metadata.name(), fields: fields.0, steps: Vec::new(), handles: 1, metadata });
        Id::from_u64(state.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        let mut state = self.0.state();
        state.said.push(format!("{:?}", fields.0));
        span(&mut state, id).fields.extend(fields.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut state = self.0.state();
        let inside = INSIDE.with_borrow(|inside| inside.last().copied());
        if let (Some(step), Some(inside)) = (fields.0.get("step"), inside) {
            span(&mut state, &Id::from_u64(inside)).steps.push(step.clone());
        }
        state.said.push(format!("{} {:?}", event.metadata().target(), fields.0));
    }

    fn enter(&self, id: &Id) {
        INSIDE.with_borrow_mut(|inside| inside.push(id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        INSIDE.with_borrow_mut(|inside| {
            if let Some(at) = inside.iter().rposition(|inside| *inside == id.into_u64()) {
                inside.remove(at);
            }
        });
    }

    fn clone_span(&self, id: &Id) -> Id {
        span(&mut self.0.state(), id).handles += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut state = self.0.state();
        let span = span(&mut state, &id);
        span.handles -= 1;
        let closed = span.handles == 0;
        drop(state);
        if closed {
            self.0.closed.notify_waiters();
        }
        closed
    }

    fn current_span(&self) -> Current {
        let Some(inside) = INSIDE.with_borrow(|inside| inside.last().copied()) else { return Current::none() };
        let id = Id::from_u64(inside);
        let metadata = span(&mut self.0.state(), &id).metadata;
        Current::new(id, metadata)
    }
}

fn span<'a>(state: &'a mut State, id: &Id) -> &'a mut SpanSeen {
    &mut state.spans[usize::try_from(id.into_u64()).unwrap() - 1]
}

/// Fields as text.
#[derive(Default)]
struct Fields(HashMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0.entry(field.name().to_owned()).or_default(), "{value:?}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.entry(field.name().to_owned()).or_default().push_str(value);
    }
}
