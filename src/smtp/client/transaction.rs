//! [`ClientTransaction`]: one mail transaction, in as few round trips as the server allows.

use std::fmt::Write as _;
use std::time::Instant;

use super::chunking::BdatOutcome;
use super::commands::Commands;
use super::envelope::Envelope;
use super::error::ClientError;
use super::event::BodyFraming;
use super::outcome;
use super::sequence::{CommandSequence, Pipelining};
use super::step::ProtocolStep;
use crate::smtp::extensions::Extensions;
use crate::smtp::{Outcome, Reply};

/// One mail transaction: replies go in, commands come out.
///
/// No reply is mistaken for the reply to another command. A reply too many to MAIL or RCPT cannot be taken for 354, the reply to DATA. The
/// reply to BDAT may have the same code as the reply to MAIL, so the enhanced status codes must distinguish them (RFC 3463 §3.2: 2.1.0
/// a sender, 2.1.5 a recipient). If they do not, the client sends QUIT, and the message counts as accepted only
/// if the next reply, and no later one, is 221.
#[derive(Debug)]
pub(super) struct ClientTransaction {
    envelope: Envelope,
    extensions: Extensions,
    sequence: CommandSequence,
    mail: Option<Reply>,
    recipients: Vec<Reply>,
    /// The outcomes that are known once the envelope is answered.
    recipient_outcomes: RecipientOutcomes,
    /// When the transport had taken all of the message.
    sent_at: Option<Instant>,
    pub(super) answered: bool,
    pub(super) bdat: BdatOutcome,
}

/// The outcome of each recipient; `None` where the reply to the message decides it.
type RecipientOutcomes = Vec<Option<Outcome>>;

/// The next action of a transaction.
#[derive(Debug)]
pub(super) enum TransactionAction {
    Wait,
    Send(Commands),
    Done { outcomes: Result<Vec<Outcome>, ClientError>, after: Reuse },
}

/// The messages that can follow on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    /// A message can follow at once.
    AtOnce,
    /// A message can follow after RSET.
    AfterReset,
    /// No new message can follow: the server has a problem (RFC 5321 §4.2.1), and a new connection may reach another host.
    NoNewMessage,
    /// Nothing can follow: the state of the session is not known.
    Never,
}

/// Whether other commands were sent after this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    Nothing,
    Others,
}

impl ClientTransaction {
    pub(super) fn new(envelope: Envelope, extensions: Extensions, pipelining: Pipelining) -> Self {
        let sequence = CommandSequence::of(extensions, pipelining);
        let (recipients, recipient_outcomes) = (Vec::with_capacity(envelope.to.len()), Vec::new());
        let (sent_at, answered, bdat) = (None, false, BdatOutcome::Unknown);
        Self { envelope, extensions, sequence, mail: None, recipients, recipient_outcomes, sent_at, answered, bdat }
    }

    /// Whether the message can be sent behind others that are not answered yet.
    pub(super) fn can_follow(&self) -> bool {
        self.sequence == CommandSequence::AllAtOnce
    }

    /// Returns the outcomes if the message exceeds the server's size limit.
    pub(super) fn too_big(&self) -> Option<Vec<Outcome>> {
        let limit = self.extensions.limit_below(self.envelope.size)?;
        Some(self.envelope.to.iter().map(|_| outcome::too_big(self.envelope.size, limit)).collect())
    }

    /// Returns how many bytes of the message are sent before the reply to `step`.
    pub(super) fn bytes_before(&self, step: ProtocolStep) -> usize {
        if step == ProtocolStep::End || self.sequence == CommandSequence::AllAtOnce { self.envelope.size } else { 0 }
    }

    /// Returns when the transport had taken all of the message.
    pub(super) fn sent_at(&self) -> Option<Instant> {
        self.sent_at
    }

    /// The transport has taken all of the message.
    pub(super) fn handle_body_sent(&mut self, now: Instant) {
        self.sent_at = Some(now);
    }

    /// Returns the first commands. `reset` puts RSET before them, so that the server forgets the transaction before.
    pub(super) fn start(&self, reset: bool) -> Commands {
        let mut commands = Commands::default();
        if reset {
            commands.add("RSET\r\n", ProtocolStep::Reset);
        }
        match self.sequence {
            CommandSequence::StepsThenBdat | CommandSequence::StepsThenData if reset => return commands,
            CommandSequence::StepsThenBdat | CommandSequence::StepsThenData => {
                commands.add(self.envelope.mail_command(self.extensions), ProtocolStep::Mail);
            }
            CommandSequence::AllAtOnce | CommandSequence::GroupThenBdat | CommandSequence::GroupThenData => {
                commands.add(self.envelope.mail_command(self.extensions), ProtocolStep::Mail);
                (0..self.envelope.to.len())
                    .for_each(|nth| commands.add(self.envelope.recipient_command(nth, self.extensions), ProtocolStep::Recipient));
            }
        }
        match self.sequence {
            CommandSequence::AllAtOnce => self.add_bdat(&mut commands),
            CommandSequence::GroupThenData => commands.add("DATA\r\n", ProtocolStep::Data),
            CommandSequence::GroupThenBdat | CommandSequence::StepsThenBdat | CommandSequence::StepsThenData => {}
        }
        commands
    }

