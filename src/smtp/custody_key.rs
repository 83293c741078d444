//! [`CustodySecret`] and [`CustodyKey`]: the keys by which the node that stores a message proves its receipt to the node that sent it.
//!
//! A receipt that anybody could write would let a message be lost, so it has a tag that only the two nodes can make. Both are made from one secret of the
//! network: the node that stores has the secret, and each other node has a different key, which is HMAC-SHA-256(secret, `"custody key 1" ‖ name`).
//! So no node can write receipts for another one. The secret goes over no line.
//!
//! ```text
//! request:  1;NODE;base64(HMAC-SHA-256(key, "request1" ‖ id ‖ digest))
//! receipt:  1;NODE;base64(HMAC-SHA-256(key, "receipt1" ‖ id ‖ digest ‖ mailbox))
//! ```
//!
//! `NODE` is the name of the node that sent the message, `id` has 16 bytes and `digest`, the SHA-256 of the sound, 32.

use std::fmt;
use std::sync::Arc;

use encodify::base64::STANDARD;
use ring::hmac;

#[cfg(feature = "node")]
use crate::message::MailboxId;
use crate::message::{ContentDigest, MessageId};

/// The secret of a network from which the [`CustodyKey`]s of its nodes are made. The node that stores messages has it.
///
/// ```
/// use voicemail::smtp::{CustodyKey, CustodySecret};
///
/// let secret = CustodySecret::new(&[7; 32]);
/// let for_edge: [u8; 32] = secret.key_bytes("edge.example.com"); // to be given to that node, as a file
/// let key = CustodyKey::new("edge.example.com", &for_edge);
/// ```
#[derive(Clone)]
pub struct CustodySecret(hmac::Key);

impl CustodySecret {
    /// A secret of 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Returns the key of the node with this host name, in any case, for [`CustodyKey::new`].
    pub fn key_bytes(&self, node: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"custody key 1");
        context.update(node.to_ascii_lowercase().as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        bytes
    }

    /// Returns the key of the node that a request names, if that node has made it for this message.
    #[cfg(feature = "node")]
    pub(crate) fn requester(&self, request: &str, id: MessageId, digest: ContentDigest) -> Option<CustodyKey> {
        let (node, _) = split(request)?;
        let key = CustodyKey::new(node, &self.key_bytes(node));
        key.has_made(request, REQUEST, id, digest, "").then_some(key)
    }
}

impl fmt::Debug for CustodySecret {
    /// Shows nothing of the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustodySecret(..)")
    }
}

/// The key of one node, by which it knows the receipts for its messages.
#[derive(Clone)]
pub struct CustodyKey {
    node: Arc<str>,
    key: hmac::Key,
}

impl CustodyKey {
    /// The key of the node with this host name, as [`CustodySecret::key_bytes`] returns it.
    pub fn new(node: &str, bytes: &[u8; 32]) -> Self {
        Self { node: node.to_ascii_lowercase().into(), key: hmac::Key::new(hmac::HMAC_SHA256, bytes) }
    }

    /// The host name of the node, in lower case.
    #[cfg(feature = "node")]
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// Returns the request for a receipt of a message.
    pub(crate) fn request(&self, id: MessageId, digest: ContentDigest) -> String {
        self.line(REQUEST, id, digest, "")
    }

    /// Returns the proof that a message is in a mailbox.
    #[cfg(feature = "node")]
    pub(crate) fn receipt(&self, id: MessageId, mailbox: &MailboxId, digest: ContentDigest) -> String {
        self.line(RECEIPT, id, digest, mailbox.as_str())
    }

    /// Whether `receipt` proves that a message is in a mailbox. It is compared in constant time.
    #[cfg(feature = "node")]
    pub(crate) fn proves(&self, receipt: &str, id: MessageId, mailbox: &MailboxId, digest: ContentDigest) -> bool {
        self.has_made(receipt, RECEIPT, id, digest, mailbox.as_str())
    }

