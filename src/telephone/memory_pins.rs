//! [`MemoryPins`]: PINs and counts of wrong PINs, in memory.

use std::collections::HashMap;
use std::sync::MutexGuard;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{AttemptSource, LockoutCounter, Pin, PinHash, PinStore, PinStoreError, PinUse, PinVerdict};
use crate::lock::Lock;
use crate::message::{CallerNumber, MailboxId};

/// PINs and lockouts in memory, for all calls together. A restart forgets them; a `PinFolder` keeps them on disk.
///
/// Too many wrong PINs lock a mailbox for all callers, and lock out a telephone that tries many mailboxes. There is no default
/// PIN: nobody gets into a mailbox without one.
///
/// ```
/// use voicemail::telephone::{MemoryPins, PinHash, PinVerdict};
///
/// let (mailbox, now) = ("2041".parse()?, "2026-11-22T18:00:00Z".parse()?);
/// let pins = MemoryPins::default();
/// assert_eq!(pins.check(&mailbox, None, "2041", now), PinVerdict::NoPin);
/// pins.set(mailbox.clone(), PinHash::new(&"480913".parse()?));
/// assert_eq!(pins.check(&mailbox, None, "480913", now), PinVerdict::Right);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryPins(Lock<Pins>);

#[derive(Debug, Default)]
struct Pins {
    pins: HashMap<MailboxId, (PinHash, PinUse)>,
    attempts: HashMap<AttemptSource, LockoutCounter>,
}

impl MemoryPins {
    /// Sets the PIN of `mailbox` to the one of `hash`. A mailbox or telephone that is locked out stays so.
    pub fn set(&self, mailbox: MailboxId, hash: PinHash) {
        self.lock().pins.insert(mailbox, (hash, PinUse::Usual));
    }

    /// Sets the PIN of `mailbox` to one that opens it for the first use only, until its owner has chosen another: [`PinVerdict::Initial`].
    /// A mailbox or telephone that is locked out stays so.
    pub fn set_initial(&self, mailbox: MailboxId, hash: PinHash) {
        self.lock().pins.insert(mailbox, (hash, PinUse::First));
    }

    /// Checks the PIN `entered` for `mailbox` by a telephone with the number `caller`, if its number is known. Takes some
    /// milliseconds.
    pub fn check(&self, mailbox: &MailboxId, caller: Option<&CallerNumber>, entered: &str, now: DateTime<Utc>) -> PinVerdict {
        let sources: Vec<AttemptSource> =
            [Some(AttemptSource::Mailbox(mailbox.clone())), caller.cloned().map(AttemptSource::Caller)]
                .into_iter()
                .flatten()
                .collect();
        let (hash, pin_use) = {
            let mut pins = self.lock();
            let locked = sources.iter().filter_map(|source| pins.attempts.get_mut(source)?.locked_for(now)).max();
            if let Some(wait) = locked {
                return PinVerdict::Locked(wait);
            }
            let Some(pin) = pins.pins.get(mailbox).cloned() else { return PinVerdict::NoPin };
            // Counted before it is checked, so that many calls at once get no more attempts than calls one after the other.
            for source in &sources {
                pins.attempts.entry(source.clone()).or_default().handle_wrong(now);
            }
            if pins.attempts.len() > MAX_ATTEMPTS {
                pins.attempts.retain(|_, attempts| !attempts.is_forgiven(now));
            }
            pin
        };
        if !hash.is_of(entered) {
            return PinVerdict::Wrong;
        }
        let mut pins = self.lock();
        pins.attempts.remove(&AttemptSource::Mailbox(mailbox.clone()));
        // A telephone that knows one PIN may still be guessing others, so its earlier wrong PINs stay counted.
        if let Some(attempts) = caller.and_then(|caller| pins.attempts.get_mut(&AttemptSource::Caller(caller.clone()))) {
            attempts.handle_right();
        }
        pin_use.verdict()
    }

    fn lock(&self) -> MutexGuard<'_, Pins> {
        self.0.lock()
    }
}

