//! [`ClientTransaction`]: one message, in as few round trips as the server allows.

use std::fmt::Write as _;
use std::time::Instant;

use super::chunking::BdatOutcome;
use super::commands::Commands;
use super::envelope::Envelope;
use super::error::ClientError;
use super::event::BodyFraming;
use super::outcome;
use super::step::ProtocolStep;
use crate::smtp::extensions::Extensions;
use crate::smtp::{Outcome, Reply};

/// Whether a message is sent before its recipients are known to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipelining {
    /// Together with them, which saves a round trip, and is wasted when they are refused.
    On,
    /// Reuse them.
    Off,
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommandSequence {
    /// Envelope and message at once: one round trip.
    AllAtOnce,
    /// The envelope at once, then the message as a block.
    GroupThenBdat,
    /// The envelope and DATA at once, then the message.
    GroupThenData,
    /// Each command by itself, then the message as a block.
    StepsThenBdat,
    /// Each command by itself, then the message.
    StepsThenData,
}

/// One message on one connection: replies in, commands out.
///
/// No reply is taken for another's. A reply too many to MAIL or RCPT cannot stand for 354, the reply to DATA. BDAT is answered by a code
/// that MAIL is answered by, too; there, the enhanced status codes must show which is which (RFC 3463 §3.2: 2.1.0 a sender, 2.1.5 a
/// recipient), or QUIT is sent, and the message counts as accepted when the next reply, and no later one, is 221.
#[derive(Debug)]
pub(super) struct ClientTransaction {
    envelope: Envelope,
    extensions: Extensions,
    route: CommandSequence,
    mail: Option<Reply>,
    recipients: Vec<Reply>,
    /// What is known of each recipient once the envelope is answered.
    tally: RecipientOutcomes,
    /// When the transport had all of the message.
    sent_at: Option<Instant>,
    pub(super) answered: bool,
    pub(super) block: BdatOutcome,
}

/// What is known of each recipient; `None` for those that the message decides.
type RecipientOutcomes = Vec<Option<Outcome>>;

/// What is next.
#[derive(Debug)]
pub(super) enum TransactionAction {
    Wait,
    Send(Commands),
    Done { outcomes: Result<Vec<Outcome>, ClientError>, after: Reuse },
}

/// What can follow on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    /// A message, at once.
    AtOnce,
    /// A message, after RSET.
    AfterReset,
    /// Nothing new: the server is in trouble (RFC 5321 §4.2.1), and a fresh connection may meet another host.
    NoNewMessage,
    /// Nothing: where the conversation stands is not known.
    Never,
}

/// Whether other commands were sent behind this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    Nothing,
    Others,
}

impl ClientTransaction {
    pub(super) fn new(envelope: Envelope, extensions: Extensions, pipelining: Pipelining) -> Self {
        let route = match (extensions.pipelining, extensions.takes_chunks()) {
            (true, true) if pipelining == Pipelining::On => CommandSequence::AllAtOnce,
            (true, true) => CommandSequence::GroupThenBdat,
            (true, false) => CommandSequence::GroupThenData,
            (false, true) => CommandSequence::StepsThenBdat,
            (false, false) => CommandSequence::StepsThenData,
        };
        let (recipients, tally) = (Vec::with_capacity(envelope.to.len()), Vec::new());
        let (sent_at, answered, block) = (None, false, BdatOutcome::Unknown);
        Self { envelope, extensions, route, mail: None, recipients, tally, sent_at, answered, block }
    }

    /// Whether it can be sent behind others that are not answered yet.
    pub(super) fn can_follow(&self) -> bool {
        self.route == CommandSequence::AllAtOnce
    }

    /// The outcomes, if the message is bigger than the server takes.
    pub(super) fn too_big(&self) -> Option<Vec<Outcome>> {
        let limit = self.extensions.limit_below(self.envelope.size)?;
        Some(self.envelope.to.iter().map(|_| outcome::too_big(self.envelope.size, limit)).collect())
    }

