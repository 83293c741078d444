//! The private lists of owners in the database: a list of one node is the same at all.

use voicemail::conformance;
use voicemail::directory::{Directory as _, ListStore as _, ListStoreError, PrivateList, PrivateLists};
use voicemail_postgres::{Database, PostgresLists};

use super::support::server::{Server, execute};
use super::support::{database, directory, mailbox};

#[tokio::test(flavor = "multi_thread")]
async fn lists_keep_the_contract() {
    if Server::common().is_none() {
        return;
    }
    conformance::lists::run_all(|| async { PostgresLists::new(&database().await.unwrap()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_one_node_is_used_by_another() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let connect = async || PostgresLists::new(&Database::connect(&address).await.unwrap());
    let (one, other) = (connect().await, PrivateLists::new(directory(), connect().await));
    let (owner, seven) = (mailbox("2041"), 7.try_into().unwrap());
    for members in [&["2042"][..], &["2042", "2041"]] {
        let members: Vec<_> = members.iter().map(|member| mailbox(member)).collect();
        one.put(&owner, &PrivateList::new(seven, "team", members.clone()).unwrap()).await.unwrap();
        assert_eq!(other.list_members(&owner, &mailbox("7")).await.unwrap(), Some(members));
    }
    one.remove(&owner, seven).await.unwrap();
    assert_eq!(other.list_members(&owner, &mailbox("7")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_no_list_is_damaged_and_can_be_replaced() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let lists = PostgresLists::new(&Database::connect(&address).await.unwrap());
    let (owner, list) = (mailbox("2041"), PrivateList::new(7.try_into().unwrap(), "team", [mailbox("2042")]).unwrap());
    for members in ["'{}'", "'{not a mailbox}'"] {
        lists.put(&owner, &list).await.unwrap();
        execute(&address, &format!("UPDATE voicemail.private_list SET members = {members}")).await;
        for error in [lists.get(&owner, list.number()).await.unwrap_err(), lists.all(&owner).await.unwrap_err()] {
            assert!(matches!(error, ListStoreError::Damaged(_)) && !error.is_transient(), "{error:?}");
        }
    }
    lists.put(&owner, &list).await.unwrap();
    assert_eq!(lists.all(&owner).await.unwrap(), [list]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_lists_are_unavailable() {
    let Some(mut server) = Server::start(&[]) else { return };
    let lists = PostgresLists::new(&Database::connect(&server.create_database().await).await.unwrap());
    server.crash();
    let error = lists.all(&mailbox("2041")).await.unwrap_err();
    assert!(matches!(error, ListStoreError::Unavailable(_)) && error.is_transient(), "{error:?}");
}
