//! Receipts between mailboxes.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::future::join;

use super::*;
use crate::message::ReceiptReport;

/// The reports in a mailbox, the oldest first.
async fn reports(store: &dyn MessageStore, number: &str) -> Vec<ReceiptReport> {
    let entries = store.list(&mailbox(number)).await.unwrap();
    entries.iter().filter_map(|entry| entry.head.kind.report().cloned()).collect()
}

/// Sends a message of 2001 that requests a receipt.
async fn sent(service: &MailboxService, to: &[MailboxId]) -> MessageId {
    let service = service.with_receipts(ReceiptChoice::Requested);
    let (normal, audio) = (Urgency::Normal, sound(0x10, 500));
    let message = service.compose(&mailbox("2001"), to, audio, normal, Privacy::Normal).await.unwrap();
    assert!(service.deliver(&message, to).await.iter().all(|(_, result)| result.is_ok()));
    message.id()
}

#[tokio::test]
async fn a_receipt_arrives_when_the_message_is_heard() {
    let TestService { service, store, sent_mails } = fixture(&[]);
    let (anna, ben, cleo) = (mailbox("2001"), mailbox("2002"), mailbox("2003"));
    let id = sent(&service, &[ben.clone(), cleo.clone()]).await;
    assert_eq!(service.played(&ben, id).await.unwrap(), ReceiptOutcome::Sent);
    assert_eq!(service.played(&ben, id).await.unwrap(), ReceiptOutcome::NotSent);
    let [entry] = &store.list(&anna).await.unwrap()[..] else { panic!("one receipt") };
    let recorded_at = "2025-03-30T01:00:00Z".parse().unwrap();
    let expected = ReceiptReport::new(Disposition::Played, ben.clone(), id, recorded_at);
    assert_eq!(entry.head.kind, MessageKind::Receipt(expected));
    assert_eq!(entry.head.caller.number.as_ref().map(crate::message::CallerNumber::as_str), Some("2002"));
    assert_eq!((entry.status, entry.head.receipt.clone()), (Status::New, None));
    assert_eq!(service.removed(&cleo, id).await.unwrap(), ReceiptOutcome::Sent);
    let dispositions: Vec<_> = reports(&*store, "2001").await.into_iter().map(|report| report.disposition).collect();
    assert_eq!(dispositions.len(), 2);
    assert!(dispositions.contains(&Disposition::RemovedUnheard));
    assert_eq!(store.summary(&anna).await.unwrap().new, 2);
    assert!(store.list(&ben).await.unwrap().iter().all(|entry| entry.head.kind == MessageKind::Voice), "nobody else learns it");
    assert!(sent_mails.taken().is_empty(), "no mail is sent between mailboxes");
    let mail = store.retrieve(&anna, entry.head.id).await.unwrap();
    assert_eq!(wire::decode(mail.mail().unwrap()).unwrap().head(), &entry.head);
    assert!(text(mail.mail().unwrap()).contains("Your message to 2002 was heard."), "{}", text(mail.mail().unwrap()));
}

#[tokio::test]
async fn answers_and_passed_on_messages_request_receipts_too() {
    let fixture = fixture(&[]);
    let id = left(&fixture, &message(Privacy::Normal)).await;
    let TestService { service, store, .. } = fixture;
    let asking = service.with_receipts(ReceiptChoice::Requested);
    let (owner, ben) = (mailbox("2001"), mailbox("2002"));
    let passed_on = asking.pass_on(&owner, id, std::slice::from_ref(&ben), None).await.unwrap();
    let (to, answer) = asking.answer(&owner, id, sound(1, 500), Urgency::Normal, Privacy::Normal).await.unwrap();
    for (message, to) in [(passed_on, ben), (answer, to)] {
        assert_eq!(wire::decode(message.mail().unwrap()).unwrap().head(), message.head(), "the mail has the request");
        asking.deliver(&message, std::slice::from_ref(&to)).await.remove(0).1.unwrap();
        assert_eq!(service.played(&to, message.id()).await.unwrap(), ReceiptOutcome::Sent);
        assert!(reports(&*store, "2001").await.iter().any(|report| report.mailbox == to && report.message == message.id()));
    }
    assert_eq!(reports(&*store, "2001").await.len(), 2);
    assert!(reports(&*store, "2003").await.is_empty(), "the first caller has not asked");
}

