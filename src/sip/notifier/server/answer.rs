//! What is answered to a request.

use std::time::{Duration, Instant};

use super::super::super::message::{Address, Method, Name, Params, Request, Response, Status};
use super::super::super::transaction::GIVE_UP_AFTER;
use super::super::super::transport::Source;
use super::super::super::{MessageSummary, SipUri, Transport};
use super::super::dialog::{Dialog, place_of};
use super::super::subscription::Subscription;
use super::super::users::Proof;
use super::{Server, SubscriptionId};
use crate::message::MailboxId;

impl Server {
    /// Answers a request; a SUBSCRIBE that is accepted begins a subscription, or makes it longer.
    pub(super) fn answer(&mut self, request: &Request, source: Source, now: Instant) -> Result<Accepted, Refusal> {
        let tag = self.random.of(request.headers.get(Name::CallId).unwrap_or_default());
        let respond = |status: Status| request.response(status, &tag);
        let unproven = |response: Response| Refusal { response, proven: false };
        let whole = request.cseq().is_some_and(|cseq| cseq.method == request.method)
            && [Name::From, Name::To].iter().all(|name| request.headers.get(*name).and_then(Address::parse).is_some())
            && request.headers.get(Name::CallId).is_some_and(|id| !id.is_empty());
        if !whole {
            return Err(unproven(respond(Status::BAD_REQUEST)));
        }
        if !is_served(&request.uri, source) {
            return Err(unproven(respond(Status::UNSUPPORTED_SCHEME)));
        }
        match request.method {
            Method::Options => {
                let mut response = respond(Status::OK);
                response.headers.push(Name::Allow, ALLOWED);
                response.headers.push(Name::AllowEvents, EVENT);
                response.headers.push(Name::Accept, MessageSummary::CONTENT_TYPE);
                return Err(unproven(response));
            }
            Method::Subscribe => {}
            Method::Notify | Method::Ack | Method::Other(_) => {
                let mut response = respond(Status::METHOD_NOT_ALLOWED);
                response.headers.push(Name::Allow, ALLOWED);
                return Err(unproven(response));
            }
        }
        if let Some(required) = request.headers.get(Name::Require).filter(|required| !required.is_empty()) {
            let mut response = respond(Status::BAD_EXTENSION);
            response.headers.push(Name::Unsupported, required);
            return Err(unproven(response));
        }
        let (event, _) = Params::after_word(request.headers.get(Name::Event).unwrap_or_default());
        if !event.eq_ignore_ascii_case(EVENT) {
            let mut response = respond(Status::BAD_EVENT);
            response.headers.push(Name::AllowEvents, EVENT);
            return Err(unproven(response));
        }
        let owner = self.in_dialog(request).and_then(|id| self.subscriptions.get(&id)).map(|each| each.user.clone());
        let user = match self.users.check(&request.headers, &request.method, source.peer.ip(), owner.as_deref(), now) {
            Proof::Of(user) => user,
            Proof::TooMany => return Err(unproven(respond(Status::FORBIDDEN))),
            Proof::Later => {
                let mut response = respond(Status::SERVICE_UNAVAILABLE);
                response.headers.push(Name::RetryAfter, RETRY_AFTER_SECS.to_string());
                return Err(unproven(response));
            }
            Proof::None(_) if self.is_merged(request, now) => return Err(unproven(respond(Status::LOOP_DETECTED))),
            Proof::None(challenges) => {
                let mut response = respond(Status::UNAUTHORIZED);
                for challenge in challenges {
                    response.headers.push(Name::WwwAuthenticate, challenge);
                }
                return Err(unproven(response));
            }
        };
        self.proven.extend(source.connection);
        let wish = Wish { request, source, user };
        self.subscribe(&wish, now).map_err(|refused| {
            let mut response = respond(refused.status);
            if let Some((name, value)) = refused.field {
                response.headers.push(name, value);
            }
            Refusal { response, proven: true }
        })
    }

