//! [`ClientExchange`]: the client's side of a SASL exchange, without a connection.

use std::fmt;
use std::num::NonZeroU32;

use encodify::base64::STANDARD;
use subtle::ConstantTimeEq as _;

use super::scram::{self, Key};
use super::{Mechanism, Mechanisms, NONCE_LEN};

/// The credentials of a client: a name with a password or a token.
#[derive(Clone)]
pub(crate) enum Secret {
    Password {
        user: String,
        password: String,
    },
    /// A bearer token; `host` and `port` are the server's, which OAUTHBEARER repeats.
    Token {
        user: String,
        token: String,
        host: String,
        port: u16,
    },
}

impl Secret {
    /// Returns the strongest of the offered mechanisms that works with this secret.
    pub(crate) fn mechanism(&self, offered: Mechanisms) -> Option<Mechanism> {
        offered.strongest_of(match self {
            Self::Password { .. } => &[Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login],
            Self::Token { .. } => &[Mechanism::OauthBearer, Mechanism::Xoauth2],
        })
    }
}

impl fmt::Debug for Secret {
    /// Shows neither name nor secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// One authentication exchange: challenges go in, responses come out.
#[derive(Clone)]
pub(crate) struct ClientExchange {
    mechanism: Mechanism,
    secret: Secret,
    step: ClientStep,
}

#[derive(Clone)]
enum ClientStep {
    /// Nothing was sent yet.
    Start { nonce: String },
    /// The initial response was too long for the AUTH command; it is sent when the server asks for it.
    Withheld { response: String, then: Box<ClientStep> },
    /// The last response was sent, and the server decides.
    Said,
    /// The server has given the reason why it refuses the token, and an empty response was sent.
    Refused,
    /// LOGIN: the server asks for the name next.
    LoginName,
    /// LOGIN: the server asks for the password next.
    LoginPassword,
    /// SCRAM: the client's first message was sent.
    ScramFirst { nonce: String, bare: String },
    /// SCRAM: the client's final message was sent; the server must now prove itself by this signature.
    ScramFinal { server_signature: Key },
    /// SCRAM: the server has proven itself.
    ScramProven,
}

/// The reason why the client stops an authentication exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadChallenge {
    #[error("the server sent a challenge that the mechanism does not have")]
    Unexpected,
    #[error("the server's first SCRAM message cannot be read")]
    Malformed,
    #[error("the server asks for {0} iterations, and between 4096 and 200000 are done")]
    Iterations(u32),
    #[error("the server does not know the password: somebody may be in its place")]
    ServerUnproven,
}

impl ClientExchange {
    /// An exchange by `mechanism`; `nonce` must be random, and used for this exchange only.
    pub(crate) fn new(mechanism: Mechanism, secret: Secret, nonce: [u8; NONCE_LEN]) -> Self {
        Self { mechanism, secret, step: ClientStep::Start { nonce: STANDARD.encode(nonce) } }
    }

    /// Returns the AUTH command, with its line end. An initial response that is too long for a command line waits for the server's challenge.
    ///
    /// # Source
    ///
    /// RFC 4954 §4, RFC 5321 §4.5.3.1.4.
    pub(crate) fn command(&mut self) -> String {
        let name = self.mechanism.name();
        let alone = format!("AUTH {name}\r\n");
        let Some(response) = self.initial() else { return alone };
        let command = format!("AUTH {name} {}\r\n", STANDARD.encode(response.as_bytes()));
        if command.len() <= LONGEST_COMMAND {
            return command;
        }
        let then = Box::new(std::mem::replace(&mut self.step, ClientStep::Said));
        self.step = ClientStep::Withheld { response, then };
        alone
    }

    fn initial(&mut self) -> Option<String> {
        let ClientStep::Start { nonce } = std::mem::replace(&mut self.step, ClientStep::Said) else { return None };
        match (self.mechanism, &self.secret) {
            (Mechanism::ScramSha256, Secret::Password { user, .. }) => {
                let bare = format!("n={},r={nonce}", escaped(user));
                let first = format!("{GS2_HEADER}{bare}");
                self.step = ClientStep::ScramFirst { nonce, bare };
                Some(first)
            }
            (Mechanism::Login, Secret::Password { .. } | Secret::Token { .. }) => {
                self.step = ClientStep::LoginName;
                None
            }
            (Mechanism::Plain | Mechanism::Xoauth2 | Mechanism::OauthBearer, Secret::Password { user, password }) => {
                Some(format!("\0{user}\0{password}"))
            }
            (Mechanism::Xoauth2, Secret::Token { user, token, .. }) => {
                Some(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}"))
            }
            (Mechanism::OauthBearer | Mechanism::Plain | Mechanism::ScramSha256, Secret::Token { user, token, host, port }) => {
                Some(format!("n,a={},\u{1}host={host}\u{1}port={port}\u{1}auth=Bearer {token}\u{1}\u{1}", escaped(user)))
            }
        }
    }

