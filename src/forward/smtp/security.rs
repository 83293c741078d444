//! [`Security`] and [`TlsMode`]: whether and when TLS is used; [`SetupError`]: why a forwarder cannot be built.

use std::error::Error as StdError;

/// Whether connections to the peer must be under TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Security {
    /// TLS with a certificate that verifies; without it, no message is sent.
    #[default]
    Tls,
    /// TLS, even with a certificate that does not verify; plain text if TLS cannot be established for any reason.
    ///
    /// Each fallback to plain text makes a new connection and reports an
    /// [`Event::PlainTextFallback`](crate::event::Event::PlainTextFallback). A TLS connection that breaks *after* its handshake causes no
    /// fallback. With a peer that has spoken TLS before, there is no fallback either: see [`TlsMemory`](super::TlsMemory).
    PlainTextIfNoTls,
    /// As [`PlainTextIfNoTls`](Self::PlainTextIfNoTls), even with a peer that has spoken TLS before: an attacker on the path can read every
    /// message by suppressing TLS.
    PlainTextEvenAfterTls,
    /// Plain text; TLS is not used even if the peer offers it.
    PlainText,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TlsMode {
    /// By the STARTTLS command, after the greeting in plain text: RFC 3207; ports 25 and 587.
    #[default]
    StartTls,
    /// With the first byte of the connection: RFC 8314 §3.3; port 465.
    Implicit,
}

/// Why a forwarder cannot be built with the given choices.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The peer is not written as `host:port`.
    #[error("{0:?} is not a peer: write it as `central.example:25` or `[2001:db8::1]:25`")]
    Peer(String),
    /// The domain of the mailboxes, or this node's name, is not a domain name.
    #[error("{0:?} is not a domain name")]
    Domain(String),
    /// The name expected on the certificate is neither a domain name nor an address.
    #[error("{0:?} is neither a domain name nor an IP address, so no certificate can have it")]
    ServerName(String),
    /// The PEM text with the certificates of trusted authorities contains none, or one that cannot be read.
    #[error("the certificates of the trusted authorities cannot be read: give them in PEM, with their BEGIN CERTIFICATE lines")]
    Certificates(#[source] Box<dyn StdError + Send + Sync>),
    /// The certificate must verify, and no authority is trusted.
    #[error("TLS is required, but no authority is trusted: give its certificate, or a TLS configuration")]
    NoTrustedAuthority,
    /// The peer may be a relay, and reports about messages would not come back.
    #[error("a peer that may be a relay needs return paths that this node signs: set return_paths, or custody to final")]
    NoReturnPath,
    /// A password or token would be sent in plain text.
    #[error("a password or token is sent under TLS only: choose a security with TLS, or take the login away")]
    PlainTextPassword,
}