#[tokio::test]
async fn a_message_that_expires_unheard_is_reported_once() {
    let TestService { service, store, .. } = fixture(&[]);
    let id = sent(&service, &[mailbox("2002")]).await;
    assert_eq!(service.expired(&mailbox("2002"), id).await.unwrap(), ReceiptOutcome::Sent);
    assert_eq!(service.expired(&mailbox("2002"), id).await.unwrap(), ReceiptOutcome::NotSent);
    let reports = reports(&*store, "2001").await;
    assert_eq!(reports.iter().map(|report| report.disposition).collect::<Vec<_>>(), [Disposition::Expired]);
}

#[tokio::test]
async fn there_is_no_receipt_about_a_receipt() {
    let TestService { service, store, .. } = fixture(&[LicenceClass::UnifiedMessaging]);
    let (anna, ben) = (mailbox("2001"), mailbox("2002"));
    let id = sent(&service, std::slice::from_ref(&ben)).await;
    service.played(&ben, id).await.unwrap();
    let receipt = store.list(&anna).await.unwrap().remove(0).head;
    assert_eq!(service.played(&anna, receipt.id).await.unwrap(), ReceiptOutcome::NotSent);
    let request = Some(ReceiptRequest::new("2002@example.com".parse().unwrap()));
    let forged = Message::new(Head { id: MessageId::random(), receipt: request, ..receipt.clone() }, sound(1, 100));
    store.deposit(&anna, &Origin::Unproven, &forged).await.unwrap();
    assert_eq!(service.played(&anna, forged.id()).await.unwrap(), ReceiptOutcome::NotSent);
    assert_eq!(store.list(&ben).await.unwrap().len(), 1);
    let passed_on = service.pass_on(&anna, receipt.id, std::slice::from_ref(&ben), None).await;
    assert!(matches!(passed_on, Err(RetrievalError::IsReceipt(_))));
    let answered = service.answer(&anna, receipt.id, sound(1, 500), Urgency::Normal, Privacy::Normal).await;
    assert!(matches!(answered, Err(RetrievalError::IsReceipt(_))));
}

#[tokio::test]
async fn a_full_mailbox_gets_its_receipts() {
    let store = Arc::new(MemoryStore::new(["2001", "2002"].map(mailbox)).max_messages(1));
    let (service, _) = service_with(&[], Arc::clone(&store));
    let id = sent(&service, &[mailbox("2002")]).await;
    store.deposit(&mailbox("2001"), &Origin::Here, &message(Privacy::Normal)).await.unwrap();
    assert_eq!(service.played(&mailbox("2002"), id).await.unwrap(), ReceiptOutcome::Sent);
    assert_eq!(reports(&*store, "2001").await.len(), 1);
    assert_eq!(store.summary(&mailbox("2002")).await.unwrap().to_string(), "0/1 (0/0)");
}

/// Fails to mark while its flag is set, as if the process died before.
#[derive(Debug)]
struct Dies(MemoryStore, AtomicBool);

#[async_trait]
impl crate::store::StoreWrapper for Dies {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.0
    }

    async fn mark_if(&self, mailbox: &MailboxId, id: MessageId, expected: Status, status: Status) -> Result<bool, StoreError> {
        if self.1.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the power is gone".into()));
        }
        self.0.mark_if(mailbox, id, expected, status).await
    }
}

#[tokio::test]
async fn a_crash_before_the_mark_loses_and_doubles_no_receipt() {
    let store = Arc::new(Dies(MemoryStore::new(["2001", "2002"].map(mailbox)), AtomicBool::new(true)));
    let (service, _) = service_with(&[], Arc::clone(&store));
    let ben = mailbox("2002");
    let id = sent(&service, std::slice::from_ref(&ben)).await;
    assert!(service.played(&ben, id).await.is_err_and(|error| error.is_transient()));
    assert_eq!((reports(&*store, "2001").await.len(), store.summary(&ben).await.unwrap().new), (1, 1));
    store.1.store(false, Ordering::SeqCst);
    let (restarted, _) = service_with(&[], Arc::clone(&store));
    restarted.played(&ben, id).await.unwrap();
    assert_eq!((reports(&*store, "2001").await.len(), store.summary(&ben).await.unwrap().new), (1, 0));
}

