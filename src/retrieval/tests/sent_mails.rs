//! Messages to other voicemail systems after they were sent: failures, and receipts that come back.

use std::sync::atomic::{AtomicBool, Ordering};

use super::systems::{composed, service, service_on};
use super::*;
use crate::disk::PowerCutDisk;
use crate::message::DeliveryFailure;
use crate::sent::{SentFolder, SentState};

/// A service whose owners send by mail, with the list of what they have sent.
async fn following() -> (MailboxService, Arc<SentMails>) {
    let (service, mails) = service(&[LicenceClass::NetworkedMessaging]);
    let sent = SentFolder::open(PowerCutDisk::new(), "/sent").await.unwrap();
    (MailboxService { sent: Some(Arc::new(sent)), ..service }, mails)
}

/// Sends a message of 2001 to these numbers; returns the id of each mail, in the order of the numbers.
async fn sent(service: &MailboxService, mails: &SentMails, numbers: &[&str]) -> Vec<MessageId> {
    let message = composed(service, Privacy::Normal).await;
    let mut ids = Vec::new();
    for number in numbers {
        service.send(&mailbox("2001"), &message, &[mailbox(number)]).await;
        let (sender, _, mail) = mails.taken().remove(0);
        let Sender::Message(id) = sender else { panic!("{sender:?}") };
        assert!(text(&mail).contains(&format!("Message-ID: <{id}@vm.example>")), "{}", text(&mail));
        ids.push(id);
    }
    ids
}

async fn states(service: &MailboxService) -> Vec<(String, SentState)> {
    let listed = service.sent_messages(&mailbox("2001")).await.unwrap();
    let copies = listed.into_iter().flat_map(|message| message.copies);
    copies.map(|copy| (copy.mailbox.to_string(), copy.state)).collect()
}

/// The receipts in the mailbox of 2001: each with the number that it is about.
async fn receipts(service: &MailboxService) -> Vec<(String, Disposition)> {
    let listed = service.store.list(&mailbox("2001")).await.unwrap();
    let reports = listed.into_iter().filter_map(|entry| entry.head.kind.report().cloned());
    reports.map(|report| (report.mailbox.to_string(), report.disposition)).collect()
}

fn named<T>(named: &[(&str, T)]) -> Vec<(String, T)>
where
    T: Copy,
{
    named.iter().map(|(number, value)| ((*number).to_owned(), *value)).collect()
}

#[tokio::test]
async fn a_failure_is_reported_once_and_is_in_the_list() {
    let (service, mails) = following().await;
    let ids = sent(&service, &mails, &["8617", "8700"]).await;
    assert_ne!(ids[0], ids[1], "each mail has another id");
    assert_eq!(states(&service).await, named(&[("8617", SentState::Sending), ("8700", SentState::Sending)]));
    let failure = DeliveryFailure::NoSuchMailbox;
    assert_eq!(service.mail_failed(ids[1], failure).await.unwrap(), Some(ReceiptOutcome::Sent));
    assert_eq!(service.mail_failed(ids[1], DeliveryFailure::Refused).await.unwrap(), Some(ReceiptOutcome::NotSent));
    assert_eq!(service.mail_failed(MessageId::random(), failure).await.unwrap(), None);
    assert_eq!(receipts(&service).await, named(&[("8700", Disposition::NotDelivered(failure))]));
    assert_eq!(states(&service).await, named(&[("8617", SentState::Sending), ("8700", SentState::NotDelivered)]));
    let receipt = service.store.list(&mailbox("2001")).await.unwrap().remove(0).head;
    let mail = service.store.retrieve(&mailbox("2001"), receipt.id).await.unwrap();
    let mail = wire::encode(&mail, &Addresses::new("vm.example", "example.com", &[]), TransferEncoding::Base64).to_bytes();
    assert!(text(&mail).contains("Your message to 8700 could not be delivered: no mailbox has this"), "{}", text(&mail));
}

#[tokio::test]
async fn a_failure_after_a_delivery_is_in_the_list() {
    let (service, mails) = following().await;
    let ids = sent(&service, &mails, &["8617", "8700"]).await;
    let failure = DeliveryFailure::Refused;
    for id in &ids {
        service.mail_delivered(*id).await.unwrap();
    }
    assert_eq!(service.mail_failed(ids[0], failure).await.unwrap(), Some(ReceiptOutcome::Sent));
    // A report that comes twice, and in another order.
    service.mail_failed(ids[0], failure).await.unwrap();
    service.mail_delivered(ids[0]).await.unwrap();
    assert_eq!(states(&service).await, named(&[("8617", SentState::Returned), ("8700", SentState::Delivered)]));
    assert_eq!(receipts(&service).await, named(&[("8617", Disposition::NotDelivered(failure))]));
    service.receipt_from_system(&mailbox("2001"), ids[0], Disposition::Played).await.unwrap();
    assert!(matches!(states(&service).await[0].1, SentState::Ended { disposition: Disposition::Played, .. }));
}

