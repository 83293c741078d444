//! Callers whose telephones send sound that makes no sense: the call ends in time, and what makes sense is kept.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;
use voicemail::audio::Format;
use voicemail::call::{
    CallEnd, CallEndReason, CallLeg, CallRefusal, CallScript, CallTranscript, IncomingCall, LegClosed, LegEvent, Playback,
    ScriptedLeg,
};

use super::support::random::{Random, new_seed};
use super::support::{mailbox, site};
use super::{CentralSite, SECOND, is_menu, is_tone};

/// The payload, timestamp and source of a packet.
type Sound = (Bytes, u32, u32);

/// A leg whose other end sends other packets of sound in place of each one.
struct Mangled<F> {
    leg: ScriptedLeg,
    mangle: F,
    events: VecDeque<LegEvent>,
}

#[async_trait]
impl<F: FnMut(Sound) -> Vec<Sound> + Send> CallLeg for Mangled<F> {
    fn format(&self) -> Format {
        self.leg.format()
    }

    async fn answer(&mut self) -> Result<(), LegClosed> {
        self.leg.answer().await
    }

    async fn refuse(&mut self, refusal: CallRefusal) {
        self.leg.refuse(refusal).await;
    }

    async fn next(&mut self) -> LegEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            match self.leg.next().await {
                LegEvent::Payload { payload, timestamp, source } => {
                    let sounds = (self.mangle)((payload, timestamp, source)).into_iter();
                    self.events.extend(sounds.map(|(payload, timestamp, source)| LegEvent::Payload {
                        payload,
                        timestamp,
                        source,
                    }));
                }
                other => return other,
            }
        }
    }

    fn play(&mut self, playback: Playback) {
        self.leg.play(playback);
    }

    fn stop(&mut self) {
        self.leg.stop();
    }

    fn listen(&mut self, on: bool) {
        self.leg.listen(on);
    }

    async fn hang_up(&mut self) {
        self.leg.hang_up().await;
    }
}

async fn call(
    central: &CentralSite,
    script: CallScript,
    mangle: impl FnMut(Sound) -> Vec<Sound> + Send,
) -> (CallEnd, CallTranscript) {
    let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
    let leg = Mangled { leg, mangle, events: VecDeque::new() };
    let end = central.calls.answer_caller(&site("london"), leg, IncomingCall::to(mailbox("2001"))).await;
    assert_eq!(central.ports_in_use(), 0);
    (end, transcript)
}

#[tokio::test(start_paused = true)]
async fn a_jump_of_the_timestamps_is_no_silence_of_the_speaker() {
    let central = CentralSite::open().await;
    for first in 200..230 {
        let mut packets = 0;
        let jump = |(payload, timestamp, source): Sound| {
            packets += 1;
            let jumped = if packets > first { 20 * 8000 } else { 0 };
            vec![(payload, timestamp.wrapping_add(jumped), source)]
        };
        let script = CallScript::new().until_ended(is_tone).speak(SECOND * 6).hang_up();
        let (end, transcript) = call(&central, script, jump).await;
        assert!(!transcript.prompts().iter().any(is_menu), "after {first} packets: the recording goes on");
        assert_eq!(end.message.unwrap().length, SECOND * 26, "after {first} packets: they may have been lost for so long");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_stands_ends_the_recording_in_time() {
    let central = CentralSite::open().await;
    let before = Instant::now();
    let standing = |(payload, _, source)| vec![(payload, 7, source)];
    let (end, _) = call(&central, CallScript::new().until_ended(is_tone).speak(SECOND * 7200), standing).await;
    assert!(before.elapsed() < SECOND * 1000, "{:?}, {end:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_changes_with_each_packet_loses_nothing() {
    let central = CentralSite::open().await;
    let mut nth = 0;
    let changing = |(payload, timestamp, _): Sound| {
        nth += 1;
        vec![(payload, timestamp.wrapping_mul(nth), nth % 2)]
    };
    let (end, _) = call(&central, CallScript::new().until_ended(is_tone).speak(SECOND * 4).hang_up(), changing).await;
    assert_eq!(end.message.unwrap().length, SECOND * 4);
}

#[tokio::test(start_paused = true)]
async fn packets_without_sense_end_in_time_and_in_bounds() {
    let seed = new_seed();
    let mut random = Random::with_seed(seed);
    for round in 0..8 {
        let central = CentralSite::open().await;
        let mangle = |(payload, timestamp, source): Sound| {
            let packets = random.below(4);
            let mangled = (0..packets).map(|_| {
                let len = usize::try_from(random.below(3000)).unwrap();
                let payload = if random.below(2) == 0 { payload.clone() } else { Bytes::from(vec![0x55; len]) };
                let most = [1 << 8, 1 << 18, 1 << 32][usize::try_from(random.below(3)).unwrap()];
                let jump = u32::try_from(random.below(most)).unwrap();
                (payload, timestamp.wrapping_add(jump), source ^ u32::try_from(random.below(2)).unwrap())
            });
            mangled.collect()
        };
        let before = Instant::now();
        let (end, _) = call(&central, CallScript::new().until_ended(is_tone).speak(SECOND * 600), mangle).await;
        let at = format!("seed {seed}, round {round}: {end:?}");
        assert!(end.message.is_none_or(|kept| kept.length <= SECOND * 300), "{at}");
        assert!(before.elapsed() < SECOND * 400 && end.reason == CallEndReason::Over, "{at}");
    }
}
