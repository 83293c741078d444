//! The part of the dialogue in which a caller presses keys, or none.

use super::super::{Digit, Function, KeyMatch, Place, Prompt};
use super::{CallerAction, CallerDialogue, CallerState, Continuation, PreviousRecording, Return};
use crate::message::{Privacy, Urgency};

impl CallerDialogue {
    pub(super) fn digit(&mut self, digit: Digit) {
        let Some(place) = self.place() else { return };
        self.typed.push(digit);
        match self.lookup(place) {
            KeyMatch::Function(function) => {
                self.typed.clear();
                self.function(function);
            }
            KeyMatch::Partial => {}
            KeyMatch::None => self.not_a_function(),
        }
    }

    /// The caller has pressed no key for a while. Keys that are the beginning of a longer sequence stay without meaning.
    pub(super) fn silence(&mut self) {
        if !self.typed.is_empty() {
            self.not_a_function();
        } else if self.state == CallerState::Review {
            self.send_then(Continuation::Dialogue);
        }
    }

    /// The menu of the review: what a caller can do with the recording.
    pub(super) fn menu(&self) -> Prompt {
        let works = |function: &&Function| self.operator || **function != Function::Operator;
        let functions: Vec<Function> = Place::Review.functions().iter().filter(works).copied().collect();
        Prompt::Menu(self.keys.menu(Place::Review, &functions))
    }

    /// The place whose keys have a meaning now; `None` while keys have none.
    fn place(&self) -> Option<Place> {
        match self.state {
            CallerState::Greeting | CallerState::Announcing(_) | CallerState::Leaving(_) => Some(Place::Greeting),
            CallerState::Recording => Some(Place::Recording),
            CallerState::Review => Some(Place::Review),
            CallerState::Stopping(_) | CallerState::Sending(_) | CallerState::HandedOver(_) | CallerState::Over => None,
        }
    }

    fn lookup(&mut self, place: Place) -> KeyMatch {
        loop {
            match self.keys.lookup(place, &self.typed) {
                KeyMatch::Function(Function::Operator) if !self.operator => return KeyMatch::None,
                // A recording goes on: the keys before may have been pressed by mistake, or be a part of it.
                KeyMatch::None if place == Place::Recording && self.typed.len() > 1 => {
                    self.typed.remove(0);
                }
                found => return found,
            }
        }
    }

    fn function(&mut self, function: Function) {
        match (self.state, function) {
            (CallerState::Greeting, Function::Operator) => self.connect_operator(Return::Greeting),
            (CallerState::Greeting, Function::LogIn) => self.log_in(Return::Greeting),
            (CallerState::Announcing(before), Function::Operator) => {
                if before == PreviousRecording::Kept {
                    self.actions.push_back(CallerAction::Discard);
                }
                self.connect_operator(Return::Tone);
            }
            (CallerState::Leaving(_), Function::Operator) => self.connect_operator(Return::Goodbye),
            // The owner of a full mailbox hears no greeting.
            (CallerState::Leaving(Continuation::Dialogue), Function::LogIn) => self.log_in(Return::Goodbye),
            (CallerState::Recording, Function::Operator) => self.stop(Continuation::Operator),
            (CallerState::Recording, Function::EndRecording) => self.stop(Continuation::Dialogue),
            (CallerState::Review, function) => self.review(function),
            _ => self.not_a_function(),
        }
    }

    /// The keys that were pressed mean nothing here, or only that the prompts need not be played to their end.
    fn not_a_function(&mut self) {
        self.typed.clear();
        match self.state {
            // By `#`, or by mistake: any digit ends the prompt, which is not played again.
            CallerState::Greeting => self.say_then(vec![Prompt::Tone], CallerState::Announcing(PreviousRecording::Discarded)),
            CallerState::Announcing(before) => self.say_then(vec![Prompt::Tone], CallerState::Announcing(before)),
            CallerState::Leaving(then) => self.leave(then),
            CallerState::Review => self.say_then(vec![Prompt::NotUnderstood, self.menu()], CallerState::Review),
            CallerState::Recording
            | CallerState::Stopping(_)
            | CallerState::Sending(_)
            | CallerState::HandedOver(_)
            | CallerState::Over => {}
        }
    }

    fn review(&mut self, function: Function) {
        match function {
            Function::Send => self.send_then(Continuation::Dialogue),
            Function::Operator => self.send_then(Continuation::Operator),
            Function::Hear => self.say_then(vec![Prompt::PlayRecording, self.menu()], CallerState::Review),
            Function::RecordAgain => self.say_then(vec![Prompt::Tone], CallerState::Announcing(PreviousRecording::Kept)),
            Function::Urgent => {
                let (urgency, said) = match self.urgency {
                    Urgency::Normal => (Urgency::Urgent, Prompt::MarkedUrgent),
                    Urgency::Urgent => (Urgency::Normal, Prompt::MarkedNotUrgent),
                };
                self.urgency = urgency;
                self.say_then(vec![said, self.menu()], CallerState::Review);
            }
            Function::Private => {
                let (privacy, said) = match self.privacy {
                    Privacy::Normal => (Privacy::Private, Prompt::MarkedPrivate),
                    Privacy::Private => (Privacy::Normal, Prompt::MarkedNotPrivate),
                };
                self.privacy = privacy;
                self.say_then(vec![said, self.menu()], CallerState::Review);
            }
            _ => self.not_a_function(),
        }
    }

    fn log_in(&mut self, back: Return) {
        self.actions.push_back(CallerAction::StartOwnerDialogue);
        self.enter(CallerState::HandedOver(back));
    }
}
