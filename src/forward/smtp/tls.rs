//! [`Tls`]: the TLS settings for a peer, and the handshake.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error as RustlsError, ProtocolVersion, RootCertStore};

use super::dial::ByteStream;
use super::security::SetupError;
use super::verifier::{PinnedOrIssuedVerifier, ReportingVerifier};
use super::{Reply, Timeouts};
use crate::forward::{TlsVersion, TransportSecurity};

/// The TLS settings for one peer.
#[derive(Debug)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    trust: TrustSource,
    name: ServerName<'static>,
}

/// The source of trust in the peer's certificate.
#[derive(Debug)]
enum TrustSource {
    /// The user's configuration, whose verifier is not known.
    Config,
    /// These authorities; if there are none, no certificate is trusted.
    Authorities(Option<Arc<PinnedOrIssuedVerifier>>),
}

/// Whether a certificate must verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CertificateCheck {
    /// The certificate must verify.
    Required,
    /// The certificate is accepted, and whether it verified is reported; under a user's configuration it must verify.
    Reported,
    /// The certificate is not verified.
    Skipped,
}

/// Why TLS could not be established.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsFailure {
    /// The peer does not offer STARTTLS.
    #[error("it does not offer STARTTLS: switch TLS on there, or use implicit TLS if it listens for that (port 465)")]
    NotOffered,
    /// The peer refused STARTTLS.
    #[error("it answered STARTTLS with {0}: check its TLS settings")]
    Declined(Reply),
    /// The connection ended, or the peer violated the TLS protocol.
    #[error("the TLS handshake failed: {0}; {advice}", advice = advice_on_handshake(&**.0))]
    Broken(Box<dyn StdError + Send + Sync>),
    /// The certificate does not verify.
    #[error("its certificate is not accepted: {0}; {advice}", advice = advice_on_certificate(.0))]
    Unverified(RustlsError),
    /// The peer did not answer in time.
    #[error("no answer in time ({0}): it may not speak TLS on this port, or a firewall drops the packets")]
    TooSlow(&'static str),
}

impl Tls {
    /// TLS by the user's configuration.
    pub(super) fn with_config(config: Arc<ClientConfig>, name: ServerName<'static>) -> Self {
        Self { config, trust: TrustSource::Config, name }
    }

