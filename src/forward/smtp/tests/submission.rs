//! Submission to a mail server, byte for byte: what the forwarder says from EHLO to the end of AUTH, by each mechanism and to each reply.
//!
//! The server is written from the RFCs, and shares nothing with this crate's own.

use std::collections::HashSet;
use std::error::Error as StdError;
use std::io;
use std::sync::Mutex;

use encodify::base64::STANDARD;
use ring::{digest, hmac};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, duplex};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::tls::Site;
use super::*;
use crate::forward::smtp::dial::{ByteStream, Dial};
use crate::forward::smtp::{TlsMode, TokenSource};

/// A server for submission, which records each line of its client.
#[derive(Debug, Clone)]
struct SubmissionServer {
    tls: Option<Arc<ServerConfig>>,
    mode: TlsMode,
    /// The lines with AUTH in the replies to EHLO, before the handshake and after it.
    offered: [&'static str; 2],
    script: Script,
    record: Arc<Mutex<Record>>,
}

#[derive(Debug, Default)]
struct Record {
    /// The lines, each behind `TLS` or `plain`.
    lines: Vec<String>,
    /// The client's final message of SCRAM, as the server computes it.
    scram_final: String,
}

/// The server's side of AUTH.
#[derive(Debug, Clone, Copy)]
enum Script {
    /// These replies, to the command and to each response; after the last, the connection ends unless the exchange has.
    Replies(&'static [&'static str]),
    /// SCRAM-SHA-256 of RFC 5802, with this password and this end.
    Scram(&'static str, ScramEnd),
}

/// How a server ends SCRAM.
#[derive(Debug, Clone, Copy)]
enum ScramEnd {
    /// With its signature in a challenge, RFC 4954 §4.
    SignedChallenge,
    /// With its signature in the reply 235.
    SignedSuccess,
    /// With the signature of another in a challenge.
    ForgedChallenge,
    /// With 235 and no signature.
    Unsigned,
}

#[async_trait]
impl Dial for SubmissionServer {
    async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn ByteStream>> {
        let (near, far) = duplex(64 * 1024);
        tokio::spawn(self.clone().serve(Box::new(far)));
        Ok(Box::new(near))
    }
}

type Stream = BufReader<Box<dyn ByteStream>>;

impl SubmissionServer {
    fn new(site: &Site, mode: TlsMode, offered: [&'static str; 2], script: Script) -> Self {
        Self { tls: Some(site.server_config()), mode, offered, script, record: Arc::default() }
    }

    async fn serve(self, transport: Box<dyn ByteStream>) -> io::Result<()> {
        let mut under_tls = self.mode == TlsMode::Implicit;
        let mut stream = BufReader::new(if under_tls { self.accept(transport).await? } else { transport });
        say(&mut stream, "220 mx.example ESMTP").await?;
        loop {
            let line = self.line(&mut stream, under_tls).await?;
            match line.split(' ').next().unwrap() {
                "EHLO" => {
                    let starttls = if under_tls || self.tls.is_none() { "" } else { "250-STARTTLS\r\n" };
                    let auth = self.offered[usize::from(under_tls)];
                    let auth = if auth.is_empty() { String::new() } else { format!("250-{auth}\r\n") };
                    say(&mut stream, &format!("250-mx.example\r\n{starttls}{auth}250 ENHANCEDSTATUSCODES")).await?;
                }
                "STARTTLS" => {
                    say(&mut stream, "220 2.0.0 ready").await?;
                    stream = BufReader::new(self.accept(stream.into_inner()).await?);
                    under_tls = true;
                }
                "AUTH" => self.authenticate(&line, &mut stream, under_tls).await?,
                "DATA" => {
                    say(&mut stream, "354 go ahead").await?;
                    while read(&mut stream).await? != "." {}
                    say(&mut stream, "250 2.0.0 queued").await?;
                }
                "QUIT" => return say(&mut stream, "221 2.0.0 bye").await,
                _ => say(&mut stream, "250 2.1.0 ok").await?,
            }
        }
    }

    async fn accept(&self, transport: Box<dyn ByteStream>) -> io::Result<Box<dyn ByteStream>> {
        let config = self.tls.clone().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Box::new(TlsAcceptor::from(config).accept(transport).await?))
    }

