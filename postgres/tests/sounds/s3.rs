//! Sounds in S3: against two servers of its protocol, `moto_server` and `s3s-fs`, and how the other object stores are opened.

use std::collections::HashSet;
use std::io::BufRead as _;
use std::net::TcpListener;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use voicemail::message::{Audio, AudioType, ContentDigest};
use voicemail_postgres::sounds::{SoundError, SoundStore, SoundStoreBuilder, SoundUrlError};

/// A TLS configuration that trusts nobody, for servers that speak plain text.
fn tls() -> Arc<ClientConfig> {
    trusting(RootCertStore::empty())
}

fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let builder =
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn at(endpoint: &str, url: &str) -> SoundStoreBuilder {
    SoundStore::builder(url)
        .tls(tls())
        .option("aws_endpoint", endpoint)
        .option("aws_region", "eu-central-1")
        .option("aws_access_key_id", "id")
        .option("aws_secret_access_key", "secret")
        .option("allow_http", "true")
}

/// A running server of the S3 protocol with an empty bucket `sounds`, which ends with this value.
struct S3Server {
    _process: Child,
    _folder: Option<TempDir>,
    port: u16,
    endpoint: String,
}

impl S3Server {
    /// Starts `moto_server`, which checks no signatures; `None` where it is not installed.
    async fn moto() -> Option<Self> {
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", "0"]).env("PYTHONUNBUFFERED", "1");
        let server = Self::start("moto_server", command, "Running on ", None).await?;
        let created = create_bucket(server.port).await;
        assert!(created.starts_with("HTTP/1.1 200"), "{created}");
        Some(server)
    }

    /// Starts `s3s-fs`, which checks signatures and digests; `None` where it is not installed.
    async fn s3s() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sounds")).unwrap();
        let mut command = Command::new("s3s-fs");
        command.args(["--host", "127.0.0.1", "--port", "0", "--access-key", "id", "--secret-key", "secret"]).arg(folder.path());
        command.env("RUST_LOG", "s3s_fs=info");
        Self::start("s3s-fs", command, "running at ", Some(folder)).await
    }

    /// Starts a server that writes `mark` and its address when it is ready.
    async fn start(program: &str, mut command: Command, mark: &str, folder: Option<TempDir>) -> Option<Self> {
        let (reader, writer) = std::io::pipe().unwrap();
        let started = command.stdout(writer.try_clone().unwrap()).stderr(writer).kill_on_drop(true).spawn();
        // It holds the other end of the pipe.
        drop(command);
        let Ok(process) = started else {
            println!("skipped: nothing was tested against S3 by {program}, because it is not installed");
            return None;
        };
        let mark = mark.to_owned();
        let (ready, address) = oneshot::channel();
        // It reads on, as the server writes a line for each request, and ends with the server.
        std::thread::spawn(move || {
            let mut ready = Some(ready);
            for line in std::io::BufReader::new(reader).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once(&mark)
                    && let Some(ready) = ready.take()
                {
                    let _ = ready.send(address.trim().to_owned());
                }
            }
        });
        let Ok(endpoint) = address.await else {
            println!("skipped: nothing was tested against S3 by {program}, because it does not run");
            return None;
        };
        let port = endpoint.rsplit(':').next().unwrap().parse().unwrap();
        Some(Self { _process: process, _folder: folder, port, endpoint })
    }

    fn open(&self) -> SoundStore {
        at(&self.endpoint, "s3://sounds/voicemail").build().unwrap()
    }
}

