//! [`SmtpForwarder`]: hands messages to another node, or to any mail server, by SMTP.
//!
//! The state machine [`smtp::client`](crate::smtp) decides the conversation; this module moves its bytes, and chooses connections and TLS.
//!
//! | file | what is in it |
//! |---|---|
//! | `mod.rs`, `builder.rs` | the forwarder, and its builder |
//! | `security.rs`, `credentials.rs` | the user's choices: TLS policy and login |
//! | `tls_memory.rs` | the peers that have spoken TLS, also before the last restart |
//! | `connector.rs` | makes connections that are as safe as the policy requires |
//! | `dial.rs`, `tls.rs`, `verifier.rs` | TCP, the TLS handshake, the check of the peer's certificate |
//! | `pool.rs`, `connection_limit.rs` | the open connections, and how many are worth having |
//! | `shared_connection.rs`, `connection.rs` | one connection: the messages under way on it, and its bytes |
//! | `payload.rs` | a mail to send, in memory or read from a file while it is sent |
//! | `refused_recipients.rs` | the recipients that refused their last message |
//! | `probe.rs` | a mail that shows whether reports come back through a relay |
//! | `progress.rs` | reports how far a message is |

mod builder;
mod connection;
mod connection_limit;
mod connector;
mod credentials;
mod dial;
mod payload;
mod pool;
mod probe;
mod progress;
mod refused_recipients;
mod security;
mod shared_connection;
#[cfg(test)]
mod tests;
mod tls;
mod tls_memory;
mod verifier;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lettre::Address;
use tokio::time::Instant;

pub use self::builder::SmtpForwarderBuilder;
use self::connector::Connector;
pub use self::credentials::TokenSource;
pub use self::dial::{ByteStream, Dial};
use self::payload::Payload;
use self::pool::{Acquired, Pool};
use self::progress::Progress;
use self::refused_recipients::RefusedRecipients;
pub use self::security::{Security, SetupError, TlsMode};
use self::shared_connection::SharedConnection;
pub use self::tls_memory::TlsMemory;
use super::{Acceptance, Custody, ForwardError, Forwarder, MailOut, Outcome, Reply, Sender};
use crate::clock::Clock;
use crate::message::{MailAddress, MailboxId, Message, MessageId};
pub use crate::smtp::client::Timeouts;
use crate::smtp::client::{Chunking, ClientError, Envelope, NextTry, NotServed, Pipelining, SendResult};
use crate::smtp::{BodyType, CustodyKey, ReturnPaths};
use crate::wire::{Addresses, Encoded, TransferEncoding, encode, encode_in_pieces};

/// Hands messages to one other node by SMTP, under TLS unless configured otherwise.
///
/// Connections are kept for the next message, and there are never more than
/// [`max_connections`](SmtpForwarderBuilder::max_connections). With a peer that offers PIPELINING, CHUNKING and
/// ENHANCEDSTATUSCODES, as the intake of this crate does, a message takes one round trip; with any other peer, several. After a peer
/// has answered a whole transaction with 4yz, that connection is used for no other message.
///
/// # Final refusals
///
/// The refusal of a recipient (5xx to RCPT, except 552 unless its enhanced status code says that the message is too big), of the sender (5xx
/// to MAIL, except 530 and 538, which ask for a login or TLS) or of the message (5xx after it) is final; 503, a bad sequence of commands, never
/// is. Every other failure to send is transient, even if the peer refuses this node itself by a 5xx greeting or by a 5xx to AUTH: the message
/// is not at fault, and an operator can correct the configuration.
///
/// # Copies
///
/// A message that was under way when the process was killed, or whose reply was lost, is sent again. A node of this crate stores it once.
/// Any other server stores both copies, as it would from any mail server (RFC 1047). To keep such copies few, only one message at a time
/// is under way on each connection to a server that does not offer `XVOICEMAIL-ONCE`, and there are two connections at first.
///
/// # Relays
///
/// The peer may be a mail server that sends the messages on. [`custody`](SmtpForwarderBuilder::custody) says so; its 250 is then
/// [`Outcome::Relayed`], and each message asks the node that keeps the mailbox for a receipt.
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
/// RFC 5321; RFC 2920 (pipelining), RFC 3030 (chunking and binary), RFC 1870 (size), RFC 3207 and RFC 8314 (TLS), RFC 4954 (AUTH), RFC 1047
/// (copies).
#[derive(Debug)]
pub struct SmtpForwarder {
    connector: Connector,
    pool: Pool,
    refused: RefusedRecipients,
    chunking: Chunking,
    domain: String,
    from: Address,
    return_paths: Option<(ReturnPaths, Arc<dyn Clock>)>,
    custody: Custody,
    custody_key: Option<CustodyKey>,
}

