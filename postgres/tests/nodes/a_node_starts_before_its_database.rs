//! A central node starts while its database is away, and serves as soon as the database is there.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use voicemail::mwi::{CurrentState, MwiSource as _};
use voicemail::store::StoreError;
use voicemail::telephone::{PinStore as _, PinVerdict};
use voicemail_postgres::{Database, DatabaseError, PostgresPins, PostgresStore};

use super::support::lamps::Lamps;
use super::support::network::{NUMBERS, free_addresses};
use super::support::process::{NodeConfig, NodeProcess};
use super::support::running::{RunningNode, message};
use super::support::senders::Senders;
use super::support::server::Server;
use super::support::{mailbox, soon, summaries};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_waits_for_a_database_that_starts_later() {
    let Some(mut server) = Server::prepare(&[]) else { return };
    let database = Database::builder(&server.address("postgres")).open().await.unwrap();
    let lamps = Lamps::default();
    let near = RunningNode::start("near", &database, &lamps).await;
    let (hosts, lamps_at) = (free_addresses::<1>(), lamps.listen().await);
    let config = NodeConfig { name: "far".into(), listen: hosts[0], database: server.address("postgres"), lamps: lamps_at };
    let far = NodeProcess::start(&config);
    let senders = Senders::start(&hosts, 3).await;

    let number = mailbox(NUMBERS[0]);
    for _ in 0..3 {
        let asked = Instant::now();
        assert_eq!(near.accepts(&message()).await, Err(451));
        assert!(matches!(near.store().summary(&number).await, Err(StoreError::Unavailable(_))));
        assert_eq!(near.node.current(&number).await, CurrentState::Unknown, "unknown is not none");
        let now = chrono::Utc::now();
        assert_eq!(
            PostgresPins::new(&database).check(&number, None, "4711", now).await,
            PinVerdict::Unavailable,
            "an owner hears so"
        );
        assert!(asked.elapsed() < Duration::from_secs(1), "answered at once, in {:?}", asked.elapsed());
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(lamps.shown_by("near") + lamps.shown_by("far"), 0, "no lamp is updated");

    server.launch();
    let returned = Instant::now();
    while near.accepts(&message()).await.is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    let back_after = returned.elapsed();
    soon("messages that waited are stored", senders.more(30)).await;
    let sent = senders.stop().await;
    let store = PostgresStore::builder(&database).build();
    let wanted = summaries(&store).await;
    soon("the lamps show the store", lamps.until(|lamps| lamps.summaries() == wanted)).await;
    near.stop().await;
    far.stop();
    lamps.assert_none_went_back();
    println!(
        "back {back_after:?} after the database; {} messages acknowledged, the longest waited {:?}",
        sent.messages.len(),
        sent.longest.0
    );
    assert!(back_after < Duration::from_secs(2), "back after {back_after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_tried_until_it_is_mended() {
    let Some(server) = Server::common() else { return };
    let name = format!("late{}", voicemail::message::MessageId::random());
    let refused = Database::connect(&server.address(&name)).await.unwrap_err();
    assert!(matches!(&refused, DatabaseError::LoginRefused(why) if why.contains(&name)), "{refused:?}");
    let database = Database::builder(&server.address(&name)).open().await.unwrap();
    let store = PostgresStore::builder(&database).build();
    assert!(store.create_mailbox(&mailbox("2001")).await.is_err());
    server.execute("postgres", &format!("CREATE DATABASE {name}")).await;
    let mended = Instant::now();
    while store.create_mailbox(&mailbox("2001")).await.is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(mended.elapsed() < Duration::from_secs(2), "after {:?}", mended.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_work_is_refused_at_the_start() {
    for address in ["postgres://vm@127.0.0.1:x/mail", "postgres://vm@127.0.0.1/mail?sslmode=require"] {
        let error = Database::builder(address).open().await.unwrap_err();
        assert!(matches!(error, DatabaseError::Address(_)), "{error:?}");
    }
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    Database::builder(&address).engine("company-mail").open().await.unwrap();
    super::support::server::execute(&address, "UPDATE voicemail.schema_step SET digest = '\\x00' WHERE number = 1").await;
    let error = Database::builder(&address).open().await.unwrap_err();
    assert!(matches!(error, DatabaseError::Schema(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_engine_is_not_used_later() {
    let Some(mut server) = Server::start(&[]) else { return };
    let address = server.address("postgres");
    Database::builder(&address).engine("company-mail").connect().await.unwrap();
    server.crash();
    let [wrong, right] = ["test-mail", "company-mail"].map(|name| Database::builder(&address).engine(name).open());
    let (wrong, right) = (wrong.await.unwrap(), right.await.unwrap());
    assert_eq!(right.engine(), None, "it is not known yet");
    server.launch();
    let store = PostgresStore::builder(&right).build();
    while store.create_mailbox(&mailbox("2001")).await.is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(right.engine(), Some("company-mail"));
    sleep(Duration::from_millis(600)).await;
    let refused = PostgresStore::builder(&wrong).build().create_mailbox(&mailbox("2002")).await.unwrap_err();
    let why = voicemail::error_chain(&refused);
    assert!(why.contains("belongs to the engine company-mail"), "{why}");
}
