//! Several messages of one connection with the store at once.

use super::*;
use crate::event::Events;

/// A message to each of these mailboxes, in one flight.
fn flights(mailboxes: &[&str]) -> Vec<u8> {
    let mails = mailboxes.iter().enumerate().map(|(number, mailbox)| {
        let mail = mail(&message(format!("sound {number}")), TransferEncoding::Base64);
        flight(&format!("MAIL FROM:<node@berlin.example>\r\nRCPT TO:<{mailbox}@vm.example>\r\n"), &mail)
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
    let (store, events) = (TryingStore::new([]), Events::new());
    let intake = builder(&store).events(events.clone()).build();
    let mut told = events.subscribe();
    let (client, _session) = Client::connect_stoppable(&intake, ListenMode::StartTls);
    let mut client = client.greeted().await;
    client.send(flights(&[SLOW, "201", "202"])).await;
    assert_eq!((stored(&mut told).await, stored(&mut told).await), (mailbox("201"), mailbox("202")));
    assert_eq!(codes(&client.replies(3).await), "250 250 250", "nothing is said past what is not known yet");
    store.may_go_on.notify_one();
    assert_eq!(codes(&client.replies(7).await), "250 250 250 250 250 250 250");
    assert_eq!(stored(&mut told).await, mailbox(SLOW));
}

#[tokio::test(start_paused = true)]
async fn who_has_closed_its_own_side_only_hears_what_became_of_all_its_messages() {
    let full: Failure = || StoreError::MailboxFull(mailbox("202"));
    let store = TryingStore::new([("202", full)]);
    let (client, _session) = Client::connect_stoppable(&builder(&store).build(), ListenMode::StartTls);
    let mut client = client.greeted().await;
    client.send(flights(&[SLOW, "202", "201"])).await;
    client.stream.shutdown().await.unwrap();
    store.asked.notified().await;
    store.may_go_on.notify_one();
    assert_eq!(codes(&client.rest().await), "250 250 250 250 250 250 452 250 250 250");
}

#[tokio::test(start_paused = true)]
async fn what_the_store_has_is_kept_and_told_although_the_peer_is_gone() {
    let (store, events) = (TryingStore::new([]), Events::new());
    let intake = builder(&store).events(events.clone()).build();
    let mut told = events.subscribe();
    let (client, (_stop, session)) = Client::connect_stoppable(&intake, ListenMode::StartTls);
    let mut client = client.greeted().await;
    client.send(flights(&[SLOW, "201"])).await;
    assert_eq!(stored(&mut told).await, mailbox("201"));
    drop(client);
    store.may_go_on.notify_one();
    assert_eq!(stored(&mut told).await, mailbox(SLOW));
    session.await.unwrap().unwrap_err();
    assert_eq!(store.memory.summary(&mailbox(SLOW)).await.unwrap().new, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_needs_the_memory_of_the_one_before_gets_it() {
    let store = TryingStore::new([]);
    let limits = Limits { bodies_in_flight: Dialogue::MEMORY_STEP, ..Limits::default() };
    let (client, _session) = Client::connect_stoppable(&builder(&store).limits(limits).build(), ListenMode::StartTls);
    let mut client = client.greeted().await;
    client.send(flights(&[SLOW, "201"])).await;
    store.asked.notified().await;
    store.may_go_on.notify_one();
    assert_eq!(codes(&client.replies(7).await), "250 250 250 250 250 250 250");
}

#[tokio::test(start_paused = true)]
async fn the_store_goes_on_with_a_message_while_the_peer_reads_no_replies() {
    let (store, events) = (TryingStore::new([]), Events::new());
    let intake = builder(&store).events(events.clone()).build();
    let mut told = events.subscribe();
    let (client, _session) = Client::connect_stoppable(&intake, ListenMode::StartTls);
    let mut client = client.greeted().await;
    let next = flights(&[SLOW]).split_off("EHLO pbx.example\r\n".len());
    for flight in [flights(&[SLOW]), [b"NOOP\r\n".repeat(100), next, b"QUIT\r\n".to_vec()].concat()] {
        client.send(flight).await;
        store.asked.notified().await;
    }
    let began = Instant::now();
    for _ in 0..2 {
        store.may_go_on.notify_one();
        assert_eq!(stored(&mut told).await, mailbox(SLOW));
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "what it holds meanwhile is wanted by others");
    assert_eq!(codes(&client.rest().await), format!("{}221", "250 ".repeat(107)), "and what had to wait for it is event");
}
