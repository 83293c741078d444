//! A leg with a call whose other end is the test, in simulated time.

use std::sync::{Arc, Mutex};

use rvoip_sip::SessionId;
use tokio::sync::mpsc;
use tokio::time::advance;
use voicemail::call::PlaybackId;

use super::*;

/// A use that the leg made of its call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Did {
    Answered,
    Rejected(u16),
    /// A frame that begins with this sample was sent, so many milliseconds after the beginning, with this RTP timestamp.
    Sent(i16, u64, u32),
    Flushed,
    HungUp,
    Transferred(String),
}

struct TestCall {
    heard: mpsc::UnboundedReceiver<CallEvent>,
    did: Arc<Mutex<Vec<Did>>>,
    began: Instant,
}

impl TestCall {
    fn did(&self, what: Did) {
        self.did.lock().unwrap().push(what);
    }
}

#[async_trait]
impl SipCall for TestCall {
    async fn accept(&mut self) -> Result<(), SessionError> {
        self.did(Did::Answered);
        if self.heard.is_closed() { Err(SessionError::Timeout("cancelled".to_owned())) } else { Ok(()) }
    }

    fn reject(&mut self, status: u16, _reason: &str) {
        self.did(Did::Rejected(status));
    }

    async fn next(&mut self) -> Option<CallEvent> {
        self.heard.recv().await
    }

    fn send(&mut self, frame: AudioFrame) {
        assert_eq!((frame.samples.len(), frame.sample_rate, frame.channels), (160, 8000, 1));
        let millis = self.began.elapsed().as_millis().try_into().unwrap();
        self.did(Did::Sent(frame.samples[0], millis, frame.timestamp));
    }

    fn flush(&mut self) {
        self.did(Did::Flushed);
    }

    async fn hang_up(&mut self) -> Result<(), SessionError> {
        self.did(Did::HungUp);
        std::future::pending().await
    }

    async fn transfer(&mut self, uri: &str) -> Result<TransferOutcome, SessionError> {
        self.did(Did::Transferred(uri.to_owned()));
        let call_id = SessionId::new();
        match uri {
            "sip:404@pbx.example" => Ok(TransferOutcome::Failed { call_id, status_code: 404, reason: "Not Found".to_owned() }),
            "sip:500@pbx.example" => Err(SessionError::Timeout("no answer".to_owned())),
            _ => {
                let (target, reason) = (uri.to_owned(), "OK".to_owned());
                Ok(TransferOutcome::ReferCompleted { call_id, target, status_code: 200, reason })
            }
        }
    }
}

/// A leg, the sender of what its other end does, and the uses that the leg made of its call.
fn leg() -> (RvoipLeg<TestCall>, mpsc::UnboundedSender<CallEvent>, Arc<Mutex<Vec<Did>>>) {
    let (other_end, heard) = mpsc::unbounded_channel();
    let did = Arc::<Mutex<Vec<Did>>>::default();
    let call = TestCall { heard, did: Arc::clone(&did), began: Instant::now() };
    (RvoipLeg::new(call, "pbx.example"), other_end, did)
}

fn playback(id: u64, first: i16, frames: i16) -> Playback {
    Playback::new(PlaybackId::new(id), Vec::new(), (first..first + frames).map(|sample| vec![sample; 160]))
}

fn sent(did: &Mutex<Vec<Did>>) -> Vec<(i16, u64, u32)> {
    let did = did.lock().unwrap();
    did.iter()
        .filter_map(|did| if let Did::Sent(sample, at, timestamp) = did { Some((*sample, *at, *timestamp)) } else { None })
        .collect()
}

fn frame(sample: i16, timestamp: u32) -> CallEvent {
    CallEvent::Frame(AudioFrame::new(vec![sample; 2], 8000, 1, timestamp))
}

fn key(c: char) -> CallEvent {
    CallEvent::Key(Digit::from_char(c).unwrap())
}

