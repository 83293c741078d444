//! [`Opening`]: the commands on a connection before any message.

use super::commands::Commands;
use super::error::ClientError;
use super::event::{Event, NoStartTls};
use super::step::ProtocolStep;
use crate::smtp::extensions::Extensions;
use crate::smtp::sasl::client::ClientExchange;
use crate::smtp::{RawReply, Reply};

/// The opening of a session: greeting, EHLO, STARTTLS and AUTH.
#[derive(Debug)]
pub(super) struct Opening {
    node: String,
    /// The name that the server should prove.
    peer: String,
    goal: OpeningGoal,
    exchange: Option<ClientExchange>,
    /// The reason why the client has cancelled the authentication.
    cancelled: Option<ClientError>,
}

/// The goal of an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpeningGoal {
    /// The TLS handshake can begin.
    StartTls,
    /// Messages can be sent.
    Messages,
}

/// The next action of an opening.
#[derive(Debug)]
pub(super) enum OpeningAction {
    Send(Commands),
    Report(Event),
}

impl Opening {
    /// An opening in which the client introduces itself as `node`.
    pub(super) fn new(node: &str, goal: OpeningGoal) -> Self {
        Self { node: node.to_owned(), peer: String::new(), goal, exchange: None, cancelled: None }
    }

    pub(super) fn expect_peer(&mut self, name: &str) {
        name.clone_into(&mut self.peer);
    }

    pub(super) fn ehlo(&self) -> Commands {
        Commands::command(format!("EHLO {}\r\n", self.node), ProtocolStep::Ehlo)
    }

    pub(super) fn authenticate(&mut self, exchange: ClientExchange) -> Commands {
        Commands::command(self.exchange.insert(exchange).command(), ProtocolStep::Auth)
    }

    /// Returns the reason why the client has cancelled the authentication, once: the server's reply is still expected, and whatever comes
    /// instead, this is why the connection is of no use.
    pub(super) fn take_cancelled(&mut self) -> Option<ClientError> {
        self.cancelled.take()
    }

    /// Handles the reply to `step`.
    ///
    /// A server that does not know EHLO has no extensions; it gets HELO instead. RFC 5321 §3.2.
    pub(super) fn handle_reply(&mut self, step: ProtocolStep, raw: RawReply) -> OpeningAction {
        let keywords = (step == ProtocolStep::Ehlo).then(|| Extensions::read(raw.lines(), &self.peer));
        let reply = Reply::from(raw);
        if let Some(error) = self.take_cancelled() {
            return OpeningAction::Report(Event::Failed(error));
        }
        match (step, reply.code) {
            (ProtocolStep::Greeting, 220) => OpeningAction::Send(self.ehlo()),
            (ProtocolStep::Ehlo, 200..300) => self.opened(keywords.unwrap_or_default()),
            (ProtocolStep::Ehlo, 500..600) => {
                OpeningAction::Send(Commands::command(format!("HELO {}\r\n", self.node), ProtocolStep::Helo))
            }
            (ProtocolStep::Helo, 200..300) => self.opened(Extensions::default()),
            (ProtocolStep::StartTls, 220) => OpeningAction::Report(Event::TlsReady),
            (ProtocolStep::StartTls, _) => OpeningAction::Report(Event::NoStartTls(NoStartTls::Declined(reply))),
            (ProtocolStep::Auth, 200..300) => self.authenticated(&reply),
            (ProtocolStep::Auth, 334) => self.challenged(&reply),
            (_, 400..600) => OpeningAction::Report(Event::Failed(ClientError::not_served(step.name(), reply))),
            _ => OpeningAction::Report(Event::Failed(ClientError::unexpected(step.name(), &reply))),
        }
    }

    fn opened(&self, extensions: Extensions) -> OpeningAction {
        match self.goal {
            OpeningGoal::Messages => OpeningAction::Report(Event::Opened(extensions)),
            OpeningGoal::StartTls if extensions.starttls => {
                OpeningAction::Send(Commands::command("STARTTLS\r\n".to_owned(), ProtocolStep::StartTls))
            }
            OpeningGoal::StartTls => OpeningAction::Report(Event::NoStartTls(NoStartTls::NotOffered)),
        }
    }

    /// Answers a challenge. One that the client cannot answer, or that the wrong server sent, cancels the authentication. RFC 4954 §4.
    fn challenged(&mut self, reply: &Reply) -> OpeningAction {
        match self.exchange.as_mut().map(|exchange| exchange.handle_challenge(&reply.text)) {
            Some(Ok(response)) => OpeningAction::Send(Commands::command(format!("{response}\r\n"), ProtocolStep::Auth)),
            Some(Err(error)) => {
                self.cancelled = Some(ClientError::InvalidReply(error.to_string()));
                OpeningAction::Send(Commands::command("*\r\n".to_owned(), ProtocolStep::Auth))
            }
            None => OpeningAction::Report(Event::Failed(ClientError::unexpected("AUTH", reply))),
        }
    }

    fn authenticated(&mut self, reply: &Reply) -> OpeningAction {
        match self.exchange.take().map(|mut exchange| exchange.handle_success(&reply.text)) {
            Some(Ok(())) => OpeningAction::Report(Event::Authenticated),
            Some(Err(error)) => OpeningAction::Report(Event::Failed(ClientError::InvalidReply(error.to_string()))),
            None => OpeningAction::Report(Event::Failed(ClientError::unexpected("AUTH", reply))),
        }
    }
}
