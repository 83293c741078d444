//! LOGIN: name and password in two messages, each after a challenge.
//!
//! # Source
//!
//! draft-murchison-sasl-login-00, which never became a standard.

/// The challenge that asks for the name.
pub(super) const NAME_CHALLENGE: &[u8] = b"Username:";

/// The challenge that asks for the password.
pub(super) const PASSWORD_CHALLENGE: &[u8] = b"Password:";
