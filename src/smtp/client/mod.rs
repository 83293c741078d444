//! [`Client`]: the client's side of one connection, without a socket, a clock or tasks.

mod chunking;
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
use std::time::{Duration, Instant};

use bytes::Bytes;

pub(crate) use self::chunking::{Chunking, NextTry};
pub(crate) use self::fault::{Fault, NotServed};
pub(crate) use self::opening::Goal;
use self::opening::{Next as OpeningNext, Opening};
use self::step::Step;
pub use self::timeouts::Timeouts;
use self::transaction::{After, Behind, Next, Transaction};
pub(crate) use self::transaction::{BlockFate, BodyType, Envelope, Pipelining};
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
/// Replies are counted: each answers the first command that was said and is not answered; one too many ends the connection.
pub(crate) struct Client {
    timeouts: Timeouts,
    reader: ReplyReader,
    /// Each with the number of replies that it asks for.
    output: VecDeque<(Output, usize)>,
    /// The replies that are to come, in their order; the last `unsaid` of them are for commands that are still in `output`.
    expected: VecDeque<Expected>,
    unsaid: usize,
    events: VecDeque<Event>,
    opening: Opening,
    /// Messages that were begun, in the order of their replies.
    under_way: VecDeque<(MessageNumber, Transaction)>,
    waiting: VecDeque<(MessageNumber, Transaction)>,
    needs_reset: bool,
    distinct: bool,
    condition: Condition,
    clock: ReplyClock,
    /// Why nothing can be sent any more, while what was sent may still be answered.
    broken: Option<Fault>,
}

/// Names a message on its connection.
pub(crate) type MessageNumber = u64;

/// Something to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Bytes(Bytes),
    /// The message itself.
    Body(MessageNumber, BodyForm),
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyForm {
    /// As it is.
    Block,
    /// With its dots doubled, and its end marked.
    Stuffed,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The server offers these, and takes messages.
    Opened(Extensions),
    /// A TLS handshake can begin.
    TlsReady,
    /// It cannot.
    NoTls(NoTls),
    Authenticated,
    /// The server gave a sign of life.
    Alive,
    /// The connection is over, with no message to blame.
    Failed(Fault),
    Done(MessageNumber, Ended),
}

/// Why a TLS handshake cannot begin.
#[derive(Debug)]
pub(crate) enum NoTls {
    /// STARTTLS is not offered.
    NotOffered,
    /// STARTTLS was answered so.
    Declined(Reply),
    /// The conversation stopped at STARTTLS.
    Failed(Fault),
}

/// How a message ended on its connection.
#[derive(Debug)]
pub(crate) struct Ended {
    /// One outcome for each recipient.
    pub(crate) outcomes: Result<Vec<Outcome>, Fault>,
    /// Whether the server answered any of it.
    pub(crate) heard: bool,
    pub(crate) block: BlockFate,
}

/// A command or several, and the replies that they ask for.
#[derive(Debug, Default)]
struct Saying {
    text: String,
    body: Option<BodyForm>,
    replies: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    step: Step,
    owner: Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Connection,
    Message(MessageNumber),
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

/// When the next reply is due.
#[derive(Debug)]
struct ReplyClock {
    /// Since when the first expected reply is the next to come.
    since: Instant,
    /// When the transport last took a byte.
    sent_at: Instant,
    /// Whether it has taken all.
    all_sent: bool,
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
    /// A connection on which nothing was said yet, but for what `first` says.
    pub(crate) fn new(node: &str, first: First, goal: Goal, timeouts: Timeouts, now: Instant) -> Self {
        let mut client = Self {
            timeouts,
            reader: ReplyReader::default(),
            output: VecDeque::new(),
            expected: VecDeque::new(),
            unsaid: 0,
            events: VecDeque::new(),
            opening: Opening::new(node, goal),
            under_way: VecDeque::new(),
            waiting: VecDeque::new(),
            needs_reset: false,
            distinct: false,
            condition: Condition::Open,
            clock: ReplyClock { since: now, sent_at: now, all_sent: true },
            broken: None,
        };
        match first {
            First::Greeting => client.expected.push_back(Expected { step: Step::Greeting, owner: Owner::Connection }),
            First::Ehlo => client.say(client.opening.ehlo(), Owner::Connection, now),
        }
        client
    }

