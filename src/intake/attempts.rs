//! [`Attempts`]: how often an address may try to log in.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::retry::{Failures, network_of};

/// Counts failed attempts to log in, by address, and forgives them one by one as time passes.
///
/// An attempt counts as failed from its beginning until it has succeeded: a hundred at once are a hundred.
#[derive(Debug)]
pub(super) struct Attempts(Failures<IpAddr>);

impl Attempts {
    /// At most `most` failures at a time, one forgiven each time `forgiven_after` has passed.
    pub(super) fn new(most: u32, forgiven_after: Duration) -> Self {
        Self(Failures::new(most, forgiven_after))
    }

    /// Begins an attempt from `address`; answers whether there may be one.
    pub(super) fn begin(&mut self, address: Option<IpAddr>, now: Instant) -> bool {
        let Some(place) = address.map(network_of) else { return true };
        if self.0.is_full(&place, now) {
            return false;
        }
        self.0.add(place, now);
        true
    }

    /// The attempt that `address` began has succeeded.
    pub(super) fn handle_success(&mut self, address: Option<IpAddr>, now: Instant) {
        if let Some(place) = address.map(network_of) {
            self.0.take_back(&place, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_counts_until_it_has_succeeded() {
        let (mut attempts, now) = (Attempts::new(2, Duration::from_secs(60)), Instant::now());
        let address = Some([192, 0, 2, 7].into());
        for _ in 0..100 {
            assert!(attempts.begin(address, now));
            attempts.handle_success(address, now);
        }
        assert!(attempts.begin(address, now) && attempts.begin(address, now));
        assert!(!attempts.begin(address, now), "two are under way");
        assert!(attempts.begin(None, now), "who has no address is not from elsewhere");
    }
}
