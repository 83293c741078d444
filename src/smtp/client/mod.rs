//! [`Client`]: the client's side of one connection, without a socket, a clock or tasks.

mod chunking;
mod commands;
mod due;
mod envelope;
mod event;
mod expected;
mod fault;
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

pub(crate) use self::chunking::{BlockFate, Chunking, NextTry};
use self::commands::Commands;
pub(crate) use self::envelope::{BodyType, Envelope};
pub(crate) use self::event::{BodyForm, Ended, Event, MessageNumber, NoTls, Output};
use self::expected::{Expected, ExpectedReplies, Owner};
pub(crate) use self::fault::{Fault, NotServed};
pub(crate) use self::opening::Goal;
use self::opening::{Next as OpeningNext, Opening};
use self::step::Step;
pub use self::timeouts::Timeouts;
pub(crate) use self::transaction::Pipelining;
use self::transaction::{After, Behind, Next, Transaction};
use super::extensions::Extensions;
use super::sasl::client::Exchange;
use super::{Outcome, RawReply, Reply, ReplyReader};

/// One connection to a server: bytes in and out, and events.
///
/// Input goes to [`handle_input`](Self::handle_input), and what the transport does to `handle_sent`, `handle_body_sent`, `handle_end` and
/// `handle_write_failure`. After each of them, [`poll_output`](Self::poll_output) and [`poll_event`](Self::poll_event) are to be polled
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
    under_way: VecDeque<(MessageNumber, Transaction)>,
    waiting: VecDeque<(MessageNumber, Transaction)>,
    needs_reset: bool,
    distinct: bool,
    condition: Condition,
    /// Why nothing can be sent any more, while what was sent may still be answered.
    broken: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Open,
    /// No message is begun any more.
    Closing,
    /// The TLS handshake is next.
    HandingOver,
    Over,
}

/// Whether the first line is the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// It greets.
    Greeting,
    /// It has greeted before the TLS handshake.
    Ehlo,
}

impl Client {
    /// A connection on which nothing was sent yet, but for what `first` says.
    pub(crate) fn new(node: &str, first: First, goal: Goal, timeouts: Timeouts, now: Instant) -> Self {
        let mut client = Self {
            timeouts,
            reader: ReplyReader::default(),
            output: VecDeque::new(),
            expected: ExpectedReplies::new(now),
            events: VecDeque::new(),
            opening: Opening::new(node, goal),
            under_way: VecDeque::new(),
            waiting: VecDeque::new(),
            needs_reset: false,
            distinct: false,
            condition: Condition::Open,
            broken: None,
        };
        match first {
            First::Greeting => client.expected.expect_greeting(),
            First::Ehlo => client.queue(client.opening.ehlo(), Owner::Connection, now),
        }
        client
    }

    /// Authenticates; [`Event::Authenticated`] or [`Event::Failed`] follows.
    pub(crate) fn authenticate(&mut self, exchange: Exchange, now: Instant) {
        let commands = self.opening.authenticate(exchange);
        self.queue(commands, Owner::Connection, now);
    }

