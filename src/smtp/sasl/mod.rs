//! How a client proves its name with a password: SASL, one file for each mechanism, step by step and without a connection.
//!
//! # Source
//!
//! RFC 4422; RFC 4954 for its place in SMTP.

pub(crate) mod client;
mod login;
mod peer_name;
mod plain;
pub(crate) mod scram;
mod server;
mod stored_password;

pub use self::peer_name::{InvalidPeerName, PeerName};
pub use self::server::LoginAttempt;
pub(crate) use self::server::{Credentials, ExchangeAction, LoginFailure, ServerExchange};
pub use self::stored_password::{InvalidPassword, InvalidStoredPassword, StoredPassword};

/// A way to prove a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Older than standards; some systems have nothing else. draft-murchison-sasl-login-00.
    Login,
    /// RFC 7677: the password itself is never sent.
    ScramSha256,
}

impl Mechanism {
    /// The mechanisms that a server offers, strongest first.
    pub(crate) const OFFERED: [Self; 3] = [Self::ScramSha256, Self::Plain, Self::Login];

    /// The mechanism of this name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::OFFERED.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Its name, as EHLO lists it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

/// How many random bytes one exchange takes.
pub(crate) const NONCE_LEN: usize = 18;
