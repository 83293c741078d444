//! [`StoredPassword`]: a password as a server stores it.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use encodify::base64::STANDARD;
use subtle::ConstantTimeEq as _;

use super::scram::{self, KEY_LEN, Key};

/// A password as a server stores it: keys that recognise the password, and from which it cannot be read.
///
/// It has a text form, for configuration files: `SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY`, which other programs
/// use as well. The keys are derived once, by [`of`](Self::of). A password between nodes should come from a random generator, because
/// an attacker who has the keys of a short one can guess it.
///
/// ```
/// use voicemail::intake::StoredPassword;
///
/// let stored = StoredPassword::of("correct horse battery staple")?;
/// assert_eq!(stored.to_text().parse::<StoredPassword>()?, stored);
/// assert_eq!(format!("{stored:?}"), "StoredPassword(..)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// RFC 5802 §3 and §9, with SHA-256 as in RFC 7677 §3.
#[derive(Clone)]
pub struct StoredPassword {
    salt: Vec<u8>,
    iterations: NonZeroU32,
    stored_key: Key,
    server_key: Key,
}

impl StoredPassword {
    /// Derives the stored form of `password`, which must have 8 to 255 printable ASCII characters. This takes some milliseconds.
    ///
    /// # Errors
    ///
    /// [`InvalidPassword`] for any other password. Two programs may encode characters beyond ASCII as different bytes.
    pub fn of(password: &str) -> Result<Self, InvalidPassword> {
        let mut salt = [0; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|_| InvalidPassword::NoRandomNumbers)?;
        Self::with_salt(password, &salt, ITERATIONS)
    }

    /// Derives the stored form with this salt and number of iterations.
    fn with_salt(password: &str, salt: &[u8], iterations: NonZeroU32) -> Result<Self, InvalidPassword> {
        if !(8..=255).contains(&password.len()) || !password.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(InvalidPassword::Unfit);
        }
        let salted = scram::salted_password(password.as_bytes(), salt, iterations);
        let stored_key = scram::stored_key(&scram::client_key(&salted));
        Ok(Self { salt: salt.to_vec(), iterations, stored_key, server_key: scram::server_key(&salted) })
    }

    /// A stored password that no password matches, for an unknown peer. Its salt depends on `seed` only, and it looks `like` that of a
    /// known peer.
    pub(crate) fn decoy(seed: Key, like: Option<&Self>) -> Self {
        let salt_len = like.map_or(SALT_LEN, |like| like.salt.len()).min(KEY_LEN);
        let iterations = like.map_or(ITERATIONS, |like| like.iterations);
        Self { salt: seed[..salt_len].to_vec(), iterations, stored_key: seed, server_key: seed }
    }

    /// Returns the text form. It must be protected like a password, because an attacker who has it can try passwords.
    pub fn to_text(&self) -> String {
        let base64 = |bytes: &[u8]| STANDARD.encode(bytes);
        let (salt, stored, server) = (base64(&self.salt), base64(&self.stored_key), base64(&self.server_key));
        format!("{SCHEME}${}:{salt}${stored}:{server}", self.iterations)
    }

    /// Whether this is the stored form of `password`. This takes the same time for a right and a wrong password.
    pub(crate) fn matches(&self, password: &[u8]) -> bool {
        let salted = scram::salted_password(password, &self.salt, self.iterations);
        scram::server_key(&salted).ct_eq(&self.server_key).into()
    }

    /// Whether `proof` is the proof for `auth_message`, which only a client with the password can compute.
    pub(super) fn verifies(&self, proof: &Key, auth_message: &[u8]) -> bool {
        let client_key = scram::xor(proof, &scram::sign(&self.stored_key, auth_message));
        scram::stored_key(&client_key).ct_eq(&self.stored_key).into()
    }

    /// Returns the signature by which the server proves to the client that it has the password, in base64.
    pub(super) fn server_signature(&self, auth_message: &[u8]) -> String {
        STANDARD.encode(scram::sign(&self.server_key, auth_message))
    }

    /// Returns the salt and the number of iterations, from which a client derives its key.
    pub(crate) fn challenge(&self) -> (&[u8], NonZeroU32) {
        (&self.salt, self.iterations)
    }
}

impl PartialEq for StoredPassword {
    fn eq(&self, other: &Self) -> bool {
        let keys = self.stored_key.ct_eq(&other.stored_key) & self.server_key.ct_eq(&other.server_key);
        (self.salt == other.salt && self.iterations == other.iterations) & bool::from(keys)
    }
}

