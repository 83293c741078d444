//! [`DiskClaim`].

use std::sync::{Arc, Weak};

use super::{ActiveRecordings, RecordError, RecorderShared};

/// The room that a recording claims on the disk before its file is there, so that many that begin together see each other.
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
        // The last holder of a recording writes to its file, which nobody may wait for with this lock.
        drop(active);
        let all = under_way.iter().map(|recording| recording.remaining_bytes()).fold(pending_bytes, u64::saturating_add);
        Ok(Self { shared: Arc::clone(shared), bytes, all })
    }

    /// What all recordings together may still write, this one included.
    pub(super) fn total_bytes(&self) -> u64 {
        self.all
    }

    /// The recording itself claims the room now. Nobody may see the two together, who would be refused for it.
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
