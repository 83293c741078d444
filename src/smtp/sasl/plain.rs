//! PLAIN: name and password in one message.
//!
//! # Source
//!
//! RFC 4616 §2.

/// Returns name and password of a client's message, or `None` if it is malformed or names another authorisation identity.
pub(super) fn parse(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = response.split(|byte| *byte == 0);
    let (acting_for, name, password) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = fields.next().is_none() && !name.is_empty() && !password.is_empty();
    (whole && (acting_for.is_empty() || acting_for == name)).then_some((name, password))
}
