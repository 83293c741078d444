//! How a dialogue lets a peer prove its name with AUTH.

use std::mem;
use std::time::Instant;

use encodify::base64::STANDARD;

use super::reply::{self, Reply};
use super::{Action, Dialogue, DialogueState, LEAST_STAY, LoginOutcome, LoginPermit};
use crate::message::Origin;
use crate::smtp::sasl::{ExchangeAction, LoginFailure, Mechanism, ServerExchange};

/// A proof that is being begun.
#[derive(Debug)]
pub(super) struct PendingLogin {
    mechanism: Mechanism,
    /// What the client has said with its command.
    initial: Option<SaslResponse>,
}

/// What a client says in an exchange, with its base64 taken off.
struct SaslResponse(Vec<u8>);

impl std::fmt::Debug for SaslResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SaslResponse(..)")
    }
}

impl Dialogue {
    /// RFC 4954 §4.
    pub(super) fn begin_login(&mut self, mechanism: &str, initial: Option<&str>) {
        let refusal = if !self.policy.access.has_passwords() {
            reply::NOT_HERE
        } else if !self.name.as_ref().is_some_and(|name| name.extended) {
            reply::EHLO_FIRST
        } else if self.logged_in {
            reply::PROVEN_ALREADY
        } else if self.transaction.is_some() {
            reply::MAIL_AGAIN
        } else if !self.policy.access.takes_passwords(self.peer.tls.is_some()) {
            reply::TLS_BEFORE_PASSWORD
        } else {
            match (Mechanism::named(mechanism), initial.map(decoded)) {
                (None, _) => reply::NO_SUCH_MECHANISM,
                (Some(_), Some(None)) => reply::NOT_BASE64,
                (Some(mechanism), initial) => {
                    self.state = DialogueState::AwaitingLoginPermit(PendingLogin {
                        mechanism,
                        initial: initial.flatten().map(SaslResponse),
                    });
                    self.action = Some(Action::PermitLogin);
                    return;
                }
            }
        };
        self.say(&refusal);
    }

    /// Whether the peer may try to log in was decided.
    pub fn handle_login_permit(&mut self, permit: LoginPermit, now: Instant) {
        let PendingLogin { mechanism, initial } = match mem::replace(&mut self.state, DialogueState::Commands) {
            DialogueState::AwaitingLoginPermit(beginning) => beginning,
            other => return self.state = other,
        };
        self.deadline = now + self.policy.limits.command_time;
        let LoginPermit::Granted { nonce } = permit else { return self.close_with(&reply::TOO_MANY_LOGINS) };
        let mut exchange = ServerExchange::new(mechanism, nonce);
        let turn = match initial {
            Some(SaslResponse(response)) => exchange.handle_response(&response, &self.policy.access),
            None => ExchangeAction::Challenge(exchange.first_challenge()),
        };
        self.apply(exchange, turn);
    }

    /// Hears a line of an exchange, without its line end.
    pub(super) fn handle_sasl_response(&mut self, mut exchange: ServerExchange, line: &[u8]) {
        let turn = match std::str::from_utf8(line).ok().map(|line| (line, STANDARD.decode(line.as_bytes()))) {
            Some(("*", _)) => return self.say(&reply::CANCELLED),
            Some((_, Ok(response))) => exchange.handle_response(&response, &self.policy.access),
            Some((_, Err(_))) | None => return self.say(&reply::NOT_BASE64),
        };
        self.apply(exchange, turn);
    }

    /// What the peer has said to prove its name was checked.
    pub fn handle_login(&mut self, login: LoginOutcome, now: Instant) {
        let mut exchange = match mem::replace(&mut self.state, DialogueState::Commands) {
            DialogueState::CheckingLogin(exchange) => exchange,
            other => return self.state = other,
        };
        self.deadline = now + self.policy.limits.command_time;
        if matches!(login, LoginOutcome::Proven(_)) {
            self.useful_until = now + LEAST_STAY;
        }
        let turn = match login {
            LoginOutcome::Proven(peer) => exchange.handle_checked(Some(peer)),
            LoginOutcome::Refused => exchange.handle_checked(None),
            LoginOutcome::Failed => return self.say(&reply::LOGIN_DOWN),
        };
        self.apply(exchange, turn);
    }

    fn apply(&mut self, exchange: ServerExchange, turn: ExchangeAction) {
        match turn {
            ExchangeAction::Challenge(challenge) => {
                self.state = DialogueState::LoggingIn(exchange);
                Reply::challenge(challenge).write_to(self.replies());
            }
            ExchangeAction::Check(attempt) => {
                self.state = DialogueState::CheckingLogin(exchange);
                self.action = Some(Action::CheckLogin(attempt));
            }
            ExchangeAction::Authenticated(peer) => {
                self.state = DialogueState::Commands;
                self.peer.origin = Origin::Peer(peer.to_shared());
                self.logged_in = true;
                self.say(&reply::PROVEN);
            }
            ExchangeAction::Failed(failure) => {
                self.state = DialogueState::Commands;
                let refusal = match failure {
                    LoginFailure::Malformed => reply::BAD_PROOF,
                    LoginFailure::Wrong => reply::LOGIN_REFUSED,
                };
                self.say(&refusal);
            }
        }
    }
}

/// RFC 4954 §4: an equals sign stands for an empty response.
fn decoded(initial: &str) -> Option<Vec<u8>> {
    if initial == "=" { Some(Vec::new()) } else { STANDARD.decode(initial.as_bytes()).ok() }
}
