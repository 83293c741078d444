//! Tests of the step and of the queue, with receivers of their own.

mod disabled;
mod network;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::arrival::{ArrivalStep as _, Arrived, StepError, StepName, StepOutcome, StepRun};
use crate::clock::ManualClock;
use crate::disk::OsDisk;
use crate::event::{Event, Events, Occurrence};
use crate::http::tests::server::{TestServer, answer, body, field};
use crate::http::{HttpClient, TargetPolicy};
use crate::jobs::{FolderJobs, JobKind, JobStore as _};
use crate::message::{
    Audio, AudioType, Caller, ClockQuality, ClockSource, MailboxId, Message, MessageId, Origin, RecordedAt, Status, Summary,
};
use crate::network::{LicenceClass, Mailbox, Network, NodeAddress, Site, TimeSource, VoicemailType};
use crate::store::{MemoryStore, MessageStore as _};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn end_point(name: &str, server: &TestServer) -> EndPoint {
    let policy =
        TargetPolicy::default().allow_plain_text().allow_port(server.address.port()).allow_prefix("127.0.0.0/8".parse().unwrap());
    EndPoint::new(name.parse().unwrap(), server.url("/hook").parse().unwrap(), SECRET.parse().unwrap()).policy(policy)
}

fn webhooks(end_points: impl IntoIterator<Item = EndPoint>) -> (Webhooks, tokio::sync::broadcast::Receiver<Occurrence>) {
    let events = Events::new();
    let heard = events.subscribe();
    (Webhooks::new(HttpClient::builder().build(), EndPoints::new(end_points)).events(events), heard)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn start() -> DateTime<Utc> {
    at("2026-11-28T19:19:05Z")
}

fn ok() -> String {
    answer("204 No Content", "", "")
}

fn mailbox() -> MailboxId {
    "2041".parse().unwrap()
}

async fn store_with_message() -> (MemoryStore, MessageId) {
    let store = MemoryStore::new([mailbox()]);
    let recorded_at = RecordedAt::new(start(), chrono_tz::UTC, ClockQuality::unknown(ClockSource::Manual));
    let caller = Caller::new(Some("+442079460112".parse().unwrap()), None);
    let message = Message::builder(Audio::new(AudioType::Basic, vec![0xff; 8000]), recorded_at).caller(caller).build();
    store.deposit(&mailbox(), &Origin::Here, &message).await.unwrap();
    (store, message.id())
}

/// Lets time pass by the monotonic clock.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn names(heard: &mut tokio::sync::broadcast::Receiver<Occurrence>) -> Vec<&'static str> {
    std::iter::from_fn(|| heard.try_recv().ok()).map(|occurrence| occurrence.event.name()).collect()
}

