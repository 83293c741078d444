//! The services for owners, on a store in memory.

mod mailbox_receipts;
#[cfg(feature = "fs")]
mod private_lists;
#[cfg(feature = "fs")]
mod sent_mails;
mod systems;

use std::sync::Mutex;

use async_trait::async_trait;
use chrono::DateTime;

use super::*;
use crate::audio::{Format, Wav};
use crate::clock::ManualClock;
use crate::directory::{Group, StaticDirectory};
use crate::forward::ForwardError;
use crate::message::{AudioType, ClockQuality, ClockSource};
use crate::network::{Network, Site, TimeSource, VoicemailType};
use crate::store::{MemoryStore, MessageStoreExt as _};

/// Accepts every mail.
#[derive(Debug, Default)]
struct SentMails(Mutex<Vec<(Sender, String, Bytes)>>);

#[async_trait]
impl MailOut for SentMails {
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        self.0.lock().unwrap().push((sender, to.to_string(), mail.clone()));
        Ok(Outcome::Accepted)
    }
}

impl SentMails {
    fn taken(&self) -> Vec<(Sender, String, Bytes)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct TestService {
    service: MailboxService,
    store: Arc<MemoryStore>,
    sent_mails: Arc<SentMails>,
}

fn mailbox(number: &str) -> MailboxId {
    number.parse().unwrap()
}

fn fixture(licences: &[LicenceClass]) -> TestService {
    let store = Arc::new(MemoryStore::new(["2001", "2002", "2003", "sales", "help"].map(mailbox)));
    let (service, sent_mails) = service_with(licences, Arc::clone(&store));
    TestService { service, store, sent_mails }
}

fn service_with(licences: &[LicenceClass], store: impl MessageStore) -> (MailboxService, Arc<SentMails>) {
    let owner = |_| Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
    let directory: StaticDirectory =
        ["2001", "2002", "2003", "sales", "help"].map(|number| (mailbox(number), owner(number))).into_iter().collect();
    let members = ["2002", "2003"].map(mailbox);
    let directory = directory.with_list(mailbox("900"), ["2002", "2001", "2003"].map(mailbox));
    let directory = directory.with_group(mailbox("sales"), Group::new(members.clone()).first_owns());
    let directory = directory.with_group(mailbox("help"), Group::new(members));
    service_of(licences, store, directory)
}

fn service_of(
    licences: &[LicenceClass],
    store: impl MessageStore,
    directory: impl Directory,
) -> (MailboxService, Arc<SentMails>) {
    let mut site = Site::builder("london".parse().unwrap(), VoicemailType::Central, chrono_tz::Europe::London)
        .node("vm.example".parse().unwrap())
        .time(TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]))
        .ports(1)
        .licence(LicenceClass::Voicemail);
    for licence in licences {
        site = site.licence(*licence);
    }
    let network = Network::builder("example.com").site(site).build().unwrap();
    let clock = ManualClock::at("2025-03-30T01:00:00Z".parse().unwrap());
    let sent_mails = Arc::new(SentMails::default());
    let service = MailboxService::builder("example.com", store, directory)
        .node("vm.example")
        .clock(clock)
        .mail(Arc::clone(&sent_mails), Admission::new(&network))
        .build();
    (service, sent_mails)
}

fn sound(byte: u8, millis: usize) -> Audio {
    let mut file = Wav::header(Format::TELEPHONE_PCMU, u32::try_from(millis * 8).unwrap());
    file.resize(file.len() + millis * 8, byte);
    Audio::new(AudioType::Wav, file)
}

fn message(privacy: Privacy) -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt { instant: DateTime::UNIX_EPOCH, zone: chrono_tz::Asia::Tokyo, quality };
    let caller = Caller { number: "2003".parse().ok(), name: None };
    Message::builder(sound(0x10, 1000), recorded_at).caller(caller).privacy(privacy).build()
}

