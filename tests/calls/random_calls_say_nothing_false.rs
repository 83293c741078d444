//! Random callers and owners at a node whose store and disk fail at random: every call ends, its port is free, and nothing false is said.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use voicemail::MailboxId;
use voicemail::audio::Format;
use voicemail::call::{CallDriver, CallScript, CallTranscript, IncomingCall, OwnerCall, ScriptedLeg};
use voicemail::disk::{FaultyDisk, InjectedFault, OsDisk};
use voicemail::event::Event;
use voicemail::greeting::GreetingEvent;
use voicemail::message::{Caller, CallerNumber, Message, MessageId, Origin, Status};
use voicemail::store::{Deposit, MemoryStore, MessageStore, Page, Query, StoreError, StoreWrapper};
use voicemail::telephone::{MemoryPins, Pin, PinHash, PinStore, PinStoreError, PinVerdict, Prompt};
use voicemail::voice::Voices;

use super::support::random::{Random, new_seed};
use super::support::{CENTRAL, mailbox, node, run, site};
use super::{Beeps, PIN, SECOND, is_menu, is_play, is_tone};

/// The statements that can be false, and the changes that make them true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// A caller's message is on stable storage, or an owner's in a mailbox.
    Sent,
    Removed,
    /// A message is old again.
    Restored,
    KeptAsNew,
    PinChanged,
    /// A greeting or a name is saved or removed.
    Greeting,
}

#[derive(Debug, Default)]
struct Done(Mutex<BTreeMap<Change, usize>>);

impl Done {
    fn add(&self, change: Change) {
        *self.0.lock().unwrap().entry(change).or_default() += 1;
    }

    fn count(&self, change: Change) -> usize {
        self.0.lock().unwrap().get(&change).copied().unwrap_or_default()
    }
}

/// A store, and a PIN store, of which one call in `one_in` fails, before or after its work.
#[derive(Debug)]
struct Unreliable<S> {
    inner: S,
    random: Arc<Mutex<Random>>,
    one_in: u64,
    done: Arc<Done>,
}

impl<S> Unreliable<S> {
    fn fails(&self) -> bool {
        self.one_in > 0 && self.random.lock().unwrap().below(self.one_in) == 0
    }

