//! [`Access`]: the rules for which peers may deliver at a listener, and how they authenticate.

mod cidr;
mod peer;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ring::hmac;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::ParsedCertificate;

pub use self::cidr::{Cidr, InvalidCidr};
pub use self::peer::{KnownPeer, Sites};
use crate::message::{Origin, SiteId};
use crate::smtp::sasl::{Credentials, PeerName, StoredPassword};

/// The rules for which peers may deliver at a listener.
///
/// By default, only clients on [this machine](Self::this_machine) may deliver. No setting makes the intake a relay: it accepts messages for
/// mailboxes of the domain it serves only.
///
/// - **Known.** A [`KnownPeer`] proves its name, with a password or a certificate; its messages are of
///   [`Origin::Peer`](crate::message::Origin::Peer).
/// - **Tied.** A message that claims a site which its sender does not speak for is refused with 550 5.7.1. A peer that has not
///   authenticated speaks for no site that a known peer is tied to.
/// - **Private.** AUTH is offered under TLS only, unless
///   [`passwords_even_in_plain_text`](Self::passwords_even_in_plain_text) was called.
///
/// ```
/// use voicemail::intake::{Access, KnownPeer, Sites, StoredPassword};
///
/// let password = StoredPassword::of("a long random text")?;
/// let himalaya = KnownPeer::new("himalaya".parse()?, Sites::only(["kathmandu".parse()?])).password(password);
/// let access = Access::peers([himalaya]).and_anyone_on(["10.1.0.0/16".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Access {
    peers: Vec<KnownPeer>,
    anyone_on: Vec<Cidr>,
    only_from: Vec<Cidr>,
    passwords: PasswordsOver,
    /// Makes the salts for unknown peers.
    decoys: Decoys,
}

/// The connections on which AUTH is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PasswordsOver {
    /// Those under TLS.
    Tls,
    /// All connections.
    Anything,
}

impl Access {
    /// Allows clients on this machine to deliver without authentication: from a loopback address, or over a pipe or a socket file, which has no
    /// address.
    pub fn this_machine() -> Self {
        Self::anyone_on(Cidr::THIS_MACHINE)
    }

    /// Allows clients in one of `networks` to deliver without authentication.
    pub fn anyone_on(networks: impl IntoIterator<Item = Cidr>) -> Self {
        Self::peers([]).and_anyone_on(networks)
    }

    /// Allows all clients that can reach the listener to deliver without authentication. Use this only in networks in which all hosts are trusted.
    pub fn anyone_anywhere() -> Self {
        Self::anyone_on(Cidr::ANYWHERE)
    }

    /// Allows only these peers to deliver, after authentication. Of two with the same name, the first counts.
    pub fn peers(peers: impl IntoIterator<Item = KnownPeer>) -> Self {
        Self {
            peers: peers.into_iter().collect(),
            anyone_on: Vec::new(),
            only_from: Vec::new(),
            passwords: PasswordsOver::Tls,
            decoys: Decoys::new(),
        }
    }

    /// Also allows clients in `networks` to deliver without authentication.
    pub fn and_anyone_on(mut self, networks: impl IntoIterator<Item = Cidr>) -> Self {
        self.anyone_on.extend(networks);
        self
    }

    /// Refuses connections from outside `networks` with the greeting, before any command is read.
    pub fn only_from(mut self, networks: impl IntoIterator<Item = Cidr>) -> Self {
        self.only_from.extend(networks);
        self
    }

    /// Offers AUTH also without TLS: an attacker who can read the connection learns the passwords that are sent with PLAIN and LOGIN.
    pub fn passwords_even_in_plain_text(mut self) -> Self {
        self.passwords = PasswordsOver::Anything;
        self
    }

    /// Whether a client at `address` can ever deliver.
    pub(crate) fn admits(&self, address: Option<IpAddr>) -> bool {
        let near = self.only_from.is_empty() || is_in(&self.only_from, address);
        near && (!self.peers.is_empty() || !self.needs_proof(address))
    }

    /// Whether a client at `address` must authenticate first.
    pub(crate) fn needs_proof(&self, address: Option<IpAddr>) -> bool {
        !is_in(&self.anyone_on, address)
    }

    /// Whether any peer is known.
    pub(crate) fn has_peers(&self) -> bool {
        !self.peers.is_empty()
    }

    /// Whether any peer can authenticate with a password.
    pub(crate) fn has_passwords(&self) -> bool {
        self.peers.iter().any(|peer| peer.stored_password().is_some())
    }

    /// Whether AUTH is offered on a connection, under TLS or not.
    pub(crate) fn takes_passwords(&self, under_tls: bool) -> bool {
        self.has_passwords() && (under_tls || self.passwords == PasswordsOver::Anything)
    }

    /// Returns the peer that a verified certificate belongs to.
    pub(crate) fn peer_of(&self, certificate: &CertificateDer<'_>) -> Option<&PeerName> {
        let certificate = ParsedCertificate::try_from(certificate).ok()?;
        let proven =
            |peer: &&KnownPeer| peer.certificate_name().is_some_and(|name| verify_server_name(&certificate, name).is_ok());
        self.peers.iter().find(proven).map(KnownPeer::name)
    }

