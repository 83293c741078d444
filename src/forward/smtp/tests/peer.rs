//! [`ScriptedPeer`]: an SMTP server for tests that fails by a script.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, duplex};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::forward::smtp::dial::{ByteStream, Dial};
use crate::message::{MailboxId, Message};
use crate::wire;

/// A server at the other end of pipes in memory. It knows the mailboxes `2041` and `2042`, keeps the messages that it accepted, and
/// records every command line.
#[derive(Debug, Clone)]
pub(super) struct ScriptedPeer(Arc<Mutex<PeerState>>);

#[derive(Debug)]
struct PeerState {
    capabilities: Capabilities,
    faults: VecDeque<(Step, Fault)>,
    /// How often the step of the first fault passes without it.
    skipped: usize,
    heard: Vec<String>,
    kept: Vec<(MailboxId, Message)>,
    connections: usize,
    /// The fault at every BDAT, in place of accepting the message.
    at_bdat: Option<Fault>,
}

/// The capabilities of the server.
#[derive(Debug, Clone)]
pub(super) struct Capabilities {
    pub(super) keywords: Vec<&'static str>,
    pub(super) knows_ehlo: bool,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) implicit_tls: bool,
}

/// The step at which a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    Banner,
    Ehlo,
    StartTls,
    Handshake,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// A message came by BDAT, and nothing was done with it yet.
    Block,
    MidBody,
    /// The message is complete, and not kept yet.
    BodyEnd,
    /// The message is kept, and no reply was sent yet.
    Kept,
    /// The reply was sent, and the connection is idle.
    Idle,
}

