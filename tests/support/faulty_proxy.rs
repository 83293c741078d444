//! A proxy between an SMTP client and an intake that injects one kind of fault at one step of the conversation.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, duplex, split};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use voicemail::forward::smtp::{ByteStream, Dial};
use voicemail::intake::{Intake, ListenMode};

/// A proxy between a forwarder and an intake.
#[derive(Debug, Clone)]
pub struct FaultyProxy {
    intake: Intake,
    /// EHLO keywords that the proxy hides from the forwarder.
    hidden: &'static [&'static str],
    /// The TLS configuration for the forwarder's side; none means plain text.
    tls: Option<Arc<ServerConfig>>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug)]
struct Plan {
    step: SmtpStep,
    fault: ProxyFault,
    left: u32,
    injected: u32,
}

/// A step of the conversation. A fault takes the place of the step's reply, except at those that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpStep {
    Banner,
    Ehlo,
    StartTls,
    Handshake,
    Mail,
    Rcpt,
    Data,
    /// In the middle of the message.
    Body,
    /// When all but the last byte of the message has gone through.
    LastByte,
    /// The whole message has gone through, and its reply comes.
    End,
    Other,
}

/// A fault that the proxy injects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyFault {
    Drop,
    Stall,
    Reply(&'static str),
    /// Half of the true reply, then the end of the connection.
    HalfAndDrop,
    /// Half of the true reply, then silence.
    HalfAndStall,
}

/// The conversation has ended.
struct Ended;

type Relayed = Result<(), Ended>;

impl FaultyProxy {
    pub fn new(intake: Intake, hidden: &'static [&'static str], tls: Option<Arc<ServerConfig>>) -> Self {
        let plan = Plan { step: SmtpStep::Other, fault: ProxyFault::Drop, left: 0, injected: 0 };
        Self { intake, hidden, tls, plan: Arc::new(Mutex::new(plan)) }
    }

    /// Injects `fault` at `step`, the first `times` that a conversation reaches it.
    pub fn inject(&self, step: SmtpStep, fault: ProxyFault, times: u32) {
        *self.plan() = Plan { step, fault, left: times, injected: 0 };
    }

    /// How many faults were injected.
    pub fn injected(&self) -> u32 {
        self.plan().injected
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap()
    }

    fn fault(&self, step: SmtpStep) -> Option<ProxyFault> {
        let mut plan = self.plan();
        let due = plan.step == step && plan.left > 0;
        plan.left -= u32::from(due);
        plan.injected += u32::from(due);
        due.then_some(plan.fault)
    }

    /// Whether a fault will be injected at `step` if the conversation reaches it.
    fn will_inject(&self, step: SmtpStep) -> bool {
        let plan = self.plan();
        plan.step == step && plan.left > 0
    }

    async fn proxy(self, client: impl ByteStream + 'static) -> Relayed {
        let (far, server) = duplex(PIPE);
        let intake = self.intake.clone();
        tokio::spawn(async move { drop(intake.serve_stream(server, None, ListenMode::StartTls, std::future::pending()).await) });
        let (from_server, mut to_server) = split(far);
        let mut from_server = BufReader::new(from_server);
        let Some(config) = &self.tls else {
            return self.relay(client, from_server, to_server, SmtpStep::Banner).await;
        };
        let mut client = BufReader::new(client);
        self.answer(SmtpStep::Banner, reply(&mut from_server).await?, &mut client).await?;
        to_server.write_all(line(&mut client).await?.as_bytes()).await?;
        let keywords = reply(&mut from_server).await?.replacen("250-PIPELINING", "250-STARTTLS\r\n250-PIPELINING", 1);
        self.answer(SmtpStep::Ehlo, keywords, &mut client).await?;
        line(&mut client).await?; // STARTTLS: the intake does not see it
        self.answer(SmtpStep::StartTls, "220 go ahead\r\n".to_owned(), &mut client).await?;
        let mut client = client.into_inner();
        if self.will_inject(SmtpStep::Handshake) {
            client.read_u8().await?;
            self.answer(SmtpStep::Handshake, "\u{16}\u{3}\u{3}\0\u{30}no handshake".to_owned(), &mut client).await?;
            return Err(Ended);
        }
        let client = TlsAcceptor::from(Arc::clone(config)).accept(client).await?;
        self.relay(client, from_server, to_server, SmtpStep::Other).await
    }

    async fn relay(
        &self,
        client: impl AsyncRead + AsyncWrite + Unpin,
        from_server: BufReader<impl AsyncRead + Unpin>,
        to_server: impl AsyncWrite + Unpin,
        first: SmtpStep,
    ) -> Relayed {
        let pending = Mutex::new(Pending { steps: VecDeque::new(), data_follows: false });
        if first == SmtpStep::Banner {
            pending.lock().unwrap().steps.push_back(SmtpStep::Banner);
        }
        let (from_client, to_client) = split(client);
        tokio::try_join!(
            self.upwards(BufReader::with_capacity(PIPE, from_client), to_server, &pending),
            self.downwards(from_server, to_client, &pending)
        )
        .map(drop)
    }

    async fn upwards(
        &self,
        mut client: BufReader<impl AsyncRead + Unpin>,
        mut server: impl AsyncWrite + Unpin,
        pending: &Mutex<Pending>,
    ) -> Relayed {
        loop {
            let line = line(&mut client).await?;
            if std::mem::take(&mut pending.lock().unwrap().data_follows) {
                self.text(line, &mut client, &mut server, pending).await?;
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let step = match words.next().unwrap_or_default() {
                "EHLO" => SmtpStep::Ehlo,
                "MAIL" => SmtpStep::Mail,
                "RCPT" => SmtpStep::Rcpt,
                "DATA" => SmtpStep::Data,
                "BDAT" => SmtpStep::End,
                _ => SmtpStep::Other,
            };
            pending.lock().unwrap().steps.push_back(step);
            server.write_all(line.as_bytes()).await?;
            if step == SmtpStep::End {
                let mut body = vec![0; words.next().and_then(|len| len.parse().ok()).unwrap_or(0)];
                client.read_exact(&mut body).await?;
                self.body(&body, &mut server).await?;
            }
        }
    }

    /// Relays a message as DATA carries it; its first line has been read.
    async fn text(
        &self,
        mut text: String,
        client: &mut BufReader<impl AsyncRead + Unpin>,
        server: &mut (impl AsyncWrite + Unpin),
        pending: &Mutex<Pending>,
    ) -> Relayed {
        while !text.ends_with("\r\n.\r\n") {
            text.push_str(&line(client).await?);
        }
        pending.lock().unwrap().steps.push_back(SmtpStep::End);
        self.body(text.as_bytes(), server).await
    }

    async fn body(&self, body: &[u8], server: &mut (impl AsyncWrite + Unpin)) -> Relayed {
        for (step, len) in [(SmtpStep::Body, body.len() / 2), (SmtpStep::LastByte, body.len() - 1)] {
            if let Some(fault) = self.fault(step) {
                server.write_all(&body[..len]).await?;
                return stop(fault).await;
            }
        }
        Ok(server.write_all(body).await?)
    }

    async fn downwards(
        &self,
        mut server: BufReader<impl AsyncRead + Unpin>,
        mut client: impl AsyncWrite + Unpin,
        pending: &Mutex<Pending>,
    ) -> Relayed {
        loop {
            let mut reply = reply(&mut server).await?;
            let step = pending.lock().unwrap().steps.pop_front().unwrap_or(SmtpStep::Other);
            if step == SmtpStep::Ehlo {
                reply = without(&reply, self.hidden);
            }
            if step == SmtpStep::Data && reply.starts_with("354") && !self.will_inject(SmtpStep::Data) {
                pending.lock().unwrap().data_follows = true;
            }
            self.answer(step, reply, &mut client).await?;
        }
    }

    async fn answer(&self, step: SmtpStep, reply: String, client: &mut (impl AsyncWrite + Unpin)) -> Relayed {
        let fault = self.fault(step);
        let bytes = match fault {
            None => &reply,
            Some(ProxyFault::Reply(text)) => text,
            Some(ProxyFault::HalfAndDrop | ProxyFault::HalfAndStall) => &reply[..reply.len() / 2],
            Some(ProxyFault::Drop | ProxyFault::Stall) => "",
        };
        client.write_all(bytes.as_bytes()).await?;
        client.flush().await?;
        match fault {
            None | Some(ProxyFault::Reply(_)) => Ok(()),
            Some(fault) => stop(fault).await,
        }
    }
}

