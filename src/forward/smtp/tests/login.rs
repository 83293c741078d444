//! AUTH: by the strongest mechanism that both sides support, with this crate's own intake, and never in plain text.

use std::error::Error as StdError;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, duplex, split};
use tokio_rustls::TlsAcceptor;

use super::tls::Site;
use super::*;
use crate::directory::{Owner, StaticDirectory};
use crate::forward::smtp::dial::{ByteStream, Dial};
use crate::forward::smtp::{TlsMode, TokenSource};
use crate::intake::{Access, Intake, KnownPeer, ListenMode, ListenerPolicy, Sites, StoredPassword};
use crate::store::MemoryStore;

const PASSWORD: &str = "correct horse";

/// An intake that knows the peer `edge`, behind a proxy that terminates TLS, offers other mechanisms, and changes the intake's replies.
#[derive(Debug, Clone)]
struct Front {
    intake: Intake,
    tls: Arc<tokio_rustls::rustls::ServerConfig>,
    offered: &'static str,
    change: fn(String) -> String,
    said: Arc<std::sync::Mutex<Vec<String>>>,
}

#[async_trait]
impl Dial for Front {
    async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn ByteStream>> {
        let (client, near) = duplex(64 * 1024);
        let (far, server) = duplex(64 * 1024);
        let front = self.clone();
        tokio::spawn(async move {
            let edge = KnownPeer::new("edge".parse().unwrap(), Sites::All).password(StoredPassword::of(PASSWORD).unwrap());
            let door = ListenerPolicy::new(ListenMode::StartTls, Access::peers([edge]).passwords_even_in_plain_text());
            drop(front.intake.serve_stream(server, None, door, std::future::pending()).await);
        });
        let front = self.clone();
        tokio::spawn(async move {
            let client = TlsAcceptor::from(Arc::clone(&front.tls)).accept(near).await?;
            let ((from_client, mut to_client), (from_server, mut to_server)) = (split(client), split(far));
            let upwards = async {
                let mut lines = BufReader::new(from_client);
                let mut line = Vec::new();
                while lines.read_until(b'\n', &mut line).await? > 0 {
                    front.said.lock().unwrap().push(String::from_utf8_lossy(&line).trim().to_owned());
                    to_server.write_all(&std::mem::take(&mut line)).await?;
                }
                Ok::<(), io::Error>(())
            };
            let downwards = async {
                let mut lines = BufReader::new(from_server).lines();
                while let Some(line) = lines.next_line().await? {
                    let line = line.replace("AUTH SCRAM-SHA-256 PLAIN LOGIN", front.offered);
                    to_client.write_all(format!("{}\r\n", (front.change)(line)).as_bytes()).await?;
                    to_client.flush().await?;
                }
                Ok(())
            };
            tokio::try_join!(upwards, downwards).map(drop)
        });
        Ok(Box::new(client))
    }
}

fn front(site: &Site, offered: &'static str, change: fn(String) -> String) -> Front {
    let store = Arc::new(MemoryStore::new(mailboxes(&["2041"])));
    let owner = Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
    let directory: StaticDirectory = mailboxes(&["2041"]).into_iter().map(|mailbox| (mailbox, owner.clone())).collect();
    let intake = Intake::builder("example.com", store, directory).build();
    Front { intake, tls: site.server_config(), offered, change, said: Arc::default() }
}

fn forwarder(site: &Site, front: &Front) -> SmtpForwarderBuilder {
    site.builder(Security::Tls).dial(front.clone()).tls_mode(TlsMode::Implicit)
}

