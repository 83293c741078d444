//! [`DigestChallenge`] and [`DigestCredentials`]: the client's side of digest authentication.

use std::fmt;

use super::params::AuthParams;
use super::{AUTH, DigestAlgorithm, NonceCount, Quoted};

/// A user name and a password, for a server that sends a challenge.
///
/// `Debug` shows the name only.
#[derive(Clone)]
pub struct DigestCredentials {
    user: String,
    password: String,
}

impl DigestCredentials {
    /// The credentials of `user`.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

impl fmt::Debug for DigestCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestCredentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The challenge of a server or a proxy: a WWW-Authenticate or Proxy-Authenticate field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestChallenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// The algorithm as the server wrote it, if it named one.
    algorithm_name: Option<String>,
    algorithm: DigestAlgorithm,
    with_qop: bool,
    stale: bool,
}

impl DigestChallenge {
    /// Reads the value of a field; `None` where it is malformed, or asks for a scheme, an algorithm or a `qop` that is not supported.
    pub fn parse(value: &str) -> Option<Self> {
        let params = AuthParams::parse(value)?;
        let text = |name: &str| params.get(name).map(str::to_owned);
        let algorithm_name = text("algorithm");
        let with_qop = match params.get("qop") {
            Some(list) => list.split(',').any(|qop| qop.trim().eq_ignore_ascii_case(AUTH)).then_some(true)?,
            None => false,
        };
        Some(Self {
            realm: text("realm")?,
            nonce: text("nonce")?,
            opaque: text("opaque"),
            algorithm: algorithm_name.as_deref().map_or(Some(DigestAlgorithm::Md5), DigestAlgorithm::named)?,
            algorithm_name,
            with_qop,
            stale: params.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The first of several challenges that is supported: a server lists them in its order of preference.
    ///
    /// # Source
    ///
    /// RFC 8760 §2.4.
    pub fn choose<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        values.into_iter().find_map(Self::parse)
    }

    /// Whether the previous answer was right but its nonce was too old: the same credentials may be sent again.
    pub const fn is_stale(&self) -> bool {
        self.stale
    }

    /// Returns the value of an Authorization or Proxy-Authorization field, for a request of `method` to `uri`. `count` is how often this
    /// challenge has been answered, this time included; `cnonce` is random.
    pub fn answer(&self, credentials: &DigestCredentials, method: &str, uri: &str, count: u32, cnonce: &str) -> String {
        let nc = format!("{count:08x}");
        let proof = self.with_qop.then_some(NonceCount { nc: &nc, cnonce });
        let secret = self.algorithm.hash(&[&credentials.user, &self.realm, &credentials.password]);
        let response = self.algorithm.response(&secret, &self.nonce, proof.as_ref(), method, uri);
        let mut params = vec![
            format!("username={}", Quoted(&credentials.user)),
            format!("realm={}", Quoted(&self.realm)),
            format!("nonce={}", Quoted(&self.nonce)),
            format!("uri={}", Quoted(uri)),
            format!("response=\"{response}\""),
        ];
        params.extend(self.algorithm_name.as_ref().map(|name| format!("algorithm={name}")));
        if self.with_qop {
            params.push(format!("cnonce={}, qop={AUTH}, nc={nc}", Quoted(cnonce)));
        }
        params.extend(self.opaque.as_ref().map(|opaque| format!("opaque={}", Quoted(opaque))));
        format!("Digest {}", params.join(", "))
    }
}
