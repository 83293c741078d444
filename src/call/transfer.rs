//! [`TransferTarget`]: where a call is transferred to.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::message::CallerNumber;

/// Where a call is transferred to: a number or a SIP URI of 1 to 255 visible ASCII characters, without spaces and the signs `<`, `>` and `"`.
///
/// The leg gives it its meaning, by the dial plan of its PBX.
///
/// ```
/// use voicemail::call::TransferTarget;
///
/// assert_eq!("0".parse::<TransferTarget>()?.as_str(), "0");
/// assert!("sip:operator@pbx.example;transport=tcp".parse::<TransferTarget>().is_ok());
/// assert!("1\r\nRefer-To: 2".parse::<TransferTarget>().is_err());
/// # Ok::<(), voicemail::call::InvalidTransferTarget>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TransferTarget(Arc<str>);

impl TransferTarget {
    /// Returns the target as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TransferTarget {
    type Err = InvalidTransferTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTransferTarget> {
        // RFC 3261 §25.1: these signs would end the URI in a header field.
        let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"');
        if (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidTransferTarget)
        }
    }
}

impl From<&CallerNumber> for TransferTarget {
    fn from(number: &CallerNumber) -> Self {
        Self(number.as_str().into())
    }
}

impl fmt::Debug for TransferTarget {
    /// Does not show the target, which may be a caller's number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransferTarget(..)")
    }
}

/// A text that is no [`TransferTarget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a transfer goes to a number or a URI of 1 to 255 visible ASCII characters, without spaces, <, > and quotes")]
#[non_exhaustive]
pub struct InvalidTransferTarget;

/// The reason why a call was not transferred.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The leg cannot transfer calls.
    #[error("this PBX cannot transfer the call")]
    NotSupported,
    /// The target refused the call, or did not answer it.
    #[error("the call could not be connected to its target")]
    NotConnected,
    /// The transfer failed in the PBX.
    #[error("the transfer failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl TransferError {
    /// Whether the same transfer may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotConnected | Self::Failed(_) => true,
            Self::NotSupported => false,
        }
    }
}

const MAX_LEN: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_fits_into_a_header_and_is_in_no_log() {
        for text in ["0", "*97", "+442079460112", "sip:a@[2001:db8::1]:5060", &"1".repeat(255)] {
            assert_eq!(text.parse::<TransferTarget>().as_ref().map(TransferTarget::as_str), Ok(text));
        }
        for text in ["", "1 2", "1\n", "<1>", "\"1", "é", &"1".repeat(256)] {
            assert_eq!(text.parse::<TransferTarget>(), Err(InvalidTransferTarget), "{text:?}");
        }
        let number: CallerNumber = "+442079460112".parse().unwrap();
        assert!(!format!("{:?}", TransferTarget::from(&number)).contains("44"));
    }
}
