//! The database is away for some seconds, `VOICEMAIL_OUTAGE_SECS` if that is set, while messages wait at a distributed node: all central nodes answer 451.
//! When it is back, the first message follows within two seconds, and the others without a pause.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use voicemail::event::Event;
use voicemail::record::CallFacts;
use voicemail_postgres::{Database, PostgresStore};

use super::central_nodes_are_killed::stored;
use super::support::lamps::Lamps;
use super::support::network::{NUMBERS, free_addresses};
use super::support::process::{NodeConfig, NodeProcess};
use super::support::senders::{open, wav};
use super::support::server::Server;
use super::support::{mailbox, soon};

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_waited_for_the_database_follow_at_once() {
    let Some(mut server) = Server::start(&[]) else { return };
    let away = Duration::from_secs(std::env::var("VOICEMAIL_OUTAGE_SECS").map_or(8, |secs| secs.parse().unwrap()));
    let address = server.create_database().await;
    let store = PostgresStore::builder(&Database::connect(&address).await.unwrap()).build();
    for number in NUMBERS {
        store.create_mailbox(&mailbox(number)).await.unwrap();
    }
    let (hosts, lamps_at) = (free_addresses::<2>(), Lamps::default().listen().await);
    let nodes = [0, 1].map(|index: usize| {
        let name = format!("central-{index}");
        NodeProcess::start(&NodeConfig { name, listen: hosts[index], database: address.clone(), lamps: lamps_at })
    });
    let folder = tempfile::tempdir().unwrap();
    let sender = open(folder.path(), &hosts).await;
    let mut events = sender.events();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = sender.clone();
    let task = tokio::spawn(async move { running.run(async { drop(stopped.await) }).await });

    server.crash();
    let (site, begun) = ("kathmandu".parse().unwrap(), Instant::now());
    for n in 0..WAITING {
        let to = mailbox(NUMBERS[n as usize % NUMBERS.len()]);
        sender.deposit_wav(&site, CallFacts::to(to), wav(n).into()).await.unwrap();
    }
    tokio::time::sleep(away.saturating_sub(begun.elapsed())).await;
    while let Ok(occurrence) = events.try_recv() {
        assert!(!matches!(occurrence.event, Event::Forwarded { .. }), "nothing is accepted while the database is away");
    }
    server.launch();
    let (returned, mut times) = (Instant::now(), Vec::new());
    while times.len() < WAITING as usize {
        match soon("the messages are accepted", events.recv()).await.unwrap().event {
            Event::Forwarded { .. } => times.push(returned.elapsed()),
            Event::Parked { id, reason, .. } => panic!("{id} was refused: {reason}"),
            _ => {}
        }
    }
    drop(stop);
    task.await.unwrap().unwrap();
    assert_eq!(stored(&store).await.len(), WAITING as usize, "each is there once");
    nodes.into_iter().for_each(NodeProcess::stop);
    let (first, last) = (times[0], times[times.len() - 1]);
    println!("away for {away:?}: the first of {WAITING} messages {first:?} after the return, the last {last:?} after it");
    assert!(first < Duration::from_secs(2), "the first message came {first:?} after the return");
    let longest_pause = times.windows(2).map(|two| two[1].saturating_sub(two[0])).max().unwrap_or_default();
    assert!(longest_pause < Duration::from_secs(2), "the others came without a pause, but one of {longest_pause:?}");
}

const WAITING: u32 = 300;
