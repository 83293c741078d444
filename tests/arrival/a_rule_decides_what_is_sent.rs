//! When a mail is sent, to whom, and what becomes of the message.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use voicemail::arrival::mail::{MailStep, OwnerRules};
use voicemail::arrival::{ArrivalStep as _, Arrived, StepOutcome, StepRun};
use voicemail::directory::{Owner, StaticDirectory};
use voicemail::forward::{ForwardError, MailOut, Outcome, Sender};
use voicemail::message::{MailAddress, Origin, Privacy, Status, Urgency};
use voicemail::rules::{ArrivalRule, ArrivalRules, Content, MessageFilter, PrivateMessages, Then};
use voicemail::smtp::Reply;
use voicemail::store::{MemoryStore, MessageStore as _, MessageStoreExt as _};

use super::support::{Place, mailbox, message, rule};

const PART: &str = "mail@example.com";

fn named(id: &str, content: Content) -> ArrivalRule {
    ArrivalRule::new(id.parse().unwrap(), content)
}

#[tokio::test]
async fn each_rule_that_is_for_a_message_is_a_part() {
    let place = Place::new([
        named("all", Content::Copy),
        named("urgent", Content::Alert).to("+49151@sms.example".parse().unwrap()).with_messages(MessageFilter::Urgent),
        named("private", Content::Copy).to("home@anna.example".parse().unwrap()).with_private(PrivateMessages::Send),
    ]);
    for (urgency, privacy, parts) in [
        (Urgency::Normal, Privacy::Normal, &["all@example.com", "private@anna.example"][..]),
        (Urgency::Urgent, Privacy::Normal, &["all@example.com", "urgent@sms.example", "private@anna.example"]),
        (Urgency::Urgent, Privacy::Private, &["private@anna.example"]),
    ] {
        let arrived = place.arrives(&message().urgency(urgency).privacy(privacy).build()).await;
        assert_eq!(place.step.parts(&arrived, &place.store).await.unwrap(), parts);
    }
    let arrived = place.arrives(&message().build()).await;
    assert_eq!(place.step.destination(&arrived, "urgent@sms.example"), "sms.example");
}

#[tokio::test]
async fn an_owner_without_an_address_gets_no_mail() {
    let place = Place::with(
        [rule(Content::Copy)],
        |mut owner| {
            owner.email = None;
            owner
        },
        |step| step,
    );
    let arrived = place.arrives(&message().build()).await;
    assert!(place.step.parts(&arrived, &place.store).await.unwrap().is_empty());
    assert_eq!(place.run(&arrived, PART).await.unwrap(), StepOutcome::Done, "the address is gone");
    assert!(place.server.mails.lock().unwrap().is_empty());
}

#[tokio::test]
async fn only_an_accepted_mail_changes_the_message() {
    let reply = |code, text| Reply::new(code, text);
    for then in [Then::Keep, Then::Heard, Then::Remove] {
        let place = Place::new([rule(Content::Copy).then(then)]);
        let message = message().build();
        let arrived = place.arrives(&message).await;
        *place.server.answers.lock().unwrap() = [
            Ok(Outcome::Deferred(reply(450, "4.2.1 later"))),
            Err(ForwardError::TimedOut { peer: "mail.example".to_owned(), step: "end of data" }),
            Ok(Outcome::Refused(reply(550, "5.1.1 nobody"))),
        ]
        .into();
        for is_transient in [true, true, false] {
            let error = place.run(&arrived, PART).await.unwrap_err();
            assert_eq!(error.is_transient(), is_transient, "{error}: {}", error.source().unwrap());
            assert_eq!(place.status(message.id()).await, Some(Status::New), "{then}: it was not accepted");
        }
        assert_eq!(place.run(&arrived, PART).await.unwrap(), StepOutcome::Done);
        let expected = match then {
            Then::Heard => Status::Old,
            Then::Remove => Status::Removed,
            _ => Status::New,
        };
        assert_eq!(place.status(message.id()).await, Some(expected));
        let mails = place.server.mails.lock().unwrap();
        let ids = mails.iter().map(|(_, mail)| {
            let mail = String::from_utf8_lossy(mail);
            mail.lines().find(|line| line.starts_with("Message-ID: ")).unwrap().to_owned()
        });
        let mut ids: Vec<_> = ids.collect();
        ids.dedup();
        assert_eq!((mails.len(), ids.len()), (4, 1), "each try has the same Message-ID: {ids:?}");
    }
}

