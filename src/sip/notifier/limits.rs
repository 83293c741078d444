//! [`SipLimits`].

use std::time::Duration;

use super::super::transport::ConnectionLimits;
use crate::descriptors::descriptor_limit;

/// What telephones may take of a [`SipNotifier`](super::SipNotifier). Sizes of messages are in [`message`](crate::sip::message).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SipLimits {
    /// Subscriptions in all: 10 000. Beyond, those whose connection is closed end first; then 503.
    pub max_subscriptions: usize,
    /// Subscriptions of one user: 16. Beyond, those whose connection is closed end first; then 503.
    pub max_subscriptions_per_user: usize,
    /// Subscriptions of one user from one address: 8, so that a telephone that subscribes without end leaves room for the others of its
    /// user. Beyond, the oldest one of the same telephone ends.
    pub max_subscriptions_per_user_and_address: usize,
    /// The shortest time to subscribe for: 60 s. Below, 423; zero is to ask once.
    pub min_expires: Duration,
    /// The longest time to subscribe for, and how long it is where nothing is said: one hour. Above, it is made shorter.
    pub max_expires: Duration,
    /// Failed proofs of one user from one address, one of which is forgiven each minute: 20. Beyond, 403.
    pub max_failures: u32,
    /// Failed proofs of one user from all addresses together, one of which is forgiven every six seconds: 100. Beyond, an address from
    /// which the user has not subscribed before gets 503; one from which the user has is served as ever.
    pub max_failures_per_user: u32,
    /// Connections in all: 1024, but no more than a quarter of the file descriptors that the process may have. Beyond, the oldest one on
    /// which nobody has proven to be there is closed, of the network that has the most of them.
    pub max_connections: usize,
    /// Connections from one address: 64, but where file descriptors are short, no more than a quarter of all. Beyond, the oldest one of them is closed on which nobody has
    /// proven to be there.
    pub max_connections_per_address: usize,
    /// How long a connection may be open before somebody has proven to be there: 30 s.
    pub unauthenticated_timeout: Duration,
    /// How long a connection may be silent both ways after that: 75 minutes, more than the longest subscription.
    pub idle_timeout: Duration,
    /// How long the last NOTIFYs may take after a stop: 2 s.
    pub shutdown_timeout: Duration,
}

impl Default for SipLimits {
    fn default() -> Self {
        Self {
            max_subscriptions: 10_000,
            max_subscriptions_per_user: 16,
            max_subscriptions_per_user_and_address: 8,
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            max_failures: 20,
            max_failures_per_user: 100,
            max_connections: 1024,
            max_connections_per_address: 64,
            unauthenticated_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75 * 60),
            shutdown_timeout: Duration::from_secs(2),
        }
    }
}

impl SipLimits {
    /// Those of connections, with what the operating system allows now.
    pub(super) fn for_connections(&self) -> ConnectionLimits {
        self.with_descriptors(descriptor_limit())
    }

    /// The same for a process of so many file descriptors. The rest of them is for files, mail and everything else.
    fn with_descriptors(&self, descriptors: usize) -> ConnectionLimits {
        let most = (descriptors / SHARE).max(1);
        let all = self.max_connections.min(most);
        let per_address = if all < self.max_connections {
            self.max_connections_per_address.min((all / SHARE).max(1))
        } else {
            self.max_connections_per_address
        };
        ConnectionLimits {
            all,
            per_address,
            unauthenticated_timeout: self.unauthenticated_timeout,
            idle_timeout: self.idle_timeout,
        }
    }
}

/// One part in so many: of the file descriptors for connections, and of the connections for one address where descriptors are short.
const SHARE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_most_file_descriptors_to_others() {
        let of = |descriptors: usize| {
            let limits = SipLimits::default().with_descriptors(descriptors);
            (limits.all, limits.per_address)
        };
        assert_eq!((of(usize::MAX), of(4096)), ((1024, 64), (1024, 64)));
        assert_eq!((of(1024), of(64), of(0)), ((256, 64), (16, 4), (1, 1)));
    }
}