    /// Returns the response to a challenge; both are in base64.
    ///
    /// With SCRAM this takes as long as a password check: some milliseconds, at most a tenth of a second.
    ///
    /// # Errors
    ///
    /// A [`BadChallenge`]; the connection must then be closed.
    pub(crate) fn handle_challenge(&mut self, challenge: &str) -> Result<String, BadChallenge> {
        let response = match (std::mem::replace(&mut self.step, ClientStep::Said), &self.secret) {
            (ClientStep::Withheld { response, then }, _) => {
                self.step = *then;
                response
            }
            (ClientStep::LoginName, Secret::Password { user, .. }) => {
                self.step = ClientStep::LoginPassword;
                user.clone()
            }
            (ClientStep::LoginPassword, Secret::Password { password, .. }) => password.clone(),
            (ClientStep::ScramFirst { nonce, bare }, Secret::Password { password, .. }) => {
                let (last, server_signature) = scram_final(&nonce, &bare, password, &decoded(challenge)?)?;
                self.step = ClientStep::ScramFinal { server_signature };
                last
            }
            (ClientStep::ScramFinal { server_signature }, _) => {
                verify(&server_signature, &decoded(challenge)?)?;
                self.step = ClientStep::ScramProven;
                String::new()
            }
            // The challenge gives the reason why a token is refused; the refusal itself follows the response. RFC 7628 §3.2.3.
            (ClientStep::Said, Secret::Token { .. }) => {
                self.step = ClientStep::Refused;
                if self.mechanism == Mechanism::OauthBearer { "\u{1}".to_owned() } else { String::new() }
            }
            _ => return Err(BadChallenge::Unexpected),
        };
        Ok(STANDARD.encode(response.as_bytes()))
    }

    /// The server has accepted the authentication, with this text in its reply.
    ///
    /// # Errors
    ///
    /// [`BadChallenge::ServerUnproven`] if the mechanism is SCRAM and the server has not proven itself. It may do so in its reply. RFC 5802 §5.
    pub(crate) fn handle_success(&mut self, text: &str) -> Result<(), BadChallenge> {
        match &self.step {
            ClientStep::ScramFinal { server_signature } => {
                let last = decoded(text.trim()).map_err(|_| BadChallenge::ServerUnproven)?;
                verify(server_signature, &last)
            }
            ClientStep::ScramFirst { .. } | ClientStep::Start { .. } | ClientStep::Withheld { .. } => {
                Err(BadChallenge::ServerUnproven)
            }
            ClientStep::Said
            | ClientStep::Refused
            | ClientStep::LoginName
            | ClientStep::LoginPassword
            | ClientStep::ScramProven => Ok(()),
        }
    }
}

impl fmt::Debug for ClientExchange {
    /// Shows nothing of what is sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientExchange({})", self.mechanism.name())
    }
}

/// Returns the client's final message, and the signature by which the server must prove itself. RFC 5802 §3.
fn scram_final(nonce: &str, bare: &str, password: &str, server_first: &str) -> Result<(String, Key), BadChallenge> {
    let mut attributes = server_first.split(',');
    let mut attribute =
        |name| attributes.next().and_then(|attribute| attribute.strip_prefix(name)).ok_or(BadChallenge::Malformed);
    let (both, salt, iterations) = (attribute("r=")?, attribute("s=")?, attribute("i=")?);
    // The nonce must be the client's with a part of the server's after it.
    if both.strip_prefix(nonce).is_none_or(str::is_empty) {
        return Err(BadChallenge::Malformed);
    }
    let salt = STANDARD.decode(salt.as_bytes()).map_err(|_| BadChallenge::Malformed)?;
    let iterations: NonZeroU32 = iterations.parse().map_err(|_| BadChallenge::Malformed)?;
    // RFC 7677 §4 requires at least 4096; the upper limit protects against a hostile server that asks for too much work.
    if !(4096..=200_000).contains(&iterations.get()) {
        return Err(BadChallenge::Iterations(iterations.get()));
    }
    let salted = scram::salted_password(password.as_bytes(), &salt, iterations);
    let without_proof = format!("c={},r={both}", STANDARD.encode(GS2_HEADER.as_bytes()));
    let message = scram::auth_message(bare, server_first, &without_proof);
    let client_key = scram::client_key(&salted);
    let proof = scram::xor(&client_key, &scram::sign(&scram::stored_key(&client_key), message.as_bytes()));
    let server_signature = scram::sign(&scram::server_key(&salted), message.as_bytes());
    Ok((format!("{without_proof},p={}", STANDARD.encode(proof)), server_signature))
}

