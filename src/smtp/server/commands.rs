//! How a dialogue reads commands, and what it does on each.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf as _, BytesMut};

use super::body::{Body, BodySink, DotReader};
use super::receiving::{Framing, Receiving};
use super::reply::{self, Reply};
use super::transaction::{Chunks, ServerTransaction};
use super::{Action, Dialogue, DialogueState, HeloName, LEAST_STAY, Policy, Recipient};
use crate::message::Origin;
use crate::message::mailbox::{NODE_SENDER, POSTMASTER};
use crate::smtp::command::{BodyType, Command, CommandError, is_bdat};
use crate::smtp::other_protocol;
use crate::smtp::path::Path;
use crate::smtp::sasl::Mechanism;

impl Dialogue {
    /// Reads one command, if it is there; answers whether it was.
    pub(super) fn read_line(&mut self, input: &mut BytesMut, now: Instant) -> bool {
        let limit = self.policy.limits.command_line;
        let found = memchr::memmem::find(input, b"\r\n").map(|at| at + 2);
        let length = self.skipped + found.unwrap_or(input.len());
        if (found.is_none() || length > limit) && self.skipped == 0 && self.is_other_protocol(input) {
            self.close_with(&reply::OTHER_PROTOCOL);
            return false;
        }
        if length > limit && self.skipped == 0 && is_bdat(input) {
            // Its bytes follow, and how many is not known.
            self.close_with(&reply::LINE_TOO_LONG);
            return false;
        }
        if length > limit.saturating_mul(LINE_DISCARD_FACTOR) {
            self.close_with(&reply::LINE_TOO_LONG);
            return false;
        }
        let Some(end) = found else {
            if length > 0 {
                self.line_deadline.get_or_insert(now + self.policy.limits.command_line_time);
            }
            if length >= limit {
                // A final CR may be half of the line's end.
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
            self.close_with(&reply::TOO_MANY_COMMANDS);
            return false;
        }
        match mem::replace(&mut self.state, DialogueState::Commands) {
            // RFC 4954 §4: a response that is too long ends the exchange.
            _ if length > limit => self.refuse_unknown(&reply::LINE_TOO_LONG),
            DialogueState::LoggingIn(exchange) => self.handle_sasl_response(exchange, &input[..end - 2]),
            _ => match Command::read(&input[..end]) {
                Ok(Command::StartTls) => self.start_tls(input.len() > end),
                Ok(command) => self.execute(command, now),
                Err(error @ CommandError::BdatSyntax) => self.close_with(&error.into()),
                Err(error @ (CommandError::Unknown | CommandError::BareLineEnd)) => {
                    if self.is_other_protocol(&input[..end]) || other_protocol::is_request(&input[..end]) {
                        self.close_with(&reply::OTHER_PROTOCOL);
                    } else {
                        self.refuse_unknown(&error.into());
                    }
                }
                Err(error) => self.say(&error.into()),
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

    /// Refuses a line that is no command. A peer that sends several of them before EHLO does not speak SMTP.
    fn refuse_unknown(&mut self, refusal: &Reply) {
        self.unknown_commands += usize::from(self.name.is_none());
        if self.unknown_commands >= MAX_UNKNOWN_COMMANDS {
            self.close_with(&reply::NOT_SMTP);
        } else {
            self.say(refusal);
        }
    }

    /// Whether a command waits for the store: a message for a place there, and what ends the session or begins it anew for all.
    fn waits_for_store(&self, line: &[u8]) -> bool {
        if self.stores.is_empty() {
            return false;
        }
        match Command::read(line) {
            Ok(Command::Mail { .. }) => self.stores.is_full(),
            Ok(Command::Rcpt(_) | Command::Data | Command::Bdat { .. } | Command::Rset | Command::Noop) | Err(_) => false,
            Ok(
                Command::Ehlo(_)
                | Command::Helo(_)
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
            Command::Mail { size, body, has_auth } => self.begin(size, body, has_auth, now),
            Command::Rcpt(path) => self.add_recipient(&path),
            Command::Data => self.begin_data(now),
            Command::Bdat { size, last } => self.begin_chunk(size, last, now),
            Command::Auth { mechanism, initial } => self.begin_login(mechanism, initial),
            Command::Ehlo(name) => self.handle_ehlo(name, true),
            Command::Helo(name) => self.handle_ehlo(name, false),
            Command::StartTls | Command::Noop => self.say(&reply::OK),
            Command::Rset => {
                self.say(&reply::OK);
                self.end_transaction();
            }
            Command::Vrfy => self.say(&reply::CANNOT_VERIFY),
            Command::Help => self.say(&reply::HELP),
            Command::Quit => self.close_with(&reply::BYE),
        }
    }

    fn handle_ehlo(&mut self, name: &str, extended: bool) {
        self.name = Some(HeloName { text: name.to_owned(), extended });
        if extended {
            let offers_tls = self.policy.offers_tls && self.peer.tls.is_none();
            let policy = Arc::clone(&self.policy);
            let Policy { node, limits, offers_binary, access, .. } = &*policy;
            let auth = access.takes_passwords(self.peer.tls.is_some()) && !self.logged_in;
            let more = [
                offers_tls.then(|| "STARTTLS".to_owned()),
                offers_binary.then(|| "BINARYMIME".to_owned()),
                auth.then(|| format!("AUTH {}", Mechanism::OFFERED.map(Mechanism::name).join(" "))),
            ];
            reply::write_capabilities(self.replies(), node, limits.message, more.into_iter().flatten());
        } else {
            Reply::telling(250, "", &self.policy.node).write_to(self.replies());
        }
        self.end_transaction();
    }

    fn start_tls(&mut self, more_follows: bool) {
        if self.peer.tls.is_some() {
            self.say(&reply::TLS_ALREADY);
        } else if !self.policy.offers_tls {
            self.say(&reply::NO_TLS);
        } else if more_follows {
            // Whatever came with it was said in plain text and would be obeyed as if under TLS.
            self.close_with(&reply::SPOKE_PAST_STARTTLS);
        } else {
            self.say(&reply::START_TLS);
            self.state = DialogueState::StartingTls;
            self.action = Some(Action::StartTls);
        }
    }

    /// What keeps the peer from sending a message, if anything does. RFC 4954 §6, RFC 3207 §4.
    fn refusal_without_login(&self) -> Option<Reply> {
        let proven = self.peer.origin != Origin::Unproven || !self.policy.access.needs_proof(self.peer.address);
        let tls_first = self.policy.offers_tls && self.peer.tls.is_none();
        if proven { None } else { Some(if tls_first { reply::TLS_FIRST } else { reply::PROVE_FIRST }) }
    }

    fn begin(&mut self, announced: usize, body_type: BodyType, has_auth: bool, now: Instant) {
        let reply = if self.name.is_none() {
            reply::EHLO_FIRST
        } else if self.transaction.is_some() {
            reply::MAIL_AGAIN
        } else if let Some(refusal) = self.refusal_without_login() {
            refusal
        } else if body_type == BodyType::Binary && !self.policy.offers_binary {
            reply::UNKNOWN_PARAMETER
        } else if has_auth && !self.policy.access.has_passwords() {
            // RFC 4954 §5: where there is AUTH, MAIL may say whom its sender has let in. Nobody here asks.
            reply::UNKNOWN_PARAMETER
        } else if announced > self.policy.limits.message {
            reply::TOO_BIG
        } else {
            self.useful_until = now + LEAST_STAY;
            self.transaction = Some(ServerTransaction::new(announced, body_type));
            reply::SENDER_OK
        };
        self.say(&reply);
    }

    fn add_recipient(&mut self, path: &Path<'_>) {
        let recipient = match (&self.transaction, self.recipient_of(path)) {
            (None, _) => Err(reply::MAIL_FIRST),
            (Some(ServerTransaction { chunks: Chunks::Some(_) | Chunks::Refused(_), .. }), _) => Err(reply::MID_CHUNKS),
            (Some(_), Err(refusal)) => Err(refusal),
            (Some(transaction), Ok(recipient)) if transaction.has(&recipient) => Err(reply::RECIPIENT_OK),
            (Some(transaction), Ok(_)) if transaction.len() >= self.policy.limits.recipients => Err(reply::TOO_MANY_RECIPIENTS),
            (Some(_), Ok(recipient)) => Ok(recipient),
        };
        match recipient {
            Ok(recipient) => {
                self.state = DialogueState::LookingUp(recipient.clone());
                let size = self.transaction.as_ref().map_or(0, |transaction| transaction.announced as u64);
                self.action = Some(Action::LookUp(recipient, size));
            }
            Err(reply) => self.say(&reply),
        }
    }

    /// The recipient that a path names, if it is one of this node's.
    fn recipient_of(&self, path: &Path<'_>) -> Result<Recipient, Reply> {
        let Policy { domain, node, .. } = &*self.policy;
        match path {
            Path::Local(local) if local.eq_ignore_ascii_case(POSTMASTER) => self.postmaster(),
            Path::Local(_) | Path::Null => Err(reply::BAD_RECIPIENT),
            Path::Mailbox { local, domain: at } if at.eq_ignore_ascii_case(domain) || at.eq_ignore_ascii_case(node) => {
                if local.eq_ignore_ascii_case(POSTMASTER) {
                    self.postmaster()
                } else if local.eq_ignore_ascii_case(NODE_SENDER) && at.eq_ignore_ascii_case(node) {
                    Ok(Recipient::NodeSender)
                } else if at.eq_ignore_ascii_case(domain) {
                    local.parse().map(Recipient::Mailbox).map_err(|_| reply::NO_SUCH_MAILBOX)
                } else {
                    Err(reply::NO_RELAYING)
                }
            }
            Path::Mailbox { .. } | Path::Literal | Path::Routed => Err(reply::NO_RELAYING),
        }
    }

    /// RFC 5321 §4.5.1: the postmaster is always known, if the node has somebody to be it.
    fn postmaster(&self) -> Result<Recipient, Reply> {
        if self.policy.has_postmaster { Ok(Recipient::Postmaster) } else { Err(reply::NO_POSTMASTER) }
    }

    fn begin_data(&mut self, now: Instant) {
        let refusal = match &self.transaction {
            None => reply::MAIL_FIRST,
            Some(transaction) if transaction.len() == 0 => reply::NO_RECIPIENTS,
            Some(ServerTransaction { body_type: BodyType::Binary, .. }) => reply::BINARY_NEEDS_BDAT,
            Some(ServerTransaction { chunks: Chunks::Some(_) | Chunks::Refused(_), .. }) => reply::MID_CHUNKS,
            Some(transaction) => {
                let body = Body::new(transaction.announced, self.policy.limits.message);
                let receiving = Receiving::new(Framing::Dots(DotReader::new()), BodySink::Keep(body), now);
                return self.ask_for_memory(receiving);
            }
        };
        self.say(&refusal);
    }

    /// RFC 3030 §2: the bytes come whether or not they are wanted, so even those of a refused chunk are read.
    fn begin_chunk(&mut self, size: u64, last: bool, now: Instant) {
        let sink = match &mut self.transaction {
            None => BodySink::Discard { refusal: reply::MAIL_FIRST, discarded: 0 },
            Some(transaction) => match mem::replace(&mut transaction.chunks, Chunks::None) {
                Chunks::Refused(refusal) => BodySink::Discard { refusal, discarded: 0 },
                Chunks::Some(body) => BodySink::Keep(body),
                Chunks::None if transaction.len() == 0 => BodySink::Discard { refusal: reply::NO_RECIPIENTS, discarded: 0 },
                Chunks::None => BodySink::Keep(Body::new(transaction.announced, self.policy.limits.message)),
            },
        };
        self.state = DialogueState::Receiving(Receiving::new(Framing::Chunk { left: size, last }, sink, now));
    }
}

/// The line before EHLO that is no command and ends the session.
const MAX_UNKNOWN_COMMANDS: usize = 3;

/// How many times as long as allowed a line may be before the peer is taken for lost.
const LINE_DISCARD_FACTOR: usize = 16;
