//! [`CallerDialogue`]: the dialogue with a caller who leaves a message.

mod builder;
mod events;
mod keys;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use self::builder::CallerDialogueBuilder;
pub use self::events::{CallerAction, CallerEvent, DiversionReason, Recorded};
use super::{Digit, KeyMap, Prompt, Say};
use crate::directory::RecordingLimits;
use crate::message::{MailboxId, Privacy, Urgency};

/// The dialogue with a caller: greeting, tone, recording, review.
///
/// The keys are those of a [`KeyMap`]. With [`KeyMap::voicemail`], `#` skips the greeting and ends the recording, `0` asks for the
/// operator if there is one, and `*` during the greeting lets an owner who calls from another telephone enter the PIN. When the
/// caller hangs up during or after the recording, the message is sent.
///
/// ```
/// use voicemail::directory::RecordingLimits;
/// use voicemail::telephone::{CallerAction, CallerDialogue, CallerEvent, Digit, GreetingKind, Greetings, Prompt, Recorded};
///
/// let greetings: Greetings = [GreetingKind::Normal].into_iter().collect();
/// let limits = RecordingLimits::default(); // `Owner::recording` of the mailbox
/// let mut call = CallerDialogue::builder("2041".parse()?).limits(limits).greetings(greetings).build();
/// assert_eq!(call.poll_action(), Some(CallerAction::Say(vec![Prompt::Greeting(GreetingKind::Normal), Prompt::Tone])));
/// call.handle(CallerEvent::Played);
/// assert_eq!(call.poll_action(), Some(CallerAction::Record));
/// call.handle(CallerEvent::Recorded(Recorded::new(limits.min)));
/// call.poll_action(); // the menu: `#` sends
/// call.handle(CallerEvent::Digit(Digit::Pound));
/// assert!(matches!(call.poll_action(), Some(CallerAction::Send { .. })));
/// assert_eq!(call.poll_action(), None); // nothing is said before the message is stored
/// call.handle(CallerEvent::Sent);
/// assert_eq!(call.poll_action(), Some(CallerAction::Say(vec![Prompt::Sent, Prompt::Goodbye])));
/// # Ok::<(), voicemail::message::InvalidMailboxId>(())
/// ```
#[derive(Debug)]
pub struct CallerDialogue {
    state: CallerState,
    greeting: Prompt,
    keys: KeyMap,
    /// The keys that were pressed and have no meaning yet, because they are the beginning of longer sequences.
    typed: Vec<Digit>,
    operator: bool,
    limits: RecordingLimits,
    urgency: Urgency,
    privacy: Privacy,
    tries: u32,
    actions: VecDeque<CallerAction>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallerState {
    Greeting,
    Recording,
    /// A digit has ended the recording; the dialogue waits for its length.
    Stopping(Continuation),
    Review,
    /// The message was handed to the driver; the dialogue waits for the result.
    Sending(Continuation),
    /// The prompts before the tone of another recording are played.
    Announcing(PreviousRecording),
    /// The last prompts of the dialogue are played.
    Leaving(Continuation),
    /// The call goes to the operator or to an owner's dialogue. If it cannot, this dialogue continues.
    HandedOver(Return),
    Over,
}

/// The step after a recording, or after the last prompts of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continuation {
    /// The dialogue continues; at its end the driver hangs up.
    Dialogue,
    /// The caller is connected to the operator.
    Operator,
}

/// Where the dialogue continues if the call could not be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Return {
    /// The caller is greeted again.
    Greeting,
    /// The caller may record after the tone.
    Tone,
    /// The message was sent; the call ends.
    Sent,
    /// The call ends.
    Goodbye,
}

/// Whether the driver still has a previous recording when another one begins after the tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PreviousRecording {
    /// The driver still has the previous recording, so it records again on the same port.
    Kept,
    /// There is no previous recording.
    Discarded,
}

impl CallerDialogue {
    /// Begins to describe a call to `mailbox`.
    pub fn builder(mailbox: MailboxId) -> CallerDialogueBuilder {
        CallerDialogueBuilder::new(mailbox)
    }

