//! Sound of the tests: what is said, and how like it something is.

use std::num::NonZeroU32;

use voicemail::audio::Frames;
use voicemail::message::{Audio, AudioType};

use crate::running::examples;

/// Returns a recording of somebody who speaks for 1.5 s.
pub fn short_speech() -> Vec<i16> {
    recording("recordings/vm01.wav")
}

/// Returns a recording of somebody who speaks for 7 s.
pub fn speech() -> Vec<i16> {
    recording("recordings/vm05.wav")
}

fn recording(file: &str) -> Vec<i16> {
    samples(&Audio::new(AudioType::Wav, std::fs::read(examples(file)).unwrap()))
}

/// Returns the samples of a sound at 8 kHz.
pub fn samples(sound: &Audio) -> Vec<i16> {
    Frames::new(sound, NonZeroU32::new(8000).unwrap()).unwrap().flatten().collect()
}

/// Returns how like `sound` the most similar part of `heard` is: 1 for the same sound, louder or not, about 0 for another one, and 0 if
/// more than a tenth of it is missing.
pub fn correlation(sound: &[i16], heard: &[i16]) -> f64 {
    // Its loudest 50 ms show where the sound is.
    let piece = (0..sound.len() - PIECE).step_by(PIECE).max_by_key(|at| energy(&sound[*at..at + PIECE])).unwrap();
    let places = 0..heard.len().saturating_sub(PIECE);
    let alike = |at: usize| cosine(&sound[piece..piece + PIECE], &heard[at..at + PIECE]);
    let Some((_, place)) = places.map(|at| (alike(at), at)).max_by(|a, b| a.0.total_cmp(&b.0)) else { return 0.0 };
    let before = piece.min(place);
    let (sound_part, heard) = (&sound[piece - before..], &heard[place - before..]);
    let length = sound_part.len().min(heard.len());
    if length * 10 < sound.len() * 9 { 0.0 } else { cosine(&sound_part[..length], &heard[..length]) }
}

fn cosine(a: &[i16], b: &[i16]) -> f64 {
    let product: i64 = a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
    product as f64 / (energy(a) as f64 * energy(b) as f64).sqrt().max(1.0)
}

fn energy(samples: &[i16]) -> i64 {
    samples.iter().map(|sample| i64::from(*sample) * i64::from(*sample)).sum()
}

const PIECE: usize = 400;
