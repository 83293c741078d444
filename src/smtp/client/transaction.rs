//! [`Transaction`]: one message, in as few round trips as the server allows.

use std::fmt::Write as _;
use std::time::Instant;

use super::chunking::BlockFate;
use super::commands::Commands;
use super::envelope::Envelope;
use super::event::BodyForm;
use super::fault::Fault;
use super::outcome;
use super::step::Step;
use crate::smtp::extensions::Extensions;
use crate::smtp::{Outcome, Reply};

/// Whether a message is sent before its recipients are known to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipelining {
    /// Together with them, which saves a round trip, and is wasted when they are refused.
    On,
    /// After them.
    Off,
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    /// Envelope and message at once: one round trip.
    AllAtOnce,
    /// The envelope at once, then the message as a block.
    GroupThenBlock,
    /// The envelope and DATA at once, then the message.
    GroupThenData,
    /// Each command by itself, then the message as a block.
    StepsThenBlock,
    /// Each command by itself, then the message.
    StepsThenData,
}

/// One message on one connection: replies in, commands out.
///
/// No reply is taken for another's. A reply too many to MAIL or RCPT cannot stand for 354, the reply to DATA. BDAT is answered by a code
/// that MAIL is answered by, too; there, the enhanced status codes must show which is which (RFC 3463 §3.2: 2.1.0 a sender, 2.1.5 a
/// recipient), or QUIT is sent, and the message counts as accepted when the next reply, and no later one, is 221.
#[derive(Debug)]
pub(super) struct Transaction {
    envelope: Envelope,
    extensions: Extensions,
    route: Route,
    mail: Option<Reply>,
    recipients: Vec<Reply>,
    /// What is known of each recipient once the envelope is answered.
    tally: Tally,
    /// When the transport had all of the message.
    sent_at: Option<Instant>,
    pub(super) answered: bool,
    pub(super) block: BlockFate,
}

/// What is known of each recipient; `None` for those that the message decides.
type Tally = Vec<Option<Outcome>>;

/// What is next.
#[derive(Debug)]
pub(super) enum Next {
    Wait,
    Send(Commands),
    Done { outcomes: Result<Vec<Outcome>, Fault>, after: After },
}

/// What can follow on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// A message, at once.
    Ready,
    /// A message, after RSET.
    Reset,
    /// Nothing new: the server is in trouble (RFC 5321 §4.2.1), and a fresh connection may meet another host.
    Close,
    /// Nothing: where the conversation stands is not known.
    Spent,
}

/// Whether other commands were sent behind this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    Nothing,
    Others,
}

impl Transaction {
    pub(super) fn new(envelope: Envelope, extensions: Extensions, pipelining: Pipelining) -> Self {
        let route = match (extensions.pipelining, extensions.takes_blocks()) {
            (true, true) if pipelining == Pipelining::On => Route::AllAtOnce,
            (true, true) => Route::GroupThenBlock,
            (true, false) => Route::GroupThenData,
            (false, true) => Route::StepsThenBlock,
            (false, false) => Route::StepsThenData,
        };
        let (recipients, tally) = (Vec::with_capacity(envelope.to.len()), Vec::new());
        let (sent_at, answered, block) = (None, false, BlockFate::Unknown);
        Self { envelope, extensions, route, mail: None, recipients, tally, sent_at, answered, block }
    }

    /// Whether it can be sent behind others that are not answered yet.
    pub(super) fn can_follow(&self) -> bool {
        self.route == Route::AllAtOnce
    }

    /// The outcomes, if the message is bigger than the server takes.
    pub(super) fn too_big(&self) -> Option<Vec<Outcome>> {
        let limit = self.extensions.limit_below(self.envelope.size)?;
        Some(self.envelope.to.iter().map(|_| outcome::too_big(self.envelope.size, limit)).collect())
    }

    /// How many bytes of the message go before the reply to `step`.
    pub(super) fn bytes_before(&self, step: Step) -> usize {
        if step == Step::End || self.route == Route::AllAtOnce { self.envelope.size } else { 0 }
    }

