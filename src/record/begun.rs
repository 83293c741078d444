//! [`Begun`]: a recording between its file's creation and the call that asked for it.

use std::sync::Arc;

use super::Shared;
use super::claim::Claim;
use super::take::Take;
use crate::network::Port;

/// A recording that nobody has yet; dropped, because the call that began it was, it leaves no file behind.
pub(super) struct Begun {
    shared: Arc<Shared>,
    take: Option<Arc<Take>>,
}

impl Begun {
    pub(super) fn new(shared: Arc<Shared>, take: Arc<Take>) -> Self {
        Self { shared, take: Some(take) }
    }

    /// Counts it among those under way, from the moment on that its claim no longer counts; not if the node is stopping, which would
    /// not end it.
    pub(super) fn enter(self, claim: Claim) -> Option<Self> {
        let take = self.take.as_ref()?;
        let mut open = self.shared.open();
        if open.stopping {
            drop(open);
            return None;
        }
        open.takes.insert(take.id, Arc::downgrade(take));
        claim.pass_on(&mut open);
        drop(open);
        Some(self)
    }

    /// Somebody has it now.
    pub(super) fn claim(mut self, port: Port) -> Option<Arc<Take>> {
        let take = self.take.take()?;
        take.occupy(port);
        Some(take)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(take) = self.take.take()
            && let Err(error) = self.shared.throw_away(&take)
        {
            tracing::warn!(id = %take.id, %error, "the file of a recording that never began could not be removed");
        }
    }
}
