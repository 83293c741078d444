//! TLS with rustls: [`TlsClient`], [`TlsServer`], and the verification of SIP domain certificates.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use webpki::{EndEntityCert, KeyUsage};

use super::super::SipUri;
use super::{ConnectionStream, SecureClient, SecureServer};

/// The client's side of TLS.
#[derive(Debug, Clone)]
pub(in crate::sip) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Uses `config` as it is.
    pub(in crate::sip) const fn new(config: Arc<ClientConfig>) -> Self {
        Self(config)
    }

    /// Trusts the authorities whose certificates `pem` holds, and verifies the SIP domain as RFC 5922 says.
    pub(in crate::sip) fn by_authorities(pem: &[u8]) -> Result<Self, SipTlsError> {
        let mut roots = RootCertStore::empty();
        let given = certificates(pem)?;
        for certificate in &given {
            roots.add(certificate.clone()).map_err(|error| SipTlsError::Certificates(error.into()))?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = DomainVerifier { roots, given, provider: Arc::clone(&provider) };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

#[async_trait]
impl SecureClient for TlsClient {
    async fn connect(&self, stream: TcpStream, name: &str) -> io::Result<Box<dyn ConnectionStream>> {
        let server = ServerName::try_from(name.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connected = TlsConnector::from(Arc::clone(&self.0)).connect(server, stream).await;
        Ok(Box::new(connected.map_err(|error| with_advice(error, name))?))
    }
}

/// Adds to `error` how to get the certificate accepted, where it was refused.
fn with_advice(error: io::Error, name: &str) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(reason)) => {
            io::Error::new(error.kind(), Untrusted { name: name.to_owned(), reason: reason.clone() })
        }
        _ => error,
    }
}

/// The certificate of a server is not trusted.
#[derive(Debug, thiserror::Error)]
#[error(
    "the certificate for {name} is refused ({reason}): give the certificate of its authority, or itself, to `ca_pem`, and the name that \
     it is for to `server_name`"
)]
struct Untrusted {
    name: String,
    reason: CertificateError,
}

/// The server's side of TLS.
#[derive(Debug, Clone)]
pub(in crate::sip) struct TlsServer(Arc<ServerConfig>);

impl TlsServer {
    /// Uses `config` as it is.
    pub(in crate::sip) const fn new(config: Arc<ServerConfig>) -> Self {
        Self(config)
    }

    /// Presents the certificates of `chain`, that of this server first; `key` is its private key. Both are PEM.
    pub(in crate::sip) fn by_certificate(chain: &[u8], key: &[u8]) -> Result<Self, SipTlsError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| SipTlsError::Key(error.into()))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(certificates(chain)?, key)
            .map_err(|error| SipTlsError::Key(error.into()))?;
        Ok(Self(Arc::new(config)))
    }
}

