//! Tests the contract of [`CallLeg`], as far as it can be seen from the two ends of a call.
//!
//! Every function takes a new leg whose call was not answered yet, and the other end of this call. They wait in the time of the tokio
//! runtime: a leg of a test may have it paused, and the leg of a real telephone needs some seconds.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::call::{CallLeg, LegEvent, Playback, PlaybackId};
use crate::telephone::{Digit, Prompt};

/// The other end of a call: a telephone, or a program in its place.
///
/// Its methods return when it has done what they name; the leg may see it a moment later. They must not wait for the leg, which nobody
/// serves while they run.
#[async_trait]
pub trait OtherEnd: Send {
    /// Presses a key, and releases it.
    async fn press(&mut self, digit: Digit);

    /// Lets the leg hear 100 ms of loud sound.
    async fn speak(&mut self);

    /// Ends the call.
    async fn hang_up(&mut self);

    /// Returns the samples that were heard since the last call of this function.
    async fn heard(&mut self) -> Vec<i16>;
}

/// Runs every test of this module, each on a new call from `make`.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all<L: CallLeg, O: OtherEnd, M: AsyncFnMut() -> (L, O)>(mut make: M) {
    let (leg, other) = make().await;
    nothing_lost(leg, other).await;
    let (leg, other) = make().await;
    each_key_once(leg, other).await;
    let (leg, other) = make().await;
    one_playback(leg, other).await;
    let (leg, other) = make().await;
    silent_at_once(leg, other).await;
    let (leg, other) = make().await;
    only_wanted_sound(leg, other).await;
    let (leg, other) = make().await;
    the_end_stays_the_end(leg, other).await;
}

/// **Nothing lost.** A dropped `next` has lost no event. **In order.** Events are returned in the order in which they happened.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn nothing_lost(mut leg: impl CallLeg, mut other: impl OtherEnd) {
    answer(&mut leg, "nothing lost").await;
    let mut pressed = Vec::new();
    let mut seen = Vec::new();
    for digit in Digit::ALL {
        other.press(digit).await;
        pressed.push(digit);
        // Dropped every few milliseconds.
        for _ in 0..10 {
            if let Ok(LegEvent::Digit(digit)) = timeout(Duration::from_millis(3), leg.next()).await {
                seen.push(digit);
            }
        }
    }
    let until = Instant::now() + SOON;
    while seen.len() < pressed.len() {
        match timeout(Duration::from_millis(3), leg.next()).await {
            Ok(LegEvent::Digit(digit)) => seen.push(digit),
            Ok(LegEvent::HungUp) => panic!("nothing lost: the call has ended"),
            _ => {}
        }
        assert!(Instant::now() < until, "nothing lost: {} of {} keys were reported", seen.len(), pressed.len());
    }
    assert!(seen == pressed, "in order: the keys were reported in another order");
}

/// **Each key once.** A key that is pressed is one event, whether sound is wanted or not.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn each_key_once(mut leg: impl CallLeg, mut other: impl OtherEnd) {
    answer(&mut leg, "each key once").await;
    for wanted in [false, true] {
        leg.listen(wanted);
        other.press(Digit::Five).await;
        let digits =
            events(&mut leg, WHILE).await.into_iter().filter(|event| matches!(event, LegEvent::Digit(Digit::Five))).count();
        assert_eq!(digits, 1, "each key once: one key was reported {digits} times, while sound was wanted: {wanted}");
    }
}

/// **One playback.** The end of a playback is reported once, and never for one that was replaced or stopped.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn one_playback(mut leg: impl CallLeg, mut other: impl OtherEnd) {
    answer(&mut leg, "one playback").await;
    leg.play(playback(1, &leg, Some(10)));
    assert_eq!(ends(&mut leg).await, [1], "one playback: the end of a playback is not reported once");
    assert!(is_loud(&other.heard().await), "one playback: nothing was heard of a playback");
    leg.play(playback(2, &leg, None));
    leg.play(playback(3, &leg, Some(10)));
    assert_eq!(ends(&mut leg).await, [3], "one playback: not just the end of the playback that replaced another one is reported");
    leg.play(playback(4, &leg, Some(10)));
    leg.stop();
    assert_eq!(ends(&mut leg).await, [0; 0], "one playback: the end of a playback that was stopped is reported");
}

/// **Silent at once.** After `stop`, the other end hears nothing more of what was played.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn silent_at_once(mut leg: impl CallLeg, mut other: impl OtherEnd) {
    answer(&mut leg, "silent at once").await;
    leg.play(playback(1, &leg, None));
    events(&mut leg, WHILE).await;
    leg.stop();
    // Let sound arrive that was on its way.
    events(&mut leg, ON_ITS_WAY).await;
    other.heard().await;
    events(&mut leg, WHILE).await;
    assert!(!is_loud(&other.heard().await), "silent at once: something is heard after `stop`");
}

