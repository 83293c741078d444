//! [`CallDetails`]: what a message says of its call, beside the caller.

use std::fmt;

use super::{CallFields, CallId, InvalidCallField, PartyNumber};

/// Details of a call, which go with its message: the numbers that were dialled, the call's own id, and fields of the integrator's.
///
/// ```
/// use voicemail::message::CallDetails;
///
/// let details = CallDetails::default()
///     .called("+442079460100".parse()?)
///     .diverted_from("2041".parse()?)
///     .call_id("a84b4c76e66710@pc33.example.com".parse()?)
///     .field("queue", "Sales, Zürich")?;
/// assert_eq!(details.fields.get("queue"), Some("Sales, Zürich"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CallDetails {
    /// The number that the caller dialled, if it is known.
    pub called: Option<PartyNumber>,
    /// The number that diverted the call to voicemail, if it is known.
    pub diverted_from: Option<PartyNumber>,
    /// The id that the PBX has given the call, if it is known.
    pub call_id: Option<CallId>,
    /// The fields that the integrator has added.
    pub fields: CallFields,
}

impl CallDetails {
    /// Sets the number that the caller dialled.
    #[must_use]
    pub fn called(self, number: PartyNumber) -> Self {
        Self { called: Some(number), ..self }
    }

    /// Sets the number that diverted the call to voicemail.
    #[must_use]
    pub fn diverted_from(self, number: PartyNumber) -> Self {
        Self { diverted_from: Some(number), ..self }
    }

    /// Sets the id that the PBX has given the call.
    #[must_use]
    pub fn call_id(self, id: CallId) -> Self {
        Self { call_id: Some(id), ..self }
    }

    /// Adds a field, or replaces the one with this name.
    ///
    /// # Errors
    ///
    /// As [`CallFields::insert`].
    pub fn field(mut self, name: &str, value: &str) -> Result<Self, InvalidCallField> {
        self.fields.insert(name, value)?;
        Ok(self)
    }

    /// Returns whether nothing is known of the call.
    pub fn is_empty(&self) -> bool {
        let Self { called, diverted_from, call_id, fields } = self;
        called.is_none() && diverted_from.is_none() && call_id.is_none() && fields.is_empty()
    }
}

impl fmt::Debug for CallDetails {
    /// Shows the id of the call, and of all else only whether it is known: numbers and fields belong in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallDetails")
            .field("called", &self.called.is_some())
            .field("diverted_from", &self.diverted_from.is_some())
            .field("call_id", &self.call_id)
            .field("fields", &self.fields.len())
            .finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Anything that may be said of a call.
    pub(crate) fn any_call_details() -> impl Strategy<Value = CallDetails> {
        let value = prop_oneof![
            "\\PC{1,250}",
            "[ -~]{1,250}",
            "[=?_\"\\\\<>()@,;:utf8BQ -]{1,60}",
            "(=\\?utf-8\\?Q\\?[a-z=_]{0,9}\\?= ?){1,3}",
            "[\u{10000}-\u{1ffff}]{200,250}",
            "[\u{feff}\u{202a}-\u{202e}\u{2028}\u{2066}-\u{2069}\u{a0}☎️山 é]{1,60}",
        ];
        let fields = proptest::collection::vec(("[a-z0-9-]{1,32}", value), 0..20);
        let number = || proptest::option::of("[!-~]{1,64}");
        (number(), number(), proptest::option::of("[!-~]{1,255}"), fields).prop_map(|(called, diverted_from, id, fields)| {
            CallDetails {
                called: called.map(|number| number.parse().unwrap()),
                diverted_from: diverted_from.map(|number| number.parse().unwrap()),
                call_id: id.map(|id| id.parse().unwrap()),
                fields: CallFields::read(fields.iter().map(|(name, value)| (&**name, &**value))),
            }
        })
    }

    #[test]
    fn debug_shows_the_call_id_and_no_number_or_field() {
        let details = CallDetails::default().called("2041".parse().unwrap()).call_id("abc@x".parse().unwrap());
        let details = details.field("ticket", "secret").unwrap();
        let shown = format!("{details:?} {:?} {:?}", details.called, details.fields);
        assert!(shown.contains("abc@x") && !shown.contains("2041") && !shown.contains("secret"), "{shown}");
        assert!(!details.is_empty() && CallDetails::default().is_empty());
    }
}
