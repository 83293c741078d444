//! Connections over TLS: the server's certificate and name are verified, and nothing is installed for the process.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use voicemail_postgres::{Database, DatabaseError, Encryption};

use super::support::server::Server;

fn trusting(certificate: &CertificateDer<'static>) -> Encryption {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    Encryption::Tls(Arc::new(config.unwrap().with_root_certificates(roots).with_no_client_auth()))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_certificate_for_the_right_name_is_accepted() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let Some(server) = Server::start_with_tls(&cert.pem(), &signing_key.serialize_pem()) else { return };
    let address = server.create_database().await.replace("127.0.0.1", "localhost");
    let connect = |address: &str, encryption| Database::builder(address).encryption(encryption).connect();

    let database = connect(&format!("{address}?sslmode=verify-full"), trusting(cert.der())).await.unwrap();
    let store = super::support::store_in(&database).await;
    voicemail::conformance::store::once(&store).await;
    let name = address.rsplit('/').next().unwrap();
    let plain =
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'voicemail' AND NOT ssl";
    assert_eq!(server.execute(name, plain).await, ["0"]);

    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let refused = connect(&address, trusting(other.cert.der())).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::Away(_)), "{refused:?}");
    let by_address = address.replace("localhost", "127.0.0.1");
    let refused = connect(&by_address, trusting(cert.der())).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::Away(_)), "the certificate names another host: {refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_where_tls_is_wanted() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let CertifiedKey { cert, .. } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let refused = Database::builder(&address).encryption(trusting(cert.der())).connect().await.unwrap_err();
    assert!(matches!(refused, DatabaseError::Away(_)), "{refused:?}");
    let refused = Database::connect(&format!("{address}?sslmode=require")).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::Address(_)), "{refused:?}");
}
