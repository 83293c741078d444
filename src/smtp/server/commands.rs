//! Reading and execution of commands.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf as _, BytesMut};

use super::body::{Body, BodySink, DotReader};
use super::receiving::{Framing, Receiving};
use super::replies;
use super::transaction::{Chunks, MAX_REPORT, ServerTransaction};
use super::{Action, Dialogue, DialogueState, HeloName, LEAST_STAY, Policy, Protocol, Recipient};
use crate::message::Origin;
use crate::message::mailbox::{NODE_SENDER, POSTMASTER};
use crate::smtp::command::{BodyType, Command, CommandError, is_bdat};
use crate::smtp::extensions::{FINAL, KIND};
use crate::smtp::other_protocol;
use crate::smtp::path::Path;
use crate::smtp::sasl::{Mechanism, SERVER_MECHANISMS};
use crate::smtp::{RecipientRequest, Reply, ReturnPaths};

impl Dialogue {
    /// Reads one command, if it has arrived; returns whether it has.
    pub(super) fn read_line(&mut self, input: &mut BytesMut, now: Instant) -> bool {
        let limit = self.policy.limits.command_line;
        let found = memchr::memmem::find(input, b"\r\n").map(|at| at + 2);
        let length = self.skipped + found.unwrap_or(input.len());
        if (found.is_none() || length > limit) && self.skipped == 0 && self.is_other_protocol(input) {
            self.close_with(&replies::OTHER_PROTOCOL);
            return false;
        }
        if length > limit && self.skipped == 0 && is_bdat(input) {
            // The bytes of a chunk follow, and their number is not known.
            self.close_with(&replies::LINE_TOO_LONG);
            return false;
        }
        if length > limit.saturating_mul(LINE_DISCARD_FACTOR) {
            self.close_with(&replies::LINE_TOO_LONG);
            return false;
        }
        let Some(end) = found else {
            if length > 0 {
                self.line_deadline.get_or_insert(now + self.policy.limits.command_line_time);
            }
            if length >= limit {
                // A final CR may be the first half of the line end.
                let skip = input.len() - usize::from(input.ends_with(b"\r"));
                self.skipped += skip;
                input.advance(skip);
            }
            return false;
        };
        self.line_deadline = None;
        if length <= limit && self.waits_for_store(&input[..end]) {
            self.stores.hold();
            return false;
        }
        self.skipped = 0;
        self.deadline = now + self.policy.limits.command_time;
        self.commands += 1;
        if self.commands > self.policy.limits.commands {
            self.close_with(&replies::TOO_MANY_COMMANDS);
            return false;
        }
        match mem::replace(&mut self.state, DialogueState::Commands) {
            // RFC 4954 §4: a response that is too long ends the exchange.
            _ if length > limit => self.refuse_unknown(&replies::LINE_TOO_LONG),
            DialogueState::LoggingIn(exchange) => self.handle_sasl_response(exchange, &input[..end - 2]),
            _ => match Command::read(&input[..end]) {
                Ok(Command::StartTls) => self.start_tls(input.len() > end),
                Ok(command) => self.execute(command, now),
                Err(error @ CommandError::BdatSyntax) => self.close_with(&error.into()),
                Err(error @ (CommandError::Unknown | CommandError::BareLineEnd)) => {
                    if self.is_other_protocol(&input[..end]) || other_protocol::is_request(&input[..end]) {
                        self.close_with(&replies::OTHER_PROTOCOL);
                    } else {
                        self.refuse_unknown(&error.into());
                    }
                }
                Err(error) => self.send_reply(&error.into()),
            },
        }
        input.advance(end);
        true
    }

    /// Whether a line, or the beginning of one, belongs to another protocol.
    fn is_other_protocol(&self, line: &[u8]) -> bool {
        let first = self.name.is_none() && self.unknown_commands == 0;
        matches!(self.state, DialogueState::Commands)
            && (other_protocol::is_http(line) || first && other_protocol::is_binary_or_ssh(line))
    }

    /// Refuses a line that is no command. A peer that sends several such lines before EHLO does not speak SMTP.
    fn refuse_unknown(&mut self, refusal: &Reply) {
        self.unknown_commands += usize::from(self.name.is_none());
        if self.unknown_commands >= MAX_UNKNOWN_COMMANDS {
            self.close_with(&replies::NOT_SMTP);
        } else {
            self.send_reply(refusal);
        }
    }

    /// Whether a command must wait for the store: MAIL until one more message may be stored, and commands that end or reset the session until
    /// all messages are stored.
    fn waits_for_store(&self, line: &[u8]) -> bool {
        if self.stores.is_empty() {
            return false;
        }
        match Command::read(line) {
            Ok(Command::Mail { .. }) => self.stores.is_full(),
            Ok(Command::Rcpt(..) | Command::Data | Command::Bdat { .. } | Command::Rset | Command::Noop) | Err(_) => false,
            Ok(
                Command::Ehlo(_)
                | Command::Helo(_)
                | Command::Lhlo(_)
                | Command::StartTls
                | Command::Auth { .. }
                | Command::Vrfy
                | Command::Help
                | Command::Quit,
            ) => true,
        }
    }

