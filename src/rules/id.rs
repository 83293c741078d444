//! [`RuleId`]: the name of a rule.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a rule, unique in its mailbox: 1 to 32 lower-case letters, digits and hyphens, such as `office`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(Arc<str>);

impl RuleId {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RuleId {
    type Err = InvalidRuleId;

    fn from_str(text: &str) -> Result<Self, InvalidRuleId> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_allowed);
        if valid { Ok(Self(text.into())) } else { Err(InvalidRuleId) }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`RuleId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rule's id has 1 to 32 lower-case letters, digits and hyphens")]
#[non_exhaustive]
pub struct InvalidRuleId;

const LONGEST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_1_to_32_letters_digits_and_hyphens() {
        for text in ["office", "a", "rule-2", &"x".repeat(32)] {
            assert_eq!(text.parse::<RuleId>().unwrap().as_str(), text);
        }
        for text in ["", "Office", "a b", "ä", "a\n", "a/b", &"x".repeat(33)] {
            assert_eq!(text.parse::<RuleId>(), Err(InvalidRuleId), "{text:?}");
        }
    }
}
