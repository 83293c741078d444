//! Random events.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn mailboxes() -> impl Strategy<Value = MailboxId> {
    (2040..2060_u32).prop_map(|number| mailbox(&number.to_string()))
}

fn addressees() -> impl Strategy<Value = Addressee> {
    prop_oneof![
        mailboxes().prop_map(Addressee::Mailbox),
        vec(mailboxes(), 0..5).prop_map(|members| Addressee::List { list: mailbox("900"), members }),
        Just(Addressee::Unknown),
        Just(Addressee::NotLicensed),
        Just(Addressee::ListTooLarge),
        Just(Addressee::Unavailable),
    ]
}

fn private_lists() -> impl Strategy<Value = ListOutcome> {
    prop_oneof![
        5 => vec(mailboxes(), 0..30).prop_map(ListOutcome::Members),
        1 => Just(ListOutcome::NoSuchMailbox),
        1 => Just(ListOutcome::NotLicensed),
        1 => Just(ListOutcome::NotAMember),
        1 => Just(ListOutcome::Full),
        1 => Just(ListOutcome::TooLarge),
        1 => Just(ListOutcome::Failed),
    ]
}

fn taken() -> impl Strategy<Value = TakeOutcome> {
    prop_oneof![
        3 => Just(TakeOutcome::Yours),
        1 => proptest::option::of(mailboxes()).prop_map(TakeOutcome::Taken),
        1 => Just(TakeOutcome::NoRoom),
        1 => Just(TakeOutcome::Failed),
    ]
}

/// Messages to none, some and many mailboxes; `None` if they cannot be listed.
fn sent_messages() -> impl Strategy<Value = Option<Vec<SentMessage>>> {
    let message = vec((mailboxes(), 0..5_u8), 0..8).prop_map(|copies| {
        let copies = copies.into_iter().map(|(mailbox, state)| SentCopy::new(mailbox, id(1), sent_state(state)));
        SentMessage::new(id(1), now(), Duration::from_secs(3), copies.collect())
    });
    proptest::option::weighted(0.8, vec(message, 0..4))
}