#[tokio::test(start_paused = true)]
async fn the_strongest_mechanism_of_an_intake_is_used() {
    let site = Site::new();
    for (offered, expected) in [
        ("AUTH SCRAM-SHA-256 PLAIN LOGIN", "AUTH SCRAM-SHA-256 "),
        ("AUTH LOGIN PLAIN", "AUTH PLAIN "),
        ("AUTH=LOGIN", "AUTH LOGIN"),
    ] {
        let front = front(&site, offered, |line| line);
        let right = forwarder(&site, &front).credentials("edge", PASSWORD).build().unwrap();
        assert_eq!(send(&right, &message()).await.unwrap(), Outcome::Accepted, "{offered}");
        let said = front.said.lock().unwrap().clone();
        assert!(said[1].starts_with(expected), "{offered}: {said:?}");

        let wrong = forwarder(&site, &front).credentials("edge", "wrong horse").build().unwrap();
        let error = send(&wrong, &message()).await.unwrap_err();
        assert!(matches!(error, ForwardError::Unreachable { .. }) && error.is_transient(), "{offered}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_know_the_password_gets_no_mail() {
    let site = Site::new();
    let forged: fn(String) -> String = |line| {
        // Only the last message of the server in SCRAM begins with `v=`.
        if line.starts_with("334 dj") {
            "334 dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==".to_owned()
        } else {
            line
        }
    };
    let skipped: fn(String) -> String = |line| if line.starts_with("334 ") { "235 2.7.0 welcome".to_owned() } else { line };
    for change in [forged, skipped] {
        let front = front(&site, "AUTH SCRAM-SHA-256 PLAIN LOGIN", change);
        let forwarder = forwarder(&site, &front).credentials("edge", PASSWORD).build().unwrap();
        let error = send(&forwarder, &message()).await.unwrap_err();
        assert!(
            matches!(&error, ForwardError::Protocol { what, .. } if what.contains("does not know the password")),
            "{error:?}"
        );
        assert!(!front.said.lock().unwrap().iter().any(|line| line.starts_with("MAIL") || line.contains(PASSWORD)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_common_mechanism_is_an_error() {
    let site = Site::new();
    let front = front(&site, "AUTH CRAM-MD5 GSSAPI", |line| line);
    let forwarder = forwarder(&site, &front).credentials("edge", PASSWORD).build().unwrap();
    let error = send(&forwarder, &message()).await.unwrap_err();
    assert!(matches!(&error, ForwardError::Protocol { what, .. } if what.contains("SCRAM-SHA-256")), "{error:?}");
}

/// A token source that counts its tokens.
#[derive(Debug, Default, Clone)]
struct Tokens(Arc<AtomicU32>);

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self) -> Result<String, Box<dyn StdError + Send + Sync>> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            2 => Err("the provider does not answer".into()),
            nth => Ok(format!("token{nth}")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_connection_gets_a_new_token() {
    for (offered, expected) in [("AUTH PLAIN XOAUTH2", "AUTH XOAUTH2 "), ("AUTH XOAUTH2 OAUTHBEARER", "AUTH OAUTHBEARER ")] {
        let site = Site::new();
        site.peer.offer_at_auth(offered);
        let tokens = Tokens::default();
        let forwarder = site.builder(Security::Tls).token("edge@example.com", tokens.clone()).build().unwrap();
        for _ in 0..2 {
            assert_eq!(send(&forwarder, &message()).await.unwrap(), Outcome::Accepted);
            tokio::time::advance(Duration::from_secs(60)).await; // the connection is left
        }
        let error = send(&forwarder, &message()).await.unwrap_err();
        assert!(matches!(error, ForwardError::Unreachable { .. }), "{error:?}");
        let said: Vec<String> = site.peer.heard().into_iter().filter(|line| line.starts_with("AUTH")).collect();
        assert!(said.len() == 2 && said[0] != said[1] && said.iter().all(|line| line.starts_with(expected)), "{said:?}");
        assert!(!format!("{forwarder:?}").contains("token0"));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_secret_is_sent_without_verified_tls() {
    let impostor = Site { authority: Site::new().authority, peer: Site::new().peer };
    impostor.peer.offer_at_auth("AUTH SCRAM-SHA-256 PLAIN LOGIN XOAUTH2 OAUTHBEARER");
    let tokens = Tokens::default();
    let builder = || impostor.builder(Security::PlainTextIfNoTls);
    for forwarder in [builder().credentials("edge", PASSWORD), builder().token("edge", tokens.clone())] {
        sent(&forwarder.build().unwrap(), &["2041"]).await;
    }
    assert!(!impostor.peer.heard().iter().any(|line| line.starts_with("AUTH")));
    assert_eq!(tokens.0.load(Ordering::Relaxed), 0);
    let in_plain_text = builder().security(Security::PlainText).token("edge", tokens);
    assert!(matches!(in_plain_text.build(), Err(SetupError::PlainTextPassword)));
}
