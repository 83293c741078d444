//! [`Client`]: the client's side of one connection, without a socket, a clock or tasks.

mod chunking;
mod commands;
mod due;
mod envelope;
mod error;
mod event;
mod expected;
mod opening;
mod outcome;
mod step;
#[cfg(test)]
mod tests;
mod timeouts;
mod transaction;

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::fmt;
use std::time::Instant;

use bytes::Bytes;

pub(crate) use self::chunking::{BdatOutcome, Chunking, NextTry};
use self::commands::Commands;
pub(crate) use self::envelope::{BodyType, Envelope};
pub(crate) use self::error::{ClientError, NotServed};
pub(crate) use self::event::{BodyFraming, Event, MessageNumber, NoStartTls, Output, SendResult};
use self::expected::{ExpectedReplies, ExpectedReply, ReplyOwner};
pub(crate) use self::opening::OpeningGoal;
use self::opening::{Opening, OpeningAction};
use self::step::ProtocolStep;
pub use self::timeouts::Timeouts;
pub(crate) use self::transaction::Pipelining;
use self::transaction::{Behind, ClientTransaction, Reuse, TransactionAction};
use super::extensions::Extensions;
use super::sasl::client::ClientExchange;
use super::{Outcome, RawReply, Reply, ReplyReader};

/// One connection to a server: bytes in and out, and events.
///
/// Input goes to [`handle_input`](Self::handle_input), and what the transport does to `handle_sent`, `handle_body_sent`, `handle_end` and
/// `handle_write_failure`. Reuse each of them, [`poll_output`](Self::poll_output) and [`poll_event`](Self::poll_event) are to be polled
/// until they are empty, and [`poll_timeout`](Self::poll_timeout) once. Input that is here must be handled before output is polled: so a
/// reply that came before its command is noticed.
///
/// Replies are counted: each belongs to the first command that was sent and is not answered; one too many ends the connection.
pub(crate) struct Client {
    timeouts: Timeouts,
    reader: ReplyReader,
    /// Each with the number of replies that it asks for.
    output: VecDeque<(Output, usize)>,
    expected: ExpectedReplies,
    events: VecDeque<Event>,
    opening: Opening,
    /// Messages that were begun, in the order of their replies.
    in_progress: VecDeque<(MessageNumber, ClientTransaction)>,
    waiting: VecDeque<(MessageNumber, ClientTransaction)>,
    needs_reset: bool,
    distinct: bool,
    condition: ConnectionState,
    /// Why nothing can be sent any more, while what was sent may still be answered.
    broken: Option<ClientError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
    Open,
    /// No message is begun any more.
    Closing,
    /// The TLS handshake is next.
    StartingTls,
    Closed,
}

/// Whether the first line is the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstLine {
    /// It greets.
    Greeting,
    /// It has greeted before the TLS handshake.
    Ehlo,
}

impl Client {
    /// A connection on which nothing was sent yet, but for what `first` says.
    pub(crate) fn new(node: &str, first: FirstLine, goal: OpeningGoal, timeouts: Timeouts, now: Instant) -> Self {
        let mut client = Self {
            timeouts,
            reader: ReplyReader::default(),
            output: VecDeque::new(),
            expected: ExpectedReplies::new(now),
            events: VecDeque::new(),
            opening: Opening::new(node, goal),
            in_progress: VecDeque::new(),
            waiting: VecDeque::new(),
            needs_reset: false,
            distinct: false,
            condition: ConnectionState::Open,
            broken: None,
        };
        match first {
            FirstLine::Greeting => client.expected.expect_greeting(),
            FirstLine::Ehlo => client.queue(client.opening.ehlo(), ReplyOwner::Connection, now),
        }
        client
    }

    /// Authenticates; [`Event::Authenticated`] or [`Event::Failed`] follows.
    pub(crate) fn authenticate(&mut self, exchange: ClientExchange, now: Instant) {
        let commands = self.opening.authenticate(exchange);
        self.queue(commands, ReplyOwner::Connection, now);
    }

    /// Asks for a sign of life; [`Event::Alive`] or [`Event::Failed`] follows.
    pub(crate) fn probe(&mut self, now: Instant) {
        self.queue(Commands::command("NOOP\r\n".to_owned(), ProtocolStep::Noop), ReplyOwner::Connection, now);
    }

    /// Sends a message, or lets it wait for those before it. [`Event::Done`] follows.
    pub(crate) fn send(
        &mut self,
        number: MessageNumber,
        envelope: Envelope,
        extensions: Extensions,
        pipelining: Pipelining,
        now: Instant,
    ) {
        let transaction = ClientTransaction::new(envelope, extensions, pipelining);
        if let Some(outcomes) = transaction.too_big() {
            let ended = SendResult { outcomes: Ok(outcomes), answered: false, block: BdatOutcome::Unknown };
            self.events.push_back(Event::Done(number, ended));
            return;
        }
        self.waiting.push_back((number, transaction));
        self.begin_messages(now);
    }

