//! The responses to requests.

use std::time::{Duration, Instant};

use super::super::super::message::{Address, HeaderName, Method, Params, Request, Response, StatusCode};
use super::super::super::transaction::TRANSACTION_TIMEOUT;
use super::super::super::transport::MessageSource;
use super::super::super::{MessageSummary, SipUri};
use super::super::dialog::{Dialog, local_address_for};
use super::super::subscription::Subscription;
use super::super::users::Authentication;
use super::{Server, SubscriptionId};
use crate::message::MailboxId;

impl Server {
    /// Answers a request. A SUBSCRIBE that is accepted begins or refreshes a subscription.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        source: MessageSource,
        now: Instant,
    ) -> Result<AcceptedSubscribe, OtherResponse> {
        let tag = self.ids.of(request.headers.get(HeaderName::CallId).unwrap_or_default());
        let respond = |status: StatusCode| request.response(status, &tag);
        let unauthenticated = |response: Response| OtherResponse { response, authenticated: false };
        if let Some(response) = response_without_login(request, source, &tag) {
            return Err(unauthenticated(response));
        }
        let owner = self.in_dialog(request).and_then(|id| self.subscriptions.get(&id)).map(|each| each.user.clone());
        let user = match self.users.check(&request.headers, &request.method, source.peer.ip(), owner.as_deref(), now) {
            Authentication::User(user) => user,
            Authentication::TooManyFailures => return Err(unauthenticated(respond(StatusCode::FORBIDDEN))),
            Authentication::RetryLater => {
                let mut response = respond(StatusCode::SERVICE_UNAVAILABLE);
                response.headers.push(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string());
                return Err(unauthenticated(response));
            }
            Authentication::Challenge(_) if self.is_merged(request, now) => {
                return Err(unauthenticated(respond(StatusCode::LOOP_DETECTED)));
            }
            Authentication::Challenge(challenges) => {
                let mut response = respond(StatusCode::UNAUTHORIZED);
                for challenge in challenges {
                    response.headers.push(HeaderName::WwwAuthenticate, challenge);
                }
                return Err(unauthenticated(response));
            }
        };
        self.authenticated.extend(source.connection);
        let subscribe = SubscribeRequest { request, source, user };
        self.subscribe(&subscribe, now).map_err(|refused| {
            let mut response = respond(refused.status);
            if let Some((name, value)) = refused.field {
                response.headers.push(name, value);
            }
            OtherResponse { response, authenticated: true }
        })
    }

    /// Answers a SUBSCRIBE of an authenticated user.
    fn subscribe(&mut self, subscribe: &SubscribeRequest<'_>, now: Instant) -> Result<AcceptedSubscribe, RefusedSubscribe> {
        let SubscribeRequest { request, source, user } = subscribe;
        if self.stopping {
            return Err(RefusedSubscribe::later());
        }
        let accepts = |range: &str| {
            let (range, _) = Params::after_word(range);
            ["*/*", "application/*", MessageSummary::CONTENT_TYPE].iter().any(|known| known.eq_ignore_ascii_case(range))
        };
        let mut accepted = request.headers.elements(HeaderName::Accept).peekable();
        if accepted.peek().is_some() && !accepted.any(accepts) {
            return Err(StatusCode::NOT_ACCEPTABLE.into());
        }
        let time = self.time(request)?;
        let number = request.cseq().ok_or(StatusCode::BAD_REQUEST)?.number;
        let to = request.headers.get(HeaderName::To).and_then(Address::parse).ok_or(StatusCode::BAD_REQUEST)?;
        let id = match to.tag() {
            Some(_) => self.refresh(subscribe, number, time, now)?,
            None => self.begin(subscribe, number, time, now)?,
        };
        let dialog = &self.subscriptions.get(&id).ok_or(StatusCode::NO_SUBSCRIPTION)?.dialog;
        let mut response = request.response(StatusCode::OK, &dialog.local_tag);
        for proxy in &dialog.route {
            response.headers.push(HeaderName::RecordRoute, proxy.as_str());
        }
        response.headers.push(HeaderName::Contact, dialog.contact());
        response.headers.push(HeaderName::Expires, time.as_secs().to_string());
        tracing::debug!(user = %user, source = %source.peer, secs = time.as_secs(), "a telephone subscribes");
        Ok(AcceptedSubscribe { response, id })
    }

    /// The duration of the subscription. RFC 6665 §4.2.1.1.
    fn time(&self, request: &Request) -> Result<Duration, RefusedSubscribe> {
        let wished = match request.headers.get(HeaderName::Expires) {
            Some(_) => Duration::from_secs(request.headers.number(HeaderName::Expires).ok_or(StatusCode::BAD_REQUEST)?.into()),
            None => self.limits.max_expires,
        };
        if !wished.is_zero() && wished < self.limits.min_expires {
            let shortest = self.limits.min_expires.as_secs().to_string();
            return Err(RefusedSubscribe {
                status: StatusCode::INTERVAL_TOO_BRIEF,
                field: Some((HeaderName::MinExpires, shortest)),
            });
        }
        Ok(wished.min(self.limits.max_expires))
    }

    /// Refreshes the subscription of a SUBSCRIBE within a dialog.
    fn refresh(
        &mut self,
        subscribe: &SubscribeRequest<'_>,
        number: u32,
        time: Duration,
        now: Instant,
    ) -> Result<SubscriptionId, RefusedSubscribe> {
        let SubscribeRequest { request, user, source } = subscribe;
        let id = self.in_dialog(request).ok_or(StatusCode::NO_SUBSCRIPTION)?;
        let subscription = self.subscriptions.get_mut(&id).ok_or(StatusCode::NO_SUBSCRIPTION)?;
        // RFC 6665 §4.1.2.2: the last NOTIFY has been sent, so the telephone has to begin a new subscription.
        if subscription.user == *user && subscription.is_ending() {
            return Err(StatusCode::NO_SUBSCRIPTION.into());
        }
        // A dialog that began at a `sips:` URI stays under TLS.
        if subscription.user != *user || (subscription.dialog.secure && !source.transport.is_secure()) {
            return Err(StatusCode::FORBIDDEN.into());
        }
        // RFC 3261 §12.2.2: the request was overtaken by a later one.
        if number <= subscription.remote_number {
            return Err(StatusCode::SERVER_ERROR.into());
        }
        subscription.dialog.handle_refresh(contact_of(request), *source);
        subscription.handle_subscribe(number, time, now);
        Ok(id)
    }

    /// The subscription whose dialog `request` belongs to.
    ///
    /// # Source
    ///
    /// RFC 6665 §4.4.1: Call-ID and both tags.
    fn in_dialog(&self, request: &Request) -> Option<SubscriptionId> {
        let tag = |name| request.headers.get(name).and_then(Address::parse).and_then(|address| address.tag());
        let (local_tag, remote_tag) = (tag(HeaderName::To)?, tag(HeaderName::From).unwrap_or_default());
        let id = SubscriptionId::of_tag(local_tag)?;
        let dialog = &self.subscriptions.get(&id)?.dialog;
        let same = dialog.local_tag == local_tag && dialog.remote_tag == remote_tag;
        (same && request.headers.get(HeaderName::CallId) == Some(&dialog.call_id)).then_some(id)
    }

    /// Begins a subscription, for a SUBSCRIBE outside of a dialog.
    fn begin(
        &mut self,
        subscribe: &SubscribeRequest<'_>,
        number: u32,
        time: Duration,
        now: Instant,
    ) -> Result<SubscriptionId, RefusedSubscribe> {
        let SubscribeRequest { request, source, user } = subscribe;
        let uri: SipUri = request.uri.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
        let asked = uri.user().and_then(|user| user.parse::<MailboxId>().ok());
        let mailbox = self.users.mailbox(user, asked.as_ref()).ok_or(StatusCode::FORBIDDEN)?.clone();
        let known = self.by_call(request).filter(|(_, each)| each.user == *user && each.mailbox == mailbox && !each.is_ending());
        let (id, local_tag) = match known {
            Some((id, subscription)) => (id, subscription.dialog.local_tag.clone()),
            None => self.new_id(),
        };
        let dialog = dialog(request, local_tag, *source, &uri).ok_or(StatusCode::BAD_REQUEST)?;
        let most = if source.connection.is_some() { MAX_DIALOG_BYTES } else { MAX_DIALOG_BYTES_FOR_DATAGRAMS };
        if dialog.len() > most {
            return Err(StatusCode::MESSAGE_TOO_LARGE.into());
        }
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            // The telephone did not get the response, or has restarted with the same Call-ID and tag: it gets the same dialog.
            subscription.dialog = dialog;
            subscription.handle_subscribe(number, time, now);
            return Ok(id);
        }
        self.make_room(user, &dialog, now)?;
        self.probe(user, &mailbox, &dialog, now);
        self.by_call_id.insert(dialog.key(), id);
        self.subscriptions.insert(id, Subscription::new(user.clone(), mailbox, dialog, number, time, now));
        Ok(id)
    }

    /// The identifier of the next subscription, and its local tag.
    fn new_id(&mut self) -> (SubscriptionId, String) {
        self.next += 1;
        let id = SubscriptionId(self.next);
        (id, id.tag(&self.ids.next()))
    }

    /// The subscription that began with the Call-ID and From tag of `request`.
    fn by_call(&self, request: &Request) -> Option<(SubscriptionId, &Subscription)> {
        let remote_tag = request.headers.get(HeaderName::From).and_then(Address::parse)?.tag().unwrap_or_default();
        let key = (request.headers.get(HeaderName::CallId)?.to_owned(), remote_tag.to_owned());
        let id = self.by_call_id.get(&key)?;
        Some((*id, self.subscriptions.get(id)?))
    }

    /// Whether `request` was accepted within the last 32 seconds, and has come again by another route.
    ///
    /// # Source
    ///
    /// RFC 3261 §8.2.2.2.
    fn is_merged(&self, request: &Request, now: Instant) -> bool {
        let untagged = request.headers.get(HeaderName::To).and_then(Address::parse).is_some_and(|to| to.tag().is_none());
        let number = request.cseq().map(|cseq| cseq.number);
        let accepted = self.by_call(request).filter(|_| untagged);
        accepted.is_some_and(|(_, each)| Some(each.remote_number) == number && now < each.subscribed_at + TRANSACTION_TIMEOUT)
    }
}

