//! SCRAM-SHA-256: the messages and the keys, which client and server share.
//!
//! # Source
//!
//! RFC 5802 §3, §5 and §7, with SHA-256 as RFC 7677 §3 has it.

use std::fmt;
use std::num::NonZeroU32;

use encodify::base64::STANDARD;
use ring::{digest, hmac, pbkdf2};

/// The client's first message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientFirst<'a> {
    /// The GS2 header with its last comma, which the client's final message repeats in base64.
    pub(crate) header: &'a str,
    /// The message after the header.
    pub(crate) bare: &'a str,
    /// The name that the client wants to prove.
    pub(crate) name: String,
    /// The client's part of the nonce.
    pub(crate) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    /// Parses a client's first message. A request for channel binding or for another authorisation identity is refused with `None`.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.splitn(3, ',');
        let (binding, acting_for, bare) = (fields.next()?, fields.next()?, fields.next()?);
        // "p=" asks for channel binding, which is not offered.
        if !matches!(binding, "n" | "y") {
            return None;
        }
        let mut attributes = bare.split(',');
        let name = unescaped(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
        let acting_for = acting_for.strip_prefix("a=").map_or((acting_for.is_empty()).then(String::new), unescaped)?;
        let header = &text[..text.len() - bare.len()];
        (acting_for.is_empty() || acting_for == name).then_some(Self { header, bare, name, nonce })
    }
}

/// The server's first message; its [`Display`](fmt::Display) is the message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerFirst {
    /// The client's nonce with the server's after it.
    pub(crate) nonce: String,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: NonZeroU32,
}

impl fmt::Display for ServerFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r={},s={},i={}", self.nonce, STANDARD.encode(&self.salt), self.iterations)
    }
}

/// The client's final message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClientFinal<'a> {
    /// The GS2 header of the client's first message.
    pub(crate) header: Vec<u8>,
    /// The nonce of the server's first message.
    pub(crate) nonce: &'a str,
    /// The message without the proof; the proof covers it.
    pub(crate) without_proof: &'a str,
    pub(crate) proof: [u8; KEY_LEN],
}

impl<'a> ClientFinal<'a> {
    /// Parses a client's final message.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let header = STANDARD.decode(attributes.next()?.strip_prefix("c=")?.as_bytes()).ok()?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let proof = STANDARD.decode(proof.as_bytes()).ok()?.try_into().ok()?;
        Some(Self { header, nonce, without_proof, proof })
    }
}

/// Returns the text that the proofs of both sides cover, which RFC 5802 §3 calls `AuthMessage`.
pub(crate) fn auth_message(client_first_bare: &str, server_first: &str, client_final_without_proof: &str) -> String {
    format!("{client_first_bare},{server_first},{client_final_without_proof}")
}

/// A key or a signature.
pub(crate) type Key = [u8; KEY_LEN];

/// Returns the salted password, from which all other keys are derived. This takes some milliseconds.
pub(crate) fn salted_password(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Key {
    let mut salted = [0; KEY_LEN];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password, &mut salted);
    salted
}

/// Returns the key whose possession the client proves.
pub(crate) fn client_key(salted_password: &Key) -> Key {
    sign(salted_password, b"Client Key")
}

/// Returns the hash of the client's key; a server keeps only this hash.
pub(crate) fn stored_key(client_key: &Key) -> Key {
    let digest = digest::digest(&digest::SHA256, client_key);
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// Returns the key whose possession the server proves.
pub(crate) fn server_key(salted_password: &Key) -> Key {
    sign(salted_password, b"Server Key")
}

/// Returns HMAC-SHA-256 of `text`.
pub(crate) fn sign(key: &Key, text: &[u8]) -> Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    tag.as_ref().try_into().expect("HMAC-SHA-256 gives 32 bytes")
}

/// Returns the exclusive or of two keys: the client's proof from its key and signature, or its key from proof and signature.
pub(crate) fn xor(one: &Key, other: &Key) -> Key {
    std::array::from_fn(|at| one[at] ^ other[at])
}

/// Returns a name with its escaped commas and equals signs restored. RFC 5802 §5.1.
fn unescaped(name: &str) -> Option<String> {
    let mut pieces = name.split('=');
    let mut text = pieces.next()?.to_owned();
    for piece in pieces {
        let (sign, rest) = match piece.as_bytes() {
            [b'2', b'C', ..] => (',', &piece[2..]),
            [b'3', b'D', ..] => ('=', &piece[2..]),
            _ => return None,
        };
        text.push(sign);
        text.push_str(rest);
    }
    Some(text)
}

fn is_nonce(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// The length of a key in bytes.
pub(crate) const KEY_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_commas_and_equals_signs() {
        assert_eq!(unescaped("a=2Cb=3Dc").as_deref(), Some("a,b=c"));
        assert!(["=", "=2c", "a=2", "=2\u{e9}"].iter().all(|name| unescaped(name).is_none()));
    }

    #[test]
    fn the_example_of_rfc_7677_has_the_proofs_that_it_names() {
        // RFC 7677 §3.
        let first = ClientFirst::parse("n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        let server_first = ServerFirst {
            nonce: format!("{}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", first.nonce),
            salt: STANDARD.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(),
            iterations: NonZeroU32::new(4096).unwrap(),
        };
        let last = ClientFinal::parse(
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        )
        .unwrap();
        assert_eq!((first.header.as_bytes(), first.name.as_str()), (&last.header[..], "user"));
        assert_eq!(last.nonce, server_first.nonce);
        let message = auth_message(first.bare, &server_first.to_string(), last.without_proof);
        let salted = salted_password(b"pencil", &server_first.salt, server_first.iterations);
        let key = client_key(&salted);
        assert_eq!(xor(&key, &sign(&stored_key(&key), message.as_bytes())), last.proof);
        let signature = sign(&server_key(&salted), message.as_bytes());
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
