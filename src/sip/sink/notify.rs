//! [`UnsolicitedNotify`]: one NOTIFY without a subscription, which answers the challenges of servers and proxies.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::super::digest::{DigestChallenge, DigestCredentials};
use super::super::message::{HeaderName, Headers, Method, Request, Response, SipMessage, StatusCode, host_of};
use super::super::transaction::ClientTransaction;
use super::super::transport::Channel;
use super::super::{MessageSummary, SipUri, Transport};
use super::error::NotifyError;
use crate::retry::now;

/// A NOTIFY outside of a dialog.
#[derive(Debug)]
pub(super) struct UnsolicitedNotify<'a> {
    pub(super) from: &'a SipUri,
    pub(super) target: &'a SipUri,
    pub(super) body: Bytes,
    pub(super) credentials: Option<&'a DigestCredentials>,
    /// The Call-ID; each NOTIFY has another one.
    pub(super) call_id: String,
    /// When to stop waiting for a response, if that is before the transaction times out.
    pub(super) deadline: Option<Instant>,
}

impl UnsolicitedNotify<'_> {
    /// Sends the NOTIFY over `channel`, and again with credentials after each challenge, until the final response.
    pub(super) async fn deliver(&self, transport: Transport, channel: &mut dyn Channel) -> Result<(), NotifyError> {
        let mut proof: Option<(HeaderName, String)> = None;
        for number in 1..=MAX_REQUESTS {
            let branch = random_id()?;
            let request = self.request(transport, channel.local(), &branch, number, proof.as_ref());
            let response = self.exchange(transport, channel, &request.to_bytes(), &branch).await?;
            let (asked, answer) = match response.status {
                status if status.is_success() => return Ok(()),
                StatusCode::UNAUTHORIZED => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
                StatusCode::PROXY_UNAUTHORIZED => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
                _ => return Err(NotifyError::rejected(&response)),
            };
            let challenge = DigestChallenge::choose(response.headers.all(asked));
            let (Some(challenge), Some(credentials)) = (challenge, self.credentials) else {
                return Err(NotifyError::Unauthorized(response.status));
            };
            // RFC 3261 §22.2: refused credentials are not sent again, unless only their nonce was too old.
            if proof.as_ref().is_some_and(|(said, _)| *said == answer) && !challenge.is_stale() {
                return Err(NotifyError::Unauthorized(response.status));
            }
            proof = Some((answer, challenge.answer(credentials, Method::Notify.as_str(), &request.uri, 1, &random_id()?)));
        }
        Err(NotifyError::Unauthorized(StatusCode::UNAUTHORIZED))
    }

    /// The approximate length of the request in bytes, without credentials.
    pub(super) fn len(&self, transport: Transport, local: SocketAddr) -> usize {
        self.request(transport, local, &self.call_id, 1, None).to_bytes().len()
    }

    fn request(
        &self,
        transport: Transport,
        local: SocketAddr,
        branch: &str,
        number: u32,
        proof: Option<&(HeaderName, String)>,
    ) -> Request {
        let place = format!("{}:{}", host_of(local.ip()), local.port());
        let user = self.from.user().map(|user| format!("{user}@")).unwrap_or_default();
        // RFC 5630 §3.1: a request to a `sips:` URI has a `sips:` Contact.
        let (scheme, way) = if self.target.is_secure() { ("sips", "") } else { ("sip", transport.param()) };
        let mut headers = Headers::default()
            .with(HeaderName::Via, format!("SIP/2.0/{} {place};rport;branch={BRANCH}{branch}", transport.name()))
            .with(HeaderName::MaxForwards, "70")
            .with(HeaderName::From, format!("<{}>;tag={}", self.from, &self.call_id[..8]))
            .with(HeaderName::To, format!("<{}>", self.target))
            .with(HeaderName::CallId, self.call_id.as_str())
            .with(HeaderName::CSeq, format!("{number} {}", Method::Notify.as_str()))
            .with(HeaderName::Contact, format!("<{scheme}:{user}{place}{way}>"))
            .with(HeaderName::Event, EVENT)
            // There is no subscription, so no other NOTIFY follows.
            .with(HeaderName::SubscriptionState, "terminated")
            .with(HeaderName::ContentType, MessageSummary::CONTENT_TYPE);
        if let Some((name, value)) = proof {
            headers.push(*name, value.as_str());
        }
        Request { method: Method::Notify, uri: self.target.to_string(), headers, body: self.body.clone() }
    }

    /// Runs one transaction: sends `request`, again where needed, until the final response.
    async fn exchange(
        &self,
        transport: Transport,
        channel: &mut dyn Channel,
        request: &[u8],
        branch: &str,
    ) -> Result<Response, NotifyError> {
        let branch = format!("{BRANCH}{branch}");
        let mut transaction = ClientTransaction::new(transport, now());
        loop {
            if transaction.poll_transmit(now()) {
                channel.send(request).await?;
            }
            let due = Instant::from_std(transaction.poll_timeout());
            tokio::select! {
                received = channel.receive() => match received? {
                    SipMessage::Response(response) if response.answers(&branch, &Method::Notify) => {
                        if response.status.is_provisional() {
                            transaction.handle_provisional();
                        } else if transaction.handle_final(now()) {
                            return Ok(response);
                        }
                    }
                    // A response of another transaction, or a request, which the sink does not serve.
                    SipMessage::Response(_) | SipMessage::Request(_) => {}
                },
                () = sleep_until(self.deadline.map_or(due, |deadline| deadline.min(due))) => {
                    if transaction.is_given_up(now()) || self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        return Err(NotifyError::NoAnswer);
                    }
                }
            }
        }
    }
}

/// 128 random bits in hexadecimal digits.
pub(super) fn random_id() -> Result<String, NotifyError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The prefix of every branch. RFC 3261 §8.1.1.7.
const BRANCH: &str = "z9hG4bK";
pub(super) const EVENT: &str = "message-summary";
/// The request without credentials, with those for the proxy, with those for the server, and each again with a newer nonce.
const MAX_REQUESTS: u32 = 5;
