//! [`SoundUrlError`].

use std::error::Error as StdError;
use std::path::PathBuf;

/// Why the object store of a URL cannot be opened..
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoundUrlError {
    /// The text is no URL.
    #[error("the address of the object store is not a URL such as s3://bucket/prefix")]
    NotAUrl(#[source] Box<dyn StdError + Send + Sync>),
    /// There is no object store for URLs of this scheme.
    #[error("there is no object store for {0} URLs; use file, s3, gs, az or memory")]
    UnknownScheme(String),
    /// The program was built without the feature that the URL needs.
    #[error("S3, Google Cloud Storage and Azure need the feature cloud of voicemail-postgres")]
    NoCloud,
    /// The folder is not there or cannot be used.
    #[error("{folder} cannot be used for sounds; it must be a folder that exists")]
    Folder {
        /// The folder of the URL.
        folder: PathBuf,
        /// The error of the file system.
        #[source]
        source: object_store::Error,
    },
    /// The TLS configuration is missing, so that no server could be trusted.
    #[error("this object store needs a TLS configuration: call SoundStoreBuilder::tls")]
    NoTls,
    /// The object store has no such option, or this crate does not use it.
    #[error("the object store has no option {0}")]
    UnknownOption(String),
    /// The endpoint would be used without TLS.
    #[error("the endpoint begins with http://; use https://, or set the option allow_http to true")]
    PlainText,
    /// The options or the environment are incomplete or contradict each other.
    #[error("the object store cannot be configured; check its options and the environment")]
    Configuration(#[source] object_store::Error),
}

impl SoundUrlError {
    /// Whether the same call, unchanged, may succeed later. A folder can come to exist, as when its file system is mounted.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Folder { .. } => true,
            Self::NotAUrl(_)
            | Self::UnknownScheme(_)
            | Self::NoCloud
            | Self::NoTls
            | Self::UnknownOption(_)
            | Self::PlainText
            | Self::Configuration(_) => false,
        }
    }
}
