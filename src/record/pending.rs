//! [`PendingRecording`]: a recording between its file's creation and the call that asked for it.

use std::sync::Arc;

use super::RecorderShared;
use super::active::ActiveRecording;
use super::claim::DiskClaim;
use crate::network::Port;

/// A recording that nobody has yet; dropped, because the call that began it was, it leaves no file behind.
pub(super) struct PendingRecording {
    shared: Arc<RecorderShared>,
    recording: Option<Arc<ActiveRecording>>,
}

impl PendingRecording {
    pub(super) fn new(shared: Arc<RecorderShared>, recording: Arc<ActiveRecording>) -> Self {
        Self { shared, recording: Some(recording) }
    }

    /// Counts it among those under way, from the moment on that its claim no longer counts; not if the node is stopping, which would
    /// not end it.
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

    /// Somebody has it now.
    pub(super) fn hand_over(mut self, port: Port) -> Option<Arc<ActiveRecording>> {
        let recording = self.recording.take()?;
        recording.hold_port(port);
        Some(recording)
    }
}

impl Drop for PendingRecording {
    fn drop(&mut self) {
        if let Some(recording) = self.recording.take()
            && let Err(error) = self.shared.throw_away(&recording)
        {
            tracing::warn!(id = %recording.id, %error, "the file of a recording that never began could not be removed");
        }
    }
}
