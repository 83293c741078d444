//! [`GreetingKind`]: the calls that a greeting is for, or the owner's spoken name.

use std::fmt;
use std::str::FromStr;

/// The kind of a greeting: the calls that it is for, or the owner's spoken name.
///
/// ```
/// use voicemail::greeting::GreetingKind;
///
/// assert_eq!("busy".parse(), Ok(GreetingKind::Busy));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GreetingKind {
    /// The greeting for calls that nobody answers.
    Normal,
    /// The greeting for calls while the line is busy.
    Busy,
    /// The greeting for all calls, in place of the other two, until its [end](super::Greeting::until) or until the owner removes it.
    Temporary,
    /// The owner's name, spoken by the owner. It is no greeting by itself, and is said in place of the mailbox's number.
    Name,
}

impl GreetingKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Busy, Self::Temporary, Self::Name];

    /// Returns the name of the kind in files and mails.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Busy => "busy",
            Self::Temporary => "temporary",
            Self::Name => "name",
        }
    }
}

impl fmt::Display for GreetingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for GreetingKind {
    type Err = UnknownGreetingKind;

    fn from_str(text: &str) -> Result<Self, UnknownGreetingKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownGreetingKind)
    }
}

/// A text that names no [`GreetingKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a greeting is normal, busy, temporary or name")]
#[non_exhaustive]
pub struct UnknownGreetingKind;

/// Which greetings an owner has recorded. Collect it from their kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "one for each kind")]
pub struct Greetings {
    /// Whether the greeting for calls that nobody answers is recorded.
    pub normal: bool,
    /// Whether the greeting for calls while the line is busy is recorded.
    pub busy: bool,
    /// Whether the greeting that replaces both is recorded.
    pub temporary: bool,
    /// Whether the owner's name is recorded.
    pub name: bool,
}

impl FromIterator<GreetingKind> for Greetings {
    fn from_iter<I: IntoIterator<Item = GreetingKind>>(kinds: I) -> Self {
        let mut greetings = Self::default();
        for kind in kinds {
            match kind {
                GreetingKind::Normal => greetings.normal = true,
                GreetingKind::Busy => greetings.busy = true,
                GreetingKind::Temporary => greetings.temporary = true,
                GreetingKind::Name => greetings.name = true,
            }
        }
        greetings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_reads_back_as_written_and_in_no_other_spelling() {
        for kind in GreetingKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(kind.as_str().to_uppercase().parse::<GreetingKind>(), Err(UnknownGreetingKind));
        }
    }
}
