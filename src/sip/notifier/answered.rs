//! [`Answered`]: requests that come again get the same response again.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use bytes::Bytes;

use super::super::message::Request;
use super::super::transaction::GIVE_UP_AFTER;

/// The responses of the last 32 seconds to requests that came as datagrams; at most so many, the newest.
///
/// # Source
///
/// RFC 3261 §17.2.2, with timer J.
#[derive(Debug)]
pub(super) struct Answered {
    most: usize,
    responses: HashMap<Transaction, Bytes>,
    order: VecDeque<(Instant, Transaction)>,
}

/// What tells a transaction from all others. RFC 3261 §17.2.3.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Transaction {
    branch: String,
    sent_by: String,
    method: String,
    from: IpAddr,
}

impl Transaction {
    /// That of `request`, which came from `from`.
    pub(super) fn of(request: &Request, from: IpAddr) -> Option<Self> {
        let via = request.via()?;
        let sent_by = format!("{}:{}", via.host, via.port.unwrap_or_default());
        Some(Self { branch: via.branch()?.to_owned(), sent_by, method: request.method.as_str().to_owned(), from })
    }
}

impl Answered {
    pub(super) fn new(most: usize) -> Self {
        Self { most, responses: HashMap::new(), order: VecDeque::new() }
    }

    /// What was answered to it.
    pub(super) fn find(&mut self, transaction: &Transaction, now: Instant) -> Option<Bytes> {
        self.forget(now);
        self.responses.get(transaction).cloned()
    }

    pub(super) fn handle_answer(&mut self, transaction: Transaction, response: Bytes, now: Instant) {
        self.forget(now);
        if self.order.len() >= self.most
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.responses.remove(&oldest);
        }
        self.order.push_back((now + GIVE_UP_AFTER, transaction.clone()));
        self.responses.insert(transaction, response);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    fn forget(&mut self, now: Instant) {
        while let Some((until, _)) = self.order.front()
            && *until <= now
            && let Some((_, transaction)) = self.order.pop_front()
        {
            self.responses.remove(&transaction);
        }
    }
}
