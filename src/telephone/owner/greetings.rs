//! The part of the dialogue in which an owner hears, records and removes the greetings and the name.

use chrono::{DateTime, Days, TimeDelta, Utc};
use chrono_tz::Tz;

use super::super::{Function, GreetingKind, Place, Prompt};
use super::actions::RecordingPurpose;
use super::events::GreetingOutcome;
use super::state::{Awaited, FirstUse, NewPin, OwnerRecording, OwnerState, Return};
use super::{OwnerAction, OwnerDialogue};
use crate::message::Stamp;

impl OwnerDialogue {
    pub(super) fn greetings_function(&mut self, function: Function) -> OwnerState {
        let kind = match function {
            Function::NormalGreeting => GreetingKind::Normal,
            Function::BusyGreeting => GreetingKind::Busy,
            Function::TemporaryGreeting => GreetingKind::Temporary,
            Function::RecordName => GreetingKind::Name,
            Function::ChangePin => {
                return self.continue_at(OwnerState::NewPin(NewPin::new(FirstUse::No), String::new()), Vec::new());
            }
            Function::Back => return self.continue_at(OwnerState::Main, Vec::new()),
            // A key map has no other functions here.
            _ => return self.not_understood(OwnerState::Greetings),
        };
        self.continue_at(OwnerState::OneGreeting(kind), Vec::new())
    }

    pub(super) fn greeting_function(&mut self, kind: GreetingKind, function: Function) -> OwnerState {
        let here = OwnerState::OneGreeting(kind);
        match function {
            Function::HearGreeting | Function::RemoveGreeting if !self.may_have(kind) => {
                self.continue_at(here, vec![Prompt::NoGreeting])
            }
            Function::HearGreeting => self.continue_at(here, vec![Prompt::Greeting(kind)]),
            Function::RecordGreeting => {
                let recording = OwnerRecording::new(RecordingPurpose::Greeting(kind), Return::Greeting(kind));
                self.announce(recording, Vec::new())
            }
            Function::RemoveGreeting => {
                self.act(OwnerAction::RemoveGreeting(kind));
                OwnerState::Awaiting(Awaited::RemovingGreeting(kind))
            }
            // The name is chosen from one of the two menus.
            Function::Back if kind == GreetingKind::Name && !self.keys.keys(Place::Main, Function::RecordName).is_empty() => {
                self.continue_at(OwnerState::Main, Vec::new())
            }
            Function::Back => self.continue_at(OwnerState::Greetings, Vec::new()),
            // A key map has no other functions here.
            _ => self.not_understood(here),
        }
    }

    /// Whether this greeting is recorded; true also if that is not known.
    pub(super) fn may_have(&self, kind: GreetingKind) -> bool {
        self.greetings.is_none_or(|greetings| match kind {
            GreetingKind::Normal => greetings.normal,
            GreetingKind::Busy => greetings.busy,
            GreetingKind::Temporary => greetings.temporary,
            GreetingKind::Name => greetings.name,
        })
    }

    fn set_greeting(&mut self, kind: GreetingKind, recorded: bool) {
        let Some(greetings) = &mut self.greetings else { return };
        *match kind {
            GreetingKind::Normal => &mut greetings.normal,
            GreetingKind::Busy => &mut greetings.busy,
            GreetingKind::Temporary => &mut greetings.temporary,
            GreetingKind::Name => &mut greetings.name,
        } = recorded;
    }

    /// The end of the entry for how many days a temporary greeting is valid.
    pub(super) fn days_function(&mut self, recording: OwnerRecording, entered: &str, function: Function) -> OwnerState {
        if function != Function::EndEntry {
            let next =
                if entered.is_empty() { OwnerState::Reviewing(recording) } else { OwnerState::Days(recording, String::new()) };
            return self.continue_at(next, Vec::new());
        }
        if entered.is_empty() {
            return self.save_greeting(recording, GreetingKind::Temporary, None);
        }
        let until = entered
            .parse()
            .ok()
            .filter(|days| (1..=MAX_DAYS).contains(days))
            .and_then(|days| end_after(days, self.now, self.zone));
        match until {
            Some(until) => self.save_greeting(recording, GreetingKind::Temporary, Some(until)),
            None => self.not_understood(OwnerState::Days(recording, String::new())),
        }
    }

    pub(super) fn save_greeting(
        &mut self,
        recording: OwnerRecording,
        kind: GreetingKind,
        until: Option<DateTime<Utc>>,
    ) -> OwnerState {
        self.act(OwnerAction::SaveGreeting { kind, until });
        OwnerState::Awaiting(Awaited::Saving(recording, kind, until))
    }

    pub(super) fn greeting_set(&mut self, state: OwnerState, set: GreetingOutcome) -> OwnerState {
        match (state, set) {
            (OwnerState::Awaiting(Awaited::Saving(recording, kind, until)), GreetingOutcome::Done) => {
                self.set_greeting(kind, true);
                let saved = if kind == GreetingKind::Name { Prompt::NameSaved } else { Prompt::GreetingSaved };
                let end = until.map(|until| Prompt::GreetingUntil(Stamp::new(until - TimeDelta::seconds(1), self.zone)));
                self.finish(recording, std::iter::once(saved).chain(end).collect())
            }
            (OwnerState::Awaiting(Awaited::Saving(recording, ..)), GreetingOutcome::Failed) => {
                self.continue_at(OwnerState::Reviewing(recording), vec![Prompt::GreetingNotSaved])
            }
            (OwnerState::Awaiting(Awaited::RemovingGreeting(kind)), GreetingOutcome::Done) => {
                self.set_greeting(kind, false);
                self.continue_at(OwnerState::OneGreeting(kind), vec![Prompt::GreetingRemoved])
            }
            (OwnerState::Awaiting(Awaited::RemovingGreeting(kind)), GreetingOutcome::Failed) => {
                self.continue_at(OwnerState::OneGreeting(kind), vec![Prompt::ChangeFailed])
            }
            (other, _) => other,
        }
    }
}

/// The end of the last of so many days in `zone`, of which today is the first: the first second of the day after it.
pub(super) fn end_after(days: u64, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    let day_of = |second: i64| DateTime::from_timestamp(second, 0).map(|instant| Stamp::new(instant, zone).local().date_naive());
    let after = Stamp::new(now, zone).local().date_naive().checked_add_days(Days::new(days))?;
    // In no zone is midnight more than a day away from midnight in UTC, and the day of every zone changes in between.
    let midnight = after.and_hms_opt(0, 0, 0)?.and_utc().timestamp();
    let (mut before, mut begun) = (midnight - 2 * SECONDS_OF_DAY, midnight + 2 * SECONDS_OF_DAY);
    while begun - before > 1 {
        let middle = before.midpoint(begun);
        if day_of(middle)? < after { before = middle } else { begun = middle }
    }
    DateTime::from_timestamp(begun, 0)
}

const SECONDS_OF_DAY: i64 = 24 * 60 * 60;
/// The longest time for which a temporary greeting can have an end.
const MAX_DAYS: u64 = 366;
