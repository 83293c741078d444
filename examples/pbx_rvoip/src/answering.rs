//! [`Answering`]: answers the calls that come in.

use async_trait::async_trait;
use rvoip_sip::{CallHandler, CallHandlerDecision, IncomingCall, IncomingRequest};

use crate::{RvoipCall, RvoipLeg};

/// A handler of rvoip that hands each call to a function, in a task of its own.
///
/// The function gets the leg, and the SIP URIs of the caller and of the number that was called. It answers or refuses the call by the leg; if
/// it does neither, the call is refused.
pub struct Answering<F> {
    domain: String,
    answer: F,
}

impl<F, A> Answering<F>
where
    F: Fn(RvoipLeg<RvoipCall>, String, String) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    /// Returns a handler that answers calls by `answer`. Numbers to which calls are transferred are users of `domain`.
    pub fn new(domain: impl Into<String>, answer: F) -> Self {
        Self { domain: domain.into(), answer }
    }
}

#[async_trait]
impl<F, A> CallHandler for Answering<F>
where
    F: Fn(RvoipLeg<RvoipCall>, String, String) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    /// Returns when the call was answered or refused: rvoip runs no more than 64 handlers at a time.
    async fn on_incoming_call(&self, call: IncomingCall) -> CallHandlerDecision {
        let (from, to) = (call.from.clone(), call.to.clone());
        let (call, decision) = RvoipCall::new(call);
        tokio::spawn((self.answer)(RvoipLeg::new(call, self.domain.as_str()), from, to));
        decision
            .await
            .unwrap_or_else(|_| CallHandlerDecision::Reject { status: 480, reason: "Temporarily Unavailable".to_owned() })
    }

    /// Confirms every INFO request: the leg reads the key in it.
    async fn on_info_received(&self, request: IncomingRequest) {
        if let Ok(response) = request.respond(200) {
            // Without a response, the telephone sends the request again.
            let _ = response.send().await;
        }
    }
}
