//! A call of a caller.

use std::time::Duration;

use super::{Script, Step, Tape, check_prompts};
use crate::directory::RecordingLimits;
use crate::telephone::{
    CallerAction, CallerDialogue, CallerEvent, DiversionReason, Function, GreetingKind, Greetings, KeyMap, Prompt, Recorded,
};

/// Runs a call with the events of `script`.
pub(super) fn call(script: &mut Script<'_>) {
    let greetings: Greetings = (0..).zip(GreetingKind::ALL).filter(|(n, _)| script.option(*n)).map(|(_, kind)| kind).collect();
    let reason = if script.option(4) { DiversionReason::Busy } else { DiversionReason::NoAnswer };
    let builder = CallerDialogue::builder("2041".parse().expect("a number")).limits(LIMITS).greetings(greetings).reason(reason);
    let builder = if script.option(5) { builder.operator() } else { builder };
    let builder = if script.option(6) { builder.full() } else { builder };
    let mut line = Line::new(script.keys(), script.option(5));
    let mut dialogue = builder.keys(line.keys.clone()).build();
    loop {
        while let Some(action) = dialogue.poll_action() {
            line.handle_action(&action);
        }
        assert_eq!(dialogue.is_over(), line.is_over || line.awaited == Some(Awaited::Transfer), "the driver knows the end");
        if line.is_over {
            break;
        }
        if let Some(event) = line.event(script.next()) {
            dialogue.handle(event);
            line.handle_event(event);
        }
        let changed = line.unexpected.take().is_some_and(|event| after(&mut dialogue, event));
        assert!(!changed, "a result that was not asked for changes nothing");
    }
    for event in [CallerEvent::Played, CallerEvent::Silence, CallerEvent::Sent, CallerEvent::HungUp] {
        assert!(!after(&mut dialogue, event), "nothing follows the end of a call");
    }
    assert_eq!(line.tape, Tape::Empty, "a recording is sent or discarded");
}

/// Whether `event` makes the dialogue act.
fn after(dialogue: &mut CallerDialogue, event: CallerEvent) -> bool {
    dialogue.handle(event);
    dialogue.poll_action().is_some()
}

/// The driver of the call, as far as it matters for the dialogue.
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts of the call")]
struct Line {
    keys: KeyMap,
    operator: bool,
    is_playing: bool,
    tape: Tape,
    awaited: Option<Awaited>,
    is_sent: bool,
    is_over: bool,
    unexpected: Option<CallerEvent>,
}

/// The result that the dialogue waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Stop,
    Send,
    Transfer,
}

impl Line {
    fn new(keys: KeyMap, operator: bool) -> Self {
        let (tape, awaited, unexpected) = (Tape::Empty, None, None);
        Self { keys, operator, is_playing: false, tape, awaited, is_sent: false, is_over: false, unexpected }
    }

    fn handle_action(&mut self, action: &CallerAction) {
        assert_eq!(self.awaited, None, "a result is awaited before {action:?}");
        match action {
            CallerAction::Say(prompts) => {
                check_prompts(prompts, &self.keys);
                assert!(self.is_sent || !prompts.contains(&Prompt::Sent), "a message is sent before that is said");
                assert!(self.operator || !offers_operator(prompts), "no operator is offered");
                assert_ne!(self.tape, Tape::Running, "nothing is played into a recording");
                self.is_playing = true;
            }
            CallerAction::Record => {
                assert_eq!(self.tape, Tape::Empty, "the recording before was sent or discarded");
                self.record();
            }
            CallerAction::RecordAgain => {
                assert_eq!(self.tape, Tape::Full, "there is a recording to be made again");
                self.record();
            }
            CallerAction::StopRecording => {
                assert_eq!(self.tape, Tape::Running, "a recording runs");
                self.awaited = Some(Awaited::Stop);
            }
            CallerAction::Discard => {
                assert_ne!(self.tape, Tape::Empty, "there is a recording to discard");
                self.tape = Tape::Empty;
            }
            CallerAction::Send { .. } => {
                assert_ne!(self.tape, Tape::Empty, "there is a recording to send");
                self.tape = Tape::Empty;
                // After a hang-up, nobody is there to hear the result.
                self.awaited = (!self.is_over).then_some(Awaited::Send);
            }
            CallerAction::ConnectOperator => {
                assert!(self.operator, "there is an operator");
                self.awaited = Some(Awaited::Transfer);
            }
            CallerAction::StartOwnerDialogue => self.awaited = Some(Awaited::Transfer),
            CallerAction::HangUp => self.is_over = true,
        }
    }

