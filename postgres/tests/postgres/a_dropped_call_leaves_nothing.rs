//! A call that is dropped at any of its polls has done all or nothing, and no connection is spoiled by it.

use std::pin::pin;
use std::task::Poll;

use voicemail::message::{Origin, Status, Summary};
use voicemail::store::{MessageStore as _, MessageStoreExt as _};
use voicemail_postgres::Database;

use super::support::messages::message;
use super::support::server::Server;
use super::support::{mailbox, store_in};

/// Polls `call` up to `polls` times, each time when it is woken; `None` if it was not done by then.
async fn dropped_after<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let (mut call, mut left) = (pin!(call), polls);
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        call.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposit_dropped_at_any_poll_is_whole_or_nothing() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let number = mailbox("2041");
    for sound_len in [100, 60_000] {
        for polls in 0..40 {
            // One connection: a spoiled one would be met at once. New each time, so that also its opening is dropped.
            let database = Database::builder(&address).connections(1).connect().await.unwrap();
            let store = store_in(&database).await;
            for _ in 0..2 {
                let message = message(&vec![7; sound_len], i64::try_from(polls).unwrap());
                let answer = dropped_after(polls, store.deposit(&number, &Origin::Here, &message)).await;
                store.deposit(&number, &Origin::Here, &message).await.unwrap();
                let listed = store.list(&number).await.unwrap();
                assert_eq!(listed.len(), 1, "dropped after {polls} polls, with the answer {answer:?}");
                assert!(store.retrieve(&number, message.id()).await.unwrap().audio() == message.audio());
                let marked = dropped_after(polls, store.mark(&number, message.id(), Status::Old)).await;
                let summary = store.summary(&number).await.unwrap();
                assert_eq!(summary.new + summary.old, 1, "a mark that was dropped with the answer {marked:?}");
                store.remove(&number, message.id()).await.unwrap();
                dropped_after(polls, store.expunge(&number)).await;
                store.expunge(&number).await.unwrap();
                assert!(store.list(&number).await.unwrap().is_empty());
                assert_eq!(store.summary(&number).await.unwrap(), Summary::default());
            }
        }
    }
}