    /// Returns the next action; `None` until there is another event.
    pub fn poll_action(&mut self) -> Option<CallerAction> {
        self.actions.pop_front()
    }

    /// Whether the dialogue is over.
    ///
    /// After [`CallerAction::ConnectOperator`] and [`CallerAction::StartOwnerDialogue`] it is over, unless the driver answers with
    /// [`CallerEvent::NotConnected`] or [`CallerEvent::NotAvailable`]; then it continues.
    pub fn is_over(&self) -> bool {
        matches!(self.state, CallerState::HandedOver(_) | CallerState::Over) && self.actions.is_empty()
    }

    /// Takes in an event of the call.
    pub fn handle(&mut self, event: CallerEvent) {
        match event {
            CallerEvent::HungUp => self.hung_up(),
            CallerEvent::Digit(digit) => self.digit(digit),
            CallerEvent::Played => self.played(),
            CallerEvent::Recorded(recorded) => self.recorded(recorded),
            CallerEvent::NotRecorded => self.not_recorded(),
            CallerEvent::Sent => self.sent(),
            CallerEvent::TooShort => self.was_too_short(),
            CallerEvent::NotKept => self.not_kept(),
            CallerEvent::NotConnected => self.not_handed_over(Prompt::NotConnected),
            CallerEvent::NotAvailable => self.not_handed_over(Prompt::NotAvailable),
            CallerEvent::Silence => self.silence(),
        }
    }

    fn hung_up(&mut self) {
        self.actions.clear();
        match self.state {
            CallerState::Recording | CallerState::Stopping(_) | CallerState::Review => self.send(),
            CallerState::Announcing(PreviousRecording::Kept) => self.actions.push_back(CallerAction::Discard),
            CallerState::Greeting
            | CallerState::Sending(_)
            | CallerState::Announcing(PreviousRecording::Discarded)
            | CallerState::Leaving(_)
            | CallerState::HandedOver(_)
            | CallerState::Over => {}
        }
        self.enter(CallerState::Over);
    }

    fn played(&mut self) {
        match self.state {
            CallerState::Greeting | CallerState::Announcing(PreviousRecording::Discarded) => self.record(CallerAction::Record),
            CallerState::Announcing(PreviousRecording::Kept) => self.record(CallerAction::RecordAgain),
            CallerState::Leaving(then) => self.leave(then),
            CallerState::Recording
            | CallerState::Stopping(_)
            | CallerState::Review
            | CallerState::Sending(_)
            | CallerState::HandedOver(_)
            | CallerState::Over => {}
        }
    }

    fn recorded(&mut self, recorded: Recorded) {
        let Some(then) = self.after_recording() else { return };
        if !recorded.speech {
            return self.no_message(Prompt::NoSpeech, then, PreviousRecording::Kept);
        }
        if recorded.length < self.limits.min {
            return self.no_message(Prompt::TooShort, then, PreviousRecording::Kept);
        }
        match then {
            Continuation::Operator => self.send_then(Continuation::Operator),
            Continuation::Dialogue if recorded.length >= self.limits.max => {
                self.say_then(vec![Prompt::MaxLengthReached, self.menu()], CallerState::Review);
            }
            Continuation::Dialogue => self.say_then(vec![self.menu()], CallerState::Review),
        }
    }

    /// The step after the recording that is running; `None` if none is.
    fn after_recording(&self) -> Option<Continuation> {
        match self.state {
            CallerState::Recording => Some(Continuation::Dialogue),
            CallerState::Stopping(then) => Some(then),
            CallerState::Greeting
            | CallerState::Review
            | CallerState::Sending(_)
            | CallerState::Announcing(_)
            | CallerState::Leaving(_)
            | CallerState::HandedOver(_)
            | CallerState::Over => None,
        }
    }

    /// The recording is no message, for the reason that `prompt` says; the caller may try again a few times.
    fn no_message(&mut self, prompt: Prompt, then: Continuation, before: PreviousRecording) {
        self.tries += 1;
        if then == Continuation::Dialogue && self.tries < MAX_TRIES {
            return self.say_then(vec![prompt, Prompt::Tone], CallerState::Announcing(before));
        }
        if before == PreviousRecording::Kept {
            self.actions.push_back(CallerAction::Discard);
        }
        match then {
            Continuation::Operator => self.connect_operator(self.another_try()),
            Continuation::Dialogue => self.say_last(prompt, then),
        }
    }