    /// Answers a SUBSCRIBE of a user who is known.
    fn subscribe(&mut self, wish: &Wish<'_>, now: Instant) -> Result<Accepted, Refused> {
        let Wish { request, source, user } = wish;
        if self.stopping {
            return Err(Refused::later());
        }
        let accepts = |range: &str| {
            let (range, _) = Params::after_word(range);
            ["*/*", "application/*", MessageSummary::CONTENT_TYPE].iter().any(|known| known.eq_ignore_ascii_case(range))
        };
        let mut accepted = request.headers.elements(Name::Accept).peekable();
        if accepted.peek().is_some() && !accepted.any(accepts) {
            return Err(Status::NOT_ACCEPTABLE.into());
        }
        let time = self.time(request)?;
        let number = request.cseq().ok_or(Status::BAD_REQUEST)?.number;
        let to = request.headers.get(Name::To).and_then(Address::parse).ok_or(Status::BAD_REQUEST)?;
        let id = match to.tag() {
            Some(_) => self.refresh(wish, number, time, now)?,
            None => self.begin(wish, number, time, now)?,
        };
        let dialog = &self.subscriptions.get(&id).ok_or(Status::NO_SUBSCRIPTION)?.dialog;
        let mut response = request.response(Status::OK, &dialog.local_tag);
        for proxy in &dialog.route {
            response.headers.push(Name::RecordRoute, proxy.as_str());
        }
        response.headers.push(Name::Contact, dialog.contact());
        response.headers.push(Name::Expires, time.as_secs().to_string());
        tracing::debug!(user = %user, source = %source.peer, secs = time.as_secs(), "a telephone subscribes");
        Ok(Accepted { response, id })
    }

    /// For how long. RFC 6665 §4.2.1.1.
    fn time(&self, request: &Request) -> Result<Duration, Refused> {
        let wished = match request.headers.get(Name::Expires) {
            Some(_) => Duration::from_secs(request.headers.number(Name::Expires).ok_or(Status::BAD_REQUEST)?.into()),
            None => self.limits.longest,
        };
        if !wished.is_zero() && wished < self.limits.shortest {
            let shortest = self.limits.shortest.as_secs().to_string();
            return Err(Refused { status: Status::INTERVAL_TOO_BRIEF, field: Some((Name::MinExpires, shortest)) });
        }
        Ok(wished.min(self.limits.longest))
    }

    /// A SUBSCRIBE within a dialog.
    fn refresh(&mut self, wish: &Wish<'_>, number: u32, time: Duration, now: Instant) -> Result<SubscriptionId, Refused> {
        let Wish { request, user, source } = wish;
        let id = self.in_dialog(request).ok_or(Status::NO_SUBSCRIPTION)?;
        let subscription = self.subscriptions.get_mut(&id).ok_or(Status::NO_SUBSCRIPTION)?;
        // RFC 6665 §4.1.2.2: its last NOTIFY is on its way, and whoever does not see that begins a new one.
        if subscription.user == *user && subscription.is_ending() {
            return Err(Status::NO_SUBSCRIPTION.into());
        }
        // What was begun at a `sips:` address goes on under TLS.
        if subscription.user != *user || (subscription.dialog.secure && source.transport != Transport::Tls) {
            return Err(Status::FORBIDDEN.into());
        }
        // RFC 3261 §12.2.2: what was overtaken on its way.
        if number <= subscription.remote_number {
            return Err(Status::SERVER_ERROR.into());
        }
        subscription.dialog.handle_refresh(contact_of(request), *source);
        subscription.handle_subscribe(number, time, now);
        Ok(id)
    }

    /// The subscription in whose dialog `request` is.
    ///
    /// # Source
    ///
    /// RFC 6665 §4.4.1: Call-ID and both tags.
    fn in_dialog(&self, request: &Request) -> Option<SubscriptionId> {
        let tag = |name| request.headers.get(name).and_then(Address::parse).and_then(|address| address.tag());
        let (local_tag, remote_tag) = (tag(Name::To)?, tag(Name::From).unwrap_or_default());
        let id = SubscriptionId::of_tag(local_tag)?;
        let dialog = &self.subscriptions.get(&id)?.dialog;
        let same = dialog.local_tag == local_tag && dialog.remote_tag == remote_tag;
        (same && request.headers.get(Name::CallId) == Some(&dialog.call_id)).then_some(id)
    }

