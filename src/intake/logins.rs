//! How tries to log in are let through and checked, for all connections together.

use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::attempts::Attempts;
use super::session::now;
use super::shared::Shared;
use crate::event::Event;
use crate::smtp::server::{Dialogue, LoginAttempt, LoginOutcome, LoginPermit};

impl Shared {
    /// Whether somebody at `address` may try to log in. The try counts as failed until it has succeeded.
    pub(super) fn login_permit(&self, address: Option<IpAddr>) -> LoginPermit {
        let mut nonce = [0; Dialogue::NONCE_LEN];
        if !self.attempts().begin(address, now()) || getrandom::fill(&mut nonce).is_err() {
            tracing::warn!(?address, "a login was refused: too many have failed");
            return LoginPermit::Denied;
        }
        LoginPermit::Granted { nonce }
    }

    /// Checks a try to log in, on a thread that may be busy with it.
    pub(super) async fn check_login(&self, attempt: LoginAttempt, address: Option<IpAddr>) -> LoginOutcome {
        let check = async {
            let _place = self.checks.acquire().await.ok()?;
            spawn_blocking(move || attempt.check()).await.ok()
        };
        match timeout(self.policy.limits.answer_time, check).await {
            Ok(Some(Some(peer))) => {
                self.attempts().handle_success(address, now());
                LoginOutcome::Proven(peer)
            }
            Ok(Some(None)) => {
                self.events.emit(Event::LoginRefused { address });
                LoginOutcome::Refused
            }
            Ok(None) | Err(_) => LoginOutcome::Failed,
        }
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