    /// Authenticates; [`Event::Authenticated`] or [`Event::Failed`] follows.
    pub(crate) fn authenticate(&mut self, exchange: Exchange, now: Instant) {
        let saying = self.opening.authenticate(exchange);
        self.say(saying, Owner::Connection, now);
    }

    /// Asks for a sign of life; [`Event::Alive`] or [`Event::Failed`] follows.
    pub(crate) fn ask_for_life(&mut self, now: Instant) {
        self.say(Saying::command("NOOP\r\n".to_owned(), Step::Noop), Owner::Connection, now);
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
            let ended = Ended { outcomes: Ok(outcomes), heard: false, block: BlockFate::Unknown };
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
            self.say(Saying::command("QUIT\r\n".to_owned(), Step::Quit), Owner::Connection, now);
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

    /// Whether nothing more can be said or heard on it.
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
        (self.clock.sent_at, self.clock.all_sent) = (now, all);
    }

    /// The transport took the last byte of a message.
    pub(crate) fn handle_body_sent(&mut self, number: MessageNumber) {
        if let Some((_, transaction)) = self.under_way.iter_mut().find(|(under_way, _)| *under_way == number) {
            transaction.handle_body_sent();
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
            (self.clock.since, self.clock.all_sent) = (now, true);
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
        self.unsaid = self.unsaid.saturating_sub(replies);
        Some(output)
    }

    /// What happened.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` while no reply is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let first = self.expected.front().filter(|_| self.condition != Condition::Over)?;
        let ReplyClock { since, sent_at, all_sent } = self.clock;
        if self.broken.is_some() {
            return Some(since + LAST_WORDS);
        }
        let limit = self.limit(first.step);
        let (bytes, is_sent) = match (first.owner, self.under_way.front()) {
            (Owner::Message(_), Some((_, message))) => (message.bytes_before(first.step), all_sent || message.is_sent()),
            _ => (0, all_sent),
        };
        let patience = self.timeouts.body(bytes, limit);
        let block = if bytes == 0 { limit } else { patience.block };
        let stalled = since.max(sent_at) + if is_sent { patience.reply } else { block };
        Some(stalled.min(since + patience.total))
    }

    /// Fails the connection if a reply did not come in time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now)
            && let Some(first) = self.expected.front()
        {
            let fault = self.broken.take().unwrap_or(Fault::TimedOut(first.step.name()));
            self.fail(fault);
        }
    }

    fn limit(&self, step: Step) -> Duration {
        match step {
            Step::Greeting => self.timeouts.greeting,
            Step::End | Step::EmptyEnd => self.timeouts.end_of_data,
            Step::Noop => SIGN_OF_LIFE,
            _ => self.timeouts.command,
        }
    }