    /// How many bytes of the message go before the reply to `step`.
    pub(super) fn bytes_before(&self, step: ProtocolStep) -> usize {
        if step == ProtocolStep::End || self.route == CommandSequence::AllAtOnce { self.envelope.size } else { 0 }
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
            commands.add("RSET\r\n", ProtocolStep::Reset);
        }
        match self.route {
            CommandSequence::StepsThenBdat | CommandSequence::StepsThenData if reset => return commands,
            CommandSequence::StepsThenBdat | CommandSequence::StepsThenData => {
                commands.add(self.envelope.mail_command(self.extensions), ProtocolStep::Mail)
            }
            CommandSequence::AllAtOnce | CommandSequence::GroupThenBdat | CommandSequence::GroupThenData => {
                commands.add(self.envelope.mail_command(self.extensions), ProtocolStep::Mail);
                (0..self.envelope.to.len())
                    .for_each(|nth| commands.add(self.envelope.recipient_command(nth), ProtocolStep::Recipient));
            }
        }
        match self.route {
            CommandSequence::AllAtOnce => self.add_bdat(&mut commands),
            CommandSequence::GroupThenData => commands.add("DATA\r\n", ProtocolStep::Data),
            CommandSequence::GroupThenBdat | CommandSequence::StepsThenBdat | CommandSequence::StepsThenData => {}
        }
        commands
    }

    /// The reply to `step`.
    pub(super) fn handle_reply(&mut self, step: ProtocolStep, reply: Reply, behind: Behind) -> TransactionAction {
        self.answered = true;
        match step {
            ProtocolStep::Reset => self.handle_reset(&reply),
            ProtocolStep::Mail => {
                let taken = reply.is_positive();
                self.mail = Some(reply);
                match (self.goes_by_steps(), taken) {
                    (true, true) => TransactionAction::send(self.envelope.recipient_command(0), ProtocolStep::Recipient),
                    (true, false) => self.after_envelope(),
                    (false, _) => TransactionAction::Wait,
                }
            }
            ProtocolStep::Recipient => {
                self.recipients.push(reply);
                match self.recipients.len() {
                    nth if nth == self.envelope.to.len() => self.after_envelope(),
                    nth if self.goes_by_steps() => {
                        TransactionAction::send(self.envelope.recipient_command(nth), ProtocolStep::Recipient)
                    }
                    _ => TransactionAction::Wait,
                }
            }
            ProtocolStep::Data => self.handle_go_ahead(reply),
            ProtocolStep::End => self.handle_end(reply, behind),
            ProtocolStep::EmptyEnd => TransactionAction::done(Ok(self.decided().unwrap_or_default()), Reuse::AfterReset),
            ProtocolStep::Quit => self.handle_farewell(&reply),
            ProtocolStep::Greeting
            | ProtocolStep::Ehlo
            | ProtocolStep::Helo
            | ProtocolStep::StartTls
            | ProtocolStep::Auth
            | ProtocolStep::Noop => TransactionAction::done(Err(ClientError::unexpected(step.name(), &reply)), Reuse::Never),
        }
    }

    /// The connection failed where the reply to `step` was due; the outcomes, if they were decided before.
    pub(super) fn handle_failure(&mut self, step: ProtocolStep, fault: &ClientError) -> Option<Vec<Outcome>> {
        if self.bdat_may_be_the_cause(step) && fault.is_unreachable() && self.block == BdatOutcome::Unknown {
            self.block = BdatOutcome::Broken;
        }
        // What a server says to a message of nothing is about no recipient.
        self.decided().filter(|_| step == ProtocolStep::EmptyEnd)
    }

    fn handle_reset(&self, reply: &Reply) -> TransactionAction {
        match (reply.is_positive(), self.goes_by_steps()) {
            (true, true) => TransactionAction::send(self.envelope.mail_command(self.extensions), ProtocolStep::Mail),
            (true, false) => TransactionAction::Wait,
            (false, _) => TransactionAction::done(Err(ClientError::unexpected("RSET", reply)), Reuse::Never),
        }
    }

    /// All of the envelope was answered, or MAIL was refused.
    fn after_envelope(&mut self) -> TransactionAction {
        if matches!(self.route, CommandSequence::AllAtOnce | CommandSequence::GroupThenData) {
            return TransactionAction::Wait; // the reply to the block, or to DATA, is still to come
        }
        if let Err(refused) = self.judge() {
            return refused;
        }
        match (self.decided(), self.route) {
            (Some(outcomes), _) => TransactionAction::done(Ok(outcomes), Reuse::AfterReset),
            (None, CommandSequence::StepsThenData) => TransactionAction::send("DATA\r\n", ProtocolStep::Data),
            (None, _) => {
                let mut commands = Commands::default();
                self.add_bdat(&mut commands);
                TransactionAction::Send(commands)
            }
        }
    }

    /// The reply to DATA. RFC 2920 §3.1: a server that took no recipient and says 354 all the same gets a message of nothing.
    fn handle_go_ahead(&mut self, reply: Reply) -> TransactionAction {
        let go_ahead = reply.code == GO_AHEAD;
        if self.route == CommandSequence::GroupThenData
            && let Err(refused) = self.judge()
        {
            // It waits for a message to nobody, or nobody knows what for.
            return if (400..600).contains(&reply.code) { refused } else { refused.and_no_reuse() };
        }
        match self.decided() {
            Some(_) if go_ahead => TransactionAction::send(".\r\n", ProtocolStep::EmptyEnd),
            Some(outcomes) if (400..600).contains(&reply.code) => TransactionAction::done(Ok(outcomes), Reuse::AfterReset),
            Some(outcomes) => TransactionAction::done(Ok(outcomes), Reuse::Never),
            None if go_ahead => TransactionAction::Send(Commands {
                body: Some(BodyFraming::Dots),
                replies: vec![ProtocolStep::End],
                ..Commands::default()
            }),
            None => self.settle(ProtocolStep::Data, reply),
        }
    }

    /// The reply to the whole message.
    fn handle_end(&mut self, reply: Reply, behind: Behind) -> TransactionAction {
        // A server that does not know BDAT reads what follows as commands, and answers each line of it.
        let not_known = self.uses_bdat() && outcome::is_unknown_command(&reply);
        if not_known {
            self.block = BdatOutcome::NotImplemented;
        }
        if self.route == CommandSequence::AllAtOnce
            && let Err(refused) = self.judge()
        {
            return if not_known { refused.and_no_reuse() } else { refused };
        }
        if let Some(outcomes) = self.decided() {
            return TransactionAction::done(Ok(outcomes), if not_known { Reuse::Never } else { Reuse::AfterReset });
        }
        if !reply.is_positive() {
            let settled = self.settle(ProtocolStep::End, reply);
            // What is still to be sent would be read as commands, or the peer reads it and answers once more.
            return if self.sent_at.is_some() { settled } else { settled.and_no_reuse() };
        }
        if self.sent_at.is_none() {
            return TransactionAction::done(
                Err(ClientError::InvalidReply(format!("{reply} before the message was sent"))),
                Reuse::Never,
            );
        }
        if !self.uses_bdat() || self.replies_are_distinct(&reply) {
            return self.settle(ProtocolStep::End, reply);
        }
        self.block = BdatOutcome::Ambiguous;
        match behind {
            // Nothing else was sent, so the replies can be counted to their end.
            Behind::Nothing => TransactionAction::send("QUIT\r\n", ProtocolStep::Quit),
            Behind::Others => {
                let what = "replies that do not say what they are about".to_owned();
                TransactionAction::done(Err(ClientError::InvalidReply(what)), Reuse::Never)
            }
        }
    }

    /// The reply behind an ambiguous one.
    fn handle_farewell(&mut self, reply: &Reply) -> TransactionAction {
        let outcomes = match reply.code {
            CLOSED => Ok(self.decided_by(&Outcome::Accepted)),
            _ => Err(ClientError::InvalidReply(format!("more replies than commands: {reply}"))),
        };
        TransactionAction::done(outcomes, Reuse::Never)
    }

    fn settle(&mut self, step: ProtocolStep, reply: Reply) -> TransactionAction {
        if step == ProtocolStep::End && self.uses_bdat() {
            self.block = match reply.code {
                200..300 => BdatOutcome::Accepted,
                503 => BdatOutcome::Broken,
                _ => self.block,
            };
            if self.block == BdatOutcome::NotImplemented {
                return TransactionAction::done(Err(ClientError::unexpected("BDAT", &reply)), Reuse::Never);
            }
        }
        match outcome::of_message(step, reply) {
            Ok(outcome) => {
                let after = match outcome {
                    Outcome::Accepted => Reuse::AtOnce,
                    Outcome::Deferred(_) => Reuse::NoNewMessage,
                    Outcome::Refused(_) => Reuse::AfterReset,
                };
                TransactionAction::done(Ok(self.decided_by(&outcome)), after)
            }
            Err(fault) => TransactionAction::done(Err(fault), Reuse::Never),
        }
    }

    /// Reads the envelope's replies.
    fn judge(&mut self) -> Result<(), TransactionAction> {
        let Some(mail) = self.mail.clone() else {
            return Err(TransactionAction::done(Err(ClientError::InvalidReply("no reply to MAIL".to_owned())), Reuse::Never));
        };
        outcome::of_mail(mail).map_err(|fault| {
            let after = match &fault {
                ClientError::Refused { reply, .. } if reply.code < 500 => Reuse::NoNewMessage,
                ClientError::Refused { .. } => Reuse::AfterReset,
                ClientError::ConnectionLost(_)
                | ClientError::InvalidReply(_)
                | ClientError::TimedOut(_)
                | ClientError::NotServed(_) => Reuse::Never,
            };
            TransactionAction::done(Err(fault), after)
        })?;
        let tally: Result<RecipientOutcomes, ClientError> = self.recipients.iter().cloned().map(outcome::of_recipient).collect();
        self.tally = tally.map_err(|fault| TransactionAction::done(Err(fault), Reuse::Never))?;
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
    fn bdat_may_be_the_cause(&self, step: ProtocolStep) -> bool {
        match self.route {
            CommandSequence::AllAtOnce => {
                let none_refused = self.mail.as_ref().is_none_or(Reply::is_positive);
                none_refused && (self.recipients.len() < self.envelope.to.len() || self.envelope_was_taken())
            }
            CommandSequence::GroupThenBdat | CommandSequence::StepsThenBdat => {
                step == ProtocolStep::End && self.envelope_was_taken()
            }
            CommandSequence::GroupThenData | CommandSequence::StepsThenData => false,
        }
    }

    fn envelope_was_taken(&self) -> bool {
        self.mail.as_ref().is_some_and(Reply::is_positive) && self.recipients.iter().any(Reply::is_positive)
    }

    fn uses_bdat(&self) -> bool {
        matches!(self.route, CommandSequence::AllAtOnce | CommandSequence::GroupThenBdat | CommandSequence::StepsThenBdat)
    }

    fn goes_by_steps(&self) -> bool {
        matches!(self.route, CommandSequence::StepsThenBdat | CommandSequence::StepsThenData)
    }

    fn add_bdat(&self, commands: &mut Commands) {
        // Writing to a string does not fail.
        let _ = write!(commands.text, "BDAT {} LAST\r\n", self.envelope.size);
        commands.replies.push(ProtocolStep::End);
        commands.body = Some(BodyFraming::Chunk);
    }
}

impl TransactionAction {
    fn send(command: impl AsRef<str>, step: ProtocolStep) -> Self {
        Self::Send(Commands::command(command.as_ref().to_owned(), step))
    }

    fn done(outcomes: Result<Vec<Outcome>, ClientError>, after: Reuse) -> Self {
        Self::Done { outcomes, after }
    }

    fn and_no_reuse(self) -> Self {
        match self {
            Self::Done { outcomes, .. } => Self::done(outcomes, Reuse::Never),
            next @ (Self::Wait | Self::Send(_)) => next,
        }
    }
}

const GO_AHEAD: u16 = 354;
const CLOSED: u16 = 221;
