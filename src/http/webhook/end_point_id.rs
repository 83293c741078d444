//! [`EndPointId`]: the name of an end point.

use std::fmt;
use std::str::FromStr;

/// The name of an end point: 1 to 32 lower-case letters, digits and hyphens, such as `crm-2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndPointId(String);

impl EndPointId {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndPointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EndPointId {
    type Err = InvalidEndPointId;

    fn from_str(text: &str) -> Result<Self, InvalidEndPointId> {
        let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(valid) { Ok(Self(text.to_owned())) } else { Err(InvalidEndPointId) }
    }
}

/// A text that is no [`EndPointId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of an end point has 1 to 32 lower-case letters, digits and hyphens")]
#[non_exhaustive]
pub struct InvalidEndPointId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_end_point_is_plain() {
        for not in ["", "Crm", "a b", "a.b", &"a".repeat(33)] {
            assert_eq!(not.parse::<EndPointId>(), Err(InvalidEndPointId), "{not}");
        }
    }
}
