//! The SIP side, on the stack rsipstack: telephones that register and subscribe, and calls with their SDP.
//!
//! Requests are not authenticated: this PBX is for telephones on one machine or in a trusted network.

mod call;
mod lamps;
mod sdp;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rsipstack::EndpointBuilder;
use rsipstack::dialog::DialogId;
use rsipstack::dialog::dialog::Dialog;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::typed::DiversionReason as Diverted;
use rsipstack::sip::{Auth, Header, HeadersExt as _, Method, Request, Scheme, StatusCode, ToTypedHeader as _, Uri};
use rsipstack::transaction::endpoint::Endpoint;
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::UdpConnection;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use voicemail::call::RtpMedia;
use voicemail::message::{Caller, CallerName};
use voicemail::mwi::{CurrentState, MwiSink as _, MwiSource};
use voicemail::telephone::DiversionReason;

pub use self::call::{Call, Signal};
pub use self::lamps::Lamps;
use self::lamps::Subscription;
pub use self::sdp::Agreed;
use self::sdp::Session;

/// The SIP port of a PBX, for telephones on UDP.
pub struct SipPort {
    endpoint: Endpoint,
    layer: Arc<DialogLayer>,
    address: SocketAddr,
    /// Numbers that another PBX serves.
    elsewhere: HashMap<String, SocketAddr>,
    /// When each subscription ends.
    subscriptions: Mutex<HashMap<DialogId, watch::Sender<Instant>>>,
}

impl SipPort {
    /// Listens at `address`.
    pub async fn bind(address: SocketAddr) -> rsipstack::Result<Self> {
        let udp = UdpConnection::create_connection(address, None, None).await?;
        let address = udp.get_addr().get_socketaddr()?;
        let transport = TransportLayer::new(CancellationToken::new());
        transport.add_transport(udp.into());
        let endpoint = EndpointBuilder::new().with_user_agent("voicemail pbx").with_transport_layer(transport).build();
        let layer = Arc::new(DialogLayer::new(Arc::clone(&endpoint.inner)));
        Ok(Self { endpoint, layer, address, elsewhere: HashMap::new(), subscriptions: Mutex::default() })
    }

