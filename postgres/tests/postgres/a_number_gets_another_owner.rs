//! Nothing of an owner is left for the next one who gets the number.

use std::time::Duration;

use chrono::{DateTime, Utc};
use voicemail::directory::{ListStore as _, PrivateList};
use voicemail::greeting::{GreetingId, GreetingKind, GreetingStore as _, GreetingStoreExt as _};
use voicemail::message::{Audio, AudioType, MailboxId, Message, MessageId, Origin, Summary};
use voicemail::rules::{ArrivalRule, ArrivalRules, Content, RuleStore as _};
use voicemail::sent::{SentCopy, SentMessage, SentState, SentStore as _};
use voicemail::store::MessageStore as _;
use voicemail::telephone::{PinHash, PinStore as _, PinVerdict};
use voicemail_postgres::{Database, PostgresGreetings, PostgresLists, PostgresPins, PostgresRules, PostgresSent, PostgresStore};

use super::support::mailbox;
use super::support::messages::message;
use super::support::server::{Server, execute};

fn now() -> DateTime<Utc> {
    "2026-11-22T18:00:00Z".parse().unwrap()
}

/// The parts of a node on one database.
struct Parts {
    store: PostgresStore,
    pins: PostgresPins,
    rules: PostgresRules,
    lists: PostgresLists,
    greetings: PostgresGreetings,
    sent: PostgresSent,
}

impl Parts {
    async fn of(address: &str) -> Self {
        let database = Database::connect(address).await.unwrap();
        Self {
            store: PostgresStore::builder(&database).build(),
            pins: PostgresPins::new(&database),
            rules: PostgresRules::new(&database),
            lists: PostgresLists::new(&database),
            greetings: PostgresGreetings::new(&database),
            sent: PostgresSent::new(&database),
        }
    }

    /// Gives the owner this message, and one of each choice.
    async fn fill(&self, owner: &MailboxId, message: &Message) {
        self.store.create_mailbox(owner).await.unwrap();
        self.store.deposit(owner, &Origin::Here, message).await.unwrap();
        self.pins.set_hash(owner, &PinHash::new(&"480913".parse().unwrap())).await.unwrap();
        let rules = ArrivalRules::new([ArrivalRule::new("copy".parse().unwrap(), Content::Copy)]).unwrap();
        self.rules.replace(owner, Some(&rules), None).await.unwrap();
        self.lists.put(owner, &PrivateList::new(7.try_into().unwrap(), "team", [mailbox("2043")]).unwrap()).await.unwrap();
        let greeting = GreetingId::new(owner.clone(), GreetingKind::Normal);
        let sound = Audio::new(AudioType::Wav, b"the owner speaks".to_vec());
        self.greetings.record(greeting, Some(sound), None, now()).await.unwrap();
        let copy = SentCopy::new(mailbox("2043"), MessageId::random(), SentState::Delivered);
        let message = SentMessage::new(MessageId::random(), now(), Duration::from_secs(3), vec![copy]);
        self.sent.record(owner, &message).await.unwrap();
    }

    /// How much there is of the owner: messages, PIN, rules, private lists, greetings with a sound, sent messages.
    async fn counts(&self, owner: &MailboxId) -> [usize; 6] {
        let greetings = self.greetings.list(owner).await.unwrap();
        [
            self.store.list(owner).await.map_or(0, |messages| messages.len()),
            usize::from(self.pins.check(owner, None, "480913", now()).await == PinVerdict::Right),
            usize::from(self.rules.load(owner).await.unwrap().is_some()),
            self.lists.all(owner).await.unwrap().len(),
            greetings.iter().filter(|entry| entry.edition.digest.is_some()).count(),
            self.sent.list(owner, now()).await.unwrap().len(),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_mailbox_has_nothing_of_its_owner() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let parts = Parts::of(&address).await;
    let (leaves, stays, message) = (mailbox("2041"), mailbox("2042"), message(b"for the owner", 0));
    for owner in [&leaves, &stays] {
        parts.fill(owner, &message).await;
        assert_eq!(parts.counts(owner).await, [1; 6]);
    }
    let before = parts.store.state(&leaves).await.unwrap().version;
    execute(&address, "SELECT voicemail.clear_mailbox('2041')").await;
    assert_eq!((parts.counts(&leaves).await, parts.counts(&stays).await), ([0; 6], [1; 6]));
    let state = parts.store.state(&leaves).await.unwrap();
    assert!(state.version > before && state.summary == Summary::default(), "other nodes see the change: {state:?}");
    // The message itself does not come back, when its sender tries again.
    parts.store.deposit(&leaves, &Origin::Here, &message).await.unwrap();
    assert_eq!(parts.counts(&leaves).await, [0; 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn choices_go_with_the_row_of_a_mailbox() {
    let Some(server) = Server::common() else { return };
    let address = server.create_database().await;
    let parts = Parts::of(&address).await;
    let (leaves, stays, message) = (mailbox("2041"), mailbox("2042"), message(b"for the owner", 0));
    for owner in [&leaves, &stays] {
        parts.fill(owner, &message).await;
    }
    let greeting = GreetingId::new(leaves.clone(), GreetingKind::Normal);
    let old = parts.greetings.read(&greeting).await.unwrap().unwrap();
    execute(&address, "DELETE FROM voicemail.mailbox WHERE number = '2041'").await;
    let (left, kept) = (parts.counts(&leaves).await, parts.counts(&stays).await);
    assert_eq!((&left[1..], kept), (&[0; 5][..], [1; 6]));
    // A node that still has the greeting sends it.
    parts.greetings.put(old).await.unwrap();
    assert_eq!(parts.counts(&leaves).await[4], 0, "the greeting came back");
}
