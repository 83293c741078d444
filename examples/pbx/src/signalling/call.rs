//! [`Call`]: a call that has come in, and the requests inside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, TransactionHandle};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, HeadersExt as _, Method, StatusCode};
use tokio::sync::mpsc;
use voicemail::MailboxId;
use voicemail::call::{CallRefusal, LegClosed, TransferError, TransferTarget};
use voicemail::message::Caller;
use voicemail::telephone::{Digit, DiversionReason};

use super::log;
use super::sdp::{Agreed, Session};

/// A call that has come in. Dropped, it hangs up.
pub struct Call {
    /// The number that was dialled.
    pub dialled: String,
    /// The mailbox with the number of the telephone that calls.
    pub own: Option<MailboxId>,
    /// The caller.
    pub caller: Caller,
    /// The number that the call was diverted from, and why.
    pub diversion: Option<(String, DiversionReason)>,
    /// The first agreement of the SDP.
    pub agreed: Agreed,
    pub(super) here: SocketAddr,
    pub(super) sdp: String,
    pub(super) signals: mpsc::Receiver<Signal>,
    pub(super) ended: bool,
    pub(super) dialog: InviteDialog,
}

/// Something that the other end of a call does, beside its sound.
pub enum Signal {
    /// A key, by INFO.
    Digit(Digit),
    /// The SDP has changed.
    Agreed(Agreed),
    /// How far the other end is with the transfer that it was asked for.
    Transferred(u16),
    /// The call has ended.
    HungUp,
}

impl Call {
    /// Answers with 200.
    pub fn answer(&self) -> Result<(), LegClosed> {
        let cancelled = self.signals.is_closed();
        let accepted = self.dialog.accept(Some(vec![sdp_type()]), Some(self.sdp.clone().into()));
        if cancelled { Err(LegClosed) } else { accepted.map_err(|_| LegClosed) }
    }

    /// Refuses the call.
    pub fn refuse(&mut self, refusal: CallRefusal) {
        self.ended = true;
        log(self.dialog.reject(Some(refusal.status_code().into()), None));
    }

    /// Waits for a signal. A dropped call has lost none.
    pub async fn next(&mut self) -> Signal {
        let signal = if self.ended { None } else { self.signals.recv().await };
        self.ended |= signal.is_none();
        signal.unwrap_or(Signal::HungUp)
    }

    /// Whether the call has ended.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Asks the other end to call `to`, by REFER, and waits until it has: RFC 3515, RFC 5589 §6.
    pub async fn transfer(&mut self, to: &TransferTarget) -> Result<(), TransferError> {
        let uri = if to.as_str().contains(':') { to.as_str().to_owned() } else { format!("sip:{}@{}", to.as_str(), self.here) };
        let answered =
            self.dialog.refer(format!("<{uri}>"), None, None).await.map_err(|error| TransferError::Failed(error.into()))?;
        if answered.is_none_or(|response| response.status_code.code() >= 300) {
            return Err(TransferError::NotConnected);
        }
        let outcome = tokio::time::timeout(TRANSFER, async {
            loop {
                match self.signals.recv().await {
                    Some(Signal::Transferred(status)) if status >= 300 => return Err(TransferError::NotConnected),
                    Some(Signal::Transferred(200..)) | None => return Ok(()),
                    Some(_) => {}
                }
            }
        });
        outcome.await.unwrap_or(Err(TransferError::NotConnected))
    }

    /// Hangs up, without waiting for the other end.
    pub fn hang_up(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
        } else if self.dialog.state().can_cancel() {
            log(self.dialog.reject(Some(StatusCode::TemporarilyUnavailable), None));
        } else {
            let dialog = self.dialog.clone();
            tokio::spawn(async move { log(dialog.bye().await) });
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// Answers the requests inside a call, until it has ended.
pub async fn answer_requests(
    mut session: Session,
    mut states: DialogStateReceiver,
    signals: mpsc::Sender<Signal>,
    layer: Arc<DialogLayer>,
    dialog: InviteDialog,
) {
    let mut agreed = session.media().agreed.remote.is_some();
    while let Some(state) = states.recv().await {
        let signal = match state {
            DialogState::Terminated(..) => break,
            // The answer to an offer in the 200.
            DialogState::Confirmed(..) if !agreed => {
                agreed = true;
                let answer = dialog.last_remote_ack().map(|ack| ack.body).unwrap_or_default();
                session.change(&answer).then(|| Signal::Agreed(session.media().agreed))
            }
            DialogState::Updated(_, request, handle) if request.method == Method::Update && request.body.is_empty() => {
                reply(&handle, StatusCode::OK, None).await
            }
            DialogState::Updated(_, request, handle) => match session.change(&request.body) {
                true => {
                    reply(&handle, StatusCode::OK, Some(&session)).await;
                    Some(Signal::Agreed(session.media().agreed))
                }
                false => reply(&handle, StatusCode::NotAcceptableHere, None).await,
            },
            DialogState::Info(_, request, handle) => {
                reply(&handle, StatusCode::OK, None).await;
                let content = request.header_value("Content-Type").unwrap_or_default();
                Digit::from_info(&content, &request.body).map(Signal::Digit)
            }
            DialogState::Notify(_, request, handle) => {
                reply(&handle, StatusCode::OK, None).await;
                fragment(&request.body).map(Signal::Transferred)
            }
            DialogState::Options(_, _, handle) => reply(&handle, StatusCode::OK, None).await,
            DialogState::Message(_, _, handle) | DialogState::Refer(_, _, handle) | DialogState::Publish(_, _, handle) => {
                reply(&handle, StatusCode::NotImplemented, None).await
            }
            _ => None,
        };
        // A telephone that sends more signals than the channel holds loses those that are too many.
        signal.map(|signal| signals.try_send(signal));
    }
    layer.remove_dialog(&dialog.id());
}

/// Answers a request inside a call, which has then no signal.
async fn reply(request: &TransactionHandle, status: StatusCode, sdp: Option<&Session>) -> Option<Signal> {
    let body = sdp.map(|session| session.to_string().into());
    // It fails only when the stack has answered already, after 32 s.
    let _ = request.respond(status, sdp.map(|_| vec![sdp_type()]), body).await;
    None
}

/// Reads the status of a `message/sipfrag` body: RFC 3420.
fn fragment(body: &[u8]) -> Option<u16> {
    str::from_utf8(body).ok()?.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

fn sdp_type() -> Header {
    Header::ContentType("application/sdp".into())
}

/// How long a transfer may take.
const TRANSFER: Duration = Duration::from_secs(30);