fn outcomes() -> impl Strategy<Value = SendOutcome> {
    prop_oneof![
        4 => Just(SendOutcome::Delivered),
        1 => Just(SendOutcome::NoSuchMailbox),
        1 => Just(SendOutcome::CannotAnswer),
        1 => Just(SendOutcome::NotLicensed),
        1 => vec(mailboxes(), 0..8).prop_map(SendOutcome::Partly),
        1 => vec(mailboxes(), 0..8).prop_map(SendOutcome::PrivacyNotHonoured),
        1 => Just(SendOutcome::Failed),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let privacy = prop_oneof![3 => Just(Privacy::Normal), 1 => Just(Privacy::Private)];
    let status = prop_oneof![3 => Just(Status::New), 1 => Just(Status::Old), 1 => Just(Status::Removed)];
    let receipts = prop_oneof![3 => Just(None), 1 => (0..Disposition::ALL.len()).prop_map(|n| Some(Disposition::ALL[n]))];
    let entries =
        (1..9_u8, privacy, status, any::<bool>(), receipts).prop_map(|(n, privacy, status, has_number, disposition)| {
            let number = has_number.then(|| "2042".parse().unwrap());
            let kind = disposition.map_or(MessageKind::Voice, |disposition| receipt(n, disposition).head.kind);
            let entry = entry(n, Urgency::Normal, privacy, status);
            Entry { head: Head { caller: Caller::new(number, None), kind, ..entry.head }, ..entry }
        });
    vec(entries, 0..4)
}

/// The presets of keys.
const KEYS: [fn() -> KeyMap; 3] = [KeyMap::voicemail, KeyMap::asterisk, KeyMap::intuity];

fn digits() -> impl Strategy<Value = OwnerEvent> {
    (0..Digit::ALL.len()).prop_map(|key| OwnerEvent::Digit(Digit::ALL[key]))
}

fn verdicts() -> impl Strategy<Value = PinVerdict> {
    prop_oneof![
        Just(PinVerdict::Wrong),
        Just(PinVerdict::NoPin),
        Just(PinVerdict::Locked(Duration::ZERO)),
        Just(PinVerdict::Unavailable),
    ]
}

/// Any event, whether it is expected or not, except that a PIN is right.
fn events() -> impl Strategy<Value = OwnerEvent> {
    prop_oneof![
        12 => digits(),
        4 => Just(OwnerEvent::Played),
        1 => Just(OwnerEvent::NotPlayed),
        1 => Just(OwnerEvent::Silence),
        1 => verdicts().prop_map(OwnerEvent::Checked),
        1 => Just(opened_with_all(Greetings::default())),
        1 => prop_oneof![Just(OwnerEvent::NotOpened), Just(OwnerEvent::NotListed), Just(OwnerEvent::NotConnected)],
        1 => entries().prop_map(page),
        1 => marks().prop_map(OwnerEvent::Marked),
        1 => (0..3_u64).prop_map(recorded),
        1 => Just(OwnerEvent::NotRecorded),
        1 => greetings().prop_map(OwnerEvent::GreetingSet),
        1 => addressees().prop_map(OwnerEvent::Addressee),
        1 => outcomes().prop_map(OwnerEvent::Sent),
        1 => pins().prop_map(OwnerEvent::PinSet),
        1 => sent_messages().prop_map(|messages| messages.map_or(OwnerEvent::NotListed, OwnerEvent::SentListed)),
        1 => private_lists().prop_map(OwnerEvent::ListChanged),
        1 => taken().prop_map(OwnerEvent::Taken),
    ]
}

/// A key, or that the time goes on: what is played ends, an answer comes, or the owner does nothing.
fn steps() -> impl Strategy<Value = OwnerEvent> {
    prop_oneof![4 => digits(), 2 => Just(OwnerEvent::Played), 1 => Just(OwnerEvent::Silence)]
}

fn marks() -> impl Strategy<Value = MarkOutcome> {
    prop_oneof![4 => Just(MarkOutcome::Done), 1 => Just(MarkOutcome::NoSuchMessage), 1 => Just(MarkOutcome::Failed)]
}

fn greetings() -> impl Strategy<Value = GreetingOutcome> {
    prop_oneof![3 => Just(GreetingOutcome::Done), 1 => Just(GreetingOutcome::Failed)]
}

fn pins() -> impl Strategy<Value = PinChangeOutcome> {
    prop_oneof![3 => Just(PinChangeOutcome::Kept), 1 => Just(PinChangeOutcome::Failed)]
}

/// The answers of the driver, if the dialogue asks for them.
#[derive(Debug, Clone)]
struct Answers {
    verdict: PinVerdict,
    opened: Option<bool>,
    entries: Option<Vec<Entry>>,
    mark: MarkOutcome,
    recording: Option<Recorded>,
    greeting: GreetingOutcome,
    addressee: Addressee,
    sent: SendOutcome,
    pin: PinChangeOutcome,
    listed: Option<Vec<SentMessage>>,
    list: ListOutcome,
    taken: TakeOutcome,
}

fn answers() -> impl Strategy<Value = Answers> {
    let verdict = prop_oneof![4 => Just(PinVerdict::Right), 1 => Just(PinVerdict::Initial), 2 => verdicts()];
    let opened = prop_oneof![1 => Just(None), 6 => any::<bool>().prop_map(Some)];
    let recording = prop_oneof![
        1 => Just(None),
        1 => Just(Some(Recorded::without_speech(Duration::from_secs(5)))),
        5 => (0..4_u64).prop_map(|secs| Some(Recorded::new(Duration::from_secs(secs)))),
    ];
    let first = (verdict, opened, proptest::option::weighted(0.8, entries()), marks(), recording);
    let lists = (sent_messages(), private_lists(), taken());
    (first, greetings(), addressees(), outcomes(), pins(), lists).prop_map(
        |((verdict, opened, entries, mark, recording), greeting, addressee, sent, pin, (listed, list, taken))| Answers {
            verdict,
            opened,
            entries,
            mark,
            recording,
            greeting,
            addressee,
            sent,
            pin,
            listed,
            list,
            taken,
        },
    )
}

impl Answers {
    /// The answer to `action`; `None` if it has none, or none yet.
    fn to(&self, action: &OwnerAction) -> Option<OwnerEvent> {
        Some(match action {
            OwnerAction::CheckPin { .. } => OwnerEvent::Checked(self.verdict),
            OwnerAction::Open(_) => self
                .opened
                .map_or(OwnerEvent::NotOpened, |all| opened_with_all(GreetingKind::ALL.into_iter().filter(|_| all).collect())),
            OwnerAction::List(_) => self.entries.clone().map_or(OwnerEvent::NotListed, page),
            OwnerAction::MarkOld(_) | OwnerAction::MarkNew(_) | OwnerAction::Remove(_) | OwnerAction::Restore(_) => {
                OwnerEvent::Marked(self.mark)
            }
            OwnerAction::StopRecording => self.recording.map_or(OwnerEvent::NotRecorded, OwnerEvent::Recorded),
            OwnerAction::Record(_) if self.recording.is_none() => OwnerEvent::NotRecorded,
            OwnerAction::SaveGreeting { .. } | OwnerAction::RemoveGreeting(_) => OwnerEvent::GreetingSet(self.greeting),
            OwnerAction::FindAddressee(_) => OwnerEvent::Addressee(self.addressee.clone()),
            OwnerAction::PassOn { .. } | OwnerAction::Answer { .. } | OwnerAction::Compose { .. } => {
                OwnerEvent::Sent(self.sent.clone())
            }
            OwnerAction::CallBack(_) => OwnerEvent::NotConnected,
            OwnerAction::SetPin(_) => OwnerEvent::PinSet(self.pin),
            OwnerAction::ListSent => self.listed.clone().map_or(OwnerEvent::NotListed, OwnerEvent::SentListed),
            OwnerAction::OpenList(_)
            | OwnerAction::AddToList { .. }
            | OwnerAction::RemoveFromList { .. }
            | OwnerAction::DeleteList(_) => OwnerEvent::ListChanged(self.list.clone()),
            OwnerAction::Take(_) => OwnerEvent::Taken(self.taken.clone()),
            OwnerAction::Say(_)
            | OwnerAction::Playback(_)
            | OwnerAction::Record(_)
            | OwnerAction::Discard
            | OwnerAction::HangUp => return None,
        })
    }
}

/// The recording that a driver has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    No,
    Recording,
    Recorded,
    /// It is being saved or sent.
    Used,
}