impl SmtpForwarder {
    /// Starts building a forwarder to `peer`, written `host:port`, whose mailboxes are addresses of `domain`.
    pub fn builder(peer: impl Into<String>, domain: impl Into<String>) -> SmtpForwarderBuilder {
        SmtpForwarderBuilder::new(peer.into(), domain.into())
    }

    /// Sends to at most as many recipients as one transaction allows.
    async fn send_message(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let to: Vec<Address> = recipients.iter().map(|recipient| self.address(recipient)).collect::<Result<_, _>>()?;
        self.send_mail(&to, Content::Message(message, recipients)).await
    }

    async fn send_mail(&self, to: &[Address], content: Content<'_>) -> Result<Acceptance, ForwardError> {
        for _ in 0..CONNECTIONS_TRIED {
            let acquired = self.pool.acquire(self.connector.timeouts.queue).await.map_err(|fault| self.error(fault))?;
            let (slot, used_before) = match acquired {
                Acquired::Connection(slot, idle) if idle >= SURELY_ALIVE && !slot.connection.is_alive().await => {
                    self.pool.clear();
                    continue;
                }
                Acquired::Connection(slot, _) => (slot, true),
                Acquired::Connect(permit) => (permit.opened(self.connect().await?), false),
            };
            if let Content::Probe(_) = content
                && !self.custody.is_relay(slot.connection.extensions().is_final)
            {
                return Ok(Acceptance::new(Vec::new(), slot.connection.transport_security()));
            }
            let SendResult { outcomes, answered, bdat } = self.send_on(&slot.connection, to, content).await;
            let next_try = self.chunking.record(bdat, slot.connection.extensions());
            match outcomes {
                // The connection ended while idle, or with a message before this one, and so may have the others. That says nothing
                // about the peer: a new connection will show.
                Err(fault) if used_before && !answered && fault.ended_while_idle() => self.pool.clear(),
                // The command BDAT was refused, and not the message.
                Err(_) if next_try == NextTry::ByData => {}
                done => {
                    let acceptance = self.finish(&slot.connection, content.len(), done)?;
                    return Ok(if self.is_relayed(&slot.connection, content) { relayed(acceptance) } else { acceptance });
                }
            }
        }
        Err(self.error(ClientError::ConnectionLost("one connection after the other ended before this message's turn".into())))
    }

    async fn connect(&self) -> Result<SharedConnection, ForwardError> {
        let began = Instant::now();
        let connected = self.connector.connect().await;
        match &connected {
            Ok(_) => self.pool.handle_reached(Instant::now()),
            Err(ForwardError::Unreachable { .. } | ForwardError::TimedOut { .. }) => self.pool.handle_unreachable(began),
            Err(_) => {}
        }
        connected
    }

