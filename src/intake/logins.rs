//! Permits and checks attempts to log in, for all connections together; [`LoginAttempts`] counts the failed ones.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::context::IntakeContext;
use crate::event::Event;
use crate::retry::now;
use crate::retry::{Failures, network_of};
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

/// Counts failed attempts to log in, by address, and forgives them one by one as time passes.
///
/// An attempt counts as failed from its beginning until it has succeeded, so that a hundred attempts at once count as a hundred.
#[derive(Debug)]
pub(super) struct LoginAttempts(Failures<IpAddr>);

impl LoginAttempts {
    /// Allows `most` failures; one is forgiven each time `forgiven_after` has passed.
    pub(super) fn new(most: u32, forgiven_after: Duration) -> Self {
        Self(Failures::new(most, forgiven_after))
    }

    /// Begins an attempt from `address`; returns whether it is allowed.
    pub(super) fn begin(&mut self, address: Option<IpAddr>, now: Instant) -> bool {
        let Some(network) = address.map(network_of) else { return true };
        if self.0.is_full(&network, now) {
            return false;
        }
        self.0.add(network, now);
        true
    }

    /// Handles that the attempt from `address` has succeeded.
    pub(super) fn handle_success(&mut self, address: Option<IpAddr>, now: Instant) {
        if let Some(network) = address.map(network_of) {
            self.0.take_back(&network, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_counts_until_it_has_succeeded() {
        let (mut attempts, now) = (LoginAttempts::new(2, Duration::from_secs(60)), Instant::now());
        let address = Some([192, 0, 2, 7].into());
        for _ in 0..100 {
            assert!(attempts.begin(address, now));
            attempts.handle_success(address, now);
        }
        assert!(attempts.begin(address, now) && attempts.begin(address, now));
        assert!(!attempts.begin(address, now), "two are under way");
        assert!(attempts.begin(None, now), "a client without an address is on this host");
    }
}
