//! [`Door`]: how a listener begins with those who connect, and who may deliver there.

use super::Access;

/// What a listener asks of those who connect to it.
///
/// A [`ListenMode`] alone is a door, too: for who is on [this machine](Access::this_machine) and nobody else.
///
/// ```
/// use voicemail::intake::{Access, Door, ListenMode};
///
/// let inside = Door::new(ListenMode::StartTls, Access::anyone_on(["10.1.0.0/16".parse()?]));
/// let here = Door::from(ListenMode::StartTls);
/// # Ok::<(), voicemail::intake::InvalidCidr>(())
/// ```
#[derive(Debug, Clone)]
pub struct Door {
    pub(super) mode: ListenMode,
    pub(super) access: Access,
}

/// How connections to a port begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenMode {
    /// In plain text; STARTTLS is offered if the intake has a certificate. RFC 3207.
    StartTls,
    /// With a TLS handshake. RFC 8314 §3.
    ImplicitTls,
}

impl Door {
    /// Connections begin as `mode` says, and who has `access` may deliver.
    pub fn new(mode: ListenMode, access: Access) -> Self {
        Self { mode, access }
    }
}

impl From<ListenMode> for Door {
    /// For this machine only.
    fn from(mode: ListenMode) -> Self {
        Self::new(mode, Access::default())
    }
}