    /// Asks for a sign of life; [`Event::Alive`] or [`Event::Failed`] follows.
    pub(crate) fn probe(&mut self, now: Instant) {
        self.queue(Commands::command("NOOP\r\n".to_owned(), Step::Noop), Owner::Connection, now);
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
        let transaction = Transaction::new(envelope, extensions, pipelining);
        if let Some(outcomes) = transaction.too_big() {
            let ended = Ended { outcomes: Ok(outcomes), answered: false, block: BlockFate::Unknown };
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
        self.under_way.iter().chain(&self.waiting).any(|(known, _)| *known == number)
    }

    /// Says QUIT.
    pub(crate) fn quit(&mut self, now: Instant) {
        if self.condition != Condition::Over {
            self.queue(Commands::command("QUIT\r\n".to_owned(), Step::Quit), Owner::Connection, now);
            self.condition = Condition::Closing;
        }
    }

    /// No message is begun any more; those that were go on.
    pub(crate) fn close(&mut self) {
        if self.condition == Condition::Open {
            self.condition = Condition::Closing;
        }
    }

    /// Whether what comes next is for the TLS handshake.
    pub(crate) fn hands_over(&self) -> bool {
        self.condition == Condition::HandingOver
    }

    /// Whether nothing more can be sent or received on it.
    pub(crate) fn is_over(&self) -> bool {
        self.condition == Condition::Over
    }

    /// Whether another message can be sent on it.
    pub(crate) fn is_open(&self) -> bool {
        self.condition == Condition::Open
    }

    /// Whether nothing is to be sent, and no reply is to come or is here in part.
    pub(crate) fn is_quiet(&self) -> bool {
        self.condition != Condition::Over && self.expected.is_empty() && self.output.is_empty() && self.reader.is_empty()
    }

    /// Whether several messages may be under way at once: the replies to one that was accepted have shown which is which.
    pub(crate) fn can_pipeline(&self) -> bool {
        self.distinct
    }

    /// Takes in what the server sent.
    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.reader.handle_input(bytes);
        while self.condition != Condition::Over {
            match self.reader.poll_reply() {
                Ok(Some(reply)) => self.handle_reply(reply, now),
                Ok(None) => break,
                Err(error) => self.fail(Fault::Nonsense(error.to_string())),
            }
        }
    }

    /// The transport took bytes, and has more to take or not.
    pub(crate) fn handle_sent(&mut self, all: bool, now: Instant) {
        self.expected.handle_sent(all, now);
    }

    /// The transport took the last byte of a message.
    pub(crate) fn handle_body_sent(&mut self, number: MessageNumber, now: Instant) {
        if let Some((_, transaction)) = self.under_way.iter_mut().find(|(under_way, _)| *under_way == number) {
            transaction.handle_body_sent(now);
        }
    }

    /// Nothing can be sent any more. What was sent may be answered: a server that ends a connection often says why.
    pub(crate) fn handle_write_failure(&mut self, error: impl Into<Box<dyn StdError + Send + Sync>>, now: Instant) {
        self.output.clear();
        self.close();
        if self.expected.is_empty() {
            self.fail(Fault::Lost(error.into()));
        } else if self.broken.is_none() {
            self.broken = Some(Fault::Lost(error.into()));
            self.expected.handle_write_failure(now);
        }
    }

    /// Nothing comes any more.
    pub(crate) fn handle_end(&mut self, error: impl Into<Box<dyn StdError + Send + Sync>>) {
        let fault = self.broken.take().unwrap_or_else(|| Fault::Lost(error.into()));
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
        let Some(Expected { step, owner }) = self.expected.pop(now) else {
            let reply = Reply::from(reply);
            return self.fail(match reply.code {
                fault::CLOSING => Fault::not_served("any time", reply),
                // What a server that ends the connection says at last.
                400..600 if self.broken.is_some() => Fault::not_served("any time", reply),
                _ => Fault::Nonsense(format!("a reply that answers nothing: {reply}")),
            });
        };
        match owner {
            Owner::Connection => self.handle_own_reply(step, reply, now),
            Owner::Message(_) => self.handle_message_reply(step, reply.into(), now),
        }
    }

    fn handle_own_reply(&mut self, step: Step, reply: RawReply, now: Instant) {
        match step {
            Step::Noop => {
                let reply = Reply::from(reply);
                if reply.code == fault::CLOSING {
                    self.fail(Fault::not_served(step.name(), reply));
                } else {
                    self.events.push_back(Event::Alive);
                    self.begin_messages(now);
                }
            }
            Step::Quit => self.condition = Condition::Over,
            _ => match self.opening.handle_reply(step, reply) {
                OpeningNext::Send(commands) => self.queue(commands, Owner::Connection, now),
                OpeningNext::Report(Event::Failed(fault)) => self.fail(fault),
                OpeningNext::Report(event) => {
                    if matches!(event, Event::TlsReady) {
                        self.condition = Condition::HandingOver;
                    }
                    self.events.push_back(event);
                }
            },
        }
    }