    /// When the transport had all of the message.
    pub(super) fn sent_at(&self) -> Option<Instant> {
        self.sent_at
    }

    /// All of the message was handed to the transport.
    pub(super) fn handle_body_sent(&mut self, now: Instant) {
        self.sent_at = Some(now);
    }

    /// The first commands; RSET goes before them if the server must forget a message before.
    pub(super) fn start(&self, reset: bool) -> Commands {
        let mut commands = Commands::default();
        if reset {
            commands.add("RSET\r\n", Step::Reset);
        }
        match self.route {
            Route::StepsThenBlock | Route::StepsThenData if reset => return commands,
            Route::StepsThenBlock | Route::StepsThenData => commands.add(self.envelope.mail_command(self.extensions), Step::Mail),
            Route::AllAtOnce | Route::GroupThenBlock | Route::GroupThenData => {
                commands.add(self.envelope.mail_command(self.extensions), Step::Mail);
                (0..self.envelope.to.len()).for_each(|nth| commands.add(self.envelope.recipient_command(nth), Step::Recipient));
            }
        }
        match self.route {
            Route::AllAtOnce => self.add_block(&mut commands),
            Route::GroupThenData => commands.add("DATA\r\n", Step::Data),
            Route::GroupThenBlock | Route::StepsThenBlock | Route::StepsThenData => {}
        }
        commands
    }

    /// The reply to `step`.
    pub(super) fn handle_reply(&mut self, step: Step, reply: Reply, behind: Behind) -> Next {
        self.answered = true;
        match step {
            Step::Reset => self.handle_reset(&reply),
            Step::Mail => {
                let taken = reply.is_positive();
                self.mail = Some(reply);
                match (self.goes_by_steps(), taken) {
                    (true, true) => Next::send(self.envelope.recipient_command(0), Step::Recipient),
                    (true, false) => self.after_envelope(),
                    (false, _) => Next::Wait,
                }
            }
            Step::Recipient => {
                self.recipients.push(reply);
                match self.recipients.len() {
                    nth if nth == self.envelope.to.len() => self.after_envelope(),
                    nth if self.goes_by_steps() => Next::send(self.envelope.recipient_command(nth), Step::Recipient),
                    _ => Next::Wait,
                }
            }
            Step::Data => self.handle_go_ahead(reply),
            Step::End => self.handle_end(reply, behind),
            Step::EmptyEnd => Next::done(Ok(self.decided().unwrap_or_default()), After::Reset),
            Step::Quit => self.handle_farewell(&reply),
            Step::Greeting | Step::Ehlo | Step::Helo | Step::StartTls | Step::Auth | Step::Noop => {
                Next::done(Err(Fault::unexpected(step.name(), &reply)), After::Spent)
            }
        }
    }

    /// The connection failed where the reply to `step` was due; the outcomes, if they were decided before.
    pub(super) fn handle_failure(&mut self, step: Step, fault: &Fault) -> Option<Vec<Outcome>> {
        if self.block_may_be_why(step) && fault.is_unreachable() && self.block == BlockFate::Unknown {
            self.block = BlockFate::Broken;
        }
        // What a server says to a message of nothing is about no recipient.
        self.decided().filter(|_| step == Step::EmptyEnd)
    }

    fn handle_reset(&self, reply: &Reply) -> Next {
        match (reply.is_positive(), self.goes_by_steps()) {
            (true, true) => Next::send(self.envelope.mail_command(self.extensions), Step::Mail),
            (true, false) => Next::Wait,
            (false, _) => Next::done(Err(Fault::unexpected("RSET", reply)), After::Spent),
        }
    }

