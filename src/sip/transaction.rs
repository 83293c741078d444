//! [`ClientTransaction`]: when a request is retransmitted, and when it has timed out.

use std::time::{Duration, Instant};

use super::Transport;

/// A non-INVITE client transaction: one request, from its first transmission until no response is expected any more.
///
/// It has no socket and reads no clock.
///
/// # Source
///
/// RFC 3261 §17.1.2, with the timers E, F and K.
#[derive(Debug)]
pub(super) struct ClientTransaction {
    state: TransactionState,
    transport: Transport,
    /// Timer E: when the request is sent again, and the interval that follows.
    again: Option<Instant>,
    pause: Duration,
    /// Timer F, then timer K.
    end: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransactionState {
    Trying,
    Proceeding,
    Completed,
}

impl ClientTransaction {
    /// A transaction that begins at `now`: [`poll_transmit`](Self::poll_transmit) asks for the first transmission at once.
    pub(super) fn new(transport: Transport, now: Instant) -> Self {
        Self { state: TransactionState::Trying, transport, again: Some(now), pause: T1, end: now + TRANSACTION_TIMEOUT }
    }

    /// Whether to send the request now.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> bool {
        let due = self.again.is_some_and(|again| again <= now) && !self.is_over(now);
        if due {
            self.again = (!self.transport.is_reliable()).then(|| now + self.pause);
            self.pause = match self.state {
                TransactionState::Trying => (self.pause * 2).min(T2),
                TransactionState::Proceeding | TransactionState::Completed => T2,
            };
        }
        due
    }

    /// A provisional response has come: the request has arrived, and its final response is still expected.
    pub(super) fn handle_provisional(&mut self) {
        if self.state == TransactionState::Trying {
            (self.state, self.pause) = (TransactionState::Proceeding, T2);
        }
    }

    /// A final response has come; returns whether it is the first one. Over UDP, duplicates are expected for five seconds more.
    pub(super) fn handle_final(&mut self, now: Instant) -> bool {
        let first = self.state != TransactionState::Completed;
        if first {
            self.state = TransactionState::Completed;
            self.again = None;
            self.end = if self.transport.is_reliable() { now } else { now + T4 };
        }
        first
    }

    /// Whether the transaction has timed out without a final response.
    pub(super) fn is_given_up(&self, now: Instant) -> bool {
        self.state != TransactionState::Completed && self.is_over(now)
    }

    /// Whether the transaction has ended.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.end
    }

    /// When [`poll_transmit`](Self::poll_transmit) and [`is_over`](Self::is_over) are to be called again.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.again.map_or(self.end, |again| again.min(self.end))
    }
}

/// The estimated round-trip time. RFC 3261 §17.1.1.1.
pub(super) const T1: Duration = Duration::from_millis(500);
/// The longest interval between two transmissions of a request.
const T2: Duration = Duration::from_secs(4);
/// How long a datagram may stay in the network.
const T4: Duration = Duration::from_secs(5);
/// 64 times T1: timer F of a client, and timer J of a server.
pub(super) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::*;

    /// When the request is sent, in milliseconds, until `is_over`; `on_step` is called every 100 ms.
    fn sendings(transport: Transport, mut on_step: impl FnMut(&mut ClientTransaction, u64, Instant)) -> Vec<u64> {
        let start = Instant::now();
        let mut transaction = ClientTransaction::new(transport, start);
        let mut sent = Vec::new();
        let mut millis = 0;
        loop {
            let now = start + Duration::from_millis(millis);
            on_step(&mut transaction, millis, now);
            if transaction.poll_transmit(now) {
                sent.push(millis);
            }
            if transaction.is_over(now) {
                return sent;
            }
            assert!(transaction.poll_timeout() > now, "there is nothing to do until then");
            millis += 100;
        }
    }

    #[test]
    fn a_datagram_is_resent_ever_later_and_times_out_after_32_s() {
        let mut given_up = None;
        let sent = sendings(Transport::Udp, |transaction, millis, now| {
            if transaction.is_given_up(now) {
                given_up = Some(millis);
            }
        });
        assert_eq!(sent, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!(given_up, Some(32_000));
    }

    #[test]
    fn a_request_that_has_arrived_is_sent_again_less_often() {
        let sent = sendings(Transport::Udp, |transaction, millis, _| {
            if millis == 400 {
                transaction.handle_provisional();
            }
        });
        assert_eq!(sent, [0, 500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500]);
    }

    #[test]
    fn a_request_on_a_connection_is_sent_once() {
        assert_eq!(sendings(Transport::Tcp, |_, _, _| {}), [0]);
    }

    #[test]
    fn a_response_ends_it_and_duplicates_are_known_for_5_s() {
        for (transport, over_after) in [(Transport::Udp, T4), (Transport::Tcp, Duration::ZERO)] {
            let start = Instant::now();
            let mut transaction = ClientTransaction::new(transport, start);
            assert!(transaction.poll_transmit(start));
            let answered = start + Duration::from_millis(450);
            assert!(transaction.handle_final(answered) && !transaction.handle_final(answered));
            transaction.handle_provisional();
            assert!(!transaction.poll_transmit(start + T1) && !transaction.is_given_up(start + TRANSACTION_TIMEOUT));
            assert_eq!(transaction.poll_timeout(), answered + over_after);
            assert!(transaction.is_over(answered + over_after));
        }
    }
}