#[tokio::test]
async fn a_mail_waits_for_its_delay_and_its_hours() {
    let hours = ["mon-fri 08:00-18:00".parse().unwrap()].into_iter().collect();
    let rule = rule(Content::Copy).with_delay(Duration::from_secs(600)).with_timetable(hours);
    let mut place = Place::new([rule]);
    let arrived = place.arrives(&message().build()).await;
    // It is Wednesday, half a minute before midnight; the office opens in eight hours.
    let outcome = place.run(&arrived, PART).await.unwrap();
    assert_eq!(outcome, StepOutcome::NotYet(Duration::from_secs(8 * 3600 + 30)));
    place.now += TimeDelta::seconds(8 * 3600 + 30);
    assert_eq!(place.run(&arrived, PART).await.unwrap(), StepOutcome::Done);
    assert_eq!(place.server.mails.lock().unwrap().len(), 1);
    // In the office hours, only the delay counts.
    let arrived = place.arrives(&message().build()).await;
    assert_eq!(place.run(&arrived, PART).await.unwrap(), StepOutcome::NotYet(Duration::from_secs(600)));
}

#[tokio::test]
async fn no_mail_is_sent_for_what_the_owner_has_dealt_with() {
    let delayed = |content| rule(content).with_delay(Duration::from_secs(60));
    for (rule, status, sent) in [
        (rule(Content::Copy), Status::Old, 1),
        (rule(Content::Copy), Status::Removed, 0),
        (delayed(Content::Copy), Status::Old, 0),
        (rule(Content::Notice), Status::Old, 0),
        (rule(Content::Alert), Status::Old, 0),
    ] {
        let mut place = Place::new([rule.clone()]);
        let message = message().build();
        let arrived = place.arrives(&message).await;
        place.store.mark(&mailbox(), message.id(), status).await.unwrap();
        place.now += TimeDelta::seconds(60);
        assert_eq!(place.run(&arrived, PART).await.unwrap(), StepOutcome::Done);
        assert_eq!(place.server.mails.lock().unwrap().len(), sent, "{rule:?}");
    }
}

#[tokio::test]
async fn a_rule_that_removes_stops_no_other_rule() {
    let place = Place::new([rule(Content::Copy).then(Then::Remove), named("home", Content::Copy)]);
    assert_eq!(place.sent_for(&message().build()).await.len(), 2);
}

#[tokio::test]
async fn what_is_gone_needs_no_mail() {
    let place = Place::new([rule(Content::Copy)]);
    let message = message().build();
    let arrived = place.arrives(&message).await;
    assert_eq!(place.run(&arrived, "old-rule@example.com").await.unwrap(), StepOutcome::Done, "the rule is gone");
    place.store.remove(&mailbox(), message.id()).await.unwrap();
    place.store.expunge(&mailbox()).await.unwrap();
    assert_eq!(place.run(&arrived, PART).await.unwrap(), StepOutcome::Done, "the message is gone");
    assert!(place.step.parts(&arrived, &place.store).await.unwrap().is_empty());
    assert!(place.server.mails.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_sound_that_cannot_be_decoded_is_sent_as_it_is() {
    use voicemail::message::{Audio, AudioType, Message};
    let place = Place::new([rule(Content::Copy).then(Then::Heard)]);
    let whole = message().build();
    let odd = Message::new(whole.head().clone(), Audio::new(AudioType::Wav, &b"RIFF no wav"[..]));
    let mail = place.sent_for(&odd).await.remove(0);
    let mail = mail_parser::MessageParser::default().parse(&mail[..]).unwrap();
    assert_eq!(mail.attachment(0).unwrap().contents(), b"RIFF no wav");
}

/// A mail server that takes so long that the owner has removed the message meanwhile.
#[derive(Debug)]
struct SlowServer(Arc<MemoryStore>);

#[async_trait]
impl MailOut for SlowServer {
    async fn send(&self, _: Sender, _: &MailAddress, _: &Bytes) -> Result<Outcome, ForwardError> {
        for entry in self.0.list(&mailbox()).await.unwrap() {
            self.0.remove(&mailbox(), entry.head.id).await.unwrap();
        }
        Ok(Outcome::Accepted)
    }
}

#[tokio::test]
async fn a_message_removed_during_its_mail_stays_removed() {
    for then in [Then::Keep, Then::Heard, Then::Remove] {
        let store = Arc::new(MemoryStore::new([mailbox()]));
        let mut owner = Owner::new("berlin".parse().unwrap(), chrono_tz::Europe::Berlin);
        owner.email = Some("anna@example.com".parse().unwrap());
        owner.rules = ArrivalRules::new([rule(Content::Copy).then(then)]).unwrap();
        let directory: StaticDirectory = [(mailbox(), owner)].into_iter().collect();
        let from = "voicemail@voicemail.example".parse().unwrap();
        let step = MailStep::builder(OwnerRules::new(directory), SlowServer(Arc::clone(&store)), from).build();
        let message = message().build();
        store.deposit(&mailbox(), &Origin::Here, &message).await.unwrap();
        let (name, now) = (step.name(), DateTime::UNIX_EPOCH);
        let arrived = Arrived::new(mailbox(), message.id(), now);
        let run = StepRun::new(&name, PART, &arrived, &store, now);
        assert_eq!(step.run(&run).await.unwrap(), StepOutcome::Done);
        assert_eq!(store.entry(&mailbox(), message.id()).await.unwrap().status, Status::Removed, "{then}");
    }
}
