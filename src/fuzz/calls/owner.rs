//! A call of an owner.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Script, Step, Tape, check_prompts};
use crate::message::{
    Caller, ClockQuality, ClockSource, Disposition, Head, MailboxId, MessageId, MessageKind, ReceiptReport, RecordedAt, Status,
    Summary, Urgency,
};
use crate::sent::{SentCopy, SentMessage, SentState};
use crate::store::{Cursor, Entry, OrderGroup, Page, Position};
use crate::telephone::{
    Addressee, Function, GreetingOutcome, Greetings, KeyMap, ListOutcome, MarkOutcome, OpenedMailbox, OwnerAction, OwnerDialogue,
    OwnerEvent, PinChangeOutcome, PinVerdict, PlaybackControl, Prompt, Recorded, SendOutcome, TakeOutcome,
};

/// Runs a call with the events of `script`.
pub(super) fn call(script: &mut Script<'_>) {
    let mut line = Line::new(script.keys());
    let builder = OwnerDialogue::builder().keys(line.keys.clone()).zone(chrono_tz::Asia::Tokyo);
    let mut dialogue = if script.option(6) { builder.mailbox(mailbox(1)).build() } else { builder.build() };
    let mut last = None;
    loop {
        while let Some(action) = dialogue.poll_action() {
            line.handle_action(&action, last.as_ref());
        }
        assert_eq!(dialogue.is_over(), line.is_over, "the driver knows the end");
        if line.is_over {
            break;
        }
        last = line.event(script.next());
        if let Some(event) = &last {
            line.handle_event(event);
            dialogue.handle(event.clone(), now());
        }
        if let Some(event) = line.unexpected.take() {
            dialogue.handle(event, now());
            assert_eq!(dialogue.poll_action(), None, "a result that was not asked for changes nothing");
        }
    }
    for event in [OwnerEvent::Played, OwnerEvent::Silence, OwnerEvent::Sent(SendOutcome::Delivered), OwnerEvent::HungUp] {
        dialogue.handle(event, now());
        assert_eq!(dialogue.poll_action(), None, "nothing follows the end of a call");
    }
}

/// The driver of the call, as far as it matters for the dialogue.
struct Line {
    keys: KeyMap,
    playing: Playing,
    /// Whether a sound is played that must be read first.
    may_fail: bool,
    tape: Tape,
    awaited: Option<Awaited>,
    access: Access,
    /// Whether there may be a message that is kept.
    has_old: bool,
    is_over: bool,
    unexpected: Option<OwnerEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Playing {
    Nothing,
    /// Prompts, which a key stops.
    Prompts,
    /// A message, which keys control.
    Message,
    Paused,
}

/// The result that the dialogue waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    PinCheck,
    Opening,
    Page,
    Mark,
    Stop,
    Greeting,
    Addressee,
    Sent,
    CallBack,
    PinChange,
    SentMessages,
    PrivateList,
    Taking,
}

/// The access that the entered PIN gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    None,
    /// The mailbox is set up first.
    FirstUse,
    Full,
}

impl Line {
    fn new(keys: KeyMap) -> Self {
        let (playing, tape, awaited, access) = (Playing::Nothing, Tape::Empty, None, Access::None);
        Self { keys, playing, may_fail: false, tape, awaited, access, has_old: false, is_over: false, unexpected: None }
    }

