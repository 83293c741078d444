//! [`LogSink`].

use async_trait::async_trait;

use super::{MwiError, MwiSink, MwiState};

/// Writes each state to the log, at level INFO.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogSink;

#[async_trait]
impl MwiSink for LogSink {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        tracing::info!(mailbox = %state.mailbox, summary = %state.summary, version = state.version, "lamp");
        Ok(())
    }
}
