//! [`PendingRecording`]: a recording whose file exists, and which the call that began it has not received yet.

use std::sync::Arc;

use super::RecorderShared;
use super::active::ActiveRecording;
use super::claim::DiskClaim;

/// A recording that the call which began it has not received yet. When that call is dropped, this is dropped too and removes the file.
pub(super) struct PendingRecording {
    shared: Arc<RecorderShared>,
    recording: Option<Arc<ActiveRecording>>,
}

impl PendingRecording {
    pub(super) fn new(shared: Arc<RecorderShared>, recording: Arc<ActiveRecording>) -> Self {
        Self { shared, recording: Some(recording) }
    }

    /// Adds it to the active recordings, in the same moment in which its claim ends. Returns `None` if the node is stopping, because then
    /// nothing would end the recording.
    pub(super) fn register(self, claim: DiskClaim) -> Option<Self> {
        let recording = self.recording.as_ref()?;
        let mut active = self.shared.active();
        if active.stopping {
            drop(active);
            return None;
        }
        active.recordings.insert(recording.id, Arc::downgrade(recording));
        claim.transfer(&mut active);
        drop(active);
        Some(self)
    }

    /// Hands it over to the call.
    pub(super) fn hand_over(mut self) -> Option<Arc<ActiveRecording>> {
        self.recording.take()
    }
}

impl Drop for PendingRecording {
    fn drop(&mut self) {
        if let Some(recording) = self.recording.take()
            && let Err(error) = self.shared.withdraw(&recording)
        {
            tracing::warn!(id = %recording.id, %error, "the file of a recording that never began could not be removed");
        }
    }
}
