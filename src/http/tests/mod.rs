//! Tests of the client with servers of their own.

pub(crate) mod server;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use self::server::{TestServer, answer, body, field};
use super::*;
use crate::lock::Lock;

/// Answers each look-up with the next addresses.
#[derive(Debug, Default, Clone)]
struct FakeResolver(Arc<Lock<VecDeque<Vec<IpAddr>>>>);

impl FakeResolver {
    fn answering(answers: &[&[&str]]) -> Self {
        let addresses = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        Self(Arc::new(Lock::new(answers.iter().map(addresses).collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().len()
    }
}

#[async_trait]
impl Resolve for FakeResolver {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.0.lock().pop_front().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn local(server: &TestServer) -> TargetPolicy {
    TargetPolicy::default().allow_plain_text().allow_port(server.address.port()).allow_prefix("127.0.0.0/8".parse().unwrap())
}

fn post(server: &TestServer, url: &str) -> HttpRequest {
    HttpRequest::post(url.parse().unwrap(), local(server), "hello")
}

fn client() -> HttpClient {
    HttpClient::builder().build()
}

#[tokio::test]
async fn a_request_is_sent_and_its_answer_read() {
    let server = TestServer::start("127.0.0.1", [answer("202 Accepted", "retry-after: 7\r\n", "thanks")]).await;
    let request = post(&server, &server.url("/a?b=c")).header("webhook-id", "msg_1");
    let got = client().send(request).await.unwrap();
    assert_eq!((got.status, got.retry_after.as_deref(), &got.body[..]), (202, Some("7"), &b"thanks"[..]));
    let request = server.request().await;
    assert!(request.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{request}");
    assert_eq!(field(&request, "host"), Some(server.address.to_string().as_str()));
    assert_eq!(
        (field(&request, "webhook-id"), field(&request, "content-length"), body(&request)),
        (Some("msg_1"), Some("5"), "hello")
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = TestServer::start("127.0.0.1", [answer("307 Temporary Redirect", "location: /other\r\n", "")]).await;
    assert_eq!(client().send(post(&server, &server.url("/"))).await.unwrap().status, 307);
    server.request().await;
    assert!(!server.has_request().await);
}

#[tokio::test]
async fn at_most_64_kib_of_an_answer_are_read() {
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(300_000));
    let server = TestServer::start("127.0.0.1", [endless]).await;
    assert_eq!(client().send(post(&server, &server.url("/"))).await.unwrap().body.len(), 65_536);
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_an_error() {
    let long_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2_000_000));
    let answers =
        ["220 mail.example ESMTP\r\n".to_owned(), String::new(), answer("200 OK", "", "abc")[..30].to_owned(), long_head];
    let server = TestServer::start("127.0.0.1", answers).await;
    for _ in 0..4 {
        let error = client().send(post(&server, &server.url("/"))).await.unwrap_err();
        assert!(matches!(error, HttpError::Protocol(_)) && error.is_transient(), "{error:?}");
    }
}

/// A server may answer without reading the whole request: the system resets such a connection right behind the answer.
#[tokio::test]
async fn an_answer_counts_though_the_connection_is_reset_behind_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/");
    let policy =
        TargetPolicy::default().allow_plain_text().allow_port(address.port()).allow_prefix("127.0.0.0/8".parse().unwrap());
    for body in ["", "thanks"] {
        for _ in 0..20 {
            let request = HttpRequest::post(url.parse().unwrap(), policy.clone(), "hello");
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_u8().await.unwrap();
                stream.write_all(answer("200 OK", "", body).as_bytes()).await.unwrap();
            };
            let client = client();
            let (answered, ()) = tokio::join!(client.send(request), serve);
            assert_eq!(answered.unwrap().status, 200);
        }
    }
}

#[tokio::test]
async fn a_silent_server_ends_the_request_in_time() {
    let server = TestServer::start("127.0.0.1", []).await;
    let request = post(&server, &server.url("/")).time_limit(Duration::from_millis(50));
    assert!(matches!(client().send(request).await, Err(HttpError::TimedOut)));
}

#[tokio::test]
async fn no_connection_is_made_to_a_private_address() {
    let server = TestServer::start("127.0.0.1", [answer("200 OK", "", "")]).await;
    let port = server.address.port();
    let policy = TargetPolicy::default().allow_plain_text().allow_port(port);
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "localhost"] {
        let request = HttpRequest::post(format!("http://{host}:{port}/").parse().unwrap(), policy.clone(), "");
        let refused = client().send(request).await;
        assert!(matches!(refused, Err(HttpError::Refused(TargetRefused::Address(_)))), "{host}: {refused:?}");
    }
    assert!(!server.has_request().await);
}

#[tokio::test]
async fn a_name_with_one_private_address_is_not_reached() {
    let server = TestServer::start("127.0.0.2", [answer("200 OK", "", "")]).await;
    let policy = TargetPolicy { prefixes: vec!["127.0.0.2".parse().unwrap()], ..local(&server) };
    let resolver = FakeResolver::answering(&[&["127.0.0.2", "127.0.0.1"], &["127.0.0.2"]]);
    let client = HttpClient::builder().resolver(resolver).build();
    let url: HttpUrl = format!("http://hooks.example:{}/", server.address.port()).parse().unwrap();
    let refused = client.send(HttpRequest::post(url.clone(), policy.clone(), "")).await;
    assert!(matches!(refused, Err(HttpError::Refused(TargetRefused::Address(_)))), "{refused:?}");
    assert!(!server.has_request().await);
    assert_eq!(client.send(HttpRequest::post(url, policy, "")).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_name_is_resolved_once_and_the_checked_address_used() {
    let server = TestServer::start("127.0.0.2", [answer("200 OK", "", ""), answer("200 OK", "", "")]).await;
    let policy = TargetPolicy { prefixes: vec!["127.0.0.2".parse().unwrap()], ..local(&server) };
    // The name leads to another address as soon as it has been looked up once.
    let resolver = FakeResolver::answering(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let client = HttpClient::builder().resolver(resolver.clone()).build();
    let url: HttpUrl = format!("http://hooks.example:{}/", server.address.port()).parse().unwrap();
    assert_eq!(client.send(HttpRequest::post(url.clone(), policy.clone(), "")).await.unwrap().status, 200);
    assert_eq!(resolver.left(), 1, "the second answer was not asked for");
    assert_eq!(field(&server.request().await, "host"), Some(url.authority().as_str()));
    let refused = client.send(HttpRequest::post(url, policy, "")).await;
    assert!(matches!(refused, Err(HttpError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_certificate_must_be_of_the_name_and_of_a_trusted_authority() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["hooks.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let answers = [(); 5].map(|()| answer("200 OK", "", ""));
    let server = TestServer::start_with("127.0.0.1", answers, Some(Arc::new(config))).await;
    let resolver = FakeResolver::answering(&[&["127.0.0.1"][..]; 5]);
    let send = async |client: HttpClientBuilder, host: &str| {
        let url = format!("https://{host}:{}/", server.address.port());
        client.resolver(resolver.clone()).build().send(post(&server, &url)).await
    };
    let trusting = || HttpClient::builder().authorities(cert.pem().as_bytes()).unwrap();
    assert_eq!(send(trusting(), "hooks.example").await.unwrap().status, 200);
    assert!(matches!(send(trusting(), "other.example").await, Err(HttpError::Tls(_))));
    let CertifiedKey { cert: other, .. } = generate_simple_self_signed(["hooks.example".to_owned()]).unwrap();
    let of_another = HttpClient::builder().authorities(other.pem().as_bytes()).unwrap();
    assert!(matches!(send(of_another, "hooks.example").await, Err(HttpError::Tls(_))));
    assert!(matches!(send(HttpClient::builder(), "hooks.example").await, Err(HttpError::NoTls)));
    // One is not Base64, and one no certificate.
    let unusable = ["!!!!", "AAAA"].map(|text| format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"));
    let bundle = unusable.join("") + &cert.pem() + &unusable[0];
    let of_a_bundle = HttpClient::builder().authorities(bundle.as_bytes()).unwrap();
    assert_eq!(send(of_a_bundle, "hooks.example").await.unwrap().status, 200);
    for none in ["no certificate", &unusable[0], &unusable.join("")] {
        assert!(HttpClient::builder().authorities(none.as_bytes()).is_err(), "{none}");
    }
}
