//! [`DigestAuthenticator`]: a server's side of digest.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;

use super::nonce::{NonceStatus, Nonces};
use super::params::AuthParams;
use super::{AUTH, DigestAlgorithm, NonceCount, Quoted};

/// What is kept of a user's password in one realm: enough to recognise it, and as good as it in that realm, so it is kept as a
/// password is. `Debug` shows nothing of it.
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
    /// What is to be kept of `password`.
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

/// Knows who may ask: challenges, and checks what is answered.
///
/// A challenge costs no memory: its nonce carries when and for which address it was made, signed with a key of this guard alone. A nonce
/// lives for so long, and proves something once with each count.
#[derive(Debug)]
pub struct DigestAuthenticator {
    realm: String,
    algorithms: Vec<DigestAlgorithm>,
    users: HashMap<String, DigestSecret>,
    unknown_user: DigestSecret,
    nonces: Nonces,
}

/// What has been answered to a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestVerdict {
    /// It proves this user.
    Authenticated(String),
    /// It would, but for the age of its nonce: challenge again, and say so.
    Stale,
    /// It is of another realm, of another server, from another address, or not to be read: challenge as if nothing had been answered.
    NotApplicable,
    /// It is wrong: the name, or the password. `user` is who it would be, if there is one of this name.
    Wrong {
        /// A user who is known.
        user: Option<String>,
    },
}

impl DigestAuthenticator {
    /// A guard of `realm` with this random key, whose nonces live for `lifetime`.
    pub fn new(
        realm: impl Into<String>,
        users: impl IntoIterator<Item = (String, DigestSecret)>,
        key: [u8; Self::KEY_LEN],
        lifetime: Duration,
        now: Instant,
    ) -> Self {
        let unknown_user = DigestSecret { md5: String::new(), sha256: String::new() };
        let (realm, users) = (realm.into(), users.into_iter().collect());
        let algorithms = vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5];
        Self { realm, algorithms, users, unknown_user, nonces: Nonces::new(key, lifetime, now) }
    }

    /// Asks for these only, the one it likes most first; SHA-256 and MD5 unless told.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = DigestAlgorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// How many random bytes the key has.
    pub const KEY_LEN: usize = super::nonce::KEY_LEN;

    /// The WWW-Authenticate fields for who asks from `source`.
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

    /// Who an Authorization field says that it is of, which is not proven by that.
    pub fn user_of(value: &str) -> Option<String> {
        AuthParams::parse(value)?.get("username").map(str::to_owned)
    }

    /// Checks an Authorization field of a request of `method` that came from `source`. It takes as long for a name that is not known as
    /// for one that is. The address that it speaks of is not held against that of the request, which proxies may change on its way.
    pub fn check(&mut self, value: &str, method: &str, source: IpAddr, now: Instant) -> DigestVerdict {
        let Some(params) = AuthParams::parse(value) else { return DigestVerdict::NotApplicable };
        let answer = Answer::of(&params, &self.realm).filter(|answer| self.algorithms.contains(&answer.algorithm));
        let Some(answer) = answer else { return DigestVerdict::NotApplicable };
        let known = self.nonces.look_up(answer.nonce, answer.count, source, now);
        // What was not made here is not even compared: it would tell whether a guess is right, as often as anybody likes.
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
    /// How many nonces are kept.
    pub(super) fn used_nonces(&self) -> usize {
        self.nonces.used_count()
    }
}

/// What a client has answered.
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
            // Without a count, a nonce is good for one time.
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
