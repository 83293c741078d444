//! How work is shared out.

/// How many of `messages` fall to one of `concurrency` workers.
pub(crate) fn share(messages: u64, concurrency: u64, worker: u64) -> u64 {
    messages / concurrency + u64::from(worker < messages % concurrency)
}
