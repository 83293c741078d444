//! The TLS configuration of a client that trusts given authorities.

use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::HttpSetupError;

/// Returns a configuration that trusts the authorities in `pem`.
pub(super) fn trusting(pem: &[u8]) -> Result<Arc<ClientConfig>, HttpSetupError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| HttpSetupError::Certificates(error.into()))?;
        roots.add(certificate).map_err(|error| HttpSetupError::Certificates(error.into()))?;
    }
    let provider = Arc::new(ring::default_provider());
    // The builder rejects an empty set, which is the result of a text without certificates.
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| HttpSetupError::Certificates(error.into()))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
        .with_webpki_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