/// Checks that the server's final message has its signature. RFC 5802 §7.
fn verify(server_signature: &Key, server_final: &str) -> Result<(), BadChallenge> {
    let signature = server_final.split(',').next().and_then(|attribute| attribute.strip_prefix("v="));
    let signature =
        signature.and_then(|signature| STANDARD.decode(signature.as_bytes()).ok()).ok_or(BadChallenge::ServerUnproven)?;
    if bool::from(signature.ct_eq(server_signature)) { Ok(()) } else { Err(BadChallenge::ServerUnproven) }
}

fn decoded(base64: &str) -> Result<String, BadChallenge> {
    let bytes = STANDARD.decode(base64.trim().as_bytes()).map_err(|_| BadChallenge::Malformed)?;
    String::from_utf8(bytes).map_err(|_| BadChallenge::Malformed)
}

/// Returns a name with its equals signs and commas escaped. RFC 5802 §5.1.
fn escaped(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The longest command, in bytes with its line end. RFC 5321 §4.5.3.1.4.
const LONGEST_COMMAND: usize = 512;

/// The GS2 header of a client without channel binding and without an authorisation identity. RFC 5802 §6.
const GS2_HEADER: &str = "n,,";

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Secret {
        Secret::Password { user: "user".to_owned(), password: "pencil".to_owned() }
    }

    fn token() -> Secret {
        let (user, token) = ("u@example.com".to_owned(), "tok".to_owned());
        Secret::Token { user, token, host: "server.example.com".to_owned(), port: 587 }
    }

    fn offered(names: &str) -> Mechanisms {
        let mut offered = Mechanisms::default();
        names.split(' ').for_each(|name| offered.add(name));
        offered
    }

    /// The example of RFC 7677 §3.
    #[test]
    fn scram_gives_the_values_of_the_standard() {
        let mut exchange = ClientExchange::new(Mechanism::ScramSha256, password(), [0; NONCE_LEN]);
        exchange.step = ClientStep::Start { nonce: "rOprNGfwEbeRWgbNEkqO".to_owned() };
        let first = exchange.command();
        let first = STANDARD.decode(first.trim().strip_prefix("AUTH SCRAM-SHA-256 ").unwrap().as_bytes()).unwrap();
        assert_eq!(first, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server_first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = exchange.handle_challenge(&STANDARD.encode(server_first.as_bytes())).unwrap();
        let expected =
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(STANDARD.decode(last.as_bytes()).unwrap(), expected.as_bytes());

        let right = STANDARD.encode(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let wrong = STANDARD.encode(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(exchange.clone().handle_challenge(&wrong), Err(BadChallenge::ServerUnproven));
        assert_eq!(exchange.clone().handle_challenge(&STANDARD.encode(b"e=other-error")), Err(BadChallenge::ServerUnproven));
        assert_eq!(
            exchange.clone().handle_success("welcome"),
            Err(BadChallenge::ServerUnproven),
            "the server has proven nothing"
        );
        assert_eq!(exchange.clone().handle_success(&right), Ok(()));
        assert_eq!(exchange.handle_challenge(&right).as_deref(), Ok(""));
        assert_eq!(exchange.handle_success("welcome"), Ok(()));
    }

    #[test]
    fn a_server_that_weakens_scram_is_broken_off() {
        for (first, expected) in [
            ("r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", BadChallenge::Malformed),
            ("r=nonce,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", BadChallenge::Malformed),
            ("r=nonce1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", BadChallenge::Iterations(1)),
            ("r=nonce1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000", BadChallenge::Iterations(4_000_000_000)),
            ("m=x,r=nonce1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", BadChallenge::Malformed),
        ] {
            let mut exchange = ClientExchange::new(Mechanism::ScramSha256, password(), [0; NONCE_LEN]);
            exchange.step = ClientStep::Start { nonce: "nonce".to_owned() };
            exchange.command();
            assert_eq!(exchange.handle_challenge(&STANDARD.encode(first.as_bytes())), Err(expected), "{first}");
        }
    }

    #[test]
    fn the_strongest_mechanism_that_both_have_is_used() {
        for (names, with_password, with_token) in [
            ("LOGIN PLAIN scram-sha-256 XOAUTH2", Some(Mechanism::ScramSha256), Some(Mechanism::Xoauth2)),
            ("LOGIN PLAIN OAUTHBEARER XOAUTH2", Some(Mechanism::Plain), Some(Mechanism::OauthBearer)),
            ("login CRAM-MD5", Some(Mechanism::Login), None),
            ("GSSAPI", None, None),
        ] {
            assert_eq!(password().mechanism(offered(names)), with_password, "{names}");
            assert_eq!(token().mechanism(offered(names)), with_token, "{names}");
        }
    }

    #[test]
    fn passwords_and_tokens_are_sent_as_each_mechanism_wants() {
        let said = |mechanism, secret: Secret| ClientExchange::new(mechanism, secret, [0; NONCE_LEN]).command();
        assert_eq!(said(Mechanism::Plain, password()), "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n");
        let bearer = said(Mechanism::OauthBearer, token());
        let bearer = STANDARD.decode(bearer.trim().strip_prefix("AUTH OAUTHBEARER ").unwrap().as_bytes()).unwrap();
        assert_eq!(bearer, b"n,a=u@example.com,\x01host=server.example.com\x01port=587\x01auth=Bearer tok\x01\x01");
        let xoauth2 = said(Mechanism::Xoauth2, token());
        let xoauth2 = STANDARD.decode(xoauth2.trim().strip_prefix("AUTH XOAUTH2 ").unwrap().as_bytes()).unwrap();
        assert_eq!(xoauth2, b"user=u@example.com\x01auth=Bearer tok\x01\x01");

        let mut login = ClientExchange::new(Mechanism::Login, password(), [0; NONCE_LEN]);
        assert_eq!(login.command(), "AUTH LOGIN\r\n");
        assert_eq!(login.handle_challenge("VXNlcm5hbWU6").as_deref(), Ok("dXNlcg=="));
        assert_eq!(login.handle_challenge("UGFzc3dvcmQ6").as_deref(), Ok("cGVuY2ls"));
        assert_eq!(login.handle_challenge(""), Err(BadChallenge::Unexpected));
        assert!(!format!("{login:?}").contains("pencil") && !format!("{:?}", password()).contains("pencil"));
    }

    #[test]
    fn a_refused_token_is_answered_so_that_the_refusal_comes() {
        for (mechanism, answer) in [(Mechanism::OauthBearer, "AQ=="), (Mechanism::Xoauth2, "")] {
            let mut exchange = ClientExchange::new(mechanism, token(), [0; NONCE_LEN]);
            exchange.command();
            assert_eq!(exchange.handle_challenge("eyJzdGF0dXMiOiI0MDAifQ==").as_deref(), Ok(answer));
        }
    }

    #[test]
    fn a_token_that_fits_into_no_command_waits_for_the_challenge() {
        let secret = |len: usize| Secret::Token { user: "u".to_owned(), token: "t".repeat(len), host: "h".to_owned(), port: 25 };
        for mechanism in [Mechanism::Xoauth2, Mechanism::OauthBearer] {
            for len in [100, 330, 400, 2000] {
                let mut exchange = ClientExchange::new(mechanism, secret(len), [0; NONCE_LEN]);
                let command = exchange.command();
                assert!(command.len() <= 512, "{len}");
                let alone = format!("AUTH {}\r\n", mechanism.name());
                assert_eq!(command == alone, len >= 400, "{len}: {command}");
                if command == alone {
                    assert_eq!(exchange.handle_success("welcome"), Err(BadChallenge::ServerUnproven), "nothing was proven");
                    let response = exchange.handle_challenge("").unwrap();
                    let response = String::from_utf8(STANDARD.decode(response.as_bytes()).unwrap()).unwrap();
                    assert!(response.contains(&format!("auth=Bearer {}\u{1}", "t".repeat(len))));
                }
                assert_eq!(exchange.handle_success("welcome"), Ok(()));
            }
        }
        let long = Secret::Password { user: "u".repeat(600), password: "pencil".to_owned() };
        let mut exchange = ClientExchange::new(Mechanism::ScramSha256, long, [0; NONCE_LEN]);
        assert_eq!(exchange.command(), "AUTH SCRAM-SHA-256\r\n");
        assert_eq!(exchange.clone().handle_success("welcome"), Err(BadChallenge::ServerUnproven));
        exchange.handle_challenge("").unwrap();
        assert_eq!(exchange.handle_success("welcome"), Err(BadChallenge::ServerUnproven));
    }

    #[test]
    fn a_server_that_never_stops_asking_is_broken_off() {
        for (mechanism, secret, most) in [
            (Mechanism::Plain, password(), 0),
            (Mechanism::Login, password(), 2),
            (Mechanism::ScramSha256, password(), 0),
            (Mechanism::Xoauth2, token(), 1),
            (Mechanism::OauthBearer, token(), 1),
        ] {
            let mut exchange = ClientExchange::new(mechanism, secret, [0; NONCE_LEN]);
            exchange.command();
            let answered = (0..9).take_while(|_| exchange.handle_challenge("eyJzdGF0dXMiOiI0MDEifQ==").is_ok()).count();
            assert_eq!(answered, most, "{mechanism:?}");
        }
    }
}
