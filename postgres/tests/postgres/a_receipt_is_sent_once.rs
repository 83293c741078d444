//! The sender of a message gets the receipt that its mail requested, one, whichever node notices what became of the message.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use futures::future::join;
use voicemail::forward::{ForwardError, MailOut, Outcome, Sender};
use voicemail::message::{MailAddress, Message, MessageId, Origin};
use voicemail::network::{Admission, LicenceClass, Network, Site, TimeSource, VoicemailType};
use voicemail::retrieval::{MailboxService, ReceiptOutcome};
use voicemail::store::{MaildirStore, MessageStore, Migration, Retention};
use voicemail::wire::{self, Addresses, TransferEncoding};
use voicemail_postgres::{Database, PostgresStore};

use super::support::messages::recorded_at;
use super::support::server::Server;
use super::support::{database, directory, mailbox};

/// Accepts every mail.
#[derive(Debug, Clone, Default)]
struct SentMails(Arc<Mutex<Vec<(String, String)>>>);

#[async_trait]
impl MailOut for SentMails {
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        assert_eq!(sender, Sender::Null, "a receipt has no return address");
        self.0.lock().unwrap().push((to.to_string(), String::from_utf8_lossy(mail).into_owned()));
        Ok(Outcome::Accepted)
    }
}

impl SentMails {
    fn taken(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn service(store: impl MessageStore, sent: &SentMails) -> MailboxService {
    let site = Site::builder("london".parse().unwrap(), VoicemailType::Central, chrono_tz::Europe::London)
        .node("vm.example".parse().unwrap())
        .time(TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]))
        .ports(1)
        .licence(LicenceClass::Voicemail);
    let network = Network::builder("example.com").site(site).build().unwrap();
    MailboxService::builder("example.com", store, directory()).mail(sent.clone(), Admission::new(&network)).build()
}

/// A message as it comes by a mail that requests a receipt.
fn asking(sound: &[u8], days_old: i64) -> Message {
    let message = recorded_at(sound, Utc::now() - TimeDelta::days(days_old));
    let recipients = [mailbox("2041")];
    let addresses = Addresses::new("far.example", "example.com", &recipients);
    let mail = wire::encode(&message, &addresses, TransferEncoding::Base64).to_bytes();
    let fields = "From: <anna@far.example>\r\nDisposition-Notification-To: <anna@far.example>\r\n";
    wire::decode(&[fields.as_bytes(), &mail].concat().into()).unwrap()
}

async fn deposited(store: &PostgresStore, message: &Message) -> MessageId {
    store.deposit(&mailbox("2041"), &Origin::Peer("far.example".into()), message).await.unwrap();
    message.id()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_heard_at_two_nodes_at_once_has_one_receipt() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let database = Database::connect(&address).await.unwrap();
        nodes.push(Arc::new(PostgresStore::builder(&database).directory(directory()).build()));
    }
    let (sent, number) = (SentMails::default(), mailbox("2041"));
    let (one, other) = (service(Arc::clone(&nodes[0]), &sent), service(Arc::clone(&nodes[1]), &sent));
    for round in 0..50_u8 {
        let id = deposited(&nodes[0], &asking(&[round], 0)).await;
        let (first, second) = join(one.played(&number, id), other.played(&number, id)).await;
        let answers = [first.unwrap(), second.unwrap()];
        assert_eq!(answers.iter().filter(|answer| **answer == ReceiptOutcome::Sent).count(), 1, "round {round}");
        let [(to, mail)] = &sent.taken()[..] else { panic!("one receipt in round {round}") };
        assert!(to == "anna@far.example" && mail.contains("MDN-sent-automatically; displayed"), "{mail}");
        assert!(mail.contains(&format!("Original-Message-ID: <{id}@far.example>\r\n")), "{mail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_expires_unheard_has_one_receipt() {
    let Some(database) = database().await else { return };
    let day = Duration::from_secs(86_400);
    let retention = Retention::default().new_for(30 * day);
    let store = || Arc::new(PostgresStore::builder(&database).directory(directory()).retention(retention).build());
    let (one, other, sent) = (store(), store(), SentMails::default());
    let service = service(Arc::clone(&one), &sent);
    let (unheard, heard) = (asking(b"unheard", 40), asking(b"heard", 40));
    let unheard = deposited(&one, &unheard).await;
    let heard = deposited(&one, &heard).await;
    assert_eq!(service.played(&mailbox("2041"), heard).await.unwrap(), ReceiptOutcome::Sent);
    sent.taken();
    let (first, second) = join(one.housekeep(), other.housekeep()).await;
    for (owner, id) in first.unwrap().expired.into_iter().chain(second.unwrap().expired) {
        assert_eq!(service.expired(&owner, id).await.unwrap(), ReceiptOutcome::Sent);
    }
    let [(_, mail)] = &sent.taken()[..] else { panic!("one receipt") };
    assert!(mail.contains(&format!("<{unheard}.expired@")) && mail.contains("deleted/expired"), "{mail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_moves_from_a_maildir_into_the_database_and_back() {
    let Some(database) = database().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let number = mailbox("2041");
    let source = MaildirStore::builder(folder.path().join("old")).open().await.unwrap();
    source.create_mailbox(&number).await.unwrap();
    let message = asking(b"moved", 0);
    source.deposit(&number, &Origin::Here, &message).await.unwrap();
    let between = PostgresStore::builder(&database).build();
    Migration::new(&source, &between).copy().await.unwrap();
    let back = MaildirStore::builder(folder.path().join("new")).open().await.unwrap();
    Migration::new(&between, &back).copy().await.unwrap();
    let sent = SentMails::default();
    let service = service(back, &sent);
    assert_eq!(service.played(&number, message.id()).await.unwrap(), ReceiptOutcome::Sent);
    let [(to, mail)] = &sent.taken()[..] else { panic!("one receipt") };
    assert_eq!(to, "anna@far.example");
    assert!(mail.contains(&format!("Original-Message-ID: <{}@far.example>\r\n", message.id())), "{mail}");
}
