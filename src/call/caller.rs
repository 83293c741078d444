//! [`CallerConversation`]: does what the dialogue with a caller decides.

use std::time::Duration;

use super::buffered_leg::BufferedLeg;
use super::call_recording::{CallRecording, RecordingEnd};
use super::facts::CallEndReason;
use super::owner::OwnerConversation;
use super::session::{Input, Session};
use super::shared::Shared;
use super::{CallEnd, CallRefusal, IncomingCall, OwnerCall};
use crate::directory::RecordingLimits;
use crate::error_chain;
use crate::greeting::Greetings;
use crate::message::{PartyNumber, Privacy, SiteId, Urgency};
use crate::record::{CallFacts, Kept, RecordError, Recording};
use crate::telephone::{CallerAction, CallerDialogue, CallerEvent};

/// The conversation with a caller who leaves a message.
pub(super) struct CallerConversation<'a> {
    shared: &'a Shared,
    site: &'a SiteId,
    call: IncomingCall,
    limits: RecordingLimits,
    session: Session<'a>,
    kept: Option<Kept>,
}

/// The step after an action.
enum Next {
    /// The dialogue takes in the result of the action.
    Event(CallerEvent),
    /// The next action, or the next event of the call.
    Continue,
    /// The call is over.
    End(CallEndReason),
    /// The caller wants to listen to messages.
    LogIn,
}

impl<'a> CallerConversation<'a> {
    /// Has the whole conversation, from the first ring to the end.
    pub(super) async fn run(shared: &'a Shared, site: &'a SiteId, mut leg: BufferedLeg<'a>, call: IncomingCall) -> CallEnd {
        let opening = shared.node.record(site, facts(&call), leg.format());
        let opened = leg.wait_unless_ended(shared.timers.answer, opening).await;
        let recording = match opened {
            None if leg.ended().is_some() => return CallEndReason::HungUp.into(),
            Some(Ok(recording)) => Some(CallRecording::message(recording, leg.format(), shared.speech)),
            Some(Err(RecordError::MailboxFull(_))) => None,
            failed => {
                let refusal = refusal(failed, shared);
                leg.refuse(refusal).await;
                return CallEndReason::Refused(refusal).into();
            }
        };
        let limits = find_limits(shared, &mut leg, &call).await;
        let greetings = leg.wait_unless_ended(LOOK_UP, shared.node.greetings(&call.mailbox)).await.unwrap_or_default();
        let is_full = recording.is_none();
        if leg.answer().await.is_err() {
            return CallEndReason::HungUp.into();
        }
        let Some(mut renderer) = shared.renderer(site, &leg) else {
            leg.hang_up().await;
            return CallEndReason::Over.into();
        };
        renderer.mailbox = Some(call.mailbox.clone());
        renderer.reason = Some(call.reason);
        let mut session = Session::new(leg, renderer, shared.timers);
        session.recording = recording;
        let dialogue = dialogue(shared, &call, limits, greetings, is_full);
        Box::pin(Self { shared, site, call, limits, session, kept: None }.converse(dialogue)).await
    }

    async fn converse(mut self, mut dialogue: CallerDialogue) -> CallEnd {
        let reason = loop {
            let next = match dialogue.poll_action() {
                Some(action) => self.act(action).await,
                None if dialogue.is_over() => Next::End(self.session.hang_up().await),
                None => Next::Event(event(self.session.next().await)),
            };
            match next {
                Next::Event(event) => {
                    if is_failure(event) {
                        // The caller did not know of the failure, and hears it.
                        self.session.leg.take_digits();
                    }
                    dialogue.handle(event);
                }
                Next::Continue => {}
                Next::End(reason) => break reason,
                Next::LogIn => return self.log_in().await,
            }
        };
        CallEnd { reason, message: self.kept }
    }

    async fn act(&mut self, action: CallerAction) -> Next {
        let event = match action {
            CallerAction::Say(prompts) => {
                self.session.say(prompts).await;
                return Next::Continue;
            }
            CallerAction::Record => return self.record().await,
            CallerAction::RecordAgain => self.record_again().await,
            CallerAction::StopRecording => Some(CallerEvent::Recorded(self.session.stop_recording().await)),
            CallerAction::Discard => {
                self.discard();
                None
            }
            CallerAction::Send { urgency, privacy } => Some(self.send(urgency, privacy).await),
            CallerAction::ConnectOperator => return self.transfer(self.shared.operator.clone()).await,
            CallerAction::StartOwnerDialogue if self.shared.has_mailboxes() => return Next::LogIn,
            CallerAction::StartOwnerDialogue => return self.transfer(self.shared.mailbox_access.clone()).await,
            CallerAction::HangUp => return Next::End(self.session.hang_up().await),
        };
        event.map_or(Next::Continue, Next::Event)
    }

    /// Begins to record: the recording that the call was opened with, or another one if that was used up.
    async fn record(&mut self) -> Next {
        if self.session.recording.is_none() {
            let format = self.session.leg.format();
            let opening = self.shared.node.record(self.site, facts(&self.call), format);
            match self.session.wait(opening).await {
                Some(Ok(recording)) => {
                    self.session.recording = Some(CallRecording::message(recording, format, self.shared.speech));
                }
                failed => {
                    warn_of(failed.and_then(Result::err));
                    return Next::Event(CallerEvent::NotRecorded);
                }
            }
        }
        self.session.listen(self.limits.max);
        Next::Continue
    }

