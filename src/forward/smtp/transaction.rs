//! [`Transaction`]: one message on one connection, in as few round trips as the peer allows.

use std::fmt::{Display, Write as _};

use lettre::Address;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::MailParameter;

use super::capabilities::{Capabilities, SizeLimit};
use super::connection::{Condition, Connection};
use super::fault::Fault;
use super::notice::Notice;
use super::payload::{Payload, Piece};
use super::stuffing::Stuffing;
use super::timeouts::{Patience, Timeouts};
use super::verdict::{self, END_OF_DATA};
use crate::forward::{Outcome, Reply};
use crate::wire::TransferEncoding;

/// A message in its envelope.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    /// Whom failures come back to; nobody, for an answer of a machine.
    pub(super) from: Option<&'a Address>,
    pub(super) to: &'a [Address],
    pub(super) mail: Payload,
    pub(super) encoding: TransferEncoding,
    /// Who is told how far it is.
    pub(super) notice: Option<Notice>,
}

impl Letter<'_> {
    /// Whether the peer takes a message of this size, as far as it has said.
    pub(super) fn fits(&self, capabilities: Capabilities) -> bool {
        self.excess_of(capabilities).is_none()
    }

    /// The limit that it is beyond.
    fn excess_of(&self, capabilities: Capabilities) -> Option<u64> {
        match capabilities.size {
            SizeLimit::AtMost(limit) => Some(limit).filter(|limit| self.mail.len() as u64 > *limit),
            SizeLimit::Unspoken | SizeLimit::Unlimited => None,
        }
    }

    pub(super) fn mail_command(&self, capabilities: Capabilities) -> Mail {
        let mut parameters = Vec::new();
        if capabilities.size != SizeLimit::Unspoken {
            parameters.push(MailParameter::Size(self.mail.len()));
        }
        if self.encoding == TransferEncoding::Binary {
            parameters.push(MailParameter::Other { keyword: "BODY".to_owned(), value: Some("BINARYMIME".to_owned()) });
        }
        Mail::new(self.from.cloned(), parameters)
    }

    pub(super) fn block_command(&self) -> String {
        format!("BDAT {} LAST\r\n", self.mail.len())
    }
}

/// Whether a message is sent before its recipients are known to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eagerness {
    /// Together with them, which saves a round trip, and is wasted when they are refused.
    Eager,
    /// After them.
    Wary,
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    /// Envelope and message at once: one round trip.
    OneFlight,
    /// The envelope at once, then the message as a block.
    GroupThenBlock,
    /// The envelope and DATA at once, then the message.
    GroupThenData,
    /// Each command by itself, then the message as a block.
    StepsThenBlock,
    /// Each command by itself, then the message.
    StepsThenData,
}

/// One message on one connection.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    connection: &'a mut Connection,
    letter: Letter<'a>,
    timeouts: &'a Timeouts,
}

/// What the peer said to MAIL and to each RCPT.
pub(super) struct Envelope {
    pub(super) mail: Reply,
    pub(super) recipients: Vec<Reply>,
}

impl Envelope {
    /// Whether every reply that takes something says what. RFC 3463 §3.2.
    pub(super) fn is_exact(&self) -> bool {
        let says = |reply: &Reply, what| reply.code >= 400 || reply.text.starts_with(what);
        says(&self.mail, "2.1.0") && self.recipients.iter().all(|reply| says(reply, "2.1.5"))
    }
}

/// What is known of each recipient; `None` for those that the message decides.
pub(super) type Tally = Vec<Option<Outcome>>;

impl<'a> Transaction<'a> {
    pub(super) fn new(connection: &'a mut Connection, letter: Letter<'a>, timeouts: &'a Timeouts) -> Self {
        Self { connection, letter, timeouts }
    }

