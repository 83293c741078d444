//! [`SmtpForwarder`]: hands messages to another node, or to any mail server, by SMTP.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod.rs`, `builder.rs`, `error.rs` | the forwarder, and how it is built |
//! | `security.rs`, `timeouts.rs` | what its user chooses |
//! | `tls_memory.rs` | which peers have spoken TLS, also before the last restart |
//! | `connect.rs` | the way to a connection that is as safe as the policy asks |
//! | `dial.rs`, `opening.rs`, `tls.rs`, `verify.rs` | the steps of that way: TCP, greeting to STARTTLS, handshake, certificate |
//! | `capabilities.rs` | what the peer can do |
//! | `pool.rs`, `pace.rs` | which connections there are, and how many are worth having |
//! | `lane.rs`, `connection.rs` | one connection: who is under way on it, and what is said and heard |
//! | `flight.rs` | one message among others on a connection: one round trip for all of them |
//! | `transaction.rs`, `stuffing.rs` | one message alone on a connection |
//! | `payload.rs` | a mail as it is said, whole or read while it goes |
//! | `verdict.rs`, `fault.rs`, `caution.rs` | what the replies mean, why a conversation stopped, and what is learnt from it |
//! | `notice.rs` | who is told how far a message is |
//! | `stream.rs`, `channel.rs`, `reply.rs` | bytes and lines below lettre |
//! | `hostile.rs` | the same lines, for a fuzzer |

mod builder;
mod capabilities;
mod caution;
mod channel;
mod connect;
mod connection;
mod dial;
mod error;
mod fault;
mod flight;
#[cfg(any(test, doc, feature = "conformance"))]
mod hostile;
mod lane;
mod notice;
mod opening;
mod pace;
mod payload;
#[cfg(test)]
mod peer;
mod pool;
mod reply;
mod security;
mod stream;
mod stuffing;
#[cfg(test)]
mod tests;
mod timeouts;
mod tls;
mod tls_memory;
mod transaction;
mod verdict;
mod verify;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lettre::Address;
use tokio::time::Instant;

pub use self::builder::SmtpForwarderBuilder;
use self::caution::Caution;
use self::connect::Connector;
use self::connection::Connection;
pub use self::dial::{Dial, Transport};
pub use self::error::SetupError;
use self::fault::Fault;
#[cfg(any(test, doc, feature = "conformance"))]
pub(crate) use self::hostile::read_hostile_replies;
use self::lane::{Fared, Lane};
use self::notice::Notice;
use self::payload::Payload;
use self::pool::{Entry, Pool};
pub use self::security::{Security, TlsMode};
pub use self::timeouts::Timeouts;
pub use self::tls_memory::TlsMemory;
use self::transaction::{Eagerness, Letter};
use super::{ForwardError, Forwarder, MailOut, Outcome, Receipt, Reply, Sender};
use crate::message::{MailAddress, MailboxId, Message};
use crate::wire::{Addresses, Encoded, TransferEncoding, encode, encode_in_pieces};

/// Hands messages to one other node by SMTP, under TLS unless told otherwise.
///
/// Connections are kept for the next message, and there are never more than
/// [`max_connections`](SmtpForwarderBuilder::max_connections). With a peer that offers PIPELINING, CHUNKING and
/// ENHANCEDSTATUSCODES, as the intake of this crate does, a message takes one round trip; with any other, as many as it needs.
///
/// # What is final
///
/// A refusal of a recipient (5xx to RCPT, but 552 for a full mailbox), of the sender (5xx to MAIL) or of the message (5xx after
/// it). All else may pass, also a peer that refuses this node as such, with a 5xx greeting or to its password: the
/// message is not at fault, and somebody can put it right.
///
/// # Examples
///
/// ```
/// use voicemail::forward::smtp::{Security, SmtpForwarder};
///
/// let forwarder = SmtpForwarder::builder("central.example:25", "example.com")
///     .node("berlin.example.com")
///     .security(Security::PlainTextIfNoTls)
///     .build()?;
/// # Ok::<(), voicemail::forward::smtp::SetupError>(())
/// ```
///
/// # Source
///
/// RFC 5321; RFC 2920 (pipelining), RFC 3030 (chunking and binary), RFC 1870 (size), RFC 3207 and RFC 8314 (TLS), RFC 4954 (AUTH).
#[derive(Debug)]
pub struct SmtpForwarder {
    connector: Connector,
    pool: Pool,
    caution: Caution,
    domain: String,
    from: Address,
}

