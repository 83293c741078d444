//! [`HttpClient`]: makes one request on one connection.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper::header::{HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

use super::connect::connect;
use super::{HttpError, HttpSetupError, HttpUrl, Resolve, SystemResolver, TargetPolicy, tls};

/// Makes requests by HTTP/1.1, each on a connection of its own. Clones share the configuration.
///
/// It follows no redirects and keeps no cookies. A name is resolved once for each request; if any of its addresses is not allowed by the
/// [`TargetPolicy`], no connection is made.
///
/// ```no_run
/// use voicemail::http::{HttpClient, HttpRequest, TargetPolicy};
///
/// # async fn post() -> Result<(), Box<dyn std::error::Error>> {
/// let client = HttpClient::builder().authorities(&std::fs::read("/etc/ssl/certs/ca-certificates.crt")?)?.build();
/// let url = "https://hooks.example/voicemail".parse()?;
/// let request = HttpRequest::post(url, TargetPolicy::default(), "{}").header("content-type", "application/json");
/// assert_eq!(client.send(request).await?.status, 204);
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// RFC 9110, 9112.
#[derive(Debug, Clone)]
pub struct HttpClient {
    tls: Option<Arc<ClientConfig>>,
    resolver: Arc<dyn Resolve>,
}

impl HttpClient {
    /// Builds a client that trusts no certificates, and resolves names by the operating system.
    pub fn builder() -> HttpClientBuilder {
        HttpClientBuilder { tls: None, resolver: Arc::new(SystemResolver) }
    }

    /// Makes a request and reads the answer.
    ///
    /// # Errors
    ///
    /// An [`HttpError`]. An answer of any status is no error.
    ///
    /// # Cancel safety
    ///
    /// The server of a dropped call may have got the request or not.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        timeout(request.time_limit, self.exchange(&request)).await.unwrap_or(Err(HttpError::TimedOut))
    }

    async fn exchange(&self, request: &HttpRequest) -> Result<HttpAnswer, HttpError> {
        let made = request.to_hyper()?;
        let connection = connect(&request.url, &request.policy, &*self.resolver, self.tls.as_ref()).await?;
        let protocol = |error: hyper::Error| HttpError::Protocol(error.into());
        let (mut sender, driver) =
            Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(connection)).await.map_err(protocol)?;
        let answer = async {
            let response = sender.send_request(made).await.map_err(protocol)?;
            read_answer(response, request.max_answer).await
        };
        let mut answer = pin!(answer);
        // The driver moves the bytes. It ends when the answer was read, or with the connection.
        tokio::select! {
            answer = &mut answer => answer,
            // The connection may have been reset right behind the whole answer.
            ended = async { if let Err(error) = driver.await { error } else { std::future::pending().await } } => {
                answer.now_or_never().unwrap_or(Err(protocol(ended)))
            }
        }
    }
}

/// Reads up to `most` bytes of the body; the rest is left unread.
async fn read_answer(response: Response<Incoming>, most: usize) -> Result<HttpAnswer, HttpError> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (mut incoming, mut body) = (response.into_body(), Vec::new());
    while body.len() < most {
        let Some(frame) = incoming.frame().await else { break };
        let frame = frame.map_err(|error| HttpError::Protocol(error.into()))?;
        if let Some(data) = frame.data_ref() {
            body.extend_from_slice(&data[..data.len().min(most - body.len())]);
        }
    }
    Ok(HttpAnswer { status, retry_after, body: body.into() })
}

/// Builds an [`HttpClient`].
#[derive(Debug, Clone)]
#[must_use]
pub struct HttpClientBuilder {
    tls: Option<Arc<ClientConfig>>,
    resolver: Arc<dyn Resolve>,
}

impl HttpClientBuilder {
    /// Trusts the authorities in these certificates, in PEM, such as those of the operating system. One that cannot be used is left out, with a warning that
    /// has its place among them: bundles have odd certificates, and one of them should not keep a program from its start.
    ///
    /// # Errors
    ///
    /// [`HttpSetupError::Certificates`] when none of them can be used, or there are none.
    pub fn authorities(self, pem: &[u8]) -> Result<Self, HttpSetupError> {
        Ok(Self { tls: Some(tls::trusting(pem)?), ..self })
    }

    /// Uses this TLS configuration.
    pub fn tls(self, config: Arc<ClientConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Resolves names by `resolver`.
    pub fn resolver(self, resolver: impl Resolve) -> Self {
        Self { resolver: Arc::new(resolver), ..self }
    }

    /// Returns the client.
    pub fn build(self) -> HttpClient {
        HttpClient { tls: self.tls, resolver: self.resolver }
    }
}

/// A request, with its limits.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct HttpRequest {
    /// Where it goes.
    pub url: HttpUrl,
    /// Which servers the URL may lead to.
    pub policy: TargetPolicy,
    /// Further header fields, each with its value.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
    /// How long all of it may take; 20 s by default.
    pub time_limit: Duration,
    /// How many bytes of the answer are read; 64 KiB by default.
    pub max_answer: usize,
}

impl HttpRequest {
    /// A `POST` of `body` to `url`.
    pub fn post(url: HttpUrl, policy: TargetPolicy, body: impl Into<Bytes>) -> Self {
        Self { url, policy, headers: Vec::new(), body: body.into(), time_limit: TIME_LIMIT, max_answer: MAX_ANSWER }
    }

    /// Adds a header field.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets how long all of it may take.
    pub fn time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// Sets how many bytes of the answer are read.
    pub fn max_answer(self, max_answer: usize) -> Self {
        Self { max_answer, ..self }
    }

    fn to_hyper(&self) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut builder = Request::post(self.url.path_and_query()).header(HOST, self.url.authority()).header(USER_AGENT, AGENT);
        for (name, value) in &self.headers {
            builder = builder.header(*name, value);
        }
        builder.body(Full::new(self.body.clone())).map_err(|error| HttpError::InvalidRequest(error.into()))
    }
}

/// The answer of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpAnswer {
    /// The status, such as 200.
    pub status: u16,
    /// The value of `Retry-After`.
    pub retry_after: Option<String>,
    /// The body, as far as it was read.
    pub body: Bytes,
}

const TIME_LIMIT: Duration = Duration::from_secs(20);
const MAX_ANSWER: usize = 64 * 1024;
/// How many bytes the head of an answer may have.
const MAX_HEAD: usize = 64 * 1024;
const AGENT: &str = concat!("voicemail/", env!("CARGO_PKG_VERSION"));