    /// Forgets a message that nobody waits for any more, if it was not begun. One that was goes on.
    pub(crate) fn abandon(&mut self, number: MessageNumber) {
        self.waiting.retain(|(waiting, _)| *waiting != number);
    }

    /// Whether the message is waiting or under way.
    pub(crate) fn has(&self, number: MessageNumber) -> bool {
        self.in_progress.iter().chain(&self.waiting).any(|(known, _)| *known == number)
    }

    /// Says QUIT.
    pub(crate) fn quit(&mut self, now: Instant) {
        if self.condition != ConnectionState::Closed {
            self.queue(Commands::command("QUIT\r\n".to_owned(), ProtocolStep::Quit), ReplyOwner::Connection, now);
            self.condition = ConnectionState::Closing;
        }
    }

    /// No message is begun any more; those that were go on.
    pub(crate) fn close(&mut self) {
        if self.condition == ConnectionState::Open {
            self.condition = ConnectionState::Closing;
        }
    }

    /// Whether what comes next is for the TLS handshake.
    pub(crate) fn is_starting_tls(&self) -> bool {
        self.condition == ConnectionState::StartingTls
    }

    /// Whether nothing more can be sent or received on it.
    pub(crate) fn is_closed(&self) -> bool {
        self.condition == ConnectionState::Closed
    }

    /// Whether another message can be sent on it.
    pub(crate) fn is_open(&self) -> bool {
        self.condition == ConnectionState::Open
    }

    /// Whether nothing is to be sent, and no reply is to come or is here in part.
    pub(crate) fn is_idle(&self) -> bool {
        self.condition != ConnectionState::Closed && self.expected.is_empty() && self.output.is_empty() && self.reader.is_empty()
    }

    /// Whether several messages may be under way at once: the replies to one that was accepted have shown which is which.
    pub(crate) fn can_pipeline(&self) -> bool {
        self.distinct
    }

