//! Receipts for messages that came through a relay.

use super::*;
use crate::forward::{ForwardError, MailOut, Outcome, Sender};
use crate::message::{ContentDigest, MailAddress};
use crate::smtp::{CustodyKey, CustodySecret};
use crate::wire::{self, DecodeLimits};

const SECRET: [u8; 32] = [7; 32];

fn key() -> CustodyKey {
    CustodyKey::new("edge.example", &CustodySecret::new(&SECRET).key_bytes("edge.example"))
}

/// Keeps the mails that it is given, unless it is away.
#[derive(Debug, Default)]
struct Out(Lock<Vec<(Sender, String, Bytes)>>, bool);

#[async_trait]
impl MailOut for Out {
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        if self.1 {
            return Ok(Outcome::Deferred(Reply::new(451, "4.3.0 away")));
        }
        self.0.lock().push((sender, to.to_string(), mail.clone()));
        Ok(Outcome::Accepted)
    }
}

/// A message of the node `edge.example`, with this request for a receipt.
fn mail_with(message: &Message, request: &str) -> Bytes {
    let recipients = [mailbox("201")];
    let addresses = Addresses { custody: Some(request), ..Addresses::new("edge.example", "vm.example", &recipients) };
    encode(message, &addresses, TransferEncoding::Base64).to_bytes()
}

async fn send(intake: &Intake, sender: &str, recipients: &[&str], mail: &[u8]) -> String {
    let mut client = Client::connect(intake).await;
    client.send(format!("EHLO relay.example\r\nMAIL FROM:<{sender}>\r\n")).await;
    client.replies(2).await;
    for recipient in recipients {
        client.send(format!("RCPT TO:<{recipient}@vm.example>\r\n")).await;
        client.last_reply(1).await;
    }
    client.send([format!("BDAT {} LAST\r\n", mail.len()).as_bytes(), mail].concat()).await;
    client.last_reply(1).await
}

fn intake_with(store: &Arc<FailingStore>, out: &Arc<Out>) -> Intake {
    builder(store).receipts(CustodySecret::new(&SECRET), Arc::clone(out)).build()
}

