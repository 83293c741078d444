//! [`SipLimits`].

use std::time::Duration;

use super::super::transport::ConnectionLimits;
use crate::descriptors::descriptor_limit;

/// The limits on what telephones may use of a [`SipNotifier`](super::SipNotifier), with defaults.
///
/// `SipLimits::default()` makes one; its fields may be changed. The sizes of messages are limited in [`message`](crate::sip::message).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SipLimits {
    /// The number of subscriptions: 10 000. When it is reached, a subscription whose connection is closed ends for the new one, or else the oldest
    /// one of the same telephone; if there is neither, the new one is refused with 503.
    pub max_subscriptions: usize,
    /// The number of subscriptions of one user: 16. When it is reached, one of them ends for the new one, or the new one is refused, as with
    /// [`max_subscriptions`](Self::max_subscriptions).
    pub max_subscriptions_per_user: usize,
    /// The number of subscriptions of one user from one address: 8, so that a telephone that subscribes again and again leaves room for the
    /// other telephones of its user. When it is reached, one of them ends for the new one, or the new one is refused, as with
    /// [`max_subscriptions`](Self::max_subscriptions).
    pub max_subscriptions_per_user_and_address: usize,
    /// The shortest duration of a subscription: 60 s. A shorter one is refused with 423; zero asks for the state once, or ends a subscription.
    pub min_expires: Duration,
    /// The longest duration of a subscription, and its duration where the SUBSCRIBE gives none: one hour. A longer one is shortened.
    pub max_expires: Duration,
    /// The number of failed authentications of one user from one address, one of which is forgotten each minute: 20. When it is reached, further
    /// requests get 403, except in a dialog of this user.
    pub max_failures: u32,
    /// The number of failed authentications of one user from all addresses, one of which is forgotten every six seconds: 100. When it is reached,
    /// an address from which the user has not subscribed before gets 503; an address from which the user has is served as before.
    pub max_failures_per_user: u32,
    /// The number of connections: 1024, but no more than a quarter of the file descriptors that the process may open. When it is reached, the
    /// oldest connection on which no user has authenticated is closed, among those of the network that has the most of them.
    pub max_connections: usize,
    /// The number of connections from one address: 64, but no more than a quarter of all connections where file descriptors limit their number.
    /// When it is reached, the oldest of them on which no user has authenticated is closed.
    pub max_connections_per_address: usize,
    /// How long a connection may be open before a user has authenticated on it: 30 s.
    pub unauthenticated_timeout: Duration,
    /// How long a connection may be silent in both directions after that: 75 minutes, more than the longest subscription.
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
    /// The limits on connections, with the number of file descriptors that the operating system allows now.
    pub(super) fn for_connections(&self) -> ConnectionLimits {
        self.with_descriptors(descriptor_limit())
    }

    /// The limits on connections for a process with so many file descriptors, most of which are left to files, mail and everything else.
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

/// One quarter of the file descriptors is for connections; where that limits their number, one quarter of them is for one address.
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