async fn left(fixture: &TestService, message: &Message) -> MessageId {
    fixture.store.deposit(&mailbox("2001"), &Origin::Here, message).await.unwrap();
    message.id()
}

/// The message as it comes by a mail whose sender asks for a receipt.
fn asking(message: &Message) -> Message {
    let recipients = [mailbox("2001")];
    let addresses = Addresses::new("far.example", "example.com", &recipients);
    let mail = text(&wire::encode(message, &addresses, TransferEncoding::Base64).to_bytes());
    wire::decode(&format!("Disposition-Notification-To: <2003@far.example>\r\n{mail}").into()).unwrap()
}

fn text(mail: &[u8]) -> String {
    String::from_utf8_lossy(mail).into_owned()
}

#[tokio::test]
async fn a_message_passed_on_keeps_its_caller_and_is_resent_from() {
    let fixture = fixture(&[]);
    let id = left(&fixture, &message(Privacy::Normal)).await;
    let to = [mailbox("2002"), mailbox("2009")];
    for introduction in [None, Some(sound(0x20, 500))] {
        let passed_on = fixture.service.pass_on(&mailbox("2001"), id, &to, introduction.as_ref()).await.unwrap();
        let delivered = fixture.service.deliver(&passed_on, &to).await;
        assert!(matches!(delivered[0].1, Ok(Deposit::Stored(_))) && matches!(delivered[1].1, Err(StoreError::NoSuchMailbox(_))));
        assert!(
            matches!(fixture.service.deliver(&passed_on, &to).await[0].1, Ok(Deposit::Duplicate)),
            "tried again, no mailbox has it twice"
        );

        let got = fixture.store.retrieve(&mailbox("2002"), passed_on.id()).await.unwrap();
        assert_eq!(
            (&got.head().caller, got.head().recorded_at.instant),
            (&message(Privacy::Normal).head().caller, DateTime::UNIX_EPOCH)
        );
        assert_eq!(got.head().length.as_millis(), if introduction.is_some() { 1900 } else { 1000 });
        let mail = text(got.mail().unwrap());
        assert!(
            mail.starts_with("Resent-Date: Sun, 30 Mar 2025 02:00:00 +0100\r\nResent-From: <2001@example.com>\r\n"),
            "{mail}"
        );
        assert_eq!(wire::decode(got.mail().unwrap()).unwrap().head(), got.head());
    }
}

#[tokio::test]
async fn a_private_message_is_passed_on_to_nobody() {
    let fixture = fixture(&[LicenceClass::UnifiedMessaging]);
    let id = left(&fixture, &message(Privacy::Private)).await;
    let passed_on = fixture.service.pass_on(&mailbox("2001"), id, &[mailbox("2002")], None).await;
    assert!(matches!(passed_on, Err(RetrievalError::Private(_))));
    let copied = fixture.service.copy_by_mail(&mailbox("2001"), id, &"anna@elsewhere.example".parse().unwrap()).await;
    assert!(matches!(copied, Err(RetrievalError::Private(_))));
    assert!(fixture.sent_mails.taken().is_empty());
}

#[tokio::test]
async fn an_answer_goes_to_the_callers_mailbox_if_there_is_one() {
    let fixture = fixture(&[]);
    let id = left(&fixture, &message(Privacy::Private)).await;
    let (to, answer) =
        fixture.service.answer(&mailbox("2001"), id, sound(0x30, 700), Urgency::Urgent, Privacy::Private).await.unwrap();
    assert_eq!(to, mailbox("2003"));
    fixture.service.deliver(&answer, &[to]).await.remove(0).1.unwrap();
    let got = fixture.store.retrieve(&mailbox("2003"), answer.id()).await.unwrap();
    assert_eq!(got.head().caller.number.as_ref().unwrap().as_str(), "2001");
    let marks = (got.urgency(), got.head().privacy, got.head().length.as_millis());
    assert_eq!(marks, (Urgency::Urgent, Privacy::Private, 700));
    assert!(text(got.mail().unwrap()).starts_with(&format!("In-Reply-To: <{id}@vm.example>\r\n")));

    for number in [None, Some("442079460112")] {
        let caller = Caller { number: number.and_then(|number| number.parse().ok()), name: None };
        let stranger =
            Message::new(Head { id: MessageId::random(), caller, ..message(Privacy::Normal).head().clone() }, sound(1, 100));
        let id = left(&fixture, &stranger).await;
        let answer = fixture.service.answer(&mailbox("2001"), id, sound(2, 100), Urgency::Normal, Privacy::Normal).await;
        assert!(matches!(answer, Err(RetrievalError::CallerHasNoMailbox(_))));
    }
}

