//! [`Session`]: a call that is answered, as both dialogues use it: what is played, what is recorded, and what comes next.

use std::time::Duration;

use tokio::time::Instant;

use super::buffered_leg::{BufferedEvent, BufferedLeg};
use super::call_recording::{CallRecording, RecordingEnd};
use super::facts::CallEndReason;
use super::player::{PlaybackEnd, Player, Sounds};
use super::rendering::{Renderer, is_track};
use super::timers::after;
use super::{CallTimers, LegEvent, TransferTarget};
use crate::record::Progress;
use crate::telephone::{Digit, PlaybackControl, Prompt, Recorded, Say};
use crate::voice;

/// A call that is answered. It plays and records on a leg, and turns the events of the leg into inputs of a dialogue.
pub(super) struct Session<'a> {
    pub(super) leg: BufferedLeg<'a>,
    pub(super) renderer: Renderer,
    pub(super) timers: CallTimers,
    /// The recording that runs, or the last one that was made.
    pub(super) recording: Option<CallRecording>,
    player: Player,
    listening: Option<Listening>,
    /// Since when nothing has happened, and how long that may last.
    idle: Idle,
}

/// An event of the call, as both dialogues know it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Digit(Digit),
    Played,
    NotPlayed,
    Recorded(Recorded),
    Silence,
    HungUp,
}

/// A recording that runs.
struct Listening {
    /// The longest length of the recording.
    longest: Duration,
    /// When the recording is over, whatever its timestamps say.
    over_at: Instant,
    /// When the last sound came.
    last_sound: Instant,
    warned: bool,
}

#[derive(Debug, Clone, Copy)]
struct Idle {
    since: Instant,
    limit: Duration,
}

impl<'a> Session<'a> {
    pub(super) fn new(leg: BufferedLeg<'a>, renderer: Renderer, timers: CallTimers) -> Self {
        let idle = Idle { since: Instant::now(), limit: timers.after_prompt };
        Self { leg, renderer, timers, recording: None, player: Player::new(timers.step), listening: None, idle }
    }

    /// Waits for the next input of the dialogue.
    pub(super) async fn next(&mut self) -> Input {
        loop {
            match self.leg.next(self.deadline()).await {
                BufferedEvent::Leg(event) => {
                    if let Some(input) = self.take_in(event).await {
                        return input;
                    }
                }
                BufferedEvent::Elapsed => return self.elapsed().await,
                BufferedEvent::Ended => {
                    self.player.clear(&mut self.leg);
                    self.end_recording(RecordingEnd::Other).await;
                    return Input::HungUp;
                }
            }
        }
    }

    /// Plays prompts in place of what was played, unless a digit was pressed already. A digit does not stop a message.
    pub(super) async fn say(&mut self, say: Say) {
        self.player.clear(&mut self.leg);
        self.idle(self.timers.after_prompt);
        let plays_message = say.iter().any(|prompt| matches!(prompt, Prompt::Play(_)));
        if self.leg.ended().is_some() || !plays_message && self.leg.is_interrupted() {
            return;
        }
        let has_track = say.iter().any(is_track);
        let recording = self.recording.as_ref().filter(|_| say.contains(&Prompt::PlayRecording));
        let renderer = &self.renderer;
        let rendering = async {
            let sound = match recording {
                Some(recording) => recording.sound().await,
                None => None,
            };
            renderer.render(say, sound).await
        };
        let in_time = if plays_message {
            self.leg.wait_unless_ended(self.timers.answer, rendering).await
        } else {
            self.leg.wait_uninterrupted(self.timers.answer, rendering).await
        };
        if let Some(sounds) = in_time {
            let texts = || sounds.prompts.iter().map(voice::log_text).collect::<Vec<_>>();
            tracing::debug!(texts = ?texts(), "prompts are played");
            self.player.play(&mut self.leg, sounds);
        } else if self.leg.ended().is_none() && (plays_message || !self.leg.is_interrupted()) {
            tracing::warn!("the sounds of a prompt were not there in time, and it is skipped");
            self.player.play(&mut self.leg, Sounds { is_incomplete: has_track, ..Sounds::default() });
        }
    }

    /// Plays nothing more.
    pub(super) fn stop_playing(&mut self) {
        self.player.clear(&mut self.leg);
    }

    /// Goes on with what is played, as its owner wants to hear it.
    pub(super) fn control(&mut self, control: PlaybackControl) {
        self.player.control(&mut self.leg, control);
        let limit = if self.player.is_paused() { self.timers.pause } else { self.timers.after_prompt };
        self.idle(limit);
    }

    /// Begins to record into the recording, which may become at most as long as `longest`.
    pub(super) fn listen(&mut self, longest: Duration) {
        self.player.clear(&mut self.leg);
        if let Some(recording) = &mut self.recording {
            recording.begin();
            self.leg.record_to_file(true);
            // Without enough time before the end, there is nothing to warn of.
            let warned = self.timers.limit_warning.is_zero() || longest <= self.timers.limit_warning.saturating_mul(2);
            let now = Instant::now();
            self.listening =
                Some(Listening { longest, over_at: after(now, longest.saturating_add(CLOCK_ERROR)), last_sound: now, warned });
        }
    }

    /// Ends the recording because a key was pressed.
    pub(super) async fn stop_recording(&mut self) -> Recorded {
        self.end_recording(RecordingEnd::Digit).await
    }

