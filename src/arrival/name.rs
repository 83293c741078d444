//! [`StepName`]: the name of a step.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The name of a step, by which jobs, events and operators call it: 1 to 16 lower-case letters, such as `mail`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepName(Cow<'static, str>);

impl StepName {
    /// The mails to owners.
    pub const MAIL: Self = Self(Cow::Borrowed("mail"));
    /// The transcript of the sound.
    pub const TRANSCRIPT: Self = Self(Cow::Borrowed("transcript"));
    /// The copies for the receivers of a mailbox whose messages are copied.
    pub const DISTRIBUTE: Self = Self(Cow::Borrowed("distribute"));
    /// The requests to other systems.
    pub const WEBHOOK: Self = Self(Cow::Borrowed("webhook"));

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StepName {
    type Err = InvalidStepName;

    fn from_str(text: &str) -> Result<Self, InvalidStepName> {
        let valid = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if valid { Ok(Self(Cow::Owned(text.to_owned()))) } else { Err(InvalidStepName) }
    }
}

/// A text that is no [`StepName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a step has 1 to 16 lower-case letters")]
#[non_exhaustive]
pub struct InvalidStepName;

const LONGEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_16_lower_case_letters() {
        assert_eq!("mail".parse(), Ok(StepName::MAIL));
        for not in ["", "Mail", "mail2", "a-b", "ä", "abcdefghijklmnopq"] {
            assert_eq!(not.parse::<StepName>(), Err(InvalidStepName), "{not}");
        }
    }
}
