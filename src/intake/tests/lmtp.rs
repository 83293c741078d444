//! Messages that a mail server hands over by LMTP.

use super::*;

const LHLO: &str = "LHLO mx.example\r\nMAIL FROM:<node@berlin.example>\r\n";

/// A client of a listener for LMTP, greeted.
async fn connect(intake: &Intake) -> (Client<DuplexStream>, JoinHandle<io::Result<()>>) {
    let policy = ListenerPolicy::new(ListenMode::StartTls, Access::anyone_anywhere()).lmtp();
    let (mut client, (_, session)) = Client::connect_by(intake, policy);
    assert_eq!(client.replies(1).await, "220 vm1.example LMTP\r\n");
    (client, session)
}

/// Sends a mail to these numbers at once; the replies begin with those to LHLO and MAIL.
async fn send(client: &mut Client<DuplexStream>, numbers: &[&str], mail: &[u8]) {
    let recipients: Vec<_> = numbers.iter().map(|number| format!("RCPT TO:<{number}@vm.example>\r\n")).collect();
    client.send(pipelined(&format!("{LHLO}{}", recipients.concat()), mail)).await;
}

fn full() -> StoreError {
    StoreError::MailboxFull(mailbox("202"))
}

#[tokio::test(start_paused = true)]
async fn each_recipient_learns_what_became_of_its_own_copy() {
    let gone: Failure = || StoreError::NoSuchMailbox(mailbox(SLOW));
    let store = FailingStore::new([("202", full as Failure), (SLOW, gone)]);
    store.go_on.notify_one();
    let intake = builder(&store).build();
    let (mut client, _) = connect(&intake).await;
    let message = message(&b"hello"[..]);
    send(&mut client, &["202", "9", "201", SLOW], &mail(&message, TransferEncoding::Base64)).await;
    let replies = client.replies(9).await;
    let replies: Vec<_> = replies.lines().skip_while(|line| !line.starts_with("250 2.1.0")).skip(1).collect();
    assert_eq!(
        replies,
        [
            "250 2.1.5 recipient ok",
            "550 5.1.1 no such mailbox here",
            "250 2.1.5 recipient ok",
            "250 2.1.5 recipient ok",
            "452 4.2.2 202: mailbox 202 is full",
            &format!("250 2.1.5 201: kept {}", message.id()),
            "550 5.1.1 299: no mailbox 299",
        ]
    );
    assert_eq!(store.new_messages().await, 1);
    client.send("QUIT\r\n").await;
    assert_eq!(client.rest().await, "221 2.0.0 bye\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_is_refused_for_each() {
    let store = FailingStore::new([]);
    let (mut client, _) = connect(&builder(&store).build()).await;
    send(&mut client, &["201", "202"], b"Subject: x\r\n\r\nno sound\r\n").await;
    let replies = client.replies(6).await;
    let last: Vec<_> = replies.lines().rev().take(2).map(|line| &line[..9]).collect();
    assert_eq!(last, ["554 5.6.1"; 2], "{replies}");
    assert_eq!(store.new_messages().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_between_replies_makes_no_second_copy() {
    let store = FailingStore::new([]);
    let events = Events::new();
    let mut listener = events.subscribe();
    let intake = builder(&store).events(events).build();
    let sent = mail(&message(&b"hello"[..]), TransferEncoding::Binary);
    let (mut client, session) = connect(&intake).await;
    send(&mut client, &["201", "202"], &sent).await;
    assert!(client.last_reply(5).await.starts_with("250 2.1.5 201: kept"), "the reply for 202 is never read");
    drop(client);
    let _ = session.await.unwrap();

    let (mut client, _) = connect(&intake).await;
    send(&mut client, &["201", "202"], &sent).await;
    let replies = client.replies(6).await;
    assert_eq!(replies.lines().filter(|line| line.contains(": kept ")).count(), 2, "{replies}");
    for number in ["201", "202"] {
        assert_eq!(store.memory.summary(&mailbox(number)).await.unwrap().new, 1, "{number}");
    }
    let mut seen = (0, 0);
    for _ in 0..4 {
        match listener.recv().await.unwrap().event {
            Event::Stored { .. } => seen.0 += 1,
            Event::Duplicate { .. } => seen.1 += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_listener_speaks_one_protocol() {
    let intake = builder(&FailingStore::new([])).build();
    let (mut by_lmtp, _) = connect(&intake).await;
    by_lmtp.send("EHLO mx.example\r\n").await;
    assert_eq!(by_lmtp.replies(1).await, "500 5.5.1 this port speaks LMTP, say LHLO\r\n");
    let mut by_default = Client::connect(&intake).await;
    by_default.send("LHLO mx.example\r\n").await;
    assert_eq!(by_default.replies(1).await, "500 5.5.1 this port speaks SMTP, say EHLO\r\n");
}

#[tokio::test]
async fn a_socket_file_serves_clients_on_this_host() {
    let (folder, store) = (tempfile::tempdir().unwrap(), FailingStore::new([("202", full as Failure)]));
    let path = folder.path().join("lmtp");
    let socket = SocketFile::bind(&path, 0o600).await.unwrap();
    let (stop, serving) = serve_at(&builder(&store).build(), socket, ListenerPolicy::from(ListenMode::StartTls).lmtp());
    let mut client = Client { stream: UnixStream::connect(&path).await.unwrap() };
    assert_eq!(client.replies(1).await, "220 vm1.example LMTP\r\n");
    client.send(pipelined(LHLO, b"")).await;
    assert!(client.last_reply(3).await.starts_with("503"), "BDAT without a recipient");
    let message = message(&b"hello"[..]);
    let recipients = "RCPT TO:<201@vm.example>\r\nRCPT TO:<202@vm.example>\r\n";
    client.send(pipelined(&format!("{LHLO}{recipients}"), &mail(&message, TransferEncoding::Base64))).await;
    let replies = client.replies(6).await;
    let last: Vec<_> = replies.lines().rev().take(2).collect();
    assert_eq!(last, ["452 4.2.2 202: mailbox 202 is full", &format!("250 2.1.5 201: kept {}", message.id())], "{replies}");
    stop.send(()).unwrap();
    assert_eq!(client.rest().await, "421 4.3.2 stopping, try again later\r\n");
    serving.await.unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_client_of_a_socket_file_that_may_not_deliver_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let intake = builder(&FailingStore::new([])).limits(Limits { connections: 1, ..Limits::default() }).build();
    let far = Access::default().only_from(["192.0.2.0/24".parse().unwrap()]);
    for (name, access, expected) in [("far", far, "554 5.7.1"), ("near", Access::default(), "421 4.3.2")] {
        let path = folder.path().join(name);
        let socket = SocketFile::bind(&path, 0o600).await.unwrap();
        let (_stop, _serving) = serve_at(&intake, socket, ListenerPolicy::new(ListenMode::StartTls, access).lmtp());
        let mut first = Client { stream: UnixStream::connect(&path).await.unwrap() };
        let greeting = first.replies(1).await;
        let second = Client { stream: UnixStream::connect(&path).await.unwrap() }.rest().await;
        assert!(second.starts_with(expected), "{name}: {greeting}{second}");
    }
}
