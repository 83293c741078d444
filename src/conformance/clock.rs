//! Tests the contract of [`Clock`], as far as it can be seen from outside.

use std::sync::Arc;
use std::task::Context;
use std::thread;
use std::time::{Duration, Instant};

use futures::task::noop_waker;

use crate::clock::Clock;

/// Runs every test of this module, in the runtime that the clock's [`synchronize`](Clock::synchronize) needs, if it needs one.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub fn run_all(clock: &Arc<impl Clock>) {
    honest(clock);
    at_once(clock);
    synchronized(clock);
}

/// **Honest.** The quality of a reading survives being written and read back.
///
/// # Panics
///
/// When the sentence is broken.
pub fn honest(clock: &impl Clock) {
    let quality = clock.now().quality;
    assert_eq!(quality.to_string().parse(), Ok(quality), "honest: the quality does not survive being written and read back");
}

/// **At once.** Many readings, from several threads together, take next to no time.
///
/// # Panics
///
/// When the sentence is broken.
pub fn at_once(clock: &Arc<impl Clock>) {
    let start = Instant::now();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let clock = Arc::clone(clock);
            thread::spawn(move || {
                for _ in 0..1_000 {
                    clock.now();
                }
            })
        })
        .collect();
    for reader in readers {
        assert!(reader.join().is_ok(), "at once: a reading panicked");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "at once: 4000 readings took {:?}", start.elapsed());
}

/// **Synchronized.** [`synchronize`](Clock::synchronize) does not end by itself, and the clock gives readings after it was dropped and called again.
///
/// # Panics
///
/// When the sentence is broken.
pub fn synchronized(clock: &Arc<impl Clock>) {
    let waker = noop_waker();
    for _ in 0..2 {
        let mut work = clock.synchronize();
        for _ in 0..3 {
            assert!(work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "synchronized: the work has ended");
            clock.now();
        }
    }
    at_once(clock);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, SystemClock};

    #[test]
    fn our_clocks_keep_the_contract() {
        run_all(&Arc::new(SystemClock));
        run_all(&Arc::new(ManualClock::at("2025-03-30T00:59:40Z".parse().unwrap())));
    }
}
