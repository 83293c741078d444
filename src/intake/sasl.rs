//! [`Exchange`]: how a peer proves its name with a password, step by step, without a connection.

use std::fmt;
use std::str;

use encodify::base64::STANDARD;

use super::access::{Access, PeerName, StoredPassword};
use super::reply::{self, Reply};

/// How a name is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Older than standards; what some systems still have.
    Login,
    /// RFC 7677: the password itself is never said.
    ScramSha256,
}

impl Mechanism {
    /// The mechanism of this name, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        MECHANISMS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, mechanism)| *mechanism)
    }
}

/// The names of all mechanisms, as EHLO tells them.
pub(super) const MECHANISM_NAMES: &str = "SCRAM-SHA-256 PLAIN LOGIN";

const MECHANISMS: [(&str, Mechanism); 3] =
    [("SCRAM-SHA-256", Mechanism::ScramSha256), ("PLAIN", Mechanism::Plain), ("LOGIN", Mechanism::Login)];

/// A proof under way.
pub(super) struct Exchange {
    step: Step,
}

/// What is next.
enum Step {
    Plain,
    LoginName,
    LoginPassword {
        name: Vec<u8>,
    },
    ScramFirst {
        nonce: String,
    },
    ScramFinal(Box<Scram>),
    /// What the client has proven is being checked; then it is told this.
    Checking {
        server_final: Option<String>,
    },
    /// The client has what proves this side to it, and says that it is content.
    ScramEnd(PeerName),
}

/// What was said of a SCRAM exchange when the server has spoken.
struct Scram {
    header: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    peer: Option<PeerName>,
    stored: StoredPassword,
}

/// What an exchange asks for.
#[derive(Debug)]
pub(super) enum Turn {
    /// Send this challenge; it is in base64.
    Challenge(String),
    /// Check this; then call [`Exchange::handle_checked`].
    Check(Attempt),
    /// It is over, and this peer is proven.
    Proven(PeerName),
    /// It is over.
    Refused(Reply),
}

impl Exchange {
    /// A proof by `mechanism`; `nonce` is random, and for this exchange alone.
    pub(super) fn new(mechanism: Mechanism, nonce: [u8; NONCE_LEN]) -> Self {
        let step = match mechanism {
            Mechanism::Plain => Step::Plain,
            Mechanism::Login => Step::LoginName,
            Mechanism::ScramSha256 => Step::ScramFirst { nonce: STANDARD.encode(nonce) },
        };
        Self { step }
    }

    /// What the client is asked first, if it has not begun by itself.
    pub(super) fn first_challenge(&self) -> String {
        match self.step {
            Step::LoginName => STANDARD.encode(b"Username:"),
            _ => String::new(),
        }
    }

    /// Hears what the client answers, with its base64 taken off.
    pub(super) fn handle_response(&mut self, response: &[u8], access: &Access) -> Turn {
        let checking = Step::Checking { server_final: None };
        let turn = match std::mem::replace(&mut self.step, checking) {
            Step::Plain => read_plain(response).map(|(name, password)| Turn::Check(Attempt::password(name, password, access))),
            Step::LoginName => {
                self.step = Step::LoginPassword { name: response.to_vec() };
                Some(Turn::Challenge(STANDARD.encode(b"Password:")))
            }
            Step::LoginPassword { name } => Some(Turn::Check(Attempt::password(&name, response, access))),
            Step::ScramFirst { nonce } => Scram::begin(response, &nonce, access).map(|scram| {
                let challenge = STANDARD.encode(scram.server_first.as_bytes());
                self.step = Step::ScramFinal(Box::new(scram));
                Turn::Challenge(challenge)
            }),
            Step::ScramFinal(scram) => scram.finish(response).map(|(attempt, server_final)| {
                self.step = Step::Checking { server_final: Some(server_final) };
                Turn::Check(attempt)
            }),
            Step::ScramEnd(peer) => response.is_empty().then_some(Turn::Proven(peer)),
            Step::Checking { .. } => None,
        };
        turn.unwrap_or(Turn::Refused(reply::BAD_PROOF))
    }

    /// What was proven has been checked.
    pub(super) fn handle_checked(&mut self, proven: Option<PeerName>) -> Turn {
        let Some(peer) = proven else { return Turn::Refused(reply::LOGIN_REFUSED) };
        match &mut self.step {
            Step::Checking { server_final } => match server_final.take() {
                Some(server_final) => {
                    self.step = Step::ScramEnd(peer);
                    Turn::Challenge(STANDARD.encode(server_final.as_bytes()))
                }
                None => Turn::Proven(peer),
            },
            _ => Turn::Refused(reply::BAD_PROOF),
        }
    }
}

impl fmt::Debug for Exchange {
    /// Shows nothing of what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange(..)")
    }
}

