//! Receives greetings, which the central node sends to the nodes that answer calls.

use std::sync::Arc;

use tokio::time::timeout;

use super::context::IntakeContext;
use super::replies::unreadable;
use super::{Intake, IntakeBuilder};
use crate::event::Event;
use crate::greeting::{GreetingEvent, GreetingKeeper, KeepOutcome, KeeperError};
use crate::smtp::Reply;
use crate::smtp::server::{Access, Delivery};
use crate::wire::{self, GreetingMail};

impl Intake {
    /// Starts building an intake of greetings alone, for a node without mailboxes: addresses are in `domain`, and `keeper` keeps the
    /// greetings.
    ///
    /// 250 means that the greeting, or a newer edition of it, is on stable storage. The reply is 550 5.7.1 to a mail that is no greeting, to
    /// a greeting that is not from the central node, and to any greeting at a listener whose [`Access`] names no peers. It is 550 5.1.1 if
    /// this node does not answer calls for the mailbox, and 451 4.3.0 if the greeting cannot be kept now.
    pub fn of_greetings(domain: impl Into<String>, keeper: impl GreetingKeeper) -> IntakeBuilder {
        IntakeBuilder::new(domain.into(), None).greetings(keeper)
    }
}

impl IntakeBuilder {
    /// Accepts greetings too, for the mailboxes whose greetings `keeper` [keeps](GreetingKeeper::keeps). Without it a greeting is treated as
    /// any other message.
    pub fn greetings(mut self, keeper: impl GreetingKeeper) -> Self {
        self.keeper = Some(Arc::new(keeper));
        self
    }
}

impl IntakeContext {
    /// Handles a mail about a greeting, at a listener with this `access`; `None` for any other mail.
    pub(super) async fn take_greeting(&self, delivery: &Delivery, access: &Access) -> Option<Reply> {
        let keeper = self.keeper.as_ref()?;
        let mail = match wire::decode_greeting(&delivery.mail, self.policy.limits.form) {
            Ok(mail) => mail?,
            Err(error) => return Some(unreadable(&error)),
        };
        if delivery.mailboxes != [mail.id().mailbox.clone()] {
            return Some(Reply::with_status(554, "5.6.0", "a greeting goes to the mailbox that it is of, and to no other"));
        }
        let origin = &delivery.origin;
        let (id, edition) = mail.names();
        if !access.has_peers() {
            // Any client could replace an owner's greeting.
            let reason = "a listener without configured peers takes no greetings".to_owned();
            let refusal = Reply::with_status(550, "5.7.1", &reason);
            self.events.emit(Event::Greeting(GreetingEvent::Refused { greeting: id, origin: origin.clone(), reason }));
            return Some(refusal);
        }
        let work = async {
            match mail {
                GreetingMail::Greeting(greeting) => keeper.keep(origin, greeting).await.map(Some),
                GreetingMail::Offer(id, edition) => {
                    keeper.has(origin, &id, edition).await.map(|has| has.then_some(KeepOutcome::HasNewer))
                }
            }
        };
        let failure = match timeout(self.policy.limits.answer_time, work).await {
            Ok(Ok(Some(KeepOutcome::Kept))) => {
                self.events.emit(Event::Greeting(GreetingEvent::Received { greeting: id.clone(), version: edition.version }));
                return Some(Reply::with_status(250, "2.0.0", format_args!("kept the greeting {id}")));
            }
            Ok(Ok(Some(KeepOutcome::HasNewer))) => {
                return Some(Reply::with_status(250, "2.0.0", format_args!("this greeting {id} or a newer one is here")));
            }
            Ok(Ok(None)) => {
                return Some(Reply::with_status(450, "4.2.0", format_args!("the sound of the greeting {id} is needed")));
            }
            Ok(Err(failure)) => failure,
            Err(elapsed) => KeeperError::Unavailable(elapsed.into()),
        };
        let (code, status) = match &failure {
            KeeperError::Forbidden => (550, "5.7.1"),
            KeeperError::NotKeptHere(_) => (550, "5.1.1"),
            KeeperError::DatedAhead { .. } => (554, "5.6.0"),
            KeeperError::Unavailable(_) => (451, "4.3.0"),
        };
        if failure.is_transient() {
            tracing::warn!(greeting = %id, error = &failure as &dyn std::error::Error, "a greeting was not kept");
        } else {
            let (origin, reason) = (origin.clone(), failure.to_string());
            self.events.emit(Event::Greeting(GreetingEvent::Refused { greeting: id, origin, reason }));
        }
        Some(Reply::with_status(code, status, &failure))
    }
}
