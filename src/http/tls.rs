//! The TLS configuration of a client that trusts given authorities.

use std::error::Error;
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::HttpSetupError;
use crate::error_chain;

/// Returns a configuration that trusts the authorities in `pem`, without those whose certificates cannot be used.
pub(super) fn trusting(pem: &[u8]) -> Result<Arc<ClientConfig>, HttpSetupError> {
    let (mut roots, mut unusable) = (RootCertStore::empty(), None);
    for (place, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
        if let Err(error) = add(&mut roots, certificate) {
            tracing::warn!(
                place,
                error = error_chain(&*error),
                "a certificate among those of the authorities cannot be used, and is left out"
            );
            unusable = Some(error);
        }
    }
    if let Some(error) = unusable.filter(|_| roots.is_empty()) {
        return Err(HttpSetupError::Certificates(error));
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

fn add(roots: &mut RootCertStore, certificate: Result<CertificateDer<'_>, PemError>) -> Result<(), Box<dyn Error + Send + Sync>> {
    Ok(roots.add(certificate?.into_owned())?)
}
