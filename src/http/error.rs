//! [`HttpError`] and [`HttpSetupError`].

use std::error::Error as StdError;
use std::io;

use super::TargetRefused;

/// Why a request had no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The request may not go there.
    #[error("the server may not be reached")]
    Refused(#[source] TargetRefused),
    /// The name of the server could not be resolved.
    #[error("the name of the server cannot be resolved")]
    Unresolved(#[source] io::Error),
    /// No address of the server could be reached.
    #[error("the server cannot be reached")]
    Unreachable(#[source] io::Error),
    /// The client trusts no certificates.
    #[error("the client has no certificates of authorities, so it cannot use https")]
    NoTls,
    /// The TLS handshake failed.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The connection ended, or the server violated the protocol.
    #[error("the server has not answered as HTTP asks")]
    Protocol(#[source] Box<dyn StdError + Send + Sync>),
    /// The request could not be made of these values.
    #[error("the request has a field that HTTP does not allow")]
    InvalidRequest(#[source] Box<dyn StdError + Send + Sync>),
    /// The answer was not complete in time.
    #[error("the server has not answered in time")]
    TimedOut,
}

impl HttpError {
    /// Whether the same request, unchanged, may have an answer later. A name may get other addresses, so a refused address may pass, too.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(TargetRefused::Address(_) | TargetRefused::NoAddress)
            | Self::Unresolved(_)
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Protocol(_)
            | Self::TimedOut => true,
            Self::Refused(TargetRefused::PlainText | TargetRefused::Port(_)) | Self::NoTls | Self::InvalidRequest(_) => false,
        }
    }
}

/// Why a client could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpSetupError {
    /// Not one of the certificates of the authorities can be used, or there are none.
    #[error("the certificates of the authorities cannot be used")]
    Certificates(#[source] Box<dyn StdError + Send + Sync>),
}