#[tokio::test(start_paused = true)]
async fn a_stored_message_gets_a_receipt_that_proves_it() {
    let (store, out) = (FailingStore::new([]), Arc::new(Out::default()));
    let intake = intake_with(&store, &out);
    let message = message(&b"hello"[..]);
    let mail = mail_with(&message, &key().request(message.id(), message.audio().digest()));
    for arrival in 1..=2 {
        assert!(send(&intake, "vm+x@edge.example", &["201", "202"], &mail).await.starts_with("250"));
        let sent = out.0.lock().clone();
        assert_eq!(sent.len(), arrival, "a duplicate gets its receipt again");
        let (sender, to, report) = &sent[arrival - 1];
        assert_eq!((sender, &**to), (&Sender::Null, "vm+x@edge.example"));
        let status = wire::read_delivery_status(report, DecodeLimits::default()).unwrap();
        for (recipient, number) in status.recipients.iter().zip(["201", "202"]) {
            let (proof, digest) = (recipient.custody.as_deref().unwrap(), ContentDigest::of(b"hello"));
            assert_eq!((recipient.digest, recipient.addresses.last().unwrap()), (Some(digest), &format!("{number}@vm.example")));
            assert!(key().proves(proof, message.id(), &mailbox(number), digest));
        }
    }
    assert_eq!(store.new_messages().await, 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_else_gets_a_receipt() {
    let (store, out) = (FailingStore::new([]), Arc::new(Out::default()));
    let intake = intake_with(&store, &out);
    let message = message(&b"hello"[..]);
    let (id, digest) = (message.id(), message.audio().digest());
    let right = key().request(id, digest);
    let forged = CustodyKey::new("edge.example", &[9; 32]).request(id, digest);
    for (sender, request) in [
        ("vm+x@edge.example", forged),
        ("vm+x@edge.example", key().request(MessageId::random(), digest)),
        ("vm+x@edge.example", "1;edge.example;".to_owned()),
        ("victim@elsewhere.example", right.clone()),
        ("", right.clone()),
    ] {
        assert!(send(&intake, sender, &["201"], &mail_with(&message, &request)).await.starts_with("250"), "{sender} {request}");
    }
    let plain = mail(&message, TransferEncoding::Base64);
    assert!(send(&intake, "vm+x@edge.example", &["201"], &plain).await.starts_with("250"));
    assert_eq!(out.0.lock().len(), 0);
    assert!(
        send(&intake, "SRS0=ab=cd=edge.example=vm+x@relay.example", &["201"], &mail_with(&message, &right))
            .await
            .starts_with("250")
    );
    assert_eq!(out.0.lock().len(), 1, "a relay that rewrites the sender gets it back");
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_receipt_cannot_be_kept_comes_again() {
    let (store, away) = (FailingStore::new([]), Arc::new(Out(Lock::default(), true)));
    let message = message(&b"hello"[..]);
    let mail = mail_with(&message, &key().request(message.id(), message.audio().digest()));
    assert!(send(&intake_with(&store, &away), "vm+x@edge.example", &["201"], &mail).await.starts_with("451 4.3.0"));
    let back = Arc::new(Out::default());
    assert!(send(&intake_with(&store, &back), "vm+x@edge.example", &["201"], &mail).await.starts_with("250"));
    let sent = back.0.lock().len();
    assert_eq!((sent, store.new_messages().await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn only_the_mailboxes_that_have_the_message_are_in_the_receipt() {
    let full: Failure = || StoreError::MailboxFull("202".parse().unwrap());
    let unknown: Failure = || StoreError::NoSuchMailbox("202".parse().unwrap());
    for (failure, code, receipts) in [(full, "452", 0), (unknown, "550", 1)] {
        let (store, out) = (FailingStore::new([("202", failure)]), Arc::new(Out::default()));
        let message = message(&b"hello"[..]);
        let mail = mail_with(&message, &key().request(message.id(), message.audio().digest()));
        let reply = send(&intake_with(&store, &out), "vm+x@edge.example", &["201", "202"], &mail).await;
        assert!(reply.starts_with(code), "{reply}");
        let sent = out.0.lock();
        assert_eq!(sent.len(), receipts, "after {code}");
        for (.., report) in &*sent {
            let status = wire::read_delivery_status(report, DecodeLimits::default()).unwrap();
            assert_eq!(status.recipients.len(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn by_lmtp_a_stored_copy_has_its_receipt_whatever_the_others_do() {
    let full: Failure = || StoreError::MailboxFull("202".parse().unwrap());
    let message = message(&b"hello"[..]);
    let mail = mail_with(&message, &key().request(message.id(), message.audio().digest()));
    let start = "LHLO relay.example\r\nMAIL FROM:<vm+x@edge.example>\r\nRCPT TO:<202@vm.example>\r\nRCPT TO:<201@vm.example>\r\n";
    for (is_away, codes) in [(true, ["452 4.2.2", "451 4.3.0"]), (false, ["452 4.2.2", "250 2.1.5"])] {
        let (store, out) = (FailingStore::new([("202", full)]), Arc::new(Out(Lock::default(), is_away)));
        let policy = ListenerPolicy::new(ListenMode::StartTls, Access::anyone_anywhere()).lmtp();
        let (mut client, _session) = Client::connect_by(&intake_with(&store, &out), policy);
        client.replies(1).await;
        client.send(pipelined(start, &mail)).await;
        let replies = client.replies(6).await;
        let last: Vec<_> = replies.lines().skip(replies.lines().count() - 2).map(|line| &line[..9]).collect();
        assert_eq!(last, codes, "{replies}");
        assert_eq!(out.0.lock().len(), usize::from(!is_away));
    }
}

/// Sends a message with requests for delivery reports; returns all replies after EHLO.
async fn send_with(intake: &Intake, mail_from: &str, rcpts: &[&str], mail: &[u8]) -> Vec<String> {
    let mut client = Client::connect(intake).await;
    client.send(format!("EHLO relay.example\r\nMAIL FROM:{mail_from}\r\n")).await;
    let mut replies = vec![client.replies(2).await.lines().last().unwrap().to_owned()];
    for rcpt in rcpts {
        client.send(format!("RCPT TO:{rcpt}\r\n")).await;
        replies.push(client.last_reply(1).await);
    }
    client.send([format!("BDAT {} LAST\r\n", mail.len()).as_bytes(), mail].concat()).await;
    replies.push(client.last_reply(1).await);
    replies
}

#[tokio::test(start_paused = true)]
async fn a_report_of_success_is_sent_where_it_is_asked_for() {
    let (store, out) = (FailingStore::new([]), Arc::new(Out::default()));
    let intake = builder(&store).delivery_reports(Arc::clone(&out)).build();
    let message = message(&b"hello"[..]);
    let mail = mail(&message, TransferEncoding::Base64);
    let rcpts = [
        "<201@vm.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;+2B49@old.example",
        "<202@vm.example> NOTIFY=NEVER ORCPT=rfc822;202@vm.example",
    ];
    let replies = send_with(&intake, "<anna@far.example> RET=HDRS ENVID=QQ314159+0D+0AX", &rcpts, &mail).await;
    assert!(replies.iter().all(|reply| reply.starts_with("250")), "{replies:?}");
    let sent = out.0.lock().clone();
    let [(Sender::Null, to, report)] = &sent[..] else { panic!("{sent:?}") };
    let text = String::from_utf8(report.to_vec()).unwrap();
    assert_eq!(to, "anna@far.example");
    assert!(text.contains("\r\nOriginal-Envelope-Id: QQ314159??X\r\n"), "{text}");
    let status = wire::read_delivery_status(report, DecodeLimits::default()).unwrap();
    let [only] = &status.recipients[..] else { panic!("NEVER is kept: {status:?}") };
    assert_eq!(
        (&only.addresses[..], &*only.action),
        (&["+49@old.example", "201@vm.example"].map(str::to_owned)[..], "delivered")
    );

    for (mail_from, rcpt) in [
        ("<anna@far.example>", "<201@vm.example>"),
        ("<anna@far.example> ENVID=1", "<201@vm.example> NOTIFY=FAILURE,DELAY"),
        ("<>", "<201@vm.example> NOTIFY=SUCCESS"),
    ] {
        let replies = send_with(&intake, mail_from, &[rcpt], &mail).await;
        assert!(replies.iter().all(|reply| reply.starts_with("250")), "{replies:?}");
        assert_eq!(out.0.lock().len(), 1, "{mail_from} {rcpt}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_taken_only_by_a_node_that_can_report() {
    let store = FailingStore::new([]);
    let mail = mail(&message(&b"hello"[..]), TransferEncoding::Base64);
    let without = builder(&store).build();
    let replies = send_with(&without, "<anna@far.example> RET=HDRS", &["<201@vm.example>"], &mail).await;
    assert!(replies[0].starts_with("555 5.5.4"), "{replies:?}");
    let replies = send_with(&without, "<anna@far.example>", &["<201@vm.example> NOTIFY=SUCCESS"], &mail).await;
    assert!(replies[1].starts_with("555 5.5.4"), "{replies:?}");
    let with = builder(&store).delivery_reports(Arc::new(Out::default())).build();
    let replies = send_with(&with, "<anna@far.example> ENVID=a ENVID=a", &["<201@vm.example>"], &mail).await;
    assert!(replies[0].starts_with("501 5.5.4"), "{replies:?}");
    let mut client = Client::connect(&with).await;
    client.send("EHLO relay.example\r\n").await;
    assert!(client.replies(1).await.contains("250-DSN\r\n"));
}
