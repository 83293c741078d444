//! [`ServerExchange`]: the server's side of a SASL exchange, without a connection.

use std::fmt;
use std::str;

use encodify::base64::STANDARD;

use super::scram::{ClientFinal, ClientFirst, Key, ServerFirst, auth_message};
use super::{Mechanism, NONCE_LEN, PeerName, StoredPassword, login, plain};

/// The mechanisms that a server offers, strongest first.
pub(crate) const SERVER_MECHANISMS: [Mechanism; 3] = [Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];

/// One authentication exchange: responses go in, challenges come out.
pub(crate) struct ServerExchange {
    step: ServerStep,
}

/// The response that an exchange waits for.
enum ServerStep {
    /// PLAIN: name and password.
    Plain,
    /// LOGIN: the name.
    LoginName,
    /// LOGIN: the password.
    LoginPassword { name: Vec<u8> },
    /// SCRAM: the client's first message.
    ScramFirst { nonce: String },
    /// SCRAM: the client's final message.
    ScramFinal(Box<Scram>),
    /// None: the client's proof is being checked. If it is right, SCRAM sends `server_final` next.
    Checking { server_final: Option<String> },
    /// SCRAM: an empty response to the server's final message.
    ScramEnd(PeerName),
}

/// The first half of a SCRAM exchange.
struct Scram {
    header: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    peer: Option<PeerName>,
    stored: StoredPassword,
}

/// The next action of the server in an exchange.
#[derive(Debug)]
pub(crate) enum ExchangeAction {
    /// Send this challenge, which is in base64.
    Challenge(String),
    /// Check this login attempt, then call [`ServerExchange::handle_checked`].
    Check(LoginAttempt),
    /// The exchange is over, and this peer is authenticated.
    Authenticated(PeerName),
    /// The exchange is over, and the client is not authenticated.
    Failed(LoginFailure),
}

/// The reason why an authentication failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginFailure {
    /// The response is no message of the mechanism.
    Malformed,
    /// The name or the password is wrong.
    Wrong,
}

/// The stored passwords of all peers.
pub(crate) trait Credentials {
    /// Returns the peer with this name and its stored password. For an unknown name, it returns no peer and a stored password that nothing
    /// matches, so that a client cannot distinguish known from unknown names.
    fn password_of(&self, name: &str) -> (Option<PeerName>, StoredPassword);
}

impl ServerExchange {
    /// An exchange by `mechanism`; `nonce` must be random, and used for this exchange only.
    ///
    /// Returns `None` if the mechanism is none of [`SERVER_MECHANISMS`].
    pub(crate) fn new(mechanism: Mechanism, nonce: [u8; NONCE_LEN]) -> Option<Self> {
        let step = match mechanism {
            Mechanism::Plain => ServerStep::Plain,
            Mechanism::Login => ServerStep::LoginName,
            Mechanism::ScramSha256 => ServerStep::ScramFirst { nonce: STANDARD.encode(nonce) },
            Mechanism::Xoauth2 | Mechanism::OauthBearer => return None,
        };
        Some(Self { step })
    }

    /// Returns the first challenge, for a client that sent no initial response.
    pub(crate) fn first_challenge(&self) -> String {
        match self.step {
            ServerStep::LoginName => STANDARD.encode(login::NAME_CHALLENGE),
            _ => String::new(),
        }
    }

    /// Handles a response of the client, decoded from base64.
    pub(crate) fn handle_response(&mut self, response: &[u8], credentials: &impl Credentials) -> ExchangeAction {
        let checking = ServerStep::Checking { server_final: None };
        let turn = match std::mem::replace(&mut self.step, checking) {
            ServerStep::Plain => plain::parse(response)
                .map(|(name, password)| ExchangeAction::Check(LoginAttempt::password(name, password, credentials))),
            ServerStep::LoginName => {
                self.step = ServerStep::LoginPassword { name: response.to_vec() };
                Some(ExchangeAction::Challenge(STANDARD.encode(login::PASSWORD_CHALLENGE)))
            }
            ServerStep::LoginPassword { name } => {
                Some(ExchangeAction::Check(LoginAttempt::password(&name, response, credentials)))
            }
            ServerStep::ScramFirst { nonce } => Scram::begin(response, &nonce, credentials).map(|scram| {
                let challenge = STANDARD.encode(scram.server_first.as_bytes());
                self.step = ServerStep::ScramFinal(Box::new(scram));
                ExchangeAction::Challenge(challenge)
            }),
            ServerStep::ScramFinal(scram) => scram.finish(response).map(|(attempt, server_final)| {
                self.step = ServerStep::Checking { server_final: Some(server_final) };
                ExchangeAction::Check(attempt)
            }),
            ServerStep::ScramEnd(peer) => response.is_empty().then_some(ExchangeAction::Authenticated(peer)),
            ServerStep::Checking { .. } => None,
        };
        turn.unwrap_or(ExchangeAction::Failed(LoginFailure::Malformed))
    }

    /// Handles the result of the check: the peer whose login attempt is right, or `None`.
    pub(crate) fn handle_checked(&mut self, proven: Option<PeerName>) -> ExchangeAction {
        let Some(peer) = proven else { return ExchangeAction::Failed(LoginFailure::Wrong) };
        match &mut self.step {
            ServerStep::Checking { server_final } => match server_final.take() {
                Some(server_final) => {
                    self.step = ServerStep::ScramEnd(peer);
                    ExchangeAction::Challenge(STANDARD.encode(server_final.as_bytes()))
                }
                None => ExchangeAction::Authenticated(peer),
            },
            _ => ExchangeAction::Failed(LoginFailure::Malformed),
        }
    }
}