    /// All of the envelope was answered, or MAIL was refused.
    fn after_envelope(&mut self) -> Next {
        if matches!(self.route, Route::AllAtOnce | Route::GroupThenData) {
            return Next::Wait; // the reply to the block, or to DATA, is still to come
        }
        if let Err(refused) = self.judge() {
            return refused;
        }
        match (self.decided(), self.route) {
            (Some(outcomes), _) => Next::done(Ok(outcomes), After::Reset),
            (None, Route::StepsThenData) => Next::send("DATA\r\n", Step::Data),
            (None, _) => {
                let mut commands = Commands::default();
                self.add_block(&mut commands);
                Next::Send(commands)
            }
        }
    }

    /// The reply to DATA. RFC 2920 §3.1: a server that took no recipient and says 354 all the same gets a message of nothing.
    fn handle_go_ahead(&mut self, reply: Reply) -> Next {
        let go_ahead = reply.code == GO_AHEAD;
        if self.route == Route::GroupThenData
            && let Err(refused) = self.judge()
        {
            // It waits for a message to nobody, or nobody knows what for.
            return if (400..600).contains(&reply.code) { refused } else { refused.and_spent() };
        }
        match self.decided() {
            Some(_) if go_ahead => Next::send(".\r\n", Step::EmptyEnd),
            Some(outcomes) if (400..600).contains(&reply.code) => Next::done(Ok(outcomes), After::Reset),
            Some(outcomes) => Next::done(Ok(outcomes), After::Spent),
            None if go_ahead => {
                Next::Send(Commands { body: Some(BodyForm::Stuffed), replies: vec![Step::End], ..Commands::default() })
            }
            None => self.settle(Step::Data, reply),
        }
    }

    /// The reply to the whole message.
    fn handle_end(&mut self, reply: Reply, behind: Behind) -> Next {
        // A server that does not know BDAT reads what follows as commands, and answers each line of it.
        let not_known = self.uses_blocks() && outcome::is_unknown_command(&reply);
        if not_known {
            self.block = BlockFate::NotKnown;
        }
        if self.route == Route::AllAtOnce
            && let Err(refused) = self.judge()
        {
            return if not_known { refused.and_spent() } else { refused };
        }
        if let Some(outcomes) = self.decided() {
            return Next::done(Ok(outcomes), if not_known { After::Spent } else { After::Reset });
        }
        if !reply.is_positive() {
            let settled = self.settle(Step::End, reply);
            // What is still to be sent would be read as commands, or the peer reads it and answers once more.
            return if self.sent_at.is_some() { settled } else { settled.and_spent() };
        }
        if self.sent_at.is_none() {
            return Next::done(Err(Fault::Nonsense(format!("{reply} before the message was sent"))), After::Spent);
        }
        if !self.uses_blocks() || self.replies_are_distinct(&reply) {
            return self.settle(Step::End, reply);
        }
        self.block = BlockFate::Ambiguous;
        match behind {
            // Nothing else was sent, so the replies can be counted to their end.
            Behind::Nothing => Next::send("QUIT\r\n", Step::Quit),
            Behind::Others => {
                let what = "replies that do not say what they are about".to_owned();
                Next::done(Err(Fault::Nonsense(what)), After::Spent)
            }
        }
    }

    /// The reply behind an ambiguous one.
    fn handle_farewell(&mut self, reply: &Reply) -> Next {
        let outcomes = match reply.code {
            CLOSED => Ok(self.decided_by(&Outcome::Accepted)),
            _ => Err(Fault::Nonsense(format!("more replies than commands: {reply}"))),
        };
        Next::done(outcomes, After::Spent)
    }

    fn settle(&mut self, step: Step, reply: Reply) -> Next {
        if step == Step::End && self.uses_blocks() {
            self.block = match reply.code {
                200..300 => BlockFate::Taken,
                503 => BlockFate::Broken,
                _ => self.block,
            };
            if self.block == BlockFate::NotKnown {
                return Next::done(Err(Fault::unexpected("BDAT", &reply)), After::Spent);
            }
        }
        match outcome::of_message(step, reply) {
            Ok(outcome) => {
                let after = match outcome {
                    Outcome::Accepted => After::Ready,
                    Outcome::Deferred(_) => After::Close,
                    Outcome::Refused(_) => After::Reset,
                };
                Next::done(Ok(self.decided_by(&outcome)), after)
            }
            Err(fault) => Next::done(Err(fault), After::Spent),
        }
    }

