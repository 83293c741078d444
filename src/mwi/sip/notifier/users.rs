//! [`Users`]: who may subscribe to which mailboxes, and how often somebody may be wrong.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::digest::{Guard, Verdict};
use super::super::message::{Headers, Method, Name};
use crate::message::MailboxId;

/// Who may subscribe.
#[derive(Debug)]
pub(super) struct Users {
    guard: Guard,
    mailboxes: HashMap<String, Vec<MailboxId>>,
    failures: Failures,
}

/// What a request has proven.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// It is this user's.
    Of(String),
    /// Nothing; these are the challenges to answer.
    None(Vec<String>),
    /// Nothing, and no more is heard from there for a while.
    TooMany,
}

impl Users {
    /// At most `most` failures of one user from one address, one of which is forgiven each minute.
    pub(super) fn new(guard: Guard, mailboxes: HashMap<String, Vec<MailboxId>>, most: u32) -> Self {
        Self { guard, mailboxes, failures: Failures { most, clear_at: HashMap::new() } }
    }

    /// Checks what a request of `method` from `source` says of who sends it.
    pub(super) fn check(&mut self, headers: &Headers, method: &Method, source: IpAddr, now: Instant) -> Proof {
        let mut stale = false;
        for value in headers.all(Name::Authorization) {
            let claimed = Guard::user_of(value).filter(|user| self.mailboxes.contains_key(user));
            if self.failures.is_full(source, claimed.as_deref(), now) {
                return Proof::TooMany;
            }
            match self.guard.check(value, method.as_str(), source, now) {
                Verdict::Proven(user) => return Proof::Of(user),
                Verdict::Stale => stale = true,
                Verdict::Strange => {}
                Verdict::Wrong { user } => self.failures.handle_failure(source, user, now),
            }
        }
        Proof::None(self.guard.challenge(source, stale, now))
    }

    /// Whose state `user` subscribes to: that of the mailbox `asked`, or else the user's own, which is the first.
    pub(super) fn mailbox(&self, user: &str, asked: Option<&MailboxId>) -> Option<&MailboxId> {
        let mailboxes = self.mailboxes.get(user)?;
        match asked {
            Some(asked) => mailboxes.iter().find(|mailbox| *mailbox == asked),
            None => mailboxes.first(),
        }
    }
}

/// Wrong proofs by user and address: a user behind a proxy that all share is held up by nobody else's mistakes. All names that nobody
/// has count as one. Only answers to challenges that reached the address count, so nobody can hold up another by a forged address.
#[derive(Debug)]
struct Failures {
    most: u32,
    /// When all that failed will be forgiven.
    clear_at: HashMap<(IpAddr, Option<String>), Instant>,
}

impl Failures {
    fn is_full(&self, source: IpAddr, user: Option<&str>, now: Instant) -> bool {
        let clear_at = self.clear_at.get(&(source, user.map(str::to_owned)));
        clear_at.is_some_and(|clear_at| clear_at.saturating_duration_since(now) + FORGIVEN_AFTER > FORGIVEN_AFTER * self.most)
    }

    fn handle_failure(&mut self, source: IpAddr, user: Option<String>, now: Instant) {
        if self.clear_at.len() >= MOST_PLACES {
            self.clear_at.retain(|_, clear_at| *clear_at > now);
            if self.clear_at.len() >= MOST_PLACES {
                self.clear_at.clear();
            }
        }
        let clear_at = self.clear_at.entry((source, user)).or_insert(now);
        *clear_at = (*clear_at).max(now) + FORGIVEN_AFTER;
    }
}

const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Some megabytes at most.
const MOST_PLACES: usize = 16 * 1024;
