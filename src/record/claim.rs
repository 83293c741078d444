//! [`Claim`].

use std::sync::{Arc, Weak};

use super::{Open, RecordError, Shared};

/// The room that a recording claims on the disk before its file is there, so that many that begin together see each other.
pub(super) struct Claim {
    shared: Arc<Shared>,
    bytes: u64,
    all: u64,
}

impl Claim {
    /// Claims `bytes`, unless the node is stopping.
    pub(super) fn new(shared: &Arc<Shared>, bytes: u64) -> Result<Self, RecordError> {
        let mut open = shared.open();
        if open.stopping {
            return Err(RecordError::Stopping);
        }
        open.opening = open.opening.saturating_add(bytes);
        let (opening, under_way) = (open.opening, open.takes.values().filter_map(Weak::upgrade).collect::<Vec<_>>());
        // The last holder of a recording writes to its file, which nobody may wait for with this lock.
        drop(open);
        let all = under_way.iter().map(|take| take.claim()).fold(opening, u64::saturating_add);
        Ok(Self { shared: Arc::clone(shared), bytes, all })
    }

    /// What all recordings together may still write, this one included.
    pub(super) fn all(&self) -> u64 {
        self.all
    }

    /// The recording itself claims the room now. Nobody may see the two together, who would be refused for it.
    pub(super) fn pass_on(mut self, open: &mut Open) {
        open.opening = open.opening.saturating_sub(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let mut open = self.shared.open();
            open.opening = open.opening.saturating_sub(self.bytes);
        }
    }
}