#[async_trait]
impl SecureServer for TlsServer {
    async fn accept(&self, stream: TcpStream) -> io::Result<Box<dyn ConnectionStream>> {
        Ok(Box::new(TlsAcceptor::from(Arc::clone(&self.0)).accept(stream).await?))
    }
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SipTlsError {
    /// The PEM text has no certificate, or one that cannot be read.
    #[error("the certificates for SIP over TLS cannot be read: give a PEM text with at least one certificate")]
    Certificates(#[source] Box<dyn StdError + Send + Sync>),
    /// The private key cannot be read, or is not that of the certificate.
    #[error("the private key for SIP over TLS is unusable: give a PEM text with the key of the first certificate")]
    Key(#[source] Box<dyn StdError + Send + Sync>),
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, SipTlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = read.map_err(|error| SipTlsError::Certificates(error.into()))?;
    if certificates.is_empty() {
        return Err(SipTlsError::Certificates("no certificate in the text".into()));
    }
    Ok(certificates)
}

/// Verifies that a certificate is that of a SIP domain.
///
/// # Source
///
/// RFC 5922 §7.1 and §7.2: the domains of a certificate are those of its `sip:` URIs without a user; without such a URI, its DNS names.
/// A wildcard never matches. A host that is an IP address must be among the certificate's IP addresses.
#[derive(Debug)]
struct DomainVerifier {
    roots: RootCertStore,
    /// The certificates of `roots`, as they were given.
    given: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl DomainVerifier {
    /// Verifies that a trusted authority has issued the certificate, or that the certificate is itself one of those given: a self-signed one,
    /// as `openssl req -x509` makes it, is marked as an authority's, and is otherwise refused as a server's.
    fn verify_trust(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let issued = verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms);
        if issued.is_ok() || !self.given.contains(end_entity) {
            return issued;
        }
        let certificate = EndEntityCert::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let usage = KeyUsage::server_auth();
        let verified = certificate.verify_for_usage(algorithms, &self.roots.roots, intermediates, now, usage, None, None);
        // webpki checks the dates of a certificate before it reports this error.
        if matches!(verified, Err(webpki::Error::CaUsedAsEndEntity)) { Ok(()) } else { issued }
    }

    fn is_of(certificate: &EndEntityCert<'_>, name: &ServerName<'_>) -> bool {
        let ServerName::DnsName(domain) = name else { return certificate.verify_is_valid_for_subject_name(name).is_ok() };
        let domain = domain.as_ref();
        let mut of_sip = certificate.valid_uri_names().filter_map(sip_domain).peekable();
        if of_sip.peek().is_some() {
            return of_sip.any(|known| known.eq_ignore_ascii_case(domain));
        }
        certificate.valid_dns_names().any(|known| known.eq_ignore_ascii_case(domain))
    }
}

/// The domain of a `sip:` URI on a certificate; `None` for `sips:` and for a URI with a user.
fn sip_domain(uri: &str) -> Option<String> {
    let uri: SipUri = uri.parse().ok()?;
    (!uri.is_secure() && uri.user().is_none()).then(|| uri.host().to_owned())
}

impl ServerCertVerifier for DomainVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_trust(end_entity, intermediates, now)?;
        let certificate = EndEntityCert::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        if Self::is_of(&certificate, server_name) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};

    use super::*;

    /// Whether a certificate with these names is that of `domain`.
    fn is_of(names: impl IntoIterator<Item = SanType>, domain: &str) -> bool {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.into_iter().collect();
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let name = ServerName::try_from(domain.to_owned()).unwrap();
        DomainVerifier::is_of(&EndEntityCert::try_from(certificate.der()).unwrap(), &name)
    }

    #[test]
    fn a_certificate_is_valid_for_its_sip_domains() {
        let uri = |text: &str| SanType::URI(text.try_into().unwrap());
        let dns = |text: &str| SanType::DnsName(text.try_into().unwrap());
        assert!(is_of([dns("pbx.example")], "PBX.example"));
        assert!(is_of([uri("sip:pbx.example"), dns("host1.example")], "pbx.example"));
        assert!(!is_of([uri("sip:pbx.example"), dns("host1.example")], "host1.example"), "DNS names count without a SIP domain");
        assert!(!is_of([uri("sip:2041@pbx.example")], "pbx.example"), "a user is no domain");
        assert!(!is_of([dns("*.example")], "pbx.example"), "no wildcard matches");
        assert!(is_of([SanType::IpAddress([192, 0, 2, 5].into())], "192.0.2.5"));
        assert!(!is_of([dns("pbx.example")], "192.0.2.5"));
    }

    #[test]
    fn an_authority_certificate_is_trusted_if_it_is_the_given_one() {
        let made = |from: i32, to: i32| {
            let mut params = CertificateParams::new(["pbx.example".to_owned()]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
            params.self_signed(&KeyPair::generate().unwrap()).unwrap()
        };
        let (given, other, old) = (made(2020, 2040), made(2020, 2040), made(2020, 2021));
        let is_trusted = |trusted: &[&rcgen::Certificate], presented: &rcgen::Certificate, name: &str| {
            let (mut roots, given) = (RootCertStore::empty(), trusted.iter().map(|each| each.der().clone()).collect::<Vec<_>>());
            for each in &given {
                roots.add(each.clone()).unwrap();
            }
            let verifier = DomainVerifier { roots, given, provider: Arc::new(ring::default_provider()) };
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_750_000_000));
            verifier.verify_server_cert(presented.der(), &[], &name, &[], now).is_ok()
        };
        assert!(is_trusted(&[&given], &given, "pbx.example"));
        assert!(!is_trusted(&[&given], &given, "other.example"), "its name is checked");
        assert!(!is_trusted(&[&given], &other, "pbx.example"), "another one of the same name is not");
        assert!(!is_trusted(&[&old], &old, "pbx.example"), "its dates are checked");
    }

    #[test]
    fn texts_without_a_certificate_or_a_key_are_refused() {
        assert!(matches!(TlsClient::by_authorities(b"no PEM"), Err(SipTlsError::Certificates(_))));
        let made = rcgen::generate_simple_self_signed(["pbx.example".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        assert!(TlsServer::by_certificate(chain.as_bytes(), key.as_bytes()).is_ok());
        assert!(matches!(TlsServer::by_certificate(b"", key.as_bytes()), Err(SipTlsError::Certificates(_))));
        let other = KeyPair::generate().unwrap().serialize_pem();
        for key in [&b"no PEM"[..], other.as_bytes()] {
            assert!(matches!(TlsServer::by_certificate(chain.as_bytes(), key), Err(SipTlsError::Key(_))));
        }
    }
}
