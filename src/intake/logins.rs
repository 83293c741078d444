//! Permits and checks attempts to log in, for all connections together.

use std::net::IpAddr;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::context::IntakeContext;
use crate::event::Event;
use crate::retry::now;
use crate::smtp::server::{Dialogue, LoginAttempt, LoginOutcome, LoginPermit};

impl IntakeContext {
    /// Decides whether a client at `address` may try to log in. The attempt counts as failed until it has succeeded.
    pub(super) fn login_permit(&self, address: Option<IpAddr>) -> LoginPermit {
        let mut nonce = [0; Dialogue::NONCE_LEN];
        if !self.attempts.lock().begin(address, now()) || getrandom::fill(&mut nonce).is_err() {
            tracing::warn!(?address, "a login was refused: too many have failed");
            return LoginPermit::Denied;
        }
        LoginPermit::Granted { nonce }
    }

    /// Checks an attempt to log in, on a thread that may block.
    pub(super) async fn check_login(&self, attempt: LoginAttempt, address: Option<IpAddr>) -> LoginOutcome {
        let check = async {
            let _permit = self.checks.acquire().await.ok()?;
            spawn_blocking(move || attempt.check()).await.ok()
        };
        match timeout(self.policy.limits.answer_time, check).await {
            Ok(Some(Some(peer))) => {
                self.attempts.lock().handle_success(address, now());
                LoginOutcome::Proven(peer)
            }
            Ok(Some(None)) => {
                self.events.emit(Event::LoginRefused { address });
                LoginOutcome::Refused
            }
            Ok(None) | Err(_) => LoginOutcome::Failed,
        }
    }
}
