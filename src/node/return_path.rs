//! [`ReturnPathCheck`]: whether reports about relayed messages find their way back to this node.
//!
//! ```text
//! this node ── a probe, from <> to a return path that it has signed ──▶ relay ──▶ this node
//! ```
//!
//! A probe has the form of a receipt: the null reverse-path, and a return path signed for an id. Nobody else knows that id, and no message has it. So a
//! probe that was forged, or comes a second time, is no probe; and one that cannot be delivered is answered by nobody.
//!
//! Messages are forwarded meanwhile, whatever the result: behind a relay, each stays in the spool until its receipt.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::{Inner, Node, raised};
use crate::error_chain;
use crate::event::{Event, ReturnPathState};
use crate::forward::{Forwarder, Outcome};
use crate::lock::Lock;
use crate::message::MessageId;
use crate::record::LOCAL_DESTINATION;

/// The probes that are under way.
#[derive(Debug)]
pub(super) struct ReturnPathCheck {
    /// How long a probe may take.
    wait: Duration,
    probes: Lock<Probes>,
    /// Notified when a probe or a receipt has come back.
    returned: Notify,
}

#[derive(Debug, Default)]
struct Probes {
    /// The ids of those that may come back, the newest last.
    under_way: VecDeque<MessageId>,
    /// The id of the one that came back last.
    returned: Option<MessageId>,
}

/// The result of a probe.
#[derive(Debug)]
enum Shown {
    NoRelay,
    Works,
    Fails(String),
}

/// The answer of the relay to a probe.
#[derive(Debug)]
enum Sent {
    NoRelay,
    Taken,
    Refused(String),
    NotNow(String),
}

impl ReturnPathCheck {
    pub(super) fn new(wait: Duration) -> Self {
        Self { wait, probes: Lock::default(), returned: Notify::new() }
    }

    /// Handles a mail to the return path of `id`; returns whether it is a probe.
    pub(super) fn handle_mail(&self, id: MessageId) -> bool {
        let mut probes = self.probes.lock();
        if probes.under_way.contains(&id) {
            *probes = Probes { under_way: VecDeque::new(), returned: Some(id) };
            self.returned.notify_one();
        }
        probes.returned == Some(id)
    }

    /// Handles that a receipt has come, which shows the same as a probe.
    pub(super) fn handle_receipt(&self) {
        self.returned.notify_one();
    }

    /// Hands one probe to the relay.
    async fn send(&self, forwarder: &dyn Forwarder) -> Sent {
        // The forwarder may be an integrator's code.
        let sending = AssertUnwindSafe(forwarder.probe_return_path(self.begin())).catch_unwind();
        match timeout(SEND_TIMEOUT, sending).await {
            Ok(Ok(Ok(None))) => Sent::NoRelay,
            Ok(Ok(Ok(Some(Outcome::Accepted | Outcome::Relayed)))) => Sent::Taken,
            Ok(Ok(Ok(Some(Outcome::Refused(reply))))) => Sent::Refused(reply.to_string()),
            Ok(Ok(Ok(Some(Outcome::Deferred(reply))))) => Sent::NotNow(reply.to_string()),
            Ok(Ok(Err(error))) if error.is_transient() => Sent::NotNow(error_chain(&error)),
            Ok(Ok(Err(error))) => Sent::Refused(error_chain(&error)),
            Ok(Err(_)) => Sent::NotNow("the forwarder panicked".to_owned()),
            Err(_) => Sent::NotNow("the forwarder does not answer".to_owned()),
        }
    }

    /// How often the clock is looked at, and how long the pause is before the next attempt.
    fn interval(&self) -> Duration {
        (self.wait / 60).clamp(Duration::from_millis(100), Duration::from_secs(15))
    }

    /// Returns the id of a new probe.
    fn begin(&self) -> MessageId {
        let (id, mut probes) = (MessageId::random(), self.probes.lock());
        if probes.under_way.len() == MOST_UNDER_WAY {
            probes.under_way.pop_front();
        }
        probes.under_way.push_back(id);
        id
    }
}

