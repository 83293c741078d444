//! Reports that come to the return paths of this node.

use super::*;
use crate::intake::ReturnedMail;
use crate::smtp::{ReturnPaths, SignedReturnPath};

const KEY: [u8; 32] = [7; 32];
const REPORT: &[u8] = b"From: <mailer-daemon@mail.example>\r\nSubject: Undelivered\r\n\r\ncaf\xe9\r\n";

fn paths() -> ReturnPaths {
    ReturnPaths::new("vm1.example", &KEY)
}

fn address(paths: &ReturnPaths, id: MessageId) -> String {
    format!("{}@{}", paths.sign(id, "2025-03-30T00:00:00Z".parse().unwrap()), paths.node())
}

/// Sends a report from `sender` to each of `recipients`; returns the replies after EHLO, without their texts.
async fn send(intake: &Intake, mail_from: &str, recipients: &[&str], report: &[u8]) -> Vec<String> {
    let mut client = Client::connect(intake).await;
    client.send(format!("EHLO mail.example\r\nMAIL {mail_from}\r\n")).await;
    client.replies(2).await;
    let mut replies = Vec::new();
    for recipient in recipients {
        client.send(format!("RCPT TO:<{recipient}>\r\n")).await;
        replies.push(client.last_reply(1).await);
    }
    if replies.iter().any(|reply| reply.starts_with("250")) {
        client.send([format!("BDAT {} LAST\r\n", report.len()).as_bytes(), report].concat()).await;
        replies.push(client.last_reply(1).await);
    }
    replies.iter().map(|reply| reply.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// Keeps what it is given, or refuses it.
#[derive(Debug, Default)]
struct Reports(Lock<Vec<(MessageId, Bytes)>>, Option<Reply>);

#[async_trait]
impl super::super::report_handler::ReportHandler for Reports {
    async fn handle(&self, about: SignedReturnPath, mail: Bytes) -> Result<ReturnedMail, Reply> {
        self.0.lock().push((about.id, mail));
        self.1.clone().map_or(Ok(ReturnedMail::Report), Err)
    }

    #[cfg(feature = "node")]
    async fn handle_receipt(&self, to: &MailboxId, receipt: crate::wire::ReadReceipt) -> Result<bool, Reply> {
        match &self.1 {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(to.as_str() == "201" && receipt.id == MessageId::from_bytes([7; 16])),
        }
    }
}

fn intake(
    builder: IntakeBuilder,
    reports: &Arc<Reports>,
) -> (Intake, tokio::sync::broadcast::Receiver<crate::event::Occurrence>) {
    let events = Events::new();
    let event = events.subscribe();
    let builder = builder.return_paths(paths()).report_handler(Arc::clone(reports) as _).events(events);
    (builder.build(), event)
}

#[tokio::test(start_paused = true)]
async fn a_report_to_a_signed_return_path_is_received() {
    let reports = Arc::new(Reports::default());
    let (intake, mut event) = intake(builder(&FailingStore::new([])), &reports);
    let id = MessageId::random();
    let to = address(&paths(), id).to_ascii_uppercase();
    assert_eq!(send(&intake, "FROM:<>", &[&to], REPORT).await, ["250 2.1.5", "250 2.0.0"]);
    let Event::ReportReceived { id: reported } = event.recv().await.unwrap().event else { panic!("it is reported") };
    let [(about, mail)] = &reports.0.lock()[..] else { panic!("one report") };
    assert_eq!((*about, reported), (id, id));
    assert!(mail.ends_with(REPORT));
}

#[tokio::test(start_paused = true)]
async fn every_other_mail_to_the_node_itself_is_refused_at_rcpt() {
    let reports = Arc::new(Reports::default());
    let (intake, mut event) = intake(builder(&FailingStore::new([])), &reports);
    let id = MessageId::random();
    let signed = address(&paths(), id);
    let old = format!("{}@vm1.example", paths().sign(id, "2025-02-01T00:00:00Z".parse().unwrap()));
    let forged = address(&ReturnPaths::new("vm1.example", &[8; 32]), id);
    for to in ["voicemail@vm1.example", "vm+x@vm1.example", &old, &forged] {
        assert_eq!(send(&intake, "FROM:<>", &[to], REPORT).await, ["550 5.7.1"], "{to}");
    }
    assert!(matches!(event.recv().await.unwrap().event, Event::ReportRefused { .. }));
    assert_eq!(send(&intake, "FROM:<a@b.example>", &[&signed], REPORT).await, ["550 5.7.1"], "not from the null sender");
    let other = address(&paths(), MessageId::random());
    for second in [&*other, "201@vm.example", "postmaster"] {
        let replies = send(&intake, "FROM:<>", &[&signed, second], REPORT).await;
        assert!(replies[1].starts_with("550 5."), "one recipient: {replies:?}");
        let replies = send(&intake, "FROM:<>", &["201@vm.example", &signed], REPORT).await;
        assert_eq!(replies[1], "550 5.7.1", "alone: {replies:?}");
    }
    assert_eq!(send(&intake, "FROM:<> SIZE=1048577", &[&signed], REPORT).await, ["552 5.3.4"]);
    assert!(reports.0.lock().iter().all(|(about, _)| *about == id));
    let without = builder(&FailingStore::new([])).build();
    assert_eq!(send(&without, "FROM:<>", &[&signed], REPORT).await, ["550 5.7.1"], "a node that signs nothing");
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_too_long_or_refused_is_not_received() {
    let reports = Arc::new(Reports(Lock::default(), Some(Reply::new(451, "4.3.0 not now"))));
    let (intake, _event) = intake(builder(&FailingStore::new([])), &reports);
    let to = address(&paths(), MessageId::random());
    let long = vec![b'x'; 1024 * 1024 + 1];
    assert_eq!(send(&intake, "FROM:<>", &[&to], &long).await, ["250 2.1.5", "552 5.3.4"]);
    assert_eq!(reports.0.lock().len(), 0);
    assert_eq!(send(&intake, "FROM:<>", &[&to], REPORT).await, ["250 2.1.5", "451 4.3.0"]);
}

#[cfg(feature = "node")]
#[tokio::test(start_paused = true)]
async fn a_read_receipt_is_taken_about_a_mail_of_its_recipient() {
    let (ours, other) = (read_receipt([7; 16]) + "--b--\r\n", read_receipt([8; 16]) + "--b--\r\n");
    let (intake, _event) = intake(builder(&FailingStore::new([])), &Arc::default());
    let to = |number: &str| format!("{number}@vm.example");
    assert_eq!(send(&intake, "FROM:<>", &[&to("201")], ours.as_bytes()).await, ["250 2.1.5", "250 2.0.0"]);
    for (number, mail) in [("202", &ours), ("201", &other)] {
        let replies = send(&intake, "FROM:<>", &[&to(number)], mail.as_bytes()).await;
        assert!(replies[1].starts_with("554"), "{replies:?}");
    }
    let replies = send(&intake, "FROM:<>", &[&to("201"), &to("202")], ours.as_bytes()).await;
    assert!(replies[2].starts_with("554"), "a receipt is for one mailbox: {replies:?}");
    let replies = send(&intake, "FROM:<617@far.example>", &[&to("201")], ours.as_bytes()).await;
    assert!(replies[1].starts_with("554"), "a receipt has no sender: {replies:?}");
    let away = Arc::new(Reports(Lock::default(), Some(Reply::new(451, "4.3.0 not now"))));
    let (intake, _event) = self::intake(builder(&FailingStore::new([])), &away);
    assert_eq!(send(&intake, "FROM:<>", &[&to("201")], ours.as_bytes()).await, ["250 2.1.5", "451 4.3.0"]);
}

/// A read receipt about the mail `id`, up to its third part.
#[cfg(feature = "node")]
fn read_receipt(id: [u8; 16]) -> String {
    let id = MessageId::from_bytes(id);
    format!(
        "From: <617@far.example>\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nplayed\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\n\
         Original-Message-ID: <{id}@vm.example>\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n\r\n"
    )
}

#[cfg(all(feature = "node", feature = "fs"))]
#[tokio::test]
async fn a_long_read_receipt_is_taken_by_its_beginning() {
    let (disk, store) = staged::maildirs().await;
    let (intake, _event) = intake(staged::intake_of(&store), &Arc::default());
    let line = format!("{}\r\n", "x".repeat(70));
    for (id, code) in [([7; 16], "250"), ([8; 16], "554")] {
        // The third part is the whole mail that the receipt is about.
        let mail = format!(
            "{}--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: a\r\n\r\n{}--b--\r\n",
            read_receipt(id),
            line.repeat(50_000)
        );
        let replies = send(&intake, "FROM:<>", &["201@vm.example"], mail.as_bytes()).await;
        assert!(replies[1].starts_with(code), "{replies:?}");
        assert_eq!(
            crate::disk::Disk::list(&*disk, std::path::Path::new("/store/staging")).unwrap(),
            [""; 0],
            "nothing is left of it"
        );
    }
    // Its fields are not looked for behind a text of this length.
    let cut = read_receipt([7; 16]).replace("played", &line.repeat(920));
    let mail = format!("{}--b\r\nContent-Type: message/rfc822\r\n\r\n{}--b--\r\n", cut, line.repeat(50_000));
    let replies = send(&intake, "FROM:<>", &["201@vm.example"], mail.as_bytes()).await;
    assert!(replies[1].starts_with("554"), "{replies:?}");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_forged_reports_change_nothing() {
    let reports = Arc::new(Reports::default());
    let (intake, _event) = intake(builder(&FailingStore::new([])), &reports);
    let forger = ReturnPaths::new("vm1.example", &[8; 32]);
    for _ in 0..1000 {
        let mut client = Client::connect(&intake).await;
        let rcpts: Vec<_> = (0..10).map(|_| format!("RCPT TO:<{}>\r\n", address(&forger, MessageId::random()))).collect();
        client.send(format!("EHLO mail.example\r\nMAIL FROM:<>\r\n{}QUIT\r\n", rcpts.concat())).await;
        client.replies(2).await;
        for _ in 0..10 {
            assert!(client.last_reply(1).await.starts_with("550 5.7.1"));
        }
    }
    assert_eq!(reports.0.lock().len(), 0);
}
