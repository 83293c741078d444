//! Opens S3, Google Cloud Storage and Azure, with TLS by ring and by the roots that the program names.
//!
//! `object_store` would make its HTTP client with another cryptographic library. So it gets one that is made here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use tokio_rustls::rustls::ClientConfig;
use url::Url;

use super::limits::REQUEST_LIMIT;
use super::{SoundStoreBuilder, SoundUrlError};

/// Opens the object store that `scheme` names.
pub(super) fn open(
    scheme: &ObjectStoreScheme,
    url: &Url,
    settings: SoundStoreBuilder,
) -> Result<Arc<dyn ObjectStore>, SoundUrlError> {
    /// The builders of the three have the same methods and no trait in common.
    macro_rules! open {
        ($builder:ident, $key:ident, $endpoint:ident) => {{
            let mut builder = $builder::from_env().with_url(url.as_str());
            for (name, value) in settings.options {
                let key = name.to_ascii_lowercase().parse().ok().filter(|key| !matches!(key, $key::Client(key) if !is_used(*key)));
                builder = builder.with_config(key.ok_or(SoundUrlError::UnknownOption(name))?, value);
            }
            let plain_text = builder.get_config_value(&$key::$endpoint).is_some_and(|endpoint| endpoint.starts_with("http:"));
            if plain_text && builder.get_config_value(&$key::Client(ClientConfigKey::AllowHttp)).as_deref() != Some("true") {
                return Err(SoundUrlError::PlainText);
            }
            let connector = Connector { tls: settings.tls.ok_or(SoundUrlError::NoTls)? };
            let opened = builder.with_retry(retry_config()).with_http_connector(connector).build();
            Ok(Arc::new(opened.map_err(SoundUrlError::Configuration)?))
        }};
    }
    match scheme {
        ObjectStoreScheme::AmazonS3 => open!(AmazonS3Builder, AmazonS3ConfigKey, Endpoint),
        ObjectStoreScheme::GoogleCloudStorage => open!(GoogleCloudStorageBuilder, GoogleConfigKey, BaseUrl),
        ObjectStoreScheme::MicrosoftAzure => open!(MicrosoftAzureBuilder, AzureConfigKey, Endpoint),
        _ => Err(SoundUrlError::UnknownScheme(url.scheme().to_owned())),
    }
}

/// Whether [`Connector`] uses this option.
fn is_used(key: ClientConfigKey) -> bool {
    matches!(key, ClientConfigKey::AllowHttp | ClientConfigKey::ProxyUrl)
}

/// A few tries within the limit of a request: a sender that waits for its answer had better come again soon.
fn retry_config() -> RetryConfig {
    RetryConfig { max_retries: 3, retry_timeout: REQUEST_LIMIT, backoff: BackoffConfig::default() }
}

/// Makes HTTP clients that use the program's TLS configuration.
struct Connector {
    tls: Arc<ClientConfig>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let option = |key| options.get_config_value(&key);
        let mut client = reqwest::Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&self.tls))
            .http1_only()
            .https_only(option(ClientConfigKey::AllowHttp).as_deref() != Some("true"))
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(SILENCE_LIMIT);
        if let Some(proxy) = option(ClientConfigKey::ProxyUrl) {
            client = client.proxy(reqwest::Proxy::all(proxy).map_err(failed)?);
        }
        client.build().map(HttpClient::new).map_err(failed)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector(..)")
    }
}

fn failed(error: reqwest::Error) -> object_store::Error {
    object_store::Error::Generic { store: "HTTP client", source: error.into() }
}

/// The limit of a connection's handshakes.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// How long the server may be silent, from the beginning of a request to its answer and then between two pieces of it. A part of 5 MiB must be
/// uploaded within this time, and two tries fit into the limit of a request.
const SILENCE_LIMIT: Duration = Duration::from_secs(8);