impl Node {
    /// Finds out whether reports come back through the relay that messages go to, if they go to one.
    pub(super) async fn check_return_path(&self, stopped: watch::Receiver<bool>) {
        let inner = &*self.inner;
        let Some(forwarder) = &inner.forwarder else { return };
        let work = async {
            let mut destinations = inner.destination.subscribe();
            loop {
                let destination = destinations.borrow_and_update().clone();
                let check = async {
                    if *destination.name != *LOCAL_DESTINATION {
                        inner.check_return_path(&**forwarder, &destination.name).await;
                    }
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    () = check => {}
                    changed = destinations.changed() => if changed.is_err() { return },
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = raised(stopped) => {}
        }
    }
}

impl Inner {
    /// Sends probes to `destination`, and reports what they show. It does not end.
    async fn check_return_path(&self, forwarder: &dyn Forwarder, destination: &str) {
        loop {
            match self.probe(forwarder, destination).await {
                Shown::NoRelay => {
                    self.spool.set_return_path(destination, ReturnPathState::Unknown);
                    self.spool.relayed_more().await;
                    continue;
                }
                Shown::Works => {}
                Shown::Fails(reason) => {
                    if self.spool.set_return_path(destination, ReturnPathState::Fails) {
                        self.events.emit(Event::ReturnPathFails { destination: destination.to_owned(), reason });
                    }
                    tokio::select! {
                        () = self.return_path.returned.notified() => {}
                        () = self.pause_after_failure() => continue,
                    }
                }
            }
            if self.spool.set_return_path(destination, ReturnPathState::Works) {
                self.events.emit(Event::ReturnPathWorks { destination: destination.to_owned() });
            }
            self.spool.unconfirmed_more().await;
        }
    }

    /// Sends a probe, again while the relay does not take it, and waits until it or a receipt comes back.
    async fn probe(&self, forwarder: &dyn Forwarder, destination: &str) -> Shown {
        let (check, began) = (&*self.return_path, self.clock.now().instant);
        // A receipt from before says nothing about now.
        let _ = check.returned.notified().now_or_never();
        let mut sent = Sent::NotNow(String::new());
        loop {
            if let Sent::NotNow(_) = sent {
                sent = check.send(forwarder).await;
                match &sent {
                    Sent::NoRelay => return Shown::NoRelay,
                    Sent::Refused(reason) => return Shown::Fails(format!("the relay refused the probe: {reason}")),
                    Sent::Taken | Sent::NotNow(_) => self.spool.note_probe(destination),
                }
            }
            tokio::select! {
                () = check.returned.notified() => return Shown::Works,
                () = sleep(check.interval()) => {}
            }
            if self.passed_since(began) >= check.wait {
                return Shown::Fails(match sent {
                    Sent::NotNow(reason) => format!("the relay has not taken the probe: {reason}"),
                    Sent::NoRelay | Sent::Refused(_) | Sent::Taken => "no probe has come back".to_owned(),
                });
            }
        }
    }

    async fn pause_after_failure(&self) {
        let began = self.clock.now().instant;
        while self.passed_since(began) < self.return_path.wait.saturating_mul(WAITS_BETWEEN) {
            sleep(self.return_path.interval()).await;
        }
    }

    fn passed_since(&self, began: DateTime<Utc>) -> Duration {
        (self.clock.now().instant - began).to_std().unwrap_or_default()
    }
}

/// After a failure, the next probe is sent after so many times the wait for one.
const WAITS_BETWEEN: u32 = 4;
/// How many probes may come back at most.
const MOST_UNDER_WAY: usize = 8;
/// How long a forwarder may take for a probe.
const SEND_TIMEOUT: Duration = Duration::from_secs(10 * 60);

#[cfg(test)]
mod tests;
