//! [`Stretched`]: a sound at another speed, with its pitch.

use super::Frames;

/// An iterator over a sound at another speed, in frames of 20 ms as [`Frames`] has them. The pitch stays the same.
///
/// The sound is cut into overlapping pieces, which are put closer together or further apart. Each piece is taken where it fits best to the
/// end of the one before, within 10 ms, so that the waves go on (WSOLA). The cost is about one millisecond for a second of sound at 8 kHz.
///
/// ```
/// use voicemail::audio::{Frames, Stretched};
/// use voicemail::message::{Audio, AudioType};
///
/// let frames = Frames::new(&Audio::new(AudioType::Basic, vec![0xff; 24_000]), 8000.try_into()?)?;
/// assert_eq!(Stretched::new(frames, 1.5).count(), 100); // three seconds in two
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Stretched {
    frames: Frames,
    speed: f64,
    /// The samples that are still needed, the first of which has the number `first` in the sound.
    samples: Vec<i16>,
    first: usize,
    /// Whether `samples` ends with the sound.
    at_end: bool,
    /// Where the sound would go on after the last piece.
    next: usize,
    /// How many steps were returned.
    steps: u32,
    /// The samples that are ready to be returned.
    ready: Vec<i16>,
    /// The samples of a frame, which is as long as the longest one before.
    frame_len: usize,
}

impl Stretched {
    /// Returns the rest of `frames` at `speed` times the speed, which is limited to 0.5 to 2.
    pub fn new(frames: Frames, speed: f32) -> Self {
        let speed = if speed.is_nan() { 1.0 } else { f64::from(speed.clamp(0.5, 2.0)) };
        Self { frames, speed, samples: Vec::new(), first: 0, at_end: false, next: 0, steps: 0, ready: Vec::new(), frame_len: 0 }
    }

    /// Appends the next piece to the ready samples; returns whether there was one.
    fn step(&mut self) -> bool {
        self.read_to(1);
        // A step and the search for it need whole milliseconds of the frame's rate.
        let step = (self.frame_len * 3 / 4).max(1);
        let search = self.frame_len / 2;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "it is positive, and fits the memory that the sound has"
        )]
        let target = (f64::from(self.steps) * step as f64 * self.speed).round() as usize;
        self.read_to(target.max(self.next) + search + 2 * step);
        let end = self.first + self.samples.len();
        if target >= end {
            return false;
        }
        let left = if self.at_end { self.stretched_len(end).saturating_sub(self.steps as usize * step) } else { step };
        let from = if self.steps == 0 { 0 } else { self.best(target, search, step) };
        for at in 0..step.min(left) {
            // The end of the last piece fades out while the new one fades in.
            let (old, new) = (i64::from(self.at(self.next + at)), i64::from(self.at(from + at)));
            let (at, step) = (i64::try_from(at).unwrap_or(0), i64::try_from(step).unwrap_or(1));
            let mixed = (old * (step - at) + new * at) / step;
            self.ready.push(i16::try_from(mixed).unwrap_or_default());
        }
        self.next = from + step;
        self.steps += 1;
        let needed = self.next.min(target.saturating_sub(search)).saturating_sub(self.first);
        self.samples.drain(..needed.min(self.samples.len()));
        self.first += needed;
        true
    }

    /// Returns the length of the result, if the sound has `len` samples.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "it is positive, and fits the memory that the sound has"
    )]
    fn stretched_len(&self, len: usize) -> usize {
        (len as f64 / self.speed).round() as usize
    }

    /// Returns the place near `target` at which the sound is most like the one at `next`, where it would go on.
    fn best(&self, target: usize, search: usize, step: usize) -> usize {
        let lowest = target.saturating_sub(search).max(self.first);
        let mut best = (f64::NEG_INFINITY, target);
        for place in lowest..=target + search {
            let (mut product, mut energy) = (0_i64, 1_i64);
            for at in (0..step).step_by(COMPARE_EACH) {
                let (wanted, found) = (i64::from(self.at(self.next + at)), i64::from(self.at(place + at)));
                product += wanted * found;
                energy += found * found;
            }
            #[expect(clippy::cast_precision_loss, reason = "only an order is needed")]
            let likeness = product as f64 / (energy as f64).sqrt();
            if likeness > best.0 {
                best = (likeness, place);
            }
        }
        best.1
    }

    /// Returns a sample of the sound; silence outside it.
    fn at(&self, number: usize) -> i16 {
        number.checked_sub(self.first).and_then(|at| self.samples.get(at)).copied().unwrap_or(0)
    }

    /// Reads the sound up to the sample `number`, or to its end.
    fn read_to(&mut self, number: usize) {
        while !self.at_end && self.first + self.samples.len() < number {
            match self.frames.next() {
                Some(frame) => {
                    self.frame_len = self.frame_len.max(frame.len());
                    self.samples.extend(frame);
                }
                None => self.at_end = true,
            }
        }
    }
}

