//! Messages to mailboxes at other voicemail systems.

use super::*;
use crate::directory::{DirectoryError, RemoteMailbox, VoicemailSystem};
use crate::message::MailDialect;
use crate::retrieval::Sent;

/// A service whose owners reach two systems: by 86 one that honours privacy, by 87 one that does not.
pub(super) fn service(licences: &[LicenceClass]) -> (MailboxService, Arc<SentMails>) {
    service_on(licences, MemoryStore::new(["2001", "2002"].map(mailbox)))
}

pub(super) fn service_on(licences: &[LicenceClass], store: impl MessageStore) -> (MailboxService, Arc<SentMails>) {
    let owners =
        ["2001", "2002"].map(|number| (mailbox(number), Owner::new("london".parse().unwrap(), chrono_tz::Europe::London)));
    let boston = VoicemailSystem::new("boston", "vpim.boston.example").prefix("86").strip(1).honours_privacy();
    let york = VoicemailSystem::new("york", "mail.york.example").prefix("87").dialect(MailDialect::InternetMail);
    let directory = owners.into_iter().collect::<StaticDirectory>().with_system(boston).with_system(york);
    service_of(licences, store, directory)
}

pub(super) async fn composed(service: &MailboxService, privacy: Privacy) -> Message {
    let to = [mailbox("2002"), mailbox("8617"), mailbox("8700")];
    service.compose(&mailbox("2001"), &to, sound(0x10, 1000), Urgency::Urgent, privacy).await.unwrap()
}

/// Sends a message of 2001, and returns the results in the order of the numbers.
async fn sent(service: &MailboxService, message: &Message, to: &[MailboxId]) -> Vec<(MailboxId, Result<Sent, RetrievalError>)> {
    let mut results = service.send(&mailbox("2001"), message, to).await;
    results.sort_by_key(|(number, _)| to.iter().position(|wanted| wanted == number));
    results
}

#[tokio::test]
async fn a_message_reaches_mailboxes_here_and_at_other_systems() {
    let (service, mails) = service(&[LicenceClass::NetworkedMessaging]);
    let message = composed(&service, Privacy::Normal).await;
    let numbers = ["2002", "8617", "8700", "2009"].map(mailbox);
    let results = sent(&service, &message, &numbers).await;
    assert!(matches!(results[0].1, Ok(Sent::Stored(Deposit::Stored(_)))), "{results:?}");
    assert!(results[1..3].iter().all(|(_, result)| matches!(result, Ok(Sent::Mailed(Outcome::Accepted)))), "{results:?}");
    assert!(matches!(results[3].1, Err(RetrievalError::Store(StoreError::NoSuchMailbox(_)))), "{results:?}");
    let again = sent(&service, &message, &numbers[..1]).await;
    assert!(matches!(again[0].1, Ok(Sent::Stored(Deposit::Duplicate))), "no mailbox here gets it twice");
    let mut mails = mails.taken();
    mails.sort_by(|one, other| one.1.cmp(&other.1));
    let to: Vec<_> = mails.iter().map(|(_, to, _)| to.as_str()).collect();
    assert_eq!(to, ["617@vpim.boston.example", "8700@mail.york.example"]);
    assert!(mails.iter().all(|(sender, _, _)| matches!(sender, Sender::Message(_))), "reports come back to the message");
    for (_, _, mail) in &mails {
        let read = wire::decode(mail).unwrap();
        assert_eq!(read.head().caller.number.as_ref().map(crate::message::CallerNumber::as_str), Some("2001"));
        assert_eq!((read.head().urgency, read.head().length), (Urgency::Urgent, message.head().length));
        assert!(text(mail).contains("From: <2001@example.com>"), "{}", text(mail));
        assert!(!text(mail).contains("Voicemail-"), "{}", text(mail));
    }
    assert!(text(&mails[0].2).contains("MIME-Version: 1.0 (Voice 2.0)"));
    assert!(text(&mails[1].2).contains("Content-Type: multipart/mixed"));
}

#[tokio::test]
async fn a_private_message_goes_only_where_it_stays_private() {
    let (service, mails) = service(&[LicenceClass::NetworkedMessaging]);
    let message = composed(&service, Privacy::Private).await;
    let results = sent(&service, &message, &["8617", "8700"].map(mailbox)).await;
    assert!(matches!(results[0].1, Ok(Sent::Mailed(Outcome::Accepted))), "{results:?}");
    assert!(matches!(results[1].1, Err(RetrievalError::PrivacyNotHonoured { .. })), "{results:?}");
    let mails = mails.taken();
    assert_eq!(mails.len(), 1);
    assert!(text(&mails[0].2).contains("Sensitivity: Private"));
}

