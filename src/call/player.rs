//! [`Player`]: the sounds that are played on a leg, and the place in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::buffered_leg::BufferedLeg;
use super::{Playback, PlaybackId};
use crate::audio::{Frames, Stretched};
use crate::telephone::{PlaybackControl, Prompt};

/// The sounds of one `Say`, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Sounds {
    pub(super) prompts: Vec<Prompt>,
    pub(super) list: Vec<Sound>,
    /// Whether a message, a greeting or a recording could not be read.
    pub(super) is_incomplete: bool,
}

/// One sound, in memory.
#[derive(Debug, Clone)]
pub(super) enum Sound {
    /// Words of a voice, or a tone: an owner cannot go back in them, or play them at another speed.
    Words(Frames),
    /// A message, a greeting or a recording.
    Track(Frames),
}

/// Plays sounds on a leg, and goes back and forward in them.
#[derive(Debug)]
pub(super) struct Player {
    last_id: u64,
    speed: Speed,
    step: Duration,
    played: Option<Played>,
}

/// A list of sounds that is played, or paused.
#[derive(Debug)]
struct Played {
    id: PlaybackId,
    sounds: Arc<[Sound]>,
    is_incomplete: bool,
    /// Whether there is a message in it, whose owner can go back and forward.
    is_message: bool,
    state: State,
    place: Arc<SharedPlace>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Playing,
    /// The owner has paused it.
    Paused,
}

/// How a playback has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaybackEnd {
    /// All of it was played.
    Whole,
    /// A part of it was missing.
    Incomplete,
}

/// The speed of messages, which keeps the pitch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Speed {
    Slow,
    #[default]
    Normal,
    Fast,
}

impl Speed {
    const fn factor(self) -> f32 {
        match self {
            Self::Slow => 0.75,
            Self::Normal => 1.0,
            Self::Fast => 1.5,
        }
    }

    const fn slower(self) -> Self {
        match self {
            Self::Slow | Self::Normal => Self::Slow,
            Self::Fast => Self::Normal,
        }
    }

    const fn faster(self) -> Self {
        match self {
            Self::Slow => Self::Normal,
            Self::Normal | Self::Fast => Self::Fast,
        }
    }
}

impl Player {
    pub(super) fn new(step: Duration) -> Self {
        Self { last_id: 0, speed: Speed::default(), step, played: None }
    }

    /// Whether sounds are played now.
    pub(super) fn is_playing(&self) -> bool {
        self.played.as_ref().is_some_and(|played| played.state == State::Playing)
    }

    /// Whether an owner has paused a sound.
    pub(super) fn is_paused(&self) -> bool {
        self.played.as_ref().is_some_and(|played| played.state == State::Paused)
    }

    /// Plays `sounds` from their beginning, in place of what was played.
    pub(super) fn play(&mut self, leg: &mut BufferedLeg<'_>, sounds: Sounds) {
        let Sounds { prompts, list, is_incomplete } = sounds;
        let is_message = prompts.iter().any(|prompt| matches!(prompt, Prompt::Play(_)));
        let place = Arc::new(SharedPlace::default());
        let id = PlaybackId::new(self.last_id);
        self.played = Some(Played { id, sounds: list.into(), is_incomplete, is_message, state: State::Paused, place });
        self.play_from(leg, Place::default(), prompts);
    }

    /// Plays a tone that nobody waits for, in place of what was played.
    pub(super) fn play_aside(&mut self, leg: &mut BufferedLeg<'_>, prompt: Prompt, tone: Frames) {
        self.played = None;
        self.last_id += 1;
        leg.play(Playback::new(PlaybackId::new(self.last_id), vec![prompt], tone));
    }

    /// Stops what is played because a digit came, unless it is a message: that goes on until the digits have a meaning.
    pub(super) fn handle_digit(&mut self, leg: &mut BufferedLeg<'_>) {
        if self.played.as_ref().is_some_and(|played| !played.is_message) {
            self.clear(leg);
        }
    }

    /// Plays nothing more.
    pub(super) fn clear(&mut self, leg: &mut BufferedLeg<'_>) {
        if self.played.take().is_some_and(|played| played.state == State::Playing) {
            leg.stop();
        }
    }

    /// Takes in the end of a playback; `None` if it is not the one that is played now.
    pub(super) fn ended(&mut self, id: PlaybackId) -> Option<PlaybackEnd> {
        let played = self.played.as_ref().filter(|played| played.id == id && played.state == State::Playing)?;
        let end = if played.is_incomplete { PlaybackEnd::Incomplete } else { PlaybackEnd::Whole };
        self.played = None;
        Some(end)
    }

