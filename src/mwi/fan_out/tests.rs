//! Several sinks behind one.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::*;
use crate::message::Summary;

/// A sink that gives these answers to its calls, the last one again and again, and keeps the states that it has shown.
#[derive(Debug, Clone)]
struct TestSink {
    answers: &'static [Answer],
    calls: Arc<AtomicUsize>,
    shown: Arc<Lock<Vec<(Duration, u64)>>>,
    start: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Show,
    Fail,
    Refuse,
    HangFor(Duration),
    Panic,
}

impl TestSink {
    fn new(answers: &'static [Answer]) -> Self {
        Self { answers, calls: Arc::default(), shown: Arc::default(), start: Instant::now() }
    }

    fn versions(&self) -> Vec<u64> {
        self.shown.lock().iter().map(|(_, version)| *version).collect()
    }
}

#[async_trait]
impl MwiSink for TestSink {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.answers[call.min(self.answers.len() - 1)] {
            Answer::Show => {}
            Answer::Fail => return Err(MwiError::Unavailable("the telephone is off".into())),
            Answer::Refuse => return Err(MwiError::Refused("not here".into())),
            Answer::HangFor(time) => tokio::time::sleep(time).await,
            Answer::Panic => panic!("a fault of the sink"),
        }
        self.shown.lock().push((self.start.elapsed(), state.version));
        Ok(())
    }
}

const HOUR: Duration = Duration::from_secs(3600);

fn state(mailbox: &str, version: u64) -> MwiState {
    MwiState::new(mailbox.parse().unwrap(), Summary::new(1, 0), version)
}

/// Runs the sink while `calls` runs.
async fn while_running<T>(sink: &FanOutSink, calls: impl Future<Output = T>) -> T {
    tokio::select! {
        () = sink.run() => unreachable!("it never ends"),
        done = calls => done,
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_for_an_hour_delays_no_other() {
    let (dead, live) = (TestSink::new(&[Answer::HangFor(HOUR)]), TestSink::new(&[Answer::Show]));
    let sink = FanOutSink::new().with(dead.clone()).with(live.clone());
    while_running(&sink, async {
        for second in 0..3600 {
            let before = Instant::now();
            sink.show(&state(&format!("{}", 2000 + second % 100), second)).await.unwrap();
            let waited = before.elapsed();
            assert!(waited <= if second == 0 { PATIENCE } else { Duration::ZERO }, "{waited:?} at {second} s");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    assert_eq!(live.versions(), (0..3600).collect::<Vec<u64>>());
    assert_eq!(dead.versions(), []);
}

#[tokio::test(start_paused = true)]
async fn a_failed_sink_gets_the_newest_state_only() {
    let (failing, live) = (TestSink::new(&[Answer::Fail, Answer::Fail, Answer::Show]), TestSink::new(&[Answer::Show]));
    let backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(60)).unwrap();
    let sink = FanOutSink::new().with(failing.clone()).with(live.clone()).retry(backoff);
    while_running(&sink, async {
        for version in [1, 2, 3, 2] {
            sink.show(&state("2041", version)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(100)).await;
    })
    .await;
    assert_eq!(live.versions(), [1, 2, 3, 2], "each sink orders states by itself");
    assert_eq!(*failing.shown.lock(), [(Duration::from_secs(30), 3)], "after the waits of 10 and 20 seconds");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_answers_again_is_waited_for_again() {
    const ANSWERS: &[Answer] = &[Answer::HangFor(Duration::from_secs(5)), Answer::HangFor(Duration::from_secs(1))];
    let slow = TestSink::new(ANSWERS);
    let sink = FanOutSink::new().with(slow.clone()).with(crate::mwi::LogSink);
    while_running(&sink, async {
        sink.show(&state("2041", 1)).await.unwrap();
        assert_eq!(slow.versions(), [], "it is slow");
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(slow.versions(), [1]);
        sink.show(&state("2041", 2)).await.unwrap();
        assert_eq!(slow.versions(), [1, 2]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_no_sink_shows_is_an_error() {
    for (answers, transient) in
        [(&[Answer::Fail][..], true), (&[Answer::Panic], true), (&[Answer::HangFor(HOUR)], true), (&[Answer::Refuse], false)]
    {
        let sink = FanOutSink::new().with(TestSink::new(answers)).with(TestSink::new(&[Answer::Refuse]));
        let error = while_running(&sink, sink.show(&state("2041", 1))).await.unwrap_err();
        assert_eq!(error.is_transient(), transient, "{answers:?}: {error:?}");
    }
    let none = FanOutSink::new();
    assert!(matches!(none.show(&state("2041", 1)).await, Err(MwiError::NoSuchMailbox(_))));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_run_is_continued_by_the_next() {
    let hanging = TestSink::new(&[Answer::HangFor(HOUR), Answer::Show]);
    let sink = FanOutSink::new().with(hanging.clone());
    assert!(while_running(&sink, sink.show(&state("2041", 1))).await.is_err(), "its attempt was dropped");
    while_running(&sink, tokio::time::sleep(Duration::from_secs(1))).await;
    assert_eq!(hanging.versions(), [1]);
}

#[cfg(feature = "memory")]
#[tokio::test]
async fn a_loss_of_any_sink_is_reported() {
    use crate::directory::StaticDirectory;
    use crate::mwi::MwiRouter;

    let router = Arc::new(MwiRouter::new(StaticDirectory::default(), "london".parse().unwrap(), None));
    let sink = FanOutSink::new().with(TestSink::new(&[Answer::Show])).with(Arc::clone(&router));
    assert!(sink.lost().now_or_never().is_none());
    router.connect("berlin".parse().unwrap(), TestSink::new(&[Answer::Show]));
    sink.lost().await;
    assert!(sink.lost().now_or_never().is_none(), "it is reported once");
}

#[cfg(feature = "memory")]
#[tokio::test]
async fn keeps_the_contract() {
    crate::conformance::mwi::run_all(|| {
        let (channel, mut states) = crate::mwi::ChannelSink::new(8);
        let sink = Arc::new(FanOutSink::new().with(channel).with(crate::mwi::LogSink));
        let running = Arc::clone(&sink);
        tokio::spawn(async move { running.run().await });
        let mut last = None;
        let look = move || {
            while let Ok(state) = states.try_recv() {
                last = Some(state.summary);
            }
            std::future::ready(last)
        };
        (sink, look)
    })
    .await;
}
