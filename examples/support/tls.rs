//! Certificates for the examples.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Failure;

/// Makes a self-signed certificate for `name`; returns the server's TLS configuration, and the PEM text for clients to trust.
pub fn self_signed(name: &str) -> Result<(Arc<ServerConfig>, String), Failure> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    Ok((server(vec![made.cert.der().clone()], key)?, made.cert.pem()))
}

/// Reads the self-signed certificate in the file `certificate` and its key beside it; makes them first if they are missing. Clients that
/// trust the certificate still do after the next start.
pub fn self_signed_in(certificate: &Path, name: &str) -> Result<Arc<ServerConfig>, Failure> {
    let key = beside(certificate, ".key");
    if !(certificate.exists() && key.exists()) {
        make(certificate, &key, name).map_err(|error| format!("{}: {error}", certificate.display()))?;
    }
    from_files(certificate, &key)
}

/// Reads the certificate chain and the key in two PEM files.
pub fn from_files(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Failure> {
    let unreadable = |path: &Path, what: &str| format!("{}: not a readable {what}", path.display());
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| unreadable(certificate, "PEM certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| unreadable(key, "PEM private key"))?;
    let fit = |error| format!("{} and {} are no pair: {error}", certificate.display(), key.display());
    Ok(server(chain, private).map_err(fit)?)
}

/// Reads a file; the error names it.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Makes a certificate and its key. No half-written file is ever found: each gets its name when it is complete, the key first.
fn make(certificate: &Path, key: &Path, name: &str) -> Result<(), Failure> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
    certificate.parent().map_or(Ok(()), fs::create_dir_all)?;
    if certificate.exists() {
        fs::remove_file(certificate)?;
    }
    for (path, text) in [(key, made.signing_key.serialize_pem()), (certificate, made.cert.pem())] {
        let draft = beside(path, ".new");
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?.write_all(text.as_bytes())?;
        fs::rename(draft, path)?;
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn server(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Arc<ServerConfig>, Failure> {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}