    fn handle_reply(&mut self, reply: RawReply, now: Instant) {
        if self.expected.len() <= self.unsaid {
            let reply = Reply::from(reply);
            return self.fail(match reply.code {
                fault::CLOSING => Fault::not_served("any time", reply),
                // What a server that ends the connection says at last.
                400..600 if self.broken.is_some() => Fault::not_served("any time", reply),
                _ => Fault::Nonsense(format!("a reply that answers nothing: {reply}")),
            });
        }
        let Some(Expected { step, owner }) = self.expected.pop_front() else { return };
        self.clock.since = now;
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
                OpeningNext::Say(saying) => self.say(saying, Owner::Connection, now),
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
            self.expected.push_front(Expected { step, owner: Owner::Connection });
            return self.fail(Fault::not_served(step.name(), reply));
        }
        let Some((number, transaction)) = self.under_way.front_mut() else { return };
        let number = *number;
        let behind = if self.expected.is_empty() { Behind::Nothing } else { Behind::Others };
        match transaction.handle_reply(step, reply, behind) {
            Next::Wait => {}
            Next::Say(saying) => self.say(saying, Owner::Message(number), now),
            Next::Done { outcomes, after } => self.finish(outcomes, after, now),
        }
    }

    /// The first message under way has ended.
    fn finish(&mut self, outcomes: Result<Vec<Outcome>, Fault>, after: After, now: Instant) {
        let Some((number, transaction)) = self.under_way.pop_front() else { return };
        self.distinct |= transaction.block == BlockFate::Taken;
        let ended = Ended { outcomes, heard: transaction.heard, block: transaction.block };
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
                self.report_unheard(number);
                continue;
            }
            let follows = !self.under_way.is_empty() || !self.expected.is_empty();
            let all_follow = || self.under_way.iter().all(|(_, transaction)| transaction.can_follow());
            if follows && !(self.distinct && transaction.can_follow() && all_follow()) {
                self.waiting.push_front((number, transaction));
                return;
            }
            let saying = transaction.start(follows || self.needs_reset);
            self.needs_reset = false;
            self.under_way.push_back((number, transaction));
            self.say(saying, Owner::Message(number), now);
        }
    }

    fn say(&mut self, saying: Saying, owner: Owner, now: Instant) {
        if let Some(fault) = self.broken.take() {
            return self.fail(fault);
        }
        if self.condition == Condition::Over {
            return;
        }
        if self.expected.is_empty() {
            self.clock.since = now;
        }
        self.clock.all_sent = false;
        let Saying { text, body, replies } = saying;
        self.unsaid += replies.len();
        self.expected.extend(replies.iter().map(|step| Expected { step: *step, owner }));
        let body = match (body, owner) {
            (Some(form), Owner::Message(number)) => Some(Output::Body(number, form)),
            _ => None,
        };
        let text = (!text.is_empty()).then(|| Output::Bytes(Bytes::from(text)));
        for (nth, output) in text.into_iter().chain(body).enumerate() {
            self.output.push_back((output, if nth == 0 { replies.len() } else { 0 }));
        }
    }

    /// The connection is over. `fault` is that of whoever the next reply was for; those behind were not heard.
    fn fail(&mut self, fault: Fault) {
        if self.condition == Condition::Over {
            return;
        }
        self.condition = Condition::Over;
        self.output.clear();
        let first = self.expected.pop_front();
        self.expected.clear();
        self.unsaid = 0;
        let mut fault = Some(fault);
        for (number, mut transaction) in std::mem::take(&mut self.under_way) {
            let ended = match fault.take() {
                Some(fault) => {
                    let decided = first.and_then(|first| transaction.handle_failure(first.step, &fault));
                    let Transaction { heard, block, .. } = transaction;
                    Ended { outcomes: decided.ok_or(fault), heard, block }
                }
                None => Ended::unheard(),
            };
            self.events.push_back(Event::Done(number, ended));
        }
        for (number, _) in std::mem::take(&mut self.waiting) {
            self.report_unheard(number);
        }
        let at_starttls = first.is_some_and(|first| first.step == Step::StartTls);
        self.events
            .extend(fault.map(|fault| if at_starttls { Event::NoTls(NoTls::Failed(fault)) } else { Event::Failed(fault) }));
    }

    fn report_unheard(&mut self, number: MessageNumber) {
        self.events.push_back(Event::Done(number, Ended::unheard()));
    }
}

impl Ended {
    /// A message behind one that ended the connection.
    fn unheard() -> Self {
        Self { outcomes: Err(Fault::lost_before()), heard: false, block: BlockFate::Unknown }
    }
}

impl Saying {
    fn command(text: String, step: Step) -> Self {
        Self { text, body: None, replies: vec![step] }
    }

    fn add(&mut self, command: impl AsRef<str>, step: Step) {
        self.text.push_str(command.as_ref());
        self.replies.push(step);
    }
}

impl fmt::Debug for Client {
    /// Shows nothing of what is said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { condition, expected, .. } = self;
        f.debug_struct("Client").field("condition", condition).field("expected", &expected.len()).finish_non_exhaustive()
    }
}

/// How long a server that ended the connection while it was sent something has to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a server may take over a word that costs it nothing.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
