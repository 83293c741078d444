//! [`Client`]: the client's side of one connection, without sockets, clocks or tasks.

mod chunking;
mod commands;
mod due;
mod envelope;
mod error;
mod event;
mod expected;
mod opening;
mod outcome;
mod sequence;
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
pub(crate) use self::envelope::Envelope;
pub(crate) use self::error::{ClientError, NotServed};
pub(crate) use self::event::{BodyFraming, Event, MessageNumber, NoStartTls, Output, SendResult};
use self::expected::{ExpectedReplies, ExpectedReply, ReplyOwner};
pub(crate) use self::opening::OpeningGoal;
use self::opening::{Opening, OpeningAction};
pub(crate) use self::sequence::Pipelining;
use self::step::ProtocolStep;
pub use self::timeouts::Timeouts;
use self::transaction::{Behind, ClientTransaction, Reuse, TransactionAction};
use super::extensions::Extensions;
use super::sasl::client::ClientExchange;
use super::{Outcome, RawReply, Reply, ReplyReader};

/// The client's state machine for one connection: bytes go in and out, and events come out.
///
/// The driver passes input to [`handle_input`](Self::handle_input), and reports what the transport did with `handle_sent`,
/// `handle_body_sent`, `handle_end` and `handle_write_failure`. After each call it polls [`poll_output`](Self::poll_output) and
/// [`poll_event`](Self::poll_event) until they are empty, and [`poll_timeout`](Self::poll_timeout) once. It must handle input that has
/// arrived before it polls output, so that a reply that came before its command is noticed.
///
/// Replies are counted: each belongs to the first command that was sent and is not answered yet. A reply too many ends the connection.
pub(crate) struct Client {
    timeouts: Timeouts,
    reader: ReplyReader,
    /// The output, each with the number of replies that it asks for.
    output: VecDeque<(Output, usize)>,
    expected: ExpectedReplies,
    events: VecDeque<Event>,
    opening: Opening,
    /// The messages of which commands were sent, in the order of their replies.
    in_progress: VecDeque<(MessageNumber, ClientTransaction)>,
    /// The messages of which nothing was sent yet.
    waiting: VecDeque<(MessageNumber, ClientTransaction)>,
    /// Whether RSET must go before the next message.
    needs_reset: bool,
    /// Whether the server's replies say which command each of them answers.
    replies_are_distinct: bool,
    state: ConnectionState,
    /// The reason why nothing can be sent any more, while commands that were sent may still be answered.
    broken: Option<ClientError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
    /// Messages can be sent.
    Open,
    /// No new message is sent; those in progress go on.
    Closing,
    /// The TLS handshake is next.
    StartingTls,
    /// Nothing more is sent or received.
    Closed,
}

/// The first line that is sent on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstLine {
    /// The server's greeting.
    Greeting,
    /// The client's EHLO: the server has greeted before the TLS handshake.
    Ehlo,
}

