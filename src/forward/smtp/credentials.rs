//! [`Credentials`]: how the forwarder authenticates; [`TokenSource`]: where its bearer tokens come from.

use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;

use super::dial::host_and_port;
use crate::smtp::client::ClientError;
use crate::smtp::sasl::client::{ClientExchange, Secret};
use crate::smtp::sasl::{Mechanisms, NONCE_LEN};

/// Supplies bearer tokens for AUTH OAUTHBEARER and XOAUTH2, such as those of a cloud provider.
///
/// ```
/// use std::error::Error;
///
/// use async_trait::async_trait;
/// use voicemail::forward::smtp::{SmtpForwarder, TokenSource};
///
/// /// Asks the provider for an access token; here it is always the same.
/// #[derive(Debug)]
/// struct Provider;
///
/// #[async_trait]
/// impl TokenSource for Provider {
///     async fn token(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
///         Ok("ya29.a0Af".to_owned())
///     }
/// }
///
/// let builder = SmtpForwarder::builder("smtp.provider.example:587", "vm.example").token("voicemail@vm.example", Provider);
/// ```
///
/// # Source
///
/// RFC 7628 (OAUTHBEARER), RFC 6750 (bearer tokens).
#[async_trait]
pub trait TokenSource: Debug + Send + Sync + 'static {
    /// Returns a token that is valid now. It is called once for each new connection.
    ///
    /// # Errors
    ///
    /// After any error, the message is tried again later.
    ///
    /// # Cancel safety
    ///
    /// A dropped call is repeated for the next connection.
    async fn token(&self) -> Result<String, Box<dyn StdError + Send + Sync>>;
}

/// Passes every call on, so that an implementation in an `Arc` or a `Box` is one too.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: TokenSource + ?Sized> TokenSource for $wrapper<T> {
            async fn token(&self) -> Result<String, Box<dyn StdError + Send + Sync>> {
                (**self).token().await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);

/// The forwarder's user name, with its password or its source of tokens.
pub(super) enum Credentials {
    Password { user: String, password: String },
    Token { user: String, source: Arc<dyn TokenSource> },
}

impl Credentials {
    /// Begins an authentication by the strongest mechanism that both sides support.
    ///
    /// It is an error if the peer offers none: without authentication, the message would not count as this node's.
    pub(super) async fn exchange(&self, offered: Mechanisms, peer: &str) -> Result<ClientExchange, ClientError> {
        let secret = self.secret(peer).await?;
        let mechanism = secret.mechanism(offered).ok_or_else(|| ClientError::InvalidReply(NO_COMMON_MECHANISM.to_owned()))?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| ClientError::ConnectionLost(error.into()))?;
        Ok(ClientExchange::new(mechanism, secret, nonce))
    }

    async fn secret(&self, peer: &str) -> Result<Secret, ClientError> {
        match self {
            Self::Password { user, password } => Ok(Secret::Password { user: user.clone(), password: password.clone() }),
            Self::Token { user, source } => {
                let token = source.token().await.map_err(ClientError::ConnectionLost)?;
                let (host, port) = host_and_port(peer).unwrap_or((peer, 0));
                Ok(Secret::Token { user: user.clone(), token, host: host.to_owned(), port })
            }
        }
    }
}

impl fmt::Debug for Credentials {
    /// Shows none of the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

const NO_COMMON_MECHANISM: &str = "it offers no AUTH mechanism that fits this login: SCRAM-SHA-256, PLAIN or LOGIN for a password, OAUTHBEARER or \
                                   XOAUTH2 for a token";