/// The dialog that `request` begins.
fn dialog(request: &Request, local_tag: String, source: MessageSource, uri: &SipUri) -> Option<Dialog> {
    let headers = &request.headers;
    let (from, to) = (headers.get(HeaderName::From)?, headers.get(HeaderName::To)?);
    Some(Dialog {
        call_id: headers.get(HeaderName::CallId)?.to_owned(),
        local: format!("{to};tag={local_tag}"),
        local_tag,
        remote_tag: Address::parse(from)?.tag().unwrap_or_default().to_owned(),
        remote: from.to_owned(),
        account: Address::parse(to)?.sip_uri()?.account(),
        target: contact_of(request).filter(|target| target.is_secure() || !uri.is_secure())?,
        route: headers.elements(HeaderName::RecordRoute).map(str::to_owned).collect(),
        local_address: local_address_for(source.local, uri),
        source,
        closed: false,
        through_proxy: headers.elements(HeaderName::Via).nth(1).is_some(),
        event: headers.get(HeaderName::Event)?.to_owned(),
        secure: uri.is_secure(),
    })
}

/// Returns the response to a request that needs no login, and to one that can be no SUBSCRIBE to this event package; `None` for a SUBSCRIBE.
fn response_without_login(request: &Request, source: MessageSource, tag: &str) -> Option<Response> {
    let respond = |status: StatusCode, fields: &[(HeaderName, &str)]| {
        let mut response = request.response(status, tag);
        for (name, value) in fields {
            response.headers.push(*name, *value);
        }
        Some(response)
    };
    let addresses = [HeaderName::From, HeaderName::To];
    let whole = request.cseq().is_some_and(|cseq| cseq.method == request.method)
        && addresses.iter().all(|name| request.headers.get(*name).and_then(Address::parse).is_some())
        && request.headers.get(HeaderName::CallId).is_some_and(|id| !id.is_empty());
    if !whole {
        return respond(StatusCode::BAD_REQUEST, &[]);
    }
    if !is_served(&request.uri, source) {
        return respond(StatusCode::UNSUPPORTED_SCHEME, &[]);
    }
    match request.method {
        Method::Options => {
            let accepted = (HeaderName::Accept, MessageSummary::CONTENT_TYPE);
            return respond(StatusCode::OK, &[(HeaderName::Allow, ALLOWED), (HeaderName::AllowEvents, EVENT), accepted]);
        }
        Method::Subscribe => {}
        Method::Notify | Method::Ack | Method::Other(_) => {
            return respond(StatusCode::METHOD_NOT_ALLOWED, &[(HeaderName::Allow, ALLOWED)]);
        }
    }
    if let Some(required) = request.headers.get(HeaderName::Require).filter(|required| !required.is_empty()) {
        return respond(StatusCode::BAD_EXTENSION, &[(HeaderName::Unsupported, required)]);
    }
    let (event, _) = Params::after_word(request.headers.get(HeaderName::Event).unwrap_or_default());
    if event.eq_ignore_ascii_case(EVENT) { None } else { respond(StatusCode::BAD_EVENT, &[(HeaderName::AllowEvents, EVENT)]) }
}

