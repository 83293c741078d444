//! [`TransportSecurity`]: how a message came from one node to another.

use std::fmt;

/// How a message went to the other node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportSecurity {
    /// Under this version of TLS, the peer's certificate verified.
    Tls(TlsVersion),
    /// Under this version of TLS with a certificate that nobody vouches for: safe from listeners, not from impostors.
    TlsUnverified(TlsVersion),
    /// In plain text.
    PlainText,
    /// Inside this process.
    InMemory,
}

impl fmt::Display for TransportSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(version) => write!(f, "{version}"),
            Self::TlsUnverified(version) => write!(f, "{version}, certificate not verified"),
            Self::PlainText => f.write_str("plain text"),
            Self::InMemory => f.write_str("memory"),
        }
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "TLS 1.2",
            Self::V1_3 => "TLS 1.3",
        })
    }
}
