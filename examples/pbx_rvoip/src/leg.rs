//! [`RvoipLeg`]: a call of rvoip as a leg.

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use rvoip_sip::{AudioFrame, SessionError, TransferOutcome};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use voicemail::audio::{Codec, Format, encode};
use voicemail::call::{CallLeg, CallRefusal, LegClosed, LegEvent, Playback, TransferError, TransferTarget};
use voicemail::telephone::Digit;

/// One call of rvoip, as far as a leg uses it. [`RvoipCall`](crate::RvoipCall) is the real one; a test has its own.
#[async_trait]
pub trait SipCall: Send {
    /// Answers the call with 200.
    async fn accept(&mut self) -> Result<(), SessionError>;
    /// Refuses the call.
    fn reject(&mut self, status: u16, reason: &str);
    /// Waits for sound, a key or a hold; `None` when the call has ended. A dropped wait has lost nothing.
    async fn next(&mut self) -> Option<CallEvent>;
    /// Sends a frame; never waits.
    fn send(&mut self, frame: AudioFrame);
    /// Throws away the frames that were not sent yet.
    fn flush(&mut self);
    /// Ends the call.
    async fn hang_up(&mut self) -> Result<(), SessionError>;
    /// Connects the other end to a SIP URI, and waits for the outcome.
    async fn transfer(&mut self, uri: &str) -> Result<TransferOutcome, SessionError>;
}

/// An event of a call.
#[derive(Clone)]
pub enum CallEvent {
    /// A frame of sound, with the RTP timestamp of its packet.
    Frame(AudioFrame),
    /// A key was pressed.
    Key(Digit),
    /// The other end has put the call on hold, or taken it back.
    Held(bool),
}

/// A call of rvoip as a leg of voicemail. Its sound is G.711, which is all that a `Config` offers by default.
pub struct RvoipLeg<C> {
    call: C,
    domain: String,
    playing: Option<Playback>,
    due: Interval,
    began: Instant,
    listening: bool,
    held: bool,
    ended: bool,
}

impl<C: SipCall> RvoipLeg<C> {
    /// Returns the leg of `call`. Numbers to which it is transferred are users of `domain`.
    pub fn new(call: C, domain: impl Into<String>) -> Self {
        let mut due = interval(FRAME);
        // A queue of 9 frames, which ends the sound for good when it is full, allows no burst after a late tick.
        due.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (listening, held, ended) = (false, false, false);
        Self { call, domain: domain.into(), playing: None, due, began: Instant::now(), listening, held, ended }
    }

    /// Sends the frame that is due at `due`, or reports the end of the playback.
    fn send_frame(&mut self, due: Instant) -> Option<LegEvent> {
        let Some(samples) = self.playing.as_mut()?.next() else {
            return self.playing.take().map(|playback| LegEvent::Ended(playback.id()));
        };
        let millis = due.saturating_duration_since(self.began).as_millis();
        let timestamp = u32::try_from(millis * u128::from(RATE / 1000) % (1 << 32)).unwrap_or(0);
        self.call.send(AudioFrame::new(samples, RATE, 1, timestamp));
        None
    }

    fn handle(&mut self, heard: Option<CallEvent>) -> Option<LegEvent> {
        match heard {
            Some(CallEvent::Frame(frame)) => (self.listening && !self.held && is_telephone(&frame)).then(|| {
                // As payload with its timestamp, a late frame is put in its place and a lost one is silence.
                let payload = encode(Codec::L16, &frame.samples);
                LegEvent::Payload { payload, timestamp: frame.timestamp, source: 0 }
            }),
            Some(CallEvent::Key(digit)) => Some(LegEvent::Digit(digit)),
            Some(CallEvent::Held(held)) => {
                self.held = held;
                self.due.reset();
                Some(LegEvent::Held(held))
            }
            None => {
                (self.ended, self.playing) = (true, None);
                Some(LegEvent::HungUp)
            }
        }
    }
}

#[async_trait]
impl<C: SipCall> CallLeg for RvoipLeg<C> {
    fn format(&self) -> Format {
        Format::TELEPHONE_L16
    }

    async fn answer(&mut self) -> Result<(), LegClosed> {
        self.call.accept().await.map_err(|_| LegClosed)
    }

    async fn refuse(&mut self, refusal: CallRefusal) {
        self.call.reject(refusal.status_code(), refusal.reason());
        self.ended = true;
    }

    async fn next(&mut self) -> LegEvent {
        loop {
            if self.ended {
                return LegEvent::HungUp;
            }
            let plays = self.playing.is_some() && !self.held;
            let event = tokio::select! {
                due = self.due.tick(), if plays => self.send_frame(due),
                heard = self.call.next() => self.handle(heard),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    fn play(&mut self, playback: Playback) {
        if self.ended {
            return;
        }
        self.call.flush();
        if self.playing.replace(playback).is_none() {
            self.due.reset_immediately();
        }
    }

    fn stop(&mut self) {
        self.playing = None;
        self.call.flush();
    }

    fn listen(&mut self, on: bool) {
        self.listening = on;
    }

    async fn hang_up(&mut self) {
        self.stop();
        if !std::mem::replace(&mut self.ended, true) {
            let _ = timeout(LONGEST_HANG_UP, self.call.hang_up()).await;
        }
    }

    async fn transfer(&mut self, to: &TransferTarget) -> Result<(), TransferError> {
        if self.ended {
            return Err(TransferError::NotConnected);
        }
        let target = to.as_str();
        let uri = if target.starts_with("sip:") || target.starts_with("sips:") {
            target.to_owned()
        } else {
            format!("sip:{target}@{}", self.domain)
        };
        match self.call.transfer(&uri).await {
            Ok(TransferOutcome::Failed { .. }) => Err(TransferError::NotConnected),
            Ok(_) => Ok(()),
            Err(error) => Err(TransferError::Failed(Box::new(error))),
        }
    }
}

/// Returns whether a frame has the format of the leg. Another one would be recorded at the wrong speed.
fn is_telephone(frame: &AudioFrame) -> bool {
    (frame.sample_rate, frame.channels) == (RATE, 1)
}

const RATE: u32 = 8000;
const FRAME: Duration = Duration::from_millis(20);
const LONGEST_HANG_UP: Duration = Duration::from_secs(3);
