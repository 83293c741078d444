//! [`OwnerConversation`]: does what the dialogue with an owner decides.

mod mailbox;
mod own_lists;
mod sending;

use self::mailbox::OpenMailbox;
use self::sending::Made;
use super::call_recording::{CallRecording, RecordingEnd};
use super::facts::CallEndReason;
use super::session::{Input, Session};
use super::shared::Shared;
use super::{ClipRecorder, OwnerCall, TransferTarget};
use crate::message::{Audio, SiteId};
use crate::telephone::{OwnerAction, OwnerDialogue, OwnerEvent, RecordingPurpose};

/// The conversation with an owner.
pub(super) struct OwnerConversation<'a> {
    shared: &'a Shared,
    session: Session<'a>,
    call: OwnerCall,
    /// The mailbox that is open.
    mailbox: Option<OpenMailbox>,
    /// A message that was made and not delivered to everybody yet.
    made: Option<Made>,
}

/// The step after an action.
enum Next {
    /// The dialogue takes in the result of the action.
    Event(OwnerEvent),
    /// The next action, or the next event of the call.
    Continue,
    /// The call is over.
    End(CallEndReason),
}

impl<'a> OwnerConversation<'a> {
    /// Has the conversation on a call that is answered.
    pub(super) async fn run(shared: &'a Shared, site: &SiteId, session: Session<'a>, call: OwnerCall) -> CallEndReason {
        let network = shared.node.network();
        let mut dialogue = OwnerDialogue::builder().keys(shared.keys.clone());
        if let Some(site) = network.site(site) {
            dialogue = dialogue.zone(site.zone());
        }
        if let Some(mailbox) = call.mailbox.clone() {
            dialogue = dialogue.mailbox(mailbox);
        }
        Self { shared, session, call, mailbox: None, made: None }.converse(dialogue.build()).await
    }

    async fn converse(mut self, mut dialogue: OwnerDialogue) -> CallEndReason {
        loop {
            let next = match dialogue.poll_action() {
                Some(action) => {
                    let next = self.act(action).await;
                    if matches!(next, Next::Event(_)) {
                        self.type_ahead(&mut dialogue);
                    }
                    next
                }
                None if dialogue.is_over() => Next::End(self.session.hang_up().await),
                None => Next::Event(event(self.session.next().await)),
            };
            match next {
                Next::Event(event) => dialogue.handle(event, self.shared.node.clock().now().instant),
                Next::Continue => {}
                Next::End(reason) => return reason,
            }
        }
    }

    /// Hands the dialogue the digits that were pressed before the result of an action: it forgets them if the action has failed.
    fn type_ahead(&mut self, dialogue: &mut OwnerDialogue) {
        let now = self.shared.node.clock().now().instant;
        for digit in self.session.leg.take_digits() {
            dialogue.handle(OwnerEvent::Digit(digit), now);
        }
    }