impl Client {
    /// A new connection of the client with the host name `node`.
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
            replies_are_distinct: false,
            state: ConnectionState::Open,
            broken: None,
        };
        match first {
            FirstLine::Greeting => client.expected.expect_greeting(),
            FirstLine::Ehlo => client.queue(client.opening.ehlo(), ReplyOwner::Connection, now),
        }
        client
    }

    /// Sets the name that the server should prove; only under this name it can say that it is no relay.
    pub(crate) fn expecting(mut self, peer: &str) -> Self {
        self.opening.expect_peer(peer);
        self
    }

    /// Starts the authentication; [`Event::Authenticated`] or [`Event::Failed`] follows.
    pub(crate) fn authenticate(&mut self, exchange: ClientExchange, now: Instant) {
        let commands = self.opening.authenticate(exchange);
        self.queue(commands, ReplyOwner::Connection, now);
    }

    /// Sends NOOP to check the connection; [`Event::Alive`] or [`Event::Failed`] follows.
    pub(crate) fn probe(&mut self, now: Instant) {
        self.queue(Commands::command("NOOP\r\n".to_owned(), ProtocolStep::Noop), ReplyOwner::Connection, now);
    }

    /// Sends a message, or queues it behind those before it. [`Event::Done`] follows.
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
            let ended = SendResult { outcomes: Ok(outcomes), answered: false, bdat: BdatOutcome::Unknown };
            self.events.push_back(Event::Done(number, ended));
            return;
        }
        self.waiting.push_back((number, transaction));
        self.begin_messages(now);
    }

    /// Removes a message from the queue. A message in progress is not affected.
    pub(crate) fn abandon(&mut self, number: MessageNumber) {
        self.waiting.retain(|(waiting, _)| *waiting != number);
    }

    /// Whether the message is queued or in progress.
    pub(crate) fn has(&self, number: MessageNumber) -> bool {
        self.in_progress.iter().chain(&self.waiting).any(|(known, _)| *known == number)
    }

    /// Sends QUIT; no new message is sent after it.
    pub(crate) fn quit(&mut self, now: Instant) {
        if self.state != ConnectionState::Closed {
            self.queue(Commands::command("QUIT\r\n".to_owned(), ProtocolStep::Quit), ReplyOwner::Connection, now);
            self.state = ConnectionState::Closing;
        }
    }

    /// Stops sending new messages; those in progress go on.
    pub(crate) fn close(&mut self) {
        if self.state == ConnectionState::Open {
            self.state = ConnectionState::Closing;
        }
    }

    /// Whether the TLS handshake is next.
    pub(crate) fn is_starting_tls(&self) -> bool {
        self.state == ConnectionState::StartingTls
    }

    /// Whether nothing more can be sent or received on the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == ConnectionState::Closed
    }

    /// Whether another message can be sent on the connection.
    pub(crate) fn is_open(&self) -> bool {
        self.state == ConnectionState::Open
    }

    /// Whether nothing is to be sent, no reply is expected, and no part of a reply has arrived.
    pub(crate) fn is_idle(&self) -> bool {
        self.state != ConnectionState::Closed && self.expected.is_empty() && self.output.is_empty() && self.reader.is_empty()
    }

    /// Whether several messages may be in progress at once: the replies to an accepted message have shown which command each of them answers.
    pub(crate) fn can_pipeline(&self) -> bool {
        self.replies_are_distinct
    }

    /// Handles bytes that the server sent.
    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.reader.handle_input(bytes);
        while self.state != ConnectionState::Closed {
            match self.reader.poll_reply() {
                Ok(Some(reply)) => self.handle_reply(reply, now),
                Ok(None) => break,
                Err(error) => self.fail(ClientError::InvalidReply(error.to_string())),
            }
        }
    }

    /// The transport has taken bytes; `all` says whether there are no more for it.
    pub(crate) fn handle_sent(&mut self, all: bool, now: Instant) {
        self.expected.handle_sent(all, now);
    }

    /// The transport has taken the last byte of a message.
    pub(crate) fn handle_body_sent(&mut self, number: MessageNumber, now: Instant) {
        if let Some((_, transaction)) = self.in_progress.iter_mut().find(|(in_progress, _)| *in_progress == number) {
            transaction.handle_body_sent(now);
        }
    }

    /// Nothing can be sent any more. Replies may still come: a server that closes a connection often gives the reason.
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

    /// The connection has ended: nothing more can arrive.
    pub(crate) fn handle_end(&mut self, error: impl Into<Box<dyn StdError + Send + Sync>>) {
        let error = self.broken.take().unwrap_or_else(|| ClientError::ConnectionLost(error.into()));
        self.fail(error);
    }

    /// Returns the next output to send.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        let (output, replies) = self.output.pop_front()?;
        self.expected.handle_handed_out(replies);
        Some(output)
    }

    /// Returns the next event.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn handle_reply(&mut self, reply: RawReply, now: Instant) {
        let Some(ExpectedReply { step, owner }) = self.expected.pop(now) else {
            let reply = Reply::from(reply);
            return self.fail(match reply.code {
                error::CLOSING => ClientError::not_served("any time", reply),
                // The reason that a server gives when it closes the connection.
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
            ProtocolStep::Quit => self.state = ConnectionState::Closed,
            _ => match self.opening.handle_reply(step, reply) {
                OpeningAction::Send(commands) => self.queue(commands, ReplyOwner::Connection, now),
                OpeningAction::Report(Event::Failed(error)) => self.fail(error),
                OpeningAction::Report(event) => {
                    if matches!(event, Event::TlsReady) {
                        self.state = ConnectionState::StartingTls;
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

    /// Ends the first message in progress.
    fn finish(&mut self, outcomes: Result<Vec<Outcome>, ClientError>, after: Reuse, now: Instant) {
        let Some((number, transaction)) = self.in_progress.pop_front() else { return };
        self.replies_are_distinct |= transaction.bdat == BdatOutcome::Accepted;
        let ended = SendResult { outcomes, answered: transaction.answered, bdat: transaction.bdat };
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
            if self.state != ConnectionState::Open {
                self.report_unanswered(number);
                continue;
            }
            let follows = !self.in_progress.is_empty() || !self.expected.is_empty();
            let all_follow = || self.in_progress.iter().all(|(_, transaction)| transaction.can_follow());
            if follows && !(self.replies_are_distinct && transaction.can_follow() && all_follow()) {
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
        if let Some(error) = self.broken.take() {
            return self.fail(error);
        }
        if self.state == ConnectionState::Closed {
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

    /// Ends the connection where the next reply was expected.
    fn fail(&mut self, error: ClientError) {
        self.fail_at(self.expected.first().map(|first| first.step), error);
    }

    /// Ends the connection. The first message in progress, to which the reply to `step` belongs, gets `error`; those behind it are unanswered.
    fn fail_at(&mut self, step: Option<ProtocolStep>, error: ClientError) {
        if self.state == ConnectionState::Closed {
            return;
        }
        let error = self.opening.take_cancelled().unwrap_or(error);
        self.state = ConnectionState::Closed;
        self.output.clear();
        self.expected.clear();
        let mut error = Some(error);
        for (number, mut transaction) in std::mem::take(&mut self.in_progress) {
            let ended = match error.take() {
                Some(error) => {
                    let decided = step.and_then(|step| transaction.handle_failure(step, &error));
                    let ClientTransaction { answered, bdat, .. } = transaction;
                    SendResult { outcomes: decided.ok_or(error), answered, bdat }
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
            error.map(|error| if at_starttls { Event::NoStartTls(NoStartTls::Failed(error)) } else { Event::Failed(error) }),
        );
    }

    fn report_unanswered(&mut self, number: MessageNumber) {
        self.events.push_back(Event::Done(number, SendResult::unanswered()));
    }
}

impl fmt::Debug for Client {
    /// Shows nothing of what is sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, expected, .. } = self;
        f.debug_struct("Client").field("state", state).field("expected", expected).finish_non_exhaustive()
    }
}