    /// Reads the envelope's replies.
    fn judge(&mut self) -> Result<(), Next> {
        let Some(mail) = self.mail.clone() else {
            return Err(Next::done(Err(Fault::Nonsense("no reply to MAIL".to_owned())), After::Spent));
        };
        outcome::of_mail(mail).map_err(|fault| {
            let after = match &fault {
                Fault::Refused { reply, .. } if reply.code < 500 => After::Close,
                Fault::Refused { .. } => After::Reset,
                Fault::Lost(_) | Fault::Nonsense(_) | Fault::TimedOut(_) | Fault::NotServed(_) => After::Spent,
            };
            Next::done(Err(fault), after)
        })?;
        let tally: Result<Tally, Fault> = self.recipients.iter().cloned().map(outcome::of_recipient).collect();
        self.tally = tally.map_err(|fault| Next::done(Err(fault), After::Spent))?;
        Ok(())
    }

    /// The outcomes, if the message decides none of them.
    fn decided(&self) -> Option<Vec<Outcome>> {
        self.tally.iter().cloned().collect()
    }

    fn decided_by(&self, outcome: &Outcome) -> Vec<Outcome> {
        self.tally.iter().map(|decided| decided.clone().unwrap_or_else(|| outcome.clone())).collect()
    }

    /// Whether no reply to the envelope can be taken for the one to the message.
    fn replies_are_distinct(&self, end: &Reply) -> bool {
        let mut recipients = self.recipients.iter().filter(|reply| reply.is_positive());
        !end.is_about_an_address()
            && self.mail.as_ref().is_some_and(Reply::is_about_a_sender)
            && recipients.all(Reply::is_about_a_recipient)
    }

    /// Whether a connection that ended where the reply to `step` was due may have ended because of the block.
    ///
    /// A server may hold back its replies to commands that came with others (RFC 2920 §3.2), so that none of them comes from one that
    /// ends in the block.
    fn block_may_be_why(&self, step: Step) -> bool {
        match self.route {
            Route::AllAtOnce => {
                let none_refused = self.mail.as_ref().is_none_or(Reply::is_positive);
                none_refused && (self.recipients.len() < self.envelope.to.len() || self.envelope_was_taken())
            }
            Route::GroupThenBlock | Route::StepsThenBlock => step == Step::End && self.envelope_was_taken(),
            Route::GroupThenData | Route::StepsThenData => false,
        }
    }

    fn envelope_was_taken(&self) -> bool {
        self.mail.as_ref().is_some_and(Reply::is_positive) && self.recipients.iter().any(Reply::is_positive)
    }

    fn uses_blocks(&self) -> bool {
        matches!(self.route, Route::AllAtOnce | Route::GroupThenBlock | Route::StepsThenBlock)
    }

    fn goes_by_steps(&self) -> bool {
        matches!(self.route, Route::StepsThenBlock | Route::StepsThenData)
    }

    fn add_block(&self, commands: &mut Commands) {
        // Writing to a string does not fail.
        let _ = write!(commands.text, "BDAT {} LAST\r\n", self.envelope.size);
        commands.replies.push(Step::End);
        commands.body = Some(BodyForm::Block);
    }
}

impl Next {
    fn send(command: impl AsRef<str>, step: Step) -> Self {
        Self::Send(Commands::command(command.as_ref().to_owned(), step))
    }

    fn done(outcomes: Result<Vec<Outcome>, Fault>, after: After) -> Self {
        Self::Done { outcomes, after }
    }

    fn and_spent(self) -> Self {
        match self {
            Self::Done { outcomes, .. } => Self::done(outcomes, After::Spent),
            next @ (Self::Wait | Self::Send(_)) => next,
        }
    }
}

const GO_AHEAD: u16 = 354;
const CLOSED: u16 = 221;