    /// A SUBSCRIBE that begins a dialog.
    fn begin(&mut self, wish: &Wish<'_>, number: u32, time: Duration, now: Instant) -> Result<SubscriptionId, Refused> {
        let Wish { request, source, user } = wish;
        let uri: SipUri = request.uri.parse().map_err(|_| Status::BAD_REQUEST)?;
        let asked = uri.user().and_then(|user| user.parse::<MailboxId>().ok());
        let mailbox = self.users.mailbox(user, asked.as_ref()).ok_or(Status::FORBIDDEN)?.clone();
        let known = self.of_call(request).filter(|(_, each)| each.user == *user && each.mailbox == mailbox && !each.is_ending());
        let (id, local_tag) = match known {
            Some((id, subscription)) => (id, subscription.dialog.local_tag.clone()),
            None => self.new_id(),
        };
        let dialog = dialog(request, local_tag, *source, &uri).ok_or(Status::BAD_REQUEST)?;
        let most = if source.connection.is_some() { MOST_KEPT } else { MOST_KEPT_FOR_DATAGRAMS };
        if dialog.len() > most {
            return Err(Status::MESSAGE_TOO_LARGE.into());
        }
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            // The telephone did not see the response, or has started again with the same names: it gets the same dialog.
            subscription.dialog = dialog;
            subscription.handle_subscribe(number, time, now);
            return Ok(id);
        }
        self.make_room(user, &dialog, now)?;
        self.probe(user, &mailbox, &dialog, now);
        self.calls.insert(dialog.call(), id);
        self.subscriptions.insert(id, Subscription::new(user.clone(), mailbox, dialog, number, time, now));
        Ok(id)
    }

    /// The name of the next subscription, and its tag.
    fn new_id(&mut self) -> (SubscriptionId, String) {
        self.next += 1;
        let id = SubscriptionId(self.next);
        (id, id.tag(&self.random.next()))
    }

    /// The subscription that began with the Call-ID and From tag of `request`.
    fn of_call(&self, request: &Request) -> Option<(SubscriptionId, &Subscription)> {
        let remote_tag = request.headers.get(Name::From).and_then(Address::parse)?.tag().unwrap_or_default();
        let call = (request.headers.get(Name::CallId)?.to_owned(), remote_tag.to_owned());
        let id = self.calls.get(&call)?;
        Some((*id, self.subscriptions.get(id)?))
    }

    /// Whether `request` is one that was accepted a short while ago, and has come once more by another way.
    ///
    /// # Source
    ///
    /// RFC 3261 §8.2.2.2.
    fn is_merged(&self, request: &Request, now: Instant) -> bool {
        let untagged = request.headers.get(Name::To).and_then(Address::parse).is_some_and(|to| to.tag().is_none());
        let number = request.cseq().map(|cseq| cseq.number);
        let accepted = self.of_call(request).filter(|_| untagged);
        accepted.is_some_and(|(_, each)| Some(each.remote_number) == number && now < each.subscribed_at + GIVE_UP_AFTER)
    }
}

/// The dialog that `request` begins.
fn dialog(request: &Request, local_tag: String, source: Source, uri: &SipUri) -> Option<Dialog> {
    let headers = &request.headers;
    let (from, to) = (headers.get(Name::From)?, headers.get(Name::To)?);
    Some(Dialog {
        call_id: headers.get(Name::CallId)?.to_owned(),
        local: format!("{to};tag={local_tag}"),
        local_tag,
        remote_tag: Address::parse(from)?.tag().unwrap_or_default().to_owned(),
        remote: from.to_owned(),
        account: Address::parse(to)?.sip_uri()?.account(),
        target: contact_of(request).filter(|target| target.is_secure() || !uri.is_secure())?,
        route: headers.elements(Name::RecordRoute).map(str::to_owned).collect(),
        place: place_of(source.local, uri),
        source,
        closed: false,
        through_proxy: headers.elements(Name::Via).nth(1).is_some(),
        event: headers.get(Name::Event)?.to_owned(),
        secure: uri.is_secure(),
    })
}

/// Whether the scheme of a Request-URI is served on the way that it came: `sip` always, `sips` under TLS.
///
/// # Source
///
/// RFC 3261 §8.2.2.1, RFC 5630 §3.1.
fn is_served(uri: &str, source: Source) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else { return true };
    scheme.eq_ignore_ascii_case("sip") || (scheme.eq_ignore_ascii_case("sips") && source.transport == Transport::Tls)
}

/// A SUBSCRIBE of a user who is known.
struct Wish<'a> {
    request: &'a Request,
    source: Source,
    user: String,
}

/// A SUBSCRIBE that is accepted.
pub(super) struct Accepted {
    pub(super) response: Response,
    pub(super) id: SubscriptionId,
}

/// A request that is answered, and that is that.
pub(super) struct Refusal {
    pub(super) response: Response,
    /// Whether it is known who sent it.
    pub(super) proven: bool,
}

/// Why a known user's SUBSCRIBE is not accepted.
pub(super) struct Refused {
    status: Status,
    field: Option<(Name, String)>,
}

impl Refused {
    pub(super) fn later() -> Self {
        Self { status: Status::SERVICE_UNAVAILABLE, field: Some((Name::RetryAfter, RETRY_AFTER_SECS.to_string())) }
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self { status, field: None }
    }
}

/// Where the telephone itself can be reached.
fn contact_of(request: &Request) -> Option<SipUri> {
    request.headers.elements(Name::Contact).next().and_then(Address::parse)?.sip_uri()
}

const EVENT: &str = "message-summary";
const ALLOWED: &str = "SUBSCRIBE, OPTIONS";
const RETRY_AFTER_SECS: u32 = 60;
/// How much of a dialog is kept, in bytes; where its NOTIFYs go by datagram, so that they stay below 1300 bytes, as RFC 3261 §18.1.1 asks.
const MOST_KEPT: usize = 4096;
const MOST_KEPT_FOR_DATAGRAMS: usize = 800;
