//! [`SipLimits`].

use std::time::Duration;

/// What telephones may take of a [`SipNotifier`](super::SipNotifier). Sizes of messages are in [`message`](crate::sip::message).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SipLimits {
    /// Subscriptions in all: 10 000. Beyond, those whose connection is closed end first; then 503.
    pub subscriptions: usize,
    /// Subscriptions of one user: 16. Beyond, those whose connection is closed end first; then 503.
    pub subscriptions_of_user: usize,
    /// Subscriptions of one user from one address: 8, so that a telephone that subscribes without end leaves room for the others of its
    /// user. Beyond, the oldest one of the same telephone ends.
    pub subscriptions_of_user_from_address: usize,
    /// The shortest time to subscribe for: 60 s. Below, 423; zero is to ask once.
    pub shortest: Duration,
    /// The longest time to subscribe for, and how long it is where nothing is said: one hour. Above, it is made shorter.
    pub longest: Duration,
    /// Failed proofs of one user from one address, one of which is forgiven each minute: 20. Beyond, 403.
    pub failures: u32,
    /// Failed proofs of one user from all addresses together, one of which is forgiven every six seconds: 100. Beyond, an address from
    /// which the user has not subscribed before gets 503; one from which the user has is served as ever.
    pub failures_of_user: u32,
    /// Connections in all: 1024.
    pub connections: usize,
    /// Connections from one address: 64.
    pub connections_from_address: usize,
    /// How long a connection may be open before somebody has proven to be there: 30 s.
    pub unproven: Duration,
    /// How long a connection may be silent both ways after that: 75 minutes, more than the longest subscription.
    pub idle: Duration,
    /// How long the last NOTIFYs may take after a stop: 2 s.
    pub stop_time: Duration,
}

impl Default for SipLimits {
    fn default() -> Self {
        Self {
            subscriptions: 10_000,
            subscriptions_of_user: 16,
            subscriptions_of_user_from_address: 8,
            shortest: Duration::from_secs(60),
            longest: Duration::from_secs(3600),
            failures: 20,
            failures_of_user: 100,
            connections: 1024,
            connections_from_address: 64,
            unproven: Duration::from_secs(30),
            idle: Duration::from_secs(75 * 60),
            stop_time: Duration::from_secs(2),
        }
    }
}
