//! [`TlsPemError`], and the TLS configuration of a server from a certificate and a key in PEM.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error as RustlsError, InconsistentKeys, ServerConfig};

/// Why a certificate and its private key, both in PEM, cannot be used for TLS. No variant contains anything of the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsPemError {
    /// The text of the certificate chain is damaged.
    #[error(
        "the certificate chain is damaged: give the PEM file unchanged, with its BEGIN CERTIFICATE and END CERTIFICATE lines"
    )]
    DamagedCertificates,
    /// The text of the certificate chain contains no certificate.
    #[error(
        "the certificate chain contains no certificate: give a PEM file with BEGIN CERTIFICATE, the node's own certificate first"
    )]
    NoCertificate,
    /// The first certificate is no valid X.509 certificate.
    #[error("the first certificate of the chain is not valid: issue it again, as an X.509 certificate of version 3")]
    InvalidCertificate(#[source] RustlsError),
    /// The text of the private key is damaged.
    #[error("the private key is damaged: give the PEM file unchanged, with its BEGIN PRIVATE KEY and END PRIVATE KEY lines")]
    DamagedKey,
    /// The text of the private key contains no private key, or an encrypted one.
    #[error(
        "the private key file contains no usable key: give a PEM file with BEGIN PRIVATE KEY (decrypt it first, if it is encrypted)"
    )]
    NoKey,
    /// The private key is of a kind that TLS does not support here.
    #[error("the private key is of no supported kind: use ECDSA on P-256 or P-384, Ed25519, or RSA of at least 2048 bits")]
    UnsupportedKey,
    /// The private key belongs to another certificate.
    #[error(
        "the private key does not belong to the first certificate of the chain: give the key of that certificate, or sort the chain"
    )]
    KeyMismatch,
}

/// Makes the TLS configuration of a server: TLS 1.2 and 1.3, with this certificate, and without client certificates.
pub(crate) fn server_config(cert_chain_pem: &[u8], key_pem: &[u8]) -> Result<Arc<ServerConfig>, TlsPemError> {
    let chain = CertificateDer::pem_slice_iter(cert_chain_pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| TlsPemError::DamagedCertificates)?;
    if chain.is_empty() {
        return Err(TlsPemError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| match error {
        PemError::NoItemsFound => TlsPemError::NoKey,
        // The error may quote the text, which is secret.
        _ => TlsPemError::DamagedKey,
    })?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key);
    config.map(Arc::new).map_err(|error| match error {
        RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsPemError::KeyMismatch,
        RustlsError::InvalidCertificate(_) => TlsPemError::InvalidCertificate(error),
        _ => TlsPemError::UnsupportedKey,
    })
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::directory::StaticDirectory;
    use crate::intake::Intake;
    use crate::message::MailboxId;
    use crate::store::MemoryStore;

    fn certified() -> CertifiedKey<KeyPair> {
        generate_simple_self_signed(["vm1.example".to_owned()]).unwrap()
    }

    fn error(cert_chain_pem: &str, key_pem: &str) -> TlsPemError {
        server_config(cert_chain_pem.as_bytes(), key_pem.as_bytes()).unwrap_err()
    }

    fn section(kind: &str, base64: &str) -> String {
        format!("-----BEGIN {kind}-----\n{base64}\n-----END {kind}-----\n")
    }

    #[tokio::test]
    async fn a_certificate_and_its_key_serve_a_client_that_trusts_it() {
        let (own, issuer) = (certified(), certified());
        let chain = own.cert.pem() + &issuer.cert.pem();
        let server = server_config(chain.as_bytes(), own.signing_key.serialize_pem().as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("vm1.example").unwrap();
        let (accepted, connected) =
            tokio::join!(TlsAcceptor::from(server).accept(ours), TlsConnector::from(Arc::new(client)).connect(name, theirs));
        assert!(accepted.unwrap().get_ref().1.peer_certificates().is_none());
        assert_eq!(connected.unwrap().get_ref().1.peer_certificates().unwrap().len(), 2, "the whole chain is sent");
    }

    #[test]
    fn each_error_names_the_text_that_is_wrong() {
        let (own, other) = (certified(), certified());
        let (cert, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        assert!(matches!(error(&cert, &other.signing_key.serialize_pem()), TlsPemError::KeyMismatch));
        assert!(matches!(error(&(other.cert.pem() + &cert), &key), TlsPemError::KeyMismatch), "the node's own comes first");
        for nothing in ["", "garbage", key.as_str()] {
            assert!(matches!(error(nothing, &key), TlsPemError::NoCertificate), "{nothing}");
        }
        for nothing in ["", "garbage", cert.as_str(), &section("ENCRYPTED PRIVATE KEY", "AAAA")] {
            assert!(matches!(error(&cert, nothing), TlsPemError::NoKey), "{nothing}");
        }
        for damaged in [&cert[..cert.len() / 2], &section("CERTIFICATE", "not base64!")] {
            assert!(matches!(error(damaged, &key), TlsPemError::DamagedCertificates), "{damaged}");
        }
        for damaged in [&key[..key.len() / 2], &section("PRIVATE KEY", "not base64!")] {
            assert!(matches!(error(&cert, damaged), TlsPemError::DamagedKey), "{damaged}");
        }
        let invalid = error(&section("CERTIFICATE", "AAAA"), &key);
        assert!(matches!(invalid, TlsPemError::InvalidCertificate(_)) && invalid.source().is_some(), "{invalid:?}");
        assert!(matches!(error(&cert, &section("PRIVATE KEY", "AAAA")), TlsPemError::UnsupportedKey));
    }

    #[test]
    fn neither_debug_nor_an_error_shows_the_key() {
        let own = certified();
        let (cert, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        let intake = Intake::builder("vm.example", MemoryStore::new([] as [MailboxId; 0]), StaticDirectory::default());
        let builder = intake.tls_pem(cert.as_bytes(), key.as_bytes()).unwrap();
        let half = &key[..key.len() / 2];
        let errors = [error(&certified().cert.pem(), &key), error(&key, &key), error(&cert, half), error(half, &key)];
        let texts = errors.iter().map(|error| format!("{error:?} {error} {:?}", error.source()));
        let texts: Vec<_> = texts.chain([format!("{builder:?}"), format!("{:?}", builder.build())]).collect();
        let der = format!("{:?}", own.signing_key.serialize_der());
        let secrets: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).chain([&der[1..der.len() - 1]]).collect();
        assert!(secrets.len() > 1);
        for (text, secret) in texts.iter().flat_map(|text| secrets.iter().map(move |secret| (text, secret))) {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
