//! [`RecordedAt`]: the time of a recording, its zone, and how good the clock was.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

/// The instant at which a recording was completed, the zone of its site, and the quality of the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedAt {
    /// The instant.
    pub instant: DateTime<Utc>,
    /// The zone of the site that recorded.
    pub zone: Tz,
    /// How good the clock was.
    pub quality: ClockQuality,
}

impl RecordedAt {
    /// The instant `instant` at a site in `zone`, by a clock of this quality.
    pub const fn new(instant: DateTime<Utc>, zone: Tz, quality: ClockQuality) -> Self {
        Self { instant, zone, quality }
    }
}

/// How good a clock is, by its own account.
///
/// ```
/// use voicemail::message::{ClockQuality, ClockSource};
///
/// let quality = ClockQuality::unknown(ClockSource::System);
/// assert_eq!(quality.to_string(), "system");
/// assert_eq!("sntp; offset=0.003500; uncertainty=0.010000; age=12".parse::<ClockQuality>().unwrap().source, ClockSource::Sntp);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockQuality {
    /// Where the time comes from.
    pub source: ClockSource,
    /// How far the operating system's clock was off at the last measurement, and is corrected by; to the microsecond.
    pub offset: Option<TimeDelta>,
    /// How far the reading may be from the true time; to the microsecond.
    pub uncertainty: Option<Duration>,
    /// How long ago the clock was last compared with its source; to the second.
    pub age: Option<Duration>,
}

impl ClockQuality {
    /// Returns the quality of a clock that knows its source, but not how good it is.
    pub const fn unknown(source: ClockSource) -> Self {
        Self { source, offset: None, uncertainty: None, age: None }
    }
}

impl fmt::Display for ClockQuality {
    /// `sntp; offset=0.003500; uncertainty=0.010000; age=12`, in seconds; what is not known is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source.as_str())?;
        if let Some(offset) = self.offset.and_then(|offset| offset.num_microseconds()) {
            let sign = if offset < 0 { "-" } else { "" };
            let micros = offset.unsigned_abs();
            write!(f, "; offset={sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)?;
        }
        if let Some(uncertainty) = self.uncertainty {
            write!(f, "; uncertainty={}.{:06}", uncertainty.as_secs(), uncertainty.subsec_micros())?;
        }
        if let Some(age) = self.age {
            write!(f, "; age={}", age.as_secs())?;
        }
        Ok(())
    }
}

impl FromStr for ClockQuality {
    type Err = InvalidClockQuality;

    fn from_str(text: &str) -> Result<Self, InvalidClockQuality> {
        let mut fields = text.split(';').map(str::trim);
        let source = fields.next().and_then(ClockSource::from_name).ok_or(InvalidClockQuality)?;
        let mut quality = Self::unknown(source);
        for field in fields {
            let (name, value) = field.split_once('=').ok_or(InvalidClockQuality)?;
            match name {
                "offset" => quality.offset = Some(TimeDelta::microseconds(micros(value)?)),
                "uncertainty" => quality.uncertainty = Some(Duration::from_micros(unsigned(micros(value)?)?)),
                "age" => quality.age = Some(Duration::from_secs(unsigned(micros(value)?)? / 1_000_000)),
                _ => {} // a later version may say more
            }
        }
        Ok(quality)
    }
}

/// The source from which a clock gets its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClockSource {
    /// The operating system. Its own source is not known here.
    System,
    /// One or more SNTP servers.
    Sntp,
    /// The clock is set by hand, as tests do.
    Manual,
    /// Another system gave the time, but not its source.
    Unknown,
}

impl ClockSource {
    /// Returns the name of the source in a message.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Sntp => "sntp",
            Self::Manual => "manual",
            Self::Unknown => "unknown",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::System, Self::Sntp, Self::Manual, Self::Unknown]
            .into_iter()
            .find(|source| source.as_str().eq_ignore_ascii_case(name))
    }
}

/// A text that is no [`ClockQuality`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a clock's quality reads like `sntp; offset=0.003500; uncertainty=0.010000; age=12`")]
#[non_exhaustive]
pub struct InvalidClockQuality;

/// Reads seconds with at most 12 digits before and 6 after the point, as microseconds.
fn micros(text: &str) -> Result<i64, InvalidClockQuality> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || fraction.len() > 6 || !all_digits(whole) || !all_digits(fraction) {
        return Err(InvalidClockQuality);
    }
    let value: i64 = format!("{whole}{fraction:0<6}").parse().map_err(|_| InvalidClockQuality)?;
    Ok(if negative { -value } else { value })
}

fn unsigned(micros: i64) -> Result<u64, InvalidClockQuality> {
    u64::try_from(micros).map_err(|_| InvalidClockQuality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_reads_back_as_written() {
        let all = ClockQuality {
            source: ClockSource::Sntp,
            offset: Some(TimeDelta::microseconds(-1_500)),
            uncertainty: Some(Duration::from_micros(10_001)),
            age: Some(Duration::from_secs(12)),
        };
        for quality in [all, ClockQuality::unknown(ClockSource::Manual)] {
            assert_eq!(quality.to_string().parse(), Ok(quality));
        }
        assert_eq!(all.to_string(), "sntp; offset=-0.001500; uncertainty=0.010001; age=12");
    }

    #[test]
    fn nonsense_is_refused_and_unknown_fields_are_passed_over() {
        for text in ["", "sundial", "sntp; offset", "sntp; age=-1", "sntp; offset=1e9", "sntp; age=9999999999999"] {
            assert_eq!(text.parse::<ClockQuality>(), Err(InvalidClockQuality), "{text}");
        }
        assert!("system; stratum=2".parse::<ClockQuality>().is_ok());
    }
}
