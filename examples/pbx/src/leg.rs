//! [`RtpLeg`]: the leg of a call, for the driver.

use async_trait::async_trait;
use voicemail::audio::Format;
use voicemail::call::{CallLeg, CallRefusal, LegClosed, LegEvent, Playback, RtpMedia, TransferError, TransferTarget};

use crate::signalling::{Agreed, Call, Signal};

/// A call with its sound.
pub struct RtpLeg {
    call: Call,
    media: RtpMedia,
    held: bool,
}

impl RtpLeg {
    /// The leg of `call`, whose sound is `media`.
    pub fn new(call: Call, media: RtpMedia) -> Self {
        let mut leg = Self { call, media, held: false };
        leg.agree(leg.call.agreed);
        leg
    }

    /// Applies what the SDP says; returns whether the call is on hold, if that has changed.
    fn agree(&mut self, agreed: Agreed) -> Option<LegEvent> {
        agreed.remote.into_iter().for_each(|remote| self.media.send_to(remote));
        self.media.max_packet(agreed.max_packet);
        self.media.hold(agreed.held);
        let changed = std::mem::replace(&mut self.held, agreed.held) != agreed.held;
        changed.then_some(LegEvent::Held(agreed.held))
    }
}

#[async_trait]
impl CallLeg for RtpLeg {
    fn format(&self) -> Format {
        self.media.format()
    }

    async fn answer(&mut self) -> Result<(), LegClosed> {
        self.call.answer()
    }

    async fn refuse(&mut self, refusal: CallRefusal) {
        self.call.refuse(refusal);
    }

    async fn next(&mut self) -> LegEvent {
        loop {
            let event = tokio::select! {
                event = self.media.next(), if !self.call.has_ended() => Some(event),
                signal = self.call.next() => match signal {
                    // The same key may come as an event, too.
                    Signal::Digit(digit) => self.media.signalled_key(digit).map(LegEvent::Digit),
                    Signal::Agreed(agreed) => self.agree(agreed),
                    Signal::Transferred(_) => None,
                    Signal::HungUp => Some(LegEvent::HungUp),
                },
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    fn play(&mut self, playback: Playback) {
        self.media.play(playback);
    }

    fn stop(&mut self) {
        self.media.stop();
    }

    fn listen(&mut self, on: bool) {
        self.media.listen(on);
    }

    async fn hang_up(&mut self) {
        self.call.hang_up();
    }

    async fn transfer(&mut self, to: &TransferTarget) -> Result<(), TransferError> {
        self.call.transfer(to).await
    }
}