#[tokio::test]
async fn a_stored_message_is_reported_signed_and_without_caller() {
    let server = TestServer::start("127.0.0.1", [ok(), ok()]).await;
    let (webhooks, mut heard) = webhooks([end_point("crm", &server), end_point("with-caller", &server).with_caller()]);
    let step = WebhookStep::new(webhooks);
    let (store, id) = store_with_message().await;
    let arrived = Arrived::new(mailbox(), id, start());
    assert_eq!(step.parts(&arrived, &store).await.unwrap(), ["crm", "with-caller"]);
    assert_eq!(step.destination(&arrived, "crm"), server.address.to_string());

    let now = start() + TimeDelta::seconds(3);
    let run = StepRun::new(&StepName::WEBHOOK, "crm", &arrived, &store, now);
    assert_eq!(step.run(&run).await.unwrap(), StepOutcome::Done);
    let request = server.request().await;
    let expected = format!(
        r#"{{"type":"voicemail.message.stored","timestamp":"2026-11-28T19:19:05Z","data":{{"mailbox":"2041","id":"{id}"}}}}"#
    );
    assert_eq!((body(&request), field(&request, "content-type")), (expected.as_str(), Some("application/json")));
    assert_eq!(field(&request, "webhook-id"), Some(format!("msg_{}", run.key()).as_str()));
    let value = |name| field(&request, name).unwrap();
    let headers = SignedHeaders::new(value("webhook-id"), value("webhook-timestamp"), value("webhook-signature"));
    let secret: WebhookSecret = SECRET.parse().unwrap();
    assert_eq!(secret.verify(headers, expected.as_bytes(), now), Ok(()));

    let run = StepRun::new(&StepName::WEBHOOK, "with-caller", &arrived, &store, now);
    step.run(&run).await.unwrap();
    assert!(body(&server.request().await).contains(r#","caller":{"number":"+442079460112"}}"#));
    assert_eq!(names(&mut heard), ["webhook_sent", "webhook_sent"]);
}

#[tokio::test]
async fn a_failed_request_is_due_again_as_the_rules_say() {
    let answers = [
        answer("500 Internal Server Error", "", "secret of the receiver"),
        answer("302 Found", "location: /other\r\n", ""),
        answer("429 Too Many Requests", "retry-after: 900\r\n", ""),
        answer("503 Service Unavailable", "", ""),
    ];
    let server = TestServer::start("127.0.0.1", answers).await;
    let (webhooks, mut heard) = webhooks([end_point("crm", &server)]);
    let step = WebhookStep::new(webhooks.clone());
    let (store, id) = store_with_message().await;
    let arrived = Arrived::new(mailbox(), id, start());
    let (mut waits, mut destination_waits) = (Vec::new(), Vec::new());
    for age in [0, 5, 10] {
        let run = StepRun::new(&StepName::WEBHOOK, "crm", &arrived, &store, start() + TimeDelta::seconds(age));
        let Err(StepError::Deferred { wait, destination_wait, source }) = step.run(&run).await else { panic!("at {age} s") };
        destination_waits.push(destination_wait.as_secs());
        assert!(!source.to_string().contains("secret"));
        waits.push(wait.as_secs());
    }
    assert!((5..=6).contains(&waits[0]) && (300..=340).contains(&waits[1]) && waits[2] == 900, "{waits:?}");
    assert_eq!(destination_waits, [0, 0, 900], "other requests wait only where the receiver asks for it");
    // After more than three days, the request is given up, and an end point that has taken nothing since is disabled.
    pass(Duration::from_secs(90 * 3600)).await;
    let run = StepRun::new(&StepName::WEBHOOK, "crm", &arrived, &store, start() + TimeDelta::hours(90)).after(9);
    assert!(matches!(step.run(&run).await, Err(StepError::Final(_))));
    assert_eq!(webhooks.end_points().disabled().len(), 1);
    assert_eq!(names(&mut heard), ["webhook_failed", "webhook_failed", "webhook_failed", "webhook_disabled", "webhook_failed"]);
}

#[tokio::test]
async fn an_end_point_that_is_gone_is_disabled_and_may_be_enabled() {
    let server = TestServer::start("127.0.0.1", [answer("410 Gone", "", ""), ok()]).await;
    let (webhooks, mut heard) = webhooks([end_point("crm", &server)]);
    let step = WebhookStep::new(webhooks.clone());
    let (store, id) = store_with_message().await;
    let arrived = Arrived::new(mailbox(), id, start());
    let run = StepRun::new(&StepName::WEBHOOK, "crm", &arrived, &store, start());
    assert!(matches!(step.run(&run).await, Err(StepError::Final(_))));
    assert_eq!(names(&mut heard), ["webhook_disabled"]);
    // No further request is made.
    assert!(matches!(step.run(&run).await, Err(StepError::Final(_))));
    assert_eq!(step.parts(&arrived, &store).await.unwrap(), Vec::<String>::new());
    server.request().await;
    assert!(!server.has_request().await);
    assert!(webhooks.enable(&"crm".parse().unwrap()).await.unwrap());
    assert_eq!(step.run(&run).await.unwrap(), StepOutcome::Done);
}

#[tokio::test]
async fn an_end_point_gets_the_mailboxes_of_its_sites() {
    let server = TestServer::start("127.0.0.1", []).await;
    let address: NodeAddress = "vm.example".parse().unwrap();
    let london = Site::builder("london".parse().unwrap(), VoicemailType::Central, chrono_tz::Europe::London)
        .node(address)
        .time(TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]))
        .licence(LicenceClass::Voicemail)
        .ports(8)
        .mailbox(Mailbox::new(mailbox()));
    let network = Network::builder("voicemail.example").site(london).build().unwrap();
    let of_site = |site: &str| end_point(site, &server).for_site(site.parse().unwrap());
    let (webhooks, _) = webhooks([end_point("all", &server), of_site("berlin"), of_site("london")]);
    let step = WebhookStep::new(webhooks.network(network));
    let parts = async |mailbox: MailboxId| {
        step.parts(&Arrived::new(mailbox, MessageId::random(), start()), &MemoryStore::new([])).await.unwrap()
    };
    assert_eq!(parts(mailbox()).await, ["all", "london"]);
    assert_eq!(parts("999999".parse().unwrap()).await, ["all"]);
}

#[tokio::test]
async fn events_are_reported_also_when_the_node_restarts() {
    let server = TestServer::start("127.0.0.1", [ok(), ok(), ok(), ok(), ok()]).await;
    let lamps = NotificationType::ALL.into_iter().fold(end_point("lamps", &server), EndPoint::of_type);
    let (webhooks, _) = webhooks([lamps]);
    let folder = tempfile::tempdir().unwrap();
    let jobs = FolderJobs::open(OsDisk, folder.path()).await.unwrap();
    let id = MessageId::random();
    let source = Events::new();
    let mut receiver = source.subscribe();
    let mark = |status| Event::Marked { id, mailbox: mailbox(), status };
    for event in [
        mark(Status::Old),
        mark(Status::New),
        mark(Status::Removed),
        Event::Transcribed { id, mailbox: mailbox() },
        Event::Parked { id, mailbox: mailbox(), reason: "no such mailbox".into() },
        Event::LampShown { mailbox: mailbox(), summary: Summary::new(1, 2), version: 7, arrived: Arc::new([]) },
        Event::LampFailed { mailbox: mailbox(), reason: String::new() },
    ] {
        source.emit(event);
    }
    // The first node only takes the events in, and is gone before it has sent a request.
    let queue = WebhookQueue::new(webhooks.clone(), jobs.clone(), ManualClock::at(start()));
    while let Ok(occurrence) = receiver.try_recv() {
        queue.handle_event(&occurrence.event).await;
    }
    assert_eq!(jobs.count(&JobKind::WEBHOOK).await.unwrap(), 5);
    drop((queue, jobs));

    let jobs = FolderJobs::open(OsDisk, folder.path()).await.unwrap();
    let queue = WebhookQueue::new(webhooks, jobs.clone(), ManualClock::at(start()));
    let (events, mut types) = (Events::new(), Vec::new());
    let receiver = events.subscribe();
    let running = tokio::spawn(async move { queue.run(receiver).await });
    for _ in 0..5 {
        let request = server.request().await;
        types.push(body(&request).split('"').nth(3).unwrap().to_owned());
    }
    types.sort();
    assert_eq!(
        types,
        [
            "voicemail.lamp.changed",
            "voicemail.message.heard",
            "voicemail.message.parked",
            "voicemail.message.removed",
            "voicemail.message.transcribed"
        ]
    );
    while jobs.count(&JobKind::WEBHOOK).await.unwrap() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(events);
    running.await.unwrap();
}
