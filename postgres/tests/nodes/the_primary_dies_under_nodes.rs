//! The primary database is killed while nodes store messages, and its synchronous standby is promoted: no acknowledged message is lost, and the nodes
//! store messages again soon after.

use std::time::{Duration, Instant};

use voicemail_postgres::{Database, PostgresStore};

use super::central_nodes_are_killed::stored;
use super::support::lamps::Lamps;
use super::support::network::{NUMBERS, free_addresses};
use super::support::process::{NodeConfig, NodeProcess};
use super::support::senders::Senders;
use super::support::server::Server;
use super::support::{mailbox, soon, summaries};

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_go_on_with_the_promoted_standby() {
    let Some(mut primary) = Server::start(&["wal_level = replica", "max_wal_senders = 4"]) else { return };
    let address = primary.create_database().await;
    let store = PostgresStore::builder(&Database::connect(&address).await.unwrap()).build();
    for number in NUMBERS {
        store.create_mailbox(&mailbox(number)).await.unwrap();
    }
    let standby = primary.standby(&["hot_standby = on"]).unwrap();
    primary.execute("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'").await;
    primary.execute("postgres", "SELECT pg_reload_conf()").await;
    while primary.execute("postgres", "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").await.is_empty() {}

    let of_primary = format!("127.0.0.1:{}", primary.port());
    let both = address.replace(&of_primary, &format!("{of_primary},127.0.0.1:{}", standby.port()));
    let (hosts, lamps) = (free_addresses::<2>(), Lamps::default());
    let lamps_at = lamps.listen().await;
    let start = |index: usize| {
        let name = format!("central-{index}");
        NodeProcess::start(&NodeConfig { name, listen: hosts[index], database: both.clone(), lamps: lamps_at })
    };
    let nodes = [0, 1].map(start);
    let senders = Senders::start(&hosts, 3).await;
    senders.more(60).await;
    let killed = Instant::now();
    primary.kill();
    standby.promote();
    let promoted = Instant::now();
    senders.more(1).await;
    let back_after = promoted.elapsed();
    senders.more(60).await;
    let sent = senders.stop().await;

    let there = address.replace(&of_primary, &format!("127.0.0.1:{}", standby.port()));
    let store = PostgresStore::builder(&Database::connect(&there).await.unwrap()).build();
    let stored = stored(&store).await;
    let lost: Vec<_> = sent.messages.iter().filter(|(id, mailbox)| stored.get(*id) != Some(*mailbox)).collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
    assert_eq!(stored.len(), sent.messages.len(), "nothing else is there");
    let wanted = summaries(&store).await;
    soon("the lamps show the store", lamps.until(|lamps| lamps.summaries() == wanted)).await;
    nodes.into_iter().for_each(NodeProcess::stop);
    lamps.assert_none_went_back();
    println!(
        "{} acknowledged, 0 lost, 0 doubled; promoted {:?} after the kill, the first message {back_after:?} after that; the longest wait of a message \
         was {:?}, in {} tries",
        sent.messages.len(),
        promoted - killed,
        sent.longest.0,
        sent.longest.1,
    );
    assert!(back_after < Duration::from_secs(3), "service came back {back_after:?} after the promotion");
}
