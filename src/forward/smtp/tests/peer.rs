//! [`ScriptedPeer`]: an SMTP server for tests that fails where and how it is told.

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

/// A server at the other end of pipes in memory. It knows the mailboxes `2041` and `2042`, keeps what it has answered for, and
/// writes down every line it heard.
#[derive(Debug, Clone)]
pub(super) struct ScriptedPeer(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    nature: Nature,
    faults: VecDeque<(Step, Fault)>,
    /// How often the first fault's step passes before it strikes.
    spared: usize,
    heard: Vec<String>,
    kept: Vec<(MailboxId, Message)>,
    connections: usize,
    /// What it does at every BDAT, in place of taking the message.
    at_blocks: Option<Fault>,
}

/// What the server can do.
#[derive(Debug, Clone)]
pub(super) struct Nature {
    pub(super) keywords: Vec<&'static str>,
    pub(super) knows_ehlo: bool,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) implicit_tls: bool,
}

/// Where a fault strikes.
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
    /// A message as a block, before anything is done with it.
    Block,
    MidBody,
    /// The message is whole, and not kept.
    BodyEnd,
    /// The message is kept, and nothing is said yet.
    Kept,
    /// All is said: what comes next, comes on an idle connection.
    Idle,
}

/// What happens there, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Drop,
    Stall,
    /// These bytes, in the place of the answer.
    Say(&'static str),
    /// These bytes, and then the end.
    SayAndDrop(&'static str),
    /// The right answer, twice in one piece.
    Twice,
    /// These bytes stand for the right answer.
    Rightly(&'static str),
}

impl ScriptedPeer {
    pub(super) fn new(nature: Nature) -> Self {
        let state = State {
            nature,
            faults: VecDeque::new(),
            spared: 0,
            heard: Vec::new(),
            kept: Vec::new(),
            connections: 0,
            at_blocks: None,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// One that offers `keywords`, in plain text.
    pub(super) fn offering(keywords: &[&'static str]) -> Self {
        Self::new(Nature { keywords: keywords.to_vec(), knows_ehlo: true, tls: None, implicit_tls: false })
    }

    /// Fails so, once, when it next comes to `step`.
    pub(super) fn fail(&self, step: Step, fault: Fault) {
        self.state().faults.push_back((step, fault));
    }

    /// Fails so, once, after it has come to `step` so often.
    pub(super) fn after(&self, step: Step, times: usize, fault: Fault) {
        self.state().spared = times;
        self.fail(step, fault);
    }

    /// Fails so at every BDAT, whatever it offers.
    pub(super) fn fail_at_blocks(&self, fault: Fault) {
        self.state().at_blocks = Some(fault);
    }

    /// Offers this in place of `AUTH PLAIN`.
    pub(super) fn offer_at_auth(&self, keyword: &'static str) {
        let mut state = self.state();
        state.nature.keywords.retain(|keyword| !keyword.starts_with("AUTH"));
        state.nature.keywords.push(keyword);
    }

    /// Whether every fault has struck.
    pub(super) fn has_failed(&self) -> bool {
        self.state().faults.is_empty()
    }

    pub(super) fn kept(&self, mailbox: &str) -> Vec<Message> {
        self.state().kept.iter().filter(|(owner, _)| owner.as_str() == mailbox).map(|(_, message)| message.clone()).collect()
    }

    /// Every command line, in order, of all connections.
    pub(super) fn heard(&self) -> Vec<String> {
        self.state().heard.clone()
    }

    /// Offers TLS no more.
    pub(super) fn forget_tls(&self) {
        let mut state = self.state();
        state.nature.keywords.retain(|keyword| *keyword != "STARTTLS");
        state.nature.tls = None;
    }

    /// How it speaks TLS.
    pub(super) fn tls(&self) -> Arc<ServerConfig> {
        self.nature().tls.unwrap()
    }

    pub(super) fn connections(&self) -> usize {
        self.state().connections
    }

    fn fault(&self, step: Step) -> Option<Fault> {
        let mut state = self.state();
        if step == Step::Block {
            return state.at_blocks;
        }
        if state.faults.front()?.0 != step {
            return None;
        }
        if let Some(spared) = state.spared.checked_sub(1) {
            state.spared = spared;
            return None;
        }
        state.faults.pop_front().map(|(_, fault)| fault)
    }

    fn nature(&self) -> Nature {
        self.state().nature.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
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
        let nature = self.nature();
        let opened = match (nature.implicit_tls, &nature.tls) {
            (true, Some(tls)) => self.accept_tls(transport, tls).await,
            _ => Some(transport),
        };
        if let Some(transport) = opened {
            // A fault ends a session wherever it is, by way of `None`.
            let _ = Session { peer: self, nature, stream: BufReader::new(transport), recipients: Vec::new(), open: false }
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
            Some(Fault::Drop | Fault::Twice | Fault::Rightly(_)) => None,
        }
    }
}

struct Session {
    peer: ScriptedPeer,
    nature: Nature,
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
                "EHLO" if self.nature.knows_ehlo => {
                    let keywords = [&["250-peer"], &self.nature.keywords[..]].concat().join("\r\n250-");
                    self.answer(Step::Ehlo, &format!("{keywords}\r\n250 HELP\r\n")).await?;
                }
                "HELO" => {
                    self.answer(Step::Ehlo, "250 peer\r\n").await?;
                }
                "STARTTLS" => {
                    self.answer(Step::StartTls, "220 go ahead\r\n").await?;
                    let config = self.nature.tls.clone()?;
                    let transport = self.peer.accept_tls(self.stream.into_inner(), &config).await?;
                    self.stream = BufReader::new(transport);
                    self.nature.keywords.retain(|keyword| *keyword != "STARTTLS");
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
        let message = wire::decode(&mail.into()).expect("what our forwarder sends can be read");
        let kept = self.recipients.drain(..).map(|mailbox| (mailbox, message.clone()));
        self.peer.state().kept.extend(kept);
        self.answer(Step::Kept, "250 2.6.0 kept\r\n").await?;
        self.strike(Step::Idle).await
    }

    /// Gives the right answer, or does what is to be done in its place; answers whether the right one was given.
    async fn answer(&mut self, step: Step, right: &str) -> Option<bool> {
        match self.peer.fault(step) {
            None => self.say(right).await.map(|()| true),
            Some(Fault::Twice) => self.say(&right.repeat(2)).await.map(|()| true),
            Some(Fault::Say(other)) => self.say(other).await.map(|()| false),
            Some(Fault::Rightly(other)) => self.say(other).await.map(|()| true),
            Some(Fault::SayAndDrop(other)) => {
                self.say(other).await?;
                None
            }
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::Drop) => None,
        }
    }

    /// A fault where no answer is due.
    async fn strike(&mut self, step: Step) -> Option<()> {
        self.answer(step, "").await.map(|_| ())
    }

    async fn say(&mut self, text: &str) -> Option<()> {
        let text = if self.nature.keywords.contains(&"ENHANCEDSTATUSCODES") { text } else { &without_enhanced_code(text) };
        self.stream.write_all(text.as_bytes()).await.ok()?;
        self.stream.flush().await.ok()
    }
}

/// A right answer as a server gives it that knows no enhanced codes.
fn without_enhanced_code(text: &str) -> String {
    ["2.1.0 ", "2.1.5 ", "2.6.0 "].iter().fold(text.to_owned(), |text, code| text.replace(code, ""))
}

/// Smaller than a message, so that one is not taken whole before anybody reads it.
const PIPE: usize = 8 * 1024;