    /// The address that telephones use.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends callers of `numbers` to the PBX at `address`.
    pub fn redirect<'a>(&mut self, numbers: impl IntoIterator<Item = &'a str>, address: SocketAddr) {
        self.elsewhere.extend(numbers.into_iter().map(|number| (number.to_owned(), address)));
    }

    /// Serves telephones until the future is dropped, which also ends all calls. Each call is handed to `answer`.
    pub async fn serve<F>(self: Arc<Self>, lamps: Lamps, source: Arc<dyn MwiSource>, answer: impl Fn(Call, RtpMedia) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut transactions = self.endpoint.incoming_transactions().expect("a port serves once");
        let mut tasks = JoinSet::new();
        let mut serving = std::pin::pin!(self.endpoint.serve());
        loop {
            let mut request = tokio::select! {
                () = &mut serving => return,
                Some(request) = transactions.recv() => request,
                Some(_) = tasks.join_next() => continue,
            };
            let in_dialog = request.original.to_header().and_then(|to| to.tag()).is_ok_and(|tag| tag.is_some());
            let known = if in_dialog { self.layer.match_dialog(&request) } else { None };
            match (request.original.method, known) {
                (Method::Ack, None) => {}
                (_, None) if in_dialog => log(request.reply(StatusCode::CallTransactionDoesNotExist).await),
                (Method::Subscribe, known) => {
                    let (port, lamps, source) = (Arc::clone(&self), lamps.clone(), Arc::clone(&source));
                    tasks.spawn(async move { log(port.subscribe(request, known, lamps, &*source).await) });
                }
                (_, Some(mut dialog)) => {
                    tasks.spawn(async move { log(dialog.handle(&mut request).await) });
                }
                (Method::Invite, None) => match self.ring(&mut request).await {
                    Ok((call, media, mut dialog)) => {
                        tasks.spawn(async move { log(dialog.handle(&mut request).await) });
                        tasks.spawn(answer(call, media));
                    }
                    Err((status, headers)) => log(request.reply_with(status, headers, None).await),
                },
                (Method::Register, None) => {
                    tasks.spawn(async move { log(register(request).await) });
                }
                (Method::Options, None) => log(request.reply(StatusCode::OK).await),
                (_, None) => log(request.reply(StatusCode::MethodNotAllowed).await),
            }
        }
    }

    /// Makes a call of an INVITE; an error is the response that ends it.
    async fn ring(&self, invite: &mut Transaction) -> Result<(Call, RtpMedia, InviteDialog), (StatusCode, Vec<Header>)> {
        let request = &invite.original;
        let dialled = user(&request.uri).to_owned();
        if let Some(there) = self.elsewhere.get(&dialled) {
            return Err((StatusCode::MovedTemporarily, vec![Header::Contact(format!("<sip:{dialled}@{there}>").into())]));
        }
        let refused = |status| (status, Vec::new());
        let from = request.from_header().and_then(|from| from.typed()).map_err(|_| refused(StatusCode::BadRequest))?;
        let number = user(&from.uri);
        let caller = match number {
            "anonymous" => Caller::default(),
            _ => Caller::new(number.parse().ok(), from.display_name.as_deref().and_then(CallerName::cleaned)),
        };
        let (own, diversion) = (number.parse().ok(), diversion(request));
        let socket = UdpSocket::bind((self.address.ip(), 0)).await.map_err(|_| refused(StatusCode::ServiceUnavailable))?;
        let address = socket.local_addr().map_err(|_| refused(StatusCode::ServiceUnavailable))?;
        let session = Session::new(address, &request.body).ok_or(refused(StatusCode::NotAcceptableHere))?;
        let (states, received) = self.layer.new_dialog_state_channel();
        let dialog = self.layer.get_or_create_server_invite(invite, states, None, Some(self.contact(&dialled)));
        let dialog = dialog.map_err(|_| refused(StatusCode::BadRequest))?;
        let media = RtpMedia::new(socket, session.media().codec, session.media().rtp, 8000);
        let (agreed, sdp, here, ended) = (session.media().agreed, session.to_string(), self.address, false);
        let (sender, signals) = mpsc::channel(64);
        tokio::spawn(call::answer_requests(session, received, sender, Arc::clone(&self.layer), dialog.clone()));
        let call = Call { dialled, own, caller, diversion, agreed, here, sdp, signals, ended, dialog: dialog.clone() };
        Ok((call, media, dialog))
    }

    /// Accepts, renews or ends a telephone's subscription to the lamp of a mailbox, and runs it if it is new.
    async fn subscribe(
        &self,
        mut request: Transaction,
        known: Option<Dialog>,
        lamps: Lamps,
        source: &dyn MwiSource,
    ) -> rsipstack::Result<()> {
        let number = user(&request.original.uri).to_owned();
        let package = request.original.header_value("Event").unwrap_or_default();
        if package.split(';').next().map(str::trim) != Some("message-summary") {
            let packages = Header::Other("Allow-Events".into(), "message-summary".into());
            return request.reply_with(StatusCode::BadEvent, vec![packages], None).await;
        }
        let wanted = request.original.expires_header().and_then(|expires| expires.value().trim().parse().ok());
        let secs = wanted.unwrap_or(LONGEST).min(LONGEST);
        let until = Instant::now() + Duration::from_secs(secs.into());
        let headers = vec![Header::Expires(secs.into()), Header::Contact(format!("<{}>", self.contact(&number)).into())];
        if let Some(dialog) = known {
            let renewed = self.subscriptions().get(&dialog.id()).is_some_and(|renewed| renewed.send(until).is_ok());
            let status = if renewed { StatusCode::OK } else { StatusCode::CallTransactionDoesNotExist };
            return request.reply_with(status, headers, None).await;
        }
        let lamp = match number.parse() {
            Ok(mailbox) => match source.current(&mailbox).await {
                CurrentState::Known(state) => lamps.show(&state).await.ok().map(|()| lamps.watch(&mailbox)),
                CurrentState::Unknown => Some(lamps.watch(&mailbox)),
                CurrentState::NoSuchMailbox => None,
            },
            Err(_) => None,
        };
        let Some(lamp) = lamp else { return request.reply(StatusCode::NotFound).await };
        if self.subscriptions().len() >= MAX_SUBSCRIPTIONS {
            return request.reply(StatusCode::ServiceUnavailable).await;
        }
        let (states, _) = self.layer.new_dialog_state_channel();
        let dialog = self.layer.get_or_create_server_subscription(&request, states, None, Some(self.contact(&number)))?;
        dialog.accept(Some(headers), None)?;
        // The response is sent here.
        while request.receive().await.is_some() {}
        let (id, account) = (dialog.id(), format!("sip:{number}@{}", self.address));
        let (sender, until) = watch::channel(until);
        self.subscriptions().insert(id.clone(), sender);
        Subscription { dialog, account, lamp, until }.run().await;
        self.subscriptions().remove(&id);
        self.layer.remove_dialog(&id);
        Ok(())
    }

    fn subscriptions(&self) -> MutexGuard<'_, HashMap<DialogId, watch::Sender<Instant>>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contact(&self, user: &str) -> Uri {
        let auth = (!user.is_empty()).then(|| Auth { user: user.to_owned(), password: None });
        Uri { scheme: Some(Scheme::Sip), auth, host_with_port: self.address.into(), ..Uri::default() }
    }
}

/// Accepts a registration. No call rings at a telephone here, so nothing is stored.
async fn register(mut request: Transaction) -> rsipstack::Result<()> {
    // baresip 1.0.0 subscribes again and again when it is registered before it has started.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let contacts = request.original.contact_headers();
    let mut headers: Vec<Header> = contacts.into_iter().cloned().map(Header::Contact).collect();
    let expires = request.original.expires_header().cloned().unwrap_or_else(|| LONGEST.into());
    headers.push(Header::Expires(expires));
    request.reply_with(StatusCode::OK, headers, None).await
}

/// Returns the number that a call was diverted from, and why: RFC 5806, else RFC 7044 with the causes of RFC 4458.
fn diversion(invite: &Request) -> Option<(String, DiversionReason)> {
    let reason = |busy: bool| if busy { DiversionReason::Busy } else { DiversionReason::NoAnswer };
    if let Some(last) = invite.diversion_entries().ok().and_then(|entries| entries.into_iter().next()) {
        return Some((user(&last.uri).to_owned(), reason(last.reason == Some(Diverted::UserBusy))));
    }
    // The last entry is the target of this call; the one before it was tried before.
    let entries = invite.history_info_entries().ok()?;
    let [.., before, target] = &entries[..] else { return None };
    let text = format!("{} {}", before.uri, target.uri).to_ascii_lowercase();
    Some((user(&before.uri).to_owned(), reason(text.contains("cause=486") || text.contains("cause%3d486"))))
}

fn user(uri: &Uri) -> &str {
    uri.user().unwrap_or_default()
}

/// A request that fails is the other end's to repeat.
fn log(done: rsipstack::Result<()>) {
    if let Err(error) = done {
        tracing::debug!(%error, "SIP");
    }
}

/// The longest registration and subscription, in seconds.
const LONGEST: u32 = 3600;

/// How many subscriptions there may be at once.
const MAX_SUBSCRIPTIONS: usize = 1000;