    /// Handles the reply to `step`.
    pub(super) fn handle_reply(&mut self, step: ProtocolStep, reply: Reply, behind: Behind) -> TransactionAction {
        self.answered = true;
        match step {
            ProtocolStep::Reset => self.handle_reset(&reply),
            ProtocolStep::Mail => {
                let taken = reply.is_positive();
                self.mail = Some(reply);
                match (self.goes_by_steps(), taken) {
                    (true, true) => {
                        TransactionAction::send(self.envelope.recipient_command(0, self.extensions), ProtocolStep::Recipient)
                    }
                    (true, false) => self.after_envelope(),
                    (false, _) => TransactionAction::Wait,
                }
            }
            ProtocolStep::Recipient => {
                self.recipients.push(reply);
                match self.recipients.len() {
                    nth if nth == self.envelope.to.len() => self.after_envelope(),
                    nth if self.goes_by_steps() => {
                        TransactionAction::send(self.envelope.recipient_command(nth, self.extensions), ProtocolStep::Recipient)
                    }
                    _ => TransactionAction::Wait,
                }
            }
            ProtocolStep::Data => self.handle_go_ahead(reply),
            ProtocolStep::End => self.handle_end(reply, behind),
            ProtocolStep::EmptyEnd => TransactionAction::done(Ok(self.decided().unwrap_or_default()), Reuse::AfterReset),
            ProtocolStep::Quit => self.handle_quit_reply(&reply),
            ProtocolStep::Greeting
            | ProtocolStep::Ehlo
            | ProtocolStep::Helo
            | ProtocolStep::StartTls
            | ProtocolStep::Auth
            | ProtocolStep::Noop => TransactionAction::done(Err(ClientError::unexpected(step.name(), &reply)), Reuse::Never),
        }
    }

    /// Handles a connection that failed where the reply to `step` was expected; returns the outcomes if they were decided before.
    pub(super) fn handle_failure(&mut self, step: ProtocolStep, error: &ClientError) -> Option<Vec<Outcome>> {
        if self.bdat_may_be_the_cause(step) && error.is_unreachable() && self.bdat == BdatOutcome::Unknown {
            self.bdat = BdatOutcome::Broken;
        }
        // The reply to an empty message is about no recipient.
        self.decided().filter(|_| step == ProtocolStep::EmptyEnd)
    }

    fn handle_reset(&self, reply: &Reply) -> TransactionAction {
        match (reply.is_positive(), self.goes_by_steps()) {
            (true, true) => TransactionAction::send(self.envelope.mail_command(self.extensions), ProtocolStep::Mail),
            (true, false) => TransactionAction::Wait,
            (false, _) => TransactionAction::done(Err(ClientError::unexpected("RSET", reply)), Reuse::Never),
        }
    }

    /// Continues after the last reply to the envelope, or after MAIL was refused.
    fn after_envelope(&mut self) -> TransactionAction {
        if matches!(self.sequence, CommandSequence::AllAtOnce | CommandSequence::GroupThenData) {
            return TransactionAction::Wait; // the reply to BDAT or DATA is still to come
        }
        if let Err(refused) = self.evaluate_envelope() {
            return refused;
        }
        match (self.decided(), self.sequence) {
            (Some(outcomes), _) => TransactionAction::done(Ok(outcomes), Reuse::AfterReset),
            (None, CommandSequence::StepsThenData) => TransactionAction::send("DATA\r\n", ProtocolStep::Data),
            (None, _) => {
                let mut commands = Commands::default();
                self.add_bdat(&mut commands);
                TransactionAction::Send(commands)
            }
        }
    }

