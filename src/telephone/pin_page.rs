//! [`PinRecord`]: what is kept of one mailbox's PIN.

use std::fmt;
use std::str::FromStr;

use super::{Attempts, PinHash};

/// The hash of a mailbox's PIN, and how many wrong ones there were: a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PinRecord {
    pub(super) pin: PinHash,
    pub(super) attempts: Attempts,
}

impl fmt::Display for PinRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.pin, self.attempts)
    }
}

impl FromStr for PinRecord {
    type Err = InvalidPinRecord;

    fn from_str(text: &str) -> Result<Self, InvalidPinRecord> {
        let (pin, attempts) = text.split_once('\n').ok_or(InvalidPinRecord)?;
        Ok(Self { pin: pin.parse().map_err(|_| InvalidPinRecord)?, attempts: attempts.parse().map_err(|_| InvalidPinRecord)? })
    }
}

/// A text that is no [`PinRecord`].
#[derive(Debug)]
pub(super) struct InvalidPinRecord;