#[tokio::test]
async fn a_new_message_reaches_all_addressees_as_from_a_caller() {
    let fixture = fixture(&[]);
    let (owner, to) = (mailbox("2001"), ["2002", "2003", "2009"].map(mailbox));
    let composed = fixture.service.compose(&owner, &to, sound(0x40, 900), Urgency::Urgent, Privacy::Private).await.unwrap();
    for _ in 0..2 {
        let delivered = fixture.service.deliver(&composed, &to).await;
        assert!(delivered[..2].iter().all(|(_, delivered)| delivered.is_ok()));
        assert!(matches!(delivered[2], (ref missed, Err(StoreError::NoSuchMailbox(_))) if *missed == to[2]));
    }
    for mailbox in &to[..2] {
        let [entry] = &fixture.store.list(mailbox).await.unwrap()[..] else { panic!("{mailbox} has it once") };
        let head = &entry.head;
        assert_eq!(head.caller.number.as_ref().map(ToString::to_string).as_deref(), Some("2001"));
        assert_eq!((head.urgency, head.privacy, head.length.as_millis()), (Urgency::Urgent, Privacy::Private, 900));
        assert_eq!(head.recorded_at.instant.to_rfc3339(), "2025-03-30T01:00:00+00:00");
        let got = fixture.store.retrieve(mailbox, composed.id()).await.unwrap();
        assert!(text(got.mail().unwrap()).contains("To: <2002@example.com>"), "{}", text(got.mail().unwrap()));
    }
    let nobody = fixture.service.compose(&mailbox("2009"), &to, sound(0x40, 900), Urgency::Normal, Privacy::Normal).await;
    assert!(matches!(nobody, Err(RetrievalError::NoSuchMailbox(_))));
}

#[tokio::test]
async fn a_message_marked_new_is_new_and_sends_no_second_receipt() {
    let fixture = fixture(&[]);
    let original = message(Privacy::Normal);
    let id = left(&fixture, &asking(&original)).await;
    fixture.service.mark_new(&mailbox("2001"), id).await.unwrap();
    assert_eq!(fixture.service.played(&mailbox("2001"), id).await.unwrap(), ReceiptOutcome::Sent, "it was not heard before");
    fixture.service.mark_new(&mailbox("2001"), id).await.unwrap();
    assert_eq!(fixture.store.summary(&mailbox("2001")).await.unwrap().to_string(), "1/0 (0/0)");
    assert_eq!(fixture.service.expired(&mailbox("2001"), id).await.unwrap(), ReceiptOutcome::NotSent);
    assert_eq!(fixture.service.played(&mailbox("2001"), id).await.unwrap(), ReceiptOutcome::NotSent);
    assert_eq!(fixture.sent_mails.taken().len(), 1);
    let elsewhere = fixture.service.mark_new(&mailbox("2002"), id).await;
    assert!(matches!(elsewhere, Err(RetrievalError::Store(StoreError::NoSuchMessage(_)))));
}