    /// Goes on with what is played, as its owner wants to hear it.
    pub(super) fn control(&mut self, leg: &mut BufferedLeg<'_>, control: PlaybackControl) {
        match control {
            PlaybackControl::Slower => self.speed = self.speed.slower(),
            PlaybackControl::Faster => self.speed = self.speed.faster(),
            PlaybackControl::NormalSpeed => self.speed = Speed::Normal,
            PlaybackControl::Rewind
            | PlaybackControl::Forward
            | PlaybackControl::FromStart
            | PlaybackControl::Pause
            | PlaybackControl::Resume => {}
        }
        let Some(played) = &mut self.played else { return };
        let place = played.place.get();
        let place = match control {
            PlaybackControl::Pause => {
                if std::mem::replace(&mut played.state, State::Paused) == State::Playing {
                    leg.stop();
                }
                return;
            }
            PlaybackControl::Rewind => moved(&played.sounds, place, |at| at.saturating_sub(self.step)),
            PlaybackControl::Forward => moved(&played.sounds, place, |at| at.saturating_add(self.step)),
            PlaybackControl::FromStart => moved(&played.sounds, place, |_| Duration::ZERO),
            PlaybackControl::Slower | PlaybackControl::Faster | PlaybackControl::NormalSpeed | PlaybackControl::Resume => place,
        };
        self.play_from(leg, place, Vec::new());
    }

    /// Plays the current sounds from `place` on.
    fn play_from(&mut self, leg: &mut BufferedLeg<'_>, place: Place, prompts: Vec<Prompt>) {
        let Some(played) = &mut self.played else { return };
        self.last_id += 1;
        played.id = PlaybackId::new(self.last_id);
        played.state = State::Playing;
        played.place = Arc::new(SharedPlace::default());
        played.place.set(place);
        let (sounds, at) = (Arc::clone(&played.sounds), Arc::clone(&played.place));
        leg.play(Playback::new(played.id, prompts, PlayedFrames { sounds, place, current: None, speed: self.speed, shared: at }));
    }
}

/// Returns the place that is `by` away in the track at `place`; in words, the beginning of the track after them, or before them if there is
/// none.
fn moved(sounds: &[Sound], place: Place, by: impl Fn(Duration) -> Duration) -> Place {
    if let Some(Sound::Track(_)) = sounds.get(place.sound) {
        return Place { sound: place.sound, at: by(place.at) };
    }
    let is_track = |number: &usize| matches!(sounds.get(*number), Some(Sound::Track(_)));
    let after = (place.sound..sounds.len()).find(is_track);
    match after.or_else(|| (0..place.sound.min(sounds.len())).rev().find(is_track)) {
        Some(sound) => Place { sound, at: Duration::ZERO },
        None => place,
    }
}

/// A place in a list of sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    /// The number of the sound, from 0.
    sound: usize,
    /// How much of it was played, at normal speed.
    at: Duration,
}

/// A place that the thread that plays sets, and the driver reads: the number of the sound in the high 32 bits, and milliseconds.
#[derive(Debug, Default)]
struct SharedPlace(AtomicU64);

impl SharedPlace {
    fn set(&self, place: Place) {
        let millis = place.at.as_millis().min(u128::from(u32::MAX));
        let both = (place.sound as u64) << 32 | u64::try_from(millis).unwrap_or(0);
        self.0.store(both, Ordering::Relaxed);
    }

    fn get(&self) -> Place {
        let both = self.0.load(Ordering::Relaxed);
        Place { sound: usize::try_from(both >> 32).unwrap_or(0), at: Duration::from_millis(both & u64::from(u32::MAX)) }
    }
}

/// The frames of sounds one after the other, from a place on.
struct PlayedFrames {
    sounds: Arc<[Sound]>,
    /// The sound that is played, and where it began.
    place: Place,
    current: Option<Source>,
    speed: Speed,
    shared: Arc<SharedPlace>,
}

enum Source {
    Plain(Frames),
    Stretched { frames: Box<Stretched>, returned: u32 },
}

impl Iterator for PlayedFrames {
    type Item = Vec<i16>;

    fn next(&mut self) -> Option<Vec<i16>> {
        loop {
            let source = match &mut self.current {
                Some(source) => source,
                None => self.current.insert(open(self.sounds.get(self.place.sound)?, self.place.at, self.speed)),
            };
            let (frame, at) = match source {
                Source::Plain(frames) => (frames.next(), Frames::position(frames)),
                Source::Stretched { frames, returned } => {
                    *returned += 1;
                    (frames.next(), self.place.at + (FRAME * *returned).mul_f32(self.speed.factor()))
                }
            };
            if let Some(frame) = frame {
                self.shared.set(Place { at, ..self.place });
                return Some(frame);
            }
            self.current = None;
            self.place = Place { sound: self.place.sound + 1, at: Duration::ZERO };
            self.shared.set(self.place);
        }
    }
}

/// Opens a sound at a place in it, at a speed.
fn open(sound: &Sound, at: Duration, speed: Speed) -> Source {
    let (Sound::Words(frames) | Sound::Track(frames)) = sound;
    let mut frames = frames.clone();
    frames.seek(at);
    match (sound, speed) {
        (Sound::Track(_), Speed::Slow | Speed::Fast) => {
            Source::Stretched { frames: Box::new(Stretched::new(frames, speed.factor())), returned: 0 }
        }
        (Sound::Words(_), _) | (Sound::Track(_), Speed::Normal) => Source::Plain(frames),
    }
}

const FRAME: Duration = Duration::from_millis(20);
