//! Leases and jobs in the database keep their contracts, between two nodes.

use std::time::Duration;

use voicemail::conformance;
use voicemail::jobs::{JobKey, JobKind, JobStore as _, NewJob};
use voicemail::mwi::LampLease as _;
use voicemail::store::MessageStore as _;
use voicemail_postgres::{Database, PostgresJobs, PostgresLease, PostgresStore};

use super::support::database;
use super::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_keeps_the_contract() {
    if Server::common().is_none() {
        return;
    }
    conformance::lease::run_all(|| async {
        let database = database().await.unwrap();
        (PostgresLease::new(&database, "one"), PostgresLease::new(&database, "other"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_keep_the_contract() {
    if Server::common().is_none() {
        return;
    }
    conformance::jobs::run_all(|| async {
        let database = database().await.unwrap();
        (PostgresJobs::new(&database), PostgresJobs::new(&database))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_name_of_an_engine_stays() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    assert_eq!(Database::connect(&address).await.unwrap().engine(), None);
    for name in ["company-mail", "test-mail"] {
        let database = Database::builder(&address).engine(name).connect().await.unwrap();
        let store = PostgresStore::builder(&database).build();
        assert_eq!(store.engine(), Some("company-mail"));
    }
    assert_eq!(Database::connect(&address).await.unwrap().engine(), Some("company-mail"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_nodes_that_ask_at_once_one_holds_each_lease() {
    let Some(database) = database().await else { return };
    let nodes: Vec<PostgresLease> = (0..8).map(|node| PostgresLease::new(&database, &node.to_string())).collect();
    let sites: Vec<_> = (0..40).map(|site| format!("pbx{site}").parse().unwrap()).collect();
    let mut backwards = sites.clone();
    backwards.reverse();
    for _ in 0..20 {
        let asked = nodes.iter().enumerate().map(|(node, lease)| lease.renew(if node % 2 == 0 { &sites } else { &backwards }));
        let mut held: Vec<_> = futures::future::join_all(asked).await.into_iter().flat_map(Result::unwrap).collect();
        held.sort();
        let count = held.len();
        held.dedup();
        assert_eq!((held.len(), count), (40, 40), "each lease has one holder");
        let freed = futures::future::join_all(nodes.iter().map(PostgresLease::release)).await;
        assert!(freed.iter().all(Result::is_ok));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_jobs_are_each_taken_once() {
    let Some(database) = database().await else { return };
    let jobs = PostgresJobs::new(&database);
    let now = chrono::Utc::now();
    for number in 0..1_000_u128 {
        jobs.add(&NewJob::new(&JobKind::MAIL, JobKey::from_bytes(number.to_be_bytes()), now, b"job")).await.unwrap();
    }
    let worker = || async {
        let (jobs, mut keys) = (PostgresJobs::new(&database), Vec::new());
        loop {
            let taken = jobs.take(&JobKind::MAIL, 7, Duration::from_secs(600)).await.unwrap();
            if taken.is_empty() && jobs.count(&JobKind::MAIL).await.unwrap() == 0 {
                return keys;
            }
            for job in taken {
                keys.push(job.key);
                jobs.done(&job).await.unwrap();
            }
        }
    };
    let mut keys: Vec<JobKey> = futures::future::join_all((0..8).map(|_| worker())).await.concat();
    keys.sort();
    assert_eq!(keys.len(), 1_000);
    keys.dedup();
    assert_eq!(keys.len(), 1_000, "none was taken twice");
}