/// Telephones at two nodes with one store hear and remove the same messages at once.
async fn one_receipt_in_the_mailbox(store: Arc<dyn MessageStore>) {
    let (one, other) = (service_with(&[], Arc::clone(&store)).0, service_with(&[], Arc::clone(&store)).0);
    let ben = mailbox("2002");
    for round in 1..=20 {
        let id = sent(&one, std::slice::from_ref(&ben)).await;
        let answers = if round % 2 == 0 {
            join(one.played(&ben, id), other.played(&ben, id)).await
        } else {
            join(one.removed(&ben, id), other.played(&ben, id)).await
        };
        let sent = [&answers.0, &answers.1].into_iter().filter(|answer| matches!(answer, Ok(ReceiptOutcome::Sent))).count();
        // A call whose message is removed meanwhile answers that it is gone, after it has left the receipt.
        assert!(sent <= 1, "round {round}: {answers:?}");
        assert_eq!(reports(&*store, "2001").await.len(), round, "round {round}");
    }
}

#[tokio::test]
async fn two_nodes_with_one_store_leave_one_receipt() {
    one_receipt_in_the_mailbox(Arc::new(MemoryStore::new(["2001", "2002"].map(mailbox)))).await;
}

#[cfg(feature = "fs")]
#[tokio::test(flavor = "multi_thread")]
async fn two_services_on_one_maildir_leave_one_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::store::MaildirStore::builder(folder.path()).open().await.unwrap();
    for number in ["2001", "2002"] {
        store.create_mailbox(&mailbox(number)).await.unwrap();
    }
    one_receipt_in_the_mailbox(Arc::new(store)).await;
}

#[cfg(feature = "fs")]
#[tokio::test]
async fn the_list_of_sent_messages_says_what_became_of_each() {
    use crate::disk::PowerCutDisk;
    use crate::sent::{SentFolder, SentState};

    let TestService { service, store, .. } = fixture(&[]);
    let sent_folder = SentFolder::open(PowerCutDisk::new(), "/sent").await.unwrap();
    assert!(!service.keeps_sent_messages());
    let service = MailboxService { sent: Some(Arc::new(sent_folder)), ..service };
    let (anna, to) = (mailbox("2001"), ["2002", "2003", "2009"].map(mailbox));
    let asking = service.with_receipts(ReceiptChoice::Requested);
    let (normal, private) = (Urgency::Normal, Privacy::Private);
    let message = asking.compose(&anna, &to, sound(0x10, 500), normal, private).await.unwrap();
    let states = async || -> Vec<SentState> {
        let [sent] = &service.sent_messages(&anna).await.unwrap()[..] else { panic!("one message") };
        assert_eq!((sent.id, sent.length.as_millis()), (message.id(), 500));
        sent.copies.iter().map(|copy| copy.state).collect()
    };
    for _ in 0..2 {
        service.deliver(&message, &to).await;
        assert_eq!(states().await, [SentState::Delivered, SentState::Delivered, SentState::NotDelivered]);
    }
    let at = "2025-03-30T01:00:00Z".parse().unwrap();
    service.played(&to[0], message.id()).await.unwrap();
    service.removed(&to[1], message.id()).await.unwrap();
    let ended = |disposition| SentState::Ended { disposition, at };
    let expected = [ended(Disposition::Played), ended(Disposition::RemovedUnheard), SentState::NotDelivered];
    assert_eq!(states().await, expected);
    assert_eq!(service.sent_messages(&to[0]).await.unwrap(), [], "a list has one reader");

    let unasked = service.compose(&anna, &to, sound(0x10, 500), normal, private).await.unwrap();
    service.deliver(&unasked, &to).await;
    assert_eq!(states().await, expected, "nobody has asked for a receipt");
    drop(store);
}
