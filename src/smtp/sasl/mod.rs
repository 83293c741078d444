//! Authentication by SASL, for client and server: each mechanism step by step, without a connection.
//!
//! `client.rs` has the client's side of an exchange and `server.rs` the server's; `plain.rs`, `login.rs` and `scram.rs` have the messages.
//! A new mechanism is a variant of [`Mechanism`], with its name here, and its steps in `client.rs`, `server.rs` or both.
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
pub(crate) use self::server::{Credentials, ExchangeAction, LoginFailure, SERVER_MECHANISMS, ServerExchange};
pub use self::stored_password::{InvalidPassword, InvalidStoredPassword, StoredPassword};

/// An authentication mechanism, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mechanism {
    /// Name and password in two steps. It is older than the standards, and some systems have nothing else. draft-murchison-sasl-login-00.
    Login,
    /// Name and password at once. RFC 4616.
    Plain,
    /// A bearer token, as some providers took it before there was a standard.
    Xoauth2,
    /// A bearer token. RFC 7628.
    OauthBearer,
    /// Both sides prove that they have the password, and neither sends it. RFC 5802 and RFC 7677.
    ScramSha256,
}

impl Mechanism {
    /// All mechanisms.
    const ALL: [Self; Self::ScramSha256 as usize + 1] =
        [Self::Login, Self::Plain, Self::Xoauth2, Self::OauthBearer, Self::ScramSha256];

    /// The mechanism's name in EHLO and AUTH.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::Plain => "PLAIN",
            Self::Xoauth2 => "XOAUTH2",
            Self::OauthBearer => "OAUTHBEARER",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }

    /// The mechanism of this name, in either case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }
}

/// A set of mechanisms, such as a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mechanisms(u8);

impl Mechanisms {
    /// Adds the mechanism with this name, in either case; an unknown one changes nothing.
    pub(crate) fn add(&mut self, name: &str) {
        if let Some(mechanism) = Mechanism::named(name) {
            self.0 |= 1 << mechanism as u8;
        }
    }

    /// Whether `mechanism` is in the set.
    pub(crate) fn contains(self, mechanism: Mechanism) -> bool {
        self.0 & (1 << mechanism as u8) != 0
    }

    /// Whether the set is empty.
    #[cfg(test)]
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The strongest mechanism of the set that is also one of `known`.
    pub(crate) fn strongest_of(self, known: &[Mechanism]) -> Option<Mechanism> {
        known.iter().copied().filter(|mechanism| self.contains(*mechanism)).max()
    }
}

/// How many random bytes one exchange takes.
pub(crate) const NONCE_LEN: usize = 18;
