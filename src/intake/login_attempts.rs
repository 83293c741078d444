//! [`LoginAttempts`]: how often an address may try to log in.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::retry::{Failures, network_of};

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
