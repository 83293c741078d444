//! [`ResponseCache`]: the responses to requests that may be retransmitted.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::super::digest::hex;
use super::super::message::{Address, HeaderName, Request};
use super::super::transaction::TRANSACTION_TIMEOUT;
use super::dialog::BRANCH;

/// The responses of the last 32 seconds to requests that came as datagrams, so that a retransmission gets the same response. At most
/// `most` are kept, the newest.
///
/// # Source
///
/// RFC 3261 §17.2.2, with timer J.
#[derive(Debug)]
pub(super) struct ResponseCache {
    most: usize,
    responses: HashMap<TransactionKey, Bytes>,
    order: VecDeque<(Instant, TransactionKey)>,
}

/// The identity of a server transaction. RFC 3261 §17.2.3.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TransactionKey {
    /// The branch, or a hash of the fields that replace it in a request of RFC 2543.
    id: String,
    sent_by: String,
    method: String,
    from: IpAddr,
}

impl TransactionKey {
    /// The key of `request`, which came from `from`; `None` where its Via is missing or malformed.
    pub(super) fn of(request: &Request, from: IpAddr) -> Option<Self> {
        let via = request.via()?;
        let sent_by = format!("{}:{}", via.host, via.port.unwrap_or_default());
        let branch = via.branch().filter(|branch| branch.starts_with(BRANCH));
        let id = branch.map_or_else(|| old_id(request), str::to_owned);
        Some(Self { id, sent_by, method: request.method.as_str().to_owned(), from })
    }
}

/// The identity of a request without a branch, or with a branch that lacks the prefix of RFC 3261: a hash of its Request-URI, tags, Call-ID,
/// `CSeq` and topmost Via.
///
/// # Source
///
/// RFC 3261 §17.2.3, for the requests of RFC 2543.
fn old_id(request: &Request) -> String {
    let headers = &request.headers;
    let tag = |name| headers.get(name).and_then(Address::parse).and_then(|address| address.tag()).unwrap_or_default();
    let top_via = headers.elements(HeaderName::Via).next().unwrap_or_default();
    let whole = |name| headers.get(name).unwrap_or_default();
    let parts = [
        request.uri.as_str(),
        tag(HeaderName::To),
        tag(HeaderName::From),
        whole(HeaderName::CallId),
        whole(HeaderName::CSeq),
        top_via,
    ];
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        // No part has a line end in it, so two different lists of parts never give the same text.
        hash.update(b"\n");
    }
    hex(&hash.finalize())
}

impl ResponseCache {
    pub(super) fn new(most: usize) -> Self {
        Self { most, responses: HashMap::new(), order: VecDeque::new() }
    }

    /// The response that was sent in `transaction`, if it is still kept.
    pub(super) fn find(&mut self, transaction: &TransactionKey, now: Instant) -> Option<Bytes> {
        self.forget(now);
        self.responses.get(transaction).cloned()
    }

    pub(super) fn handle_answer(&mut self, transaction: TransactionKey, response: Bytes, now: Instant) {
        self.forget(now);
        if self.order.len() >= self.most
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.responses.remove(&oldest);
        }
        self.order.push_back((now + TRANSACTION_TIMEOUT, transaction.clone()));
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