    /// Takes in what the server sent.
    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.reader.handle_input(bytes);
        while self.condition != ConnectionState::Closed {
            match self.reader.poll_reply() {
                Ok(Some(reply)) => self.handle_reply(reply, now),
                Ok(None) => break,
                Err(error) => self.fail(ClientError::InvalidReply(error.to_string())),
            }
        }
    }

    /// The transport took bytes, and has more to take or not.
    pub(crate) fn handle_sent(&mut self, all: bool, now: Instant) {
        self.expected.handle_sent(all, now);
    }

    /// The transport took the last byte of a message.
    pub(crate) fn handle_body_sent(&mut self, number: MessageNumber, now: Instant) {
        if let Some((_, transaction)) = self.in_progress.iter_mut().find(|(in_progress, _)| *in_progress == number) {
            transaction.handle_body_sent(now);
        }
    }

    /// Nothing can be sent any more. What was sent may be answered: a server that ends a connection often says why.
    pub(crate) fn handle_write_failure(&mut self, error: impl Into<Box<dyn StdError + Send + Sync>>, now: Instant) {
        self.output.clear();
        self.close();
        if self.expected.is_empty() {
            self.fail(ClientError::ConnectionLost(error.into()));
        } else if self.broken.is_none() {
            self.broken = Some(ClientError::ConnectionLost(error.into()));
            self.expected.handle_write_failure(now);
        }
    }

    /// Nothing comes any more.
    pub(crate) fn handle_end(&mut self, error: impl Into<Box<dyn StdError + Send + Sync>>) {
        let fault = self.broken.take().unwrap_or_else(|| ClientError::ConnectionLost(error.into()));
        self.fail(fault);
    }

    /// What to send next.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        let (output, replies) = self.output.pop_front()?;
        self.expected.handle_handed_out(replies);
        Some(output)
    }

    /// What happened.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn handle_reply(&mut self, reply: RawReply, now: Instant) {
        let Some(ExpectedReply { step, owner }) = self.expected.pop(now) else {
            let reply = Reply::from(reply);
            return self.fail(match reply.code {
                error::CLOSING => ClientError::not_served("any time", reply),
                // What a server that ends the connection says at last.
                400..600 if self.broken.is_some() => ClientError::not_served("any time", reply),
                _ => ClientError::InvalidReply(format!("a reply that answers nothing: {reply}")),
            });
        };
        match owner {
            ReplyOwner::Connection => self.handle_own_reply(step, reply, now),
            ReplyOwner::Message(_) => self.handle_message_reply(step, reply.into(), now),
        }
    }

    fn handle_own_reply(&mut self, step: ProtocolStep, reply: RawReply, now: Instant) {
        match step {
            ProtocolStep::Noop => {
                let reply = Reply::from(reply);
                if reply.code == error::CLOSING {
                    self.fail(ClientError::not_served(step.name(), reply));
                } else {
                    self.events.push_back(Event::Alive);
                    self.begin_messages(now);
                }
            }
            ProtocolStep::Quit => self.condition = ConnectionState::Closed,
            _ => match self.opening.handle_reply(step, reply) {
                OpeningAction::Send(commands) => self.queue(commands, ReplyOwner::Connection, now),
                OpeningAction::Report(Event::Failed(fault)) => self.fail(fault),
                OpeningAction::Report(event) => {
                    if matches!(event, Event::TlsReady) {
                        self.condition = ConnectionState::StartingTls;
                    }
                    self.events.push_back(event);
                }
            },
        }
    }

    fn handle_message_reply(&mut self, step: ProtocolStep, reply: Reply, now: Instant) {
        if reply.code == error::CLOSING {
            return self.fail_at(Some(step), ClientError::not_served(step.name(), reply));
        }
        let Some((number, transaction)) = self.in_progress.front_mut() else { return };
        let number = *number;
        let behind = if self.expected.is_empty() { Behind::Nothing } else { Behind::Others };
        match transaction.handle_reply(step, reply, behind) {
            TransactionAction::Wait => {}
            TransactionAction::Send(commands) => self.queue(commands, ReplyOwner::Message(number), now),
            TransactionAction::Done { outcomes, after } => self.finish(outcomes, after, now),
        }
    }

    /// The first message under way has ended.
    fn finish(&mut self, outcomes: Result<Vec<Outcome>, ClientError>, after: Reuse, now: Instant) {
        let Some((number, transaction)) = self.in_progress.pop_front() else { return };
        self.distinct |= transaction.block == BdatOutcome::Accepted;
        let ended = SendResult { outcomes, answered: transaction.answered, block: transaction.block };
        self.events.push_back(Event::Done(number, ended));
        match after {
            Reuse::AtOnce => self.needs_reset = false,
            Reuse::AfterReset => self.needs_reset = true,
            Reuse::NoNewMessage => {
                self.needs_reset = true;
                self.close();
            }
            Reuse::Never => return self.fail(ClientError::lost_before()),
        }
        self.begin_messages(now);
    }

    fn begin_messages(&mut self, now: Instant) {
        while let Some((number, transaction)) = self.waiting.pop_front() {
            if self.condition != ConnectionState::Open {
                self.report_unanswered(number);
                continue;
            }
            let follows = !self.in_progress.is_empty() || !self.expected.is_empty();
            let all_follow = || self.in_progress.iter().all(|(_, transaction)| transaction.can_follow());
            if follows && !(self.distinct && transaction.can_follow() && all_follow()) {
                self.waiting.push_front((number, transaction));
                return;
            }
            let commands = transaction.start(follows || self.needs_reset);
            self.needs_reset = false;
            self.in_progress.push_back((number, transaction));
            self.queue(commands, ReplyOwner::Message(number), now);
        }
    }

    fn queue(&mut self, commands: Commands, owner: ReplyOwner, now: Instant) {
        if let Some(fault) = self.broken.take() {
            return self.fail(fault);
        }
        if self.condition == ConnectionState::Closed {
            return;
        }
        let Commands { text, body, replies } = commands;
        self.expected.expect(&replies, owner, now);
        let body = match (body, owner) {
            (Some(form), ReplyOwner::Message(number)) => Some(Output::Body(number, form)),
            _ => None,
        };
        let text = (!text.is_empty()).then(|| Output::Bytes(Bytes::from(text)));
        for (nth, output) in text.into_iter().chain(body).enumerate() {
            self.output.push_back((output, if nth == 0 { replies.len() } else { 0 }));
        }
    }

    /// The connection is over, at the next reply that was to come.
    fn fail(&mut self, fault: ClientError) {
        self.fail_at(self.expected.first().map(|first| first.step), fault);
    }

    /// The connection is over. `fault` is that of the message that the reply to `step` is for; those behind were not answered.
    fn fail_at(&mut self, step: Option<ProtocolStep>, fault: ClientError) {
        if self.condition == ConnectionState::Closed {
            return;
        }
        self.condition = ConnectionState::Closed;
        self.output.clear();
        self.expected.clear();
        let mut fault = Some(fault);
        for (number, mut transaction) in std::mem::take(&mut self.in_progress) {
            let ended = match fault.take() {
                Some(fault) => {
                    let decided = step.and_then(|step| transaction.handle_failure(step, &fault));
                    let ClientTransaction { answered, block, .. } = transaction;
                    SendResult { outcomes: decided.ok_or(fault), answered, block }
                }
                None => SendResult::unanswered(),
            };
            self.events.push_back(Event::Done(number, ended));
        }
        for (number, _) in std::mem::take(&mut self.waiting) {
            self.report_unanswered(number);
        }
        let at_starttls = step == Some(ProtocolStep::StartTls);
        self.events.extend(
            fault.map(|fault| if at_starttls { Event::NoStartTls(NoStartTls::Failed(fault)) } else { Event::Failed(fault) }),
        );
    }

    fn report_unanswered(&mut self, number: MessageNumber) {
        self.events.push_back(Event::Done(number, SendResult::unanswered()));
    }
}

impl fmt::Debug for Client {
    /// Shows nothing of what is sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { condition, expected, .. } = self;
        f.debug_struct("Client").field("condition", condition).field("expected", expected).finish_non_exhaustive()
    }
}