    async fn act(&mut self, action: OwnerAction) -> Next {
        if !matches!(action, OwnerAction::Playback(_)) {
            // A message goes on while digits are typed, until they have a meaning.
            self.session.stop_playing();
        }
        Next::Event(match action {
            OwnerAction::Say(prompts) => {
                self.session.say(prompts).await;
                return Next::Continue;
            }
            OwnerAction::Playback(control) => {
                self.session.control(control);
                return Next::Continue;
            }
            OwnerAction::Record(purpose) => {
                self.record(&purpose);
                return Next::Continue;
            }
            OwnerAction::Discard => {
                self.session.end_recording(RecordingEnd::Other).await;
                (self.session.recording, self.made) = (None, None);
                return Next::Continue;
            }
            OwnerAction::HangUp => return Next::End(self.session.hang_up().await),
            OwnerAction::CallBack(number) => match self.session.transfer(&TransferTarget::from(&number)).await {
                Ok(()) => return Next::End(CallEndReason::Transferred),
                Err(()) => OwnerEvent::NotConnected,
            },
            OwnerAction::StopRecording => OwnerEvent::Recorded(self.session.stop_recording().await),
            OwnerAction::CheckPin { mailbox, pin } => OwnerEvent::Checked(self.check_pin(&mailbox, pin.as_str()).await),
            OwnerAction::SetPin(pin) => OwnerEvent::PinSet(self.set_pin(&pin).await),
            OwnerAction::Open(mailbox) => self.open(mailbox).await.map_or(OwnerEvent::NotOpened, OwnerEvent::Opened),
            OwnerAction::List(query) => self.list(&query).await.map_or(OwnerEvent::NotListed, OwnerEvent::Listed),
            OwnerAction::ListSent => self.list_sent().await.map_or(OwnerEvent::NotListed, OwnerEvent::SentListed),
            OwnerAction::OpenList(number) => OwnerEvent::ListChanged(self.open_list(number).await),
            OwnerAction::AddToList { list, member } => OwnerEvent::ListChanged(self.add_to_list(list, &member).await),
            OwnerAction::RemoveFromList { list, member } => OwnerEvent::ListChanged(self.remove_from_list(list, &member).await),
            OwnerAction::DeleteList(number) => OwnerEvent::ListChanged(self.delete_list(number).await),
            OwnerAction::Take(id) => OwnerEvent::Taken(self.take(id).await),
            OwnerAction::MarkOld(id) => OwnerEvent::Marked(self.mark_old(id).await),
            OwnerAction::MarkNew(id) => OwnerEvent::Marked(self.mark_new(id).await),
            OwnerAction::Remove(id) => OwnerEvent::Marked(self.remove(id).await),
            OwnerAction::Restore(id) => OwnerEvent::Marked(self.restore(id).await),
            OwnerAction::SaveGreeting { kind, until } => OwnerEvent::GreetingSet(self.save_greeting(kind, until).await),
            OwnerAction::RemoveGreeting(kind) => OwnerEvent::GreetingSet(self.remove_greeting(kind).await),
            OwnerAction::FindAddressee(number) => OwnerEvent::Addressee(self.find_addressee(number).await),
            OwnerAction::PassOn { id, to, introduced, receipt } => {
                OwnerEvent::Sent(self.pass_on(id, to, introduced, receipt).await)
            }
            OwnerAction::Answer { id, urgency, privacy, receipt } => {
                OwnerEvent::Sent(self.answer(id, urgency, privacy, receipt).await)
            }
            OwnerAction::Compose { to, urgency, privacy, receipt } => {
                OwnerEvent::Sent(self.compose(to, urgency, privacy, receipt).await)
            }
        })
    }

    /// Begins to record a clip.
    fn record(&mut self, purpose: &RecordingPurpose) {
        let timers = &self.session.timers;
        let longest = match purpose {
            RecordingPurpose::Greeting(_) => timers.longest_greeting,
            RecordingPurpose::Introduction { .. } | RecordingPurpose::Answer(_) | RecordingPurpose::Message { .. } => {
                timers.longest_recording
            }
        };
        let format = self.session.leg.format();
        self.made = None;
        self.session.recording = Some(CallRecording::clip(ClipRecorder::new(format, longest), format, self.shared.speech));
        self.session.listen(longest);
    }

    /// Returns what was recorded.
    async fn recorded(&mut self) -> Option<Audio> {
        self.session.recording.as_ref()?.sound().await
    }
}

fn event(input: Input) -> OwnerEvent {
    match input {
        Input::Digit(digit) => OwnerEvent::Digit(digit),
        Input::Played => OwnerEvent::Played,
        Input::NotPlayed => OwnerEvent::NotPlayed,
        Input::Recorded(recorded) => OwnerEvent::Recorded(recorded),
        Input::Silence => OwnerEvent::Silence,
        Input::HungUp => OwnerEvent::HungUp,
    }
}

/// Logs why something failed during a call.
fn warn(error: &(impl std::error::Error + 'static)) {
    tracing::warn!(error = %crate::error_chain(error), "something failed during the call of an owner, who hears it");
}