    /// Fails at random.
    fn check(&self) -> Result<(), StoreError> {
        if self.fails() { Err(StoreError::Unavailable("as the test wants".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl StoreWrapper for Unreliable<MemoryStore> {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        self.check()?;
        let deposited = self.inner.deposit(mailbox, origin, message).await?;
        self.done.add(Change::Sent);
        self.check().map(|()| deposited)
    }

    async fn retrieve(&self, mailbox: &MailboxId, id: MessageId) -> Result<Message, StoreError> {
        self.check()?;
        self.inner.retrieve(mailbox, id).await
    }

    async fn mark(&self, mailbox: &MailboxId, id: MessageId, status: Status) -> Result<(), StoreError> {
        self.check()?;
        self.inner.mark(mailbox, id, status).await?;
        self.done.add(match status {
            Status::New => Change::KeptAsNew,
            Status::Removed => Change::Removed,
            _ => Change::Restored,
        });
        self.check()
    }

    async fn page(&self, mailbox: &MailboxId, query: &Query) -> Result<Page, StoreError> {
        self.check()?;
        self.inner.page(mailbox, query).await
    }
}

#[async_trait]
impl PinStore for Unreliable<MemoryPins> {
    async fn check(&self, mailbox: &MailboxId, caller: Option<&CallerNumber>, pin: &str, now: DateTime<Utc>) -> PinVerdict {
        PinStore::check(&self.inner, mailbox, caller, pin, now).await
    }

    async fn set(&self, mailbox: &MailboxId, pin: &Pin) -> Result<(), PinStoreError> {
        if self.fails() {
            return Err(PinStoreError::new("as the test wants"));
        }
        self.done.add(Change::PinChanged);
        PinStore::set(&self.inner, mailbox, pin).await
    }
}

/// A caller or an owner, who does sensible things and random ones.
fn script(random: &mut Random, is_owner: bool) -> CallScript {
    let mut script = CallScript::new();
    if is_owner {
        script = script.until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu);
    } else if random.below(4) > 0 {
        script = script.until_ended(is_tone).speak(random.millis_below(6000)).press("#").until_said(is_menu);
    }
    for _ in 0..random.below(12) {
        let is_sensible = is_owner && random.below(3) > 0;
        script = if is_sensible { sensible(random, script).press("*") } else { random_step(random, script) };
    }
    if random.below(3) == 0 { script.hang_up() } else { script }
}

/// Something that owners call for.
fn sensible(random: &mut Random, script: CallScript) -> CallScript {
    match random.below(10) {
        0..=4 => {
            let keys = one_of(random, &["2", "3", "3", "72", "6"]);
            script.press("1").until_said(is_play).press(keys).silence(SECOND)
        }
        5 => script.press("3").until_said(is_play).press("73").silence(SECOND),
        6 => {
            let script = script.press("5").until_said(|prompt| *prompt == Prompt::EnterNewPin).press("572914#");
            script.until_said(|prompt| *prompt == Prompt::RepeatNewPin).press("572914#").silence(SECOND)
        }
        7 => {
            let script = script.press("4").until_said(is_menu).press("1").until_said(is_menu).press("2").until_ended(is_tone);
            script
                .speak(SECOND * 3)
                .press("#")
                .until_said(is_menu)
                .press("1")
                .silence(SECOND)
                .press("3")
                .silence(SECOND)
                .press("*")
        }
        _ => {
            let script = script.press("6").until_said(|prompt| *prompt == Prompt::EnterMailbox).press("2003#");
            let script = script.until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("#").until_ended(is_tone);
            script.speak(SECOND * 3).press("#").until_said(is_menu).press("1").silence(SECOND)
        }
    }
}

fn one_of<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[usize::try_from(random.below(choices.len() as u64)).unwrap()]
}

fn random_step(random: &mut Random, script: CallScript) -> CallScript {
    match random.below(12) {
        0..=5 => {
            let keys: String = (0..=random.below(3)).map(|_| char::from(one_of(random, KEYS))).collect();
            script.silence(random.millis_below(1500)).press(&keys)
        }
        6 | 7 => script.speak(random.millis_below(5000)),
        8 => script.silence(random.millis_below(15_000)),
        9 => script.lose(random.millis_below(20_000)),
        10 => script.hold(true).lose(random.millis_below(90_000)).hold(false),
        _ => script.change_source(),
    }
}

/// How often a call has said what one of these changes makes true.
fn said(transcript: &CallTranscript, change: Change) -> usize {
    let is_said = |prompt: &Prompt| match change {
        Change::Sent => *prompt == Prompt::Sent,
        Change::Removed => *prompt == Prompt::Removed,
        Change::Restored => *prompt == Prompt::Restored,
        Change::KeptAsNew => *prompt == Prompt::KeptAsNew,
        Change::PinChanged => *prompt == Prompt::PinChanged,
        Change::Greeting => matches!(prompt, Prompt::GreetingSaved | Prompt::NameSaved | Prompt::GreetingRemoved),
    };
    transcript.prompts().iter().filter(|prompt| is_said(prompt)).count()
}

/// One call, at a node of its own.
async fn one_call(seed: u64) {
    let random = Arc::new(Mutex::new(Random::with_seed(seed)));
    let below = |end| random.lock().unwrap().below(end);
    let folder = tempfile::tempdir().unwrap();
    let done = Arc::new(Done::default());
    let one_in = below(3) * 4;
    let disk = FaultyDisk::new(OsDisk);
    let store = Unreliable {
        inner: MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string()))),
        random: Arc::clone(&random),
        one_in,
        done: Arc::clone(&done),
    };
    let node = node(CENTRAL, folder.path()).store(store).disk(disk.clone()).open().await.unwrap();
    let running = run(&node);
    let inner = MemoryPins::default();
    inner.set(mailbox("2001"), PinHash::new(&PIN.parse().unwrap()));
    let pins = Unreliable { inner, random: Arc::clone(&random), one_in, done: Arc::clone(&done) };
    let calls = CallDriver::builder(node.clone(), Voices::new("en".parse().unwrap(), Beeps))
        .pins(pins)
        .operator("100".parse().unwrap())
        .build();
    for _ in 0..3 {
        deposit(&calls).await;
    }
    let mut events = node.events();
    let before = done.count(Change::Sent);
    let is_owner = below(3) > 0;
    if below(2) == 0 {
        let fault = InjectedFault::after(below(25), io::ErrorKind::Other);
        disk.fail(if below(2) == 0 { fault } else { fault.lasting() });
    }
    let script = script(&mut random.lock().unwrap(), is_owner);
    let format = if below(2) == 0 { Format::TELEPHONE_PCMU } else { Format::TELEPHONE_L16 };
    let (leg, transcript) = ScriptedLeg::new(format, script);
    let leg = if below(2) == 0 { leg } else { leg.without_transfers() };
    let limit = if below(4) == 0 { Duration::from_millis(below(90_000)) } else { Duration::from_secs(7200) };
    let call = async {
        if is_owner {
            let owner = OwnerCall::from_own_telephone(mailbox("2001"));
            calls.answer_owner(&site("london"), leg, owner).await
        } else {
            calls.answer_caller(&site("london"), leg, IncomingCall::to(mailbox("2001"))).await
        }
    };
    let ended = tokio::time::timeout(limit, call).await;
    assert!(ended.is_ok() || limit < Duration::from_secs(7200), "seed {seed}: the call did not end");
    disk.mend();
    let (mut kept, mut greetings) = (0, 0);
    running.stop().await;
    while let Ok(occurrence) = events.try_recv() {
        match occurrence.event {
            Event::Kept { .. } => kept += 1,
            Event::Greeting(GreetingEvent::Recorded { .. }) => greetings += 1,
            _ => {}
        }
    }
    assert_eq!(node.ports(&site("london")).unwrap().in_use, 0, "seed {seed}: a port is still in use");
    let sent = if is_owner { done.count(Change::Sent) - before } else { kept };
    for (change, times) in [
        (Change::Sent, sent),
        (Change::Removed, done.count(Change::Removed)),
        (Change::Restored, done.count(Change::Restored)),
        (Change::KeptAsNew, done.count(Change::KeptAsNew)),
        (Change::PinChanged, done.count(Change::PinChanged)),
        (Change::Greeting, greetings),
    ] {
        let said = said(&transcript, change);
        assert!(said <= times, "seed {seed}: {change:?} was said {said} times, and done {times} times");
    }
}

/// Leaves a message in mailbox 2001.
async fn deposit(calls: &CallDriver) {
    let script = CallScript::new().until_ended(is_tone).speak(SECOND * 2).hang_up();
    let (leg, _) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
    let call = IncomingCall::to(mailbox("2001")).caller(Caller::new("2002".parse().ok(), None));
    calls.answer_caller(&site("london"), leg, call).await;
}

#[tokio::test(start_paused = true)]
async fn random_calls_end_and_say_nothing_false() {
    let first = new_seed();
    for seed in first..first + CALLS {
        one_call(seed).await;
    }
}

/// The calls of one run.
const CALLS: u64 = 120;
const KEYS: &[u8; 12] = b"0123456789*#";
