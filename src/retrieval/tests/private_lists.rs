//! Private lists, changed one member at a time.

use super::*;
use crate::directory::{ListFolder, ListNumber, Owner, StaticDirectory};
use crate::disk::PowerCutDisk;

async fn service() -> MailboxService {
    let lists = ListFolder::open(PowerCutDisk::new(), "/lists").await.unwrap();
    MailboxService { lists: Some(Arc::new(lists)), ..fixture(&[]).service }
}

fn seven() -> ListNumber {
    7.try_into().unwrap()
}

#[tokio::test]
async fn members_are_added_and_removed_one_by_one() {
    let (service, anna) = (service().await, mailbox("2001"));
    assert_eq!(service.list_members(&anna, seven()).await.unwrap(), []);
    for member in ["2002", "900", "2002"] {
        service.add_to_list(&anna, seven(), &mailbox(member)).await.unwrap();
    }
    assert_eq!(service.list_members(&anna, seven()).await.unwrap(), ["2002", "900"].map(mailbox));
    assert_eq!(service.list_members(&mailbox("2002"), seven()).await.unwrap(), [], "another owner's list");
    assert_eq!(service.remove_from_list(&anna, seven(), &mailbox("2002")).await.unwrap(), [mailbox("900")]);
    let twice = service.remove_from_list(&anna, seven(), &mailbox("2002")).await;
    assert!(matches!(twice, Err(RetrievalError::NotOnList { .. })));
    assert_eq!(service.remove_from_list(&anna, seven(), &mailbox("900")).await.unwrap(), []);
    let kept = service.lists.as_ref().unwrap().all(&anna).await.unwrap();
    assert_eq!(kept, [], "a list ends with its last member");
}

#[tokio::test]
async fn a_list_has_at_most_1000_mailboxes_with_those_of_its_lists() {
    let numbers: Vec<MailboxId> = (3_000..4_000).map(|number| mailbox(&number.to_string())).collect();
    let owner = Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
    let directory: StaticDirectory = ["2001", "2002"].map(|number| (mailbox(number), owner.clone())).into_iter().collect();
    let directory =
        directory.with_list(mailbox("900"), numbers[..600].to_vec()).with_list(mailbox("901"), numbers[500..].to_vec());
    let (service, anna) = (MailboxService { directory: Arc::new(directory), ..service().await }, mailbox("2001"));
    for member in ["900", "901"] {
        service.add_to_list(&anna, seven(), &mailbox(member)).await.unwrap();
    }
    let refused = service.add_to_list(&anna, seven(), &mailbox("2002")).await;
    assert!(matches!(refused, Err(RetrievalError::ListTooLarge(list)) if list == seven()), "{refused:?}");
    assert_eq!(service.list_members(&anna, seven()).await.unwrap(), ["900", "901"].map(mailbox), "the list is as before");
}

#[tokio::test]
async fn what_is_no_mailbox_and_no_list_is_no_member() {
    let (service, anna) = (service().await, mailbox("2001"));
    for not in ["2099", "7", "8"] {
        let added = service.add_to_list(&anna, seven(), &mailbox(not)).await;
        assert!(matches!(added, Err(RetrievalError::NoSuchMailbox(_))), "{not}");
    }
    let without = fixture(&[]).service;
    assert!(!without.keeps_private_lists());
    let added = without.add_to_list(&anna, seven(), &mailbox("2002")).await;
    assert!(matches!(added, Err(RetrievalError::ListsNotConfigured)));
}

#[tokio::test]
async fn a_number_at_another_system_is_a_member_with_a_licence() {
    for (licences, is_member) in [(&[LicenceClass::NetworkedMessaging][..], true), (&[], false)] {
        let (service, _) = super::systems::service(licences);
        let lists = ListFolder::open(PowerCutDisk::new(), "/lists").await.unwrap();
        let service = MailboxService { lists: Some(Arc::new(lists)), ..service };
        let added = service.add_to_list(&mailbox("2001"), seven(), &mailbox("8617")).await;
        if is_member {
            assert_eq!(added.unwrap(), [mailbox("8617")]);
        } else {
            assert!(matches!(added, Err(RetrievalError::Refused(_))), "{added:?}");
        }
    }
}

#[tokio::test]
async fn changes_at_once_by_two_telephones_are_all_made() {
    let (service, anna) = (service().await, mailbox("2001"));
    let members = ["2002", "2003", "sales", "help", "900"].map(mailbox);
    let adding = members.iter().map(|member| service.add_to_list(&anna, seven(), member));
    assert!(futures::future::join_all(adding).await.iter().all(Result::is_ok));
    let mut kept = service.list_members(&anna, seven()).await.unwrap();
    kept.sort();
    let mut expected = members.to_vec();
    expected.sort();
    assert_eq!(kept, expected);
    service.delete_list(&anna, seven()).await.unwrap();
    service.delete_list(&anna, seven()).await.unwrap();
    assert_eq!(service.list_members(&anna, seven()).await.unwrap(), []);
}
