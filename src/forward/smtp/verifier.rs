//! [`PinnedOrIssuedVerifier`] and [`ReportingVerifier`]: verification of the peer's certificate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

/// Accepts a certificate that a trusted authority has issued, or that is itself one of the configured certificates.
///
/// A self-signed certificate as made by `openssl req -x509` is marked as one of an authority (`CA:TRUE`), and webpki rejects such a
/// certificate as that of a peer. But a user who configures exactly this certificate means the peer that has its key.
#[derive(Debug)]
pub(super) struct PinnedOrIssuedVerifier {
    issued: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl PinnedOrIssuedVerifier {
    /// A verifier that trusts the authorities of `issued`, whose certificates are `pinned`.
    pub(super) fn new(issued: Arc<WebPkiServerVerifier>, pinned: Vec<CertificateDer<'static>>) -> Self {
        Self { issued, pinned }
    }
}

impl ServerCertVerifier for PinnedOrIssuedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.issued.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if is_authority_in_place_of_peer(&error) && self.pinned.contains(end_entity) => {
                // webpki checks the validity period before the kind of certificate, but not yet the name.
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}

/// Whether the only fault of a certificate is that it is one of an authority. rustls passes on the error of webpki.
fn is_authority_in_place_of_peer(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error else { return false };
    matches!(cause.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Verifies the certificate of one connection, reports the result, and accepts the certificate either way.
///
/// The peer must still prove that it has the certificate's key. One verifier serves one connection: a shared one would mix up the results
/// of several connections, and a resumed session would skip the check.
#[derive(Debug)]
pub(super) struct ReportingVerifier {
    trust: Option<Arc<PinnedOrIssuedVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    verified: AtomicBool,
}

impl ReportingVerifier {
    /// A verifier that checks by `trust`; without it, no certificate verifies.
    pub(super) fn new(trust: Option<Arc<PinnedOrIssuedVerifier>>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { trust, algorithms, verified: AtomicBool::new(false) }
    }

    /// Whether the certificate verified.
    pub(super) fn verified(&self) -> bool {
        self.verified.load(Ordering::Acquire)
    }
}

impl ServerCertVerifier for ReportingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .trust
            .as_ref()
            .is_some_and(|trust| trust.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).is_ok());
        self.verified.store(verified, Ordering::Release);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
