//! Deposits a received message in its mailboxes and with the postmaster.

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::context::{IntakeContext, Mailboxes};
use super::replies::{DepositFailure, check_length, greetings_only, replies_to_message, unreadable};
use crate::event::Event;
use crate::message::{MailboxId, Message, Origin};
use crate::smtp::Reply;
use crate::smtp::server::{Delivery, Policy, Protocol, replies as smtp_replies};
use crate::store::{MessageStore, StagedMail};
use crate::wire;

impl IntakeContext {
    /// Reads a message and deposits it in each of its mailboxes; returns the replies to the sender, for
    /// [`Dialogue::handle_stored_each`](crate::smtp::server::Dialogue::handle_stored_each).
    pub(super) async fn store(&self, mut delivery: Delivery, staged: Option<Box<dyn StagedMail>>, policy: &Policy) -> Vec<Reply> {
        let stored = if let Some(local) = delivery.report_to.take() {
            self.take_report(&local, delivery, staged).await.map(|reply| vec![reply])
        } else if delivery.postmaster {
            self.store_for_postmaster(delivery, staged, policy).await
        } else {
            self.try_to_store(delivery, staged, policy).await
        };
        stored.unwrap_or_else(|reply| vec![reply])
    }

    /// Deposits a message for mailboxes alone; the error is the reply that refuses it.
    pub(super) async fn try_to_store(
        &self,
        mut delivery: Delivery,
        staged: Option<Box<dyn StagedMail>>,
        policy: &Policy,
    ) -> Result<Vec<Reply>, Reply> {
        let (mut file, mut _room) = (None, None);
        if let Some(staged) = staged {
            let whole = self.finish(staged, std::mem::take(&mut delivery.mail)).await?;
            #[cfg(feature = "node")]
            if let Some(reply) = self.take_receipt(&delivery, Some(&whole)).await? {
                return Ok(vec![reply]);
            }
            match self.greeting_in(&whole).await? {
                Some((mail, room)) => (delivery.mail, _room) = (mail, Some(room)),
                None => file = Some(whole),
            }
        }
        if file.is_none()
            && let Some(reply) = self.take_greeting(&delivery, &policy.access).await
        {
            return Ok(vec![reply]);
        }
        #[cfg(feature = "node")]
        if file.is_none()
            && let Some(reply) = self.take_receipt(&delivery, None).await?
        {
            return Ok(vec![reply]);
        }
        let Some(Mailboxes { store, .. }) = &self.mailboxes else { return Err(greetings_only()) };
        let message = match file {
            Some(file) => self.read(file).await?,
            None => wire::decode_within(&delivery.mail, self.policy.limits.form).map_err(|error| unreadable(&error))?,
        };
        check_length(&message)?;
        let (origin, message) = (&delivery.origin, &message);
        if let Some(site) = message.head().site.as_ref().filter(|site| !policy.access.speaks_for(origin, site)) {
            self.events.emit(Event::SiteRefused { id: message.id(), origin: origin.clone(), site: site.clone() });
            return Err(Reply::with_status(550, "5.7.1", format_args!("{origin} does not speak for site {site}")));
        }
        let deposits = delivery
            .mailboxes
            .iter()
            .map(|mailbox| async move { (mailbox, self.deposit(&**store, mailbox, origin, message).await) });
        let span = tracing::info_span!(parent: None, "deposit", id = %message.id(), %origin);
        let outcomes = join_all(deposits).instrument(span).await;
        #[cfg_attr(not(feature = "node"), expect(unused_mut, reason = "only a node sends receipts"))]
        let mut replies = replies_to_message(policy.protocol, message.id(), &outcomes);
        #[cfg(feature = "node")]
        // A message that comes again for all recipients gets its receipt then.
        if policy.protocol == Protocol::Lmtp || !replies.iter().any(|reply| (400..500).contains(&reply.code)) {
            let stored: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(mailbox, _)| *mailbox).collect();
            if let Err(refusal) = self.send_receipt(&delivery, message, &stored).await {
                let all = policy.protocol == Protocol::Smtp;
                replies.iter_mut().filter(|reply| all || reply.is_positive()).for_each(|reply| *reply = refusal.clone());
            }
        }
        Ok(replies)
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

    /// Stores a mail for the postmaster, and for mailboxes too if there are any; returns the replies to the sender.
    ///
    /// By SMTP, a sender tries again for all recipients, and mailboxes recognise a message that they have. So the postmaster's copy comes last,
    /// and only if the sender will not try again.
    pub(super) async fn store_for_postmaster(
        &self,
        mut delivery: Delivery,
        staged: Option<Box<dyn StagedMail>>,
        policy: &Policy,
    ) -> Result<Vec<Reply>, Reply> {
        let mut _room = None;
        if let Some(staged) = staged {
            let whole = self.finish(staged, std::mem::take(&mut delivery.mail)).await?;
            let (mail, room) = self.load_whole(&whole).await?;
            (delivery.mail, _room) = (mail, Some(room));
        }
        let mail = delivery.mail.clone();
        let mailboxes = delivery.mailboxes.len();
        let mut replies = match mailboxes {
            0 => Vec::new(),
            _ => self.try_to_store(delivery, None, policy).await.unwrap_or_else(|refusal| vec![refusal]),
        };
        if policy.protocol == Protocol::Smtp && replies.iter().any(|reply| (400..500).contains(&reply.code)) {
            return Ok(replies);
        }
        let kept = self.keep_for_postmaster(mail).await;
        match (policy.protocol, kept) {
            (Protocol::Smtp, Err(refusal)) => return Err(refusal),
            (Protocol::Smtp, Ok(_)) if mailboxes > 0 => {}
            (_, Ok(reply) | Err(reply)) => {
                // One reply stands for all mailboxes.
                let last = replies.last().cloned().unwrap_or_else(|| reply.clone());
                replies.resize(mailboxes, last);
                replies.push(reply);
            }
        }
        Ok(replies)
    }

    /// Keeps a mail for the postmaster; returns the reply to the sender. The error is the reply that refuses it.
    async fn keep_for_postmaster(&self, mail: Bytes) -> Result<Reply, Reply> {
        let Some(postmaster) = &self.postmaster else { return Err(smtp_replies::NO_POSTMASTER) };
        let kept_as = postmaster.keep(mail).await?;
        self.events.emit(Event::PostmasterMail { kept_as });
        Ok(Reply::with_status(250, "2.0.0", "kept for the postmaster"))
    }
}
