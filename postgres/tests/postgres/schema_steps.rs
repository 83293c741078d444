//! The schema brings itself up to date, with several nodes at once and with two versions side by side.

use futures::future::join_all;
use voicemail_postgres::{Database, DatabaseError};

use super::support::server::{Server, execute};

#[tokio::test(flavor = "multi_thread")]
async fn eight_nodes_start_at_once_on_an_empty_database() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    for started in join_all((0..8).map(|_| Database::connect(&address))).await {
        started.unwrap();
    }
    let steps = execute(&address, "SELECT number FROM voicemail.schema_step ORDER BY number").await;
    assert_eq!(steps.first().map(String::as_str), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_newer_step_is_accepted_and_two_are_refused() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    Database::connect(&address).await.unwrap();
    let newer = "INSERT INTO voicemail.schema_step (number, digest) SELECT max(number) + 1, '\\x00' FROM voicemail.schema_step";
    execute(&address, newer).await;
    Database::connect(&address).await.unwrap();
    execute(&address, newer).await;
    let error = Database::connect(&address).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Schema(_)) && !error.is_transient(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_somebody_else_is_refused() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    Database::connect(&address).await.unwrap();
    execute(&address, "UPDATE voicemail.schema_step SET digest = '\\x00' WHERE number = 1").await;
    let error = Database::connect(&address).await.unwrap_err();
    assert!(matches!(&error, DatabaseError::Schema(reason) if reason.contains("step 1")), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_ownership_uses_what_is_there() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    Database::connect(&address).await.unwrap();
    let role = format!("r{}", voicemail::message::MessageId::random());
    execute(
        &address,
        &format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA voicemail TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA voicemail TO {role}; \
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA voicemail TO {role}"
        ),
    )
    .await;
    let least = Database::connect(&address.replace("voicemail@", &format!("{role}@"))).await.unwrap();
    let store = super::support::store_in(&least).await;
    voicemail::conformance::store::once_after_removal(&store).await;
}
