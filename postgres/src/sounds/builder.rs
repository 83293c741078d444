//! [`SoundStoreBuilder`]: opens the object store of a URL.

use std::fmt;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreScheme};
#[cfg(feature = "cloud")]
use tokio_rustls::rustls::ClientConfig;
use url::Url;

use super::{SoundStore, SoundUrlError};

/// Opens the object store of a URL; made by [`SoundStore::builder`].
#[derive(Clone)]
pub struct SoundStoreBuilder {
    url: String,
    #[cfg(feature = "cloud")]
    pub(super) options: Vec<(String, String)>,
    #[cfg(feature = "cloud")]
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl SoundStore {
    /// Begins to open the object store at `url`:
    ///
    /// | URL | sounds are in |
    /// |---|---|
    /// | `file:///srv/voicemail/sounds` | this folder, which must exist, for example on a file server that all nodes mount |
    /// | `memory:///` | the memory of this process, for tests |
    /// | `s3://bucket/prefix` | S3 or a server of its protocol (feature `cloud`) |
    /// | `gs://bucket/prefix` | Google Cloud Storage (feature `cloud`) |
    /// | `az://container/prefix` | Azure (feature `cloud`) |
    ///
    /// A file is flushed with its folder before its put is answered.
    ///
    /// With the feature `cloud`, region, endpoint and credentials come from the environment as `object_store` reads them (`AWS_REGION`,
    /// `AWS_ACCESS_KEY_ID`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME` and so on), and from
    #[cfg_attr(feature = "cloud", doc = "[`option`](SoundStoreBuilder::option).")]
    #[cfg_attr(not(feature = "cloud"), doc = "`option`.")]
    pub fn builder(url: impl Into<String>) -> SoundStoreBuilder {
        SoundStoreBuilder {
            url: url.into(),
            #[cfg(feature = "cloud")]
            options: Vec::new(),
            #[cfg(feature = "cloud")]
            tls: None,
        }
    }
}

impl SoundStoreBuilder {
    /// Sets an option of S3, Google Cloud Storage or Azure, by the name that `object_store` gives it, as `aws_endpoint` or `aws_region`. It overrides
    /// the environment.
    ///
    /// Of the options of HTTP clients there are two: `allow_http`, for an endpoint without TLS, and `proxy_url`.
    #[cfg(feature = "cloud")]
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Sets the TLS configuration, with the roots that are trusted. S3, Google Cloud Storage and Azure need one.
    #[cfg(feature = "cloud")]
    #[must_use]
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Opens the object store. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`SoundUrlError`]: what is wrong with the URL, the options or the folder.
    pub fn build(self) -> Result<SoundStore, SoundUrlError> {
        let url = Url::parse(&self.url).map_err(|error| SoundUrlError::NotAUrl(error.into()))?;
        let (scheme, prefix) =
            ObjectStoreScheme::parse(&url).map_err(|_| SoundUrlError::UnknownScheme(url.scheme().to_owned()))?;
        let objects: Arc<dyn ObjectStore> = match scheme {
            ObjectStoreScheme::Local => return folder(&url),
            ObjectStoreScheme::Memory => Arc::new(InMemory::new()),
            #[cfg(feature = "cloud")]
            ObjectStoreScheme::AmazonS3 | ObjectStoreScheme::GoogleCloudStorage | ObjectStoreScheme::MicrosoftAzure => {
                super::cloud::open(&scheme, &url, self)?
            }
            #[cfg(not(feature = "cloud"))]
            ObjectStoreScheme::AmazonS3 | ObjectStoreScheme::GoogleCloudStorage | ObjectStoreScheme::MicrosoftAzure => {
                return Err(SoundUrlError::NoCloud);
            }
            _ => return Err(SoundUrlError::UnknownScheme(url.scheme().to_owned())),
        };
        Ok(SoundStore::new(if prefix == Path::ROOT { objects } else { Arc::new(PrefixStore::new(objects, prefix)) }))
    }
}

fn folder(url: &Url) -> Result<SoundStore, SoundUrlError> {
    let folder = url.to_file_path().map_err(|()| SoundUrlError::UnknownScheme(url.scheme().to_owned()))?;
    let files = LocalFileSystem::new_with_prefix(&folder).map_err(|source| SoundUrlError::Folder { folder, source })?;
    // Days whose last sound was deleted leave no empty folders.
    Ok(SoundStore::new(Arc::new(files.with_fsync(true).with_automatic_cleanup(true))))
}

impl fmt::Debug for SoundStoreBuilder {
    /// Shows neither the URL nor the options: they can contain passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SoundStoreBuilder(..)")
    }
}
