//! [`Users`]: who may subscribe to which mailboxes, and how often somebody may be wrong.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
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
        let clear_at = self.clear_at.get(&(network_of(source), user.map(str::to_owned)));
        clear_at.is_some_and(|clear_at| clear_at.saturating_duration_since(now) + FORGIVEN_AFTER > FORGIVEN_AFTER * self.most)
    }

    fn handle_failure(&mut self, source: IpAddr, user: Option<String>, now: Instant) {
        self.make_room(now);
        let clear_at = self.clear_at.entry((network_of(source), user)).or_insert(now);
        *clear_at = (*clear_at).max(now) + FORGIVEN_AFTER;
    }

    /// Forgets who is clear; if there are too many others, the eighth of them that would be clear next.
    fn make_room(&mut self, now: Instant) {
        if self.clear_at.len() < MOST_PLACES {
            return;
        }
        self.clear_at.retain(|_, clear_at| *clear_at > now);
        if self.clear_at.len() >= MOST_PLACES {
            let mut times: Vec<Instant> = self.clear_at.values().copied().collect();
            let (_, last, _) = times.select_nth_unstable(MOST_PLACES / 8);
            let last = *last;
            self.clear_at.retain(|_, clear_at| *clear_at > last);
        }
    }
}

/// Whoever has one IPv6 address has the whole /64 around it.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Some megabytes at most.
const MOST_PLACES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_address_and_others_as_themselves() {
        let (mut failures, now) = (Failures { most: 2, clear_at: HashMap::new() }, Instant::now());
        let is_full = |failures: &Failures, address: &str| failures.is_full(address.parse().unwrap(), Some("2041"), now);
        for address in ["2001:db8::1", "2001:db8::2"] {
            assert!(!is_full(&failures, address));
            failures.handle_failure(address.parse().unwrap(), Some("2041".into()), now);
        }
        assert!(is_full(&failures, "2001:db8::ffff:3") && !is_full(&failures, "2001:db8:0:1::1"));
        for address in ["192.0.2.1", "::ffff:192.0.2.1"] {
            failures.handle_failure(address.parse().unwrap(), Some("2041".into()), now);
        }
        assert!(is_full(&failures, "192.0.2.1") && !is_full(&failures, "192.0.2.2"));
    }

    #[test]
    fn addresses_without_end_take_no_memory_without_end() {
        let (mut failures, start) = (Failures { most: 2, clear_at: HashMap::new() }, Instant::now());
        let from = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(number));
        let last = 20 * 1024;
        for number in 0..=last {
            let now = start + Duration::from_micros(number.into());
            failures.handle_failure(from(number), None, now);
            failures.handle_failure(from(number), None, now);
        }
        assert!(failures.clear_at.len() <= MOST_PLACES && failures.clear_at.len() > MOST_PLACES / 2);
        assert!(failures.is_full(from(last), None, start + Duration::from_secs(1)), "the newest are remembered");
    }
}