/// The fault that happens at a step, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Drop,
    Stall,
    /// These bytes, in place of the reply.
    Say(&'static str),
    /// These bytes, and then the end of the connection.
    SayAndDrop(&'static str),
    /// The right reply, twice in one piece.
    Twice,
    /// These bytes as the reply, while the server goes on as after the right one.
    SayAndGoOn(&'static str),
}

impl ScriptedPeer {
    pub(super) fn new(capabilities: Capabilities) -> Self {
        let state = PeerState {
            capabilities,
            faults: VecDeque::new(),
            skipped: 0,
            heard: Vec::new(),
            kept: Vec::new(),
            connections: 0,
            at_bdat: None,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A server that offers `keywords`, in plain text.
    pub(super) fn offering(keywords: &[&'static str]) -> Self {
        Self::new(Capabilities { keywords: keywords.to_vec(), knows_ehlo: true, tls: None, implicit_tls: false })
    }

    /// Makes `fault` happen once, at the next `step`.
    pub(super) fn fail(&self, step: Step, fault: Fault) {
        self.state().faults.push_back((step, fault));
    }

    /// Makes `fault` happen once, after `step` has passed this often.
    pub(super) fn after(&self, step: Step, times: usize, fault: Fault) {
        self.state().skipped = times;
        self.fail(step, fault);
    }

    /// Makes `fault` happen at every BDAT.
    pub(super) fn fail_at_bdat(&self, fault: Fault) {
        self.state().at_bdat = Some(fault);
    }

    /// Offers this keyword in place of `AUTH PLAIN`.
    pub(super) fn offer_at_auth(&self, keyword: &'static str) {
        let mut state = self.state();
        state.capabilities.keywords.retain(|keyword| !keyword.starts_with("AUTH"));
        state.capabilities.keywords.push(keyword);
    }

    /// Whether every fault has happened.
    pub(super) fn has_failed(&self) -> bool {
        self.state().faults.is_empty()
    }

    pub(super) fn kept(&self, mailbox: &str) -> Vec<Message> {
        self.state().kept.iter().filter(|(owner, _)| owner.as_str() == mailbox).map(|(_, message)| message.clone()).collect()
    }

    /// Returns every command line of all connections, in order.
    pub(super) fn heard(&self) -> Vec<String> {
        self.state().heard.clone()
    }

    /// Offers TLS no longer.
    pub(super) fn forget_tls(&self) {
        let mut state = self.state();
        state.capabilities.keywords.retain(|keyword| *keyword != "STARTTLS");
        state.capabilities.tls = None;
    }

    /// Its TLS configuration.
    pub(super) fn tls(&self) -> Arc<ServerConfig> {
        self.capabilities().tls.unwrap()
    }

    pub(super) fn connections(&self) -> usize {
        self.state().connections
    }

    fn fault(&self, step: Step) -> Option<Fault> {
        let mut state = self.state();
        if step == Step::Block {
            return state.at_bdat;
        }
        if state.faults.front()?.0 != step {
            return None;
        }
        if let Some(skipped) = state.skipped.checked_sub(1) {
            state.skipped = skipped;
            return None;
        }
        state.faults.pop_front().map(|(_, fault)| fault)
    }

    fn capabilities(&self) -> Capabilities {
        self.state().capabilities.clone()
    }

    fn state(&self) -> MutexGuard<'_, PeerState> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Dial for ScriptedPeer {
    async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn ByteStream>> {
        match self.fault(Step::Connect) {
            None => {}
            Some(Fault::Stall) => std::future::pending().await,
            Some(_) => return Err(io::ErrorKind::ConnectionRefused.into()),
        }
        self.state().connections += 1;
        let (ours, theirs) = duplex(PIPE);
        tokio::spawn(self.clone().serve(Box::new(theirs)));
        Ok(Box::new(ours))
    }
}

impl ScriptedPeer {
    /// Serves one connection to its end.
    pub(super) async fn serve(self, transport: Box<dyn ByteStream>) {
        let capabilities = self.capabilities();
        let opened = match (capabilities.implicit_tls, &capabilities.tls) {
            (true, Some(tls)) => self.accept_tls(transport, tls).await,
            _ => Some(transport),
        };
        if let Some(transport) = opened {
            // A fault ends a session at any point, by `None`.
            let _ = Session { peer: self, capabilities, stream: BufReader::new(transport), recipients: Vec::new(), open: false }
                .run()
                .await;
        }
    }

    async fn accept_tls(&self, mut transport: Box<dyn ByteStream>, config: &Arc<ServerConfig>) -> Option<Box<dyn ByteStream>> {
        match self.fault(Step::Handshake) {
            None => Some(Box::new(TlsAcceptor::from(Arc::clone(config)).accept(transport).await.ok()?)),
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::Say(bytes) | Fault::SayAndDrop(bytes)) => {
                transport.read_u8().await.ok()?; // the handshake's first byte
                transport.write_all(bytes.as_bytes()).await.ok()?;
                None
            }
            Some(Fault::Drop | Fault::Twice | Fault::SayAndGoOn(_)) => None,
        }
    }
}

struct Session {
    peer: ScriptedPeer,
    capabilities: Capabilities,
    stream: BufReader<Box<dyn ByteStream>>,
    recipients: Vec<MailboxId>,
    open: bool,
}

impl Session {
    async fn run(mut self) -> Option<()> {
        self.answer(Step::Banner, "220 peer ready\r\n").await?;
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line).await.ok()? == 0 {
                return None;
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.peer.state().heard.push(line.clone());
            let upper = line.to_ascii_uppercase();
            let verb = upper.split(' ').next().unwrap_or_default();
            match verb {
                "EHLO" if self.capabilities.knows_ehlo => {
                    let keywords = [&["250-peer"], &self.capabilities.keywords[..]].concat().join("\r\n250-");
                    self.answer(Step::Ehlo, &format!("{keywords}\r\n250 HELP\r\n")).await?;
                }
                "HELO" => {
                    self.answer(Step::Ehlo, "250 peer\r\n").await?;
                }
                "STARTTLS" => {
                    self.answer(Step::StartTls, "220 go ahead\r\n").await?;
                    let config = self.capabilities.tls.clone()?;
                    let transport = self.peer.accept_tls(self.stream.into_inner(), &config).await?;
                    self.stream = BufReader::new(transport);
                    self.capabilities.keywords.retain(|keyword| *keyword != "STARTTLS");
                }
                "AUTH" => {
                    self.answer(Step::Auth, "235 welcome\r\n").await?;
                }
                "MAIL" if !self.open => {
                    self.recipients.clear();
                    self.open = self.answer(Step::Mail, "250 2.1.0 sender ok\r\n").await?;
                }
                "RCPT" if self.open => self.recipient(&upper).await?,
                "DATA" if self.open && !self.recipients.is_empty() => self.data().await?,
                "BDAT" => self.block(&upper).await?,
                "RSET" => {
                    self.open = false;
                    self.say("250 reset\r\n").await?;
                }
                "QUIT" => return self.say("221 bye\r\n").await,
                "EHLO" => self.say("502 unknown\r\n").await?,
                _ => self.say("503 not now\r\n").await?,
            }
        }
    }

    async fn recipient(&mut self, line: &str) -> Option<()> {
        let number = line.split(['<', '@']).nth(1).unwrap_or_default();
        if number == "2043" {
            return self.say("550 5.1.1 no such mailbox\r\n").await;
        }
        if self.answer(Step::Rcpt, "250 2.1.5 recipient ok\r\n").await? {
            self.recipients.push(number.parse().ok()?);
        }
        Some(())
    }

    async fn data(&mut self) -> Option<()> {
        if !self.answer(Step::Data, "354 go ahead\r\n").await? {
            return Some(());
        }
        let mut mail = Vec::new();
        loop {
            let start = mail.len();
            if self.stream.read_until(b'\n', &mut mail).await.ok()? == 0 {
                return None;
            }
            if start == 0 {
                self.strike(Step::MidBody).await?;
            }
            if mail[start..] == *b".\r\n" {
                mail.truncate(start);
                break;
            }
            if mail[start..].starts_with(b".") {
                mail.remove(start);
            }
        }
        self.keep(mail).await
    }

    async fn block(&mut self, line: &str) -> Option<()> {
        let size: usize = line.split(' ').nth(1)?.parse().ok()?;
        let mut mail = vec![0; size];
        let half = size / 2;
        self.stream.read_exact(&mut mail[..half]).await.ok()?;
        self.strike(Step::MidBody).await?;
        self.stream.read_exact(&mut mail[half..]).await.ok()?;
        if !self.answer(Step::Block, "").await? {
            return Some(());
        }
        if !self.open || self.recipients.is_empty() {
            return self.say("503 5.5.1 no recipient\r\n").await;
        }
        self.keep(mail).await
    }

    async fn keep(&mut self, mail: Vec<u8>) -> Option<()> {
        self.open = false;
        if !self.answer(Step::BodyEnd, "").await? {
            return Some(());
        }
        let message = wire::decode(&mail.into()).expect("mail of our forwarder can be decoded");
        let kept = self.recipients.drain(..).map(|mailbox| (mailbox, message.clone()));
        self.peer.state().kept.extend(kept);
        self.answer(Step::Kept, "250 2.6.0 kept\r\n").await?;
        self.strike(Step::Idle).await
    }

    /// Sends the right reply, or makes a fault happen; returns whether the session goes on as after the right reply.
    async fn answer(&mut self, step: Step, right: &str) -> Option<bool> {
        match self.peer.fault(step) {
            None => self.say(right).await.map(|()| true),
            Some(Fault::Twice) => self.say(&right.repeat(2)).await.map(|()| true),
            Some(Fault::Say(other)) => self.say(other).await.map(|()| false),
            Some(Fault::SayAndGoOn(other)) => self.say(other).await.map(|()| true),
            Some(Fault::SayAndDrop(other)) => {
                self.say(other).await?;
                None
            }
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::Drop) => None,
        }
    }

    /// Makes a fault happen where no reply is due.
    async fn strike(&mut self, step: Step) -> Option<()> {
        self.answer(step, "").await.map(|_| ())
    }

    async fn say(&mut self, text: &str) -> Option<()> {
        let text = if self.capabilities.keywords.contains(&"ENHANCEDSTATUSCODES") { text } else { &without_enhanced_code(text) };
        self.stream.write_all(text.as_bytes()).await.ok()?;
        self.stream.flush().await.ok()
    }
}

/// Removes the enhanced codes from a reply, for a server that does not support them.
fn without_enhanced_code(text: &str) -> String {
    ["2.1.0 ", "2.1.5 ", "2.6.0 "].iter().fold(text.to_owned(), |text, code| text.replace(code, ""))
}

/// Smaller than a message, so that a pipe does not hold a whole one.
const PIPE: usize = 8 * 1024;
