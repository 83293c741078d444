//! A host that accepts connections and says nothing does not hold up the next host.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use voicemail_postgres::{Database, DatabaseError};

use super::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_says_nothing_is_passed_over() {
    let Some(server) = Server::common() else { return };
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.create_database().await;
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", frozen.local_addr().unwrap().port(), server.port());
    let both = address.replace(&format!("127.0.0.1:{}", server.port()), &hosts);
    let start = Instant::now();
    Database::builder(&both).connect_limit(Duration::from_millis(500)).connect().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_host_is_named_with_the_reason_of_each() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = Database::connect(&format!("postgres://voicemail:secret@127.0.0.1:{gone}/mail")).await.unwrap_err();
    assert!(matches!(&error, DatabaseError::Away(reasons) if reasons.contains(&gone.to_string())), "{error:?}");
    assert!(error.is_transient() && !format!("{error:?}").contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_not_crossed_in_plain_text() {
    // 192.0.2.0/24 is for documentation: nobody is there, and nothing is sent.
    let error = Database::connect("postgres://voicemail@192.0.2.1/mail").await.unwrap_err();
    assert!(error.to_string().contains("no TLS configuration"), "{error}");
}