/// Name and password, after whom to act for, which may only be who it is. RFC 4616 §2.
fn read_plain(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = response.split(|byte| *byte == 0);
    let (acting_for, name, password) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = fields.next().is_none() && !name.is_empty() && !password.is_empty();
    (whole && (acting_for.is_empty() || acting_for == name)).then_some((name, password))
}

impl Scram {
    /// Reads the client's first message, and answers it. RFC 5802 §7.
    fn begin(client_first: &[u8], nonce: &str, access: &Access) -> Option<Self> {
        let text = str::from_utf8(client_first).ok()?;
        let mut fields = text.splitn(3, ',');
        let (binding, acting_for, bare) = (fields.next()?, fields.next()?, fields.next()?);
        // "p=" asks for a binding to the TLS channel, which is not offered.
        if !matches!(binding, "n" | "y") {
            return None;
        }
        let mut attributes = bare.split(',');
        let name = unescaped(attributes.next()?.strip_prefix("n=")?)?;
        let client_nonce = attributes.next()?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
        let acting_for = acting_for.strip_prefix("a=").map_or((acting_for.is_empty()).then(String::new), unescaped)?;
        if !(acting_for.is_empty() || acting_for == name) {
            return None;
        }
        let (peer, stored) = access.password_of(&name);
        let (salt, iterations) = stored.challenge();
        let nonce = format!("{client_nonce}{nonce}");
        Some(Self {
            header: text[..text.len() - bare.len()].to_owned(),
            client_first_bare: bare.to_owned(),
            server_first: format!("r={nonce},s={salt},i={iterations}"),
            nonce,
            peer: peer.cloned(),
            stored,
        })
    }

    /// Reads the client's last message: what there is to check, and what to say when it is right.
    fn finish(self, client_final: &[u8]) -> Option<(Attempt, String)> {
        let text = str::from_utf8(client_final).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let header = STANDARD.decode(attributes.next()?.strip_prefix("c=")?.as_bytes()).ok()?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        if header != self.header.as_bytes() || nonce != self.nonce {
            return None;
        }
        let proof = STANDARD.decode(proof.as_bytes()).ok()?.try_into().ok()?;
        let message = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let server_final = format!("v={}", self.stored.server_signature(message.as_bytes()));
        Some((Attempt { peer: self.peer, stored: self.stored, proof: Proof::Scram { proof, message } }, server_final))
    }
}

/// A name with its commas and equals signs back. RFC 5802 §5.1.
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

/// A name and what shall prove it, to be checked where some milliseconds of work hold up nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    peer: Option<PeerName>,
    stored: StoredPassword,
    proof: Proof,
}

#[derive(Clone, PartialEq, Eq)]
enum Proof {
    Password(Vec<u8>),
    Scram { proof: [u8; 32], message: String },
}

impl Attempt {
    fn password(name: &[u8], password: &[u8], access: &Access) -> Self {
        // A name that is no text is one that nobody has.
        let (peer, stored) = access.password_of(&String::from_utf8_lossy(name));
        Self { peer: peer.cloned(), stored, proof: Proof::Password(password.to_vec()) }
    }

    /// Who is proven by it, if anybody. It takes as long for a name that is not known as for one that is.
    pub fn check(self) -> Option<PeerName> {
        let right = match &self.proof {
            Proof::Password(password) => self.stored.is_of(password),
            Proof::Scram { proof, message } => self.stored.is_proven_by(proof, message.as_bytes()),
        };
        self.peer.filter(|_| right)
    }
}

impl fmt::Debug for Attempt {
    /// Shows nothing of what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt(..)")
    }
}

