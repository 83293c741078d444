//! The meter on the recordings of the examples, alone, in noise and quieter; on tones and on noise.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::*;
use crate::audio::{Frames, encode};
use crate::message::{Audio, AudioType};

/// The spoken recordings, each with the moment in which its speech ends, in milliseconds.
const SPOKEN: [(&str, AudioType, &[u8]); 8] = [
    ("vm01", AudioType::Wav, include_bytes!("../../../examples/recordings/vm01.wav")),
    ("vm02", AudioType::Wav, include_bytes!("../../../examples/recordings/vm02.ulaw.wav")),
    ("vm03", AudioType::Wav, include_bytes!("../../../examples/recordings/vm03.alaw.wav")),
    ("vm05", AudioType::Wav, include_bytes!("../../../examples/recordings/vm05.wav")),
    ("vm08", AudioType::Wav, include_bytes!("../../../examples/recordings/vm08.wav")),
    ("vm10", AudioType::Wav, include_bytes!("../../../examples/recordings/vm10.wav")),
    ("vm14", AudioType::Wav, include_bytes!("../../../examples/recordings/vm14.wav")),
    ("vm03 as G.726", AudioType::Adpcm32, include_bytes!("../../../examples/recordings/vm03.726")),
];

fn samples(media: AudioType, bytes: &[u8]) -> Vec<i16> {
    Frames::new(&Audio::new(media, bytes.to_vec()), 8000.try_into().unwrap()).unwrap().flatten().collect()
}

/// White noise with this mean level.
fn noise(level: i32, len: usize) -> Vec<i16> {
    let mut state = 0x2545_f491_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i32::try_from(state >> 16).unwrap() - 32_768
    };
    (0..len).map(|_| i16::try_from(random() * level * 2 / 32_768).unwrap()).collect()
}

fn add(sound: &[i16], other: &[i16]) -> Vec<i16> {
    sound.iter().zip(other).map(|(one, other)| one.saturating_add(*other)).collect()
}

fn tone(hz: f64, amplitude: f64, len: usize) -> Vec<i16> {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the tone is short and not too loud")]
    (0..len).map(|at| (amplitude * (TAU * hz * at as f64 / 8000.0).sin()) as i16).collect()
}

fn meter(samples: &[i16]) -> SpeechMeter {
    let mut meter = SpeechMeter::new(Format::TELEPHONE_L16);
    meter.push_samples(samples);
    meter
}

/// The last moment in which a quiet recording is louder than -47 dBov, in milliseconds: these recordings have no noise.
fn end_of_speech(samples: &[i16]) -> u64 {
    let loud = |frame: &[i16]| frame.iter().map(|sample| u32::from(sample.unsigned_abs())).sum::<u32>() / 160 >= 128;
    20 * (samples.chunks_exact(160).rposition(loud).unwrap() as u64 + 1)
}

#[test]
fn the_end_of_speech_is_found_in_noise_and_when_quiet() {
    for (name, media, bytes) in SPOKEN {
        let mut sound = samples(media, bytes);
        let expected = end_of_speech(&sound);
        sound.resize(sound.len() + 80_000, 0);
        let quieter: Vec<i16> = sound.iter().map(|sample| sample / 10).collect();
        let (a_law, mu_law) = (encode(Codec::Pcma, &sound), encode(Codec::Pcmu, &sound));
        let payload = |format, payload: &[u8]| {
            let mut meter = SpeechMeter::new(format);
            payload.chunks(160).for_each(|packet| meter.push_payload(packet));
            meter
        };
        let forms = [
            ("alone", meter(&sound)),
            ("A-law", payload(Format::TELEPHONE_PCMA, &a_law)),
            ("mu-law", payload(Format::TELEPHONE_PCMU, &mu_law)),
            ("20 dB quieter", meter(&quieter)),
            ("noise of -60 dBov", meter(&add(&sound, &noise(28, sound.len())))),
            ("noise of -50 dBov", meter(&add(&sound, &noise(90, sound.len())))),
            ("noise of -40 dBov", meter(&add(&sound, &noise(284, sound.len())))),
            ("with an offset", meter(&sound.iter().map(|sample| sample.saturating_add(900)).collect::<Vec<_>>())),
        ];
        for (form, meter) in forms {
            let end = u64::try_from(meter.speech().unwrap_or_else(|| panic!("{name}, {form}")).end.as_millis()).unwrap();
            assert!(end.abs_diff(expected) <= 150, "{name}, {form}: the speech ends at {expected} ms, not at {end}");
            let len = sound.len() as u64 / 8 / 20 * 20;
            assert_eq!(meter.silence(), Duration::from_millis(len - end), "{name}, {form}");
        }
    }
}

#[test]
fn a_dial_tone_is_no_speech() {
    let dial_tone = samples(AudioType::Wav, include_bytes!("../../../examples/recordings/vm19.alaw.wav"));
    assert_eq!(meter(&dial_tone).speech(), None);
    let later = [vec![0; 16_100], dial_tone].concat();
    assert_eq!(meter(&later).speech(), None);
    assert_eq!(meter(&later).silence().as_millis(), later.len() as u128 / 160 * 20);
}

#[test]
fn tones_that_come_and_go_are_no_speech() {
    for (on, off) in [(4000, 4000), (2000, 2000), (1600, 1600), (8000, 32_000)] {
        let period = [tone(425.0, 8000.0, on), vec![0; off]].concat();
        assert_eq!(meter(&period.repeat(8)).speech(), None, "{on} samples of a tone, {off} of silence");
    }
}

#[test]
fn noise_of_any_level_and_a_click_are_no_speech() {
    for level in [10, 28, 90, 284, 900, 2800, 9000] {
        assert_eq!(meter(&noise(level, 80_000)).speech(), None, "{level}");
    }
    let mut click = vec![0; 80_000];
    click[40_000..40_200].fill(12_000);
    assert_eq!(meter(&click).speech(), None);
}

#[test]
fn speech_before_a_tone_ends_where_the_tone_begins() {
    let spoken = samples(AudioType::Wav, SPOKEN[1].2);
    let end = meter(&spoken).speech().unwrap().end;
    let later = meter(&[spoken, vec![0; 4000], tone(425.0, 8000.0, 80_000)].concat()).speech().unwrap().end;
    assert_eq!(later, end);
}

proptest! {
    #[test]
    fn no_sound_makes_it_panic(
        payload in proptest::collection::vec(any::<u8>(), 0..2000), rate in 0..50_000_u32, channels in 0..4_u16
    ) {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::L16, Codec::L8] {
            let mut meter = SpeechMeter::new(Format { codec, rate, channels });
            meter.push_payload(&payload);
            prop_assert!(meter.speech().is_none_or(|speech| speech.start < speech.end));
        }
    }
}