    /// Checks an action that follows the event `last`.
    fn handle_action(&mut self, action: &OwnerAction, last: Option<&OwnerEvent>) {
        assert_eq!(self.awaited, None, "a result is awaited before {action:?}");
        assert!(!self.is_over || *action == OwnerAction::Discard, "{action:?} after the end of the call");
        assert!(self.access != Access::None || is_public(action), "{action:?} before the right PIN");
        assert!(self.access == Access::Full || !matches!(action, OwnerAction::List(_)), "messages before the mailbox is set up");
        self.awaited = awaited_after(action);
        match action {
            OwnerAction::Say(prompts) => self.say(prompts, last),
            OwnerAction::Playback(control) => {
                assert!(matches!(self.playing, Playing::Message | Playing::Paused), "a message is played: {control:?}");
                let pause = *control == PlaybackControl::Pause;
                self.playing = if pause { Playing::Paused } else { Playing::Message };
            }
            OwnerAction::Record(_) => {
                assert_eq!(self.tape, Tape::Empty, "the recording before was used or discarded");
                self.tape = Tape::Running;
            }
            OwnerAction::StopRecording => assert_eq!(self.tape, Tape::Running, "a recording runs"),
            OwnerAction::Discard => {
                assert_ne!(self.tape, Tape::Empty, "there is a recording to discard");
                self.tape = Tape::Empty;
            }
            OwnerAction::SaveGreeting { .. }
            | OwnerAction::Answer { .. }
            | OwnerAction::Compose { .. }
            | OwnerAction::PassOn { introduced: true, .. } => assert_eq!(self.tape, Tape::Full, "there is a recording"),
            OwnerAction::HangUp => self.is_over = true,
            OwnerAction::PassOn { introduced: false, .. }
            | OwnerAction::CheckPin { .. }
            | OwnerAction::Open(_)
            | OwnerAction::List(_)
            | OwnerAction::MarkOld(_)
            | OwnerAction::MarkNew(_)
            | OwnerAction::Remove(_)
            | OwnerAction::Restore(_)
            | OwnerAction::RemoveGreeting(_)
            | OwnerAction::FindAddressee(_)
            | OwnerAction::CallBack(_)
            | OwnerAction::ListSent
            | OwnerAction::OpenList(_)
            | OwnerAction::AddToList { .. }
            | OwnerAction::RemoveFromList { .. }
            | OwnerAction::DeleteList(_)
            | OwnerAction::Take(_)
            | OwnerAction::SetPin(_) => {}
        }
        if !matches!(action, OwnerAction::Say(_) | OwnerAction::Playback(_)) {
            self.playing = Playing::Nothing;
        }
        if let OwnerAction::PassOn { to, .. } | OwnerAction::Compose { to, .. } = action {
            let once = to.iter().enumerate().all(|(n, mailbox)| !to[..n].contains(mailbox));
            assert!(!to.is_empty() && once, "a message goes to mailboxes, to each once");
        }
    }

    fn say(&mut self, prompts: &[Prompt], last: Option<&OwnerEvent>) {
        check_prompts(prompts, &self.keys);
        assert_ne!(self.tape, Tape::Running, "nothing is played into a recording");
        for prompt in prompts {
            assert!(is_confirmed(prompt, last, self.has_old), "{prompt:?} after {last:?}");
            assert!(*prompt != Prompt::PlayRecording || self.tape == Tape::Full, "there is a recording to hear");
        }
        self.may_fail =
            prompts.iter().any(|prompt| matches!(prompt, Prompt::Play(_) | Prompt::Greeting(_) | Prompt::PlayRecording));
        let message = prompts.iter().any(|prompt| matches!(prompt, Prompt::Play(_)));
        self.playing = if message { Playing::Message } else { Playing::Prompts };
    }

    /// The event of this step; `None` if there is none now.
    fn event(&mut self, step: Step) -> Option<OwnerEvent> {
        Some(match step {
            Step::Digit(digit) => OwnerEvent::Digit(digit),
            Step::HangUp => OwnerEvent::HungUp,
            Step::Silence if matches!(self.playing, Playing::Message | Playing::Prompts) || self.tape == Tape::Running => {
                return None;
            }
            Step::Silence => OwnerEvent::Silence,
            Step::Unexpected(number) => {
                let awaited = Awaited::ALL[usize::from(number) % Awaited::ALL.len()];
                let runs = awaited == Awaited::Stop && self.tape == Tape::Running;
                let event = result(awaited, number / 16);
                // Both lists of messages have this result.
                let of_both =
                    event == OwnerEvent::NotListed && matches!(self.awaited, Some(Awaited::Page | Awaited::SentMessages));
                self.unexpected = (self.awaited != Some(awaited) && !runs && !of_both).then_some(event);
                return None;
            }
            Step::Next(number) => match (self.awaited, self.tape, self.playing) {
                (Some(Awaited::CallBack), ..) if number >= b'n' => OwnerEvent::HungUp,
                (Some(awaited), ..) => result(awaited, number),
                (None, Tape::Running, _) => result(Awaited::Stop, number),
                (None, _, Playing::Nothing | Playing::Paused) => OwnerEvent::Silence,
                (None, _, Playing::Prompts | Playing::Message) if self.may_fail && number % 8 == 7 => OwnerEvent::NotPlayed,
                (None, _, Playing::Prompts | Playing::Message) => OwnerEvent::Played,
            },
        })
    }

