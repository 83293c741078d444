//! Two nodes with an object store that fails: what was acknowledged can be read, no row names a sound that is not there, and all orphans are swept.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use futures::future::join_all;
use proptest::prelude::*;
use voicemail::message::{Message, Origin};
use voicemail::store::{Deposit, MessageStore as _, MessageStoreExt as _, StoreError};
use voicemail_postgres::sounds::{SoundName, SoundStore};
use voicemail_postgres::{Database, PostgresStore};

use super::faulty_objects::{Fault, FaultyObjects, Operation};
use super::support::messages::message;
use super::support::server::{Server, execute};
use super::support::{directory, mailbox};

/// Two nodes on a new database and on these objects, and the address of the database.
async fn two_nodes(objects: &FaultyObjects) -> Option<([PostgresStore; 2], String)> {
    let address = Server::common()?.create_database().await;
    let open = async || {
        let database = Database::builder(&address).connections(2).connect().await.unwrap();
        let sounds = SoundStore::new(Arc::new(objects.clone()));
        PostgresStore::builder(&database).directory(directory()).sounds(sounds).inline_limit(100).build()
    };
    Some(([open().await, open().await], address))
}

/// The names of all sounds that a message refers to, or that are still to be deleted.
async fn referenced(address: &str) -> HashSet<SoundName> {
    let names =
        "SELECT sound_at FROM voicemail.message WHERE sound_at IS NOT NULL UNION SELECT sound_at FROM voicemail.sound_gone";
    execute(address, names).await.iter().map(|name| name.parse().unwrap()).collect()
}

/// A step of a test. The sound of a message is a number, so that the same one comes again.
#[derive(Debug, Clone)]
enum Step {
    Deposit { node: usize, number: u8 },
    Expunge { node: usize, number: u8 },
    Fail(Operation, Fault),
}

fn step() -> impl Strategy<Value = Step> {
    let operation = prop::sample::select(vec![Operation::Put, Operation::Get, Operation::Delete]);
    let fault = prop::sample::select(vec![Fault::Refused, Fault::AnswerLost]);
    prop_oneof![
        4 => (0..2_usize, 0..6_u8).prop_map(|(node, number)| Step::Deposit { node, number }),
        1 => (0..2_usize, 0..6_u8).prop_map(|(node, number)| Step::Expunge { node, number }),
        3 => (operation, fault).prop_map(|(operation, fault)| Step::Fail(operation, fault)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn rows_of_two_nodes_have_sounds_and_all_orphans_are_swept(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let objects = FaultyObjects::default();
            let Some((nodes, address)) = two_nodes(&objects).await else { return };
            let owned = mailbox("2041");
            let messages: Vec<Message> = (0..6).map(|number| message(&[number; 1000], i64::from(number))).collect();
            let (mut kept, mut expunged) = (BTreeSet::new(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Deposit { node, number } => {
                        match nodes[node].deposit(&owned, &Origin::Here, &messages[usize::from(number)]).await {
                            Ok(Deposit::Stored(_)) => assert!(kept.insert(number) && !expunged.contains(&number)),
                            Ok(Deposit::Duplicate) => assert!(kept.contains(&number) || expunged.contains(&number)),
                            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
                        }
                    }
                    Step::Expunge { node, number } => {
                        if kept.remove(&number) {
                            nodes[node].remove(&owned, messages[usize::from(number)].id()).await.unwrap();
                            assert_eq!(nodes[node].expunge(&owned).await.unwrap(), 1);
                            expunged.insert(number);
                        }
                    }
                    Step::Fail(operation, fault) => objects.fail(operation, fault),
                }
            }
            objects.heal();
            assert_eq!(nodes[0].list(&owned).await.unwrap().len(), kept.len());
            for (number, node) in kept.iter().zip(nodes.iter().cycle()) {
                let sent = &messages[usize::from(*number)];
                assert_eq!(node.retrieve(&owned, sent.id()).await.unwrap().audio(), sent.audio());
            }
            let referenced = referenced(&address).await;
            let mut sweep = SoundStore::new(Arc::new(objects.clone())).sweep(None);
            while sweep.candidates(Utc::now() + TimeDelta::days(3)).await.unwrap().is_some() {
                sweep.delete_others(&referenced).await.unwrap();
            }
            assert_eq!(objects.names().await, referenced.iter().map(ToString::to_string).collect());
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_object_store_holds_up_a_call_for_20_seconds() {
    let objects = FaultyObjects::default();
    let Some((nodes, _)) = two_nodes(&objects).await else { return };
    let owned = mailbox("2041");
    let messages: Vec<Message> = (0..4).map(|number| message(&[number; 1000], i64::from(number))).collect();
    nodes[0].deposit(&owned, &Origin::Here, &messages[0]).await.unwrap();
    let start = Instant::now();
    for fault in [Fault::Stalled, Fault::DoneAndStalled] {
        objects.fail(Operation::Put, fault);
    }
    let deposits = join_all((1..3).map(|at| nodes[at % 2].deposit(&owned, &Origin::Here, &messages[at]))).await;
    assert!(deposits.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))), "{deposits:?}");
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
    // Short sounds need no object store, and all goes on when it is back.
    nodes[0].deposit(&owned, &Origin::Here, &message(&[9; 100], 9)).await.unwrap();
    for message in &messages[1..] {
        assert!(matches!(nodes[1].deposit(&owned, &Origin::Here, message).await, Ok(Deposit::Stored(_))));
        assert_eq!(nodes[0].retrieve(&owned, message.id()).await.unwrap().audio(), message.audio());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_a_sound_of_a_past_day_is_refused() {
    let Some((nodes, address)) = two_nodes(&FaultyObjects::default()).await else { return };
    nodes[0].check(&mailbox("2041"), 0).await.unwrap();
    // A node that was frozen for days between the put and the row: meanwhile a sweep may have deleted the sound.
    let deposit = |day: &str| {
        format!(
            "SELECT outcome FROM voicemail.deposit('2041', true, gen_random_uuid(), gen_random_uuid(), 0::smallint, null, false, 0, 0, 0, 'audio/wav', \
             '\\x00', 1, '\\x00', null, to_char(now() AT TIME ZONE 'UTC' - interval '{day}', 'YYYY-MM-DD') || '/0123456789abcdef0123456789abcdef', \
             null, null, null)"
        )
    };
    assert_eq!(execute(&address, &deposit("26 hours")).await, ["4"]);
    assert_eq!(execute(&address, &deposit("0 hours")).await, ["0"]);
}
