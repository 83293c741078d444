//! [`Users`]: who may subscribe to which mailboxes, and how often somebody may be wrong.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::digest::{DigestAuthenticator, DigestVerdict};
use super::super::message::{HeaderName, Headers, Method};
use super::SipLimits;
use crate::message::MailboxId;
use crate::retry::{Failures, network_of};

/// Who may subscribe.
#[derive(Debug)]
pub(super) struct Users {
    authenticator: DigestAuthenticator,
    mailboxes: HashMap<String, Vec<MailboxId>>,
    /// Wrong proofs by address and user: a user behind a proxy that all share is held up by nobody else's mistakes. All names that nobody
    /// has count as one. Only answers to challenges that reached the address count, so nobody can hold up another by a forged address.
    failures: Failures<(IpAddr, Option<String>)>,
    /// Wrong proofs by user, from wherever they come: guesses that many addresses share are slowed, too.
    failures_of_user: Failures<String>,
    /// The networks from which a user has proven to be there, with the time of the last proof: they are heard whatever others guess.
    authenticated_from: HashMap<(IpAddr, String), Instant>,
}

/// What a request has proven.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Authentication {
    /// It is this user's.
    User(String),
    /// Nothing; these are the challenges to answer.
    Challenge(Vec<String>),
    /// Nothing, and no more is heard from there for a while.
    TooManyFailures,
    /// Nothing: this user is guessed at from many addresses, and this is none that the user is known to be at. It may try again.
    RetryLater,
}

impl Users {
    /// Those of `mailboxes`, who may fail as often as `limits` say.
    pub(super) fn new(
        authenticator: DigestAuthenticator,
        mailboxes: HashMap<String, Vec<MailboxId>>,
        limits: &SipLimits,
    ) -> Self {
        Self {
            authenticator,
            mailboxes,
            failures: Failures::new(limits.max_failures, FORGIVEN_AFTER),
            failures_of_user: Failures::new(limits.max_failures_per_user, FORGIVEN_AFTER / 10),
            authenticated_from: HashMap::new(),
        }
    }

    /// Checks what a request of `method` from `source` says of who sends it. One that is in a dialog of `owner`, whose tags nobody
    /// else knows, is heard however often others have failed.
    pub(super) fn check(
        &mut self,
        headers: &Headers,
        method: &Method,
        source: IpAddr,
        owner: Option<&str>,
        now: Instant,
    ) -> Authentication {
        let mut stale = false;
        for value in headers.all(HeaderName::Authorization) {
            let claimed = DigestAuthenticator::user_of(value).filter(|user| self.mailboxes.contains_key(user));
            let network = network_of(source);
            let trusted = owner.is_some() && claimed.as_deref() == owner;
            if !trusted && self.failures.is_full(&(network, claimed.clone()), now) {
                return Authentication::TooManyFailures;
            }
            let guessed_at = |user: &String| self.failures_of_user.is_full(user, now) && !self.is_known_at(network, user, now);
            if !trusted && claimed.as_ref().is_some_and(guessed_at) {
                return Authentication::RetryLater;
            }
            match self.authenticator.check(value, method.as_str(), source, now) {
                DigestVerdict::Authenticated(user) => {
                    self.note_authenticated(network, &user, now);
                    return Authentication::User(user);
                }
                DigestVerdict::Stale => stale = true,
                DigestVerdict::NotApplicable => {}
                DigestVerdict::Wrong { user } => {
                    if let Some(user) = &user {
                        self.failures_of_user.add(user.clone(), now);
                    }
                    self.failures.add((network, user), now);
                }
            }
        }
        Authentication::Challenge(self.authenticator.challenge(source, stale, now))
    }

    /// Whether `user` has proven to be at `network` within the last month.
    fn is_known_at(&self, network: IpAddr, user: &str, now: Instant) -> bool {
        let authenticated_at = self.authenticated_from.get(&(network, user.to_owned()));
        authenticated_at.is_some_and(|authenticated_at| now.saturating_duration_since(*authenticated_at) < KNOWN_FOR)
    }

    fn note_authenticated(&mut self, network: IpAddr, user: &str, now: Instant) {
        let place = (network, user.to_owned());
        if self.authenticated_from.len() >= MAX_KNOWN && !self.authenticated_from.contains_key(&place) {
            let oldest = self
                .authenticated_from
                .iter()
                .min_by_key(|(_, authenticated_at)| **authenticated_at)
                .map(|(place, _)| place.clone());
            oldest.map(|oldest| self.authenticated_from.remove(&oldest));
        }
        self.authenticated_from.insert(place, now);
    }

    /// Returns the mailbox whose state `user` subscribes to: the one that was `asked` for, if the user may see it, or else the user's own, which
    /// is the first. A telephone that subscribes to its own user name, or to another name that no user has as a mailbox, means its own.
    pub(super) fn mailbox(&self, user: &str, asked: Option<&MailboxId>) -> Option<&MailboxId> {
        let mailboxes = self.mailboxes.get(user)?;
        let is_mailbox = |asked: &MailboxId| asked.is_number() || self.mailboxes.values().any(|all| all.contains(asked));
        match asked.filter(|asked| is_mailbox(asked)) {
            Some(asked) => mailboxes.iter().find(|mailbox| *mailbox == asked),
            None => mailboxes.first(),
        }
    }
}

const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// How long an address at which a user was is heard while others guess.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Networks and users that are remembered: some megabytes at most.
const MAX_KNOWN: usize = 16 * 1024;
