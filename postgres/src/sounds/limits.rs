//! The time limits of calls on an object store.

use std::future::Future;
use std::time::Duration;

use super::SoundError;

/// The limit of one request to the object store, with its retries.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// The limit of a call that makes several requests: a put in parts, or the reading of a whole sound.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(5 * 60);

/// Drives `call` for no longer than `limit`.
pub(super) async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, SoundError>>) -> Result<T, SoundError> {
    tokio::time::timeout(limit, call).await.unwrap_or(Err(SoundError::TimedOut(limit)))
}