/// The sound that the owner hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sound {
    Nothing,
    /// Prompts, which any key stops.
    Prompts,
    /// A message, which goes on until another action.
    Message,
    Paused,
}

/// A driver that does every action, and checks that each makes sense where it comes.
struct Driver {
    call: OwnerDialogue,
    held: Held,
    /// The action whose answer is awaited.
    asked: Option<OwnerAction>,
    sound: Sound,
    /// The event that was handled last; a statement must follow from it.
    event: OwnerEvent,
}

impl Driver {
    fn new(call: OwnerDialogue) -> Self {
        let mut driver = Self { call, held: Held::No, asked: None, sound: Sound::Nothing, event: OwnerEvent::Played };
        driver.act();
        driver
    }

    fn handle(&mut self, event: OwnerEvent) {
        match &event {
            OwnerEvent::GreetingSet(GreetingOutcome::Done) | OwnerEvent::Sent(SendOutcome::Delivered) => {
                self.held = if self.held == Held::Used { Held::No } else { self.held };
            }
            OwnerEvent::Sent(SendOutcome::Partly(missing) | SendOutcome::PrivacyNotHonoured(missing)) if missing.is_empty() => {
                self.held = if self.held == Held::Used { Held::No } else { self.held };
            }
            OwnerEvent::GreetingSet(_) | OwnerEvent::Sent(_) => {
                self.held = if self.held == Held::Used { Held::Recorded } else { self.held };
            }
            OwnerEvent::Recorded(_) => self.held = Held::Recorded,
            OwnerEvent::NotRecorded => self.held = Held::No,
            // The driver finishes what it has begun.
            OwnerEvent::HungUp if self.held == Held::Used => self.held = Held::No,
            OwnerEvent::Played => self.sound = Sound::Nothing,
            OwnerEvent::Digit(_) if self.sound == Sound::Prompts => self.sound = Sound::Nothing,
            _ => {}
        }
        self.event = event.clone();
        self.call.handle(event, now());
        self.act();
    }