    fn record(&mut self) {
        (self.is_playing, self.is_sent, self.tape) = (false, false, Tape::Running);
    }

    /// The event of this step; `None` if there is none now.
    fn event(&mut self, step: Step) -> Option<CallerEvent> {
        Some(match step {
            Step::Digit(digit) => CallerEvent::Digit(digit),
            Step::HangUp => CallerEvent::HungUp,
            Step::Silence if self.tape == Tape::Running || self.is_playing => return None,
            Step::Silence => CallerEvent::Silence,
            Step::Unexpected(number) => {
                self.unexpected = self.not_awaited(number);
                return None;
            }
            Step::Next(number) => match (self.awaited, self.tape) {
                (Some(Awaited::Send), _) => {
                    [CallerEvent::Sent, CallerEvent::TooShort, CallerEvent::NotKept][usize::from(number % 3)]
                }
                (Some(Awaited::Transfer), _) if number >= b'n' => return self.connected(),
                (Some(Awaited::Transfer), _) if number % 2 == 0 => CallerEvent::NotConnected,
                (Some(Awaited::Transfer), _) => CallerEvent::NotAvailable,
                (Some(Awaited::Stop), _) | (None, Tape::Running) => recorded(number),
                (None, _) if self.is_playing => CallerEvent::Played,
                (None, _) => CallerEvent::Silence,
            },
        })
    }

    /// The call goes on elsewhere.
    fn connected(&mut self) -> Option<CallerEvent> {
        self.awaited = None;
        self.is_over = true;
        None
    }

    fn handle_event(&mut self, event: CallerEvent) {
        match event {
            CallerEvent::Played | CallerEvent::Digit(_) => self.is_playing = false,
            CallerEvent::Recorded(_) => (self.awaited, self.tape) = (None, Tape::Full),
            CallerEvent::NotRecorded => (self.awaited, self.tape) = (None, Tape::Empty),
            CallerEvent::Sent => (self.awaited, self.is_sent) = (None, true),
            CallerEvent::HungUp => (self.awaited, self.is_over, self.is_playing) = (None, true, false),
            CallerEvent::TooShort | CallerEvent::NotKept | CallerEvent::NotConnected | CallerEvent::NotAvailable => {
                self.awaited = None;
            }
            CallerEvent::Silence => {}
        }
    }

    /// A result that no action has asked for.
    fn not_awaited(&self, number: u8) -> Option<CallerEvent> {
        let all = [
            (CallerEvent::Sent, Awaited::Send),
            (CallerEvent::TooShort, Awaited::Send),
            (CallerEvent::NotKept, Awaited::Send),
            (recorded(number), Awaited::Stop),
            (CallerEvent::NotRecorded, Awaited::Stop),
            (CallerEvent::NotConnected, Awaited::Transfer),
            (CallerEvent::NotAvailable, Awaited::Transfer),
        ];
        let (event, answer) = all[usize::from(number) % all.len()];
        let runs = answer == Awaited::Stop && self.tape == Tape::Running;
        (self.awaited != Some(answer) && !runs).then_some(event)
    }
}

fn recorded(number: u8) -> CallerEvent {
    match number % 5 {
        0 | 1 => CallerEvent::Recorded(Recorded::new(LIMITS.min)),
        2 => CallerEvent::Recorded(Recorded::new(Duration::ZERO)),
        3 => CallerEvent::Recorded(Recorded::without_speech(LIMITS.max)),
        _ => CallerEvent::NotRecorded,
    }
}

fn offers_operator(prompts: &[Prompt]) -> bool {
    prompts.iter().any(|prompt| match prompt {
        Prompt::Menu(menu) => menu.items.iter().any(|item| item.function == Function::Operator),
        _ => false,
    })
}

const LIMITS: RecordingLimits = RecordingLimits { min: Duration::from_secs(2), max: Duration::from_secs(60) };