    fn execute(&mut self, command: Command<'_>, now: Instant) {
        match command {
            Command::Mail { from, size, body, has_auth, reports } => {
                let transaction = ServerTransaction::new(&from, size, body, reports, self.policy.protocol);
                self.begin(transaction, has_auth, now);
            }
            Command::Rcpt(path, reports) => self.add_recipient(&path, reports),
            Command::Data => self.begin_data(now),
            Command::Bdat { size, last } => self.begin_chunk(size, last, now),
            Command::Auth { mechanism, initial } => self.begin_login(mechanism, initial),
            Command::Ehlo(name) if self.policy.protocol == Protocol::Smtp => self.handle_ehlo(name, true),
            Command::Helo(name) if self.policy.protocol == Protocol::Smtp => self.handle_ehlo(name, false),
            Command::Lhlo(name) if self.policy.protocol == Protocol::Lmtp => self.handle_ehlo(name, true),
            Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) => self.refuse_greeting(),
            Command::StartTls | Command::Noop => self.send_reply(&replies::OK),
            Command::Rset => {
                self.send_reply(&replies::OK);
                self.end_transaction();
            }
            Command::Vrfy => self.send_reply(&replies::CANNOT_VERIFY),
            Command::Help => self.send_reply(&replies::HELP),
            Command::Quit => self.close_with(&replies::BYE),
        }
    }

    fn handle_ehlo(&mut self, name: &str, extended: bool) {
        self.name = Some(HeloName { text: name.to_owned(), extended });
        if extended {
            let offers_tls = self.policy.offers_tls && self.peer.tls.is_none();
            let policy = Arc::clone(&self.policy);
            let Policy { node, limits, offers_binary, offers_reports, is_final, access, .. } = &*policy;
            let auth = access.takes_passwords(self.peer.tls.is_some()) && !self.logged_in;
            let more = [
                offers_tls.then(|| "STARTTLS".to_owned()),
                offers_binary.then(|| "BINARYMIME".to_owned()),
                offers_reports.then(|| "DSN".to_owned()),
                // In plain text, anybody could have written it.
                (*is_final && self.peer.tls.is_some()).then(|| format!("{KIND} 1 {FINAL} {node}")),
                auth.then(|| format!("AUTH {}", SERVER_MECHANISMS.map(Mechanism::name).join(" "))),
            ];
            replies::write_capabilities(self.replies(), node, limits.message, more.into_iter().flatten());
        } else {
            Reply::with_status(250, "", &self.policy.node).write_to(self.replies());
        }
        self.end_transaction();
    }

    fn start_tls(&mut self, more_follows: bool) {
        if self.peer.tls.is_some() {
            self.send_reply(&replies::TLS_ALREADY);
        } else if !self.policy.offers_tls {
            self.send_reply(&replies::NO_TLS);
        } else if more_follows {
            // Commands that came with STARTTLS were sent in plain text and would be executed as if they were protected by TLS.
            self.close_with(&replies::SPOKE_PAST_STARTTLS);
        } else {
            self.send_reply(&replies::START_TLS);
            self.state = DialogueState::StartingTls;
            self.action = Some(Action::StartTls);
        }
    }

    /// Returns the reply for a peer that must authenticate before it sends a message. RFC 4954 §6, RFC 3207 §4.
    fn refusal_without_login(&self) -> Option<Reply> {
        let proven = self.peer.origin != Origin::Unproven || !self.policy.access.needs_proof(self.peer.address);
        let tls_first = self.policy.offers_tls && self.peer.tls.is_none();
        if proven { None } else { Some(if tls_first { replies::TLS_FIRST } else { replies::PROVE_FIRST }) }
    }

    fn begin(&mut self, transaction: ServerTransaction, has_auth: bool, now: Instant) {
        let ServerTransaction { announced, body_type, .. } = transaction;
        let reply = if self.name.is_none() {
            self.greeting_first()
        } else if self.transaction.is_some() {
            replies::MAIL_AGAIN
        } else if let Some(refusal) = self.refusal_without_login() {
            refusal
        } else if body_type == BodyType::Binary && !self.policy.offers_binary
            || transaction.reports.is_given && !self.policy.offers_reports
        {
            replies::UNKNOWN_PARAMETER
        } else if has_auth && !self.policy.access.has_passwords() {
            // RFC 4954 §5: a server that offers AUTH must accept the parameter AUTH of MAIL. Its value is not used.
            replies::UNKNOWN_PARAMETER
        } else if announced > self.policy.limits.message {
            replies::TOO_BIG
        } else {
            self.useful_until = now + LEAST_STAY;
            self.transaction = Some(transaction);
            replies::SENDER_OK
        };
        self.send_reply(&reply);
    }

    fn add_recipient(&mut self, path: &Path<'_>, reports: RecipientRequest) {
        if reports.is_given && !self.policy.offers_reports {
            return self.send_reply(&replies::UNKNOWN_PARAMETER);
        }
        let recipient = self.recipient_of(path);
        let recipient = match (&mut self.transaction, recipient) {
            (None, _) => Err(replies::MAIL_FIRST),
            (Some(ServerTransaction { chunks: Chunks::Some(_) | Chunks::Refused(_), .. }), _) => Err(replies::MID_CHUNKS),
            (Some(_), Err(refusal)) => Err(refusal),
            (Some(transaction), Ok(recipient)) if !transaction.may_have(&recipient) => Err(replies::NO_REPORTS),
            (Some(transaction), Ok(Recipient::ReturnPath(_))) if transaction.announced > MAX_REPORT => Err(replies::TOO_BIG),
            (Some(transaction), Ok(recipient)) if transaction.may_repeat(&recipient, self.policy.limits.recipients) => {
                transaction.note_accepted(&recipient);
                Err(replies::RECIPIENT_OK)
            }
            (Some(transaction), Ok(_)) if transaction.counted() >= self.policy.limits.recipients => {
                Err(replies::TOO_MANY_RECIPIENTS)
            }
            (Some(_), Ok(recipient)) => Ok(recipient),
        };
        match recipient {
            Ok(recipient) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.next_reports = reports;
                }
                self.state = DialogueState::LookingUp(recipient.clone());
                let size = self.transaction.as_ref().map_or(0, |transaction| transaction.announced as u64);
                self.action = Some(Action::LookUp(recipient, size));
            }
            Err(reply) => self.send_reply(&reply),
        }
    }

    /// Returns the recipient of this node that a path names.
    fn recipient_of(&self, path: &Path<'_>) -> Result<Recipient, Reply> {
        let Policy { domain, node, .. } = &*self.policy;
        match path {
            Path::Local(local) if local.eq_ignore_ascii_case(POSTMASTER) => self.postmaster(),
            Path::Local(_) | Path::Null => Err(replies::BAD_RECIPIENT),
            Path::Mailbox { local, domain: at } if at.eq_ignore_ascii_case(domain) || at.eq_ignore_ascii_case(node) => {
                if local.eq_ignore_ascii_case(POSTMASTER) {
                    self.postmaster()
                } else if local.eq_ignore_ascii_case(NODE_SENDER) && at.eq_ignore_ascii_case(node) {
                    Ok(Recipient::NodeSender)
                } else if at.eq_ignore_ascii_case(node) && ReturnPaths::has_form(local) {
                    Ok(Recipient::ReturnPath(local.to_string()))
                } else if at.eq_ignore_ascii_case(domain) {
                    local.parse().map(Recipient::Mailbox).map_err(|_| replies::NO_SUCH_MAILBOX)
                } else {
                    Err(replies::NO_RELAYING)
                }
            }
            Path::Mailbox { .. } | Path::Literal | Path::Routed => Err(replies::NO_RELAYING),
        }
    }

    /// Returns the postmaster, if the node has one. RFC 5321 §4.5.1.
    fn postmaster(&self) -> Result<Recipient, Reply> {
        if self.policy.has_postmaster { Ok(Recipient::Postmaster) } else { Err(replies::NO_POSTMASTER) }
    }

    fn begin_data(&mut self, now: Instant) {
        let refusal = match &self.transaction {
            None => replies::MAIL_FIRST,
            Some(transaction) if transaction.len() == 0 => self.no_recipients(),
            Some(ServerTransaction { body_type: BodyType::Binary, .. }) => replies::BINARY_NEEDS_BDAT,
            Some(ServerTransaction { chunks: Chunks::Some(_) | Chunks::Refused(_), .. }) => replies::MID_CHUNKS,
            Some(transaction) => {
                let body = Body::new(transaction.announced, transaction.limit(self.policy.limits.message));
                let receiving = Receiving::new(Framing::Dots(DotReader::new()), BodySink::Keep(body), now);
                return self.ask_for_memory(receiving);
            }
        };
        self.send_reply(&refusal);
    }

    /// Begins a chunk. RFC 3030 §2: its bytes arrive in any case, so even those of a refused chunk are read.
    fn begin_chunk(&mut self, size: u64, last: bool, now: Instant) {
        let no_recipients = self.no_recipients();
        let sink = match &mut self.transaction {
            None => BodySink::Discard { refusal: replies::MAIL_FIRST, discarded: 0 },
            Some(transaction) => match mem::replace(&mut transaction.chunks, Chunks::None) {
                Chunks::Refused(refusal) => BodySink::Discard { refusal, discarded: 0 },
                Chunks::Some(body) => BodySink::Keep(body),
                Chunks::None if transaction.len() == 0 => BodySink::Discard { refusal: no_recipients, discarded: 0 },
                Chunks::None => BodySink::Keep(Body::new(transaction.announced, transaction.limit(self.policy.limits.message))),
            },
        };
        self.state = DialogueState::Receiving(Receiving::new(Framing::Chunk { left: size, last }, sink, now));
    }
}

/// The number of lines before EHLO that are no commands, of which the last ends the session.
const MAX_UNKNOWN_COMMANDS: usize = 3;

/// A line that is this many times longer than allowed ends the session.
const LINE_DISCARD_FACTOR: usize = 16;