    fn act(&mut self) {
        let actions: Vec<OwnerAction> = std::iter::from_fn(|| self.call.poll_action()).collect();
        let says = actions.iter().filter(|action| matches!(action, OwnerAction::Say(_))).count();
        assert!(says <= 1, "{actions:?} after {:?}: which of them was played to its end?", self.event);
        let discards = actions.contains(&OwnerAction::Discard);
        for action in actions {
            if !matches!(action, OwnerAction::Playback(_)) {
                self.sound = Sound::Nothing;
            }
            match &action {
                OwnerAction::Say(said) => {
                    assert!(!said.is_empty());
                    for prompt in said {
                        assert!(is_true(prompt, &self.event, discards), "{prompt:?} after {:?}", self.event);
                    }
                    let message = said.iter().any(|prompt| matches!(prompt, Prompt::Play(_)));
                    self.sound = if message { Sound::Message } else { Sound::Prompts };
                }
                OwnerAction::Playback(control) => {
                    assert!(matches!(self.sound, Sound::Message | Sound::Paused), "there is nothing to control");
                    assert!(*control != PlaybackControl::Resume || self.sound == Sound::Paused);
                    self.sound = if *control == PlaybackControl::Pause { Sound::Paused } else { Sound::Message };
                }
                OwnerAction::Record(_) => {
                    assert_eq!(self.held, Held::No, "a recording before the last one is settled");
                    self.held = Held::Recording;
                }
                OwnerAction::StopRecording => assert_eq!(self.held, Held::Recording),
                OwnerAction::Discard => {
                    assert!(matches!(self.held, Held::Recording | Held::Recorded), "discarded twice");
                    self.held = Held::No;
                }
                OwnerAction::SaveGreeting { .. }
                | OwnerAction::PassOn { introduced: true, .. }
                | OwnerAction::Answer { .. }
                | OwnerAction::Compose { .. } => {
                    assert_eq!(self.held, Held::Recorded, "{action:?} needs a recording");
                    self.held = Held::Used;
                }
                OwnerAction::PassOn { introduced: false, .. } => assert_eq!(self.held, Held::No),
                _ => {}
            }
            let answered = Answers {
                verdict: PinVerdict::Right,
                opened: None,
                entries: None,
                mark: MarkOutcome::Done,
                recording: Some(Recorded::new(Duration::ZERO)),
                greeting: GreetingOutcome::Done,
                addressee: Addressee::Unknown,
                sent: SendOutcome::Delivered,
                pin: PinChangeOutcome::Kept,
                listed: None,
                list: ListOutcome::Full,
                taken: TakeOutcome::Yours,
            };
            if answered.to(&action).is_some() {
                assert_eq!(self.asked, None, "one question at a time");
                self.asked = Some(action);
            }
        }
    }

    /// Whether something is played that comes to its end by itself.
    fn plays(&self) -> bool {
        matches!(self.sound, Sound::Prompts | Sound::Message)
    }

    /// Answers what was asked.
    fn answer(&mut self, answers: &Answers) {
        if let Some(answer) = self.asked.take().and_then(|action| answers.to(&action)) {
            self.handle(answer);
        }
    }
}

/// Whether `prompt` may be said after `event`, because it has been confirmed or claims nothing.
fn is_true(prompt: &Prompt, event: &OwnerEvent, discards: bool) -> bool {
    let set = *event == SAVED;
    match prompt {
        Prompt::Removed | Prompt::Restored | Prompt::KeptAsNew => *event == DONE,
        // A message that is old already is kept without a change.
        Prompt::Kept => *event == DONE || !matches!(event, OwnerEvent::Marked(_)),
        Prompt::GreetingSaved | Prompt::NameSaved | Prompt::GreetingRemoved | Prompt::GreetingUntil(_) => set,
        Prompt::Sent => {
            let nobody_is_missing = [SendOutcome::Partly(Vec::new()), SendOutcome::PrivacyNotHonoured(Vec::new())];
            *event == SENT || nobody_is_missing.map(OwnerEvent::Sent).contains(event)
        }
        Prompt::PinChanged => *event == OwnerEvent::PinSet(PinChangeOutcome::Kept),
        Prompt::RecordingDiscarded => discards,
        Prompt::Addressee(_) => matches!(event, OwnerEvent::Addressee(_)),
        Prompt::AddresseeList { .. } => matches!(event, OwnerEvent::Addressee(_) | OwnerEvent::ListChanged(_)),
        Prompt::MemberAdded(_) | Prompt::MemberRemoved(_) | Prompt::ListDeleted => {
            matches!(event, OwnerEvent::ListChanged(ListOutcome::Members(_)))
        }
        Prompt::MessageIsYours => *event == OwnerEvent::Taken(TakeOutcome::Yours),
        Prompt::TakenBy(_) | Prompt::NoRoomToTake => matches!(event, OwnerEvent::Taken(_)),
        Prompt::NotSent => matches!(event, OwnerEvent::Sent(_)),
        Prompt::PrivacyNotHonoured => matches!(event, OwnerEvent::Sent(SendOutcome::PrivacyNotHonoured(_))),
        Prompt::NotLicensed => [
            OwnerEvent::Sent(SendOutcome::NotLicensed),
            OwnerEvent::Addressee(Addressee::NotLicensed),
            OwnerEvent::ListChanged(ListOutcome::NotLicensed),
        ]
        .contains(event),
        Prompt::ListTooLarge => {
            [OwnerEvent::Addressee(Addressee::ListTooLarge), OwnerEvent::ListChanged(ListOutcome::TooLarge)].contains(event)
        }
        Prompt::TooShort | Prompt::NoSpeech => matches!(event, OwnerEvent::Recorded(_)),
        _ => true,
    }
}