impl SmtpForwarder {
    /// A forwarder to `peer`, written `host:port`, whose mailboxes are addresses of `domain`.
    pub fn builder(peer: impl Into<String>, domain: impl Into<String>) -> SmtpForwarderBuilder {
        SmtpForwarderBuilder::new(peer.into(), domain.into())
    }

    /// Sends to as many recipients as one transaction takes.
    async fn send_message(&self, message: &Message, recipients: &[MailboxId]) -> Result<Receipt, ForwardError> {
        let to: Vec<Address> = recipients.iter().map(|recipient| self.address(recipient)).collect::<Result<_, _>>()?;
        self.send_letter(&to, Content::Message(message, recipients)).await
    }

    async fn send_letter(&self, to: &[Address], content: Content<'_>) -> Result<Receipt, ForwardError> {
        for _ in 0..LANES_TRIED {
            let entry = self.pool.enter(self.connector.timeouts.queue).await.map_err(|fault| self.error(fault))?;
            let (place, used_before) = match entry {
                Entry::Lane(place, idle) if idle >= SURELY_ALIVE && !place.lane.is_alive().await => {
                    self.pool.clear();
                    continue;
                }
                Entry::Lane(place, _) => (place, true),
                Entry::Connect(opening) => (opening.opened(self.connect().await?), false),
            };
            let Fared { outcomes, heard } = self.send_on(&place.lane, to, content).await;
            match outcomes {
                // It ended while nobody used it, or with a message before this one, and so may have the others. That says nothing
                // about the peer: a fresh one will tell.
                Err(fault) if used_before && !heard && fault.ended_while_idle() => self.pool.clear(),
                done => return self.finish(&place.lane, content.len(), done),
            }
        }
        Err(self.error(Fault::Lost("one connection after the other ended before this message's turn".into())))
    }

    async fn connect(&self) -> Result<Connection, ForwardError> {
        let began = Instant::now();
        let connected = self.connector.connect().await;
        match &connected {
            Ok(_) => self.pool.handle_reached(Instant::now()),
            Err(ForwardError::Unreachable { .. } | ForwardError::TimedOut { .. }) => self.pool.handle_unreachable(began),
            Err(_) => {}
        }
        connected
    }

    async fn send_on(&self, lane: &Lane, to: &[Address], content: Content<'_>) -> Fared {
        let capabilities = lane.capabilities();
        let (letter, eagerness) = match content {
            Content::Message(message, recipients) => {
                let binary = capabilities.chunking && capabilities.binary_mime;
                let encoding = if binary { TransferEncoding::Binary } else { TransferEncoding::Base64 };
                let addresses = Addresses { node: &self.connector.node, domain: &self.domain, recipients };
                let mail = match message.audio().in_memory() {
                    Some(_) => Payload::Whole(encode(message, &addresses, encoding)),
                    None => Payload::InPieces(encode_in_pieces(message, &addresses, encoding)),
                };
                let notice = Notice { id: message.id(), events: self.connector.events.clone() };
                notice.connected(&self.connector.peer, lane.travelled());
                let letter = Letter { from: Some(&self.from), to, mail, encoding, notice: Some(notice) };
                (letter, self.caution.towards(recipients))
            }
            Content::Mail(mail, sender) => {
                let from = match sender {
                    Sender::Node => Some(&self.from),
                    Sender::Nobody => None,
                };
                let mail = Payload::Whole(Encoded { head: mail.clone(), audio: Bytes::new(), tail: Bytes::new() });
                (Letter { from, to, mail, encoding: TransferEncoding::Base64, notice: None }, Eagerness::Wary)
            }
        };
        lane.send(letter, eagerness, &self.connector.timeouts).await
    }

