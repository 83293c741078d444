//! [`RvoipCall`]: a call of rvoip.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use rvoip_sip::{
    AudioFrame, AudioReceiver, AudioSender, CallHandlerDecision, Event, EventReceiver, HeaderName, IncomingCall, IncomingRequest,
    SessionError, SessionHandle, SipHeaderView, TransferOutcome, TransferWaitMode,
};
use tokio::sync::oneshot;
use voicemail::telephone::Digit;

use crate::{CallEvent, SipCall};

/// A call of rvoip: ringing, answered or over. Dropping it ends the call.
pub struct RvoipCall {
    state: State,
    /// Takes what was decided about the call.
    decided: Option<oneshot::Sender<CallHandlerDecision>>,
}

enum State {
    Ringing(Box<IncomingCall>),
    Answered(Box<Answered>),
    Over,
}

struct Answered {
    call: SessionHandle,
    events: EventReceiver,
    sender: AudioSender,
    receiver: AudioReceiver,
    has_sound: bool,
    /// Whether a key has come as an event of RTP. Some telephones send it a second time as INFO.
    has_key_events: bool,
    /// The last key that came as INFO before any event, and when.
    info_key: Option<(Digit, Instant)>,
}

impl RvoipCall {
    /// Returns the call, and a receiver of what is decided about it. The receiver gets nothing if the call is dropped before.
    #[must_use]
    pub fn new(call: IncomingCall) -> (Self, oneshot::Receiver<CallHandlerDecision>) {
        let (decided, decision) = oneshot::channel();
        (Self { state: State::Ringing(Box::new(call)), decided: Some(decided) }, decision)
    }

    fn decide(&mut self, decision: CallHandlerDecision) {
        if let Some(decided) = self.decided.take() {
            let _ = decided.send(decision);
        }
    }
}

#[async_trait]
impl SipCall for RvoipCall {
    async fn accept(&mut self) -> Result<(), SessionError> {
        let State::Ringing(call) = std::mem::replace(&mut self.state, State::Over) else {
            return Err(SessionError::InvalidTransition("the call does not ring".to_owned()));
        };
        let call = call.accept().await?;
        self.decide(CallHandlerDecision::Accept);
        let (events, (sender, receiver)) = (call.events().await?, call.audio().await?.split());
        let answered = Answered { call, events, sender, receiver, has_sound: true, has_key_events: false, info_key: None };
        self.state = State::Answered(Box::new(answered));
        Ok(())
    }

    fn reject(&mut self, status: u16, reason: &str) {
        if let State::Ringing(call) = std::mem::replace(&mut self.state, State::Over) {
            call.reject(status, reason);
            self.decide(CallHandlerDecision::Reject { status, reason: reason.to_owned() });
        }
    }

    async fn next(&mut self) -> Option<CallEvent> {
        let State::Answered(answered) = &mut self.state else { return None };
        let heard = answered.next().await;
        if heard.is_none() {
            self.state = State::Over;
        }
        heard
    }

    fn send(&mut self, frame: AudioFrame) {
        if let State::Answered(answered) = &self.state {
            // A frame that the call does not take now would come too late.
            let _ = answered.sender.try_send_generation(answered.sender.current_generation(), frame);
        }
    }

    fn flush(&mut self) {
        if let State::Answered(answered) = &self.state {
            answered.sender.advance_generation(answered.sender.current_generation() + 1);
        }
    }

    async fn hang_up(&mut self) -> Result<(), SessionError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Answered(answered) => answered.call.hangup().await,
            State::Ringing(_) | State::Over => Ok(()),
        }
    }

    async fn transfer(&mut self, uri: &str) -> Result<TransferOutcome, SessionError> {
        let State::Answered(answered) = &self.state else {
            return Err(SessionError::InvalidTransition("the call is not answered".to_owned()));
        };
        answered.call.transfer_blind_and_wait_for_outcome(uri, TransferWaitMode::NotifyFinal, Some(LONGEST_TRANSFER)).await
    }
}

impl Answered {
    async fn next(&mut self) -> Option<CallEvent> {
        loop {
            // Sound that came before a key is reported before it.
            let event = tokio::select! {
                biased;
                frame = self.receiver.recv(), if self.has_sound => {
                    self.has_sound = frame.is_some();
                    let Some(frame) = frame else { continue };
                    return Some(CallEvent::Frame(frame));
                }
                event = self.events.next() => event?,
            };
            match event {
                Event::DtmfReceived { digit, .. } => {
                    self.has_key_events = true;
                    let digit = Digit::from_char(digit);
                    let repeats = self.info_key.take().is_some_and(|(key, came)| Some(key) == digit && came.elapsed() < REPEATED);
                    if let Some(digit) = digit.filter(|_| !repeats) {
                        return Some(CallEvent::Key(digit));
                    }
                }
                Event::InfoReceived { request, .. } if !self.has_key_events => {
                    if let Some(digit) = key_of_info(&request) {
                        self.info_key = Some((digit, Instant::now()));
                        return Some(CallEvent::Key(digit));
                    }
                }
                Event::RemoteCallOnHold { .. } => return Some(CallEvent::Held(true)),
                Event::RemoteCallResumed { .. } => return Some(CallEvent::Held(false)),
                Event::CallEnded { .. } | Event::CallFailed { .. } | Event::CallCancelled { .. } => return None,
                _ => {}
            }
        }
    }
}

impl Drop for RvoipCall {
    fn drop(&mut self) {
        let State::Answered(answered) = std::mem::replace(&mut self.state, State::Over) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { answered.call.hangup().await });
        }
    }
}

fn key_of_info(request: &IncomingRequest) -> Option<Digit> {
    let line = request.header_str(&HeaderName::ContentType)?;
    let (_name, content_type) = line.split_once(':')?;
    Digit::from_info(content_type, request.raw_request()?.body())
}

/// How long after its INFO the first key may come as an event, too.
const REPEATED: Duration = Duration::from_secs(1);
const LONGEST_TRANSFER: Duration = Duration::from_secs(30);
