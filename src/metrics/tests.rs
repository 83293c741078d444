use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, Unit, with_local_recorder,
};
use futures::FutureExt as _;

use super::*;
use crate::message::{MailboxId, Summary, TlsVersion, TransportSecurity};

/// A metrics recorder that keeps each metric, with its labels and all its values.
#[derive(Debug, Clone, Default)]
struct TestRecorder(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

/// One metric with its labels.
struct Series(TestRecorder, String);

impl TestRecorder {
    fn line(&self, key: &Key) -> Arc<Series> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(Series(self.clone(), [key.name(), &labels.join(",")].join(" ").trim_end().to_owned()))
    }

    fn values(&self, line: &str) -> Vec<f64> {
        self.0.lock().unwrap().get(line).cloned().unwrap_or_default()
    }

    /// The names of all metrics that have a value.
    fn names(&self) -> Vec<String> {
        let book = self.0.lock().unwrap();
        book.keys().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }
}

impl Series {
    fn add(&self, value: f64) {
        self.0.0.lock().unwrap().entry(self.1.clone()).or_default().push(value);
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.add(f64::from(u32::try_from(value).unwrap()));
    }

    fn absolute(&self, _: u64) {
        unreachable!("nothing is counted elsewhere")
    }
}

impl GaugeFn for Series {
    fn increment(&self, _: f64) {
        unreachable!("gauges are set")
    }

    fn decrement(&self, _: f64) {
        unreachable!("gauges are set")
    }

    fn set(&self, value: f64) {
        self.add(value);
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

impl Recorder for TestRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.line(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.line(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.line(key))
    }
}

/// Counts these events, each a second after the one before.
fn counted(events: impl IntoIterator<Item = Event>) -> TestRecorder {
    let (book, mut meter, start) = (TestRecorder::default(), Meter::new(), Instant::now());
    with_local_recorder(&book, || {
        for (seconds, event) in (0..).zip(events) {
            meter.handle(&Occurrence { at: start + Duration::from_secs(seconds), event });
        }
    });
    book
}

fn mailbox() -> MailboxId {
    "2041".parse().unwrap()
}

/// All events of one message on both nodes, in one stream.
fn path_of(id: MessageId) -> Vec<Event> {
    let (site, length): (crate::message::SiteId, _) = ("kathmandu".parse().unwrap(), Duration::from_secs(30));
    let (peer, destination) = ("central:25".to_owned(), "central".to_owned());
    let (transport_security, origin) = (TransportSecurity::Tls(TlsVersion::V1_3), Origin::Peer("himalaya".into()));
    let (summary, arrived): (_, Arc<[_]>) = (Summary::default(), Arc::new([id]));
    vec![
        Event::Finished { id, site: site.clone(), length },
        Event::Kept { id, mailbox: mailbox(), site: site.clone(), length, call_id: None },
        Event::Kept { id, mailbox: "2042".parse().unwrap(), site, length, call_id: None },
        Event::Connected { id, peer, transport_security },
        Event::Sent { id },
        Event::Stored { id, mailbox: mailbox(), origin, call_id: None },
        Event::Forwarded { id, mailbox: mailbox(), destination, transport_security, attempts: 1 },
        Event::Counted { mailbox: mailbox(), summary, arrived: Arc::clone(&arrived) },
        Event::LampShown { mailbox: mailbox(), summary, version: 1, arrived },
    ]
}

#[test]
fn the_path_of_a_message_is_counted_and_timed() {
    let book = counted(path_of(MessageId::random()));
    let wanted: [(&str, &[f64]); 10] = [
        ("voicemail_messages_kept_total site=kathmandu", &[1.0, 1.0]),
        ("voicemail_recording_seconds", &[30.0]),
        ("voicemail_keep_seconds", &[1.0]),
        ("voicemail_queue_seconds", &[2.0]),
        ("voicemail_send_seconds", &[1.0]),
        ("voicemail_messages_stored_total origin=peer", &[1.0]),
        ("voicemail_messages_forwarded_total destination=central,transport_security=TLS 1.3", &[1.0]),
        ("voicemail_forward_seconds", &[5.0]),
        ("voicemail_lamps_shown_total", &[1.0]),
        ("voicemail_lamp_seconds", &[3.0]),
    ];
    for (line, values) in wanted {
        assert_eq!(book.values(line), values, "{line} in {book:?}");
    }
    assert_eq!(book.names().len(), wanted.len(), "{book:?}");
}

#[test]
fn each_metric_is_in_the_table_and_nothing_else_is() {
    let source = include_str!("mod.rs");
    let (table, code) = source.split_once("\nmod steps;").unwrap();
    let mut named: Vec<_> = code.split('"').filter(|text| text.starts_with("voicemail_")).collect();
    named.sort_unstable();
    named.dedup();
    let mut listed: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("//! | `")?.split('`').next()).collect();
    listed.sort_unstable();
    assert_eq!(listed, named);
}

#[test]
fn the_spool_is_shown_as_it_is() {
    let oldest = chrono::DateTime::from_timestamp_micros(1_700_000_000_500_000);
    let waiting = SpoolState { depth: 7, oldest, relayed: 3, ..SpoolState::empty("central") };
    let empty = SpoolState { depth: 0, oldest: None, ..waiting.clone() };
    let book = counted([Event::Backlog(waiting), Event::Backlog(empty)]);
    assert_eq!(book.values("voicemail_spool_depth destination=central"), [7.0, 0.0]);
    assert_eq!(book.values("voicemail_spool_oldest_timestamp_seconds destination=central"), [1_700_000_000.5, 0.0]);
}

#[tokio::test]
async fn events_faster_than_they_are_counted_are_counted_as_missed() {
    let (book, events) = (TestRecorder::default(), crate::event::Events::new());
    let listener = events.subscribe();
    for _ in 0..9_000 {
        events.emit(Event::LoginRefused { address: None });
    }
    drop(events);
    // It waits for nothing here, so one poll is all of it.
    let recording = tokio::task::unconstrained(count_events(listener));
    with_local_recorder(&book, || recording.now_or_never()).expect("nobody can tell more");
    let (missed, counted) = (book.values("voicemail_events_missed_total"), book.values("voicemail_logins_refused_total"));
    assert!(!missed.is_empty() && !counted.is_empty());
    let all: f64 = missed.iter().chain(&counted).sum();
    assert!((8_999.5..9_000.5).contains(&all), "{all}");
}
