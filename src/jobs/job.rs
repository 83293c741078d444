//! [`Job`]: a job that a worker has taken; with its [`JobKind`] and its [`JobKey`].

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::message::{InvalidMessageId, MessageId};

/// A job that a worker has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// The kind of the job.
    pub kind: JobKind,
    /// The key of the job, which no other job of its kind has.
    pub key: JobKey,
    /// When the job was added, by the clock of the node that added it; in microseconds.
    pub queued_at: DateTime<Utc>,
    /// How many tries have failed, as far as the store remembers.
    pub tries: u32,
    /// The number of the claim, by which the store tells this worker from one that took the job later.
    pub claim: u64,
}

impl Job {
    /// Returns a job that has no try and no claim yet.
    pub fn new(kind: JobKind, key: JobKey, queued_at: DateTime<Utc>) -> Self {
        let queued_at = DateTime::from_timestamp_micros(queued_at.timestamp_micros()).unwrap_or(queued_at);
        Self { kind, key, queued_at, tries: 0, claim: 0 }
    }

    /// Returns the job with this many failed tries, under this claim.
    #[must_use]
    pub fn claimed(self, tries: u32, claim: u64) -> Self {
        Self { tries, claim, ..self }
    }
}

impl fmt::Display for Job {
    /// `20261122T180000.000000Z-KEY.mail`: the oldest comes first in a sorted list.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.queued_at.format(MOMENT), self.key, self.kind)
    }
}

impl FromStr for Job {
    type Err = InvalidJobName;

    fn from_str(text: &str) -> Result<Self, InvalidJobName> {
        let (name, kind) = text.rsplit_once('.').ok_or(InvalidJobName)?;
        let (moment, key) = name.split_once('-').ok_or(InvalidJobName)?;
        let queued_at = NaiveDateTime::parse_from_str(moment, MOMENT).map_err(|_| InvalidJobName)?.and_utc();
        let (kind, key) = (kind.parse().map_err(|_| InvalidJobName)?, key.parse().map_err(|_| InvalidJobName)?);
        Ok(Self::new(kind, key, queued_at))
    }
}

/// A text that is not the name of a [`Job`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a job is its time, a hyphen, its key, a dot and its kind")]
pub struct InvalidJobName;

/// The kind of a job, which says who can do it: 1 to 20 lower-case letters, such as `mail`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKind(Cow<'static, str>);

impl JobKind {
    /// A mail of the [outbox](crate::outbox).
    pub const MAIL: Self = Self(Cow::Borrowed("mail"));
    /// The warning of an owner whose mailbox has little room; see [`NodeBuilder::warn_owners`](crate::node::NodeBuilder::warn_owners).
    pub const WARNING: Self = Self(Cow::Borrowed("warning"));
    /// The warning of an owner whose messages will soon be removed because of their age.
    pub const AGE_WARNING: Self = Self(Cow::Borrowed("agewarning"));
    /// A request of a [web hook](crate::arrival::webhook) that reports an event.
    pub const WEBHOOK: Self = Self(Cow::Borrowed("webhook"));

    /// A [web hook](crate::arrival::webhook) that is disabled. Nobody takes these jobs.
    pub const WEBHOOK_DISABLED: Self = Self(Cow::Borrowed("webhookdisabled"));

    /// The kind of the jobs of a [step](crate::arrival): `step` and the `name` of the step.
    pub(crate) fn of_step(name: &impl fmt::Display) -> Self {
        Self(Cow::Owned(format!("{STEP}{name}")))
    }

    /// Whether these are the jobs of a [step](crate::arrival).
    pub fn is_of_step(&self) -> bool {
        self.0.starts_with(STEP)
    }

    /// Returns the name of the kind.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for JobKind {
    type Err = InvalidJobKind;

    fn from_str(text: &str) -> Result<Self, InvalidJobKind> {
        let letters = text.bytes().all(|byte| byte.is_ascii_lowercase());
        let valid = (1..=LONGEST_KIND).contains(&text.len()) && letters && !RESERVED.contains(&text);
        if valid { Ok(Self(Cow::Owned(text.to_owned()))) } else { Err(InvalidJobKind) }
    }
}

/// A text that is no [`JobKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kind of a job has 1 to 20 lower-case letters, and is not part, parked or unreadable")]
#[non_exhaustive]
pub struct InvalidJobKind;

/// The key of a job, by which it is added once: 128 bits, written as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey(MessageId);

impl JobKey {
    /// Returns a key that no other job has.
    pub fn random() -> Self {
        Self(MessageId::random())
    }

    /// Returns the key with these 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(MessageId::from_bytes(bytes))
    }

    /// Returns the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobKey {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<Self, InvalidMessageId> {
        text.parse().map(Self)
    }
}

const MOMENT: &str = "%Y%m%dT%H%M%S%.6fZ";
const STEP: &str = "step";
/// As long as the longest name of a step behind `step`.
const LONGEST_KIND: usize = 20;
/// Names of files that are not jobs.
const RESERVED: [&str; 3] = ["part", "parked", "unreadable"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_jobs_read_back_and_are_in_the_order_of_time() {
        let at = |text: &str| Job::new(JobKind::MAIL, JobKey::random(), text.parse().unwrap());
        let (early, late) = (at("2026-11-22T18:00:00.000001Z"), at("2026-11-22T18:00:00.5Z"));
        assert!(early.to_string() < late.to_string(), "{early} {late}");
        assert_eq!(early.to_string().parse(), Ok(early));
        for not in ["", ".mail", "README.txt", "20261122T180000.000001Z-x.mail", "20261122-00.mail"] {
            assert_eq!(not.parse::<Job>(), Err(InvalidJobName), "{not}");
        }
        let part = late.to_string().replace(".mail", ".part");
        assert_eq!(part.parse::<Job>(), Err(InvalidJobName));
    }
}