/// How many random bytes an exchange takes.
pub(super) const NONCE_LEN: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::access::{KnownPeer, Sites};

    fn access() -> Access {
        let peer = |name: &str, password: &str| {
            KnownPeer::new(name.parse().unwrap(), Sites::All).password(StoredPassword::of(password).unwrap())
        };
        Access::peers([peer("berlin", "correct horse"), peer("bonn", "another horse")])
    }

    /// Goes through an exchange; answers who was proven.
    fn go(mechanism: Mechanism, responses: &[&[u8]]) -> Option<String> {
        let (access, mut exchange) = (access(), Exchange::new(mechanism, [7; NONCE_LEN]));
        for response in responses {
            let mut turn = exchange.handle_response(response, &access);
            if let Turn::Check(attempt) = turn {
                turn = exchange.handle_checked(attempt.check());
            }
            match turn {
                Turn::Challenge(_) => {}
                Turn::Proven(peer) => return Some(peer.to_string()),
                Turn::Check(_) | Turn::Refused(_) => return None,
            }
        }
        None
    }

    #[test]
    fn plain_and_login_prove_who_has_the_password_and_nobody_else() {
        let berlin = Some("berlin".to_owned());
        assert_eq!(go(Mechanism::Plain, &[b"\0berlin\0correct horse"]), berlin);
        assert_eq!(go(Mechanism::Plain, &[b"berlin\0berlin\0correct horse"]), berlin);
        assert_eq!(go(Mechanism::Login, &[b"berlin", b"correct horse"]), berlin);
        for response in [
            &b"\0berlin\0another horse"[..],
            b"bonn\0berlin\0correct horse",
            b"\0berlin\0correct horse\0",
            b"\0berlin\0correct horse\0x",
            b"\0Berlin\0correct horse",
            b"\0berlin\0",
            b"\0\0correct horse",
            b"berlin\0correct horse",
            b"\0\xff\0correct horse",
            b"",
        ] {
            assert_eq!(go(Mechanism::Plain, &[response]), None, "{response:?}");
        }
        for (name, password) in [("bonn", "correct horse"), ("", ""), ("berlin", "")] {
            assert_eq!(go(Mechanism::Login, &[name.as_bytes(), password.as_bytes()]), None, "{name}");
        }
    }

    /// A client's side of SCRAM, by the standard's formulas; `change` spoils its last message.
    fn scram(first: &str, password: &str, change: impl Fn(String) -> String) -> Option<String> {
        use ring::{digest, hmac, pbkdf2};
        let (access, mut exchange) = (access(), Exchange::new(Mechanism::ScramSha256, [7; NONCE_LEN]));
        let Turn::Challenge(challenge) = exchange.handle_response(first.as_bytes(), &access) else { return None };
        let server_first = String::from_utf8(STANDARD.decode(challenge.as_bytes()).unwrap()).unwrap();
        let field = |name: &str| server_first.split(',').find_map(|field| field.strip_prefix(name)).unwrap();
        let (header, bare) = first.split_at(first.match_indices(',').nth(1).unwrap().0 + 1);
        let without_proof = format!("c={},r={}", STANDARD.encode(header.as_bytes()), field("r="));
        let message = format!("{bare},{server_first},{without_proof}");
        let (salt, iterations) = (STANDARD.decode(field("s=").as_bytes()).unwrap(), field("i=").parse().unwrap());
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let signature = sign(stored_key.as_ref(), message.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, mask)| key ^ mask).collect();
        let last = change(format!("{without_proof},p={}", STANDARD.encode(&proof)));
        let Turn::Check(attempt) = exchange.handle_response(last.as_bytes(), &access) else { return None };
        let Turn::Challenge(last) = exchange.handle_checked(attempt.check()) else { return None };
        let server_key = sign(&salted, b"Server Key");
        let expected = format!("v={}", STANDARD.encode(sign(server_key.as_ref(), message.as_bytes()).as_ref()));
        assert_eq!(STANDARD.decode(last.as_bytes()).unwrap(), expected.as_bytes(), "the server proves itself, too");
        match exchange.handle_response(b"", &access) {
            Turn::Proven(peer) => Some(peer.to_string()),
            _ => None,
        }
    }

    #[test]
    fn scram_proves_both_sides_to_each_other() {
        let berlin = Some("berlin".to_owned());
        for first in ["n,,n=berlin,r=abc", "y,,n=berlin,r=abc", "n,a=berlin,n=berlin,r=abc", "n,,n=berlin,r=abc,x=y"] {
            assert_eq!(scram(first, "correct horse", |last| last), berlin, "{first}");
        }
        for first in [
            "n,,n=bonn,r=abc",
            "n,,n=nobody,r=abc",
            "n,a=bonn,n=berlin,r=abc",
            "p=tls-unique,,n=berlin,r=abc",
            "n,,m=x,n=berlin,r=abc",
            "n,,n=berlin,r=",
            "n,,n=ber=20lin,r=abc",
            "n,,r=abc",
        ] {
            assert_eq!(scram(first, "correct horse", |last| last), None, "{first}");
        }
        assert_eq!(scram("n,,n=berlin,r=abc", "another horse", |last| last), None);
    }

    #[test]
    fn a_proof_for_another_exchange_or_with_a_word_changed_proves_nothing() {
        let changes: [fn(String) -> String; 5] = [
            |last| last.replace("r=abc", "r=abd"),
            |last| last.replace("c=biws", "c=eSws"),
            |last| last.replace(",p=", ",x=y,p="),
            |last| last.replace(",p=", ",p=A"),
            |last| last.split(",p=").next().unwrap().to_owned(),
        ];
        for (at, change) in changes.iter().enumerate() {
            assert_eq!(scram("n,,n=berlin,r=abc", "correct horse", change), None, "change {at}");
        }
    }

    #[test]
    fn a_name_is_taken_with_its_commas() {
        assert_eq!(unescaped("a=2Cb=3Dc").as_deref(), Some("a,b=c"));
        assert!(["=", "=2c", "a=2", "=2\u{e9}"].iter().all(|name| unescaped(name).is_none()));
    }

    #[test]
    fn what_was_said_is_shown_to_nobody() {
        let shown = format!("{:?}", Attempt::password(b"berlin", b"correct horse", &access()));
        assert_eq!(shown, "Attempt(..)");
    }
}