impl Eq for StoredPassword {}

impl fmt::Debug for StoredPassword {
    /// Shows nothing of the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredPassword(..)")
    }
}

impl FromStr for StoredPassword {
    type Err = InvalidStoredPassword;

    fn from_str(text: &str) -> Result<Self, InvalidStoredPassword> {
        let fields = || {
            let (scheme, rest) = text.split_once('$')?;
            let (challenge, keys) = rest.split_once('$')?;
            let ((iterations, salt), (stored, server)) = (challenge.split_once(':')?, keys.split_once(':')?);
            let key = |text: &str| Key::try_from(STANDARD.decode(text.as_bytes()).ok()?).ok();
            let salt = STANDARD.decode(salt.as_bytes()).ok().filter(|salt| (8..=64).contains(&salt.len()))?;
            let iterations = iterations.parse().ok().filter(|count| (LEAST_ITERATIONS..=MOST_ITERATIONS).contains(count))?;
            (scheme == SCHEME).then_some(Self { salt, iterations, stored_key: key(stored)?, server_key: key(server)? })
        };
        fields().ok_or(InvalidStoredPassword)
    }
}

/// The reason why a password cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPassword {
    /// The password is too short, too long, or has characters that are not printable ASCII.
    #[error("a password has 8 to 255 printable ASCII characters")]
    Unfit,
    /// The operating system gives no random numbers, without which the keys would protect nothing.
    #[error("the operating system gives no random numbers")]
    NoRandomNumbers,
}

/// The error for a text that is no [`StoredPassword`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored password reads SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY, with 4096 to 1000000 iterations")]
pub struct InvalidStoredPassword;

const SALT_LEN: usize = 16;
const SCHEME: &str = "SCRAM-SHA-256";
/// The iterations of a new stored password: some milliseconds of one core.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(16_384).expect("16384 is not zero");
/// The lower limit, RFC 7677 §4.
const LEAST_ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("4096 is not zero");
/// The upper limit, so that no text keeps a node busy for seconds.
const MOST_ITERATIONS: NonZeroU32 = NonZeroU32::new(1_000_000).expect("1000000 is not zero");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_recognised_and_no_other_is() {
        let stored = StoredPassword::of("correct horse").unwrap();
        assert!(stored.matches(b"correct horse"));
        for other in ["correct hors", "correct horse ", "Correct horse", ""] {
            assert!(!stored.matches(other.as_bytes()), "{other:?}");
        }
        assert_ne!(stored, StoredPassword::of("correct horse").unwrap(), "each has its own salt");
    }

    #[test]
    fn the_proof_of_the_example_of_rfc_7677_is_accepted() {
        // RFC 7677 §3. Its password is too short for `of`, so its keys are given.
        let salt = STANDARD.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = scram::salted_password(b"pencil", &salt, LEAST_ITERATIONS);
        let stored_key = scram::stored_key(&scram::client_key(&salted));
        let server_key = scram::server_key(&salted);
        let stored = StoredPassword { salt, iterations: LEAST_ITERATIONS, stored_key, server_key };
        let message =
            b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,\
                        i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof: [u8; 32] = STANDARD.decode(b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap().try_into().unwrap();
        assert!(stored.verifies(&proof, message));
        assert_eq!(stored.server_signature(message), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        for bit in 0..256 {
            let mut other = proof;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!stored.verifies(&other, message));
        }
    }

    #[test]
    fn a_text_form_reads_back_and_others_are_refused() {
        let stored = StoredPassword::of("correct horse").unwrap();
        let text = stored.to_text();
        assert_eq!(text.parse(), Ok(stored));
        for (from, to) in [("SCRAM-SHA-256", "SCRAM-SHA-1"), ("16384", "4095"), ("16384", "1000001"), (":", ";"), ("=", "")] {
            assert_eq!(text.replace(from, to).parse::<StoredPassword>(), Err(InvalidStoredPassword), "{to}");
        }
    }

    #[test]
    fn a_password_is_printable_ascii_of_8_to_255_characters() {
        for password in ["", "seven 7", "caf\u{e9} au lait", "tab\tin it", &"x".repeat(256)] {
            assert_eq!(StoredPassword::of(password), Err(InvalidPassword::Unfit), "{password:?}");
        }
    }
}
