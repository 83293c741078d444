//! Incoming greetings, at a node without mailboxes and at one with mailboxes.

use std::collections::BTreeMap;

use super::*;
use crate::greeting::{
    Edition, Greeting, GreetingEvent, GreetingId, GreetingKeeper, GreetingKind, GreetingVersion, KeepOutcome, KeeperError,
};
use crate::wire::{GreetingMail, encode_greeting};

/// Keeps greetings of 201 and 299 in memory; the disk of 299 is broken.
#[derive(Debug, Default)]
struct MemoryKeeper {
    kept: Lock<BTreeMap<GreetingId, Greeting>>,
    forbids: bool,
}

impl MemoryKeeper {
    fn check(&self, id: &GreetingId) -> Result<(), KeeperError> {
        match id.mailbox.as_str() {
            _ if self.forbids => Err(KeeperError::Forbidden),
            "201" => Ok(()),
            SLOW => Err(KeeperError::Unavailable("the disk is broken".into())),
            _ => Err(KeeperError::NotKeptHere(id.mailbox.clone())),
        }
    }
}

#[async_trait]
impl GreetingKeeper for MemoryKeeper {
    fn keeps(&self, mailbox: &MailboxId) -> bool {
        ["201", SLOW].contains(&mailbox.as_str())
    }

    async fn keep(&self, origin: &Origin, greeting: Greeting) -> Result<KeepOutcome, KeeperError> {
        if self.has(origin, greeting.id(), greeting.edition()).await? {
            return Ok(KeepOutcome::HasNewer);
        }
        self.kept.lock().insert(greeting.id().clone(), greeting);
        Ok(KeepOutcome::Kept)
    }

    async fn has(&self, _: &Origin, id: &GreetingId, edition: Edition) -> Result<bool, KeeperError> {
        self.check(id)?;
        Ok(self.kept.lock().get(id).is_some_and(|kept| kept.edition() >= edition))
    }
}

fn greeting(number: &str, age: u32, sound: &[u8]) -> Greeting {
    let id = GreetingId::new(mailbox(number), GreetingKind::Normal);
    let version = GreetingVersion::next(None, format!("2025-03-30T00:59:{age:02}Z").parse().unwrap());
    Greeting::new(id, version, Some(Audio::new(AudioType::Wav, sound.to_vec())))
}

/// Sends a pipelined transaction; returns the last reply.
async fn hand_in(intake: &Intake, to: &str, mail: &[u8]) -> String {
    let mut client = Client::connect(intake).await;
    let start = START.replace("201", to);
    client.send(pipelined(&start, mail)).await;
    client.last_reply(4).await
}

async fn send(intake: &Intake, mail: &GreetingMail) -> String {
    let mailbox = &mail.id().mailbox;
    hand_in(intake, mailbox.as_str(), &encode_greeting(mail, "central.example", "vm.example")).await
}

fn of_greetings(keeper: &Arc<MemoryKeeper>) -> IntakeBuilder {
    Intake::of_greetings("vm.example", Arc::clone(keeper)).node("vm1.example")
}

#[tokio::test(start_paused = true)]
async fn a_greeting_is_kept_and_repeats_or_older_ones_change_nothing() {
    let keeper = Arc::new(MemoryKeeper::default());
    let events = Events::new();
    let mut event = events.subscribe();
    let intake = of_greetings(&keeper).events(events).build();
    let newest = greeting("201", 40, b"newest");
    let offer = GreetingMail::Offer(newest.id().clone(), newest.edition());
    assert_eq!(send(&intake, &offer).await, "450 4.2.0 the sound of the greeting 201 normal is needed");
    let mail = GreetingMail::Greeting(newest.clone());
    assert_eq!(send(&intake, &mail).await, "250 2.0.0 kept the greeting 201 normal");
    let older = GreetingMail::Greeting(greeting("201", 39, b"older"));
    for again in [&mail, &older, &offer] {
        assert_eq!(send(&intake, again).await, "250 2.0.0 this greeting 201 normal or a newer one is here");
    }
    assert_eq!(keeper.kept.lock().values().collect::<Vec<_>>(), [&newest]);
    let received = GreetingEvent::Received { greeting: newest.id().clone(), version: newest.edition().version };
    assert!(matches!(event.recv().await.unwrap().event, Event::Greeting(event) if event == received));
    assert!(event.try_recv().is_err(), "and nothing else");
}

