//! [`KnownPeer`]: a sender that can authenticate, and the sites whose messages it may deliver.

use std::collections::BTreeSet;

use tokio_rustls::rustls::pki_types::ServerName;

use crate::message::SiteId;
use crate::smtp::sasl::{PeerName, StoredPassword};

/// A sender that can authenticate, and the sites whose messages it may deliver.
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
    /// A peer that cannot authenticate yet: add a password or a certificate.
    pub fn new(name: PeerName, sites: Sites) -> Self {
        Self { name, sites, password: None, certificate: None }
    }

    /// Lets the peer authenticate with AUTH, by its name and this password.
    pub fn password(mut self, password: StoredPassword) -> Self {
        self.password = Some(password);
        self
    }

    /// Lets the peer authenticate with a client certificate that has `name` among its subject alternative names.
    ///
    /// The TLS configuration decides which authorities may issue the certificates, by its `ClientCertVerifier`; without one, the server asks
    /// for no certificate.
    pub fn certificate(mut self, name: ServerName<'static>) -> Self {
        self.certificate = Some(name);
        self
    }

    /// Returns the peer's name.
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

/// The sites whose messages a peer may deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sites {
    /// The peer may deliver messages of all sites: for another vendor's system that answers calls for many.
    All,
    /// The peer may deliver messages of these sites, and messages that name no site.
    Only(BTreeSet<SiteId>),
}

impl Sites {
    /// Returns [`Only`](Self::Only) for these sites.
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