    /// Sends the message; one outcome for each recipient.
    ///
    /// Afterwards the connection's condition says what can follow on it, also after [`Fault::Refused`]; every other fault, and a
    /// dropped call, leave it spent.
    pub(super) async fn run(mut self, eagerness: Eagerness) -> Result<Vec<Outcome>, Fault> {
        let capabilities = self.connection.capabilities();
        if let Some(limit) = self.letter.excess_of(capabilities) {
            return Ok(self.letter.to.iter().map(|_| verdict::too_big(self.letter.mail.len(), limit)).collect());
        }
        self.connection.begin();
        match Route::of(capabilities, eagerness) {
            Route::OneFlight => self.one_flight().await,
            Route::GroupThenBlock => {
                let envelope = self.group("").await?;
                self.block_for(envelope).await
            }
            Route::GroupThenData => {
                let envelope = self.group(Data).await?;
                let go = self.next_reply("DATA").await?;
                self.message_for(envelope, go).await
            }
            Route::StepsThenBlock => {
                let envelope = self.steps().await?;
                self.block_for(envelope).await
            }
            Route::StepsThenData => self.steps_then_data().await,
        }
    }

    async fn one_flight(&mut self) -> Result<Vec<Outcome>, Fault> {
        self.connection.stage(self.letter.mail.pieces(), self.letter.notice.clone());
        let envelope = self.group(self.letter.block_command()).await?;
        let end = self
            .connection
            .next_reply(END_OF_DATA, self.timeouts.reply(self.timeouts.end_of_data, self.letter.mail.len()))
            .await?;
        let tally = self.judge(envelope)?;
        self.settle(tally, END_OF_DATA, end)
    }

    async fn block_for(&mut self, envelope: Envelope) -> Result<Vec<Outcome>, Fault> {
        let tally = self.judge(envelope)?;
        if let Some(outcomes) = all_decided(&tally) {
            return Ok(outcomes);
        }
        self.connection.set_condition(Condition::Spent);
        self.connection.stage(self.letter.mail.pieces(), self.letter.notice.clone());
        let end = self.connection.ask(END_OF_DATA, self.letter.block_command(), self.patience()).await?;
        self.settle(tally, END_OF_DATA, end)
    }

    async fn steps_then_data(&mut self) -> Result<Vec<Outcome>, Fault> {
        let envelope = self.steps().await?;
        let tally = self.judge(envelope)?;
        if let Some(outcomes) = all_decided(&tally) {
            return Ok(outcomes);
        }
        self.connection.set_condition(Condition::Spent);
        let go = self.connection.ask("DATA", Data, self.timeouts.command).await?;
        if go.code == GO_AHEAD { self.data(tally).await } else { self.settle(tally, "DATA", go) }
    }

    /// The message after a group that ended in DATA, to which the peer said `go`.
    async fn message_for(&mut self, envelope: Envelope, go: Reply) -> Result<Vec<Outcome>, Fault> {
        let tally = match self.judge(envelope) {
            Ok(tally) => tally,
            Err(fault) => {
                if !is_refusal(&go) {
                    self.connection.set_condition(Condition::Spent);
                }
                return Err(fault);
            }
        };
        match all_decided(&tally) {
            None if go.code == GO_AHEAD => self.data(tally).await,
            None => self.settle(tally, "DATA", go),
            Some(outcomes) => {
                if !is_refusal(&go) {
                    self.send_nothing(&go).await;
                }
                Ok(outcomes)
            }
        }
    }

    /// Gives a peer that waits for a message to nobody one of nothing. What it says to that is about no recipient.
    ///
    /// # Source
    ///
    /// RFC 2920 §3.1.
    async fn send_nothing(&mut self, go: &Reply) {
        self.connection.set_condition(Condition::Spent);
        if go.code == GO_AHEAD {
            self.connection.stage(vec![Piece::Bytes(Stuffing::default().end())], None);
            if self.connection.ask(END_OF_DATA, "", self.timeouts.end_of_data).await.is_ok() {
                self.connection.set_condition(Condition::NeedsReset);
            }
        }
    }

    async fn data(&mut self, tally: Tally) -> Result<Vec<Outcome>, Fault> {
        self.connection.set_condition(Condition::Spent);
        self.connection.stage(self.letter.mail.stuffed(), self.letter.notice.clone());
        let end = self.connection.ask(END_OF_DATA, "", self.patience()).await?;
        self.settle(tally, END_OF_DATA, end)
    }