    async fn record_again(&mut self) -> Option<CallerEvent> {
        let recording = self.session.recording.take().and_then(CallRecording::into_recording)?;
        let format = self.session.leg.format();
        match self.session.wait(recording.restart()).await {
            Some(Ok(recording)) => {
                self.session.recording = Some(CallRecording::message(recording, format, self.shared.speech));
                self.session.listen(self.limits.max);
                None
            }
            failed => {
                warn_of(failed.and_then(Result::err));
                Some(CallerEvent::NotRecorded)
            }
        }
    }

    async fn send(&mut self, urgency: Urgency, privacy: Privacy) -> CallerEvent {
        self.session.end_recording(RecordingEnd::Other).await;
        let with_speech =
            self.session.recording.take().and_then(CallRecording::with_speech).and_then(CallRecording::into_recording);
        let Some(mut recording) = with_speech else { return CallerEvent::TooShort };
        recording.set_urgency(urgency);
        recording.set_privacy(privacy);
        match self.session.wait(recording.finish()).await {
            Some(Ok(kept)) => {
                self.kept = Some(kept);
                CallerEvent::Sent
            }
            Some(Err(RecordError::TooShort { .. })) => CallerEvent::TooShort,
            failed => {
                warn_of(failed.and_then(Result::err));
                CallerEvent::NotKept
            }
        }
    }

    fn discard(&mut self) {
        if let Some(recording) = self.session.recording.take() {
            recording.discard();
        }
    }

    /// Transfers the call, if there is somewhere to transfer it to.
    async fn transfer(&mut self, to: Option<super::TransferTarget>) -> Next {
        let Some(to) = to else { return Next::Event(CallerEvent::NotAvailable) };
        match self.session.transfer(&to).await {
            Ok(()) => {
                self.discard();
                Next::End(CallEndReason::Transferred)
            }
            Err(()) => Next::Event(CallerEvent::NotConnected),
        }
    }

    /// Goes on as the call of an owner.
    async fn log_in(mut self) -> CallEnd {
        self.discard();
        let Self { shared, site, call, mut session, kept, .. } = self;
        session.renderer.reason = None;
        let owner = OwnerCall::from_own_telephone(call.mailbox).caller(call.caller);
        CallEnd { reason: OwnerConversation::run(shared, site, session, owner).await, message: kept }
    }
}

/// Returns the dialogue for a call.
fn dialogue(
    shared: &Shared,
    call: &IncomingCall,
    limits: RecordingLimits,
    greetings: Greetings,
    is_full: bool,
) -> CallerDialogue {
    let mut dialogue = CallerDialogue::builder(call.mailbox.clone())
        .limits(limits)
        .greetings(greetings)
        .reason(call.reason)
        .keys(shared.keys.clone());
    if shared.operator.is_some() {
        dialogue = dialogue.operator();
    }
    if is_full {
        dialogue = dialogue.full();
    }
    dialogue.build()
}

/// Returns the limits of the mailbox. A recording that was opened has limits of its own, so a directory that fails now matters little.
async fn find_limits(shared: &Shared, leg: &mut BufferedLeg<'_>, call: &IncomingCall) -> RecordingLimits {
    let directory = shared.node.directory();
    let owner = leg.wait_unless_ended(LOOK_UP, directory.find(&call.mailbox)).await;
    owner.and_then(Result::ok).flatten().map(|owner| owner.recording).unwrap_or_default()
}

fn facts(call: &IncomingCall) -> CallFacts {
    let mut details = call.call_details.clone();
    details.called.get_or_insert_with(|| PartyNumber::from(&call.mailbox));
    CallFacts::to(call.mailbox.clone()).caller(call.caller.clone()).call_details(details)
}

/// Returns why a call is refused whose recording could not be opened.
fn refusal(opened: Option<Result<Recording, RecordError>>, shared: &Shared) -> CallRefusal {
    match opened {
        Some(Err(error)) => {
            tracing::info!(error = %error_chain(&error), "a call is refused");
            CallRefusal::of(&error, shared.busy)
        }
        Some(Ok(_)) | None => CallRefusal::unavailable(),
    }
}

fn warn_of(error: Option<RecordError>) {
    if let Some(error) = error {
        tracing::warn!(error = %error_chain(&error), "a message could not be recorded or kept");
    } else {
        tracing::warn!("a message was not recorded or kept in time");
    }
}

/// Whether an action has failed, of which the caller is to hear.
fn is_failure(event: CallerEvent) -> bool {
    match event {
        CallerEvent::NotRecorded
        | CallerEvent::TooShort
        | CallerEvent::NotKept
        | CallerEvent::NotConnected
        | CallerEvent::NotAvailable => true,
        CallerEvent::Played
        | CallerEvent::Digit(_)
        | CallerEvent::Recorded(_)
        | CallerEvent::Sent
        | CallerEvent::Silence
        | CallerEvent::HungUp => false,
    }
}

fn event(input: Input) -> CallerEvent {
    match input {
        Input::Digit(digit) => CallerEvent::Digit(digit),
        // A greeting that cannot be played is replaced by the default one, and a recording that cannot be heard is skipped.
        Input::Played | Input::NotPlayed => CallerEvent::Played,
        Input::Recorded(recorded) => CallerEvent::Recorded(recorded),
        Input::Silence => CallerEvent::Silence,
        Input::HungUp => CallerEvent::HungUp,
    }
}

/// How long the directory, and then the store of greetings, may take before a call is answered without them.
const LOOK_UP: Duration = Duration::from_secs(2);
