//! The sentences that receipts to senders need: Compared, Requested, Reported.

use chrono::DateTime;

use super::steps::{is_no_such_message, list, mailbox, mark, message, retrieve, status_of, stored};
use crate::message::{Disposition, MessageId, MessageKind, Origin, ReceiptReport, ReceiptRequest, Status};
use crate::store::{Deposit, MessageStore, StoreError};

/// **Compared.** A message whose status is the expected one gets the other status, and one of several calls that change it at once answers true; a
/// message with any other status stays as it is. Passes for a store that does not support it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn compared(store: &impl MessageStore) {
    let mark_if = async |id, expected, status| store.mark_if(&mailbox("2041"), id, expected, status).await;
    let unknown = mark_if(MessageId::from_bytes([0; 16]), Status::New, Status::Old).await;
    if matches!(unknown, Err(StoreError::Unsupported(_))) {
        return;
    }
    assert!(is_no_such_message(&unknown, MessageId::from_bytes([0; 16])), "Compared: an unknown message: {unknown:?}");
    let id = stored(store, "2041", &Origin::Here, &message(b"heard at two telephones", 0).build()).await;
    let calls = futures::future::join(mark_if(id, Status::New, Status::Old), mark_if(id, Status::New, Status::Removed));
    let (heard, removed) = match calls.await {
        (Ok(heard), Ok(removed)) => (heard, removed),
        calls => panic!("Compared: a message that is there was not marked: {calls:?}"),
    };
    assert_ne!(heard, removed, "Compared: of two calls at once, not one has changed the status");
    assert_eq!(
        status_of(store, id).await,
        Some(if heard { Status::Old } else { Status::Removed }),
        "Compared: the other call won"
    );

    for (status, expected, next, changes) in [
        (Status::Removed, Status::New, Status::Old, false),
        (Status::Old, Status::New, Status::Removed, false),
        (Status::New, Status::New, Status::New, false),
        (Status::New, Status::Old, Status::New, false),
        (Status::Old, Status::Old, Status::New, true),
        (Status::Removed, Status::Removed, Status::Old, true),
    ] {
        mark(store, id, status).await;
        let answer = mark_if(id, expected, next).await;
        assert!(answer.is_ok_and(|answer| answer == changes), "Compared: a message that is {status} was not {expected}, or was");
        assert_eq!(status_of(store, id).await, Some(if changes { next } else { status }), "Compared: the status is another");
    }
    let nobody = store.mark_if(&mailbox("2043"), id, Status::New, Status::Old).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchMailbox(_))), "Compared: without a mailbox, the answer was {nobody:?}");
}

/// **Requested.** A request for a receipt is kept with its message, with and without the id of its mail, and so are all messages without a request.
/// A message that is a receipt stays one.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn requested(store: &impl MessageStore) {
    let Ok(address) = "anna@far.example".parse() else { panic!("the address of the test is one") };
    let request = ReceiptRequest::new(address);
    for (age, receipt) in (0..).zip([Some(request.clone().about("<1@far.example>")), Some(request), None]) {
        let message = message(b"a receipt, please", age);
        let sent = if let Some(request) = receipt.clone() { message.receipt(request) } else { message }.build();
        let id = stored(store, "2041", &Origin::Here, &sent).await;
        let listed = list(store, "2041").await.into_iter().find(|entry| entry.head.id == id);
        assert_eq!(listed.and_then(|entry| entry.head.receipt), receipt, "Requested: a list has another request");
        assert_eq!(retrieve(store, id).await.head().receipt, receipt, "Requested: a message came back with another request");
    }
    let report = ReceiptReport::new(Disposition::Played, mailbox("2043"), MessageId::from_bytes([7; 16]), DateTime::UNIX_EPOCH);
    let kind = MessageKind::Receipt(report);
    let id = stored(store, "2041", &Origin::Here, &message(b"no sound of a caller", 3).kind(kind.clone()).build()).await;
    let listed = list(store, "2041").await.into_iter().find(|entry| entry.head.id == id);
    assert_eq!(listed.map(|entry| entry.head.kind), Some(kind.clone()), "Requested: a list has another receipt");
    assert_eq!(retrieve(store, id).await.head().kind, kind, "Requested: a receipt came back as another one");
}

/// **Reported.** A full mailbox takes a receipt that its node makes, and none from elsewhere.
///
/// A store with a limit is tested for it if 64 small messages reach it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn reported(store: &impl MessageStore) {
    let number = mailbox("2041");
    for n in 0..64 {
        match store.deposit(&number, &Origin::Here, &message(&[n; 100], i64::from(n)).build()).await {
            Ok(_) => {}
            Err(StoreError::MailboxFull(_)) => break,
            Err(error) => panic!("Reported: a message was not stored: {error}"),
        }
        if n == 63 {
            return;
        }
    }
    let receipt = |n: u8| {
        let about = MessageId::from_bytes([n; 16]);
        let report = ReceiptReport::new(Disposition::Played, mailbox("2043"), about, DateTime::UNIX_EPOCH);
        message(&[n; 10], 100 + i64::from(n)).kind(MessageKind::Receipt(report)).build()
    };
    let own = store.deposit(&number, &Origin::Here, &receipt(1)).await;
    assert!(matches!(own, Ok(Deposit::Stored(_))), "Reported: a receipt to a full mailbox: {own:?}");
    let foreign = store.deposit(&number, &Origin::Peer("london.example".into()), &receipt(2)).await;
    assert!(
        matches!(foreign, Err(StoreError::MailboxFull(_))),
        "Reported: a receipt from elsewhere to a full mailbox: {foreign:?}"
    );
}