#[tokio::test]
async fn a_copy_goes_out_by_mail_with_the_licence_and_not_without() {
    let to = "anna@elsewhere.example".parse().unwrap();
    let without = fixture(&[]);
    let id = left(&without, &message(Privacy::Normal)).await;
    assert!(matches!(without.service.copy_by_mail(&mailbox("2001"), id, &to).await, Err(RetrievalError::Refused(_))));
    assert!(without.sent_mails.taken().is_empty());

    let with = fixture(&[LicenceClass::UnifiedMessaging]);
    let id = left(&with, &message(Privacy::Normal)).await;
    assert_eq!(with.service.copy_by_mail(&mailbox("2001"), id, &to).await.unwrap(), Outcome::Accepted);
    let [(Sender::Node, address, mail)] = &with.sent_mails.taken()[..] else { panic!("one copy from the node") };
    assert_eq!(address, "anna@elsewhere.example");
    assert_eq!(wire::decode(mail).unwrap().audio(), message(Privacy::Normal).audio());
    assert!(text(mail).contains("Caller-ID: 2003, NumberingPlan=local"), "an extension is said to be one");
}

#[tokio::test]
async fn one_receipt_is_sent_when_a_new_message_is_heard_or_removed() {
    let fixture = fixture(&[]);
    let original = message(Privacy::Normal);
    let heard = left(&fixture, &asking(&original)).await;
    assert_eq!(fixture.service.played(&mailbox("2001"), heard).await.unwrap(), ReceiptOutcome::Sent);
    assert_eq!(fixture.service.played(&mailbox("2001"), heard).await.unwrap(), ReceiptOutcome::NotSent);
    assert_eq!(fixture.service.removed(&mailbox("2001"), heard).await.unwrap(), ReceiptOutcome::NotSent);
    let [(Sender::Null, address, mail)] = &fixture.sent_mails.taken()[..] else { panic!("one receipt, that nobody may answer") };
    assert_eq!(address, "2003@far.example");
    assert!(text(mail).contains("MDN-sent-automatically; displayed"));

    let unheard = left(&fixture, &asking(&message(Privacy::Normal))).await;
    assert_eq!(fixture.service.removed(&mailbox("2001"), unheard).await.unwrap(), ReceiptOutcome::Sent);
    assert!(text(&fixture.sent_mails.taken()[0].2).contains("MDN-sent-automatically; deleted"));

    let unasked = left(&fixture, &message(Privacy::Normal)).await;
    assert_eq!(fixture.service.played(&mailbox("2001"), unasked).await.unwrap(), ReceiptOutcome::NotSent);
    assert_eq!(fixture.store.summary(&mailbox("2001")).await.unwrap().to_string(), "0/1 (0/0)");
    fixture.store.mark_new(&mailbox("2001"), unasked).await.unwrap();
    assert!(fixture.sent_mails.taken().is_empty());
}

#[tokio::test]
async fn a_request_for_a_receipt_goes_to_nobody_else() {
    let fixture = fixture(&[LicenceClass::UnifiedMessaging]);
    let id = left(&fixture, &asking(&message(Privacy::Normal))).await;
    let to = [mailbox("2002")];
    let passed_on = fixture.service.pass_on(&mailbox("2001"), id, &to, None).await.unwrap();
    assert_eq!(passed_on.head().receipt, None);
    fixture.service.deliver(&passed_on, &to).await.remove(0).1.unwrap();
    assert_eq!(fixture.service.played(&to[0], passed_on.id()).await.unwrap(), ReceiptOutcome::NotSent);
    let elsewhere = "anna@elsewhere.example".parse().unwrap();
    fixture.service.copy_by_mail(&mailbox("2001"), id, &elsewhere).await.unwrap();
    let copy = &fixture.sent_mails.taken()[0].2;
    for mail in [text(passed_on.mail().unwrap()), text(copy)] {
        assert!(!mail.contains("Disposition-Notification-To") && !mail.contains("Voicemail-Receipt"), "{mail}");
        assert!(mail.contains("From: <2003@vm.example>"), "{mail}");
    }
}

