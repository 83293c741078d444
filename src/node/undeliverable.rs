//! The mailbox for undeliverable messages: it gets a copy of each message that was refused for good and that this node has parked in its spool.
//!
//! # How a message gets there, and once
//!
//! The parked message itself stays where it is, and in the operator's list, so nothing is lost whatever happens here. Its copy has the whole sound and
//! all facts, and two more in its [fields](CallFields): the mailbox that it was for, and the reason. Its id follows from the id and the mailbox
//! of the parked message, so that a store takes the copy once, although it may be offered again after a crash or a lost answer. When the store
//! has it, a line in the note beside the parked message says so, and it is not offered again. The answer of a relay counts as that of the store: no receipt
//! is waited for, and a relay that loses the copy loses nothing else.
//!
//! A central node deposits the copy in its own store; a distributed node forwards it to the central node, past its queue. If it is not taken, the
//! message is parked as before: the node tries again every minute while the mailbox is full or away, and not before its next start, or the next
//! network, if the copy is refused for good.
//!
//! A message that an operator has parked is not offered, nor one that was for the mailbox of undeliverable messages itself: no copy comes back.
//! A recording whose file cannot be read is in the spool's `unreadable/`, and no message that could be offered.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Node, raised};
use crate::error_chain;
use crate::event::Event;
use crate::forward::{Forwarder, Outcome};
use crate::message::{CallFields, ContentDigest, Head, MailboxId, Message, MessageId};
use crate::network::Network;
use crate::spool::{ParkedBy, ParkedMessage, SpoolError};

impl Node {
    /// Offers the parked messages to the mailbox for undeliverable ones.
    pub(super) async fn offer_undeliverable(&self, stopped: watch::Receiver<bool>) {
        let work = async {
            let mut targets = Targets::default();
            loop {
                self.offer_parked(&mut targets).await;
                tokio::select! {
                    () = sleep(INTERVAL) => {}
                    () = self.inner.spool.parked_more() => {}
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = raised(stopped) => {}
        }
    }

    async fn offer_parked(&self, targets: &mut Targets) {
        let network = self.network();
        if !network.has_undeliverable() {
            return;
        }
        let parked = match self.inner.spool.parked().await {
            Ok(parked) => parked,
            Err(error) => {
                tracing::warn!(reason = error_chain(&error), "the parked messages cannot be offered to the mailbox for them");
                return;
            }
        };
        targets.keep(&network, &parked);
        let mut closed = BTreeSet::new();
        for parked in parked.iter().filter(|parked| parked.by == ParkedBy::Refusal && parked.deposited_in.is_none()) {
            match targets.of(parked) {
                Some(Target::Nobody) => continue,
                Some(Target::Mailbox(known)) if closed.contains(known) => continue,
                Some(Target::Mailbox(_)) | None => {}
            }
            let message = match self.inner.spool.export(parked.id, &parked.mailbox).await {
                Ok(message) => message,
                Err(SpoolError::Disk { .. } | SpoolError::NoSpace { .. }) => continue,
                Err(_) => {
                    // It was released meanwhile, or its file is damaged.
                    targets.insert(parked, Target::Nobody);
                    continue;
                }
            };
            let target = network.undeliverable(message.head().site.as_ref()).filter(|target| **target != parked.mailbox).cloned();
            let Some(target) = target else {
                targets.insert(parked, Target::Nobody);
                continue;
            };
            targets.insert(parked, Target::Mailbox(target.clone()));
            if closed.contains(&target) {
                continue;
            }
            match self.forward_copy(&copy(&message, parked), &target).await {
                Forwarded::Taken => self.note_taken(parked, target).await,
                Forwarded::Refused(reason) => {
                    tracing::warn!(id = %parked.id, reason, "a copy of an undeliverable message was refused, and it stays parked");
                    targets.insert(parked, Target::Nobody);
                }
                Forwarded::NotNow(reason) => {
                    tracing::info!(reason, "a copy of an undeliverable message has to wait");
                    closed.insert(target);
                }
                Forwarded::Unreachable(reason) => {
                    tracing::info!(reason, "copies of undeliverable messages have to wait");
                    return;
                }
            }
        }
    }

    async fn note_taken(&self, parked: &ParkedMessage, target: MailboxId) {
        if let Err(error) = self.inner.spool.note_deposited(parked.id, &parked.mailbox, &target).await {
            // It is offered again, and the store recognises it.
            tracing::warn!(id = %parked.id, reason = error_chain(&error), "it could not be noted that a copy is deposited");
            return;
        }
        let (id, mailbox) = (parked.id, parked.mailbox.clone());
        self.inner.events.emit(Event::UndeliverableDeposited { id, mailbox, deposited_in: target });
    }

    /// Puts a copy into this node's own store, or sends it to the central node.
    async fn forward_copy(&self, copy: &Message, target: &MailboxId) -> Forwarded {
        let forwarder: Option<&dyn Forwarder> = if self.inner.current.is_central() {
            self.inner.local.as_ref().map(|local| local as _)
        } else {
            self.inner.forwarder.as_ref().map(|forwarder| forwarder as _)
        };
        let Some(forwarder) = forwarder else { return Forwarded::Unreachable("there is no forwarder".to_owned()) };
        // The forwarder may be an integrator's code.
        let call = AssertUnwindSafe(forwarder.forward(copy, std::slice::from_ref(target))).catch_unwind();
        match timeout(LONGEST_CALL, call).await {
            Ok(Ok(Ok(acceptance))) => match acceptance.outcomes.into_iter().next() {
                Some(Outcome::Accepted | Outcome::Relayed) => Forwarded::Taken,
                Some(Outcome::Deferred(reply)) => Forwarded::NotNow(reply.to_string()),
                Some(Outcome::Refused(reply)) => Forwarded::Refused(reply.to_string()),
                None => Forwarded::NotNow("the forwarder gave no outcome".to_owned()),
            },
            Ok(Ok(Err(error))) if error.is_transient() => Forwarded::Unreachable(error_chain(&error)),
            Ok(Ok(Err(error))) => Forwarded::Refused(error_chain(&error)),
            Ok(Err(_panic)) => Forwarded::Refused("the forwarder panicked".to_owned()),
            Err(_elapsed) => Forwarded::Unreachable("the forwarder did not answer".to_owned()),
        }
    }
}

/// The result of offering a copy.
enum Forwarded {
    Taken,
    Refused(String),
    /// The mailbox does not take it now.
    NotNow(String),
    /// No mailbox can be reached now.
    Unreachable(String),
}

/// The receiver of the copy of a parked message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Mailbox(MailboxId),
    /// The message is not offered.
    Nobody,
}

/// The mailbox that each parked message is offered to. A message is read again only to be offered.
#[derive(Debug, Default)]
struct Targets {
    network: Option<Arc<Network>>,
    targets: BTreeMap<(MessageId, MailboxId), Target>,
}

impl Targets {
    /// Forgets messages that are no longer parked, and all if the network has changed.
    fn keep(&mut self, network: &Arc<Network>, parked: &[ParkedMessage]) {
        if !self.network.as_ref().is_some_and(|known| Arc::ptr_eq(known, network)) {
            self.targets.clear();
            self.network = Some(Arc::clone(network));
        }
        let parked: BTreeSet<_> = parked.iter().map(|parked| (parked.id, &parked.mailbox)).collect();
        self.targets.retain(|(id, mailbox), _| parked.contains(&(*id, mailbox)));
    }

