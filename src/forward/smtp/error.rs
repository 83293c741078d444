//! [`SetupError`].

use std::error::Error as StdError;

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
    #[error("the certificates of the trusted authorities cannot be read")]
    Certificates(#[source] Box<dyn StdError + Send + Sync>),
    /// Certificates must verify, and nobody is trusted to vouch for one.
    #[error("TLS is required, but no authority is trusted: give its certificate, or a TLS configuration")]
    NobodyTrusted,
    /// A password would go over the wire in plain text.
    #[error("a password is not sent in plain text unless that is asked for")]
    PlainTextPassword,
}
