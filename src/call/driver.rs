//! [`CallDriver`]: answers the calls of callers and owners.

use std::sync::Arc;

use super::buffered_leg::BufferedLeg;
use super::caller::CallerConversation;
use super::facts::CallEndReason;
use super::owner::OwnerConversation;
use super::session::Session;
use super::shared::Shared;
use super::{BusyAnswer, CallEnd, CallLeg, CallRefusal, CallTimers, IncomingCall, OwnerCall, SpeechPolicy, TransferTarget};
use crate::message::SiteId;
use crate::network::LicenceClass;
use crate::node::Node;
use crate::record::check_format;
use crate::telephone::{KeyMap, PinStore};
use crate::voice::Voices;

/// Answers the calls of callers and owners at a node; clones are the same driver.
///
/// A PBX gives it the [`CallLeg`] of a call. The driver has the whole conversation on it: prompts, keys, recordings, messages and
/// greetings. It says that something was done only after the node has confirmed it.
///
/// A future that is dropped counts as a hang-up: what the caller has said is kept if it is long enough and has speech.
///
/// # Examples
///
/// ```
/// use voicemail::Node;
/// use voicemail::call::{CallDriver, CallLeg, IncomingCall, OwnerCall};
/// use voicemail::message::{InvalidMailboxId, SiteId};
/// use voicemail::telephone::PinFolder;
/// use voicemail::voice::Voices;
///
/// fn driver(node: Node, voices: Voices, pins: PinFolder) -> CallDriver {
///     CallDriver::builder(node, voices).pins(pins).build()
/// }
///
/// async fn answer(driver: &CallDriver, site: &SiteId, leg: impl CallLeg, dialled: &str) -> Result<(), InvalidMailboxId> {
///     let end = match dialled {
///         "*98" => driver.answer_owner(site, leg, OwnerCall::from_any_telephone()).await,
///         number => driver.answer_caller(site, leg, IncomingCall::to(number.parse()?)).await,
///     };
///     println!("{:?}", end.reason);
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct CallDriver {
    pub(super) shared: Arc<Shared>,
}

impl CallDriver {
    /// Begins to describe a driver for calls at `node`, which speaks with `voices`.
    pub fn builder(node: Node, voices: Voices) -> CallDriverBuilder {
        CallDriverBuilder {
            settings: Shared {
                node,
                voices,
                pins: None,
                keys: KeyMap::default(),
                timers: CallTimers::default(),
                speech: SpeechPolicy::default(),
                busy: BusyAnswer::default(),
                operator: None,
                mailbox_access: None,
            },
        }
    }

    /// Answers a call that the PBX `site` has diverted to a mailbox, until its end.
    ///
    /// The recording is opened first: if that fails, the call is refused instead of answered, as [`CallRefusal`] says. A full mailbox is
    /// no reason to refuse: the caller hears it.
    ///
    /// # Cancel safety
    ///
    /// A dropped call is a hang-up: the leg is dropped, and a message that was begun is kept if it is long enough and has speech.
    pub async fn answer_caller(&self, site: &SiteId, leg: impl CallLeg, call: IncomingCall) -> CallEnd {
        // Boxed, so that the code of a conversation is compiled with this crate and not in each program.
        let leg = BufferedLeg::new(Box::new(leg), &self.shared.timers);
        Box::pin(CallerConversation::run(&self.shared, site, leg, call)).await
    }

    /// Answers a call of an owner who wants to listen to messages, until its end.
    ///
    /// The call is refused if this node has no mailboxes, if the driver has no PINs, if the PBX has no licence for voicemail, or if the format
    /// of the leg cannot be recorded. It takes no port, because ports count recordings.
    ///
    /// # Cancel safety
    ///
    /// A dropped call is a hang-up: the leg is dropped. Only changes that were confirmed before are done.
    pub async fn answer_owner(&self, site: &SiteId, leg: impl CallLeg, call: OwnerCall) -> CallEnd {
        let leg = BufferedLeg::new(Box::new(leg), &self.shared.timers);
        Box::pin(answer_owner(&self.shared, site, leg, call)).await
    }
}

async fn answer_owner(shared: &Shared, site: &SiteId, mut leg: BufferedLeg<'_>, call: OwnerCall) -> CallEnd {
    let refusal = match shared.node.check(site, LicenceClass::Voicemail) {
        Err(refusal) => Some(CallRefusal::of_site(&refusal, shared.busy)),
        Ok(()) if !shared.has_mailboxes() => Some(CallRefusal::NotServedHere),
        Ok(()) => check_format(leg.format()).err().map(|error| CallRefusal::of(&error, shared.busy)),
    };
    if let Some(refusal) = refusal {
        leg.refuse(refusal).await;
        return CallEndReason::Refused(refusal).into();
    }
    if leg.answer().await.is_err() {
        return CallEndReason::HungUp.into();
    }
    let Some(renderer) = shared.renderer(site, &leg) else {
        leg.hang_up().await;
        return CallEndReason::Over.into();
    };
    let session = Session::new(leg, renderer, shared.timers);
    OwnerConversation::run(shared, site, session, call).await.into()
}

/// Builds a [`CallDriver`]; made by [`CallDriver::builder`].
#[derive(Debug)]
#[must_use]
pub struct CallDriverBuilder {
    settings: Shared,
}

impl CallDriverBuilder {
    /// Sets where PINs are kept. Without it, no owner can open a mailbox.
    pub fn pins(mut self, pins: impl PinStore) -> Self {
        self.settings.pins = Some(Arc::new(pins));
        self
    }

    /// Sets what keys do; [`KeyMap::voicemail`] by default.
    pub fn keys(mut self, keys: KeyMap) -> Self {
        self.settings.keys = keys;
        self
    }

    /// Sets how long a call waits for what.
    pub fn timers(mut self, timers: CallTimers) -> Self {
        self.settings.timers = timers;
        self
    }

    /// Sets what counts as a message.
    pub fn speech(mut self, speech: SpeechPolicy) -> Self {
        self.settings.speech = speech;
        self
    }

    /// Sets the answer to a call for which no port is free; [`BusyAnswer::Line`] by default.
    pub fn busy(mut self, busy: BusyAnswer) -> Self {
        self.settings.busy = busy;
        self
    }

    /// Sets where callers reach the operator. By default there is none.
    pub fn operator(mut self, operator: TransferTarget) -> Self {
        self.settings.operator = Some(operator);
        self
    }

    /// Sets the number for owners at the central node. An owner who wants to log in at a distributed node, which has no mailboxes, is
    /// transferred there. By default there is none, and the owner hears that this cannot be done here.
    pub fn mailbox_access(mut self, number: TransferTarget) -> Self {
        self.settings.mailbox_access = Some(number);
        self
    }

    /// Returns the driver.
    pub fn build(self) -> CallDriver {
        CallDriver { shared: Arc::new(self.settings) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compiles only if a call can be a task of its own.
    #[expect(dead_code, reason = "it is compiled, and not called")]
    fn calls_can_be_spawned(driver: &CallDriver, site: &SiteId, leg: impl CallLeg, owner: impl CallLeg, call: IncomingCall) {
        fn is_send(_: impl Send) {}
        is_send(driver.answer_caller(site, leg, call));
        is_send(driver.answer_owner(site, owner, OwnerCall::from_any_telephone()));
    }
}