/// Several owners' telephones at once, at two services on one store: of all that could send a receipt, one does.
async fn one_receipt_of(store: Arc<dyn MessageStore>) {
    let (one, other) = (service_with(&[], Arc::clone(&store)), service_with(&[], Arc::clone(&store)));
    let number = mailbox("2001");
    for round in 0..40 {
        let message = asking(&message(Privacy::Normal));
        store.deposit(&number, &Origin::Here, &message).await.unwrap();
        let id = message.id();
        let (first, second) = if round % 2 == 0 {
            futures::future::join(one.0.played(&number, id), other.0.played(&number, id)).await
        } else {
            futures::future::join(one.0.removed(&number, id), other.0.played(&number, id)).await
        };
        let sent = [first, second].into_iter().filter(|answer| matches!(answer, Ok(ReceiptOutcome::Sent))).count();
        assert_eq!((sent, one.1.taken().len() + other.1.taken().len()), (1, 1), "round {round}");
    }
}

#[tokio::test]
async fn two_services_on_one_store_send_one_receipt() {
    one_receipt_of(Arc::new(MemoryStore::new([mailbox("2001")]))).await;
}

#[cfg(feature = "fs")]
#[tokio::test(flavor = "multi_thread")]
async fn two_services_on_one_maildir_send_one_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::store::MaildirStore::builder(folder.path()).open().await.unwrap();
    store.create_mailbox(&mailbox("2001")).await.unwrap();
    one_receipt_of(Arc::new(store)).await;
}

#[tokio::test]
async fn a_message_of_a_group_belongs_to_the_first_who_accepts() {
    let TestService { service, store, .. } = fixture(&[]);
    let (sales, first, second) = (mailbox("sales"), mailbox("2003"), mailbox("2002"));
    let message = message(Privacy::Normal);
    store.deposit(&sales, &Origin::Here, &message).await.unwrap();
    store.deposit(&mailbox("help"), &Origin::Here, &message).await.unwrap();
    let refused = service.accept(&sales, message.id(), &mailbox("2001")).await;
    assert!(matches!(refused, Err(RetrievalError::NoMember { .. })), "2001 is no member");
    let refused = service.accept(&mailbox("help"), message.id(), &first).await;
    assert!(matches!(refused, Err(RetrievalError::NoMember { .. })), "the messages of help are for all members");
    assert_eq!(service.accept(&sales, message.id(), &first).await.unwrap(), Deposit::Stored(message.id()));
    let late = service.accept(&sales, message.id(), &second).await;
    assert!(matches!(late, Err(RetrievalError::Store(StoreError::NoSuchMessage(_)))));
    assert!(store.list(&sales).await.unwrap().is_empty() && store.list(&second).await.unwrap().is_empty());
    assert_eq!(store.summary(&first).await.unwrap().new, 1);
}

#[tokio::test]
async fn lists_become_mailboxes_and_an_unknown_one_stands_alone() {
    let TestService { service, .. } = fixture(&[]);
    let numbers = ["900", "2009", "2003", "sales"].map(mailbox);
    let all = service.addressees(&mailbox("2001"), &numbers, OwnCopy::Included).await.unwrap();
    assert_eq!(all, ["2002", "2001", "2003", "2009", "sales"].map(mailbox));
    let others = service.addressees(&mailbox("2001"), &numbers, OwnCopy::LeftOut).await.unwrap();
    assert_eq!(others, ["2002", "2003", "2009", "sales"].map(mailbox));
    let message = service.compose(&mailbox("2001"), &others, sound(0x10, 500), Urgency::Normal, Privacy::Normal).await.unwrap();
    let delivered = service.deliver(&message, &others).await;
    let failed: Vec<_> = delivered.iter().filter(|(_, result)| result.is_err()).map(|(mailbox, _)| mailbox.as_str()).collect();
    assert_eq!(failed, ["2009"], "one result for each");
}
