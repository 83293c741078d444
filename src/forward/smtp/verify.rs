//! [`NotingVerifier`]: verifies a certificate, remembers the outcome, and lets it pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// Verifies one connection's certificate, and lets it pass either way.
///
/// What it lets pass still proves that it has the certificate's key. One verifier serves one connection: a shared one would mix
/// up whose certificate it noted, and a session resumed under it would skip the check.
#[derive(Debug)]
pub(super) struct NotingVerifier {
    trust: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    verified: AtomicBool,
}

impl NotingVerifier {
    /// A verifier by what `trust` trusts, which may be nobody.
    pub(super) fn new(trust: Option<Arc<WebPkiServerVerifier>>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { trust, algorithms, verified: AtomicBool::new(false) }
    }

    /// Whether the certificate that passed was verified.
    pub(super) fn verified(&self) -> bool {
        self.verified.load(Ordering::Acquire)
    }
}

impl ServerCertVerifier for NotingVerifier {
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
