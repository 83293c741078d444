//! All spans and events that this process reports by `tracing`, at every level, for a test to check.

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

/// The spans and events so far.
#[derive(Default)]
pub struct Traces {
    state: Mutex<TraceState>,
    closed: Notify,
}

#[derive(Default)]
struct TraceState {
    spans: Vec<SpanRecord>,
    texts: Vec<String>,
}

/// A span and what happened in it.
#[derive(Clone)]
pub struct SpanRecord {
    pub name: &'static str,
    pub fields: HashMap<String, String>,
    /// The field `step` of each event in it.
    pub steps: Vec<String>,
    /// The number of handles; a span without handles is closed.
    handles: usize,
    metadata: &'static Metadata<'static>,
}

/// Returns the traces of this process, which are recorded from the first call on.
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
    pub fn spans_of(&self, id: &str) -> Vec<SpanRecord> {
        let state = self.state();
        state.spans.iter().filter(|span| span.fields.get("id").is_some_and(|found| found == id)).cloned().collect()
    }

    /// Waits until no span whose field `id` is `id` is open.
    pub async fn all_closed(&self, id: &str) {
        loop {
            let mut closed = std::pin::pin!(self.closed.notified());
            closed.as_mut().enable();
            if self.spans_of(id).iter().all(|span| span.handles == 0) {
                return;
            }
            closed.await;
        }
    }

    /// Every name, field and text of all spans and events.
    pub fn text(&self) -> String {
        self.state().texts.join("\n")
    }

    fn state(&self) -> MutexGuard<'_, TraceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Listener(Arc<Traces>);

thread_local! {
    /// The spans that this thread has entered, the innermost last.
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
        state.texts.push(format!("{} {:?}", metadata.name(), fields.0));
        state.spans.push(SpanRecord { name: metadata.name(), fields: fields.0, steps: Vec::new(), handles: 1, metadata });
        Id::from_u64(state.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        let mut state = self.0.state();
        state.texts.push(format!("{:?}", fields.0));
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
        state.texts.push(format!("{} {:?}", event.metadata().target(), fields.0));
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

fn span<'a>(state: &'a mut TraceState, id: &Id) -> &'a mut SpanRecord {
    &mut state.spans[usize::try_from(id.into_u64()).unwrap() - 1]
}

/// The fields of a span or an event, as text.
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