    /// Learns of the peer from what became of a message.
    fn finish(&self, lane: &Lane, bytes: usize, done: Result<Vec<Outcome>, Fault>) -> Result<Receipt, ForwardError> {
        match &done {
            Err(fault) if fault.is_unreachable() => self.pool.clear(),
            Err(Fault::NotServed(_)) => {
                self.pool.handle_reached(Instant::now());
                self.pool.handle_push_back();
            }
            Err(_) => self.pool.handle_reached(Instant::now()),
            Ok(outcomes) if outcomes.iter().any(is_push_back) => {
                self.pool.handle_reached(Instant::now());
                self.pool.handle_push_back();
            }
            Ok(_) => self.pool.handle_arrival(bytes),
        }
        let outcomes = done.map_err(|fault| self.error(fault))?;
        Ok(Receipt { outcomes, travelled: lane.travelled() })
    }

    fn address(&self, mailbox: &MailboxId) -> Result<Address, ForwardError> {
        Address::new(mailbox.as_str(), &self.domain).map_err(|error| ForwardError::Unsendable(error.to_string()))
    }

    fn error(&self, fault: Fault) -> ForwardError {
        fault.into_error(&self.connector.peer)
    }
}

#[async_trait]
impl Forwarder for SmtpForwarder {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Receipt, ForwardError> {
        let mut groups = recipients.chunks(RECIPIENTS_AT_ONCE);
        let first = groups.next().ok_or_else(|| ForwardError::Unsendable("there is no recipient".to_owned()))?;
        let mut receipt = self.send_message(message, first).await?;
        for group in groups {
            match self.send_message(message, group).await {
                Ok(next) => receipt.outcomes.extend(next.outcomes),
                // Some may be accepted by now, so an error for all of them is out of the question.
                Err(error) => receipt.outcomes.extend(group.iter().map(|_| unsettled(&error))),
            }
        }
        self.caution.learn(recipients, &receipt.outcomes);
        Ok(receipt)
    }

    fn reads_sounds(&self) -> bool {
        true
    }
}

/// Whether the peer has no room at all just now.
fn is_push_back(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Deferred(reply) if reply.is_about_the_node())
}

#[async_trait]
impl MailOut for SmtpForwarder {
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        let to = Address::new(to.local_part(), to.domain()).map_err(|error| ForwardError::Unsendable(error.to_string()))?;
        let receipt = self.send_letter(&[to], Content::Mail(mail, sender)).await?;
        let unanswered = || Outcome::Deferred(Reply { code: 0, text: "the peer gave no answer".to_owned() });
        Ok(receipt.outcomes.into_iter().next().unwrap_or_else(unanswered))
    }
}

/// What is in a letter.
#[derive(Debug, Clone, Copy)]
enum Content<'a> {
    /// A message for mailboxes of the forwarder's domain.
    Message(&'a Message, &'a [MailboxId]),
    /// Any mail, and whom failures come back to.
    Mail(&'a Bytes, Sender),
}

impl Content<'_> {
    /// How many bytes it is worth.
    fn len(&self) -> usize {
        match self {
            Self::Message(message, _) => usize::try_from(message.audio().len()).unwrap_or(usize::MAX),
            Self::Mail(mail, _) => mail.len(),
        }
    }
}

fn unsettled(error: &ForwardError) -> Outcome {
    match error {
        ForwardError::Refused { reply, .. } if !error.is_transient() => Outcome::Refused(reply.clone()),
        ForwardError::Refused { reply, .. } => Outcome::Deferred(reply.clone()),
        _ => Outcome::Deferred(Reply { code: 0, text: error.to_string() }),
    }
}

/// The local part that failures come back to.
const SENDER: &str = "voicemail";

/// A connection that was in use this short a time ago is used again without a word: if its path died since, the message under way
/// notices by its timeouts, as if it had died a moment later.
const SURELY_ALIVE: Duration = Duration::from_secs(5);

/// On how many connections a message is tried that heard nothing on them, because each had ended.
const LANES_TRIED: u32 = 3;

/// RFC 5321 §4.5.3.1.8: every server takes a hundred.
const RECIPIENTS_AT_ONCE: usize = 100;