/// Hashes on the thread of the caller, which takes some milliseconds and waits for nothing.
#[async_trait]
impl PinStore for MemoryPins {
    async fn check(&self, mailbox: &MailboxId, caller: Option<&CallerNumber>, entered: &str, now: DateTime<Utc>) -> PinVerdict {
        self.check(mailbox, caller, entered, now)
    }

    async fn set(&self, mailbox: &MailboxId, pin: &Pin) -> Result<(), PinStoreError> {
        self.set(mailbox.clone(), PinHash::new(pin));
        Ok(())
    }
}

/// How many sources are remembered before those without counted wrong PINs are forgotten.
const MAX_ATTEMPTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-22T18:00:00Z".parse().unwrap()
    }

    /// A hash of one round, so that the tests are fast.
    fn quick(pin: &str) -> PinHash {
        PinHash::in_rounds(&pin.parse().unwrap(), 1)
    }

    fn pins() -> (MemoryPins, MailboxId) {
        let (pins, mailbox) = (MemoryPins::default(), "2041".parse::<MailboxId>().unwrap());
        pins.set(mailbox.clone(), quick("480913"));
        (pins, mailbox)
    }

    #[test]
    fn five_wrong_pins_lock_out_the_right_pin_until_forgiveness() {
        let (pins, mailbox) = pins();
        for _ in 0..5 {
            assert_eq!(pins.check(&mailbox, None, "0000", now()), PinVerdict::Wrong);
        }
        let PinVerdict::Locked(wait) = pins.check(&mailbox, None, "480913", now()) else { panic!("locked, in another call too") };
        assert_eq!(pins.check(&mailbox, None, "480913", now() + wait), PinVerdict::Right);
        assert_eq!(pins.check(&mailbox, None, "0000", now()), PinVerdict::Wrong, "a right PIN clears the count");
    }

    #[tokio::test]
    async fn an_initial_pin_opens_until_its_owner_sets_another() {
        let (pins, mailbox) = pins();
        pins.set_initial(mailbox.clone(), quick("553201"));
        for _ in 0..2 {
            assert_eq!(pins.check(&mailbox, None, "553201", now()), PinVerdict::Initial, "also after a call that was cut off");
        }
        assert_eq!(pins.check(&mailbox, None, "480913", now()), PinVerdict::Wrong);
        let store: std::sync::Arc<dyn PinStore> = std::sync::Arc::new(pins);
        store.set(&mailbox, &"719305".parse().unwrap()).await.unwrap();
        for (entered, verdict) in [("553201", PinVerdict::Wrong), ("719305", PinVerdict::Right)] {
            assert_eq!(store.check(&mailbox, None, entered, now()).await, verdict);
        }
    }

    #[test]
    fn a_telephone_that_tries_many_mailboxes_is_locked_out_alone() {
        let (pins, mailbox) = pins();
        let thief: CallerNumber = "4420".parse().unwrap();
        for number in 0..5 {
            let other: MailboxId = format!("30{number}").parse().unwrap();
            pins.set(other.clone(), quick("480913"));
            assert_eq!(pins.check(&other, Some(&thief), "0000", now()), PinVerdict::Wrong);
        }
        assert!(matches!(pins.check(&mailbox, Some(&thief), "480913", now()), PinVerdict::Locked(_)));
        let owner: CallerNumber = "4421".parse().unwrap();
        for _ in 0..10 {
            assert_eq!(pins.check(&mailbox, Some(&owner), "480913", now()), PinVerdict::Right);
        }
    }

    #[test]
    fn many_calls_at_once_get_no_more_tries() {
        let (pins, mailbox) = pins();
        let tried = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..32).map(|_| scope.spawn(|| pins.check(&mailbox, None, "0000", now()))).collect();
            calls.into_iter().map(|call| call.join().unwrap()).filter(|verdict| *verdict == PinVerdict::Wrong).count()
        });
        assert_eq!(tried, 5);
    }
}
