//! Authentication with AUTH.

use std::mem;
use std::time::Instant;

use encodify::base64::STANDARD;

use super::replies;
use super::{Action, Dialogue, DialogueState, LEAST_STAY, LoginOutcome, LoginPermit};
use crate::message::Origin;
use crate::smtp::sasl::{ExchangeAction, LoginFailure, Mechanism, SERVER_MECHANISMS, ServerExchange};

/// A login that waits for its permit.
#[derive(Debug)]
pub(super) struct PendingLogin {
    mechanism: Mechanism,
    /// The initial response of the AUTH command.
    initial: Option<SaslResponse>,
}

/// A response of the client, decoded from base64.
struct SaslResponse(Vec<u8>);

impl std::fmt::Debug for SaslResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SaslResponse(..)")
    }
}

impl Dialogue {
    /// Handles AUTH. RFC 4954 §4.
    pub(super) fn begin_login(&mut self, mechanism: &str, initial: Option<&str>) {
        let refusal = if !self.policy.access.has_passwords() {
            replies::NOT_IMPLEMENTED
        } else if !self.name.as_ref().is_some_and(|name| name.extended) {
            self.greeting_first()
        } else if self.logged_in {
            replies::AUTHENTICATED_ALREADY
        } else if self.transaction.is_some() {
            replies::MAIL_AGAIN
        } else if !self.policy.access.takes_passwords(self.peer.tls.is_some()) {
            replies::TLS_BEFORE_PASSWORD
        } else {
            let mechanism = Mechanism::named(mechanism).filter(|mechanism| SERVER_MECHANISMS.contains(mechanism));
            match (mechanism, initial.map(decoded)) {
                (None, _) => replies::NO_SUCH_MECHANISM,
                (Some(_), Some(None)) => replies::NOT_BASE64,
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
        self.send_reply(&refusal);
    }

    /// Handles the answer to [`Action::PermitLogin`].
    pub fn handle_login_permit(&mut self, permit: LoginPermit, now: Instant) {
        let PendingLogin { mechanism, initial } = match mem::replace(&mut self.state, DialogueState::Commands) {
            DialogueState::AwaitingLoginPermit(beginning) => beginning,
            other => return self.state = other,
        };
        self.deadline = now + self.policy.limits.command_time;
        let LoginPermit::Granted { nonce } = permit else { return self.close_with(&replies::TOO_MANY_LOGINS) };
        let Some(mut exchange) = ServerExchange::new(mechanism, nonce) else {
            return self.send_reply(&replies::NO_SUCH_MECHANISM);
        };
        let turn = match initial {
            Some(SaslResponse(response)) => exchange.handle_response(&response, &self.policy.access),
            None => ExchangeAction::Challenge(exchange.first_challenge()),
        };
        self.apply(exchange, turn);
    }

    /// Handles a response line, given without its line end.
    pub(super) fn handle_sasl_response(&mut self, mut exchange: ServerExchange, line: &[u8]) {
        let turn = match std::str::from_utf8(line).ok().map(|line| (line, STANDARD.decode(line.as_bytes()))) {
            Some(("*", _)) => return self.send_reply(&replies::CANCELLED),
            Some((_, Ok(response))) => exchange.handle_response(&response, &self.policy.access),
            Some((_, Err(_))) | None => return self.send_reply(&replies::NOT_BASE64),
        };
        self.apply(exchange, turn);
    }

    /// Handles the answer to [`Action::CheckLogin`].
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
            LoginOutcome::Failed => return self.send_reply(&replies::LOGIN_DOWN),
        };
        self.apply(exchange, turn);
    }

    fn apply(&mut self, exchange: ServerExchange, turn: ExchangeAction) {
        match turn {
            ExchangeAction::Challenge(challenge) => {
                self.state = DialogueState::LoggingIn(exchange);
                replies::write_challenge(self.replies(), &challenge);
            }
            ExchangeAction::Check(attempt) => {
                self.state = DialogueState::CheckingLogin(exchange);
                self.action = Some(Action::CheckLogin(attempt));
            }
            ExchangeAction::Authenticated(peer) => {
                self.state = DialogueState::Commands;
                self.peer.origin = Origin::Peer(peer.to_shared());
                self.logged_in = true;
                self.send_reply(&replies::AUTHENTICATED);
            }
            ExchangeAction::Failed(failure) => {
                self.state = DialogueState::Commands;
                let refusal = match failure {
                    LoginFailure::Malformed => replies::BAD_RESPONSE,
                    LoginFailure::Wrong => replies::LOGIN_REFUSED,
                };
                self.send_reply(&refusal);
            }
        }
    }
}

/// Decodes an initial response. RFC 4954 §4: an equals sign stands for an empty one.
fn decoded(initial: &str) -> Option<Vec<u8>> {
    if initial == "=" { Some(Vec::new()) } else { STANDARD.decode(initial.as_bytes()).ok() }
}