#[tokio::test]
async fn without_the_licence_a_number_leads_to_no_other_system() {
    let (service, mails) = service(&[]);
    let message = composed(&service, Privacy::Normal).await;
    let found = service.remote(&mailbox("2001"), &mailbox("8617")).await;
    assert!(matches!(found, Err(RetrievalError::Refused(_))), "{found:?}");
    assert_eq!(service.remote(&mailbox("2001"), &mailbox("2009")).await.unwrap(), None);
    let results = sent(&service, &message, &["8617", "2002"].map(mailbox)).await;
    assert!(matches!(results[0].1, Err(RetrievalError::Refused(_))), "{results:?}");
    assert!(matches!(results[1].1, Ok(Sent::Stored(_))), "{results:?}");
    assert!(mails.taken().is_empty());
}

#[tokio::test]
async fn a_caller_at_another_system_can_be_answered() {
    let (service, mails) = service(&[LicenceClass::NetworkedMessaging]);
    let caller = Caller { number: "8617".parse().ok(), name: None };
    let head = Head { caller, ..message(Privacy::Normal).head().clone() };
    let message = Message::new(head, sound(0x10, 1000));
    service.store.deposit(&mailbox("2001"), &Origin::Here, &message).await.unwrap();
    let answer = service.answer(&mailbox("2001"), message.id(), sound(0x20, 500), Urgency::Normal, Privacy::Normal).await;
    let (to, answer) = answer.unwrap();
    assert_eq!(to, mailbox("8617"));
    let passed_on = service.pass_on(&mailbox("2001"), message.id(), &[mailbox("8618")], None).await.unwrap();
    for (number, message) in [(&to, &answer), (&mailbox("8618"), &passed_on)] {
        let results = sent(&service, message, std::slice::from_ref(number)).await;
        assert!(matches!(results[0].1, Ok(Sent::Mailed(Outcome::Accepted))), "{results:?}");
    }
    let from: Vec<_> = mails.taken().iter().map(|(_, _, mail)| text(mail).contains("From: <2001@example.com>")).collect();
    assert_eq!(from, [true, false], "a message passed on is from its caller, who has no mailbox here");
}

/// A directory that cannot say which numbers lead to other systems.
#[derive(Debug)]
struct NoSystems(StaticDirectory);

#[async_trait]
impl Directory for NoSystems {
    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
        self.0.find(mailbox).await
    }

    async fn remote(&self, _: &MailboxId) -> Result<Option<RemoteMailbox>, DirectoryError> {
        Err(DirectoryError::Unavailable("as the test wants".into()))
    }
}

#[tokio::test]
async fn a_number_is_not_called_unknown_while_nobody_knows() {
    let owners =
        ["2001", "2002"].map(|number| (mailbox(number), Owner::new("london".parse().unwrap(), chrono_tz::Europe::London)));
    let store = MemoryStore::new(["2001", "2002"].map(mailbox));
    let (service, _) = service_of(&[LicenceClass::NetworkedMessaging], store, NoSystems(owners.into_iter().collect()));
    let message = composed(&service, Privacy::Normal).await;
    let results = sent(&service, &message, &["2002", "8617"].map(mailbox)).await;
    assert!(matches!(results[0].1, Ok(Sent::Stored(Deposit::Stored(_)))), "{results:?}");
    assert!(matches!(&results[1].1, Err(error) if error.is_transient()), "{results:?}");
}

#[cfg(feature = "fs")]
#[tokio::test]
async fn the_recorded_name_of_the_sender_goes_along() {
    use crate::disk::PowerCutDisk;
    use crate::greeting::{GreetingFolder, GreetingId, GreetingKind, GreetingStoreExt as _};

    let (service, mails) = service(&[LicenceClass::NetworkedMessaging]);
    let greetings = GreetingFolder::open(PowerCutDisk::new(), "/greetings").await.unwrap();
    let name = GreetingId::new(mailbox("2001"), GreetingKind::Name);
    greetings.record(name, Some(sound(0x20, 700)), None, DateTime::UNIX_EPOCH).await.unwrap();
    let service = MailboxService { greetings: Some(Arc::new(greetings)), ..service };
    let own = composed(&service, Privacy::Normal).await;
    let other = Caller { number: "2003".parse().ok(), name: None };
    let passed_on = Message::new(Head { caller: other, ..own.head().clone() }, own.audio().clone());
    let boston = service.directory.remote(&mailbox("8617")).await.unwrap().unwrap();
    let without = RemoteMailbox { spoken_name: false, ..boston.clone() };
    for (message, to, has_name) in [(&own, &boston, true), (&own, &without, false), (&passed_on, &boston, false)] {
        service.send_to_system(&mailbox("2001"), message, to).await.unwrap();
        let (_, _, mail) = mails.taken().remove(0);
        assert_eq!(text(&mail).contains("voice=Originator-Spoken-Name"), has_name, "{}", text(&mail));
        assert_eq!(wire::decode(&mail).unwrap().audio().bytes().len(), 4000, "the message is played, and not the name");
    }
}
