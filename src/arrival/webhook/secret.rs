//! [`WebhookSecret`]: signs requests, and verifies them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use encodify::base64::STANDARD;
use ring::hmac;

/// The secret of an end point, which both sides know: 24 to 64 bytes, written as `whsec_` and their base64.
///
/// ```
/// use voicemail::arrival::webhook::WebhookSecret;
///
/// let secret: WebhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
/// let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
/// assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
/// assert_eq!(format!("{secret:?}"), "WebhookSecret(..)");
/// # Ok::<(), voicemail::arrival::webhook::InvalidSecret>(())
/// ```
///
/// # Source
///
/// Standard Webhooks 1.0.0, "Signature scheme": HMAC-SHA256, version `v1`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

impl WebhookSecret {
    /// Returns a secret of 32 random bytes.
    ///
    /// # Panics
    ///
    /// If the operating system gives no random bits.
    pub fn random() -> Self {
        let mut bytes = vec![0; 32];
        getrandom::fill(&mut bytes).expect("the operating system gives random bits");
        Self(bytes)
    }

    /// Returns the secret as text, to be shown once to the person who configures the receiver.
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// Returns the signature of a request: its id, the time of the try in seconds since 1970, and the body.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        format!("{VERSION}{}", STANDARD.encode(self.tag(id, timestamp, body).as_ref()))
    }

    fn tag(&self, id: &str, timestamp: i64, body: &[u8]) -> hmac::Tag {
        let mut signed = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        signed.update(format!("{id}.{timestamp}.").as_bytes());
        signed.update(body);
        signed.sign()
    }

    /// Checks as a receiver that a request came from somebody who has this secret, less than five minutes before `now`, or after it.
    ///
    /// # Errors
    ///
    /// A [`SignatureFault`]. A receiver should answer it with 400 or 401.
    pub fn verify(&self, headers: SignedHeaders<'_>, body: &[u8], now: DateTime<Utc>) -> Result<(), SignatureFault> {
        let timestamp: i64 = headers.timestamp.parse().map_err(|_| SignatureFault::Unreadable)?;
        if now.timestamp().abs_diff(timestamp) > TOLERANCE.as_secs() {
            return Err(SignatureFault::OtherTime);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let signed = [format!("{}.{timestamp}.", headers.id).as_bytes(), body].concat();
        let matches = |signature: &str| {
            let tag = signature.strip_prefix(VERSION).and_then(|tag| STANDARD.decode(tag.as_bytes()).ok());
            // ring compares in constant time.
            tag.is_some_and(|tag| hmac::verify(&key, &signed, &tag).is_ok())
        };
        if headers.signature.split(' ').any(matches) { Ok(()) } else { Err(SignatureFault::Mismatch) }
    }
}

/// The values of the three header fields of a request that a receiver got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedHeaders<'a> {
    /// The value of `webhook-id`.
    pub id: &'a str,
    /// The value of `webhook-timestamp`.
    pub timestamp: &'a str,
    /// The value of `webhook-signature`: one or more signatures, with spaces between them.
    pub signature: &'a str,
}

impl<'a> SignedHeaders<'a> {
    /// The values of `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    pub const fn new(id: &'a str, timestamp: &'a str, signature: &'a str) -> Self {
        Self { id, timestamp, signature }
    }
}

/// Why a receiver must not believe a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The timestamp is no number.
    #[error("the timestamp of the request cannot be read")]
    Unreadable,
    /// The request is more than five minutes old, or comes from the future.
    #[error("the request is more than five minutes old or ahead")]
    OtherTime,
    /// No signature is one of this secret, for this id, time and body.
    #[error("no signature matches the request")]
    Mismatch,
}

impl FromStr for WebhookSecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let bytes = text.strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key.as_bytes()).ok()).ok_or(InvalidSecret)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(InvalidSecret) }
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// A text that is no [`WebhookSecret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_ and the base64 of 24 to 64 bytes")]
#[non_exhaustive]
pub struct InvalidSecret;

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";
/// By how much the time of a request may differ from that of its receiver.
const TOLERANCE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"type":"voicemail.message.stored","timestamp":"2026-11-28T19:19:05Z","data":{"mailbox":"2001","id":"00112233445566778899aabbccddeeff"}}"#;
    const ID: &str = "msg_00112233445566778899aabbccddeeff";
    const SIGNATURE: &str = "v1,eqK6pnyk/Q3fJz1eaRnmfAbGZlVOt07Z1IVdnyeG0LA=";

    fn secret() -> WebhookSecret {
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX".parse().unwrap()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_893_545 + seconds, 0).unwrap()
    }

    #[test]
    fn a_request_has_the_signature_of_its_id_time_and_body() {
        assert_eq!(secret().sign(ID, 1_795_893_545, BODY), SIGNATURE);
    }

    #[test]
    fn a_receiver_accepts_one_signature_among_several() {
        let both = format!("v1a,AAAA v1,AAAA {SIGNATURE}");
        for (signature, seconds) in [(SIGNATURE, 0), (SIGNATURE, 300), (SIGNATURE, -300), (both.as_str(), 0)] {
            assert_eq!(secret().verify(SignedHeaders::new(ID, "1795893545", signature), BODY, at(seconds)), Ok(()));
        }
    }

    #[test]
    fn a_receiver_refuses_what_was_changed_or_is_old() {
        let verify = |id, timestamp, signature, body, seconds| {
            secret().verify(SignedHeaders::new(id, timestamp, signature), body, at(seconds)).unwrap_err()
        };
        assert_eq!(verify(ID, "1795893545", SIGNATURE, &BODY[1..], 0), SignatureFault::Mismatch);
        assert_eq!(verify("msg_1", "1795893545", SIGNATURE, BODY, 0), SignatureFault::Mismatch);
        assert_eq!(verify(ID, "1795893546", SIGNATURE, BODY, 0), SignatureFault::Mismatch);
        assert_eq!(verify(ID, "1795893545", "", BODY, 0), SignatureFault::Mismatch);
        assert_eq!(verify(ID, "1795893545", &SIGNATURE[3..], BODY, 0), SignatureFault::Mismatch);
        assert_eq!(verify(ID, "1795893545", SIGNATURE, BODY, 301), SignatureFault::OtherTime);
        assert_eq!(verify(ID, "1795893545", SIGNATURE, BODY, -301), SignatureFault::OtherTime);
        assert_eq!(verify(ID, "now", SIGNATURE, BODY, 0), SignatureFault::Unreadable);
    }

    #[test]
    fn a_secret_reads_back_and_has_24_to_64_bytes() {
        let random = WebhookSecret::random();
        assert_eq!(random.to_text().parse(), Ok(random));
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes])).parse::<WebhookSecret>();
        assert!(of(24).is_ok() && of(64).is_ok() && of(23).is_err() && of(65).is_err());
        for not in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!"] {
            assert_eq!(not.parse::<WebhookSecret>(), Err(InvalidSecret), "{not}");
        }
    }
}