impl fmt::Debug for ServerExchange {
    /// Shows nothing of what was sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerExchange(..)")
    }
}

impl Scram {
    /// Handles the client's first message. RFC 5802 §7.
    fn begin(client_first: &[u8], nonce: &str, credentials: &impl Credentials) -> Option<Self> {
        let ClientFirst { header, bare, name, nonce: client_nonce } = ClientFirst::parse(str::from_utf8(client_first).ok()?)?;
        let (peer, stored) = credentials.password_of(&name);
        let (salt, iterations) = stored.challenge();
        let server_first = ServerFirst { nonce: format!("{client_nonce}{nonce}"), salt: salt.to_vec(), iterations };
        Some(Self {
            header: header.to_owned(),
            client_first_bare: bare.to_owned(),
            server_first: server_first.to_string(),
            nonce: server_first.nonce,
            peer,
            stored,
        })
    }

    /// Handles the client's final message; returns the proof to check, and the server's final message for a proof that is right.
    fn finish(self, client_final: &[u8]) -> Option<(LoginAttempt, String)> {
        let ClientFinal { header, nonce, without_proof, proof } = ClientFinal::parse(str::from_utf8(client_final).ok()?)?;
        if header != self.header.as_bytes() || nonce != self.nonce {
            return None;
        }
        let message = auth_message(&self.client_first_bare, &self.server_first, without_proof);
        let server_final = format!("v={}", self.stored.server_signature(message.as_bytes()));
        Some((LoginAttempt { peer: self.peer, stored: self.stored, proof: Proof::Scram { proof, message } }, server_final))
    }
}

/// A name and its proof, to be checked on a thread where some milliseconds of work delay nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginAttempt {
    peer: Option<PeerName>,
    stored: StoredPassword,
    proof: Proof,
}

#[derive(Clone, PartialEq, Eq)]
enum Proof {
    Password(Vec<u8>),
    Scram { proof: Key, message: String },
}

impl LoginAttempt {
    fn password(name: &[u8], password: &[u8], credentials: &impl Credentials) -> Self {
        // No peer has a name that is not UTF-8.
        let (peer, stored) = credentials.password_of(&String::from_utf8_lossy(name));
        Self { peer, stored, proof: Proof::Password(password.to_vec()) }
    }

    /// Returns the peer whose name is proven, or `None` if the proof is wrong. This takes the same time for known and unknown names.
    pub fn check(self) -> Option<PeerName> {
        let right = match &self.proof {
            Proof::Password(password) => self.stored.matches(password),
            Proof::Scram { proof, message } => self.stored.verifies(proof, message.as_bytes()),
        };
        self.peer.filter(|_| right)
    }
}

impl fmt::Debug for LoginAttempt {
    /// Shows nothing of what was sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginAttempt(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two peers with a password each.
    struct Peers([(PeerName, StoredPassword); 2]);

    impl Credentials for Peers {
        fn password_of(&self, name: &str) -> (Option<PeerName>, StoredPassword) {
            let known = self.0.iter().find(|(known, _)| known.as_str() == name);
            known.map_or((None, StoredPassword::decoy([7; 32], None)), |(name, stored)| (Some(name.clone()), stored.clone()))
        }
    }

    fn peers() -> Peers {
        let peer = |name: &str, password: &str| (name.parse().unwrap(), StoredPassword::of(password).unwrap());
        Peers([peer("berlin", "correct horse"), peer("bonn", "another horse")])
    }

    /// Goes through an exchange; returns the peer that it authenticates.
    fn go(mechanism: Mechanism, responses: &[&[u8]]) -> Option<String> {
        let (peers, mut exchange) = (peers(), ServerExchange::new(mechanism, [7; NONCE_LEN]).unwrap());
        for response in responses {
            let mut turn = exchange.handle_response(response, &peers);
            if let ExchangeAction::Check(attempt) = turn {
                turn = exchange.handle_checked(attempt.check());
            }
            match turn {
                ExchangeAction::Challenge(_) => {}
                ExchangeAction::Authenticated(peer) => return Some(peer.to_string()),
                ExchangeAction::Check(_) | ExchangeAction::Failed(_) => return None,
            }
        }
        None
    }

    #[test]
    fn plain_and_login_accept_the_right_password_and_no_other() {
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

    /// A client's side of SCRAM, by the standard's formulas; `change` changes its final message.
    fn scram(first: &str, password: &str, change: impl Fn(String) -> String) -> Option<String> {
        use ring::{digest, hmac, pbkdf2};
        let (peers, mut exchange) = (peers(), ServerExchange::new(Mechanism::ScramSha256, [7; NONCE_LEN]).unwrap());
        let ExchangeAction::Challenge(challenge) = exchange.handle_response(first.as_bytes(), &peers) else { return None };
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
        let ExchangeAction::Check(attempt) = exchange.handle_response(last.as_bytes(), &peers) else { return None };
        let ExchangeAction::Challenge(last) = exchange.handle_checked(attempt.check()) else { return None };
        let server_key = sign(&salted, b"Server Key");
        let expected = format!("v={}", STANDARD.encode(sign(server_key.as_ref(), message.as_bytes()).as_ref()));
        assert_eq!(STANDARD.decode(last.as_bytes()).unwrap(), expected.as_bytes(), "the server proves itself");
        match exchange.handle_response(b"", &peers) {
            ExchangeAction::Authenticated(peer) => Some(peer.to_string()),
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
    fn a_proof_of_another_or_a_changed_exchange_is_refused() {
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
    fn debug_shows_neither_name_nor_password() {
        let shown = format!("{:?}", LoginAttempt::password(b"berlin", b"correct horse", &peers()));
        assert_eq!(shown, "LoginAttempt(..)");
    }
}
