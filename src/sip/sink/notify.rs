//! [`UnsolicitedNotify`]: one NOTIFY outside of a dialog, with the proofs that it is asked for on the way.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::super::digest::{DigestChallenge, DigestCredentials};
use super::super::message::{HeaderName, Headers, Method, Request, Response, SipMessage, StatusCode, host_of};
use super::super::transaction::ClientTransaction;
use super::super::transport::Channel;
use super::super::{MessageSummary, SipUri, Transport};
use super::error::NotifyError;

/// What is told to whom.
#[derive(Debug)]
pub(super) struct UnsolicitedNotify<'a> {
    pub(super) from: &'a SipUri,
    pub(super) target: &'a SipUri,
    pub(super) body: Bytes,
    pub(super) credentials: Option<&'a DigestCredentials>,
    /// What tells this NOTIFY from all others.
    pub(super) call_id: String,
    /// When an answer is no longer waited for, if that is before the transaction's own end.
    pub(super) deadline: Option<Instant>,
}

impl UnsolicitedNotify<'_> {
    /// Sends it over `channel` until it is answered for good.
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
            // RFC 3261 §22.2: what was refused once is not said again, unless it was only its nonce that was too old.
            if proof.as_ref().is_some_and(|(said, _)| *said == answer) && !challenge.is_stale() {
                return Err(NotifyError::Unauthorized(response.status));
            }
            proof = Some((answer, challenge.answer(credentials, Method::Notify.as_str(), &request.uri, 1, &random_id()?)));
        }
        Err(NotifyError::Unauthorized(StatusCode::UNAUTHORIZED))
    }

    /// How long it is, about, without a proof.
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
        // RFC 5630 §3.1: what is asked of a `sips:` address comes from one.
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
            // Nobody has subscribed, and nothing follows in this dialog.
            .with(HeaderName::SubscriptionState, "terminated")
            .with(HeaderName::ContentType, MessageSummary::CONTENT_TYPE);
        if let Some((name, value)) = proof {
            headers.push(*name, value.as_str());
        }
        Request { method: Method::Notify, uri: self.target.to_string(), headers, body: self.body.clone() }
    }

    /// One transaction: sends `request` until its answer is there.
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
                    // Of another transaction, or a question that nobody here answers.
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

/// 128 random bits as text.
pub(super) fn random_id() -> Result<String, NotifyError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// What every branch begins with. RFC 3261 §8.1.1.7.
const BRANCH: &str = "z9hG4bK";
pub(super) const EVENT: &str = "message-summary";
/// As it is; with a proof for the proxy; with one for the server; and each again with a newer nonce.
const MAX_REQUESTS: u32 = 5;
