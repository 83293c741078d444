//! [`DiskClaim`]: disk space reserved for a recording that begins.

use std::sync::{Arc, Weak};

use super::{ActiveRecordings, RecordError, RecorderShared};

/// Disk space that a recording claims before its file exists, so that recordings that begin together take account of each other.
pub(super) struct DiskClaim {
    shared: Arc<RecorderShared>,
    bytes: u64,
    all: u64,
}

impl DiskClaim {
    /// Claims `bytes`, unless the node is stopping.
    pub(super) fn new(shared: &Arc<RecorderShared>, bytes: u64) -> Result<Self, RecordError> {
        let mut active = shared.active();
        if active.stopping {
            return Err(RecordError::Stopping);
        }
        active.pending_bytes = active.pending_bytes.saturating_add(bytes);
        let (pending_bytes, under_way) =
            (active.pending_bytes, active.recordings.values().filter_map(Weak::upgrade).collect::<Vec<_>>());
        // The last holder of a recording writes to its file when it drops it, and no thread may wait for that with this lock.
        drop(active);
        let all = under_way.iter().map(|recording| recording.remaining_bytes()).fold(pending_bytes, u64::saturating_add);
        Ok(Self { shared: Arc::clone(shared), bytes, all })
    }

    /// The number of bytes that all recordings together may still write, including this one.
    pub(super) fn total_bytes(&self) -> u64 {
        self.all
    }

    /// Ends this claim because the recording itself counts from now on. Both happen under one lock: a recording that begins must not see
    /// the space claimed twice, and be refused for it.
    pub(super) fn transfer(mut self, active: &mut ActiveRecordings) {
        active.pending_bytes = active.pending_bytes.saturating_sub(std::mem::take(&mut self.bytes));
    }
}

impl Drop for DiskClaim {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let mut active = self.shared.active();
            active.pending_bytes = active.pending_bytes.saturating_sub(self.bytes);
        }
    }
}