    /// TLS that trusts the authorities in `pem`.
    pub(super) fn with_authorities(pem: &[u8], name: ServerName<'static>) -> Result<Self, SetupError> {
        let (mut roots, mut pinned) = (RootCertStore::empty(), Vec::new());
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| SetupError::Certificates(error.into()))?;
            pinned.push(certificate.clone());
            roots.add(certificate).map_err(|error| SetupError::Certificates(error.into()))?;
        }
        // The builder rejects an empty set, which is the result of a text without certificates.
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| SetupError::Certificates(error.into()))?;
        Ok(Self::with_verifier(Some(Arc::new(PinnedOrIssuedVerifier::new(verifier, pinned))), name))
    }

    /// TLS that trusts no authority: no certificate verifies.
    pub(super) fn trusting_nobody(name: ServerName<'static>) -> Self {
        Self::with_verifier(None, name)
    }

    fn with_verifier(verifier: Option<Arc<PinnedOrIssuedVerifier>>, name: ServerName<'static>) -> Self {
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of TLS 1.2 and 1.3");
        let config = match &verifier {
            Some(verifier) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::<PinnedOrIssuedVerifier>::clone(verifier))
            }
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(ReportingVerifier::new(None, algorithms))),
        };
        Self { config: Arc::new(config.with_no_client_auth()), trust: TrustSource::Authorities(verifier), name }
    }

    /// Does the handshake.
    pub(super) async fn handshake(
        &self,
        transport: Box<dyn ByteStream>,
        certificate: CertificateCheck,
        timeouts: &Timeouts,
    ) -> Result<(Box<dyn ByteStream>, TransportSecurity), TlsFailure> {
        let (config, reporting) = self.config_for(certificate);
        let connecting = TlsConnector::from(config).connect(self.name.clone(), transport);
        let mut stream = match timeout(timeouts.handshake, connecting).await {
            Ok(connected) => connected.map_err(TlsFailure::from_handshake)?,
            Err(_) => return Err(TlsFailure::TooSlow("TLS handshake")),
        };
        stream.get_mut().1.set_buffer_limit(Some(MAX_ENCRYPTED));
        let version = match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
            _ => TlsVersion::V1_2, // rustls speaks nothing older
        };
        let verified = reporting.is_none_or(|reporting| reporting.verified());
        let transport_security =
            if verified { TransportSecurity::Tls(version) } else { TransportSecurity::TlsUnverified(version) };
        Ok((Box::new(stream), transport_security))
    }

    /// Returns a configuration for one connection, and the verifier that knows afterwards whether the certificate verified.
    fn config_for(&self, certificate: CertificateCheck) -> (Arc<ClientConfig>, Option<Arc<ReportingVerifier>>) {
        let trusted = match (certificate, &self.trust) {
            (CertificateCheck::Required, _) | (CertificateCheck::Reported, TrustSource::Config) => {
                return (Arc::clone(&self.config), None);
            }
            (CertificateCheck::Reported, TrustSource::Authorities(authorities)) => authorities.clone(),
            (CertificateCheck::Skipped, _) => None,
        };
        let algorithms = self.config.crypto_provider().signature_verification_algorithms;
        let reporting = Arc::new(ReportingVerifier::new(trusted, algorithms));
        let mut config = ClientConfig::clone(&self.config);
        config.dangerous().set_certificate_verifier(Arc::<ReportingVerifier>::clone(&reporting));
        (Arc::new(config), Some(reporting))
    }
}

impl TlsFailure {
    fn from_handshake(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>()) {
            Some(certificate @ RustlsError::InvalidCertificate(_)) => Self::Unverified(certificate.clone()),
            _ => Self::Broken(error.into()),
        }
    }
}

/// Returns advice to an operator about a certificate that was not accepted.
fn advice_on_certificate(error: &RustlsError) -> &'static str {
    let RustlsError::InvalidCertificate(reason) = error else {
        return "inspect the certificate with `openssl s_client -showcerts`";
    };
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew it, or set this node's clock if that is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "set this node's clock, or wait until it is valid"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "make one with the peer's name as a subjectAltName, or set the server name to one that is on it"
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "give this node the certificate of the authority that issued it, or the certificate itself"
        }
        CertificateError::BadEncoding => "make a new one of X.509 version 3",
        CertificateError::Revoked => "replace it: its authority has revoked it",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "make one for TLS servers (serverAuth)"
        }
        CertificateError::Other(_) => {
            "if it is the certificate of an authority, give this node exactly this one, or make another for the peer that is none"
        }
        _ => "make a new one, for example with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256`",
    }
}

/// Returns advice to an operator about a handshake that failed before the certificate.
fn advice_on_handshake(error: &(dyn StdError + Send + Sync + 'static)) -> &'static str {
    let inner =
        error.downcast_ref::<io::Error>().and_then(|error| error.get_ref()).and_then(|inner| inner.downcast_ref::<RustlsError>());
    match inner {
        Some(RustlsError::InvalidMessage(_)) => {
            "the server on this port does not speak TLS: check the port, and whether it needs StartTls or Implicit"
        }
        Some(RustlsError::AlertReceived(_) | RustlsError::PeerIncompatible(_)) => {
            "both sides need TLS 1.2 or 1.3, and the peer may ask for a certificate of this node"
        }
        _ => "check the peer's log, and try `openssl s_client` against it",
    }
}

/// Returns ring, never the process's default: another crate may have set that, or two have, and then rustls has none.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// How many encrypted bytes of one connection wait until the peer reads them. rustls would hold twice as many, in addition to the piece that
/// is not encrypted yet.
const MAX_ENCRYPTED: usize = 32 * 1024;