    fn handle_message_reply(&mut self, step: Step, reply: Reply, now: Instant) {
        if reply.code == fault::CLOSING {
            return self.fail_at(Some(step), Fault::not_served(step.name(), reply));
        }
        let Some((number, transaction)) = self.under_way.front_mut() else { return };
        let number = *number;
        let behind = if self.expected.is_empty() { Behind::Nothing } else { Behind::Others };
        match transaction.handle_reply(step, reply, behind) {
            Next::Wait => {}
            Next::Send(commands) => self.queue(commands, Owner::Message(number), now),
            Next::Done { outcomes, after } => self.finish(outcomes, after, now),
        }
    }

    /// The first message under way has ended.
    fn finish(&mut self, outcomes: Result<Vec<Outcome>, Fault>, after: After, now: Instant) {
        let Some((number, transaction)) = self.under_way.pop_front() else { return };
        self.distinct |= transaction.block == BlockFate::Taken;
        let ended = Ended { outcomes, answered: transaction.answered, block: transaction.block };
        self.events.push_back(Event::Done(number, ended));
        match after {
            After::Ready => self.needs_reset = false,
            After::Reset => self.needs_reset = true,
            After::Close => {
                self.needs_reset = true;
                self.close();
            }
            After::Spent => return self.fail(Fault::lost_before()),
        }
        self.begin_messages(now);
    }

    fn begin_messages(&mut self, now: Instant) {
        while let Some((number, transaction)) = self.waiting.pop_front() {
            if self.condition != Condition::Open {
                self.report_unanswered(number);
                continue;
            }
            let follows = !self.under_way.is_empty() || !self.expected.is_empty();
            let all_follow = || self.under_way.iter().all(|(_, transaction)| transaction.can_follow());
            if follows && !(self.distinct && transaction.can_follow() && all_follow()) {
                self.waiting.push_front((number, transaction));
                return;
            }
            let commands = transaction.start(follows || self.needs_reset);
            self.needs_reset = false;
            self.under_way.push_back((number, transaction));
            self.queue(commands, Owner::Message(number), now);
        }
    }

    fn queue(&mut self, commands: Commands, owner: Owner, now: Instant) {
        if let Some(fault) = self.broken.take() {
            return self.fail(fault);
        }
        if self.condition == Condition::Over {
            return;
        }
        let Commands { text, body, replies } = commands;
        self.expected.expect(&replies, owner, now);
        let body = match (body, owner) {
            (Some(form), Owner::Message(number)) => Some(Output::Body(number, form)),
            _ => None,
        };
        let text = (!text.is_empty()).then(|| Output::Bytes(Bytes::from(text)));
        for (nth, output) in text.into_iter().chain(body).enumerate() {
            self.output.push_back((output, if nth == 0 { replies.len() } else { 0 }));
        }
    }

    /// The connection is over, at the next reply that was to come.
    fn fail(&mut self, fault: Fault) {
        self.fail_at(self.expected.first().map(|first| first.step), fault);
    }

    /// The connection is over. `fault` is that of the message that the reply to `step` is for; those behind were not answered.
    fn fail_at(&mut self, step: Option<Step>, fault: Fault) {
        if self.condition == Condition::Over {
            return;
        }
        self.condition = Condition::Over;
        self.output.clear();
        self.expected.clear();
        let mut fault = Some(fault);
        for (number, mut transaction) in std::mem::take(&mut self.under_way) {
            let ended = match fault.take() {
                Some(fault) => {
                    let decided = step.and_then(|step| transaction.handle_failure(step, &fault));
                    let Transaction { answered, block, .. } = transaction;
                    Ended { outcomes: decided.ok_or(fault), answered, block }
                }
                None => Ended::unanswered(),
            };
            self.events.push_back(Event::Done(number, ended));
        }
        for (number, _) in std::mem::take(&mut self.waiting) {
            self.report_unanswered(number);
        }
        let at_starttls = step == Some(Step::StartTls);
        self.events
            .extend(fault.map(|fault| if at_starttls { Event::NoTls(NoTls::Failed(fault)) } else { Event::Failed(fault) }));
    }

    fn report_unanswered(&mut self, number: MessageNumber) {
        self.events.push_back(Event::Done(number, Ended::unanswered()));
    }
}

impl fmt::Debug for Client {
    /// Shows nothing of what is sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { condition, expected, .. } = self;
        f.debug_struct("Client").field("condition", condition).field("expected", expected).finish_non_exhaustive()
    }
}