    async fn send_on(&self, connection: &SharedConnection, to: &[Address], content: Content<'_>) -> SendResult {
        let extensions = self.chunking.of(connection.extensions());
        let (from, mail, body, progress, pipelining) = match content {
            Content::Message(message, recipients) => {
                let (encoding, body) = if extensions.takes_binary() {
                    (TransferEncoding::Binary, BodyType::Binary)
                } else {
                    (TransferEncoding::Base64, BodyType::Text)
                };
                let request = self.custody_key.as_ref().filter(|_| self.is_relayed(connection, content));
                let request = request.map(|key| key.request(message.id(), message.audio().digest()));
                let addresses =
                    Addresses { custody: request.as_deref(), ..Addresses::new(&self.connector.node, &self.domain, recipients) };
                let mail = match message.audio().in_memory() {
                    Some(_) => Payload::Whole(encode(message, &addresses, encoding)),
                    None => Payload::InPieces(encode_in_pieces(message, &addresses, encoding)),
                };
                let progress = Progress { id: message.id(), events: self.connector.events.clone() };
                progress.connected(&self.connector.peer, connection.transport_security());
                (Some(self.return_path(message.id())), mail, body, Some(progress), self.refused.pipelining(recipients))
            }
            Content::Mail(mail, _) | Content::Probe(mail) => {
                let from = match content {
                    Content::Mail(_, Sender::Node) => Some(self.from.clone()),
                    Content::Mail(_, Sender::Message(id)) => Some(self.return_path(id)),
                    _ => None,
                };
                let mail = Payload::Whole(Encoded { head: mail.clone(), audio: Bytes::new(), tail: Bytes::new() });
                (from, mail, BodyType::Text, None, Pipelining::Off)
            }
        };
        let report_id = match content {
            Content::Message(message, _) if self.is_relayed(connection, content) => Some(message.id()),
            Content::Message(..) | Content::Mail(..) | Content::Probe(_) => None,
        };
        let envelope = Envelope { from, to: to.to_vec(), size: mail.len(), body, report_id };
        connection.send(envelope, mail, progress, extensions, pipelining).await
    }

    /// Whether what a connection's peer accepts is not stored yet, but only relayed.
    fn is_relayed(&self, connection: &SharedConnection, content: Content<'_>) -> bool {
        matches!(content, Content::Message(..)) && self.custody.is_relay(connection.extensions().is_final)
    }

    /// Returns the address to which reports about a message come back.
    fn return_path(&self, id: MessageId) -> Address {
        let signed = self
            .return_paths
            .as_ref()
            .and_then(|(paths, clock)| Address::new(paths.sign(id, clock.now().instant), paths.node()).ok());
        signed.unwrap_or_else(|| self.from.clone())
    }

    /// Updates what is known about the peer by the result of a message, and returns that result to the caller.
    fn finish(
        &self,
        connection: &SharedConnection,
        bytes: usize,
        done: Result<Vec<Outcome>, ClientError>,
    ) -> Result<Acceptance, ForwardError> {
        match &done {
            Err(fault) if fault.is_unreachable() => self.pool.clear(),
            Err(ClientError::NotServed(_)) => {
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
        Ok(Acceptance::new(outcomes, connection.transport_security()))
    }

    fn address(&self, mailbox: &MailboxId) -> Result<Address, ForwardError> {
        Address::new(mailbox.as_str(), &self.domain).map_err(|error| ForwardError::Unsendable(error.to_string()))
    }

    fn error(&self, fault: ClientError) -> ForwardError {
        into_error(fault, &self.connector.peer)
    }
}

#[async_trait]
impl Forwarder for SmtpForwarder {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let mut groups = recipients.chunks(RECIPIENTS_AT_ONCE);
        let first = groups.next().ok_or_else(|| ForwardError::Unsendable("there is no recipient".to_owned()))?;
        let mut acceptance = self.send_message(message, first).await?;
        for group in groups {
            match self.send_message(message, group).await {
                Ok(next) => acceptance.outcomes.extend(next.outcomes),
                // Some recipients may be accepted by now, so the call must not return an error for all.
                Err(error) => acceptance.outcomes.extend(group.iter().map(|_| unsettled(&error))),
            }
        }
        self.refused.learn(recipients, &acceptance.outcomes);
        Ok(acceptance)
    }

    async fn probe_return_path(&self, probe: MessageId) -> Result<Option<Outcome>, ForwardError> {
        let paths = self.return_paths.as_ref().filter(|_| self.custody != Custody::Final);
        let Some((_, clock)) = paths else { return Ok(None) };
        let to = self.return_path(probe);
        let mail = probe::mail(&self.connector.node, &to, probe, clock.now().instant);
        let acceptance = self.send_mail(&[to], Content::Probe(&mail)).await?;
        Ok(acceptance.outcomes.into_iter().next())
    }

    fn reads_sounds(&self) -> bool {
        true
    }
}

/// Turns the answer of a final node into that of a relay.
fn relayed(mut acceptance: Acceptance) -> Acceptance {
    for outcome in acceptance.outcomes.iter_mut().filter(|outcome| **outcome == Outcome::Accepted) {
        *outcome = Outcome::Relayed;
    }
    acceptance
}

/// Whether the peer accepts no message for any mailbox at the moment.
fn is_push_back(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Deferred(reply) if reply.is_about_the_node())
}

