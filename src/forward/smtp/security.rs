//! [`Security`] and [`TlsMode`]: what a peer must offer before it is trusted with a message; [`SetupError`]: why that cannot be had.

use std::error::Error as StdError;

/// What a connection to the peer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Security {
    /// Under TLS, with a certificate that verifies; else there is no connection.
    #[default]
    Tls,
    /// Under TLS, even with a certificate that does not verify; when TLS cannot be had for whatever reason, in plain text.
    ///
    /// Each fall to plain text is a new connection and an [`Event::PlainTextFallback`](crate::event::Event::PlainTextFallback).
    /// A TLS connection that breaks *after* its handshake is no reason for one, and a peer that has spoken TLS before is not believed
    /// that it cannot any more: see [`TlsMemory`](super::TlsMemory).
    PlainTextIfNoTls,
    /// The same, also with a peer that has spoken TLS before: whoever stands between can have every message by taking TLS away.
    PlainTextEvenAfterTls,
    /// In plain text, without asking for TLS.
    PlainText,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TlsMode {
    /// After a few lines in plain text, by the STARTTLS command. RFC 3207; ports 25 and 587.
    #[default]
    StartTls,
    /// With the first byte. RFC 8314 §3.3; port 465.
    Implicit,
}

/// Why a forwarder cannot be built as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The peer is not written as `host:port`.
    #[error("{0:?} is no peer: it reads like `central.example:25` or `[2001:db8::1]:25`")]
    Peer(String),
    /// The domain of the mailboxes, or this node's name, is no domain name.
    #[error("{0:?} is no domain name")]
    Domain(String),
    /// The name on the certificate is neither a domain name nor an address.
    #[error("{0:?} can be no name on a certificate")]
    ServerName(String),
    /// The text with the certificates of trusted authorities holds none, or one that cannot be read.
    #[error("the certificates of the trusted authorities cannot be read: give them in PEM, with their BEGIN CERTIFICATE lines")]
    Certificates(#[source] Box<dyn StdError + Send + Sync>),
    /// Certificates must verify, and nobody is trusted to vouch for one.
    #[error("TLS is required, but no authority is trusted: give its certificate, or a TLS configuration")]
    NobodyTrusted,
    /// A password or token would go over the wire in plain text.
    #[error("a password or token is sent under TLS only: choose a security with TLS, or take the login away")]
    PlainTextPassword,
}
