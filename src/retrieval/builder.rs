//! [`MailboxServiceBuilder`]: the settings of a mailbox service.

use std::sync::Arc;

use super::{EmailSettings, MailboxService};
use crate::clock::{Clock, SystemClock};
use crate::directory::{Directory, ListStore};
use crate::forward::MailOut;
use crate::greeting::GreetingStore;
use crate::message::ReceiptChoice;
use crate::network::Admission;
use crate::sent::SentStore;
use crate::store::MessageStore;

/// Builds a [`MailboxService`]; made by [`MailboxService::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MailboxServiceBuilder(MailboxService);

impl MailboxServiceBuilder {
    pub(super) fn new(domain: String, store: Arc<dyn MessageStore>, directory: Arc<dyn Directory>) -> Self {
        let domain: Arc<str> = domain.into();
        let (clock, node) = (Arc::new(SystemClock), Arc::clone(&domain));
        Self(MailboxService {
            store,
            directory,
            clock,
            node,
            domain,
            mail: None,
            heard_before: Arc::default(),
            receipts: ReceiptChoice::NotRequested,
            sent: None,
            sent_mails: None,
            lists: None,
            greetings: None,
            changing_lists: Arc::default(),
        })
    }

    /// Sets the host name of the node, which is in the message ids of the mails that are sent. The default is the domain.
    pub fn node(self, host_name: &str) -> Self {
        Self(MailboxService { node: host_name.into(), ..self.0 })
    }

    /// Sets the clock that dates answers, copies and receipts. The default is the [`SystemClock`].
    pub fn clock(self, clock: impl Clock) -> Self {
        Self(MailboxService { clock: Arc::new(clock), ..self.0 })
    }

    /// Sends e-mail through `out`: copies for owners whose PBX has the licence for unified messaging in `licences`, and receipts
    /// for senders. Without it, no e-mail is sent.
    pub fn mail(self, out: impl MailOut, licences: impl Into<Arc<Admission>>) -> Self {
        Self(MailboxService { mail: Some(EmailSettings { out: Arc::new(out), licences: licences.into() }), ..self.0 })
    }

    /// Keeps the list of [sent messages](MailboxService::sent_messages) in this store. Without it, there is no list.
    pub fn sent_messages(self, store: impl SentStore) -> Self {
        Self(MailboxService { sent: Some(Arc::new(store)), ..self.0 })
    }

    /// Follows mails to other voicemail systems in this store, where there is no list of [sent messages](Self::sent_messages): then owners still get the
    /// receipts and failures of these mails. With such a list, this has no effect.
    pub fn sent_mails(self, store: impl SentStore) -> Self {
        Self(MailboxService { sent_mails: Some(Arc::new(store)), ..self.0 })
    }

    /// Changes the private lists of owners in this store, such as that of a [`PrivateLists`](crate::directory::PrivateLists), which is the directory then.
    /// Without it, owners cannot change them here.
    pub fn private_lists(self, store: impl ListStore) -> Self {
        Self(MailboxService { lists: Some(Arc::new(store)), ..self.0 })
    }

    /// Sends the recorded names that this store has with the messages of their owners to other voicemail systems. Without it, no names are sent.
    pub fn greetings(self, store: impl GreetingStore) -> Self {
        Self(MailboxService { greetings: Some(Arc::new(store)), ..self.0 })
    }

    /// Builds the service.
    pub fn build(self) -> MailboxService {
        self.0
    }
}
