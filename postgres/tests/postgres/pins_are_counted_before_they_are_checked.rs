//! PINs in the database: an attempt counts before it is checked, whichever node it comes to.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use proptest::prelude::*;
use voicemail::message::CallerNumber;
use voicemail::telephone::{MemoryPins, PinHash, PinStore, PinVerdict};
use voicemail_postgres::{Database, PostgresPins};

use super::support::mailbox;
use super::support::relay::{From, Relay};
use super::support::server::{Server, execute};

fn now() -> DateTime<Utc> {
    "2026-11-22T18:00:00Z".parse().unwrap()
}

fn hash(pin: &str) -> PinHash {
    PinHash::new(&pin.parse().unwrap())
}

fn caller(number: &str) -> CallerNumber {
    number.parse().unwrap()
}

/// The PINs of two nodes on one database, with 4 connections each, and the address of the database.
async fn two_nodes() -> Option<([Arc<PostgresPins>; 2], String)> {
    let address = Server::common()?.create_database().await;
    let connect = async || Arc::new(PostgresPins::new(&Database::builder(&address).connections(4).connect().await.unwrap()));
    Some(([connect().await, connect().await], address))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_160_wrong_pins_by_8_connections_5_are_tried() {
    let Some((nodes, _)) = two_nodes().await else { return };
    let (owned, thief) = (mailbox("2041"), caller("4420"));
    for (known, number) in [(None, "2041"), (Some(&thief), "2042")] {
        let owned = if known.is_some() { mailbox(number) } else { owned.clone() };
        nodes[0].set_hash(&owned, &hash("480913")).await.unwrap();
        let checks = (0..160).map(|at| {
            let (pins, owned, known) = (Arc::clone(&nodes[at % 2]), owned.clone(), known.cloned());
            tokio::spawn(async move { pins.check(&owned, known.as_ref(), "000000", now()).await })
        });
        let verdicts: Vec<PinVerdict> = join_all(checks).await.into_iter().map(Result::unwrap).collect();
        let count = |is: fn(&PinVerdict) -> bool| verdicts.iter().filter(|verdict| is(verdict)).count();
        assert_eq!(count(|verdict| *verdict == PinVerdict::Wrong), 5);
        assert_eq!(count(|verdict| matches!(verdict, PinVerdict::Locked(_))), 155);
        for pins in &nodes {
            assert!(matches!(pins.check(&owned, None, "480913", now()).await, PinVerdict::Locked(_)), "the right one, too");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn right_pins_at_many_nodes_at_once_all_open() {
    let Some((nodes, _)) = two_nodes().await else { return };
    let owner = caller("4420");
    for number in 0..8 {
        nodes[0].set_hash(&mailbox(&format!("300{number}")), &hash("480913")).await.unwrap();
    }
    // One telephone number for several mailboxes, as behind one trunk. No attempt may stay in its count.
    for _ in 0..30 {
        let checks = (0..4).map(|at| {
            let (pins, owner) = (Arc::clone(&nodes[at % 2]), owner.clone());
            tokio::spawn(async move { pins.check(&mailbox(&format!("300{at}")), Some(&owner), "480913", now()).await })
        });
        for verdict in join_all(checks).await {
            assert_eq!(verdict.unwrap(), PinVerdict::Right);
        }
    }
    for _ in 0..5 {
        assert_eq!(nodes[0].check(&mailbox("3005"), Some(&owner), "000000", now()).await, PinVerdict::Wrong);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_for_the_first_use_opens_until_another_is_set() {
    let Some(([pins, other], address)) = two_nodes().await else { return };
    let owned = mailbox("2041");
    assert_eq!(pins.check(&owned, None, "480913", now()).await, PinVerdict::NoPin);
    pins.set_initial(&owned, &hash("480913")).await.unwrap();
    assert_eq!(other.check(&owned, None, "480913", now()).await, PinVerdict::Initial);
    let store: Arc<dyn PinStore> = other;
    store.set(&owned, &"719305".parse().unwrap()).await.unwrap();
    assert_eq!(pins.check(&owned, None, "719305", now()).await, PinVerdict::Right);
    assert_eq!(pins.check(&owned, None, "480913", now()).await, PinVerdict::Wrong);
    pins.remove(&owned).await.unwrap();
    assert_eq!(store.check(&owned, None, "719305", now()).await, PinVerdict::NoPin);
    // Neither a PIN nor a number can be read in the database.
    store.check(&owned, Some(&caller("442055501")), "000000", now()).await;
    pins.set_hash(&owned, &hash("480913")).await.unwrap();
    store.check(&owned, Some(&caller("442055501")), "000000", now()).await;
    let rows =
        execute(&address, "SELECT p::text FROM voicemail.pin p UNION ALL SELECT c::text FROM voicemail.pin_caller c").await;
    assert_eq!(rows.len(), 2);
    assert!(!rows.iter().any(|row| row.contains("480913") || row.contains("442055501")), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_pin_ends_no_lockout() {
    let Some(([pins, other], _)) = two_nodes().await else { return };
    let owned = mailbox("2041");
    pins.set_hash(&owned, &hash("480913")).await.unwrap();
    for _ in 0..5 {
        assert_eq!(pins.check(&owned, None, "000000", now()).await, PinVerdict::Wrong);
    }
    other.set_hash(&owned, &hash("719305")).await.unwrap();
    let PinVerdict::Locked(wait) = other.check(&owned, None, "719305", now()).await else {
        panic!("locked, with the new PIN too")
    };
    assert_eq!(pins.check(&owned, None, "719305", now() + wait).await, PinVerdict::Right);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_nobody_gets_in() {
    let Some(mut server) = Server::start(&[]) else { return };
    let pins = PostgresPins::new(&Database::connect(&server.create_database().await).await.unwrap());
    let owned = mailbox("2041");
    pins.set_hash(&owned, &hash("480913")).await.unwrap();
    server.crash();
    assert_eq!(pins.check(&owned, None, "480913", now()).await, PinVerdict::Unavailable);
    let set = PinStore::set(&pins, &owned, &"719305".parse().unwrap()).await;
    assert!(set.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_opens_nothing_that_was_not_counted() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let relay = Relay::to(server.port()).await;
    let relayed = address.replace(&format!(":{}/", server.port()), &format!(":{}/", relay.port()));
    let owned = mailbox("2041");
    let pins = PostgresPins::new(&Database::connect(&relayed).await.unwrap());
    pins.set_hash(&owned, &hash("480913")).await.unwrap();
    // After each message in turn, until an attempt gets through. A day later each time, so that no lockout is in the way.
    for messages in 0..100 {
        let now = now() + TimeDelta::days(messages);
        relay.cut_after(From::Server, messages);
        let verdict = pins.check(&owned, Some(&caller("4420")), "000000", now).await;
        let was_cut = relay.heal(From::Server);
        let counted = execute(&address, "SELECT attempts FROM voicemail.pin").await;
        match verdict {
            PinVerdict::Wrong => assert!(counted[0].starts_with("1 wrong"), "{counted:?}"),
            PinVerdict::Unavailable => assert!(was_cut),
            other => panic!("{other:?}"),
        }
        if !was_cut {
            return;
        }
        while pins.check(&owned, None, "480913", now + TimeDelta::hours(12)).await != PinVerdict::Right {
            tokio::task::yield_now().await;
        }
    }
    panic!("no attempt got through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_understood_opens_nothing() {
    let Some(([pins, _], address)) = two_nodes().await else { return };
    let owned = mailbox("2041");
    pins.set_hash(&owned, &hash("480913")).await.unwrap();
    for damage in ["attempts = 'some wrong'", "attempts = '0 wrong', hash = 'md5'"] {
        execute(&address, &format!("UPDATE voicemail.pin SET {damage}")).await;
        assert_eq!(pins.check(&owned, None, "480913", now()).await, PinVerdict::Unavailable, "{damage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_telephones_are_forgotten_after_a_day() {
    let Some(([pins, _], address)) = two_nodes().await else { return };
    let owned = mailbox("2041");
    pins.set_hash(&owned, &hash("480913")).await.unwrap();
    execute(
        &address,
        "INSERT INTO voicemail.pin_caller VALUES ('\\x01', '0 wrong', now() - interval '25 hours'), ('\\x02', '0 wrong', now())",
    )
    .await;
    // The first attempt of a process cleans up.
    pins.check(&owned, Some(&caller("4420")), "000000", now()).await;
    assert_eq!(execute(&address, "SELECT count(*) FROM voicemail.pin_caller").await, ["2"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn verdicts_are_those_of_the_pins_in_memory(
        steps in prop::collection::vec((0..2_usize, 0..2_usize, 0..3_usize, any::<bool>(), -3..40_i64), 1..40)
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let Some((nodes, _)) = two_nodes().await else { return };
            let memory = MemoryPins::default();
            let pin = hash("480913");
            memory.set(mailbox("2041"), pin.clone());
            nodes[0].set_hash(&mailbox("2041"), &pin).await.unwrap();
            let mut clock = now();
            for (node, owned, known, is_right, minutes) in steps {
                clock += TimeDelta::minutes(minutes);
                let owned = mailbox(["2041", "2042"][owned]);
                let known = [None, Some(caller("4420")), Some(caller("4421"))][known].clone();
                let entered = if is_right { "480913" } else { "000000" };
                let expected = memory.check(&owned, known.as_ref(), entered, clock);
                assert_eq!(nodes[node].check(&owned, known.as_ref(), entered, clock).await, expected);
            }
        });
    }
}
