//! [`Users`]: who may subscribe to which mailboxes, and how often somebody may be wrong.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::digest::{Guard, Verdict};
use super::super::message::{Headers, Method, Name};
use crate::failures::{Failures, network_of};
use crate::message::MailboxId;

/// Who may subscribe.
#[derive(Debug)]
pub(super) struct Users {
    guard: Guard,
    mailboxes: HashMap<String, Vec<MailboxId>>,
    /// Wrong proofs by address and user: a user behind a proxy that all share is held up by nobody else's mistakes. All names that nobody
    /// has count as one. Only answers to challenges that reached the address count, so nobody can hold up another by a forged address.
    failures: Failures<(IpAddr, Option<String>)>,
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
        Self { guard, mailboxes, failures: Failures::new(most, FORGIVEN_AFTER) }
    }

    /// Checks what a request of `method` from `source` says of who sends it.
    pub(super) fn check(&mut self, headers: &Headers, method: &Method, source: IpAddr, now: Instant) -> Proof {
        let mut stale = false;
        for value in headers.all(Name::Authorization) {
            let claimed = Guard::user_of(value).filter(|user| self.mailboxes.contains_key(user));
            if self.failures.is_full(&(network_of(source), claimed), now) {
                return Proof::TooMany;
            }
            match self.guard.check(value, method.as_str(), source, now) {
                Verdict::Proven(user) => return Proof::Of(user),
                Verdict::Stale => stale = true,
                Verdict::Strange => {}
                Verdict::Wrong { user } => self.failures.add((network_of(source), user), now),
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

const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
