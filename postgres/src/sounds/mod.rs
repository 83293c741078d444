//! Long sounds in an object store: [`SoundStore`] puts, reads and deletes them, and a [`Sweep`] deletes those that no message refers to.
//!
//! # How a store of messages uses it
//!
//! The object store has the sounds and nothing else; the database says which message has which sound, by its [`SoundName`]. The order of all steps
//! is such that a row never names a sound that is not there:
//!
//! - **Deposit.** [`SoundStore::put`] first, then the row with the name it returned, and only then the answer to the sender. The row keeps the size
//!   and the digest of the sound, too. The row must be committed within an hour of the moment that was given to `put`, or not at all. If there
//!   will be no row for certain, because the message is a duplicate or the mailbox is full, [`SoundStore::delete`] saves the sweep the work. If
//!   the answer of the database was lost, the sound stays: the row may be there.
//! - **Retrieve.** The row first, then [`SoundStore::read`] with the row's name, size and digest. If that answers [`SoundError::Missing`], the
//!   message may have been expunged in between: look at the row again, and answer `NoSuchMessage` if it is gone, and
//!   [`SoundError::into_store_error`] if it is not.
//! - **Expunge.** The transaction that deletes the row writes the name into a table of sounds to delete. An hour later, which is longer than any
//!   reading, [`SoundStore::delete`] deletes the sound, and then the name is deleted from the table.
//! - **Sweep.** One [`Sweep`] for each process or for all of them, a few steps at a time. Its docs have an example.
//!
//! # Requirements of the object store
//!
//! A sound must be durable when its put is answered, and readable at once. S3, Google Cloud Storage and Azure promise both.
//!
//! A bucket needs a rule that deletes incomplete uploads after some days. A process that is killed while it writes to a folder can leave a file whose
//! name ends with `#` and a number; it is never read and no list shows it, and it may be deleted when it is a day old.

mod builder;
#[cfg(feature = "cloud")]
mod cloud;
mod error;
mod limits;
mod name;
mod put;
mod read;
mod sweep;
mod sweep_rules;
mod url_error;

use std::fmt;
use std::sync::Arc;

use futures::StreamExt as _;
use object_store::ObjectStore;

pub use self::builder::SoundStoreBuilder;
pub use self::error::SoundError;
use self::limits::{REQUEST_LIMIT, within};
pub use self::name::{InvalidSoundName, SoundName};
pub use self::read::SoundReader;
pub use self::sweep::Sweep;
pub use self::url_error::SoundUrlError;

/// Keeps long sounds in an object store, each under a name of its own. Clones share the object store.
///
/// [`builder`](Self::builder) opens the object store of a URL; [`new`](Self::new) takes any.
///
/// ```
/// use std::sync::Arc;
/// use object_store::memory::InMemory;
/// use voicemail::message::{Audio, AudioType};
/// use voicemail_postgres::sounds::SoundStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sounds = SoundStore::new(Arc::new(InMemory::new()));
/// let hello = Audio::new(AudioType::Basic, &b"hello"[..]);
/// let name = sounds.put(&hello, "2026-11-29T11:00:00Z".parse()?).await?;
/// assert_eq!(sounds.read(&name, hello.len(), hello.digest()).await?, "hello");
/// sounds.delete(&name).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SoundStore {
    objects: Arc<dyn ObjectStore>,
}

impl SoundStore {
    /// Keeps sounds in `objects`, which must have nothing else in it: a [`PrefixStore`](object_store::prefix::PrefixStore) confines them to a part of a bucket.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects }
    }

    /// Deletes the sound `name`, also if it is not there.
    ///
    /// # Errors
    ///
    /// [`SoundError::Failed`], [`SoundError::Refused`] and [`SoundError::TimedOut`] after 20 s may pass.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has deleted the sound or not. The same call again settles it.
    pub async fn delete(&self, name: &SoundName) -> Result<(), SoundError> {
        let path = name.path();
        let delete = async {
            let mut deleted = self.objects.delete_stream(futures::stream::iter([Ok(path)]).boxed());
            match deleted.next().await {
                // Some servers of the S3 protocol answer that there is no such object, and others that it is deleted.
                None | Some(Ok(_) | Err(object_store::Error::NotFound { .. })) => Ok(()),
                Some(Err(error)) => Err(error.into()),
            }
        };
        within(REQUEST_LIMIT, delete).await
    }
}

impl fmt::Debug for SoundStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoundStore({})", self.objects)
    }
}