proptest! {
    #[test]
    fn without_the_right_pin_nothing_is_said_or_done(
        events in vec(events(), 0..80),
        own in any::<bool>(),
        keys in 0..KEYS.len(),
    ) {
        let builder = OwnerDialogue::builder().keys(KEYS[keys]());
        let mut call = if own { builder.mailbox(mailbox("2041")) } else { builder }.build();
        for event in events {
            for action in after(&mut call, event) {
                let harmless = matches!(action, OwnerAction::CheckPin { .. } | OwnerAction::HangUp)
                    || matches!(&action, OwnerAction::Say(say) if say.iter().all(|prompt| matches!(
                        prompt,
                        Prompt::EnterPin
                            | Prompt::EnterOwnMailbox
                            | Prompt::WrongPin
                            | Prompt::LockedOut(_)
                            | Prompt::NoPinSet
                            | Prompt::PinNotChecked
                            | Prompt::NotUnderstood
                            | Prompt::Goodbye
                    )));
                prop_assert!(harmless, "{:?}", action);
            }
        }
    }

    /// The driver answers as its part of the promise says, and keys come at any time, also before the answer.
    #[test]
    fn calls_make_only_true_statements_and_settle_recordings(
        steps in vec((steps(), answers()), 1..150),
        keys in 0..KEYS.len(),
        hangs_up in any::<bool>(),
    ) {
        let mut call = OwnerDialogue::builder().mailbox(mailbox("2041")).keys(KEYS[keys]()).build();
        call.handle(OwnerEvent::Digit(Digit::Pound), now());
        let mut driver = Driver::new(call);
        for (event, answers) in &steps {
            match event {
                OwnerEvent::Digit(_) => driver.handle(event.clone()),
                // A recording ends by itself.
                OwnerEvent::Played if driver.held == Held::Recording && driver.asked.is_none() => {
                    driver.handle(answers.recording.map_or(OwnerEvent::NotRecorded, OwnerEvent::Recorded));
                }
                OwnerEvent::Played if driver.plays() => driver.handle(OwnerEvent::Played),
                OwnerEvent::Silence if driver.asked.is_none() && !driver.plays() => driver.handle(OwnerEvent::Silence),
                _ => driver.answer(answers),
            }
            if driver.call.is_over() {
                break;
            }
        }
        if hangs_up {
            driver.handle(OwnerEvent::HungUp);
        }
        let last = steps.last().map(|(_, answers)| answers.clone());
        for _ in 0..40 {
            if driver.call.is_over() {
                break;
            }
            match &last {
                Some(answers) if driver.asked.is_some() => driver.answer(answers),
                _ if driver.held == Held::Recording => driver.handle(recorded(3)),
                _ if driver.plays() => driver.handle(OwnerEvent::Played),
                _ => driver.handle(OwnerEvent::Silence),
            }
        }
        prop_assert!(driver.call.is_over(), "an owner who presses nothing more hears goodbye");
        prop_assert_eq!(driver.held, Held::No, "the last recording is settled");
    }

    #[test]
    fn no_event_at_any_time_leaves_a_call_that_cannot_end(events in vec(events(), 0..150), keys in 0..KEYS.len()) {
        let mut call = OwnerDialogue::builder().keys(KEYS[keys]()).build();
        for key in "2041#480913#".chars().filter_map(Digit::from_char) {
            call.handle(OwnerEvent::Digit(key), now());
        }
        call.handle(OwnerEvent::Checked(PinVerdict::Right), now());
        for event in events {
            call.handle(event, now());
        }
        call.handle(OwnerEvent::HungUp, now());
        while call.poll_action().is_some() {}
        prop_assert!(call.is_over());
        prop_assert_eq!(after(&mut call, OwnerEvent::Played), []);
    }
}
