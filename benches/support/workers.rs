//! Division of the work between workers.

/// Returns how many of `messages` one of `concurrency` workers sends.
pub(crate) fn share(messages: u64, concurrency: u64, worker: u64) -> u64 {
    messages / concurrency + u64::from(worker < messages % concurrency)
}