#[async_trait]
impl MailOut for SmtpForwarder {
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        let to = Address::new(to.local_part(), to.domain()).map_err(|error| ForwardError::Unsendable(error.to_string()))?;
        let acceptance = self.send_mail(&[to], Content::Mail(mail, sender)).await?;
        let unanswered = || Outcome::Deferred(Reply::missing("the peer gave no answer"));
        Ok(acceptance.outcomes.into_iter().next().unwrap_or_else(unanswered))
    }
}

/// The mail to send.
#[derive(Debug, Clone, Copy)]
enum Content<'a> {
    /// A message for mailboxes of the forwarder's domain.
    Message(&'a Message, &'a [MailboxId]),
    /// Any mail, and its sender.
    Mail(&'a Bytes, Sender),
    /// A mail for this node itself, which is sent to a relay only.
    Probe(&'a Bytes),
}

impl Content<'_> {
    /// The size in bytes, for the measurement of throughput.
    fn len(&self) -> usize {
        match self {
            Self::Message(message, _) => usize::try_from(message.audio().len()).unwrap_or(usize::MAX),
            Self::Mail(mail, _) | Self::Probe(mail) => mail.len(),
        }
    }
}

/// Converts an error of the client into the error that a caller gets.
///
/// A peer that does not serve this node may do so after an operator has corrected its configuration. So this is never final: no message
/// is at fault.
fn into_error(fault: ClientError, peer: &str) -> ForwardError {
    let peer = peer.to_owned();
    match fault {
        ClientError::ConnectionLost(source) => ForwardError::Unreachable { peer, source },
        ClientError::InvalidReply(what) => ForwardError::Protocol { peer, what },
        ClientError::TimedOut(step) => ForwardError::TimedOut { peer, step },
        ClientError::NotServed(said) if said.reply.code >= 500 => ForwardError::Unreachable { peer, source: said.into() },
        ClientError::NotServed(NotServed { step, reply }) | ClientError::Refused { step, reply } => {
            ForwardError::Refused { peer, step, reply }
        }
    }
}

/// Returns the outcome for a recipient whose group failed after another group was sent.
fn unsettled(error: &ForwardError) -> Outcome {
    match error {
        ForwardError::Refused { reply, .. } if !error.is_transient() => Outcome::Refused(reply.clone()),
        ForwardError::Refused { reply, .. } => Outcome::Deferred(reply.clone()),
        ForwardError::Unreachable { .. }
        | ForwardError::TimedOut { .. }
        | ForwardError::NoTls { .. }
        | ForwardError::Protocol { .. }
        | ForwardError::Unsendable(_) => Outcome::Deferred(Reply::missing(error)),
    }
}

/// A connection that was in use within this time is used again without a check. If its path has died since, the message under way on it
/// fails by its timeouts, as if the path had died a moment later.
const SURELY_ALIVE: Duration = Duration::from_secs(5);

/// On how many connections a message is tried, when each of them ended before any reply to it.
const CONNECTIONS_TRIED: u32 = 3;

/// RFC 5321 §4.5.3.1.8: every server accepts at least 100 recipients in one transaction.
const RECIPIENTS_AT_ONCE: usize = 100;
