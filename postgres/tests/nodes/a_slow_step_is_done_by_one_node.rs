//! A step that takes longer than the hold of its arrival is done by one node, and by another one when that node has died.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tempfile::tempdir;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use voicemail::arrival::{ArrivalStep, StepError, StepName, StepOutcome, StepRun};
use voicemail::message::Origin;
use voicemail::store::{Deposit, MessageStore, PendingArrival};
use voicemail_postgres::{Database, PostgresStore};

use super::support::network::NUMBERS;
use super::support::process::central_node;
use super::support::running::message;
use super::support::server::{Server, execute};
use super::support::{mailbox, soon};

/// A step that ends when the test lets it end.
#[derive(Debug, Clone)]
struct SlowStep {
    begun: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
}

#[async_trait]
impl ArrivalStep for SlowStep {
    fn name(&self) -> StepName {
        "slow".parse().unwrap()
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self, _: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        self.begun.add_permits(1);
        self.may_end.acquire().await.unwrap().forget();
        Ok(StepOutcome::Done)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_keeps_what_it_works_at_and_is_followed_when_it_dies() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let (near, far) = (Database::connect(&address).await.unwrap(), Database::connect(&address).await.unwrap());
    let (spool, number) = (tempdir().unwrap(), mailbox(NUMBERS[0]));
    let step = SlowStep { begun: Arc::new(Semaphore::new(0)), may_end: Arc::new(Semaphore::new(0)) };
    let node = central_node(&near, "near", spool.path()).on_arrival(step.clone()).open().await.unwrap();
    let running = tokio::spawn({
        let node = node.clone();
        async move { node.run(std::future::pending()).await }
    });
    let other = PostgresStore::builder(&far).build();
    let deposit = async || {
        let Deposit::Stored(id) = node.store().unwrap().deposit(&number, &Origin::Here, &message()).await.unwrap() else {
            panic!()
        };
        soon("the step begins", step.begun.acquire()).await.unwrap().forget();
        PendingArrival::new(number.clone(), id)
    };
    let pass = async |seconds: u32| {
        execute(&address, &format!("UPDATE voicemail.arrival SET free_at = free_at - make_interval(secs => {seconds})")).await;
    };
    let held = async || {
        let held = "SELECT floor(extract(epoch FROM free_at - clock_timestamp())) FROM voicemail.arrival";
        execute(&address, held).await.first().map(|seconds| seconds.parse::<i64>().unwrap())
    };

    deposit().await;
    for _ in 0..2 {
        pass(15).await;
        let begun = Instant::now();
        while held().await.unwrap() < 25 {
            sleep(Duration::from_millis(50)).await;
            assert!(begun.elapsed() < Duration::from_secs(14), "the hold was not extended");
        }
        assert_eq!(take(&other).await, [], "the other node took it");
    }
    step.may_end.add_permits(1);
    soon("the arrival is settled", async {
        while held().await.is_some() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;

    let left_behind = deposit().await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled(), "the node died");
    assert_eq!(take(&other).await, [], "nobody knows yet");
    pass(30).await;
    assert_eq!(take(&other).await, [left_behind], "the other node follows");
}

/// The arrivals that a node with this store takes.
async fn take(store: &PostgresStore) -> Vec<PendingArrival> {
    store.pending_arrivals().unwrap().take(100, Duration::from_secs(30)).await.unwrap()
}