#[tokio::test(start_paused = true)]
async fn a_greeting_that_is_not_kept_is_refused_with_its_reason() {
    let keeper = Arc::new(MemoryKeeper::default());
    let intake = of_greetings(&keeper).build();
    let voice = mail(&message(&b"hello"[..]), TransferEncoding::Base64);
    assert_eq!(
        hand_in(&intake, "201", &voice).await,
        "550 5.7.1 this node keeps no messages, and takes greetings from the central node only"
    );
    let of = |number| GreetingMail::Greeting(greeting(number, 1, b"hello"));
    let foreign = send(&intake, &of("202")).await;
    assert!(foreign.starts_with("554 5.5.1"), "its mailbox was refused, so no recipient is left: {foreign}");
    let elsewhere = hand_in(&intake, "201", &encode_greeting(&of("202"), "central.example", "vm.example")).await;
    assert!(elsewhere.starts_with("554 5.6.0"), "{elsewhere}");
    assert_eq!(send(&intake, &of(SLOW)).await, "451 4.3.0 the greeting cannot be kept now");
    let written = encode_greeting(&of("201"), "central.example", "vm.example");
    let damaged = String::from_utf8(written.to_vec()).unwrap().replace("aGVsbG8=", "aGVsbG9v");
    assert!(hand_in(&intake, "201", damaged.as_bytes()).await.starts_with("554 5.6.1 the audio does not match"), "{damaged}");
    assert!(keeper.kept.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_forged_greeting_is_refused_and_reported() {
    let keeper = Arc::new(MemoryKeeper { forbids: true, ..MemoryKeeper::default() });
    let events = Events::new();
    let mut event = events.subscribe();
    let intake = of_greetings(&keeper).events(events).build();
    let forged = greeting("201", 1, b"hello");
    let reply = send(&intake, &GreetingMail::Greeting(forged.clone())).await;
    assert_eq!(reply, "550 5.7.1 greetings are taken from the central node only");
    let Event::Greeting(GreetingEvent::Refused { greeting, origin, .. }) = event.recv().await.unwrap().event else {
        panic!("no event was reported");
    };
    assert_eq!((&greeting, origin), (forged.id(), Origin::Unproven));
}

#[tokio::test(start_paused = true)]
async fn a_node_with_mailboxes_keeps_greetings_apart_from_messages() {
    let (store, keeper) = (FailingStore::new([]), Arc::new(MemoryKeeper::default()));
    let intake = builder(&store).greetings(Arc::clone(&keeper)).build();
    let reply = send(&intake, &GreetingMail::Greeting(greeting("201", 1, b"hello"))).await;
    assert_eq!(reply, "250 2.0.0 kept the greeting 201 normal");
    assert_eq!(store.new_messages().await, 0);
    let voice = message(&b"hello"[..]);
    let reply = hand_in(&intake, "201", &mail(&voice, TransferEncoding::Base64)).await;
    assert_eq!(reply, format!("250 2.0.0 kept {}", voice.id()));
    assert_eq!((store.new_messages().await, keeper.kept.lock().len()), (1, 1));
    let reply = send(&intake, &GreetingMail::Greeting(greeting("202", 1, b"hello"))).await;
    assert_eq!(reply, "550 5.1.1 no greeting of mailbox 202 is needed here", "it is no message either");
    assert_eq!(store.memory.summary(&mailbox("202")).await.unwrap().new, 0);
}

#[tokio::test(start_paused = true)]
async fn a_listener_without_peers_takes_no_greetings() {
    let (keeper, events) = (Arc::new(MemoryKeeper::default()), Events::new());
    let mut event = events.subscribe();
    let intake = of_greetings(&keeper).events(events).build();
    let offered = greeting("201", 1, b"hello");
    let whole = GreetingMail::Greeting(offered.clone());
    let offer = GreetingMail::Offer(offered.id().clone(), offered.edition());
    for (access, reply) in [
        (Access::anyone_anywhere(), "550 5.7.1 a listener without configured peers takes no greetings"),
        (
            Access::peers([KnownPeer::new("central.example".parse().unwrap(), Sites::All)]).and_anyone_on(Cidr::ANYWHERE),
            "250 2.0.0 kept the greeting 201 normal",
        ),
    ] {
        for mail in [&offer, &whole] {
            let policy = ListenerPolicy::new(ListenMode::StartTls, access.clone());
            let (client, _session) = Client::connect_by(&intake, policy);
            let mut client = client.greeted().await;
            client.send(pipelined(START, &encode_greeting(mail, "central.example", "vm.example"))).await;
            let last = client.last_reply(4).await;
            let is_wanted = last.starts_with("450") && *mail == offer;
            assert!(last == reply || is_wanted, "{last}");
        }
    }
    assert!(matches!(event.recv().await.unwrap().event, Event::Greeting(GreetingEvent::Refused { .. })));
}