    fn handle_event(&mut self, event: &OwnerEvent) {
        match event {
            OwnerEvent::Played | OwnerEvent::NotPlayed => self.playing = Playing::Nothing,
            OwnerEvent::Digit(_) if self.playing == Playing::Prompts => self.playing = Playing::Nothing,
            OwnerEvent::Digit(_) | OwnerEvent::Silence => {}
            OwnerEvent::HungUp => (self.awaited, self.is_over) = (None, true),
            OwnerEvent::Recorded(_) => (self.awaited, self.tape) = (None, Tape::Full),
            OwnerEvent::NotRecorded => (self.awaited, self.tape) = (None, Tape::Empty),
            other => {
                self.awaited = None;
                match other {
                    OwnerEvent::Checked(PinVerdict::Right) | OwnerEvent::PinSet(PinChangeOutcome::Kept) => {
                        self.access = Access::Full;
                    }
                    OwnerEvent::Marked(MarkOutcome::Done) => self.has_old = true,
                    OwnerEvent::Listed(page) => self.has_old |= page.entries.iter().any(|entry| entry.status == Status::Old),
                    OwnerEvent::Checked(PinVerdict::Initial) => self.access = Access::FirstUse,
                    OwnerEvent::GreetingSet(GreetingOutcome::Done) | OwnerEvent::Sent(SendOutcome::Delivered) => {
                        self.tape = Tape::Empty;
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Awaited {
    const ALL: [Self; 13] = [
        Self::PinCheck,
        Self::Opening,
        Self::Page,
        Self::Mark,
        Self::Stop,
        Self::Greeting,
        Self::Addressee,
        Self::Sent,
        Self::CallBack,
        Self::PinChange,
        Self::SentMessages,
        Self::PrivateList,
        Self::Taking,
    ];
}

/// The result that `action` asks for.
fn awaited_after(action: &OwnerAction) -> Option<Awaited> {
    Some(match action {
        OwnerAction::CheckPin { .. } => Awaited::PinCheck,
        OwnerAction::Open(_) => Awaited::Opening,
        OwnerAction::List(_) => Awaited::Page,
        OwnerAction::MarkOld(_) | OwnerAction::MarkNew(_) | OwnerAction::Remove(_) | OwnerAction::Restore(_) => Awaited::Mark,
        OwnerAction::StopRecording => Awaited::Stop,
        OwnerAction::SaveGreeting { .. } | OwnerAction::RemoveGreeting(_) => Awaited::Greeting,
        OwnerAction::FindAddressee(_) => Awaited::Addressee,
        OwnerAction::PassOn { .. } | OwnerAction::Answer { .. } | OwnerAction::Compose { .. } => Awaited::Sent,
        OwnerAction::CallBack(_) => Awaited::CallBack,
        OwnerAction::SetPin(_) => Awaited::PinChange,
        OwnerAction::ListSent => Awaited::SentMessages,
        OwnerAction::OpenList(_)
        | OwnerAction::AddToList { .. }
        | OwnerAction::RemoveFromList { .. }
        | OwnerAction::DeleteList(_) => Awaited::PrivateList,
        OwnerAction::Take(_) => Awaited::Taking,
        OwnerAction::Say(_) | OwnerAction::Playback(_) | OwnerAction::Record(_) | OwnerAction::Discard | OwnerAction::HangUp => {
            return None;
        }
    })
}

/// A result for the action that waits for one; most are good.
fn result(awaited: Awaited, number: u8) -> OwnerEvent {
    let good = number % 4 != 3;
    match awaited {
        Awaited::PinCheck => OwnerEvent::Checked(match number % 8 {
            3 => PinVerdict::Wrong,
            4 => PinVerdict::Initial,
            5 => PinVerdict::Locked(Duration::from_secs(60)),
            6 => PinVerdict::NoPin,
            7 => PinVerdict::Unavailable,
            _ => PinVerdict::Right,
        }),
        Awaited::Opening if good => {
            let (summary, greetings) = (Summary::new(3, number.into()), Greetings::default());
            let opened = OpenedMailbox::new(mailbox(1), chrono_tz::Europe::London, summary, greetings);
            let functions = [Function::SentMessages, Function::PrivateLists, Function::TakeMessage];
            let offered = functions.into_iter().filter(|_| number < 128);
            OwnerEvent::Opened(offered.fold(opened, OpenedMailbox::offering))
        }
        Awaited::Opening => OwnerEvent::NotOpened,
        Awaited::Page if good => OwnerEvent::Listed(page(number)),
        Awaited::Mark => OwnerEvent::Marked(match number % 8 {
            3 => MarkOutcome::Failed,
            7 => MarkOutcome::NoSuchMessage,
            _ => MarkOutcome::Done,
        }),
        Awaited::Stop => match number % 8 {
            3 => OwnerEvent::NotRecorded,
            6 => OwnerEvent::Recorded(Recorded::new(Duration::ZERO)),
            7 => OwnerEvent::Recorded(Recorded::without_speech(Duration::from_secs(9))),
            _ => OwnerEvent::Recorded(Recorded::new(Duration::from_secs(9))),
        },
        Awaited::Greeting => OwnerEvent::GreetingSet(if good { GreetingOutcome::Done } else { GreetingOutcome::Failed }),
        Awaited::Addressee => OwnerEvent::Addressee(match number % 8 {
            3 => Addressee::Unavailable,
            4 => Addressee::ListTooLarge,
            5 => Addressee::NotLicensed,
            6 => Addressee::List { list: mailbox(9), members: (2..6).map(mailbox).collect() },
            7 => Addressee::Unknown,
            _ => Addressee::Mailbox(mailbox(number)),
        }),
        Awaited::Sent => OwnerEvent::Sent(match number % 8 {
            2 => SendOutcome::PrivacyNotHonoured(vec![mailbox(2)]),
            3 => SendOutcome::Failed,
            4 => SendOutcome::NotLicensed,
            5 => SendOutcome::Partly(vec![mailbox(2)]),
            6 => SendOutcome::NoSuchMailbox,
            7 => SendOutcome::CannotAnswer,
            _ => SendOutcome::Delivered,
        }),
        Awaited::CallBack => OwnerEvent::NotConnected,
        Awaited::SentMessages if good => OwnerEvent::SentListed((0..number % 4).map(sent).collect()),
        Awaited::Page | Awaited::SentMessages => OwnerEvent::NotListed,
        Awaited::PrivateList => OwnerEvent::ListChanged(match number % 8 {
            2 => ListOutcome::NotLicensed,
            3 => ListOutcome::Failed,
            4 => ListOutcome::NoSuchMailbox,
            5 => ListOutcome::NotAMember,
            6 => ListOutcome::Full,
            7 => ListOutcome::Members(Vec::new()),
            _ => ListOutcome::Members((0..number).map(mailbox).collect()),
        }),
        Awaited::Taking => OwnerEvent::Taken(match number % 8 {
            3 => TakeOutcome::Failed,
            5 => TakeOutcome::NoRoom,
            6 => TakeOutcome::Taken(None),
            7 => TakeOutcome::Taken(Some(mailbox(number))),
            _ => TakeOutcome::Yours,
        }),
        Awaited::PinChange => OwnerEvent::PinSet(if good { PinChangeOutcome::Kept } else { PinChangeOutcome::Failed }),
    }
}

/// A message that was sent to up to seven mailboxes.
fn sent(number: u8) -> SentMessage {
    let id = MessageId::from_bytes([number; 16]);
    let state = |n: u8| match n % 5 {
        0 => SentState::Sending,
        1 => SentState::NotDelivered,
        2 => SentState::Delivered,
        3 => SentState::Returned,
        _ => SentState::Ended { disposition: Disposition::Played, at: now() },
    };
    let copies = (0..number.wrapping_mul(5) % 8).map(|n| SentCopy::new(mailbox(n), id, state(n)));
    SentMessage::new(id, now(), Duration::from_secs(3), copies.collect())
}

/// A page of up to three messages, and perhaps another one behind it.
fn page(number: u8) -> Page {
    let entries: Vec<Entry> = (0..number / 4 % 4).map(|n| entry(number.wrapping_add(n))).collect();
    let next =
        (number / 16 % 2 == 1).then(|| Cursor::new(OrderGroup::All, Position::new(0, 0, MessageId::from_bytes([number; 16]))));
    let total = entries.len() + usize::from(next.is_some());
    Page::new(entries, next, total)
}

fn entry(number: u8) -> Entry {
    let recorded_at = RecordedAt::new(now(), chrono_tz::Asia::Tokyo, ClockQuality::unknown(ClockSource::Manual));
    let mut head = Head::new(recorded_at);
    head.id = MessageId::from_bytes([number; 16]);
    head.urgency = if number.is_multiple_of(2) { Urgency::Normal } else { Urgency::Urgent };
    head.caller = Caller::new((!number.is_multiple_of(3)).then(|| "2042".parse().expect("a number")), None);
    if number.is_multiple_of(5) {
        let disposition = Disposition::ALL[usize::from(number) % Disposition::ALL.len()];
        head.kind = MessageKind::Receipt(ReceiptReport::new(disposition, mailbox(number), head.id, now()));
    }
    let status = [Status::New, Status::Old, Status::Removed][usize::from(number % 3)];
    Entry { head, status }
}

fn mailbox(number: u8) -> MailboxId {
    (2040 + u32::from(number)).to_string().parse().expect("a number")
}

/// A fixed time; the days of greetings count from it.
fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000)
}

/// Whether somebody may get this before the right PIN was entered.
fn is_public(action: &OwnerAction) -> bool {
    match action {
        OwnerAction::Say(prompts) => prompts.iter().all(|prompt| {
            matches!(
                prompt,
                Prompt::EnterOwnMailbox
                    | Prompt::EnterPin
                    | Prompt::WrongPin
                    | Prompt::LockedOut(_)
                    | Prompt::NoPinSet
                    | Prompt::PinNotChecked
                    | Prompt::NotUnderstood
                    | Prompt::Goodbye
            )
        }),
        OwnerAction::CheckPin { .. } | OwnerAction::HangUp => true,
        _ => false,
    }
}

/// Whether the statement is true after the event `last`; a prompt that states nothing is.
fn is_confirmed(prompt: &Prompt, last: Option<&OwnerEvent>, has_old: bool) -> bool {
    match prompt {
        Prompt::Sent => last == Some(&OwnerEvent::Sent(SendOutcome::Delivered)),
        Prompt::Removed | Prompt::Restored | Prompt::KeptAsNew => last == Some(&OwnerEvent::Marked(MarkOutcome::Done)),
        // An old message is kept already.
        Prompt::Kept => has_old,
        Prompt::GreetingSaved | Prompt::NameSaved | Prompt::GreetingUntil(_) | Prompt::GreetingRemoved => {
            last == Some(&OwnerEvent::GreetingSet(GreetingOutcome::Done))
        }
        Prompt::MemberAdded(_) | Prompt::MemberRemoved(_) | Prompt::ListDeleted => {
            matches!(last, Some(OwnerEvent::ListChanged(ListOutcome::Members(_))))
        }
        Prompt::MessageIsYours => last == Some(&OwnerEvent::Taken(TakeOutcome::Yours)),
        Prompt::PinChanged => last == Some(&OwnerEvent::PinSet(PinChangeOutcome::Kept)),
        _ => true,
    }
}
