//! [`Opening`]: what is sent on a connection before any message.

use super::commands::Commands;
use super::event::{Event, NoTls};
use super::fault::Fault;
use super::step::Step;
use crate::smtp::extensions::Extensions;
use crate::smtp::sasl::client::Exchange;
use crate::smtp::{RawReply, Reply};

/// Greeting, EHLO, STARTTLS and AUTH.
#[derive(Debug)]
pub(super) struct Opening {
    node: String,
    goal: Goal,
    exchange: Option<Exchange>,
}

/// What the opening is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// A TLS handshake.
    StartTls,
    /// Messages.
    Messages,
}

/// What is next.
#[derive(Debug)]
pub(super) enum Next {
    Send(Commands),
    Report(Event),
}

impl Opening {
    /// The node says its name in EHLO.
    pub(super) fn new(node: &str, goal: Goal) -> Self {
        Self { node: node.to_owned(), goal, exchange: None }
    }

    pub(super) fn ehlo(&self) -> Commands {
        Commands::command(format!("EHLO {}\r\n", self.node), Step::Ehlo)
    }

    pub(super) fn authenticate(&mut self, exchange: Exchange) -> Commands {
        Commands::command(self.exchange.insert(exchange).command(), Step::Auth)
    }

    /// The reply to `step`.
    ///
    /// A server that does not know EHLO can do nothing more, and is sent HELO. RFC 5321 §3.2.
    pub(super) fn handle_reply(&mut self, step: Step, raw: RawReply) -> Next {
        let keywords = (step == Step::Ehlo).then(|| Extensions::read(raw.lines()));
        let reply = Reply::from(raw);
        match (step, reply.code) {
            (Step::Greeting, 220) => Next::Send(self.ehlo()),
            (Step::Ehlo, 200..300) => self.opened(keywords.unwrap_or_default()),
            (Step::Ehlo, 500..600) => Next::Send(Commands::command(format!("HELO {}\r\n", self.node), Step::Helo)),
            (Step::Helo, 200..300) => self.opened(Extensions::default()),
            (Step::StartTls, 220) => Next::Report(Event::TlsReady),
            (Step::StartTls, _) => Next::Report(Event::NoTls(NoTls::Declined(reply))),
            (Step::Auth, 200..300) => self.authenticated(&reply),
            (Step::Auth, 334) => self.challenged(&reply),
            (_, 400..600) => Next::Report(Event::Failed(Fault::not_served(step.name(), reply))),
            _ => Next::Report(Event::Failed(Fault::unexpected(step.name(), &reply))),
        }
    }

    fn opened(&self, extensions: Extensions) -> Next {
        match self.goal {
            Goal::Messages => Next::Report(Event::Opened(extensions)),
            Goal::StartTls if extensions.starttls => Next::Send(Commands::command("STARTTLS\r\n".to_owned(), Step::StartTls)),
            Goal::StartTls => Next::Report(Event::NoTls(NoTls::NotOffered)),
        }
    }

    fn challenged(&mut self, reply: &Reply) -> Next {
        match self.exchange.as_mut().map(|exchange| exchange.handle_challenge(&reply.text)) {
            Some(Ok(response)) => Next::Send(Commands::command(format!("{response}\r\n"), Step::Auth)),
            Some(Err(error)) => Next::Report(Event::Failed(Fault::Nonsense(error.to_string()))),
            None => Next::Report(Event::Failed(Fault::unexpected("AUTH", reply))),
        }
    }

    fn authenticated(&mut self, reply: &Reply) -> Next {
        match self.exchange.take().map(|mut exchange| exchange.handle_success(&reply.text)) {
            Some(Ok(())) => Next::Report(Event::Authenticated),
            Some(Err(error)) => Next::Report(Event::Failed(Fault::Nonsense(error.to_string()))),
            None => Next::Report(Event::Failed(Fault::unexpected("AUTH", reply))),
        }
    }
}
