//! The network between one of two central nodes and the database is cut, and restored after some seconds, `VOICEMAIL_CUT_SECS` if that is set: the node
//! defers what it is sent, says nothing false about lamps, and serves again at once; the other node has taken over its lamps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;
use voicemail::message::{MessageId, Origin};
use voicemail::mwi::{CurrentState, MwiSource as _};
use voicemail::store::MessageStore as _;
use voicemail_postgres::{Database, PostgresStore};

use super::support::lamps::Lamps;
use super::support::network::NUMBERS;
use super::support::relay::Relay;
use super::support::running::{RunningNode, message};
use super::support::server::Server;
use super::support::{mailbox, soon, summaries};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_cut_off_defers_and_is_back_at_once() {
    let Some(server) = Server::common() else { return };
    let cut_for = Duration::from_secs(std::env::var("VOICEMAIL_CUT_SECS").map_or(6, |secs| secs.parse().unwrap()));
    let address = server.create_database().await;
    let (lamps, relay) = (Lamps::default(), Relay::to(server.port()).await);
    let through = address.replace(&format!(":{}", server.port()), &format!(":{}", relay.port()));
    let far = RunningNode::start("far", &database(&through).await, &lamps).await;
    soon("the first node shows all lamps", lamps.until(|lamps| lamps.shown_by("far") >= NUMBERS.len())).await;
    let near = RunningNode::start("near", &database(&address).await, &lamps).await;
    let store = PostgresStore::builder(&Database::connect(&address).await.unwrap()).build();
    let (first, last) = (mailbox(NUMBERS[0]), mailbox(NUMBERS[7]));
    assert!(far.accepts(&message()).await.is_ok(), "before the cut");
    let callers = Callers::start(&far, 32);

    relay.cut_network();
    let (cut, begun_before, shown_before) = (Instant::now(), relay.accepted(), lamps.shown_by("far"));
    for mailbox in [&first, &last] {
        near.store().deposit(mailbox, &Origin::Here, &message()).await.unwrap();
    }
    let code = far.accepts(&message()).await.unwrap_err();
    let deferred_after = cut.elapsed();
    assert_eq!(code, 451, "what the intake answers");
    assert!(deferred_after < STATEMENT_LIMIT + Duration::from_secs(5), "the answer came after {deferred_after:?}");
    assert_eq!(far.node.current(&first).await, CurrentState::Unknown, "unknown is not none");
    soon("the other node shows the changes", lamps.until(|lamps| lamps.shown_by("near") >= NUMBERS.len())).await;
    let taken_over_after = cut.elapsed();
    assert!(taken_over_after < Duration::from_secs(5), "taken over after {taken_over_after:?}");
    sleep(cut_for.saturating_sub(cut.elapsed())).await;
    let begun_meanwhile = relay.accepted() - begun_before;

    let before = relay.accepted();
    relay.restore_network();
    let restored = Instant::now();
    while far.accepts(&message()).await.is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    let back_after = restored.elapsed();
    assert!(back_after < Duration::from_secs(2), "back after {back_after:?}");
    assert!(matches!(far.node.current(&first).await, CurrentState::Known(_)), "it is known again");
    sleep(Duration::from_secs(2).saturating_sub(restored.elapsed())).await;
    let begun_after = relay.accepted() - before;
    assert!(begun_after <= SESSIONS + 3, "{begun_after} connections at once");
    // Each of the three pools tries every quarter of a second.
    let most = 3 * 4 * usize::try_from(cut_for.as_secs() + 1).unwrap() + SESSIONS;
    assert!(begun_meanwhile <= most, "{begun_meanwhile} connections while the network was cut");
    assert!(lamps.shown_by("far") <= shown_before + 2, "the node that was cut off has shown nothing without a lease");

    callers.stop_and_check(&store).await;
    let wanted = summaries(&store).await;
    soon("the lamps show the store", lamps.until(|lamps| lamps.summaries() == wanted)).await;
    near.stop().await;
    far.stop().await;
    lamps.assert_none_went_back();
    println!(
        "cut for {cut_for:?}: 451 after {deferred_after:?}, lamps taken over after {taken_over_after:?}, back {back_after:?} after it was restored; \
         connections begun: {begun_meanwhile} meanwhile, {begun_after} in two seconds after",
    );
}

/// Callers who leave messages at a node all the time, and try again after a short while.
struct Callers {
    stopped: Arc<AtomicBool>,
    tasks: JoinSet<Vec<MessageId>>,
}

impl Callers {
    fn start(at: &RunningNode, count: usize) -> Self {
        let (stopped, mut tasks) = (Arc::<AtomicBool>::default(), JoinSet::new());
        for _ in 0..count {
            let (store, stopped) = (Arc::clone(at.store()), Arc::clone(&stopped));
            tasks.spawn(async move {
                let mut kept = Vec::new();
                while !stopped.load(Ordering::SeqCst) {
                    let message = message();
                    while store.deposit(&mailbox(NUMBERS[3]), &Origin::Here, &message).await.is_err() {
                        sleep(Duration::from_millis(50)).await;
                    }
                    kept.push(message.id());
                    sleep(Duration::from_millis(50)).await;
                }
                kept
            });
        }
        Self { stopped, tasks }
    }

    /// Ends the calls, and looks for each message that was kept.
    async fn stop_and_check(self, store: &PostgresStore) {
        self.stopped.store(true, Ordering::SeqCst);
        let mut kept = self.tasks.join_all().await.concat();
        let mut stored: Vec<_> = store.list(&mailbox(NUMBERS[3])).await.unwrap().into_iter().map(|entry| entry.head.id).collect();
        kept.sort();
        stored.sort();
        assert_eq!(stored, kept, "each message is there once");
    }
}

async fn database(address: &str) -> Database {
    Database::builder(address).connections(SESSIONS).statement_limit(STATEMENT_LIMIT).connect().await.unwrap()
}

const SESSIONS: usize = 16;
const STATEMENT_LIMIT: Duration = Duration::from_secs(2);