    /// Handles the reply to DATA. RFC 2920 §3.1: a server that accepted no recipient and replies 354 nevertheless gets an empty message.
    fn handle_go_ahead(&mut self, reply: Reply) -> TransactionAction {
        let go_ahead = reply.code == GO_AHEAD;
        if self.sequence == CommandSequence::GroupThenData
            && let Err(refused) = self.evaluate_envelope()
        {
            // The server waits for a message without recipients, or its state is unknown.
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

    /// Handles the reply to the whole message.
    fn handle_end(&mut self, reply: Reply, behind: Behind) -> TransactionAction {
        // A server that does not know BDAT reads the message as commands, and answers each line of it.
        let not_implemented = self.uses_bdat() && outcome::is_unknown_command(&reply);
        if not_implemented {
            self.bdat = BdatOutcome::NotImplemented;
        }
        if self.sequence == CommandSequence::AllAtOnce
            && let Err(refused) = self.evaluate_envelope()
        {
            return if not_implemented { refused.and_no_reuse() } else { refused };
        }
        if let Some(outcomes) = self.decided() {
            return TransactionAction::done(Ok(outcomes), if not_implemented { Reuse::Never } else { Reuse::AfterReset });
        }
        if !reply.is_positive() {
            let settled = self.settle(ProtocolStep::End, reply);
            // The server would read the rest of the message as commands, or read it all and reply once more.
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
        self.bdat = BdatOutcome::Ambiguous;
        match behind {
            // Nothing else was sent, so the reply to QUIT shows whether this was the last one.
            Behind::Nothing => TransactionAction::send("QUIT\r\n", ProtocolStep::Quit),
            Behind::Others => {
                let what = "replies that do not say what they are about".to_owned();
                TransactionAction::done(Err(ClientError::InvalidReply(what)), Reuse::Never)
            }
        }
    }

    /// Handles the reply to QUIT, after an ambiguous reply.
    fn handle_quit_reply(&mut self, reply: &Reply) -> TransactionAction {
        let outcomes = match reply.code {
            CLOSED => Ok(self.decided_by(&Outcome::Accepted)),
            _ => Err(ClientError::InvalidReply(format!("more replies than commands: {reply}"))),
        };
        TransactionAction::done(outcomes, Reuse::Never)
    }

    fn settle(&mut self, step: ProtocolStep, reply: Reply) -> TransactionAction {
        if step == ProtocolStep::End && self.uses_bdat() {
            self.bdat = match reply.code {
                200..300 => BdatOutcome::Accepted,
                503 => BdatOutcome::Broken,
                _ => self.bdat,
            };
            if self.bdat == BdatOutcome::NotImplemented {
                return TransactionAction::done(Err(ClientError::unexpected("BDAT", &reply)), Reuse::Never);
            }
        }
        match outcome::of_message(step, reply) {
            Ok(outcome) => {
                let after = match outcome {
                    Outcome::Accepted | Outcome::Relayed => Reuse::AtOnce,
                    Outcome::Deferred(_) => Reuse::NoNewMessage,
                    Outcome::Refused(_) => Reuse::AfterReset,
                };
                TransactionAction::done(Ok(self.decided_by(&outcome)), after)
            }
            Err(error) => TransactionAction::done(Err(error), Reuse::Never),
        }
    }

    /// Evaluates the replies to the envelope.
    fn evaluate_envelope(&mut self) -> Result<(), TransactionAction> {
        let Some(mail) = self.mail.clone() else {
            return Err(TransactionAction::done(Err(ClientError::InvalidReply("no reply to MAIL".to_owned())), Reuse::Never));
        };
        outcome::of_mail(mail).map_err(|error| {
            let after = match &error {
                ClientError::Refused { reply, .. } if reply.code < 500 => Reuse::NoNewMessage,
                ClientError::Refused { .. } => Reuse::AfterReset,
                ClientError::ConnectionLost(_)
                | ClientError::InvalidReply(_)
                | ClientError::TimedOut(_)
                | ClientError::NotServed(_) => Reuse::Never,
            };
            TransactionAction::done(Err(error), after)
        })?;
        let recipient_outcomes: Result<RecipientOutcomes, ClientError> =
            self.recipients.iter().cloned().map(outcome::of_recipient).collect();
        self.recipient_outcomes = recipient_outcomes.map_err(|error| TransactionAction::done(Err(error), Reuse::Never))?;
        Ok(())
    }

    /// Returns the outcomes if the reply to the message decides none of them.
    fn decided(&self) -> Option<Vec<Outcome>> {
        self.recipient_outcomes.iter().cloned().collect()
    }

    fn decided_by(&self, outcome: &Outcome) -> Vec<Outcome> {
        self.recipient_outcomes.iter().map(|decided| decided.clone().unwrap_or_else(|| outcome.clone())).collect()
    }

    /// Whether no reply to the envelope can be mistaken for the reply to the message.
    fn replies_are_distinct(&self, end: &Reply) -> bool {
        let mut recipients = self.recipients.iter().filter(|reply| reply.is_positive());
        !end.is_about_an_address()
            && self.mail.as_ref().is_some_and(Reply::is_about_a_sender)
            && recipients.all(Reply::is_about_a_recipient)
    }

    /// Whether BDAT may be the cause of a connection that ended where the reply to `step` was expected.
    ///
    /// A server may delay its replies to pipelined commands (RFC 2920 §3.2), so a server that closes the connection during BDAT may have
    /// sent none of them.
    fn bdat_may_be_the_cause(&self, step: ProtocolStep) -> bool {
        match self.sequence {
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
        matches!(self.sequence, CommandSequence::AllAtOnce | CommandSequence::GroupThenBdat | CommandSequence::StepsThenBdat)
    }

    fn goes_by_steps(&self) -> bool {
        matches!(self.sequence, CommandSequence::StepsThenBdat | CommandSequence::StepsThenData)
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
