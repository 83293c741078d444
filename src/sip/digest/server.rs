//! [`DigestAuthenticator`]: the server's side of digest authentication.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;

use super::nonce::{NonceStatus, Nonces};
use super::params::AuthParams;
use super::{AUTH, DigestAlgorithm, NonceCount, Quoted};

/// A hash of a user's password in one realm, for servers that do not store passwords.
///
/// It authenticates the user in that realm as the password does, so it must be stored as securely. `Debug` shows nothing of it.
///
/// ```
/// use voicemail::sip::digest::DigestSecret;
///
/// let secret = DigestSecret::of("2041", "pbx.example", "correct horse battery staple");
/// assert_eq!(format!("{secret:?}"), "DigestSecret(..)");
/// ```
///
/// # Source
///
/// RFC 7616 §3.4.2.
#[derive(Clone)]
pub struct DigestSecret {
    md5: String,
    sha256: String,
}

impl DigestSecret {
    /// Hashes `password` of `user` in `realm`.
    pub fn of(user: &str, realm: &str, password: &str) -> Self {
        let parts = [user, realm, password];
        Self { md5: DigestAlgorithm::Md5.hash(&parts), sha256: DigestAlgorithm::Sha256.hash(&parts) }
    }

    fn by(&self, algorithm: DigestAlgorithm) -> &str {
        match algorithm {
            DigestAlgorithm::Md5 => &self.md5,
            DigestAlgorithm::Sha256 => &self.sha256,
        }
    }
}

impl fmt::Debug for DigestSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestSecret(..)")
    }
}

/// Authenticates the users of one realm: makes challenges and checks the answers.
///
/// A challenge takes no memory: its nonce carries its time and number, and a signature over these and the client's address, with a key that
/// only this authenticator has. A nonce is valid for [`nonce_lifetime`](Self::nonce_lifetime), and once for each count.
#[derive(Debug)]
#[must_use]
pub struct DigestAuthenticator {
    realm: String,
    algorithms: Vec<DigestAlgorithm>,
    users: HashMap<String, DigestSecret>,
    unknown_user: DigestSecret,
    nonces: Nonces,
}

/// The result of checking an answer to a challenge.
///
/// A server has to handle each of these, so no variant is added to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestVerdict {
    /// The answer authenticates this user.
    Authenticated(String),
    /// The answer is right, but its nonce is too old or was used before: the server challenges again, with `stale`.
    Stale,
    /// The answer is malformed, or its nonce is of another realm, server or client address: the server challenges as if there were no answer.
    NotApplicable,
    /// The user name or the password is wrong.
    Wrong {
        /// The user name in the answer, if there is a user of this name.
        user: Option<String>,
    },
}

