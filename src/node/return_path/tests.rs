//! Probes that come back, that do not, and that were never sent. Time is paused, and the clock follows it.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::*;
use crate::clock::{Clock, Reading};
use crate::disk::PowerCutDisk;
use crate::event::Occurrence;
use crate::forward::{Acceptance, ForwardError, Reply, TransportSecurity};
use crate::message::{ClockQuality, ClockSource, MailboxId, Message};
use crate::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use crate::record::CallFacts;

const CENTRAL: &str = "central.example";

type Answer = Result<Option<Outcome>, ForwardError>;

/// A relay that keeps the ids of probes, and answers as its script says, or else takes them.
#[derive(Debug, Clone, Default)]
struct Relay {
    probes: Arc<Lock<Vec<MessageId>>>,
    answers: Arc<Lock<VecDeque<Answer>>>,
}

impl Relay {
    fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { probes: Arc::default(), answers: Arc::new(Lock::new(answers.into_iter().collect())) }
    }

    fn probes(&self) -> Vec<MessageId> {
        self.probes.lock().clone()
    }
}

#[async_trait]
impl Forwarder for Relay {
    async fn forward(&self, _: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        Ok(Acceptance::new(vec![Outcome::Relayed; recipients.len()], TransportSecurity::InMemory))
    }

    async fn probe_return_path(&self, probe: MessageId) -> Result<Option<Outcome>, ForwardError> {
        self.probes.lock().push(probe);
        self.answers.lock().pop_front().unwrap_or(Ok(Some(Outcome::Accepted)))
    }
}

/// A clock that follows the paused time.
#[derive(Debug)]
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Reading {
        let start: DateTime<Utc> = "2026-11-29T18:00:00Z".parse().unwrap();
        let quality = ClockQuality::unknown(ClockSource::Manual);
        Reading { instant: start + TimeDelta::from_std(self.0.elapsed()).unwrap(), quality }
    }
}

struct Fixture {
    node: Node,
    relay: Relay,
    events: broadcast::Receiver<Occurrence>,
    began: Instant,
}

impl Fixture {
    async fn new(relay: Relay) -> Self {
        let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
        let pbx = |name: &str, voicemail, node: &str, owner: &str| {
            let pbx = Site::builder(name.parse().unwrap(), voicemail, chrono_tz::UTC).node(node.parse().unwrap());
            let pbx = pbx.time(time.clone()).licence(LicenceClass::Voicemail).ports(4);
            pbx.mailbox(Mailbox::new(owner.parse().unwrap()))
        };
        let london = pbx("london", VoicemailType::Central, CENTRAL, "2001");
        let tokyo = pbx("tokyo", VoicemailType::Distributed, "edge.example", "2008");
        let tokyo = tokyo.trunk_group("main", &"london".parse().unwrap()).destination("main");
        let network = Network::builder("voicemail.example").site(london).site(tokyo).build().unwrap();
        let began = Instant::now();
        let directory = network.directory();
        let node = Node::builder("edge.example".parse().unwrap(), network, directory, "/spool").disk(PowerCutDisk::new());
        let node = node.forwarder(relay.clone()).clock(PausedClock(began)).open().await.unwrap();
        let events = node.events();
        let running = node.clone();
        tokio::spawn(async move { running.run(std::future::pending()).await });
        Self { node, relay, events, began }
    }

    /// Waits until so many minutes since the start.
    async fn until(&self, minutes: u64) {
        tokio::time::sleep_until(self.began + Duration::from_secs(60 * minutes)).await;
    }

    fn check(&self) -> &ReturnPathCheck {
        &self.node.inner.return_path
    }

    fn state(&self) -> ReturnPathState {
        self.node.spool().state().iter().find(|state| state.destination == CENTRAL).unwrap().return_path
    }

    fn reported(&mut self) -> Vec<String> {
        let events = std::iter::from_fn(|| self.events.try_recv().ok());
        let text = |occurrence: Occurrence| match occurrence.event {
            Event::ReturnPathWorks { destination } => Some(format!("{destination} works")),
            Event::ReturnPathFails { destination, reason } => Some(format!("{destination} fails: {reason}")),
            _ => None,
        };
        events.filter_map(text).collect()
    }
}

fn refused(code: u16, text: &str) -> Outcome {
    if code < 500 { Outcome::Deferred(Reply::new(code, text)) } else { Outcome::Refused(Reply::new(code, text)) }
}

