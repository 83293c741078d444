//! [`Nonces`]: makes the nonces of challenges, and recognises them without storing them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::hex;

/// Makes nonces and checks them. A nonce carries its time and number, and a signature over these and the client's address. Only nonces that
/// authenticated a user are stored, each with the count that it was last used with.
pub(super) struct Nonces {
    key: [u8; KEY_LEN],
    start: Instant,
    lifetime: Duration,
    made: u32,
    used: BTreeMap<NonceId, u32>,
    /// Nonces that were made before this one are too old, whatever their lifetime.
    floor: NonceId,
}

/// A nonce: the time at which it was made, in milliseconds, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct NonceId {
    millis: u64,
    number: u32,
}

/// Whether a nonce may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NonceStatus {
    /// The nonce was made by another server, or for another address.
    Foreign,
    /// The nonce may be used with this count.
    Valid(NonceId),
    /// The nonce was made here, but is too old or was used with this count before.
    Stale,
}

impl Nonces {
    pub(super) fn new(key: [u8; KEY_LEN], lifetime: Duration, now: Instant) -> Self {
        Self { key, start: now, lifetime, made: 0, used: BTreeMap::new(), floor: NonceId::default() }
    }

    /// Makes a nonce for a client at `source`.
    pub(super) fn make(&mut self, source: IpAddr, now: Instant) -> String {
        self.made = self.made.wrapping_add(1);
        let made = NonceId { millis: self.millis(now), number: self.made };
        format!("{:012x}{:08x}{}", made.millis, made.number, self.signature(made, source))
    }

    /// Checks whether a client at `source` may use `nonce` for the `count`th time.
    pub(super) fn look_up(&self, nonce: &str, count: u32, source: IpAddr, now: Instant) -> NonceStatus {
        let read = || {
            let (millis, rest) = nonce.split_at_checked(12)?;
            let (number, signature) = rest.split_at_checked(8)?;
            let made = NonceId { millis: u64::from_str_radix(millis, 16).ok()?, number: u32::from_str_radix(number, 16).ok()? };
            self.is_signature(signature, made, source).then_some(made)
        };
        let Some(made) = read() else { return NonceStatus::Foreign };
        let age = self.millis(now).saturating_sub(made.millis);
        let fresh = made >= self.floor && u128::from(age) <= self.lifetime.as_millis();
        if fresh && self.used.get(&made).is_none_or(|last| count > *last) { NonceStatus::Valid(made) } else { NonceStatus::Stale }
    }

    /// Remembers that `made` authenticated a user with this count.
    pub(super) fn handle_used(&mut self, made: NonceId, count: u32, now: Instant) {
        let oldest = self.millis(now).saturating_sub(u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX));
        self.used = self.used.split_off(&NonceId { millis: oldest, number: 0 });
        if self.used.len() >= MOST_USED
            && let Some((made, _)) = self.used.pop_first()
        {
            self.floor = NonceId { millis: made.millis, number: made.number.saturating_add(1) };
        }
        self.used.insert(made, count);
    }

    pub(super) const fn set_lifetime(&mut self, lifetime: Duration) {
        self.lifetime = lifetime;
    }

    #[cfg(test)]
    pub(super) fn used_count(&self) -> usize {
        self.used.len()
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    fn signature(&self, made: NonceId, source: IpAddr) -> String {
        hex(&self.signed(made, source).finalize().into_bytes()[..SIGNATURE_LEN])
    }

    /// The comparison takes the same time wherever the first difference is.
    fn is_signature(&self, signature: &str, made: NonceId, source: IpAddr) -> bool {
        use subtle::ConstantTimeEq as _;
        self.signature(made, source).as_bytes().ct_eq(signature.as_bytes()).into()
    }

    fn signed(&self, made: NonceId, source: IpAddr) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.key.into());
        mac.update(&made.millis.to_be_bytes());
        mac.update(&made.number.to_be_bytes());
        mac.update(source.to_canonical().to_string().as_bytes());
        mac
    }
}

impl fmt::Debug for Nonces {
    /// Does not show the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(..)")
    }
}

/// The length of the key: a block of SHA-256.
pub(super) const KEY_LEN: usize = 64;
const SIGNATURE_LEN: usize = 16;
/// Nonces that are remembered: some hundred kilobytes.
const MOST_USED: usize = 4096;