    /// MAIL, each RCPT and `last` at once; the reply to `last` is left to be heard.
    async fn group(&mut self, last: impl Display + Send) -> Result<Envelope, Fault> {
        let mut group = self.mail_command().to_string();
        for recipient in self.letter.to {
            // Writing to a string does not fail.
            let _ = write!(group, "{}", Rcpt::new(recipient.clone(), Vec::new()));
        }
        let _ = write!(group, "{last}");
        let mail = self.connection.ask("MAIL", group, self.timeouts.body(self.letter.mail.len(), self.timeouts.command)).await?;
        let mut recipients = Vec::with_capacity(self.letter.to.len());
        for _ in self.letter.to {
            recipients.push(self.next_reply("RCPT").await?);
        }
        Ok(Envelope { mail, recipients })
    }

    async fn steps(&mut self) -> Result<Envelope, Fault> {
        let mail = self.connection.ask("MAIL", self.mail_command(), self.timeouts.command).await?;
        let mut recipients = Vec::with_capacity(self.letter.to.len());
        if mail.code == 250 {
            for recipient in self.letter.to {
                let command = Rcpt::new(recipient.clone(), Vec::new());
                recipients.push(self.connection.ask("RCPT", command, self.timeouts.command).await?);
            }
        }
        Ok(Envelope { mail, recipients })
    }

    async fn next_reply(&mut self, step: &'static str) -> Result<Reply, Fault> {
        self.connection.next_reply(step, self.timeouts.command).await
    }

    /// What the envelope's replies mean. All that was said has been answered by now, so the connection can go on after RSET.
    fn judge(&mut self, envelope: Envelope) -> Result<Tally, Fault> {
        self.connection.set_exact(can_be_told_apart(self.connection.capabilities(), &envelope));
        let mail = verdict::of_mail(envelope.mail);
        if matches!(mail, Ok(()) | Err(Fault::Refused { .. })) {
            self.connection.set_condition(Condition::NeedsReset);
        }
        mail?;
        let tally: Result<Tally, Fault> = envelope.recipients.into_iter().map(verdict::of_recipient).collect();
        if tally.is_err() {
            self.connection.set_condition(Condition::Spent);
        }
        tally
    }

    /// The outcomes, with those that the reply at `step` decides.
    fn settle(&mut self, tally: Tally, step: &'static str, end: Reply) -> Result<Vec<Outcome>, Fault> {
        if let Some(outcomes) = all_decided(&tally) {
            return Ok(outcomes);
        }
        self.connection.set_condition(Condition::Spent);
        let outcome = verdict::of_message(step, end)?;
        self.connection.set_condition(if outcome == Outcome::Accepted { Condition::Ready } else { Condition::NeedsReset });
        Ok(tally.into_iter().map(|decided| decided.unwrap_or_else(|| outcome.clone())).collect())
    }

    fn mail_command(&self) -> Mail {
        self.letter.mail_command(self.connection.capabilities())
    }

    /// For handing over the message and hearing what became of it.
    fn patience(&self) -> Patience {
        self.timeouts.body(self.letter.mail.len(), self.timeouts.end_of_data)
    }
}

impl Route {
    fn of(capabilities: Capabilities, eagerness: Eagerness) -> Self {
        // In one flight, a reply too many to MAIL or RCPT would pass for the message's own: only the enhanced code tells.
        let eager = eagerness == Eagerness::Eager && capabilities.enhanced_codes;
        match (capabilities.pipelining, capabilities.chunking) {
            (true, true) if eager => Self::OneFlight,
            (true, true) => Self::GroupThenBlock,
            (true, false) => Self::GroupThenData,
            (false, true) => Self::StepsThenBlock,
            (false, false) => Self::StepsThenData,
        }
    }
}

/// Whether several messages may be under way at once: they can be sent so, and each reply says whose it is.
fn can_be_told_apart(capabilities: Capabilities, envelope: &Envelope) -> bool {
    let accepted = envelope.mail.code == 250 && envelope.recipients.iter().any(|reply| reply.code == 250);
    capabilities.pipelining && capabilities.chunking && capabilities.enhanced_codes && accepted && envelope.is_exact()
}

/// The outcomes, if the message decides none of them.
pub(super) fn all_decided(tally: &Tally) -> Option<Vec<Outcome>> {
    tally.iter().cloned().collect()
}

fn is_refusal(reply: &Reply) -> bool {
    (400..600).contains(&reply.code)
}

const GO_AHEAD: u16 = 354;