/// **Only wanted sound.** Sound is reported only between `listen(true)` and `listen(false)`.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn only_wanted_sound(mut leg: impl CallLeg, mut other: impl OtherEnd) {
    answer(&mut leg, "only wanted sound").await;
    other.speak().await;
    assert_eq!(sounds(&mut leg).await, 0, "only wanted sound: sound is reported before `listen`");
    leg.listen(true);
    other.speak().await;
    if leg.hears_live() {
        assert_ne!(sounds(&mut leg).await, 0, "only wanted sound: wanted sound is not reported");
        leg.listen(false);
        events(&mut leg, ON_ITS_WAY).await;
        other.speak().await;
        assert_eq!(sounds(&mut leg).await, 0, "only wanted sound: sound is reported after `listen(false)`");
    } else {
        leg.listen(false);
        assert_eq!(sounds(&mut leg).await, 1, "only wanted sound: the recording is not reported once");
    }
}

/// **The end stays the end.** After the call has ended, each call of `next` returns `HungUp` at once, and all else has no effect.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn the_end_stays_the_end(mut leg: impl CallLeg, mut other: impl OtherEnd) {
    answer(&mut leg, "the end stays the end").await;
    other.hang_up().await;
    let until = Instant::now() + SOON;
    while !matches!(timeout_at(until, leg.next()).await, Ok(LegEvent::HungUp)) {
        assert!(Instant::now() < until, "the end stays the end: a hang-up is not reported");
    }
    leg.play(playback(1, &leg, Some(1)));
    leg.stop();
    leg.listen(true);
    leg.hang_up().await;
    for _ in 0..3 {
        let next = timeout(AT_ONCE, leg.next()).await;
        assert!(matches!(next, Ok(LegEvent::HungUp)), "the end stays the end: `next` returns something else afterwards");
    }
}

async fn answer(leg: &mut impl CallLeg, sentence: &str) {
    assert!(leg.answer().await.is_ok(), "{sentence}: the call cannot be answered");
}

/// Returns a loud playback of so many frames, or one without an end.
fn playback(id: u64, leg: &impl CallLeg, frames: Option<usize>) -> Playback {
    let samples = usize::try_from(leg.format().rate / FRAMES_A_SECOND).unwrap_or(0);
    // Half a period of 8 samples is a tone of 500 Hz at 8 kHz.
    let frame: Vec<i16> = (0..samples).map(|at| if at / 8 % 2 == 0 { LOUD } else { -LOUD }).collect();
    Playback::new(PlaybackId::new(id), vec![Prompt::Tone], std::iter::repeat_n(frame, frames.unwrap_or(usize::MAX)))
}

/// Returns the events within a time.
async fn events(leg: &mut impl CallLeg, time: Duration) -> Vec<LegEvent> {
    let until = Instant::now() + time;
    let mut events = Vec::new();
    while let Ok(event) = timeout_at(until, leg.next()).await {
        if matches!(event, LegEvent::HungUp) {
            sleep(Duration::from_millis(1)).await;
        }
        events.push(event);
    }
    events
}

/// Returns the numbers of the playbacks whose ends are reported within some time.
async fn ends(leg: &mut impl CallLeg) -> Vec<u64> {
    let ended = |event| if let LegEvent::Ended(id) = event { Some(id.get()) } else { None };
    events(leg, WHILE).await.into_iter().filter_map(ended).collect()
}

/// Counts the sounds that are reported within some time.
async fn sounds(leg: &mut impl CallLeg) -> usize {
    let is_sound = |event: &LegEvent| matches!(event, LegEvent::Payload { .. } | LegEvent::Samples(_) | LegEvent::Wav(_));
    events(leg, WHILE).await.iter().filter(|event| is_sound(event)).count()
}

fn is_loud(samples: &[i16]) -> bool {
    samples.iter().any(|sample| sample.unsigned_abs() > LOUD.unsigned_abs() / 2)
}

const LOUD: i16 = 8000;
const FRAMES_A_SECOND: u32 = 50;
/// How long the suite looks: longer than ten frames, and than a telephone takes for a key.
const WHILE: Duration = Duration::from_millis(700);
/// How long sound may be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(200);
const AT_ONCE: Duration = Duration::from_millis(200);
const SOON: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Format;
    use crate::call::{CallScript, CallTranscript, RemoteEnd, ScriptedLeg, speech};

    struct Remote {
        end: RemoteEnd,
        transcript: CallTranscript,
        heard: usize,
    }

    #[async_trait]
    impl OtherEnd for Remote {
        async fn press(&mut self, digit: Digit) {
            self.end.perform(CallScript::new().press(&digit.to_char().to_string()));
        }

        async fn speak(&mut self) {
            self.end.perform(CallScript::new().sound(speech(Duration::from_millis(100))));
        }

        async fn hang_up(&mut self) {
            self.end.perform(CallScript::new().hang_up());
        }

        async fn heard(&mut self) -> Vec<i16> {
            let new = self.transcript.sound().split_off(self.heard);
            self.heard += new.len();
            new
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_scripted_leg_keeps_the_contract() {
        for format in [Format::TELEPHONE_PCMU, Format::TELEPHONE_L16] {
            run_all(async || {
                let (leg, transcript) = ScriptedLeg::new(format, CallScript::new());
                let other = Remote { end: leg.remote_end(), transcript, heard: 0 };
                (leg, other)
            })
            .await;
        }
    }
}