    fn line(&self, purpose: &[u8], id: MessageId, digest: ContentDigest, mailbox: &str) -> String {
        let tag = hmac::sign(&self.key, &input(purpose, id, digest, mailbox));
        format!("{VERSION}{};{}", self.node, STANDARD.encode(tag.as_ref()))
    }

    #[cfg(feature = "node")]
    fn has_made(&self, line: &str, purpose: &[u8], id: MessageId, digest: ContentDigest, mailbox: &str) -> bool {
        let Some((node, tag)) = split(line) else { return false };
        let Ok(tag) = STANDARD.decode(tag.as_bytes()) else { return false };
        node.eq_ignore_ascii_case(&self.node) && hmac::verify(&self.key, &input(purpose, id, digest, mailbox), &tag).is_ok()
    }
}

impl fmt::Debug for CustodyKey {
    /// Shows no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustodyKey").field("node", &self.node).finish_non_exhaustive()
    }
}

#[cfg(feature = "node")]
fn split(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix(VERSION)?.split_once(';')
}

/// The purposes and all parts but the last have fixed lengths, so no two inputs are one text.
fn input(purpose: &[u8], id: MessageId, digest: ContentDigest, mailbox: &str) -> Vec<u8> {
    [purpose, &id.as_bytes()[..], digest.as_bytes(), mailbox.as_bytes()].concat()
}

const VERSION: &str = "1;";
const REQUEST: &[u8; 8] = b"request1";
#[cfg(feature = "node")]
const RECEIPT: &[u8; 8] = b"receipt1";

#[cfg(test)]
#[cfg(feature = "node")]
mod tests {
    use super::*;

    const ID: MessageId = MessageId::from_bytes([3; 16]);

    fn key(node: &str) -> CustodyKey {
        CustodyKey::new(node, &CustodySecret::new(&[7; 32]).key_bytes(node))
    }

    #[test]
    fn only_a_request_of_its_node_for_its_message_counts() {
        let (secret, digest) = (CustodySecret::new(&[7; 32]), ContentDigest::of(b"sound"));
        let request = key("Edge.example").request(ID, digest);
        assert!(request.starts_with("1;edge.example;") && request.bytes().all(|byte| byte.is_ascii_graphic()), "{request}");
        assert_eq!(secret.requester(&request, ID, digest).unwrap().node(), "edge.example");
        assert!(secret.requester(&request, MessageId::from_bytes([4; 16]), digest).is_none());
        assert!(secret.requester(&request, ID, ContentDigest::of(b"other")).is_none());
        assert!(secret.requester(&request.replace("edge", "ege2"), ID, digest).is_none());
        assert!(CustodySecret::new(&[8; 32]).requester(&request, ID, digest).is_none());
        for line in ["", "1;", "1;edge.example", "1;edge.example;", "1;edge.example;AAAA", "2;edge.example;AAAA", ";;;"] {
            assert!(secret.requester(line, ID, digest).is_none(), "{line}");
        }
    }

    #[test]
    fn a_receipt_proves_one_mailbox_sound_and_message_to_one_node() {
        let (mailbox, other) = ("2041".parse().unwrap(), "2042".parse().unwrap());
        let (digest, edge) = (ContentDigest::of(b"sound"), key("edge.example"));
        let receipt = edge.receipt(ID, &mailbox, digest);
        assert!(edge.proves(&receipt, ID, &mailbox, digest));
        assert!(!edge.proves(&receipt, ID, &other, digest) && !edge.proves(&receipt, ID, &mailbox, ContentDigest::of(b"")));
        assert!(!edge.proves(&receipt, MessageId::from_bytes([4; 16]), &mailbox, digest));
        assert!(!edge.proves(&edge.request(ID, digest), ID, &mailbox, digest), "a request is no receipt");
        assert!(!edge.proves(&key("edge2.example").receipt(ID, &mailbox, digest), ID, &mailbox, digest));
        assert_eq!(format!("{edge:?}"), "CustodyKey { node: \"edge.example\", .. }");
    }
}
