//! [`StoreForwarder`]: puts messages that wait in the spool into this node's own store.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error_chain;
use crate::forward::{Acceptance, ForwardError, Forwarder, Outcome, Reply, TransportSecurity};
use crate::message::{MailboxId, Message, Origin};
use crate::store::{MessageStore, StoreError};

/// A [`Forwarder`] into this node's own store.
#[derive(Debug)]
pub(super) struct StoreForwarder {
    store: Arc<dyn MessageStore>,
}

impl StoreForwarder {
    pub(super) fn new(store: Arc<dyn MessageStore>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Forwarder for StoreForwarder {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let mut outcomes = Vec::with_capacity(recipients.len());
        for mailbox in recipients {
            outcomes.push(match self.store.deposit(mailbox, &Origin::Here, message).await {
                Ok(_) => Outcome::Accepted,
                // The error concerns all messages: the store is tried every few seconds until it works again.
                Err(error @ StoreError::NoSpace(_)) => Outcome::Deferred(reply(452, "4.3.1", &error)),
                Err(error @ (StoreError::NotWritable(_) | StoreError::Unavailable(_))) => {
                    Outcome::Deferred(reply(451, "4.3.0", &error))
                }
                Err(error) if error.is_transient() => Outcome::Deferred(reply(452, "4.2.2", &error)),
                Err(error) => Outcome::Refused(reply(554, "5.0.0", &error)),
            });
        }
        Ok(Acceptance::new(outcomes, TransportSecurity::InMemory))
    }

    fn reads_sounds(&self) -> bool {
        self.store.reads_sounds()
    }
}

/// Returns the reply that an SMTP receiver gives for this error, with all its causes.
fn reply(code: u16, status: &str, error: &StoreError) -> Reply {
    Reply::new(code, format!("{status} {}", error_chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_names_the_cause() {
        let error = StoreError::Unavailable("the server is down".into());
        assert_eq!(reply(452, "4.3.1", &error).to_string(), "452 4.3.1 the store is unavailable: the server is down");
    }
}
