//! The rules of owners in the database: a change of one node is in force at all.

use voicemail::conformance;
use voicemail::rules::{ArrivalRule, ArrivalRules, Content, RuleStore as _, RuleStoreError, StoredRules};
use voicemail_postgres::{Database, PostgresRules};

use super::support::server::{Server, execute};
use super::support::{database, mailbox};

fn rules(id: &str) -> ArrivalRules {
    ArrivalRules::new([ArrivalRule::new(id.parse().unwrap(), Content::Copy)]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_keep_the_contract() {
    if Server::common().is_none() {
        return;
    }
    conformance::rules::run_all(|| async { PostgresRules::new(&database().await.unwrap()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_that_change_the_same_rules_one_does() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let connect = async || PostgresRules::new(&Database::connect(&address).await.unwrap());
    let (one, two) = (connect().await, connect().await);
    let mut before = None;
    for turn in 0..20 {
        let (first, second) = (rules(&format!("one-{turn}")), rules(&format!("two-{turn}")));
        let number = mailbox("2041");
        let answers = tokio::join!(one.replace(&number, Some(&first), before), two.replace(&number, Some(&second), before));
        let current = match answers {
            (Ok(made), Err(RuleStoreError::Conflict { current, .. }))
            | (Err(RuleStoreError::Conflict { current, .. }), Ok(made)) => {
                assert_eq!(made, current);
                current
            }
            answers => panic!("{answers:?}"),
        };
        assert_eq!(one.load(&number).await.unwrap().map(|stored| stored.version), current);
        before = current;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_changed_by_hand_can_be_replaced() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let (store, number) = (PostgresRules::new(&Database::connect(&address).await.unwrap()), mailbox("2041"));
    store.replace(&number, Some(&rules("office")), None).await.unwrap();
    execute(&address, "UPDATE voicemail.owner_rules SET rules = E'voicemail rules 1\\nrule home\\ncontent copy\\n'").await;
    let by_hand = store.load(&number).await.unwrap().unwrap();
    assert_eq!(by_hand, StoredRules::new(rules("home")));
    let stale = store.replace(&number, Some(&rules("third")), None).await;
    assert!(matches!(stale, Err(RuleStoreError::Conflict { current, .. }) if current == Some(by_hand.version)), "{stale:?}");
    store.replace(&number, Some(&rules("third")), Some(by_hand.version)).await.unwrap();

    execute(&address, "UPDATE voicemail.owner_rules SET rules = E'voicemail rules 1\\nrule a\\ncontent fax\\n'").await;
    let error = store.load(&number).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(!error.is_transient() && cause.starts_with("line 3, content: "), "{error}: {cause}");
    let stale = store.replace(&number, None, Some(rules("third").version())).await;
    assert!(matches!(stale, Err(RuleStoreError::Conflict { current: None, .. })), "{stale:?}");
    store.replace(&number, Some(&rules("mended")), None).await.unwrap();
    assert_eq!(store.load(&number).await.unwrap(), Some(StoredRules::new(rules("mended"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_rules_are_unavailable() {
    let Some(mut server) = Server::start(&[]) else { return };
    let store = PostgresRules::new(&Database::connect(&server.create_database().await).await.unwrap());
    server.crash();
    let error = store.load(&mailbox("2041")).await.unwrap_err();
    assert!(matches!(error, RuleStoreError::Unavailable(_)) && error.is_transient(), "{error:?}");
    let replaced = store.replace(&mailbox("2041"), Some(&rules("office")), None).await;
    assert!(matches!(replaced, Err(RuleStoreError::Unavailable(_))), "{replaced:?}");
}
