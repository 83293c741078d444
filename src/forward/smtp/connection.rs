//! [`Connection`]: an open connection, on which commands are asked and answered.

use std::fmt::{self, Display};
use std::time::Duration;

use lettre::transport::smtp::Error as LettreError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Auth, Noop, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::capabilities::Capabilities;
use super::channel::Channel;
use super::fault::{CLOSING, Fault};
use super::notice::Notice;
use super::payload::Piece;
use super::reply;
use super::stream::Stream;
use super::timeouts::{Patience, Timeouts};
use crate::forward::{Reply, Travelled};

/// An open connection, its greeting and EHLO done.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    stream: Stream,
    capabilities: Capabilities,
    travelled: Travelled,
    heard: bool,
    exact: bool,
    condition: Condition,
}

/// Whether another message can follow on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// At once.
    Ready,
    /// After RSET.
    NeedsReset,
    /// Never: where the conversation stands is not known.
    Spent,
}

impl Connection {
    /// A connection over `channel`, on which the peer has said its `capabilities`.
    pub(super) async fn new(channel: Channel, capabilities: Capabilities, travelled: Travelled) -> Result<Self, Fault> {
        let stream = Stream::opened(channel);
        // This reads what the stream replays, so it neither waits nor sends.
        let smtp = AsyncSmtpConnection::connect_with_transport(Box::new(stream.clone()), &ClientId::default()).await?;
        let condition = Condition::Ready;
        Ok(Self { smtp, stream, capabilities, travelled, heard: false, exact: false, condition })
    }

    /// What the peer offers.
    pub(super) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// How messages travel on it.
    pub(super) fn travelled(&self) -> Travelled {
        self.travelled
    }

    /// A handle to what it is spoken over.
    pub(super) fn stream(&self) -> Stream {
        self.stream.clone()
    }

    /// Whether the replies to a message's envelope have said what they are about.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// See [`is_exact`](Self::is_exact).
    pub(super) fn set_exact(&mut self, exact: bool) {
        self.exact = exact;
    }

    /// Whether the peer has answered anything since the last message was begun, but for taking its leave.
    pub(super) fn heard(&self) -> bool {
        self.heard
    }

    /// Begins a message. Until [`set_condition`](Self::set_condition) says otherwise, the connection is spent: so it stays when
    /// the call is dropped half-way.
    pub(super) fn begin(&mut self) {
        self.heard = false;
        self.condition = Condition::Spent;
    }

    /// What can follow on it now.
    pub(super) fn set_condition(&mut self, condition: Condition) {
        self.condition = condition;
    }

    /// Sends `payload` with the next command, behind it; `notice` tells when all of it went.
    pub(super) fn stage(&self, payload: Vec<Piece>, notice: Option<Notice>) {
        self.stream.stage(payload, notice);
    }

    /// Says `command` and hears the reply, whatever it is; only 421, which ends the connection, is a fault.
    pub(super) async fn ask(
        &mut self,
        step: &'static str,
        command: impl Display + Send,
        limit: impl Into<Patience>,
    ) -> Result<Reply, Fault> {
        if self.stream.has_surplus() {
            return Err(Fault::Nonsense(format!("a reply before {step} was said")));
        }
        let Patience { total, block, reply } = limit.into();
        self.stream.begin();
        let said = tokio::select! {
            biased;
            said = timeout(total, self.smtp.command(command)) => said.ok(),
            () = self.stream.stalled(block, reply) => None,
        };
        match said {
            Some(said) => match self.settle(step, said) {
                Err(Fault::Lost(cause)) => Err(self.last_words(step).await.unwrap_or(Fault::Lost(cause))),
                settled => settled,
            },
            None => Err(Fault::TimedOut(step)),
        }
    }

    /// Hears the first reply to what was said by way of the stream.
    pub(super) async fn first_reply(&mut self, step: &'static str, patience: Patience) -> Result<Reply, Fault> {
        let Patience { total, block, reply } = patience;
        let said = tokio::select! {
            biased;
            said = timeout(total, self.smtp.read_response()) => said.ok(),
            () = self.stream.stalled(block, reply) => None,
        };
        said.ok_or(Fault::TimedOut(step)).and_then(|said| self.settle(step, said))
    }

    /// Hears the next reply, to a command that was said with others before.
    pub(super) async fn next_reply(&mut self, step: &'static str, limit: Duration) -> Result<Reply, Fault> {
        match timeout(limit, self.smtp.read_response()).await {
            Ok(said) => self.settle(step, said),
            Err(_) => Err(Fault::TimedOut(step)),
        }
    }

    /// Proves who we are.
    ///
    /// A peer that does not ask for proof is at fault: without it, the message would arrive as somebody else's.
    pub(super) async fn log_in(&mut self, credentials: &Credentials, timeouts: &Timeouts) -> Result<(), Fault> {
        if !self.capabilities.auth_plain {
            return Err(Fault::Nonsense("AUTH PLAIN is not offered".to_owned()));
        }
        let command = Auth::new(Mechanism::Plain, credentials.clone(), None)?;
        let reply = self.ask("AUTH", command, timeouts.command).await?;
        match reply.code {
            235 => Ok(()),
            400..600 => Err(Fault::not_served("AUTH", reply)),
            _ => Err(Fault::unexpected("AUTH", &reply)),
        }
    }

    /// Makes it ready for another message; answers whether it is.
    pub(super) async fn tidy(&mut self, timeouts: &Timeouts) -> bool {
        if self.condition == Condition::NeedsReset {
            self.condition = match self.ask("RSET", Rset, timeouts.command).await {
                Ok(reply) if reply.code == 250 => Condition::Ready,
                Ok(_) | Err(_) => Condition::Spent,
            };
        }
        self.condition == Condition::Ready
    }

    /// Whether the peer is still there, to be asked after an idle time: a path that died meanwhile tells nothing.
    pub(super) async fn is_alive(&mut self) -> bool {
        self.ask("NOOP", Noop, SIGN_OF_LIFE).await.is_ok()
    }

    fn settle(&mut self, step: &'static str, said: Result<Response, LettreError>) -> Result<Reply, Fault> {
        let reply = match said {
            Ok(response) => reply::positive(&response),
            Err(error) => match reply::negative(&error) {
                Some(reply) => reply,
                None => return Err(error.into()),
            },
        };
        if reply.code == CLOSING {
            return Err(Fault::not_served(step, reply));
        }
        self.heard = true;
        Ok(reply)
    }

    /// Why a peer ended the connection while we spoke, if it said so.
    pub(super) async fn last_words(&mut self, step: &'static str) -> Option<Fault> {
        let said = timeout(LAST_WORDS, self.smtp.read_response()).await.ok()?;
        let reply = self.settle(step, said);
        match reply {
            Ok(reply) if reply.code >= 400 => Some(Fault::not_served(step, reply)),
            Err(fault @ Fault::NotServed(_)) => Some(fault),
            Ok(_) | Err(_) => None,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("travelled", &self.travelled).finish_non_exhaustive()
    }
}

const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a peer may take over a word that costs it nothing.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