impl Iterator for Stretched {
    type Item = Vec<i16>;

    fn next(&mut self) -> Option<Vec<i16>> {
        while self.frame_len == 0 || self.ready.len() < self.frame_len {
            if !self.step() {
                break;
            }
        }
        if self.ready.is_empty() {
            return None;
        }
        let rest = self.ready.split_off(self.frame_len.min(self.ready.len()));
        let mut frame = std::mem::replace(&mut self.ready, rest);
        frame.resize(self.frame_len, 0);
        Some(frame)
    }
}

/// Only each of so many samples is compared.
const COMPARE_EACH: usize = 2;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audio::tone;
    use crate::message::{Audio, AudioType};

    fn frames(audio: &Audio, rate: u32) -> Frames {
        Frames::new(audio, rate.try_into().unwrap()).unwrap()
    }

    fn spoken() -> Audio {
        Audio::new(AudioType::Wav, &include_bytes!("../../examples/recordings/vm05.wav")[..])
    }

    fn largest_step(samples: &[i16]) -> u16 {
        samples.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap()
    }

    #[test]
    fn a_sine_keeps_its_frequency_and_has_the_length_of_its_speed() {
        for rate in [8000, 16_000] {
            for speed in [0.5_f32, 0.75, 1.0, 1.5, 2.0] {
                let sine = tone(440, Duration::from_secs(8), rate);
                let samples: Vec<i16> = Stretched::new(frames(&sine, rate), speed).flatten().collect();
                let seconds = f64::from(u32::try_from(samples.len()).unwrap()) / f64::from(rate);
                // The last frame is filled with silence.
                let rest = seconds - 8.0 / f64::from(speed);
                assert!((-0.0001..0.02).contains(&rest), "{speed}: {rest} s more than expected");
                let rising = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
                let frequency = f64::from(u32::try_from(rising).unwrap()) / seconds;
                assert!((frequency / 440.0 - 1.0).abs() < 0.02, "{speed}: {frequency} Hz");
            }
        }
    }

    #[test]
    fn speech_has_no_larger_step_than_before() {
        let before: Vec<i16> = frames(&spoken(), 8000).flatten().collect();
        for speed in [0.75, 1.5] {
            let after: Vec<i16> = Stretched::new(frames(&spoken(), 8000), speed).flatten().collect();
            assert!(largest_step(&after) <= largest_step(&before), "{speed}");
        }
    }

    #[test]
    fn the_same_speed_changes_no_sample() {
        let before: Vec<i16> = frames(&spoken(), 8000).flatten().collect();
        let after: Vec<i16> = Stretched::new(frames(&spoken(), 8000), 1.0).flatten().collect();
        assert_eq!(after[..before.len()], before);
    }

    #[test]
    fn no_sound_is_too_short_and_no_speed_impossible() {
        for bytes in [0, 1, 100, 160, 161] {
            for speed in [f32::NAN, -1.0, 0.0, 1.0, f32::INFINITY] {
                let audio = Audio::new(AudioType::Basic, vec![0x20; bytes]);
                let count = Stretched::new(frames(&audio, 8000), speed).count();
                assert!(count <= 5 && (count == 0) == (bytes == 0), "{bytes} bytes: {count} frames");
            }
        }
    }

    #[test]
    fn the_memory_of_a_long_sound_stays_small() {
        let audio = Audio::new(AudioType::Basic, vec![0x20; 8000 * 60]);
        let mut stretched = Stretched::new(frames(&audio, 8000), 1.5);
        while stretched.next().is_some() {
            assert!(stretched.samples.len() < 2000 && stretched.ready.len() < 400);
        }
    }
}
