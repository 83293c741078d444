//! Of three central nodes one after the other is killed under load: no message is lost or stored twice, no lamp goes back, and no sender waits for long.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use voicemail::message::{MailboxId, MessageId, Status};
use voicemail::store::MessageStore as _;
use voicemail_postgres::{Database, PostgresStore};

use super::support::lamps::Lamps;
use super::support::network::{NUMBERS, free_addresses};
use super::support::process::{NodeConfig, NodeProcess};
use super::support::random::{Random, new_seed};
use super::support::senders::{Senders, Sent};
use super::support::server::Server;
use super::support::{mailbox, soon, summaries};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_one_of_three_nodes_is_killed() {
    let Some(server) = Server::common() else { return };
    let kills = std::env::var("VOICEMAIL_KILLS").map_or(5, |kills| kills.parse::<u32>().unwrap());
    let seed = std::env::var("VOICEMAIL_SEED").map_or_else(|_| new_seed(), |seed| seed.parse().unwrap());
    println!("VOICEMAIL_KILLS={kills} VOICEMAIL_SEED={seed}");
    let (mut dice, begun) = (Random::with_seed(seed), Instant::now());
    let address = server.create_database().await;
    let store = PostgresStore::builder(&Database::connect(&address).await.unwrap()).build();
    for number in NUMBERS {
        store.create_mailbox(&mailbox(number)).await.unwrap();
    }
    let (hosts, lamps) = (free_addresses::<3>(), Lamps::default());
    let lamps_at = lamps.listen().await;
    let config = |index: usize| NodeConfig {
        name: format!("central-{index}"),
        listen: hosts[index],
        database: address.clone(),
        lamps: lamps_at,
    };
    let mut nodes = [0, 1, 2].map(|index| Some(NodeProcess::start(&config(index))));
    let senders = Senders::start(&hosts, 3).await;
    senders.more(30).await;
    for _ in 0..kills {
        senders.more(dice.below(40)).await;
        let killed = usize::try_from(dice.below(3)).unwrap();
        nodes[killed].take().unwrap().kill();
        mark_one(&store, &mut dice).await;
        senders.more(dice.below(80)).await;
        nodes[killed] = Some(tokio::task::block_in_place(|| NodeProcess::start(&config(killed))));
    }
    senders.more(30).await;
    let Sent { messages, longest } = senders.stop().await;

    let stored = stored(&store).await;
    let lost: Vec<_> = messages.iter().filter(|(id, mailbox)| stored.get(*id) != Some(*mailbox)).collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
    assert_eq!(stored.len(), messages.len(), "nothing else is there");
    let wanted = summaries(&store).await;
    soon("the lamps show the store", lamps.until(|lamps| lamps.summaries() == wanted)).await;
    for node in nodes {
        node.unwrap().stop();
    }
    assert_eq!(lamps.summaries(), wanted, "the lamps at the end");
    lamps.assert_none_went_back();
    let shown = ["central-0", "central-1", "central-2"].map(|node| lamps.shown_by(node));
    println!(
        "{kills} kills in {:.1} s: {} acknowledged, 0 lost, 0 doubled; the longest wait of a message was {:?}, in {} tries; states shown {shown:?}",
        begun.elapsed().as_secs_f64(),
        messages.len(),
        longest.0,
        longest.1,
    );
    assert!(longest.0 < Duration::from_secs(3), "a message waited for {:?}", longest.0);
}

/// Marks a message as heard or as new, as an owner does at another program.
async fn mark_one(store: &PostgresStore, dice: &mut Random) {
    let mailbox = mailbox(NUMBERS[usize::try_from(dice.below(8)).unwrap()]);
    let entries = store.list(&mailbox).await.unwrap();
    if let Some(entry) = entries.first() {
        let status = if entry.status == Status::New { Status::Old } else { Status::New };
        store.mark(&mailbox, entry.head.id, status).await.unwrap();
    }
}

/// The mailbox of each message. A message that is there twice fails the test.
pub(crate) async fn stored(store: &PostgresStore) -> BTreeMap<MessageId, MailboxId> {
    let mut all = BTreeMap::new();
    for number in NUMBERS {
        for entry in store.list(&mailbox(number)).await.unwrap() {
            assert_eq!(all.insert(entry.head.id, mailbox(number)), None, "{} is there twice", entry.head.id);
        }
    }
    all
}