#[tokio::test]
async fn a_receipt_of_another_system_is_one_as_from_here() {
    let (service, mails) = following().await;
    let ids = sent(&service, &mails, &["8617", "8700"]).await;
    let owner = mailbox("2001");
    assert!(service.mail_delivered(ids[0]).await.unwrap() && !service.mail_delivered(MessageId::random()).await.unwrap());
    assert_eq!(states(&service).await[0].1, SentState::Delivered);
    for outcome in [ReceiptOutcome::Sent, ReceiptOutcome::NotSent] {
        let taken = service.receipt_from_system(&owner, ids[0], Disposition::Played).await.unwrap();
        assert_eq!(taken, Some(outcome));
    }
    assert_eq!(receipts(&service).await, named(&[("8617", Disposition::Played)]));
    assert!(matches!(states(&service).await[0].1, SentState::Ended { disposition: Disposition::Played, .. }));
    // An owner who has heard the message has got it.
    let failed = service.mail_failed(ids[0], DeliveryFailure::NotReached).await.unwrap();
    assert_eq!((failed, receipts(&service).await.len()), (Some(ReceiptOutcome::NotSent), 1));
}

#[tokio::test]
async fn a_forged_receipt_of_another_system_changes_nothing() {
    let (service, mails) = following().await;
    let ids = sent(&service, &mails, &["8617"]).await;
    // The message has a copy in a mailbox here, too, whose id others know.
    let (anna, ben, following) = (mailbox("2001"), [mailbox("2002")], service.with_receipts(ReceiptChoice::Requested));
    let message = following.compose(&anna, &ben, sound(0x10, 1000), Urgency::Normal, Privacy::Normal).await.unwrap();
    service.send(&anna, &message, &ben).await;
    for (owner, id) in [("2002", ids[0]), ("2001", message.id()), ("2001", MessageId::random())] {
        let taken = service.receipt_from_system(&mailbox(owner), id, Disposition::Played).await.unwrap();
        assert_eq!(taken, None, "{owner} {id}");
    }
    assert_eq!(receipts(&service).await, []);
}

#[tokio::test]
async fn a_mail_that_is_not_accepted_is_listed_as_not_delivered() {
    let (service, _) = following().await;
    let refuses = EmailSettings { out: Arc::new(Refuses), licences: Arc::clone(&service.mail.as_ref().unwrap().licences) };
    let service = MailboxService { mail: Some(refuses), ..service };
    let message = composed(&service, Privacy::Normal).await;
    service.send(&mailbox("2001"), &message, &[mailbox("8617")]).await;
    assert_eq!(states(&service).await, named(&[("8617", SentState::NotDelivered)]));
}

#[tokio::test]
async fn without_a_list_failures_are_reported_all_the_same() {
    let (service, mails) = service(&[LicenceClass::NetworkedMessaging]);
    let message = composed(&service, Privacy::Normal).await;
    assert_eq!(service.mail_failed(message.id(), DeliveryFailure::Refused).await.unwrap(), None, "nothing is known");
    let sent_mails = SentFolder::open(PowerCutDisk::new(), "/mails").await.unwrap();
    let service = MailboxService { sent_mails: Some(Arc::new(sent_mails)), ..service };
    let ids = sent(&service, &mails, &["8617"]).await;
    service.mail_failed(ids[0], DeliveryFailure::NotReached).await.unwrap();
    assert_eq!(receipts(&service).await, named(&[("8617", Disposition::NotDelivered(DeliveryFailure::NotReached))]));
    assert!(!service.keeps_sent_messages() && states(&service).await.is_empty(), "owners are offered no list");
}

#[tokio::test]
async fn a_full_mailbox_and_a_store_that_was_away_lose_no_notice() {
    let store = Arc::new(Away(MemoryStore::new(["2001", "2002"].map(mailbox)).max_messages(0), AtomicBool::new(true)));
    let (service, mails) = service_on(&[LicenceClass::NetworkedMessaging], Arc::clone(&store));
    let sent_mails = SentFolder::open(PowerCutDisk::new(), "/mails").await.unwrap();
    let service = MailboxService { sent_mails: Some(Arc::new(sent_mails)), ..service };
    let ids = sent(&service, &mails, &["8617", "8700"]).await;
    let failed = service.mail_failed(ids[0], DeliveryFailure::Refused).await;
    assert!(failed.is_err_and(|error| error.is_transient()), "the caller tries again");
    store.1.store(false, Ordering::SeqCst);
    let outcomes = [
        service.mail_failed(ids[0], DeliveryFailure::Refused).await.unwrap(),
        service.mail_failed(ids[1], DeliveryFailure::Refused).await.unwrap(),
    ];
    assert_eq!(outcomes, [Some(ReceiptOutcome::Sent); 2]);
    for place in 2..=100 {
        let ids = sent(&service, &mails, &["8617"]).await;
        let outcome = service.mail_failed(ids[0], DeliveryFailure::Refused).await.unwrap();
        let expected = if place < 100 { ReceiptOutcome::Sent } else { ReceiptOutcome::NotSent };
        assert_eq!(outcome, Some(expected), "the receipt {place}");
    }
}

/// Refuses every mail.
#[derive(Debug)]
struct Refuses;

#[async_trait]
impl MailOut for Refuses {
    async fn send(&self, _: Sender, _: &MailAddress, _: &Bytes) -> Result<Outcome, ForwardError> {
        Ok(Outcome::Refused(crate::forward::Reply::new(550, "5.7.1 no")))
    }
}

/// Takes no message while its flag is set.
#[derive(Debug)]
struct Away(MemoryStore, AtomicBool);

#[async_trait]
impl crate::store::StoreWrapper for Away {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.0
    }

    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        if self.1.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the store is away".into()));
        }
        self.0.deposit(mailbox, origin, message).await
    }
}
