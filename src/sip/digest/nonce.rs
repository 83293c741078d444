//! [`Nonces`]: values that are used once, known again without being kept.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::hex;

/// Makes nonces, and knows which it made, for whom and when: each carries that, signed. Only those that proved somebody are kept, with
/// the count they were last used with.
pub(super) struct Nonces {
    key: [u8; KEY_LEN],
    start: Instant,
    lifetime: Duration,
    made: u32,
    used: BTreeMap<NonceId, u32>,
    /// All that were made before this are too old, whatever their lifetime.
    floor: NonceId,
}

/// When a nonce was made, in milliseconds, and which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct NonceId {
    millis: u64,
    number: u32,
}

/// What is known of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NonceStatus {
    /// It was not made here, or for another address.
    Foreign,
    /// It may be used.
    Valid(NonceId),
    /// It was made here, and is too old, or was used with this count before.
    Stale,
}

impl Nonces {
    pub(super) fn new(key: [u8; KEY_LEN], lifetime: Duration, now: Instant) -> Self {
        Self { key, start: now, lifetime, made: 0, used: BTreeMap::new(), floor: NonceId::default() }
    }

    /// A new one for whoever is at `source`.
    pub(super) fn make(&mut self, source: IpAddr, now: Instant) -> String {
        self.made = self.made.wrapping_add(1);
        let made = NonceId { millis: self.millis(now), number: self.made };
        format!("{:012x}{:08x}{}", made.millis, made.number, self.signature(made, source))
    }

    /// What is known of `nonce`, used for the `count`th time by whoever is at `source`.
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

    /// It has proven somebody, with this count.
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
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(..)")
    }
}

/// How long the key is: a block of SHA-256.
pub(super) const KEY_LEN: usize = 64;
const SIGNATURE_LEN: usize = 16;
/// Some hundred kilobytes.
const MOST_USED: usize = 4096;
