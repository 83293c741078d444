//! [`IdGenerator`]: makes unguessable tags and branches from one random key.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::super::digest::hex;

/// Makes identifiers of dialogs and transactions.
pub(super) struct IdGenerator {
    key: [u8; Self::KEY_LEN],
    made: u64,
}

impl IdGenerator {
    /// A generator with a random `key`.
    pub(super) const fn new(key: [u8; Self::KEY_LEN]) -> Self {
        Self { key, made: 0 }
    }

    /// A new identifier.
    pub(super) fn next(&mut self) -> String {
        self.made += 1;
        self.name(&[b"next", &self.made.to_be_bytes()])
    }

    /// An identifier for `text`, the same one each time: for responses that are not kept.
    pub(super) fn of(&self, text: &str) -> String {
        self.name(&[b"of", text.as_bytes()])
    }

    fn name(&self, parts: &[&[u8]]) -> String {
        let mut hash = Sha256::new_with_prefix(self.key);
        for part in parts {
            hash.update(part);
        }
        hex(&hash.finalize()[..8])
    }

    /// The length of the key, in bytes.
    pub(super) const KEY_LEN: usize = 32;
}

impl fmt::Debug for IdGenerator {
    /// Does not show the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdGenerator(..)")
    }
}
