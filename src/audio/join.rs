//! [`join`]: several sounds as one.

#[cfg(feature = "wire")]
use std::time::Duration;

use super::frames::{Samples, WavInProgress};
use super::{Codec, Format, FramesError};
use crate::message::Audio;

/// Joins two sounds into one, with a short silence between.
///
/// When both are WAVs of one format, every byte of their samples stays as it is. Otherwise the result is a 16-bit linear WAV at the
/// rate of `then`.
///
/// # Errors
///
/// A [`FramesError`] when one of them cannot be decoded.
pub fn join(first: &Audio, then: &Audio) -> Result<Audio, FramesError> {
    let (first, then) = (Samples::of(first)?, Samples::of(then)?);
    let rate = then.format.rate;
    joined(vec![first, then], rate, u64::from(u32::MAX))
}

/// Joins sounds into one in their order, as [`join`] does two, but at the highest rate of all; no longer than `limit` bytes of samples.
///
/// No memory is used for samples before their number is known to be within the limit.
///
/// # Errors
///
/// A [`FramesError`] when one of them cannot be decoded, or all are longer than the limit.
#[cfg(feature = "wire")]
pub(crate) fn join_all(sounds: &[Audio], limit: u64) -> Result<Audio, FramesError> {
    let sounds = samples_of(sounds)?;
    let rate = highest_rate(&sounds);
    joined(sounds, rate, limit)
}

/// Returns the duration of what [`join_all`] makes of these sounds.
#[cfg(feature = "wire")]
pub(crate) fn joined_length(sounds: &[Audio]) -> Result<Duration, FramesError> {
    let sounds = samples_of(sounds)?;
    let plan = Plan::of(&sounds, highest_rate(&sounds));
    Ok(plan.format.duration_of(plan.len))
}

/// Returns the duration of sounds of these durations after they are joined, to the precision of the durations.
#[cfg(feature = "wire")]
pub(crate) fn length_with_gaps(lengths: impl IntoIterator<Item = Duration>) -> Duration {
    let joined = |all: Duration, next| all.saturating_add(Duration::from_millis(GAP_MILLIS)).saturating_add(next);
    lengths.into_iter().reduce(joined).unwrap_or_default()
}

#[cfg(feature = "wire")]
fn samples_of(sounds: &[Audio]) -> Result<Vec<Samples>, FramesError> {
    sounds.iter().map(Samples::of).collect()
}

#[cfg(feature = "wire")]
fn highest_rate(sounds: &[Samples]) -> u32 {
    sounds.iter().map(|sound| sound.format.rate).max().unwrap_or(Format::TELEPHONE_L16.rate)
}

/// How sounds are joined.
struct Plan {
    /// Whether all have one format, so that their samples stay as they are.
    are_same: bool,
    format: Format,
    /// The bytes of silence between two sounds.
    gap: u64,
    /// The bytes of all samples.
    len: u64,
}

impl Plan {
    /// Plans linear samples at `rate`, unless all sounds have one format.
    fn of(sounds: &[Samples], rate: u32) -> Self {
        let linear = Format { codec: Codec::L16, rate, channels: 1 };
        let of_first = sounds.first().map_or(linear, |sound| sound.format);
        let are_same = sounds.iter().all(|sound| sound.format == of_first && sound.as_in_a_wav().is_some());
        let format = if are_same { of_first } else { linear };
        let bytes_per_frame = u64::from(format.bytes_per_frame());
        let gap = u64::from(format.rate) * GAP_MILLIS / 1000 * bytes_per_frame;
        let gaps = gap.saturating_mul(sounds.len().saturating_sub(1) as u64);
        let of_sound = |sound: &Samples| sound.frames_at(format.rate).saturating_mul(bytes_per_frame);
        let len = sounds.iter().map(of_sound).fold(gaps, u64::saturating_add);
        Self { are_same, format, gap, len }
    }
}

/// Joins sounds of one format as they are, or decodes them into linear samples at `rate`.
fn joined(mut sounds: Vec<Samples>, rate: u32, limit: u64) -> Result<Audio, FramesError> {
    let Plan { are_same, format, gap, len } = Plan::of(&sounds, rate);
    if len > limit {
        return Err(FramesError::TooLong);
    }
    let (Ok(len), Ok(gap)) = (usize::try_from(len), usize::try_from(gap)) else { return Err(FramesError::TooLong) };
    let mut wav = WavInProgress::new(format, len);
    let samples = wav.samples();
    for (number, sound) in sounds.iter_mut().enumerate() {
        if number > 0 {
            samples.resize(samples.len() + gap, format.codec.silence());
        }
        match sound.as_in_a_wav() {
            Some(bytes) if are_same => samples.extend_from_slice(bytes),
            _ => sound.append_linear(format.rate, samples),
        }
    }
    wav.finish()
}

const GAP_MILLIS: u64 = 400;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Wav;
    use super::super::frames::tests::wav;
    use super::*;
    use crate::message::AudioType;

    #[test]
    fn a_sound_joined_to_one_of_its_format_keeps_every_byte() {
        let (first, then) = (wav(Format::TELEPHONE_PCMA, &[1; 800]), wav(Format::TELEPHONE_PCMA, &[2; 1600]));
        let joined = join(&first, &then).unwrap();
        let Wav { format, data } = Wav::parse(joined.bytes()).unwrap();
        let samples = &joined.bytes()[data];
        assert_eq!(format, Format::TELEPHONE_PCMA);
        assert_eq!((&samples[..800], &samples[800..4000], &samples[4000..]), (&[1; 800][..], &[0xd5; 3200][..], &[2; 1600][..]));
        let other = join(&Audio::new(AudioType::Basic, vec![0xff; 800]), &then).unwrap();
        let wav = Wav::parse(other.bytes()).unwrap();
        assert_eq!((wav.format, wav.duration()), (Format::TELEPHONE_L16, Duration::from_millis(700)));
    }

    #[cfg(feature = "wire")]
    #[test]
    fn sounds_of_all_formats_become_one_within_the_limit() {
        let wide = Format { rate: 16_000, ..Format::TELEPHONE_PCMA };
        let sounds = [
            wav(Format::TELEPHONE_PCMA, &[0xd5; 800]),
            Audio::new(AudioType::Adpcm32, vec![0; 400]),
            wav(wide, &[0xd5; 1600]),
            Audio::new(AudioType::Gsm, &include_bytes!("../../tests/sounds/frames.gsm")[..33]),
        ];
        let joined = join_all(&sounds, 1 << 20).unwrap();
        let read = Wav::parse(joined.bytes()).unwrap();
        assert_eq!((read.format, read.duration()), (Format { codec: Codec::L16, ..wide }, Duration::from_millis(320 + 3 * 400)));
        assert_eq!(joined_length(&sounds), Ok(read.duration()));
        let len = read.data.len() as u64;
        assert_eq!(join_all(&sounds, len).unwrap(), joined);
        assert_eq!(join_all(&sounds, len - 1), Err(FramesError::TooLong));
    }
}
