//! [`TransportSecurity`]: how a message was protected between two nodes.

use std::fmt;

/// How a message was protected on its way to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportSecurity {
    /// The message was sent under this version of TLS, and the certificate of the peer was verified.
    Tls(TlsVersion),
    /// The message was sent under this version of TLS, but no authority vouches for the certificate: it is safe from eavesdroppers, not from
    /// impostors.
    TlsUnverified(TlsVersion),
    /// The message was sent in plain text.
    PlainText,
    /// The message stayed in this process.
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
    /// TLS 1.2, RFC 5246.
    V1_2,
    /// TLS 1.3, RFC 8446.
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
