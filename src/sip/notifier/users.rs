//! [`Users`]: the users, the mailboxes that each may subscribe to, and the limits on failed authentications.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::digest::{DigestAuthenticator, DigestVerdict};
use super::super::message::{HeaderName, Headers, Method};
use super::SipLimits;
use crate::message::MailboxId;
use crate::retry::{Failures, network_of};

/// The users that may subscribe.
#[derive(Debug)]
pub(super) struct Users {
    authenticator: DigestAuthenticator,
    mailboxes: HashMap<String, Vec<MailboxId>>,
    /// Failed authentications by address and user, so that a user behind a shared proxy is not locked out by the mistakes of other users. All
    /// unknown names count as one. Only answers to a challenge that reached the address count, so nobody is locked out by a forged address.
    failures: Failures<(IpAddr, Option<String>)>,
    /// Failed authentications by user from all addresses, so that guesses from many addresses are slowed, too.
    failures_of_user: Failures<String>,
    /// The networks from which a user has authenticated, with the time of the last authentication. There, the user is served whatever others
    /// guess.
    authenticated_from: HashMap<(IpAddr, String), Instant>,
}

/// The result of authenticating a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Authentication {
    /// The request is of this user.
    User(String),
    /// The request is not authenticated; these are the challenges for the response.
    Challenge(Vec<String>),
    /// The request is not checked, because too many from its address have failed lately.
    TooManyFailures,
    /// The request is not checked, because many addresses guess the password of this user, and the user has not authenticated from this one
    /// before. The request may be sent again later.
    RetryLater,
}

impl Users {
    /// The users of `mailboxes`, with the failures that `limits` allow.
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

    /// Authenticates a request of `method` from `source`. A request in a dialog of `owner`, whose tags nobody else knows, is checked however
    /// many others have failed.
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

    /// Whether `user` has authenticated from `network` within the last month.
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

    /// The mailbox that `user` subscribes to: the one that is `asked` for, or by default the user's own, which is the first. A name that is no
    /// user's mailbox, such as the user name itself, also means the user's own. `None` where the user may not subscribe to the mailbox.
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
/// How long a network from which a user has authenticated is served while others guess.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// The number of networks and users that are remembered: some megabytes at most.
const MAX_KNOWN: usize = 16 * 1024;
