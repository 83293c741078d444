//! [`descriptor_limit`]: how many files and connections this process may have open.

use rustix::process::{Resource, getrlimit};

/// The number of file descriptors that this process may have, as the operating system says now: the soft limit of `RLIMIT_NOFILE`.
pub(crate) fn descriptor_limit() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}