#[async_trait]
impl Dial for FaultyProxy {
    async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn ByteStream>> {
        let (client, near) = duplex(PIPE);
        tokio::spawn(self.clone().proxy(near));
        Ok(Box::new(client))
    }
}

/// The commands that the client has sent and the server has not answered yet.
struct Pending {
    steps: VecDeque<SmtpStep>,
    /// Whether the next line belongs to a message.
    data_follows: bool,
}

async fn stop(fault: ProxyFault) -> Relayed {
    match fault {
        ProxyFault::Stall | ProxyFault::HalfAndStall => std::future::pending().await,
        ProxyFault::Drop | ProxyFault::HalfAndDrop | ProxyFault::Reply(_) => Err(Ended),
    }
}

/// Reads one line. Lines after DATA are text, because the proxy hides BINARYMIME together with CHUNKING.
async fn line(from: &mut BufReader<impl AsyncRead + Unpin>) -> Result<String, Ended> {
    let mut line = String::new();
    if from.read_line(&mut line).await? == 0 {
        return Err(Ended);
    }
    Ok(line)
}

async fn reply(from: &mut BufReader<impl AsyncRead + Unpin>) -> Result<String, Ended> {
    let mut reply = String::new();
    loop {
        let line = line(from).await?;
        reply.push_str(&line);
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(reply);
        }
    }
}

/// Returns the reply to EHLO without the hidden keywords.
fn without(reply: &str, hidden: &[&str]) -> String {
    let kept: Vec<&str> = reply.lines().filter(|line| !hidden.contains(&&line[4..])).collect();
    let (last, others) = kept.split_last().unwrap();
    let others: Vec<String> = others.iter().map(|line| format!("250-{}\r\n", &line[4..])).collect();
    format!("{}250 {}\r\n", others.concat(), &last[4..])
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self
    }
}

const PIPE: usize = 64 * 1024;
