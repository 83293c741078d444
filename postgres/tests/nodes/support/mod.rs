//! The parts that these tests share: central nodes as processes and in this one, senders, lamps, and servers.

pub(crate) mod lamps;
#[path = "../../postgres/support/messages.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
pub(crate) mod messages;
pub(crate) mod network;
pub(crate) mod process;
#[path = "../../../../tests/support/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
pub(crate) mod random;
#[path = "../../postgres/support/relay.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
pub(crate) mod relay;
pub(crate) mod running;
pub(crate) mod senders;
#[path = "../../postgres/support/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
pub(crate) mod server;

use std::time::Duration;

use voicemail::store::MessageStore as _;
use voicemail_postgres::PostgresStore;

use self::network::NUMBERS;

pub(crate) fn mailbox(number: &str) -> voicemail::message::MailboxId {
    number.parse().unwrap()
}

/// Waits for `future`; the test fails when that takes more than a minute.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("within a minute: {what}"))
}

/// The summaries of all mailboxes, as text.
pub(crate) async fn summaries(store: &PostgresStore) -> Vec<String> {
    let mut all = Vec::new();
    for number in NUMBERS {
        all.push(store.summary(&mailbox(number)).await.unwrap().to_string());
    }
    all
}