impl DigestAuthenticator {
    /// An authenticator of `realm` that has no user yet and signs nonces with the random `key`.
    pub fn new(realm: impl Into<String>, key: [u8; Self::KEY_LEN], now: Instant) -> Self {
        let unknown_user = DigestSecret { md5: String::new(), sha256: String::new() };
        let algorithms = vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5];
        let nonces = Nonces::new(key, NONCE_LIFETIME, now);
        Self { realm: realm.into(), algorithms, users: HashMap::new(), unknown_user, nonces }
    }

    /// Adds users, each with the secret of its name and this realm.
    pub fn users(mut self, users: impl IntoIterator<Item = (String, DigestSecret)>) -> Self {
        self.users.extend(users);
        self
    }

    /// Offers these algorithms only, in order of preference; by default SHA-256, then MD5.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = DigestAlgorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Sets how long a challenge may be answered; 60 s by default.
    pub const fn nonce_lifetime(mut self, lifetime: Duration) -> Self {
        self.nonces.set_lifetime(lifetime);
        self
    }

    /// The length of the key, in bytes.
    pub const KEY_LEN: usize = super::nonce::KEY_LEN;

    /// The values of the WWW-Authenticate fields for a client at `source`. `stale` says that the previous answer failed for its nonce alone.
    ///
    /// # Source
    ///
    /// RFC 8760 §2.3: one field for each algorithm.
    pub fn challenge(&mut self, source: IpAddr, stale: bool, now: Instant) -> Vec<String> {
        let nonce = self.nonces.make(source, now);
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &DigestAlgorithm| {
            let (realm, name) = (Quoted(&self.realm), algorithm.name());
            format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={name}, qop=\"{AUTH}\"{stale}")
        };
        self.algorithms.iter().map(challenge).collect()
    }

    /// The user name in the value of an Authorization field, which authenticates nobody.
    pub fn user_of(value: &str) -> Option<String> {
        AuthParams::parse(value)?.get("username").map(str::to_owned)
    }

    /// Checks the value of an Authorization field of a request of `method` that came from `source`. The check takes as long for an unknown
    /// user as for a known one. The `uri` in the field is not compared with the Request-URI, which proxies may change.
    pub fn check(&mut self, value: &str, method: &str, source: IpAddr, now: Instant) -> DigestVerdict {
        let Some(params) = AuthParams::parse(value) else { return DigestVerdict::NotApplicable };
        let answer = Answer::of(&params, &self.realm).filter(|answer| self.algorithms.contains(&answer.algorithm));
        let Some(answer) = answer else { return DigestVerdict::NotApplicable };
        let known = self.nonces.look_up(answer.nonce, answer.count, source, now);
        // An answer to a nonce of another server is not compared at all: the result would show, without limit, whether a guess is right.
        if known == NonceStatus::Foreign {
            return DigestVerdict::NotApplicable;
        }
        let user = self.users.get_key_value(answer.user);
        let secret = user.map_or(&self.unknown_user, |(_, secret)| secret).by(answer.algorithm);
        let expected = answer.algorithm.response(secret, answer.nonce, answer.proof.as_ref(), method, answer.uri);
        let right: bool = expected.as_bytes().ct_eq(answer.response.to_ascii_lowercase().as_bytes()).into();
        match (user, known) {
            (Some((user, _)), NonceStatus::Valid(made)) if right => {
                self.nonces.handle_used(made, answer.count, now);
                DigestVerdict::Authenticated(user.clone())
            }
            (Some(_), NonceStatus::Stale | NonceStatus::Foreign) if right => DigestVerdict::Stale,
            (user, _) => DigestVerdict::Wrong { user: user.map(|(user, _)| user.clone()) },
        }
    }
}

#[cfg(test)]
impl DigestAuthenticator {
    /// The number of nonces that are remembered.
    pub(super) fn used_nonces(&self) -> usize {
        self.nonces.used_count()
    }
}

/// The parameters of an Authorization field.
struct Answer<'a> {
    user: &'a str,
    nonce: &'a str,
    uri: &'a str,
    response: &'a str,
    algorithm: DigestAlgorithm,
    proof: Option<NonceCount<'a>>,
    count: u32,
}

impl<'a> Answer<'a> {
    fn of(params: &'a AuthParams<'_>, realm: &str) -> Option<Self> {
        let (proof, count) = match params.get("qop") {
            Some(qop) => {
                let nc = params.get("nc").filter(|nc| nc.len() == 8)?;
                let count = u32::from_str_radix(nc, 16).ok().filter(|count| *count > 0)?;
                qop.eq_ignore_ascii_case(AUTH).then_some((Some(NonceCount { nc, cnonce: params.get("cnonce")? }), count))?
            }
            // Without a count, a nonce is valid once.
            None => (None, 1),
        };
        params.get("realm").filter(|answered| *answered == realm)?;
        Some(Self {
            user: params.get("username")?,
            nonce: params.get("nonce")?,
            uri: params.get("uri")?,
            response: params.get("response")?,
            algorithm: params.get("algorithm").map_or(Some(DigestAlgorithm::Md5), DigestAlgorithm::named)?,
            proof,
            count,
        })
    }
}

/// How long a challenge may be answered where nothing else is set.
const NONCE_LIFETIME: Duration = Duration::from_secs(60);