    /// The step after a recording that was no message, if the operator cannot be reached.
    fn another_try(&self) -> Return {
        if self.tries < MAX_TRIES { Return::Tone } else { Return::Goodbye }
    }

    fn not_recorded(&mut self) {
        if let Some(then) = self.after_recording() {
            self.say_last(Prompt::NotRecorded, then);
        }
    }

    fn sent(&mut self) {
        match self.state {
            CallerState::Sending(Continuation::Operator) => self.connect_operator(Return::Sent),
            CallerState::Sending(Continuation::Dialogue) => self.say_last(Prompt::Sent, Continuation::Dialogue),
            CallerState::Greeting
            | CallerState::Recording
            | CallerState::Stopping(_)
            | CallerState::Review
            | CallerState::Announcing(_)
            | CallerState::Leaving(_)
            | CallerState::HandedOver(_)
            | CallerState::Over => {}
        }
    }

    fn was_too_short(&mut self) {
        if let CallerState::Sending(then) = self.state {
            self.no_message(Prompt::TooShort, then, PreviousRecording::Discarded);
        }
    }

    fn not_kept(&mut self) {
        if let CallerState::Sending(then) = self.state {
            self.say_last(Prompt::NotSent, then);
        }
    }

    /// The call is still here, for the reason that `prompt` says.
    fn not_handed_over(&mut self, prompt: Prompt) {
        let CallerState::HandedOver(back) = self.state else { return };
        match back {
            Return::Greeting => self.say_then(vec![prompt, self.greeting.clone(), Prompt::Tone], CallerState::Greeting),
            Return::Tone => {
                self.say_then(vec![prompt, Prompt::Tone], CallerState::Announcing(PreviousRecording::Discarded));
            }
            Return::Sent => {
                let say = vec![prompt, Prompt::Sent, Prompt::Goodbye];
                self.say_then(say, CallerState::Leaving(Continuation::Dialogue));
            }
            Return::Goodbye => self.say_last(prompt, Continuation::Dialogue),
        }
    }

    fn record(&mut self, action: CallerAction) {
        self.actions.push_back(action);
        self.enter(CallerState::Recording);
    }

    fn stop(&mut self, then: Continuation) {
        self.actions.push_back(CallerAction::StopRecording);
        self.enter(CallerState::Stopping(then));
    }

    fn send(&mut self) {
        self.actions.push_back(CallerAction::Send { urgency: self.urgency, privacy: self.privacy });
    }

    fn send_then(&mut self, then: Continuation) {
        self.send();
        self.enter(CallerState::Sending(then));
    }

    fn say_then(&mut self, say: Say, state: CallerState) {
        self.actions.push_back(CallerAction::Say(say));
        self.enter(state);
    }

    /// Says `prompt`, and goodbye unless the operator comes next.
    fn say_last(&mut self, prompt: Prompt, then: Continuation) {
        let say = match then {
            Continuation::Dialogue => vec![prompt, Prompt::Goodbye],
            Continuation::Operator => vec![prompt],
        };
        self.say_then(say, CallerState::Leaving(then));
    }

    fn leave(&mut self, then: Continuation) {
        match then {
            Continuation::Dialogue => {
                self.actions.push_back(CallerAction::HangUp);
                self.enter(CallerState::Over);
            }
            Continuation::Operator => self.connect_operator(Return::Goodbye),
        }
    }

    fn connect_operator(&mut self, back: Return) {
        self.actions.push_back(CallerAction::ConnectOperator);
        self.enter(CallerState::HandedOver(back));
    }

    /// Goes to another state, in which keys pressed before have no meaning.
    fn enter(&mut self, state: CallerState) {
        self.typed.clear();
        self.state = state;
    }
}

/// The number of recordings that are too short after which the call ends.
const MAX_TRIES: u32 = 3;
