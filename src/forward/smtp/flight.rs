//! [`Flight`]: one message said in one piece, envelope and all, without waiting for what was said before it to be answered.

use std::fmt::Write as _;
use std::future::poll_fn;

use bytes::Bytes;
use lettre::transport::smtp::commands::Rcpt;
use tokio::time::timeout;

use super::capabilities::Capabilities;
use super::connection::Connection;
use super::fault::Fault;
use super::payload::Piece;
use super::stream::Stream;
use super::timeouts::{Patience, Timeouts};
use super::transaction::{Envelope, Letter, Tally, all_decided};
use super::verdict::{self, END_OF_DATA};
use crate::forward::{Outcome, Reply};

/// A message on its way together with others: MAIL, each RCPT and the message as one block, at once.
///
/// Where a message before it is not answered yet, RSET goes first: whatever became of that one, this one begins anew. Each reply must
/// say what it is about (RFC 3463 §3.2: 2.1.0 a sender, 2.1.5 a recipient), so that a reply too many is never taken for another's.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    letter: &'a Letter<'a>,
    commands: String,
    reset: bool,
    timeouts: &'a Timeouts,
}

impl<'a> Flight<'a> {
    pub(super) fn new(letter: &'a Letter<'a>, capabilities: Capabilities, reset: bool, timeouts: &'a Timeouts) -> Self {
        let mut commands = if reset { "RSET\r\n".to_owned() } else { String::new() };
        // Writing to a string does not fail.
        let _ = write!(commands, "{}", letter.mail_command(capabilities));
        for recipient in letter.to {
            let _ = write!(commands, "{}", Rcpt::new(recipient.clone(), Vec::new()));
        }
        let _ = write!(commands, "{}", letter.block_command());
        Self { letter, commands, reset, timeouts }
    }

    /// Says all of it.
    pub(super) async fn say(&self, stream: &Stream) -> Result<(), Fault> {
        let Patience { total, block, .. } = self.timeouts.body(self.letter.mail.len(), self.timeouts.command);
        stream.begin();
        stream.queue(Piece::Bytes(Bytes::copy_from_slice(self.commands.as_bytes())));
        self.letter.mail.pieces().into_iter().for_each(|piece| stream.queue(piece));
        tokio::select! {
            biased;
            said = timeout(total, poll_fn(|cx| stream.poll_flush(cx))) => match said {
                Ok(said) => said.map_err(Fault::from),
                Err(_) => Err(Fault::TimedOut("message")),
            },
            () = stream.stalled(block, total) => Err(Fault::TimedOut("message")),
        }
    }

    /// Hears all replies to it, which are the next to come; one outcome for each recipient.
    ///
    /// After [`Fault::Refused`] all was heard, too.
    pub(super) async fn hear(&self, connection: &mut Connection) -> Result<Vec<Outcome>, Fault> {
        let bytes = self.letter.mail.len();
        let patience = self.timeouts.body(bytes, self.timeouts.command);
        let first = connection.first_reply("MAIL", patience).await?;
        let mail = if self.reset {
            if first.code != 250 {
                return Err(Fault::unexpected("RSET", &first));
            }
            connection.next_reply("MAIL", self.timeouts.command).await?
        } else {
            first
        };
        let mut recipients = Vec::with_capacity(self.letter.to.len());
        for _ in self.letter.to {
            recipients.push(connection.next_reply("RCPT", self.timeouts.command).await?);
        }
        let end = connection.next_reply(END_OF_DATA, self.timeouts.reply(self.timeouts.end_of_data, bytes)).await?;
        let envelope = Envelope { mail, recipients };
        if !envelope.is_exact() {
            return Err(Fault::Nonsense("replies that do not say what they are about".to_owned()));
        }
        outcomes(envelope, end)
    }
}

/// What the replies to one message come to.
fn outcomes(envelope: Envelope, end: Reply) -> Result<Vec<Outcome>, Fault> {
    verdict::of_mail(envelope.mail)?;
    let tally = envelope.recipients.into_iter().map(verdict::of_recipient).collect::<Result<Tally, Fault>>()?;
    if let Some(outcomes) = all_decided(&tally) {
        return Ok(outcomes);
    }
    let outcome = verdict::of_message(END_OF_DATA, end)?;
    Ok(tally.into_iter().map(|decided| decided.unwrap_or_else(|| outcome.clone())).collect())
}