async fn create_bucket(port: u16) -> String {
    let place = "<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>";
    let request = format!(
        "PUT /sounds HTTP/1.1\r\nHost: s3.eu-central-1.amazonaws.com\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{place}",
        place.len()
    );
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn sounds_in_moto_are_kept_read_and_swept() {
    let Some(moto) = S3Server::moto().await else { return };
    sounds_are_kept_read_and_swept(&moto).await;
}

#[tokio::test]
async fn sounds_in_s3s_fs_are_kept_read_and_swept() {
    let Some(s3s) = S3Server::s3s().await else { return };
    sounds_are_kept_read_and_swept(&s3s).await;
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let Some(s3s) = S3Server::s3s().await else { return };
    let sounds = at(&s3s.endpoint, "s3://sounds").option("aws_secret_access_key", "other").build().unwrap();
    let error = sounds.put(&Audio::new(AudioType::Basic, &b"hello"[..]), Utc::now()).await.unwrap_err();
    assert!(matches!(error, SoundError::Refused(_)), "{error:?}");
}

async fn sounds_are_kept_read_and_swept(server: &S3Server) {
    let sounds = server.open();
    let mut referenced = HashSet::new();
    for len in [0, 70_000, 12_000_000] {
        let sound = Audio::new(AudioType::Basic, (0..len).map(|byte: u32| u8::try_from(byte % 251).unwrap()).collect::<Vec<_>>());
        let name = sounds.put(&sound, Utc::now()).await.unwrap();
        let (size, digest) = (sound.len(), sound.digest());
        assert_eq!(server.open().read(&name, size, digest).await.unwrap(), sound.bytes());
        let mut reader = sounds.reader(&name, size, digest).await.unwrap();
        let mut read = 0;
        while let Some(piece) = reader.next_piece().await.unwrap() {
            read += piece.len() as u64;
        }
        assert_eq!(read, size);
        assert!(matches!(sounds.read(&name, size + 1, digest).await, Err(SoundError::Damaged(_))));
        assert!(matches!(sounds.read(&name, size, ContentDigest::of(b"other")).await, Err(SoundError::Damaged(_))));
        referenced.insert(name);
    }
    let orphan = sounds.put(&Audio::new(AudioType::Basic, &b"orphan"[..]), Utc::now()).await.unwrap();
    let mut sweep = sounds.sweep(None);
    let later = Utc::now() + TimeDelta::days(2);
    assert_eq!(sweep.candidates(later).await.unwrap().unwrap().len(), 4);
    assert_eq!(sweep.delete_others(&referenced).await.unwrap(), 1);
    assert!(sweep.candidates(later).await.unwrap().is_none());
    assert!(matches!(sounds.read(&orphan, 6, ContentDigest::of(b"orphan")).await, Err(SoundError::Missing(_))));
    for name in referenced.iter().chain([&orphan]) {
        sounds.delete(name).await.unwrap();
    }
}

/// Passes TLS connections on to `port` in plain text; returns the port to connect to, and the certificate.
async fn tls_in_front_of(port: u16) -> (u16, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let builder =
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key.into()).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let own_port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut connection = acceptor.accept(connection).await?;
                let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                tokio::io::copy_bidirectional(&mut connection, &mut server).await
            });
        }
    });
    (own_port, made.cert.der().clone())
}

#[tokio::test]
async fn tls_is_by_the_roots_that_were_given_and_by_no_others() {
    let Some(moto) = S3Server::moto().await else { return };
    let (port, certificate) = tls_in_front_of(moto.port).await;
    let endpoint = format!("https://localhost:{port}");
    let sound = Audio::new(AudioType::Basic, &b"hello"[..]);
    let error = at(&endpoint, "s3://sounds").build().unwrap().put(&sound, Utc::now()).await.unwrap_err();
    assert!(error_text(&error).contains("UnknownIssuer"), "{}", error_text(&error));
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let sounds = at(&endpoint, "s3://sounds").option("allow_http", "false").tls(trusting(roots)).build().unwrap();
    let name = sounds.put(&sound, Utc::now()).await.unwrap();
    assert_eq!(sounds.read(&name, sound.len(), sound.digest()).await.unwrap(), "hello");
    assert!(CryptoProvider::get_default().is_none(), "nothing was installed for the whole process");
}

fn error_text(error: &SoundError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_that_may_pass() {
    let Some(moto) = S3Server::moto().await else { return };
    let sounds = at(&moto.endpoint, "s3://others").build().unwrap();
    let error = sounds.put(&Audio::new(AudioType::Basic, &b"hello"[..]), Utc::now()).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_again_and_given_up() {
    // Bound and closed: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sounds = at(&format!("http://127.0.0.1:{port}"), "s3://sounds").build().unwrap();
    let error = sounds.put(&Audio::new(AudioType::Basic, &b"hello"[..]), Utc::now()).await.unwrap_err();
    assert!(matches!(error, SoundError::Failed(_)) && error.is_transient(), "{error:?}");
}

#[test]
fn google_and_azure_are_opened_and_unknown_options_are_not() {
    SoundStore::builder("gs://bucket/prefix").tls(tls()).option("google_bearer_token", "token").build().unwrap();
    let azure = || SoundStore::builder("az://container/prefix").tls(tls()).option("azure_storage_account_name", "account");
    azure().option("azure_storage_account_key", "a2V5").build().unwrap();
    for option in ["azure_colour", "timeout", "http2_only"] {
        assert!(matches!(azure().option(option, "1").build(), Err(SoundUrlError::UnknownOption(name)) if name == option));
    }
}

#[test]
fn an_endpoint_without_tls_must_be_allowed() {
    let store = at("http://127.0.0.1:9", "s3://sounds").option("allow_http", "false");
    assert!(matches!(store.build(), Err(SoundUrlError::PlainText)));
}

#[test]
fn secrets_are_in_no_debug_output() {
    let builder = at("http://127.0.0.1:9", "s3://sounds");
    assert!(!format!("{builder:?} {:?}", builder.clone().build().unwrap()).contains("secret"));
}
