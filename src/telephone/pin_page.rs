//! [`PinPage`]: what is kept of one mailbox's PIN.

use std::fmt;
use std::str::FromStr;

use super::{Attempts, PinHash};

/// The hash of a mailbox's PIN, and how many wrong ones there were: a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PinPage {
    pub(super) pin: PinHash,
    pub(super) attempts: Attempts,
}

impl fmt::Display for PinPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.pin, self.attempts)
    }
}

impl FromStr for PinPage {
    type Err = NoPage;

    fn from_str(text: &str) -> Result<Self, NoPage> {
        let (pin, attempts) = text.split_once('\n').ok_or(NoPage)?;
        Ok(Self { pin: pin.parse().map_err(|_| NoPage)?, attempts: attempts.parse().map_err(|_| NoPage)? })
    }
}

/// A text that is no [`PinPage`].
#[derive(Debug)]
pub(super) struct NoPage;