/// Waits for the next event, as text: the digit, the sound, or the debug form.
async fn next(leg: &mut RvoipLeg<TestCall>) -> String {
    match leg.next().await {
        LegEvent::Digit(digit) => digit.to_char().to_string(),
        LegEvent::Payload { payload, timestamp, source } => format!("{payload:?} at {timestamp} from {source}"),
        event => format!("{event:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn sound_keys_and_hold_come_in_their_order() {
    let (mut leg, other_end, _did) = leg();
    leg.listen(true);
    for heard in [frame(0x0102, 160), key('5'), frame(-2, 320), CallEvent::Held(true), CallEvent::Held(false), key('#')] {
        other_end.send(heard).ok().unwrap();
    }
    drop(other_end);
    assert_eq!(next(&mut leg).await, r#"b"\x01\x02\x01\x02" at 160 from 0"#);
    assert_eq!(next(&mut leg).await, "5");
    assert_eq!(next(&mut leg).await, r#"b"\xff\xfe\xff\xfe" at 320 from 0"#);
    assert_eq!(next(&mut leg).await, "Held(true)");
    assert_eq!(next(&mut leg).await, "Held(false)");
    assert_eq!(next(&mut leg).await, "#");
    assert_eq!(next(&mut leg).await, "HungUp");
}

#[tokio::test(start_paused = true)]
async fn sound_is_reported_only_while_it_is_wanted() {
    let (mut leg, other_end, _did) = leg();
    let wideband = CallEvent::Frame(AudioFrame::new(vec![7; 320], 16_000, 1, 0));
    for heard in [frame(1, 160), key('1')] {
        other_end.send(heard).ok().unwrap();
    }
    assert_eq!(next(&mut leg).await, "1", "not yet");
    leg.listen(true);
    for heard in [wideband, CallEvent::Held(true), frame(2, 320), CallEvent::Held(false), frame(3, 480)] {
        other_end.send(heard).ok().unwrap();
    }
    assert_eq!(next(&mut leg).await, "Held(true)", "not in another format");
    assert_eq!(next(&mut leg).await, "Held(false)", "not on hold");
    assert_eq!(next(&mut leg).await, r#"b"\0\x03\0\x03" at 480 from 0"#);
    leg.listen(false);
    for heard in [frame(4, 640), key('2')] {
        other_end.send(heard).ok().unwrap();
    }
    assert_eq!(next(&mut leg).await, "2", "no more");
}

#[tokio::test(start_paused = true)]
async fn a_frame_is_sent_each_20_ms_and_the_end_is_reported() {
    let (mut leg, _other_end, did) = leg();
    advance(Duration::from_millis(100)).await;
    leg.play(playback(7, 1, 3));
    assert_eq!(next(&mut leg).await, "Ended(PlaybackId(7))");
    assert_eq!(sent(&did), [(1, 100, 800), (2, 120, 960), (3, 140, 1120)]);
    assert!(timeout(Duration::from_secs(1), leg.next()).await.is_err(), "one end");
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_is_asked_late_sends_no_burst() {
    let (mut leg, _other_end, did) = leg();
    leg.play(playback(7, 1, 3));
    assert!(timeout(Duration::from_millis(10), leg.next()).await.is_err());
    advance(Duration::from_millis(190)).await;
    assert_eq!(next(&mut leg).await, "Ended(PlaybackId(7))");
    assert_eq!(sent(&did), [(1, 0, 0), (2, 200, 160), (3, 220, 1760)]);
}

#[tokio::test(start_paused = true)]
async fn a_playback_that_is_replaced_or_stopped_has_no_end() {
    let (mut leg, other_end, did) = leg();
    leg.play(playback(1, 10, 50));
    assert!(timeout(Duration::from_millis(30), leg.next()).await.is_err());
    leg.play(playback(2, 20, 2));
    assert_eq!(next(&mut leg).await, "Ended(PlaybackId(2))");
    leg.play(playback(3, 30, 50));
    other_end.send(key('1')).ok().unwrap();
    while next(&mut leg).await != "1" {}
    leg.stop();
    assert!(timeout(Duration::from_secs(5), leg.next()).await.is_err());
    let samples: Vec<_> = sent(&did).into_iter().map(|(sample, ..)| sample).collect();
    assert!(samples.starts_with(&[10, 11, 20, 21]), "{samples:?}");
    assert!(samples.iter().filter(|sample| **sample >= 30).count() <= 1, "{samples:?}");
    assert_eq!(did.lock().unwrap().last(), Some(&Did::Flushed), "what is queued is thrown away");
}

#[tokio::test(start_paused = true)]
async fn a_playback_pauses_while_the_call_is_on_hold() {
    let (mut leg, other_end, did) = leg();
    leg.play(playback(1, 1, 3));
    assert!(timeout(Duration::from_millis(30), leg.next()).await.is_err());
    other_end.send(CallEvent::Held(true)).ok().unwrap();
    assert_eq!(next(&mut leg).await, "Held(true)");
    assert!(timeout(Duration::from_secs(5), leg.next()).await.is_err());
    assert_eq!(sent(&did).len(), 2);
    other_end.send(CallEvent::Held(false)).ok().unwrap();
    assert_eq!(next(&mut leg).await, "Held(false)");
    assert_eq!(next(&mut leg).await, "Ended(PlaybackId(1))");
    assert_eq!(sent(&did).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_has_lost_nothing() {
    let (mut leg, other_end, did) = leg();
    leg.play(playback(1, 0, 50));
    tokio::spawn(async move {
        for c in "0123456789*#".chars() {
            other_end.send(key(c)).ok().unwrap();
            tokio::time::sleep(Duration::from_millis(70)).await;
        }
        std::future::pending::<()>().await;
    });
    let mut events = String::new();
    while !events.ends_with("Ended(PlaybackId(1))") {
        if let Ok(event) = timeout(Duration::from_millis(3), next(&mut leg)).await {
            events.push_str(&event);
        }
    }
    assert_eq!(events, "0123456789*#Ended(PlaybackId(1))");
    let expected: Vec<_> = (0..50_u8).map(|n| (n.into(), u64::from(n) * 20, u32::from(n) * 160)).collect();
    assert_eq!(sent(&did), expected);
}

#[tokio::test(start_paused = true)]
async fn after_the_other_end_has_hung_up_nothing_has_an_effect() {
    let (mut leg, other_end, did) = leg();
    leg.play(playback(1, 1, 50));
    drop(other_end);
    while next(&mut leg).await != "HungUp" {}
    let before = did.lock().unwrap().len();
    leg.play(playback(2, 1, 3));
    assert_eq!(next(&mut leg).await, "HungUp");
    leg.hang_up().await;
    assert!(matches!(leg.transfer(&"0".parse().unwrap()).await, Err(TransferError::NotConnected)));
    let did = did.lock().unwrap();
    assert!(did[before..].iter().all(|did| *did == Did::Flushed), "{did:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_that_hangs_is_given_up() {
    let (mut leg, other_end, did) = leg();
    leg.play(playback(1, 1, 50));
    other_end.send(key('1')).ok().unwrap();
    leg.hang_up().await;
    assert_eq!(next(&mut leg).await, "HungUp");
    leg.hang_up().await;
    assert_eq!(did.lock().unwrap().iter().filter(|did| **did == Did::HungUp).count(), 1);
    assert!(sent(&did).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_or_refused_with_its_status() {
    let (mut answered, other_end, did) = leg();
    assert_eq!(answered.answer().await, Ok(()));
    drop((answered, other_end));
    assert_eq!(*did.lock().unwrap(), [Did::Answered]);
    let (mut cancelled, other_end, _did) = leg();
    drop(other_end);
    assert_eq!(cancelled.answer().await, Err(LegClosed));
    let (mut refused, _other_end, did) = leg();
    refused.refuse(CallRefusal::Busy).await;
    assert_eq!(*did.lock().unwrap(), [Did::Rejected(486)]);
    assert_eq!(next(&mut refused).await, "HungUp");
}

#[tokio::test(start_paused = true)]
async fn numbers_and_uris_are_transferred_to_and_a_failure_is_told() {
    let (mut leg, _other_end, did) = leg();
    let target = |text: &str| text.parse::<TransferTarget>().unwrap();
    assert!(leg.transfer(&target("0")).await.is_ok());
    assert!(leg.transfer(&target("sips:desk@example.net;transport=tcp")).await.is_ok());
    assert!(matches!(leg.transfer(&target("404")).await, Err(TransferError::NotConnected)));
    assert!(matches!(leg.transfer(&target("500")).await, Err(TransferError::Failed(_))));
    let uris = ["sip:0@pbx.example", "sips:desk@example.net;transport=tcp", "sip:404@pbx.example", "sip:500@pbx.example"];
    assert_eq!(*did.lock().unwrap(), uris.map(|uri| Did::Transferred(uri.to_owned())));
}
