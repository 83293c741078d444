//! The messages that owners have sent, in the database: a receipt of one node is in the list of all.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use voicemail::conformance;
use voicemail::message::{Disposition, MessageId};
use voicemail::sent::{SentCopy, SentMessage, SentState, SentStore as _, SentStoreError};
use voicemail::store::MessageStore as _;
use voicemail_postgres::{Database, PostgresSent, PostgresStore};

use super::support::server::{Server, execute};
use super::support::{database, mailbox};

fn now() -> DateTime<Utc> {
    "2026-11-22T18:00:00.123456789Z".parse().unwrap()
}

/// A message to these mailboxes that was sent at `sent_at`.
fn message(sent_at: DateTime<Utc>, to: &[&str]) -> SentMessage {
    let copy = |to: &&str| SentCopy::new(mailbox(to), MessageId::random(), SentState::Sending);
    SentMessage::new(MessageId::random(), sent_at, Duration::from_millis(2_500), to.iter().map(copy).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_messages_keep_the_contract() {
    if Server::common().is_none() {
        return;
    }
    conformance::sent::run_all(|| async { PostgresSent::new(&database().await.unwrap()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_is_read_back_to_the_nanosecond() {
    let Some(database) = database().await else { return };
    let (sent, owner) = (PostgresSent::new(&database), mailbox("2041"));
    let mut message =
        message(now(), &["2009", "2001", "sales.berlin", "2003", "2004", "2005", "2006", "2007", "2008", "2010", "2011", "2012"]);
    let ends = Disposition::ALL.map(|disposition| SentState::Ended { disposition, at: now() });
    let states = [SentState::Sending, SentState::NotDelivered, SentState::Delivered, SentState::Returned].into_iter().chain(ends);
    assert_eq!(states.clone().count(), message.copies.len(), "each state has a copy");
    for (copy, state) in message.copies.iter_mut().zip(states) {
        copy.state = state;
    }
    let none = SentMessage::new(MessageId::random(), now() - TimeDelta::nanoseconds(1), Duration::ZERO, Vec::new());
    sent.record(&owner, &message).await.unwrap();
    sent.record(&owner, &none).await.unwrap();
    assert_eq!(sent.list(&owner, now()).await.unwrap(), [message.clone(), none]);
    // A mailbox that is named twice is there once, with its later state.
    let first = &message.copies[0];
    let twice = vec![first.clone(), SentCopy::new(first.mailbox.clone(), first.id, SentState::Delivered)];
    let again = SentMessage::new(message.id, message.sent_at, message.length, twice);
    sent.record(&owner, &again).await.unwrap();
    message.copies[0].state = SentState::Delivered;
    assert_eq!(sent.list(&owner, now()).await.unwrap()[0], message);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_that_come_to_two_nodes_at_once_are_all_kept() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let node = async || PostgresSent::new(&Database::connect(&address).await.unwrap());
    let (one, two, owner) = (node().await, node().await, mailbox("2041"));
    let numbers: Vec<String> = (2100..2140).map(|number| number.to_string()).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let mut message = message(now(), &numbers);
    one.record(&owner, &message).await.unwrap();
    let settled = join_all(message.copies.iter().enumerate().map(|(at, copy)| {
        let (node, owner, mailbox) = (if at % 2 == 0 { &one } else { &two }, &owner, &copy.mailbox);
        node.settle(owner, mailbox, copy.id, Disposition::Played, now())
    }))
    .await;
    assert!(settled.iter().all(Result::is_ok), "{settled:?}");
    for copy in &mut message.copies {
        copy.state = SentState::Ended { disposition: Disposition::Played, at: now() };
    }
    for node in [&one, &two] {
        assert_eq!(node.list(&owner, now()).await.unwrap(), std::slice::from_ref(&message));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_record_at_once_keep_the_newest() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let node = async || PostgresSent::new(&Database::connect(&address).await.unwrap());
    let (one, two, owner) = (node().await, node().await, mailbox("2041"));
    let sent: Vec<SentMessage> = (0..540).map(|at| message(now() + TimeDelta::seconds(at), &["2042"])).collect();
    let record = async |node: &PostgresSent, messages: &[SentMessage]| {
        for message in messages {
            node.record(&owner, message).await.unwrap();
        }
    };
    let (earlier, later) = sent.split_at(270);
    tokio::join!(record(&one, later), record(&two, earlier));
    let last = message(now() + TimeDelta::seconds(600), &["2042"]);
    one.record(&owner, &last).await.unwrap();
    let newest: Vec<SentMessage> = sent.into_iter().chain([last]).rev().take(SentMessage::MAX_KEPT).collect();
    assert_eq!(two.list(&owner, now()).await.unwrap(), newest);
    let rows = execute(&address, "SELECT count(*) FROM voicemail.sent_message").await;
    assert_eq!(rows, ["500"], "older ones were not deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_with_their_mailboxes_and_with_time() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let database = Database::connect(&address).await.unwrap();
    let (sent, store) = (PostgresSent::new(&database), PostgresStore::builder(&database).build());
    let (gone, stays, now) = (mailbox("2041"), mailbox("2042"), Utc::now());
    let (recent, old) = (message(now - TimeDelta::days(89), &["2043"]), message(now - TimeDelta::days(91), &["2043"]));
    for owner in [&gone, &stays] {
        store.create_mailbox(owner).await.unwrap();
        sent.record(owner, &old).await.unwrap();
        sent.record(owner, &recent).await.unwrap();
    }
    let before_now = now - TimeDelta::days(30);
    assert_eq!(sent.list(&stays, before_now).await.unwrap().len(), 2, "both are kept until somebody looks after them");
    store.housekeep().await.unwrap();
    assert_eq!(sent.list(&stays, before_now).await.unwrap(), std::slice::from_ref(&recent));
    execute(&address, "DELETE FROM voicemail.mailbox WHERE number = '2041'").await;
    assert_eq!(sent.list(&gone, before_now).await.unwrap(), []);
    assert_eq!(sent.list(&stays, before_now).await.unwrap(), [recent]);
    assert_eq!(execute(&address, "SELECT count(*) FROM voicemail.sent_copy").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_left_out() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let (sent, owner) = (PostgresSent::new(&Database::connect(&address).await.unwrap()), mailbox("2041"));
    let (odd, whole) = (message(now(), &["2042"]), message(now(), &["2043"]));
    sent.record(&owner, &odd).await.unwrap();
    sent.record(&owner, &whole).await.unwrap();
    execute(&address, "UPDATE voicemail.sent_copy SET state = 9 WHERE mailbox = '2042'").await;
    assert_eq!(sent.list(&owner, now()).await.unwrap(), [whole]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_sent_messages_are_unavailable() {
    let Some(mut server) = Server::start(&[]) else { return };
    let sent = PostgresSent::new(&Database::connect(&server.create_database().await).await.unwrap());
    server.crash();
    for error in [
        sent.list(&mailbox("2041"), now()).await.unwrap_err(),
        sent.record(&mailbox("2041"), &message(now(), &["2042"])).await.unwrap_err(),
    ] {
        assert!(matches!(error, SentStoreError::Unavailable(_)) && error.is_transient(), "{error:?}");
    }
}
