//! [`LampPermit`]: the right of a node to show a state, which ends with the lease of the PBX.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use futures::future::poll_fn;

use super::MwiError;
use crate::lock::Lock;
#[cfg(any(feature = "fs", feature = "smtp", feature = "sip", feature = "sntp"))]
use crate::retry::now;

/// The right of a node to show a state, which ends when the node's [lease](super::LampLease) of the mailbox's PBX does.
///
/// While the node holds the lease, its end moves on with each renewal. Once it has ended it stays so: after the next lease, the node shows all
/// states again, by a new permit.
#[derive(Debug, Clone)]
pub struct LampPermit(Ends);

#[derive(Debug, Clone)]
enum Ends {
    Never,
    At(Arc<Lock<Instant>>),
    Before,
}

impl LampPermit {
    /// Returns a permit that never ends: that of the only central node.
    pub const fn unlimited() -> Self {
        Self(Ends::Never)
    }

    /// Returns a permit that has ended: another node holds the lease, or none does.
    pub const fn ended() -> Self {
        Self(Ends::Before)
    }

    /// Returns a permit that ends at `end` by the monotonic clock, unless it is extended before.
    pub fn until(end: Instant) -> Self {
        Self(Ends::At(Arc::new(Lock::new(end))))
    }

    /// Moves the end of the permit to `end`, or leaves a later one; returns whether this was possible: a permit that has ended at `now` stays ended.
    pub fn extend(&self, end: Instant, now: Instant) -> bool {
        match &self.0 {
            Ends::Never => true,
            Ends::Before => false,
            Ends::At(ends_at) => {
                let mut ends_at = ends_at.lock();
                let valid = now < *ends_at;
                if valid {
                    *ends_at = end.max(*ends_at);
                }
                valid
            }
        }
    }

    /// Ends the permit, at `now` at the latest.
    pub fn end(&self, now: Instant) {
        if let Ends::At(ends_at) = &self.0 {
            let mut ends_at = ends_at.lock();
            *ends_at = now.min(*ends_at);
        }
    }

    /// Returns whether a state may be shown at `now`.
    pub fn is_valid_at(&self, now: Instant) -> bool {
        match &self.0 {
            Ends::Never => true,
            Ends::Before => false,
            Ends::At(ends_at) => now < *ends_at.lock(),
        }
    }

    /// Returns when the permit ends unless it is extended; `None` if it never does, or has ended from the beginning.
    pub fn ends_at(&self) -> Option<Instant> {
        match &self.0 {
            Ends::Never | Ends::Before => None,
            Ends::At(ends_at) => Some(*ends_at.lock()),
        }
    }

    /// Polls `showing` only while the permit is valid: also a process that was frozen in the middle of it goes on no further.
    ///
    /// # Errors
    ///
    /// [`MwiError::NotPermitted`] when the permit has ended before; otherwise the errors of `showing`.
    ///
    /// # Cancel safety
    ///
    /// That of `showing`.
    pub async fn guard(&self, showing: impl Future<Output = Result<(), MwiError>>) -> Result<(), MwiError> {
        let mut showing = pin!(showing);
        poll_fn(
            |context| {
                if self.is_valid_at(now()) { showing.as_mut().poll(context) } else { Poll::Ready(Err(MwiError::NotPermitted)) }
            },
        )
        .await
    }
}

/// The present moment. Without the runtime's timers, it is that of the standard library.
#[cfg(not(any(feature = "fs", feature = "smtp", feature = "sip", feature = "sntp")))]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_permit_moves_its_end_on_and_once_ended_stays_so() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let permit = LampPermit::until(start + second);
        assert!(permit.extend(start + 3 * second, start));
        assert!(permit.extend(start + 2 * second, start) && permit.ends_at() == Some(start + 3 * second));
        assert!(permit.is_valid_at(start + 2 * second) && !permit.is_valid_at(start + 3 * second));
        assert!(!permit.extend(start + 9 * second, start + 3 * second));
        assert!(!permit.is_valid_at(start + 4 * second));
        permit.end(start + second);
        assert!(!permit.is_valid_at(start + second) && permit.is_valid_at(start));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_shown_goes_no_further_after_the_end() {
        let permit = LampPermit::until((tokio::time::Instant::now() + Duration::from_secs(2)).into_std());
        let mut steps = 0;
        let showing = async {
            loop {
                steps += 1;
                tokio::time::sleep(Duration::from_millis(900)).await;
            }
        };
        assert!(matches!(permit.guard(showing).await, Err(MwiError::NotPermitted)));
        assert_eq!(steps, 3, "at 0, 0.9 and 1.8 s");
        assert!(matches!(LampPermit::ended().guard(async { Ok(()) }).await, Err(MwiError::NotPermitted)));
        assert!(LampPermit::unlimited().guard(async { Ok(()) }).await.is_ok());
    }
}