    /// Waits for `work`, at most as long as a store may take to answer; `None` if it took longer.
    pub(super) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let done = self.leg.wait(self.timers.answer, work).await;
        self.idle(self.timers.after_prompt);
        if done.is_none() {
            tracing::warn!("a store, directory or disk did not answer in time during a call");
        }
        done
    }

    /// Transfers the call. If that fails, the call goes on.
    pub(super) async fn transfer(&mut self, to: &TransferTarget) -> Result<(), ()> {
        self.player.clear(&mut self.leg);
        if self.leg.ended().is_some() {
            return Err(());
        }
        let transferred = self.leg.transfer(to, self.timers.transfer).await;
        self.idle(self.timers.after_prompt);
        transferred.map_err(|error| {
            tracing::warn!(error = %crate::error_chain(&error), "a call could not be transferred");
        })
    }

    /// Ends the call at the end of its dialogue, and returns why it ended.
    pub(super) async fn hang_up(&mut self) -> CallEndReason {
        let reason = self.leg.ended().unwrap_or(CallEndReason::Over);
        self.player.clear(&mut self.leg);
        self.leg.hang_up().await;
        reason
    }

    /// When something happens by itself, if nothing comes.
    fn deadline(&self) -> Option<Instant> {
        if self.leg.is_held() {
            return None;
        }
        match &self.listening {
            Some(listening) if self.leg.hears_live() => Some(after(listening.last_sound, self.timers.max_silence)),
            Some(listening) => Some(after(listening.last_sound, listening.longest.saturating_add(FILE))),
            None if self.player.is_playing() => None,
            None => Some(after(self.idle.since, self.idle.limit)),
        }
    }

    /// Takes in that a deadline has come.
    async fn elapsed(&mut self) -> Input {
        if self.listening.is_some() {
            return Input::Recorded(self.end_recording(RecordingEnd::Silence).await);
        }
        let limit = if self.player.is_paused() { self.timers.pause } else { self.timers.after_prompt };
        self.idle(limit);
        Input::Silence
    }

    async fn take_in(&mut self, event: LegEvent) -> Option<Input> {
        match event {
            LegEvent::Digit(digit) => {
                self.player.handle_digit(&mut self.leg);
                self.idle(self.timers.between_digits);
                Some(Input::Digit(digit))
            }
            LegEvent::Ended(id) => {
                let end = self.player.ended(id)?;
                self.idle(self.timers.after_prompt);
                Some(match end {
                    PlaybackEnd::Whole => Input::Played,
                    PlaybackEnd::Incomplete => Input::NotPlayed,
                })
            }
            LegEvent::Held(held) => {
                self.idle.since = Instant::now();
                if let (Some(listening), Some(recording)) = (&mut self.listening, &mut self.recording) {
                    if !held {
                        listening.over_at = after(listening.over_at, listening.last_sound.elapsed());
                    }
                    listening.last_sound = Instant::now();
                    recording.interrupt();
                }
                None
            }
            sound @ (LegEvent::Payload { .. } | LegEvent::Samples(_) | LegEvent::Wav(_)) => self.heard(sound).await,
            LegEvent::Alive | LegEvent::HungUp => None,
        }
    }

    /// Adds sound to the recording that runs.
    async fn heard(&mut self, sound: LegEvent) -> Option<Input> {
        let (Some(listening), Some(recording)) = (&mut self.listening, &mut self.recording) else { return None };
        listening.last_sound = Instant::now();
        let is_file = matches!(sound, LegEvent::Wav(_));
        if recording.push(sound) == Progress::Ended {
            if is_file {
                // The leg has ended the recording by itself: there is no second file to wait for.
                self.stop_listening();
                return Some(Input::Recorded(self.recorded(RecordingEnd::Other)));
            }
            return Some(Input::Recorded(self.end_recording(RecordingEnd::Other).await));
        }
        if Instant::now() >= listening.over_at {
            tracing::warn!("the sound of a call has timestamps that stand still; its recording is ended");
            return Some(Input::Recorded(self.end_recording(RecordingEnd::Other).await));
        }
        if recording.silence() >= self.timers.max_silence {
            return Some(Input::Recorded(self.end_recording(RecordingEnd::Silence).await));
        }
        if !listening.warned && recording.length().saturating_add(self.timers.limit_warning) >= listening.longest {
            listening.warned = true;
            if let Some(tone) = self.renderer.tone(&Prompt::LimitWarning) {
                self.player.play_aside(&mut self.leg, Prompt::LimitWarning, tone);
            }
        }
        None
    }

    /// Ends the recording that runs, if there is one, and returns what was recorded.
    pub(super) async fn end_recording(&mut self, ending: RecordingEnd) -> Recorded {
        let was_listening = self.stop_listening();
        let Some(recording) = &mut self.recording else { return Recorded::without_speech(Duration::ZERO) };
        if !was_listening {
            return recording.recorded();
        }
        if !self.leg.hears_live() {
            if let Some(file) = self.leg.file(FILE).await {
                recording.push(file);
            } else {
                tracing::warn!("a leg has not returned its recording within {FILE:?}");
            }
        }
        self.recorded(ending)
    }

    /// Cuts the end of the recording, and returns what was recorded.
    fn recorded(&mut self, ending: RecordingEnd) -> Recorded {
        let Some(recording) = &mut self.recording else { return Recorded::without_speech(Duration::ZERO) };
        recording.end(ending);
        recording.recorded()
    }

    fn stop_listening(&mut self) -> bool {
        let was_listening = self.listening.take().is_some();
        if was_listening {
            self.player.clear(&mut self.leg);
            self.leg.record_to_file(false);
        }
        was_listening
    }

    fn idle(&mut self, limit: Duration) {
        self.idle = Idle { since: Instant::now(), limit };
    }
}

/// How much longer than its sound a recording may take, because the clock of the other end is slow.
const CLOCK_ERROR: Duration = Duration::from_secs(10);
/// How long a leg that records to files may take to return one.
const FILE: Duration = Duration::from_secs(5);
