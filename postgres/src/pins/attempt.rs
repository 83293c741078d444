//! Decides what an attempt to enter a PIN changes, and whether the PIN may be checked.

use chrono::{DateTime, Utc};
use voicemail::telephone::{LockoutCounter, PinVerdict};

/// The counts of wrong PINs of a mailbox, if it has a PIN, and of a telephone, if its number is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) mailbox: Option<LockoutCounter>,
    pub(super) caller: Option<LockoutCounter>,
}

impl Counts {
    /// Decides about an attempt at the moment `now`, by the rules of [`PinFolder`](voicemail::telephone::PinFolder). Answers the counts with which
    /// these must be replaced first, and the verdict if the PIN must not be checked.
    pub(super) fn attempt(mut self, now: DateTime<Utc>) -> (Self, Option<PinVerdict>) {
        let locked = self.each().filter_map(|count| count.locked_for(now)).max();
        if let Some(wait) = locked {
            return (self, Some(PinVerdict::Locked(wait)));
        }
        if self.mailbox.is_none() {
            return (self, Some(PinVerdict::NoPin));
        }
        // Counted before it is checked, so that many calls at once get no more attempts than calls one after the other.
        self.each().for_each(|count| count.handle_wrong(now));
        (self, None)
    }

    fn each(&mut self) -> impl Iterator<Item = &mut LockoutCounter> {
        self.mailbox.iter_mut().chain(&mut self.caller)
    }
}

/// Decides what the count of a telephone is after a right PIN: `None` if nothing is left of it. A telephone that knows one PIN may still be guessing
/// others, so only this attempt is taken back.
pub(super) fn forgiven(mut caller: LockoutCounter) -> Option<LockoutCounter> {
    caller.handle_right();
    (caller != LockoutCounter::default()).then_some(caller)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-22T18:00:00Z".parse().unwrap()
    }

    fn wrong(number: usize) -> LockoutCounter {
        let mut count = LockoutCounter::default();
        (0..number).for_each(|_| count.handle_wrong(now()));
        count
    }

    #[test]
    fn an_attempt_counts_for_both_before_it_is_checked() {
        let none = Counts { mailbox: Some(wrong(0)), caller: Some(wrong(2)) };
        assert_eq!(none.attempt(now()), (Counts { mailbox: Some(wrong(1)), caller: Some(wrong(3)) }, None));
        assert_eq!(forgiven(wrong(3)), Some(wrong(2)));
        assert_eq!(forgiven(wrong(1)), None);
    }

    #[test]
    fn a_locked_mailbox_or_telephone_changes_nothing() {
        for (mailbox, caller) in [(wrong(5), Some(wrong(0))), (wrong(0), Some(wrong(5))), (wrong(5), None)] {
            let counts = Counts { mailbox: Some(mailbox), caller };
            let (after, verdict) = counts.attempt(now());
            assert!(after == counts && matches!(verdict, Some(PinVerdict::Locked(_))), "{verdict:?}");
        }
    }

    #[test]
    fn a_mailbox_without_a_pin_is_opened_by_none_and_counts_nothing() {
        let counts = Counts { mailbox: None, caller: Some(wrong(1)) };
        assert_eq!(counts.attempt(now()), (counts, Some(PinVerdict::NoPin)));
        let counts = Counts { mailbox: None, caller: Some(wrong(5)) };
        assert!(matches!(counts.attempt(now()).1, Some(PinVerdict::Locked(_))));
    }
}
