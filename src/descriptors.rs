//! [`descriptor_limit`]: the number of files and connections that this process may have open.

use rustix::process::{Resource, getrlimit};

/// Returns the number of file descriptors that this process may have open: the present soft limit of `RLIMIT_NOFILE`.
pub(crate) fn descriptor_limit() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}
