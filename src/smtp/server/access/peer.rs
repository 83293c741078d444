//! [`KnownPeer`]: a sender with a name, what proves it, and the sites that it speaks for.

use std::collections::BTreeSet;

use tokio_rustls::rustls::pki_types::ServerName;

use crate::message::SiteId;
use crate::smtp::sasl::{PeerName, StoredPassword};

/// A sender that can prove who it is, and the sites that it may speak for.
///
/// ```
/// use voicemail::intake::{KnownPeer, Sites, StoredPassword};
///
/// let himalaya = KnownPeer::new("himalaya.voicemail.example".parse()?, Sites::only(["kathmandu".parse()?, "tokyo".parse()?]))
///     .password(StoredPassword::of("a long random text")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct KnownPeer {
    name: PeerName,
    sites: Sites,
    password: Option<StoredPassword>,
    certificate: Option<ServerName<'static>>,
}

impl KnownPeer {
    /// A peer that can prove nothing yet.
    pub fn new(name: PeerName, sites: Sites) -> Self {
        Self { name, sites, password: None, certificate: None }
    }

    /// Proves its name with AUTH, by this password; its user name is its own.
    pub fn password(mut self, password: StoredPassword) -> Self {
        self.password = Some(password);
        self
    }

    /// Proves its name with a client certificate that has `name` among its subject alternative names.
    ///
    /// Which authorities may vouch for certificates is for the TLS configuration to say, in its `ClientCertVerifier`: without one, no
    /// certificate is asked for.
    pub fn certificate(mut self, name: ServerName<'static>) -> Self {
        self.certificate = Some(name);
        self
    }

    /// Its name.
    pub fn name(&self) -> &PeerName {
        &self.name
    }

    pub(super) fn sites(&self) -> &Sites {
        &self.sites
    }

    pub(super) fn stored_password(&self) -> Option<&StoredPassword> {
        self.password.as_ref()
    }

    pub(super) fn certificate_name(&self) -> Option<&ServerName<'static>> {
        self.certificate.as_ref()
    }
}

/// The sites whose messages a peer may hand in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sites {
    /// All there are: for another vendor's system that takes calls for many.
    All,
    /// These, and messages that name none.
    Only(BTreeSet<SiteId>),
}

impl Sites {
    /// These sites.
    pub fn only(sites: impl IntoIterator<Item = SiteId>) -> Self {
        Self::Only(sites.into_iter().collect())
    }

    pub(super) fn include(&self, site: &SiteId) -> bool {
        match self {
            Self::All => true,
            Self::Only(sites) => sites.contains(site),
        }
    }
}
