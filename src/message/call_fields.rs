//! [`CallFields`]: the fields that an integrator adds to a message.

use std::fmt;

/// Pairs of a name and a value that an integrator adds to a message, such as a queue or a ticket. They are in the order of their names.
///
/// - A *name* has 1 to 32 lower-case ASCII letters, digits and hyphens.
/// - A *value* is any text of 1 to 250 characters without control characters. It is kept to the last character, also one that is invisible
///   or changes the writing direction: a program that shows it must expect that.
/// - There are at most 16 fields, and their names and values have at most 2000 bytes together.
///
/// ```
/// use voicemail::message::{CallFields, InvalidCallField};
///
/// let mut fields = CallFields::default();
/// fields.insert("ticket", "№ 17, 山田")?;
/// assert_eq!(fields.iter().collect::<Vec<_>>(), [("ticket", "№ 17, 山田")]);
/// assert_eq!(fields.insert("ticket", "17\r\nBcc: all@example.com"), Err(InvalidCallField::Value));
/// assert_eq!(fields.insert("Ticket", "17"), Err(InvalidCallField::Name));
/// # Ok::<(), InvalidCallField>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CallFields(Vec<(Box<str>, Box<str>)>);

impl CallFields {
    /// The name of the field with the mailbox that an undeliverable message was for.
    pub const UNDELIVERABLE_TO: &'static str = "undeliverable-to";
    /// The name of the field with the reason why a message is undeliverable.
    pub const UNDELIVERABLE_REASON: &'static str = "undeliverable-reason";
    /// The most fields of a message.
    pub const MAX_FIELDS: usize = 16;
    /// The most bytes that all names and values have together.
    pub const MAX_BYTES: usize = 2000;
    /// The most characters of a name.
    pub const MAX_NAME_LEN: usize = 32;
    /// The most characters of a value.
    pub const MAX_VALUE_CHARS: usize = 250;

    /// Adds a field, or replaces the value of the one with this name.
    ///
    /// # Errors
    ///
    /// [`InvalidCallField`] with the limit that the field would break; the fields stay as they are.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), InvalidCallField> {
        if !is_name(name) {
            return Err(InvalidCallField::Name);
        }
        if !is_value(value) {
            return Err(InvalidCallField::Value);
        }
        let place = self.place(name);
        let replaced = place.map_or(0, |at| self.0[at].0.len() + self.0[at].1.len());
        if self.bytes() - replaced + name.len() + value.len() > Self::MAX_BYTES {
            return Err(InvalidCallField::TooManyBytes);
        }
        match place {
            Ok(at) => self.0[at].1 = value.into(),
            Err(_) if self.0.len() >= Self::MAX_FIELDS => return Err(InvalidCallField::TooManyFields),
            Err(at) => self.0.insert(at, (name.into(), value.into())),
        }
        Ok(())
    }

    /// Returns the value of the field `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.place(name).ok().map(|at| &*self.0[at].1)
    }

    /// Returns an iterator over all fields, each as its name and its value.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns how many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the fields of a stored message: of several with one name the first, and those that are within the limits.
    pub(crate) fn read<'a>(stored: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut fields = Self::default();
        for (name, value) in stored {
            if fields.get(name).is_none() {
                // A later version may allow more. This one leaves out what it does not, and reads the rest of the message.
                let _ = fields.insert(name, value);
            }
        }
        fields
    }

    /// Where the field `name` is, or where it belongs.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(field, _)| (**field).cmp(name))
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

impl fmt::Debug for CallFields {
    /// Shows how many fields there are: their contents belong in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallFields({})", self.0.len())
    }
}

/// Why a field was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCallField {
    /// The name is empty, too long, or has other characters than those of a name.
    #[error("the name of a field has 1 to {} lower-case letters, digits and hyphens", CallFields::MAX_NAME_LEN)]
    Name,
    /// The value is empty, too long, or has a control character.
    #[error("the value of a field has 1 to {} characters, and no control characters", CallFields::MAX_VALUE_CHARS)]
    Value,
    /// There are as many fields as a message may have.
    #[error("a message has at most {} fields", CallFields::MAX_FIELDS)]
    TooManyFields,
    /// The names and the values have too many bytes together.
    #[error("the fields of a message have at most {} bytes together", CallFields::MAX_BYTES)]
    TooManyBytes,
}

fn is_name(name: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=CallFields::MAX_NAME_LEN).contains(&name.len()) && name.bytes().all(is_of_name)
}

fn is_value(value: &str) -> bool {
    !value.is_empty()
        && value.chars().take(CallFields::MAX_VALUE_CHARS + 1).count() <= CallFields::MAX_VALUE_CHARS
        && !value.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_limit_is_refused_and_changes_nothing() {
        let mut fields = CallFields::default();
        for number in 0..16 {
            fields.insert(&format!("n{number}"), "x").unwrap();
        }
        let before = fields.clone();
        let long = "𝒜".repeat(250);
        for (name, value, error) in [
            ("", "x", InvalidCallField::Name),
            ("a b", "x", InvalidCallField::Name),
            ("a:", "x", InvalidCallField::Name),
            ("A", "x", InvalidCallField::Name),
            ("a\r\n", "x", InvalidCallField::Name),
            (&"a".repeat(33), "x", InvalidCallField::Name),
            ("n1", "", InvalidCallField::Value),
            ("n1", "a\r\nb", InvalidCallField::Value),
            ("n1", "a\0", InvalidCallField::Value),
            ("n1", "a\u{85}", InvalidCallField::Value),
            ("n1", &"é".repeat(251), InvalidCallField::Value),
            ("n16", "x", InvalidCallField::TooManyFields),
        ] {
            assert_eq!(fields.insert(name, value), Err(error), "{name:?} {value:?}");
            assert_eq!(fields, before);
        }
        fields.insert("n1", &long).unwrap();
        assert_eq!(fields.insert("n2", &long), Err(InvalidCallField::TooManyBytes));
        fields.insert("n1", "short again").unwrap();
        fields.insert("n2", &long).unwrap();
        assert_eq!((fields.len(), fields.get("n1"), fields.get("n2")), (16, Some("short again"), Some(&*long)));
    }

    #[test]
    fn stored_fields_beyond_the_limits_are_left_out() {
        let names: Vec<String> = (10..40).map(|number| format!("n{number}")).collect();
        let stored = names.iter().map(|name| (&**name, "x"));
        let fields = CallFields::read([("bad name", "x"), ("n10", "first"), ("n11", "\u{7}")].into_iter().chain(stored));
        assert_eq!((fields.len(), fields.get("n10"), fields.get("n11")), (16, Some("first"), Some("x")));
    }
}