fn away() -> ForwardError {
    ForwardError::TimedOut { peer: "relay.example".to_owned(), step: "connection" }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_comes_back_shows_that_receipts_can() {
    let mut fixture = Fixture::new(Relay::default()).await;
    fixture.until(1).await;
    let [probe] = fixture.relay.probes()[..] else { panic!("one probe") };
    assert_eq!((fixture.state(), fixture.reported()), (ReturnPathState::Probing, vec![]));
    assert!(!fixture.check().handle_mail(MessageId::random()), "a forged one");
    fixture.until(2).await;
    assert_eq!((fixture.state(), fixture.reported()), (ReturnPathState::Probing, vec![]));
    assert!(fixture.check().handle_mail(probe));
    fixture.until(3).await;
    assert_eq!((fixture.state(), fixture.reported()), (ReturnPathState::Works, vec!["central.example works".to_owned()]));
    assert!(fixture.check().handle_mail(probe), "it is still no report");
    fixture.until(3_000).await;
    assert_eq!((fixture.reported(), fixture.relay.probes().len()), (vec![], 1), "a replay does nothing");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_lost_is_reported_after_15_minutes() {
    let mut fixture = Fixture::new(Relay::default()).await;
    fixture.until(14).await;
    assert_eq!((fixture.state(), fixture.reported()), (ReturnPathState::Probing, vec![]));
    fixture.until(16).await;
    assert_eq!(fixture.reported(), ["central.example fails: no probe has come back"]);
    assert_eq!(fixture.state().to_string(), "receipts cannot come back through this relay");
    fixture.until(76).await;
    assert_eq!((fixture.relay.probes().len(), fixture.reported()), (2, vec![]), "the next one after an hour");
    fixture.until(92).await;
    assert_eq!((fixture.state(), fixture.reported()), (ReturnPathState::Fails, vec![]), "nothing new");
    assert!(fixture.check().handle_mail(fixture.relay.probes()[0]), "very late");
    fixture.until(93).await;
    assert_eq!((fixture.state(), fixture.reported()), (ReturnPathState::Works, vec!["central.example works".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_refuses_the_probe_is_reported_at_once() {
    let mut fixture = Fixture::new(Relay::answering([Ok(Some(refused(554, "5.7.1 Relay access denied")))])).await;
    fixture.until(1).await;
    let expected = ["central.example fails: the relay refused the probe: 554 5.7.1 Relay access denied"];
    assert_eq!((fixture.state(), &fixture.reported()[..]), (ReturnPathState::Fails, &expected.map(str::to_owned)[..]));
    fixture.until(62).await;
    assert!(fixture.check().handle_mail(*fixture.relay.probes().last().unwrap()), "the operator has corrected it");
    fixture.until(63).await;
    assert_eq!(fixture.reported(), ["central.example works"]);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_away_is_tried_again_and_then_reported() {
    let answers = [Err(away()), Ok(Some(refused(451, "4.7.1 Greylisted"))), Ok(Some(Outcome::Accepted))];
    let mut fixture = Fixture::new(Relay::answering(answers)).await;
    fixture.until(1).await;
    assert_eq!((fixture.relay.probes().len(), fixture.state()), (3, ReturnPathState::Probing));
    fixture.check().handle_mail(fixture.relay.probes()[2]);
    fixture.until(2).await;
    assert_eq!(fixture.reported(), ["central.example works"]);

    let mut fixture = Fixture::new(Relay::answering(std::iter::repeat_with(|| Err(away())).take(1_000))).await;
    fixture.until(14).await;
    assert_eq!(fixture.reported(), [""; 0]);
    fixture.until(16).await;
    let reported = fixture.reported();
    assert!(reported[0].starts_with("central.example fails: the relay has not taken the probe: "), "{reported:?}");
}

#[tokio::test(start_paused = true)]
async fn a_receipt_shows_the_same_as_a_probe() {
    let mut fixture = Fixture::new(Relay::default()).await;
    fixture.until(1).await;
    fixture.check().handle_receipt();
    fixture.until(2).await;
    assert_eq!((fixture.state(), fixture.reported()), (ReturnPathState::Works, vec!["central.example works".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_relay_sends_one_probe_for_each_surprise() {
    let mut fixture = Fixture::new(Relay::answering([Ok(None)])).await;
    fixture.until(1_000).await;
    assert_eq!((fixture.relay.probes().len(), fixture.state(), fixture.reported()), (1, ReturnPathState::Unknown, vec![]));
    // The peer was the final node, and is a relay now.
    let wav = [crate::audio::Wav::header(crate::audio::Format::TELEPHONE_L16, 16_000), vec![1; 16_000]].concat();
    fixture.node.deposit_wav(&"tokyo".parse().unwrap(), CallFacts::to("2001".parse().unwrap()), wav.into()).await.unwrap();
    fixture.until(1_001).await;
    assert!(fixture.relay.probes().len() > 1);
    // Its receipt is overdue after four hours.
    fixture.check().handle_mail(*fixture.relay.probes().last().unwrap());
    fixture.until(1_002).await;
    assert_eq!(fixture.state(), ReturnPathState::Works);
    let probes = fixture.relay.probes().len();
    fixture.until(1_002 + 6 * 60).await;
    assert!(fixture.relay.probes().len() > probes, "a receipt that is overdue");
}