    async fn line(&self, stream: &mut Stream, under_tls: bool) -> io::Result<String> {
        let line = read(stream).await?;
        self.record.lock().unwrap().lines.push(format!("{} {line}", if under_tls { "TLS" } else { "plain" }));
        Ok(line)
    }

    async fn authenticate(&self, command: &str, stream: &mut Stream, under_tls: bool) -> io::Result<()> {
        match self.script {
            Script::Replies(replies) => {
                for reply in replies {
                    say(stream, reply).await?;
                    if !reply.starts_with("334 ") {
                        return Ok(());
                    }
                    self.line(stream, under_tls).await?;
                }
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Script::Scram(password, end) => {
                let first = decoded(command.strip_prefix("AUTH SCRAM-SHA-256 ").unwrap());
                let (server_first, scram_final, signature) = scram(&first, password);
                say(stream, &format!("334 {}", encoded(&server_first))).await?;
                self.record.lock().unwrap().scram_final = scram_final;
                self.line(stream, under_tls).await?;
                let (signed, forged) =
                    (encoded(&format!("v={signature}")), encoded("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
                let challenge = match end {
                    ScramEnd::SignedSuccess => return say(stream, &format!("235 2.7.0 {signed}")).await,
                    ScramEnd::Unsigned => return say(stream, "235 2.7.0 welcome").await,
                    ScramEnd::SignedChallenge => signed,
                    ScramEnd::ForgedChallenge => forged,
                };
                say(stream, &format!("334 {challenge}")).await?;
                match self.line(stream, under_tls).await?.as_str() {
                    "" => say(stream, "235 2.7.0 welcome").await,
                    _ => say(stream, "501 5.7.0 cancelled").await,
                }
            }
        }
    }

    /// Returns the recorded lines up to the first message, without the EHLOs, and whether there was a message.
    fn lines(&self) -> (Vec<String>, bool) {
        let all = self.record.lock().unwrap().lines.clone();
        let opening = all.iter().take_while(|line| !line.contains(" MAIL FROM:")).count();
        let is_ehlo = |line: &String| line.ends_with(" EHLO edge.example");
        (all[..opening].iter().filter(|line| !is_ehlo(line)).cloned().collect(), opening < all.len())
    }

    fn forwarder(&self, site: &Site, change: impl FnOnce(SmtpForwarderBuilder) -> SmtpForwarderBuilder) -> SmtpForwarder {
        let builder = SmtpForwarder::builder("server.example.com:143", "example.com").node("edge.example").dial(self.clone());
        let builder = builder.ca_pem(site.authority.pem().as_bytes()).server_name("central.example").tls_mode(self.mode);
        change(builder).build().unwrap()
    }
}

/// Reads a line, which must end with CR LF and have no other control.
async fn read(stream: &mut Stream) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.strip_suffix("\r\n").unwrap_or("no CR LF at the end");
    Ok(line.to_owned())
}

async fn say(stream: &mut Stream, reply: &str) -> io::Result<()> {
    stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
    stream.flush().await
}

fn encoded(text: &str) -> String {
    STANDARD.encode(text.as_bytes())
}

fn decoded(base64: &str) -> String {
    String::from_utf8(STANDARD.decode(base64.as_bytes()).unwrap()).unwrap()
}

/// Returns the server's first message for the client's, the client's final message in base64, and the server's signature.
///
/// The formulas are those of RFC 5802 §3, with `Hi()` written out; salt, server's nonce and iterations are those of RFC 7677 §3.
fn scram(client_first: &str, password: &str) -> (String, String, String) {
    let bare = client_first.strip_prefix("n,,").expect("no channel binding, no other authorisation identity");
    let nonce = bare.split_once(",r=").unwrap().1;
    assert_eq!(STANDARD.decode(nonce.as_bytes()).unwrap().len(), 18, "random bytes");
    let both = format!("{nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    let salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
    let server_first = format!("r={both},s={salt},i=4096");
    let hmac = |key: &[u8], text: &[u8]| -> [u8; 32] {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().try_into().unwrap()
    };
    let xor = |one: [u8; 32], other: [u8; 32]| -> [u8; 32] { std::array::from_fn(|at| one[at] ^ other[at]) };
    let mut block = hmac(password.as_bytes(), &[STANDARD.decode(salt.as_bytes()).unwrap(), vec![0, 0, 0, 1]].concat());
    let mut salted = block;
    for _ in 1..4096 {
        block = hmac(password.as_bytes(), &block);
        salted = xor(salted, block);
    }
    let client_key = hmac(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let auth_message = format!("{bare},{server_first},c=biws,r={both}");
    let proof = xor(client_key, hmac(stored_key.as_ref(), auth_message.as_bytes()));
    let scram_final = encoded(&format!("c=biws,r={both},p={}", STANDARD.encode(proof)));
    (server_first, scram_final, STANDARD.encode(hmac(&hmac(&salted, b"Server Key"), auth_message.as_bytes())))
}

/// A source of one token.
#[derive(Debug, Clone)]
struct Token(String);

#[async_trait]
impl TokenSource for Token {
    async fn token(&self) -> Result<String, Box<dyn StdError + Send + Sync>> {
        Ok(self.0.clone())
    }
}

/// The example of RFC 4616 §4.
fn tim(builder: SmtpForwarderBuilder) -> SmtpForwarderBuilder {
    builder.credentials("tim", "tanstaaftanstaaf")
}

const TIM_BY_PLAIN: &str = "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm";

/// The example of RFC 7628 §4.1.
fn bearer(builder: SmtpForwarderBuilder) -> SmtpForwarderBuilder {
    builder.token("user@example.com", Token("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==".to_owned()))
}

const BY_OAUTHBEARER: &str = "AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";

/// The example in Google's description of XOAUTH2.
fn xoauth2(builder: SmtpForwarderBuilder) -> SmtpForwarderBuilder {
    builder.token("someuser@example.com", Token("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg".to_owned()))
}

const BY_XOAUTH2: &str = "AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";

/// The end of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Accepted,
    /// The server did not serve this client; the message is tried again.
    NotServed,
    /// The server broke the protocol; the message is tried again.
    Protocol,
}

async fn end_of(forwarder: &SmtpForwarder) -> End {
    match send(forwarder, &message()).await {
        Ok(Outcome::Accepted) => End::Accepted,
        Err(error @ (ForwardError::Unreachable { .. } | ForwardError::Refused { .. })) if error.is_transient() => End::NotServed,
        Err(error @ ForwardError::Protocol { .. }) if error.is_transient() => End::Protocol,
        other => panic!("{other:?}"),
    }
}

const MODES: [TlsMode; 2] = [TlsMode::StartTls, TlsMode::Implicit];

/// Sends a message to a server with this script, by STARTTLS and by implicit TLS; checks the lines of AUTH, and that only a client that was
/// accepted sends mail.
async fn expect(
    offered: &'static str,
    login: fn(SmtpForwarderBuilder) -> SmtpForwarderBuilder,
    replies: &'static [&'static str],
    expected: (&[&str], End),
) {
    let site = Site::new();
    for mode in MODES {
        let server = SubmissionServer::new(&site, mode, ["AUTH PLAIN LOGIN", offered], Script::Replies(replies));
        let end = end_of(&server.forwarder(&site, login)).await;
        let (lines, has_mail) = server.lines();
        let starttls = (mode == TlsMode::StartTls).then(|| "plain STARTTLS".to_owned());
        let auth = expected.0.iter().map(|line| format!("TLS {line}"));
        assert_eq!(lines, starttls.into_iter().chain(auth).collect::<Vec<_>>(), "{offered} {replies:?}");
        assert_eq!((end, has_mail), (expected.1, expected.1 == End::Accepted), "{offered} {replies:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_mechanism_says_exactly_what_its_rfc_says() {
    const WELCOME: &str = "235 2.7.0 welcome";
    let accepted = |lines: &'static [&'static str]| (lines, End::Accepted);
    expect("AUTH PLAIN", tim, &[WELCOME], accepted(&[TIM_BY_PLAIN])).await;
    let prompts = &["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", WELCOME];
    expect("AUTH LOGIN", tim, prompts, accepted(&["AUTH LOGIN", "dGlt", "dGFuc3RhYWZ0YW5zdGFhZg=="])).await;
    expect("AUTH OAUTHBEARER", bearer, &[WELCOME], accepted(&[BY_OAUTHBEARER])).await;
    expect("AUTH XOAUTH2", xoauth2, &[WELCOME], accepted(&[BY_XOAUTH2])).await;
    // Any 2yz is a success, and the prompts of LOGIN are for people.
    expect("AUTH PLAIN", tim, &["250 ok"], accepted(&[TIM_BY_PLAIN])).await;
    let prompts = &["334 ", "334 d2hhdA==", WELCOME];
    expect("auth login", tim, prompts, accepted(&["AUTH LOGIN", "dGlt", "dGFuc3RhYWZ0YW5zdGFhZg=="])).await;
}

#[tokio::test(start_paused = true)]
async fn a_response_that_fits_into_no_command_waits_for_334() {
    fn long(builder: SmtpForwarderBuilder) -> SmtpForwarderBuilder {
        builder.token("u", Token("t".repeat(600)))
    }
    let response = encoded(&format!("user=u\u{1}auth=Bearer {}\u{1}\u{1}", "t".repeat(600)));
    let lines: &[&str] = &["AUTH XOAUTH2", &response];
    expect("AUTH XOAUTH2", long, &["334 ", "235 2.7.0 welcome"], (lines, End::Accepted)).await;
    let response =
        encoded(&format!("n,a=u,\u{1}host=server.example.com\u{1}port=143\u{1}auth=Bearer {}\u{1}\u{1}", "t".repeat(600)));
    let lines: &[&str] = &["AUTH OAUTHBEARER", &response];
    expect("AUTH OAUTHBEARER", long, &["334 ", "235 2.7.0 welcome"], (lines, End::Accepted)).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_sends_no_mail_and_is_tried_later() {
    for refusal in [
        &["454 4.7.0 temporary authentication failure"],
        &["432 4.7.12 a password transition is needed"],
        &["421 4.3.2 closing"],
        &["500 5.5.6 authentication exchange line is too long"],
        &["504 5.5.4 unrecognized authentication type"],
        &["530 5.7.0 authentication required"],
        &["534 5.7.9 authentication mechanism is too weak"],
        &["535 5.7.8 authentication credentials invalid"],
        &["538 5.7.11 encryption required"],
    ] {
        expect("AUTH PLAIN", tim, refusal, (&[TIM_BY_PLAIN], End::NotServed)).await;
    }
    let name = &["334 VXNlcm5hbWU6", "535 5.7.8 no such name"];
    expect("AUTH LOGIN", tim, name, (&["AUTH LOGIN", "dGlt"], End::NotServed)).await;
    // The reason why a token is refused comes in a challenge, which has an answer. RFC 7628 §3.2.3.
    let reason = &["334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJlbWFpbCJ9", "535 5.7.1 not accepted"];
    expect("AUTH OAUTHBEARER", bearer, reason, (&[BY_OAUTHBEARER, "AQ=="], End::NotServed)).await;
    expect("AUTH XOAUTH2", xoauth2, reason, (&[BY_XOAUTH2, ""], End::NotServed)).await;
}

#[tokio::test(start_paused = true)]
async fn a_challenge_too_many_is_cancelled() {
    let broken = |lines: &'static [&'static str]| (lines, End::Protocol);
    expect("AUTH PLAIN", tim, &["334 ", "501 5.7.0 cancelled"], broken(&[TIM_BY_PLAIN, "*"])).await;
    expect("AUTH PLAIN", tim, &["334 ", "235 2.7.0 welcome"], broken(&[TIM_BY_PLAIN, "*"])).await;
    expect("AUTH PLAIN", tim, &["334 "], broken(&[TIM_BY_PLAIN, "*"])).await;
    let prompts = &["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "334 VXNlcm5hbWU6", "501 5.7.0 cancelled"];
    expect("AUTH LOGIN", tim, prompts, broken(&["AUTH LOGIN", "dGlt", "dGFuc3RhYWZ0YW5zdGFhZg==", "*"])).await;
    let reasons = &["334 e30=", "334 e30=", "501 5.7.0 cancelled"];
    expect("AUTH OAUTHBEARER", bearer, reasons, broken(&[BY_OAUTHBEARER, "AQ==", "*"])).await;
    expect("AUTH XOAUTH2", xoauth2, reasons, broken(&[BY_XOAUTH2, "", "*"])).await;
    expect("AUTH PLAIN", tim, &["354 go ahead"], broken(&[TIM_BY_PLAIN])).await;
}

#[tokio::test(start_paused = true)]
async fn scram_is_what_rfc_5802_computes() {
    const OFFERED: [&str; 2] = ["AUTH PLAIN LOGIN", "AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-1"];
    let (site, mut nonces) = (Site::new(), HashSet::new());
    for mode in MODES {
        for (end, last, expected) in [
            (ScramEnd::SignedChallenge, Some("TLS "), End::Accepted),
            (ScramEnd::SignedSuccess, None, End::Accepted),
            (ScramEnd::ForgedChallenge, Some("TLS *"), End::Protocol),
            (ScramEnd::Unsigned, None, End::Protocol),
        ] {
            let server = SubmissionServer::new(&site, mode, OFFERED, Script::Scram("pencil", end));
            let forwarder = server.forwarder(&site, |builder| builder.credentials("us=er,1", "pencil"));
            assert_eq!(end_of(&forwarder).await, expected, "{end:?}");
            let (lines, has_mail) = server.lines();
            let mut lines = lines.iter().map(String::as_str).skip_while(|line| line.starts_with("plain"));
            let first = lines.next().unwrap().strip_prefix("TLS AUTH SCRAM-SHA-256 ").unwrap();
            let first = decoded(first);
            assert!(first.starts_with("n,,n=us=3Der=2C1,r="), "{first}");
            nonces.insert(first);
            assert_eq!(lines.next().unwrap(), format!("TLS {}", server.record.lock().unwrap().scram_final), "{end:?}");
            assert_eq!((lines.next(), has_mail), (last, expected == End::Accepted), "{end:?}");
        }
    }
    assert_eq!(nonces.len(), 8, "each exchange has new random bytes");
}

#[tokio::test(start_paused = true)]
async fn the_list_under_tls_counts_and_no_other() {
    for (before, under_tls, expected) in [
        ("AUTH SCRAM-SHA-256 LOGIN", "AUTH PLAIN", "TLS AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm"),
        ("", "AUTH LOGIN PLAIN", "TLS AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm"),
        ("AUTH LOGIN", "AUTH=PLAIN\r\n250-AUTH LOGIN", "TLS AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm"),
        ("AUTH PLAIN", "AUTH CRAM-MD5 DIGEST-MD5 NTLM GSSAPI EXTERNAL ANONYMOUS PLAINTEXT", ""),
        ("AUTH PLAIN", "", ""),
    ] {
        let site = Site::new();
        let replies = &["235 2.7.0 welcome"];
        let server = SubmissionServer::new(&site, TlsMode::StartTls, [before, under_tls], Script::Replies(replies));
        let end = end_of(&server.forwarder(&site, tim)).await;
        let (lines, has_mail) = server.lines();
        assert_eq!(lines[0], "plain STARTTLS");
        assert_eq!(lines.get(1).map_or("", String::as_str), expected, "{before} {under_tls}");
        assert_eq!((end, has_mail), if expected.is_empty() { (End::Protocol, false) } else { (End::Accepted, true) });
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_sent_without_tls_whatever_is_offered() {
    let site = Site::new();
    let everything = "AUTH SCRAM-SHA-256 PLAIN LOGIN OAUTHBEARER XOAUTH2";
    for login in [tim, bearer] {
        let mut server =
            SubmissionServer::new(&site, TlsMode::StartTls, [everything; 2], Script::Replies(&["235 2.7.0 welcome"]));
        server.tls = None;
        let with = |security| server.forwarder(&site, |builder| login(builder).security(security));
        assert_eq!(send(&with(Security::PlainTextIfNoTls), &message()).await.unwrap(), Outcome::Accepted);
        assert_eq!(server.lines(), (Vec::new(), true), "mail without a login, where the operator allows it");
        server.record.lock().unwrap().lines.clear();
        let error = send(&with(Security::Tls), &message()).await.unwrap_err();
        assert!(matches!(error, ForwardError::NoTls { .. }), "{error:?}");
        assert_eq!(server.lines(), (vec!["plain QUIT".to_owned()], false));
    }
}