/// Whether the scheme of a Request-URI is accepted from `source`: `sip` always, `sips` under TLS.
///
/// # Source
///
/// RFC 3261 §8.2.2.1, RFC 5630 §3.1.
fn is_served(uri: &str, source: MessageSource) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else { return true };
    scheme.eq_ignore_ascii_case("sip") || (scheme.eq_ignore_ascii_case("sips") && source.transport.is_secure())
}

/// A SUBSCRIBE of an authenticated user.
struct SubscribeRequest<'a> {
    request: &'a Request,
    source: MessageSource,
    user: String,
}

/// The response to an accepted SUBSCRIBE, and its subscription.
pub(super) struct AcceptedSubscribe {
    pub(super) response: Response,
    pub(super) id: SubscriptionId,
}

/// The response to any other request.
pub(super) struct OtherResponse {
    pub(super) response: Response,
    /// Whether the request was authenticated.
    pub(super) authenticated: bool,
}

/// A SUBSCRIBE of an authenticated user that is refused.
pub(super) struct RefusedSubscribe {
    status: StatusCode,
    field: Option<(HeaderName, String)>,
}

impl RefusedSubscribe {
    pub(super) fn later() -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, field: Some((HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string())) }
    }
}

impl From<StatusCode> for RefusedSubscribe {
    fn from(status: StatusCode) -> Self {
        Self { status, field: None }
    }
}

/// The Contact of the telephone.
fn contact_of(request: &Request) -> Option<SipUri> {
    request.headers.elements(HeaderName::Contact).next().and_then(Address::parse)?.sip_uri()
}

const EVENT: &str = "message-summary";
const ALLOWED: &str = "SUBSCRIBE, OPTIONS";
const RETRY_AFTER_SECS: u32 = 60;
/// The largest size of a dialog, in bytes. With the smaller one for datagrams, NOTIFYs stay below 1300 bytes, as RFC 3261 §18.1.1 asks.
const MAX_DIALOG_BYTES: usize = 4096;
const MAX_DIALOG_BYTES_FOR_DATAGRAMS: usize = 800;