    fn of(&self, parked: &ParkedMessage) -> Option<&Target> {
        self.targets.get(&(parked.id, parked.mailbox.clone()))
    }

    fn insert(&mut self, parked: &ParkedMessage, target: Target) {
        self.targets.insert((parked.id, parked.mailbox.clone()), target);
    }
}

/// The copy of a parked message.
fn copy(message: &Message, parked: &ParkedMessage) -> Message {
    let mut head = Head { id: copy_id(parked.id, &parked.mailbox), receipt: None, ..message.head().clone() };
    let mut fields = CallFields::default();
    let reason: String = parked.reason.chars().filter(|c| !c.is_control()).take(CallFields::MAX_VALUE_CHARS).collect();
    let ours = [(CallFields::UNDELIVERABLE_TO, parked.mailbox.as_str()), (CallFields::UNDELIVERABLE_REASON, &reason)];
    for (name, value) in ours.into_iter().chain(message.head().call_details.fields.iter()) {
        if fields.get(name).is_none() {
            // Fields of the integrator's that have no room beside ours are left out here, and stay in the parked message.
            let _ = fields.insert(name, value);
        }
    }
    head.call_details.fields = fields;
    Message::new(head, message.audio().clone())
}

/// The id of the copy: the same each time, and another for each mailbox that the message was for.
fn copy_id(id: MessageId, mailbox: &MailboxId) -> MessageId {
    let digest = ContentDigest::of(format!("undeliverable {id} {mailbox}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    MessageId::from_bytes(bytes)
}

/// How long the node waits until it offers messages again that were not taken.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long a forwarder may take.
const LONGEST_CALL: Duration = Duration::from_secs(3600);
