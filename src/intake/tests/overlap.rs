//! Several deposits of one connection at once.

use super::*;

/// A message to each of these mailboxes, pipelined.
fn pipelined_to(mailboxes: &[&str]) -> Vec<u8> {
    let mails = mailboxes.iter().enumerate().map(|(number, mailbox)| {
        let mail = mail(&message(format!("sound {number}")), TransferEncoding::Base64);
        pipelined(&format!("MAIL FROM:<node@berlin.example>\r\nRCPT TO:<{mailbox}@vm.example>\r\n"), &mail)
    });
    std::iter::once(b"EHLO pbx.example\r\n".to_vec()).chain(mails).flatten().collect()
}

async fn stored(events: &mut tokio::sync::broadcast::Receiver<crate::event::Occurrence>) -> MailboxId {
    loop {
        if let Event::Stored { mailbox, .. } = events.recv().await.unwrap().event {
            return mailbox;
        }
    }
}

fn codes(replies: &str) -> String {
    let last_lines = replies.lines().filter(|line| line.as_bytes()[3] == b' ');
    last_lines.map(|line| &line[..3]).collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_message_is_stored_while_the_store_still_has_the_one_before() {
    let (store, events) = (FailingStore::new([]), Events::new());
    let intake = builder(&store).events(events.clone()).build();
    let mut told = events.subscribe();
    let (client, _session) = Client::connect_stoppable(&intake, ListenMode::StartTls);
    let mut client = client.greeted().await;
    client.send(pipelined_to(&[SLOW, "201", "202"])).await;
    assert_eq!((stored(&mut told).await, stored(&mut told).await), (mailbox("201"), mailbox("202")));
    assert_eq!(codes(&client.replies(3).await), "250 250 250", "nothing is said past what is not known yet");
    store.go_on.notify_one();
    assert_eq!(codes(&client.replies(7).await), "250 250 250 250 250 250 250");
    assert_eq!(stored(&mut told).await, mailbox(SLOW));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closed_its_sending_side_gets_all_replies() {
    let full: Failure = || StoreError::MailboxFull(mailbox("202"));
    let store = FailingStore::new([("202", full)]);
    let (client, _session) = Client::connect_stoppable(&builder(&store).build(), ListenMode::StartTls);
    let mut client = client.greeted().await;
    client.send(pipelined_to(&[SLOW, "202", "201"])).await;
    client.stream.shutdown().await.unwrap();
    store.asked.notified().await;
    store.go_on.notify_one();
    assert_eq!(codes(&client.rest().await), "250 250 250 250 250 250 452 250 250 250");
}

#[tokio::test(start_paused = true)]
async fn a_deposit_under_way_is_finished_though_the_peer_is_gone() {
    let (store, events) = (FailingStore::new([]), Events::new());
    let intake = builder(&store).events(events.clone()).build();
    let mut told = events.subscribe();
    let (client, (_stop, session)) = Client::connect_stoppable(&intake, ListenMode::StartTls);
    let mut client = client.greeted().await;
    client.send(pipelined_to(&[SLOW, "201"])).await;
    assert_eq!(stored(&mut told).await, mailbox("201"));
    drop(client);
    store.go_on.notify_one();
    assert_eq!(stored(&mut told).await, mailbox(SLOW));
    session.await.unwrap().unwrap_err();
    assert_eq!(store.memory.summary(&mailbox(SLOW)).await.unwrap().new, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_needs_the_memory_of_the_one_before_gets_it() {
    let store = FailingStore::new([]);
    let limits = Limits { bodies_in_flight: Dialogue::MEMORY_STEP, ..Limits::default() };
    let (client, _session) = Client::connect_stoppable(&builder(&store).limits(limits).build(), ListenMode::StartTls);
    let mut client = client.greeted().await;
    client.send(pipelined_to(&[SLOW, "201"])).await;
    store.asked.notified().await;
    store.go_on.notify_one();
    assert_eq!(codes(&client.replies(7).await), "250 250 250 250 250 250 250");
}

#[tokio::test(start_paused = true)]
async fn the_store_goes_on_while_the_peer_reads_no_replies() {
    let (store, events) = (FailingStore::new([]), Events::new());
    let intake = builder(&store).events(events.clone()).build();
    let mut told = events.subscribe();
    let (client, _session) = Client::connect_stoppable(&intake, ListenMode::StartTls);
    let mut client = client.greeted().await;
    let next = pipelined_to(&[SLOW]).split_off("EHLO pbx.example\r\n".len());
    for pipelined in [pipelined_to(&[SLOW]), [b"NOOP\r\n".repeat(100), next, b"QUIT\r\n".to_vec()].concat()] {
        client.send(pipelined).await;
        store.asked.notified().await;
    }
    let began = Instant::now();
    for _ in 0..2 {
        store.go_on.notify_one();
        assert_eq!(stored(&mut told).await, mailbox(SLOW));
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "what it holds meanwhile is wanted by others");
    assert_eq!(codes(&client.rest().await), format!("{}221", "250 ".repeat(107)), "and what had to wait for it is event");
}
