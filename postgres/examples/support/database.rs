//! The database of an example.

use std::path::Path;
use std::sync::Arc;

use voicemail::rustls::pki_types::CertificateDer;
use voicemail::rustls::pki_types::pem::PemObject as _;
use voicemail::rustls::{ClientConfig, RootCertStore, crypto};
use voicemail_postgres::{Database, DatabaseBuilder, Encryption};

use crate::support::{self, Failure};

/// A builder of the database at `address`; with the PEM file `ca`, its servers must show a certificate that this file trusts. The variable
/// `PGPASSWORD` may have the password of the role.
pub(crate) fn builder(address: &str, ca: Option<&Path>) -> Result<DatabaseBuilder, Failure> {
    let mut database = Database::builder(address);
    if let Some(ca) = ca {
        database = database.encryption(Encryption::Tls(trusting(ca)?));
    }
    if let Ok(password) = std::env::var("PGPASSWORD") {
        database = database.password(password);
    }
    Ok(database)
}

/// A TLS configuration that trusts the certificates in the PEM file `ca`.
fn trusting(ca: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&support::tls::read(ca)?) {
        roots.add(certificate.map_err(|error| format!("{}: {error}", ca.display()))?)?;
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
