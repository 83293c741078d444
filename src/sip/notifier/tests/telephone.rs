//! A notifier's state machine with telephones, without a network; the test sets the time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chrono::DateTime;

use super::super::super::digest::{DigestAuthenticator, DigestChallenge, DigestCredentials, DigestSecret};
use super::super::super::message::{Address, CSeq, HeaderName, Headers, Method, Request, Response, SipMessage, StatusCode};
use super::super::super::transport::{MessageSource, NextHop};
use super::super::super::{MessageSummary, Transport};
use super::super::SipLimits;
use super::super::id_generator::IdGenerator;
use super::super::server::{Server, SubscriptionId};
use super::super::users::Users;
use crate::message::{MailboxId, Summary};
use crate::mwi::{CurrentState, MwiState};

pub(super) fn mailbox() -> MailboxId {
    "2041".parse().unwrap()
}

pub(super) fn state(version: u64, new: u32) -> MwiState {
    MwiState { mailbox: mailbox(), summary: Summary { new, ..Summary::default() }, version, as_of: DateTime::UNIX_EPOCH }
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A server, its clock, and the messages and lookups that it has asked for.
pub(super) struct TestNotifier {
    pub(super) server: Server,
    pub(super) now: Instant,
    pub(super) sent: Vec<(NextHop, SipMessage)>,
    pub(super) asked: Vec<(SubscriptionId, MailboxId)>,
    /// The result of each lookup; lookups stay unanswered while it is `None`.
    pub(super) current: Option<CurrentState>,
    /// Whether lookups are taken from the server.
    pub(super) counts: bool,
}

impl TestNotifier {
    pub(super) fn new(limits: SipLimits) -> Self {
        let now = Instant::now();
        let users = ["2041", "2042", "sales"];
        let secret = |user: &&str| ((*user).to_owned(), DigestSecret::of(user, "vm.example", "correct horse"));
        let authenticator =
            DigestAuthenticator::new("vm.example", [1; DigestAuthenticator::KEY_LEN], now).users(users.iter().map(secret));
        let mailboxes: HashMap<_, _> = users.iter().map(|user| ((*user).to_owned(), vec![user.parse().unwrap()])).collect();
        let server =
            Server::new(Users::new(authenticator, mailboxes, &limits), limits, IdGenerator::new([2; IdGenerator::KEY_LEN]));
        Self { server, now, sent: Vec::new(), asked: Vec::new(), current: Some(CurrentState::Known(state(1, 1))), counts: true }
    }

    /// Hands a message to the server, and carries out its actions.
    pub(super) fn receive(&mut self, message: impl Into<SipMessage>, source: MessageSource) {
        self.server.handle_message(message.into(), source, self.now);
        self.settle();
    }

    /// Advances the time from timer to timer.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.server.handle_time(self.now);
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn settle(&mut self) {
        loop {
            let ask = if self.counts { self.server.poll_lookup() } else { None };
            self.asked.extend(ask.clone());
            if let (Some((id, _)), Some(current)) = (ask, &self.current) {
                self.server.handle_current(id, &current.clone(), self.now);
            }
            let Some(transmit) = self.server.poll_transmit() else { return };
            self.sent.push((transmit.next_hop, SipMessage::parse(&transmit.bytes).unwrap()));
        }
    }

    /// The messages that were sent since the last call: responses by their status, NOTIFYs by their content.
    pub(super) fn said(&mut self) -> Vec<String> {
        let said = |(_, message): (NextHop, SipMessage)| match message {
            SipMessage::Response(response) => response.status.code().to_string(),
            SipMessage::Request(request) => {
                let subscription = request.headers.get(HeaderName::SubscriptionState).unwrap().to_owned();
                let new = MessageSummary::parse(&request.body).map(|summary| summary.voice.unwrap().new.to_string());
                format!("{subscription}: {}", new.unwrap_or_else(|_| "nothing".into()))
            }
        };
        std::mem::take(&mut self.sent).into_iter().map(said).collect()
    }

    /// The NOTIFY that was sent last.
    pub(super) fn notify(&self) -> Request {
        let mut requests = self.sent.iter().rev().filter_map(|(_, message)| match message {
            SipMessage::Request(request) => Some(request.clone()),
            SipMessage::Response(_) => None,
        });
        requests.next().expect("a NOTIFY was sent")
    }

    /// Answers the NOTIFY that was sent last.
    pub(super) fn answer(&mut self, status: u16, retry_after: Option<u32>) {
        let notify = self.notify();
        let mut response = notify.response(StatusCode::new(status).unwrap(), "phone");
        if let Some(secs) = retry_after {
            response.headers.push(HeaderName::RetryAfter, secs.to_string());
        }
        self.receive(response, udp("192.0.2.7:5062"));
    }
}

impl From<Request> for SipMessage {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for SipMessage {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// A datagram from `peer`.
pub(super) fn udp(peer: &str) -> MessageSource {
    MessageSource { transport: Transport::Udp, peer: address(peer), local: address("192.0.2.1:5060"), connection: None }
}

/// A telephone, with one subscription or none.
pub(super) struct Telephone {
    pub(super) credentials: DigestCredentials,
    pub(super) source: MessageSource,
    pub(super) call_id: String,
    pub(super) to: String,
    number: u32,
    /// The last SUBSCRIBE with credentials.
    pub(super) last_authorized: Option<Request>,
}

impl Telephone {
    pub(super) fn new(peer: &str) -> Self {
        let credentials = DigestCredentials::new("2041", "correct horse");
        Self {
            credentials,
            source: udp(peer),
            call_id: format!("call-{peer}"),
            to: "<sip:2041@vm.example>".into(),
            number: 0,
            last_authorized: None,
        }
    }

    /// A SUBSCRIBE for `expires` seconds.
    pub(super) fn request(&mut self, expires: u32) -> Request {
        self.number += 1;
        let (peer, transport) = (self.source.peer, self.source.transport);
        let next_hop = transport.param();
        let headers = Headers::default()
            .with(
                HeaderName::Via,
                format!("SIP/2.0/{} {peer};branch=z9hG4bK{}-{};rport", transport.name(), self.call_id, self.number),
            )
            .with(HeaderName::From, "<sip:2041@vm.example>;tag=phone")
            .with(HeaderName::To, self.to.as_str())
            .with(HeaderName::CallId, self.call_id.as_str())
            .with(HeaderName::CSeq, format!("{} SUBSCRIBE", self.number))
            .with(HeaderName::Contact, format!("<sip:2041@{peer}{next_hop}>"))
            .with(HeaderName::Event, "message-summary")
            .with(HeaderName::Accept, MessageSummary::CONTENT_TYPE)
            .with(HeaderName::Expires, expires.to_string());
        Request { method: Method::Subscribe, uri: "sip:2041@vm.example".into(), headers, body: bytes::Bytes::new() }
    }

    /// Sends `request`, answers a challenge, and returns the last response.
    pub(super) fn send(&mut self, notifier: &mut TestNotifier, request: &Request) -> Response {
        let first = self.exchange(notifier, request.clone());
        if first.status != StatusCode::UNAUTHORIZED {
            return first;
        }
        self.number += 1;
        let challenge = DigestChallenge::choose(first.headers.all(HeaderName::WwwAuthenticate)).unwrap();
        let again = self.authorized(request, &challenge);
        self.last_authorized = Some(again.clone());
        let response = self.exchange(notifier, again);
        if let Some(to) = response.headers.get(HeaderName::To).filter(|_| response.status.is_success()) {
            to.clone_into(&mut self.to);
        }
        response
    }

    /// `request` with the credentials that `challenged` asks for, and with its branch as it is.
    pub(super) fn authorized_by(&self, request: &Request, challenged: &Response) -> Request {
        let challenge = DigestChallenge::choose(challenged.headers.all(HeaderName::WwwAuthenticate)).unwrap();
        let mut again = with(request, HeaderName::CSeq, Some("2 SUBSCRIBE"));
        let proof = challenge.answer(&self.credentials, request.method.as_str(), &request.uri, 1, "c");
        again.headers.push(HeaderName::Authorization, proof);
        again
    }

    /// `request` with credentials, a new number and a new branch.
    pub(super) fn authorized(&self, request: &Request, challenge: &DigestChallenge) -> Request {
        let proof = challenge.answer(&self.credentials, request.method.as_str(), &request.uri, 1, "c");
        let branch = request.via().unwrap().branch().unwrap().to_owned();
        let number = CSeq::parse(request.headers.get(HeaderName::CSeq).unwrap()).unwrap().number + 1;
        let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
        let text = text.replace(&branch, &format!("{branch}p")).replace(&format!("{} SUB", number - 1), &format!("{number} SUB"));
        let Ok(SipMessage::Request(mut again)) = SipMessage::parse(text.as_bytes()) else { panic!("{text}") };
        again.headers.push(HeaderName::Authorization, proof);
        again
    }

    pub(super) fn subscribe(&mut self, notifier: &mut TestNotifier, expires: u32) -> Response {
        let request = self.request(expires);
        let response = self.send(notifier, &request);
        // Challenges are left out of the recorded messages.
        notifier.sent.retain(
            |(_, message)| !matches!(message, SipMessage::Response(response) if response.status == StatusCode::UNAUTHORIZED),
        );
        response
    }

    fn exchange(&mut self, notifier: &mut TestNotifier, request: Request) -> Response {
        let (before, branch) = (notifier.sent.len(), request.via().unwrap().branch().unwrap().to_owned());
        notifier.receive(request, self.source);
        let response = notifier.sent[before..].iter().find_map(|(_, message)| match message {
            SipMessage::Response(response) if response.answers(&branch, &Method::Subscribe) => Some(response.clone()),
            _ => None,
        });
        response.unwrap_or_else(|| panic!("no response to {branch}: {:?}", notifier.sent))
    }
}

/// The tag in a To field.
pub(super) fn tag(to: &str) -> &str {
    Address::parse(to).unwrap().tag().unwrap()
}

/// `request` with the field `name` replaced by `value`, or removed.
pub(super) fn with(request: &Request, name: HeaderName, value: Option<&str>) -> Request {
    let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
    let start = format!("{}: ", name.as_str());
    let kept: String = text.split_inclusive("\r\n").filter(|line| !line.starts_with(&start)).collect();
    let Ok(SipMessage::Request(mut request)) = SipMessage::parse(kept.as_bytes()) else { panic!("{kept}") };
    if let Some(value) = value {
        request.headers.push(name, value);
    }
    request
}
