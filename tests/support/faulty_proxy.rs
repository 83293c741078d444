//! A man in the middle of a conversation by SMTP, who spoils it where and how he is told.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, duplex, split};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use voicemail::forward::smtp::{Dial, Transport};
use voicemail::intake::{Intake, ListenMode};

/// Stands between a forwarder and an intake.
#[derive(Debug, Clone)]
pub struct Middle {
    intake: Intake,
    /// Keywords that the forwarder is not told of.
    hidden: &'static [&'static str],
    /// Speaks TLS with the forwarder, if there is one.
    tls: Option<Arc<ServerConfig>>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug)]
struct Plan {
    step: Step,
    fault: Fault,
    left: u32,
    struck: u32,
}

/// Where he strikes: in place of the answer, but for those that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
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
    /// The message has gone through whole, and is answered for.
    End,
    Other,
}

/// What he does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Drop,
    Stall,
    Say(&'static str),
    /// Half of the true answer, and the end.
    HalfAndDrop,
    /// Half of the true answer, and nothing more.
    HalfAndStall,
}

/// A conversation that he ended.
struct Over;

type Going = Result<(), Over>;

impl Middle {
    pub fn new(intake: Intake, hidden: &'static [&'static str], tls: Option<Arc<ServerConfig>>) -> Self {
        let plan = Plan { step: Step::Other, fault: Fault::Drop, left: 0, struck: 0 };
        Self { intake, hidden, tls, plan: Arc::new(Mutex::new(plan)) }
    }

    /// Strikes at `step`, the first `times` that a conversation comes there.
    pub fn strike(&self, step: Step, fault: Fault, times: u32) {
        *self.plan() = Plan { step, fault, left: times, struck: 0 };
    }

    /// How often he struck.
    pub fn struck(&self) -> u32 {
        self.plan().struck
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap()
    }

    fn fault(&self, step: Step) -> Option<Fault> {
        let mut plan = self.plan();
        let strikes = plan.step == step && plan.left > 0;
        plan.left -= u32::from(strikes);
        plan.struck += u32::from(strikes);
        strikes.then_some(plan.fault)
    }

    /// Whether he will strike at `step`, if the conversation comes there.
    fn means(&self, step: Step) -> bool {
        let plan = self.plan();
        plan.step == step && plan.left > 0
    }

    async fn stand_between(self, client: impl Transport + 'static) -> Going {
        let (far, server) = duplex(PIPE);
        let intake = self.intake.clone();
        tokio::spawn(async move { drop(intake.serve_stream(server, None, ListenMode::StartTls, std::future::pending()).await) });
        let (from_server, mut to_server) = split(far);
        let mut from_server = BufReader::new(from_server);
        let Some(config) = &self.tls else {
            return self.relay(client, from_server, to_server, Step::Banner).await;
        };
        let mut client = BufReader::new(client);
        self.answer(Step::Banner, reply(&mut from_server).await?, &mut client).await?;
        to_server.write_all(line(&mut client).await?.as_bytes()).await?;
        let keywords = reply(&mut from_server).await?.replacen("250-PIPELINING", "250-STARTTLS\r\n250-PIPELINING", 1);
        self.answer(Step::Ehlo, keywords, &mut client).await?;
        line(&mut client).await?; // STARTTLS, or he is taken for one who cannot do it
        self.answer(Step::StartTls, "220 go ahead\r\n".to_owned(), &mut client).await?;
        let mut client = client.into_inner();
        if self.means(Step::Handshake) {
            client.read_u8().await?;
            self.answer(Step::Handshake, "\u{16}\u{3}\u{3}\0\u{30}no handshake".to_owned(), &mut client).await?;
            return Err(Over);
        }
        let client = TlsAcceptor::from(Arc::clone(config)).accept(client).await?;
        self.relay(client, from_server, to_server, Step::Other).await
    }

    async fn relay(
        &self,
        client: impl AsyncRead + AsyncWrite + Unpin,
        from_server: BufReader<impl AsyncRead + Unpin>,
        to_server: impl AsyncWrite + Unpin,
        first: Step,
    ) -> Going {
        let asked = Mutex::new(Asked { steps: VecDeque::new(), data_follows: false });
        if first == Step::Banner {
            asked.lock().unwrap().steps.push_back(Step::Banner);
        }
        let (from_client, to_client) = split(client);
        tokio::try_join!(
            self.upwards(BufReader::with_capacity(PIPE, from_client), to_server, &asked),
            self.downwards(from_server, to_client, &asked)
        )
        .map(drop)
    }

    async fn upwards(
        &self,
        mut client: BufReader<impl AsyncRead + Unpin>,
        mut server: impl AsyncWrite + Unpin,
        asked: &Mutex<Asked>,
    ) -> Going {
        loop {
            let line = line(&mut client).await?;
            if std::mem::take(&mut asked.lock().unwrap().data_follows) {
                self.text(line, &mut client, &mut server, asked).await?;
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let step = match words.next().unwrap_or_default() {
                "EHLO" => Step::Ehlo,
                "MAIL" => Step::Mail,
                "RCPT" => Step::Rcpt,
                "DATA" => Step::Data,
                "BDAT" => Step::End,
                _ => Step::Other,
            };
            asked.lock().unwrap().steps.push_back(step);
            server.write_all(line.as_bytes()).await?;
            if step == Step::End {
                let mut body = vec![0; words.next().and_then(|len| len.parse().ok()).unwrap_or(0)];
                client.read_exact(&mut body).await?;
                self.body(&body, &mut server).await?;
            }
        }
    }

    /// A message as DATA carries it, whose first line was read.
    async fn text(
        &self,
        mut text: String,
        client: &mut BufReader<impl AsyncRead + Unpin>,
        server: &mut (impl AsyncWrite + Unpin),
        asked: &Mutex<Asked>,
    ) -> Going {
        while !text.ends_with("\r\n.\r\n") {
            text.push_str(&line(client).await?);
        }
        asked.lock().unwrap().steps.push_back(Step::End);
        self.body(text.as_bytes(), server).await
    }

    async fn body(&self, body: &[u8], server: &mut (impl AsyncWrite + Unpin)) -> Going {
        for (step, len) in [(Step::Body, body.len() / 2), (Step::LastByte, body.len() - 1)] {
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
        asked: &Mutex<Asked>,
    ) -> Going {
        loop {
            let mut reply = reply(&mut server).await?;
            let step = asked.lock().unwrap().steps.pop_front().unwrap_or(Step::Other);
            if step == Step::Ehlo {
                reply = without(&reply, self.hidden);
            }
            if step == Step::Data && reply.starts_with("354") && !self.means(Step::Data) {
                asked.lock().unwrap().data_follows = true;
            }
            self.answer(step, reply, &mut client).await?;
        }
    }

    async fn answer(&self, step: Step, reply: String, client: &mut (impl AsyncWrite + Unpin)) -> Going {
        let fault = self.fault(step);
        let said = match fault {
            None => &reply,
            Some(Fault::Say(text)) => text,
            Some(Fault::HalfAndDrop | Fault::HalfAndStall) => &reply[..reply.len() / 2],
            Some(Fault::Drop | Fault::Stall) => "",
        };
        client.write_all(said.as_bytes()).await?;
        client.flush().await?;
        match fault {
            None | Some(Fault::Say(_)) => Ok(()),
            Some(fault) => stop(fault).await,
        }
    }
}

#[async_trait]
impl Dial for Middle {
    async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn Transport>> {
        let (client, near) = duplex(PIPE);
        tokio::spawn(self.clone().stand_between(near));
        Ok(Box::new(client))
    }
}

/// What the client asked for and is not answered yet.
struct Asked {
    steps: VecDeque<Step>,
    /// The next line is a message's.
    data_follows: bool,
}

async fn stop(fault: Fault) -> Going {
    match fault {
        Fault::Stall | Fault::HalfAndStall => std::future::pending().await,
        Fault::Drop | Fault::HalfAndDrop | Fault::Say(_) => Err(Over),
    }
}

/// One line; DATA's are text, for he hides BINARYMIME where he hides CHUNKING.
async fn line(from: &mut BufReader<impl AsyncRead + Unpin>) -> Result<String, Over> {
    let mut line = String::new();
    if from.read_line(&mut line).await? == 0 {
        return Err(Over);
    }
    Ok(line)
}

async fn reply(from: &mut BufReader<impl AsyncRead + Unpin>) -> Result<String, Over> {
    let mut reply = String::new();
    loop {
        let line = line(from).await?;
        reply.push_str(&line);
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(reply);
        }
    }
}

/// The reply to EHLO without these keywords.
fn without(reply: &str, hidden: &[&str]) -> String {
    let kept: Vec<&str> = reply.lines().filter(|line| !hidden.contains(&&line[4..])).collect();
    let (last, others) = kept.split_last().unwrap();
    let others: Vec<String> = others.iter().map(|line| format!("250-{}\r\n", &line[4..])).collect();
    format!("{}250 {}\r\n", others.concat(), &last[4..])
}

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self
    }
}

const PIPE: usize = 64 * 1024;
