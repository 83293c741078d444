//! A page of a large mailbox costs no more than one of a small mailbox, in every order, also when its plan is made once for all calls.

use voicemail::message::{Origin, Status};
use voicemail::store::{MessageStore as _, Order, Query};
use voicemail_postgres::Database;

use super::support::messages::message;
use super::support::server::{Server, execute};
use super::support::{mailbox, store_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_large_mailbox_reads_few_rows() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let database = Database::builder(&address).connections(1).connect().await.unwrap();
    let store = store_in(&database).await;
    let number = mailbox("2041");
    store.deposit(&number, &Origin::Here, &message(b"first", 0)).await.unwrap();
    execute(
        &address,
        "INSERT INTO voicemail.message \
         SELECT mailbox, gen_random_uuid(), gen_random_uuid(), (n % 3)::smallint, n % 10 = 0, recorded_ns + n * 1000000000::bigint, since, length_ms, \
             size, media, digest, sound_size, head, sound, sound_at FROM voicemail.message, generate_series(1, 20000) n",
    )
    .await;
    execute(&address, "ANALYZE voicemail.message").await;
    drop((store, database));
    let before = rows_read(&address, 0).await;

    let database = Database::builder(&address).connections(1).connect().await.unwrap();
    let store = store_in(&database).await;
    let mut calls = 0;
    for _ in 0..8 {
        for order in [Order::OldestFirst, Order::NewestFirst, Order::UrgentFirst, Order::UrgentThenNewestFirst] {
            let query = Query::only([Status::New, Status::Old]).order(order).limit(20);
            let first = store.page(&number, &query).await.unwrap();
            let second = store.page(&number, &query.after(first.next.unwrap())).await.unwrap();
            assert_eq!((first.entries.len(), second.entries.len()), (20, 20));
            calls += 2;
        }
    }
    // A session reports what it read when it ends.
    drop((store, database));
    let read = rows_read(&address, before).await - before;
    println!("{} rows read for each page of 20", read / calls);
    assert!(read < calls * 200, "{} rows read for each page", read / calls);
}

/// How many rows of messages were read so far, with and without an index; waits until it is more than `before`.
async fn rows_read(address: &str, before: i64) -> i64 {
    let sql = "SELECT seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'message')::bigint \
               FROM pg_stat_user_tables WHERE relname = 'message'";
    loop {
        let read = execute(address, sql).await[0].parse().unwrap();
        if read > before {
            return read;
        }
    }
}
