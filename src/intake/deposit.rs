//! Deposits a received message in its mailboxes and with the postmaster.

use futures::future::join_all;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::context::{IntakeContext, Mailboxes};
use super::replies::{DepositFailure, check_length, greetings_only, reply_to_message, unreadable};
use crate::event::Event;
use crate::message::{MailboxId, Message, Origin};
use crate::smtp::Reply;
use crate::smtp::server::{Access, Delivery};
use crate::store::{MessageStore, StagedMail};
use crate::wire;

impl IntakeContext {
    /// Reads a message and deposits it in each of its mailboxes; returns the reply to the sender.
    pub(super) async fn store(&self, mut delivery: Delivery, staged: Option<Box<dyn StagedMail>>, access: &Access) -> Reply {
        let stored = if let Some(local) = delivery.report_to.take() {
            self.take_report(&local, delivery, staged).await
        } else if delivery.postmaster {
            self.store_for_postmaster(delivery, staged, access).await
        } else {
            self.try_to_store(delivery, staged, access).await
        };
        stored.unwrap_or_else(|reply| reply)
    }

    /// Deposits a message for mailboxes alone; the error is the reply that refuses it.
    pub(super) async fn try_to_store(
        &self,
        mut delivery: Delivery,
        staged: Option<Box<dyn StagedMail>>,
        access: &Access,
    ) -> Result<Reply, Reply> {
        let (mut file, mut _room) = (None, None);
        if let Some(staged) = staged {
            let whole = self.finish(staged, std::mem::take(&mut delivery.mail)).await?;
            match self.greeting_in(&whole).await? {
                Some((mail, room)) => (delivery.mail, _room) = (mail, Some(room)),
                None => file = Some(whole),
            }
        }
        if file.is_none()
            && let Some(reply) = self.take_greeting(&delivery, access).await
        {
            return Ok(reply);
        }
        let Some(Mailboxes { store, .. }) = &self.mailboxes else { return Err(greetings_only()) };
        let message = match file {
            Some(file) => self.read(file).await?,
            None => wire::decode_within(&delivery.mail, self.policy.limits.form).map_err(|error| unreadable(&error))?,
        };
        check_length(&message)?;
        let (origin, message) = (&delivery.origin, &message);
        if let Some(site) = message.head().site.as_ref().filter(|site| !access.speaks_for(origin, site)) {
            self.events.emit(Event::SiteRefused { id: message.id(), origin: origin.clone(), site: site.clone() });
            return Err(Reply::with_status(550, "5.7.1", format_args!("{origin} does not speak for site {site}")));
        }
        let deposits = delivery
            .mailboxes
            .iter()
            .map(|mailbox| async move { (mailbox, self.deposit(&**store, mailbox, origin, message).await) });
        let span = tracing::info_span!(parent: None, "deposit", id = %message.id(), %origin);
        let outcomes = join_all(deposits).instrument(span).await;
        let reply = reply_to_message(message.id(), &outcomes);
        #[cfg(feature = "node")]
        if !(400..500).contains(&reply.code) {
            let stored: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(mailbox, _)| *mailbox).collect();
            self.send_receipt(delivery.sender.as_ref(), message, &stored).await?;
        }
        Ok(reply)
    }

    async fn deposit(
        &self,
        store: &dyn MessageStore,
        mailbox: &MailboxId,
        origin: &Origin,
        message: &Message,
    ) -> Result<(), DepositFailure> {
        let deposit = timeout(self.policy.limits.answer_time, store.deposit(mailbox, origin, message));
        let failure = match deposit.await {
            Ok(Ok(deposit)) => {
                if let Some(events) = &self.deposits {
                    events.emit(Event::deposited(message.head(), mailbox, origin.clone(), deposit));
                }
                return Ok(());
            }
            Ok(Err(error)) => DepositFailure::Store(error),
            Err(_) => DepositFailure::NoAnswer,
        };
        tracing::warn!(id = %message.id(), %mailbox, ?failure, "a message was not stored");
        Err(failure)
    }

    /// Stores a mail for the postmaster, and for mailboxes too if there are any; returns the reply to the sender.
    ///
    /// A sender tries again for all recipients, and mailboxes recognise a message that they have. So the postmaster's copy comes last.
    pub(super) async fn store_for_postmaster(
        &self,
        mut delivery: Delivery,
        staged: Option<Box<dyn StagedMail>>,
        access: &Access,
    ) -> Result<Reply, Reply> {
        let mut _room = None;
        if let Some(staged) = staged {
            let whole = self.finish(staged, std::mem::take(&mut delivery.mail)).await?;
            let (mail, room) = self.load_whole(&whole).await?;
            (delivery.mail, _room) = (mail, Some(room));
        }
        let mail = delivery.mail.clone();
        let for_mailboxes = if delivery.mailboxes.is_empty() {
            Reply::with_status(250, "2.0.0", "kept for the postmaster")
        } else {
            self.try_to_store(delivery, None, access).await.unwrap_or_else(|refusal| refusal)
        };
        if (400..500).contains(&for_mailboxes.code) {
            return Err(for_mailboxes);
        }
        let Some(postmaster) = &self.postmaster else { return Err(for_mailboxes) };
        let kept_as = postmaster.keep(mail).await?;
        self.events.emit(Event::PostmasterMail { kept_as });
        Ok(for_mailboxes)
    }
}