    /// Whether a message of `origin` may claim to come from `site`.
    pub(crate) fn speaks_for(&self, origin: &Origin, site: &SiteId) -> bool {
        match origin {
            Origin::Here => true,
            Origin::Peer(name) => self.peers.iter().any(|peer| peer.name().as_str() == &**name && peer.sites().include(site)),
            Origin::Unproven => {
                let tied = |peer: &KnownPeer| matches!(peer.sites(), Sites::Only(sites) if sites.contains(site));
                !self.peers.iter().any(tied)
            }
        }
    }
}

impl Credentials for Access {
    fn password_of(&self, name: &str) -> (Option<PeerName>, StoredPassword) {
        let known = self.peers.iter().find(|peer| peer.name().as_str() == name);
        match known.and_then(|peer| Some((peer.name(), peer.stored_password()?))) {
            Some((name, stored)) => (Some(name.clone()), stored.clone()),
            None => (None, self.decoys.password_of(name, self.peers.iter().find_map(KnownPeer::stored_password))),
        }
    }
}

impl Default for Access {
    /// [This machine](Self::this_machine).
    fn default() -> Self {
        Self::this_machine()
    }
}

/// Whether `address` is in one of `networks`. `None` counts as this machine.
fn is_in(networks: &[Cidr], address: Option<IpAddr>) -> bool {
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    networks.iter().any(|network| network.contains(address))
}

/// Makes stored passwords for unknown names, always the same for the same name.
#[derive(Debug, Clone)]
struct Decoys(Arc<hmac::Key>);

impl Decoys {
    fn new() -> Self {
        let mut secret = [0; 32];
        // Without random numbers, an attacker can find out which names are known, and no more.
        let _ = getrandom::fill(&mut secret);
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    fn password_of(&self, user: &str, like: Option<&StoredPassword>) -> StoredPassword {
        let tag = hmac::sign(&self.0, user.as_bytes());
        StoredPassword::decoy(tag.as_ref().try_into().expect("HMAC-SHA-256 gives 32 bytes"), like)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn peer(name: &str, sites: Sites) -> KnownPeer {
        KnownPeer::new(name.parse().unwrap(), sites)
    }

    fn site(id: &str) -> SiteId {
        id.parse().unwrap()
    }

    #[test]
    fn by_default_only_this_machine_may_deliver() {
        let access = Access::default();
        for near in [Some(address("127.0.0.1")), Some(address("::1")), Some(address("::ffff:127.0.0.1")), None] {
            assert!(access.admits(near) && !access.needs_proof(near), "{near:?}");
        }
        for far in ["192.0.2.7", "10.0.0.1", "2001:db8::1"] {
            assert!(!access.admits(Some(address(far))), "{far}");
        }
    }

    #[test]
    fn a_client_outside_the_listed_networks_must_authenticate() {
        let access = Access::peers([peer("berlin", Sites::All)]).and_anyone_on(["10.1.0.0/16".parse().unwrap()]);
        assert!(!access.needs_proof(Some(address("10.1.2.3"))));
        assert!(
            access.admits(Some(address("192.0.2.7")))
                && access.needs_proof(Some(address("192.0.2.7")))
                && access.needs_proof(None)
        );
        let near = access.only_from(["10.0.0.0/8".parse().unwrap()]);
        assert!(near.admits(Some(address("10.2.0.1"))) && !near.admits(Some(address("192.0.2.7"))));
    }

    #[test]
    fn a_peer_speaks_for_its_sites_and_a_stranger_for_none_of_them() {
        let sites = Sites::only([site("kathmandu"), site("tokyo")]);
        let access = Access::peers([peer("himalaya", sites), peer("vendor", Sites::All)]).and_anyone_on(Cidr::ANYWHERE);
        let speaks = |origin: &Origin, id: &str| access.speaks_for(origin, &site(id));
        let (himalaya, vendor) = (Origin::Peer("himalaya".into()), Origin::Peer("vendor".into()));
        assert!(speaks(&himalaya, "tokyo") && !speaks(&himalaya, "london"));
        assert!(speaks(&vendor, "tokyo") && speaks(&vendor, "london"));
        assert!(!speaks(&Origin::Unproven, "tokyo") && speaks(&Origin::Unproven, "london"));
        assert!(!speaks(&Origin::Peer("nobody".into()), "london"));
    }

    #[test]
    fn an_unknown_name_looks_like_a_known_one() {
        let stored = StoredPassword::of("correct horse").unwrap();
        let access = Access::peers([peer("berlin", Sites::All).password(stored)]);
        let (name, nobody) = access.password_of("bonn");
        let (_, again) = access.password_of("bonn");
        let (_, other) = access.password_of("cologne");
        assert!(name.is_none() && nobody == again && nobody != other);
        assert!(!nobody.matches(b"correct horse"));
        let (_, known) = access.password_of("berlin");
        let ((salt, iterations), (known_salt, known_iterations)) = (nobody.challenge(), known.challenge());
        assert_eq!((salt.len(), iterations), (known_salt.len(), known_iterations));
    }
}
