//! [`MwiRouter`]: sends each state to the PBX that the telephone is on; and [`CentralPbx`], which redirects it.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{LampPermit, MwiError, MwiSink, MwiState};
use crate::directory::Directory;
use crate::lock::Lock;
use crate::message::{MailboxId, SiteId};

/// Shows each mailbox's state on its home PBX, whichever node recorded the message.
///
/// A PBX that has a sink gets its states through it. The states of the other PBXs are sent through the central PBX, which forwards them to
/// the telephones; while the fallback has taken over from the central PBX, they are sent through the fallback.
///
/// Whenever a route changes, every state is shown again: a state that was shown on one PBX may be unknown on another.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # fn route(network: voicemail::network::Network) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use voicemail::mwi::{CentralPbx, LogSink, MwiRouter};
///
/// let router = Arc::new(network.mwi_router(network.directory()));
/// router.connect("london".parse()?, LogSink); // any MwiSink: one for each PBX that accepts NOTIFYs
/// router.connect("berlin".parse()?, LogSink);
/// // To a node: Node::builder(..).sink(Arc::clone(&router))
///
/// router.set_central_pbx(CentralPbx::FallbackActive)?; // the links to London are down
/// router.set_central_pbx(CentralPbx::Reachable)?; // London is back
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MwiRouter {
    directory: Arc<dyn Directory>,
    routes: Lock<Routes>,
    changed: Notify,
}

#[derive(Debug)]
struct Routes {
    sinks: HashMap<SiteId, Arc<dyn MwiSink>>,
    central: SiteId,
    fallback: Option<SiteId>,
    central_pbx: CentralPbx,
}

impl MwiRouter {
    /// A router without a sink yet, for mailboxes whose homes `directory` knows; [`Network::mwi_router`] makes one for a network.
    ///
    /// [`Network::mwi_router`]: crate::network::Network::mwi_router
    pub fn new(directory: impl Directory, central: SiteId, fallback: Option<SiteId>) -> Self {
        let routes = Routes { sinks: HashMap::new(), central, fallback, central_pbx: CentralPbx::Reachable };
        Self { directory: Arc::new(directory), routes: Lock::new(routes), changed: Notify::new() }
    }

    /// Sends the states of telephones on the PBX `site` through `sink` from now on; it replaces an earlier sink.
    pub fn connect(&self, site: SiteId, sink: impl MwiSink) {
        self.routes.lock().sinks.insert(site, Arc::new(sink));
        self.changed.notify_one();
    }

    /// Sends the states of telephones on the PBX `site` through the central PBX from now on.
    pub fn disconnect(&self, site: &SiteId) {
        if self.routes.lock().sinks.remove(site).is_some() {
            self.changed.notify_one();
        }
    }

    /// The last status that was set; at first [`CentralPbx::Reachable`].
    pub fn central_pbx(&self) -> CentralPbx {
        self.routes.lock().central_pbx
    }

    /// Sets whether the central PBX can be reached; returns the status before. Setting the same status has no effect.
    ///
    /// # Errors
    ///
    /// [`NoFallback`] for [`CentralPbx::FallbackActive`] where there is no fallback; nothing changes then.
    pub fn set_central_pbx(&self, central_pbx: CentralPbx) -> Result<CentralPbx, NoFallback> {
        let before = {
            let mut routes = self.routes.lock();
            if central_pbx == CentralPbx::FallbackActive && routes.fallback.is_none() {
                return Err(NoFallback);
            }
            std::mem::replace(&mut routes.central_pbx, central_pbx)
        };
        if before != central_pbx {
            tracing::info!(?before, now = ?central_pbx, "the status of the central PBX has changed");
            self.changed.notify_one();
        }
        Ok(before)
    }

    /// Changes the central PBX and its fallback. The [`CentralPbx`] status stays as it was last set.
    pub fn set_central(&self, central: SiteId, fallback: Option<SiteId>) {
        let mut routes = self.routes.lock();
        (routes.central, routes.fallback) = (central, fallback);
        drop(routes);
        self.changed.notify_one();
    }
}

impl Routes {
    /// The sink for a mailbox whose home is the PBX `home`.
    fn sink(&self, mailbox: &MailboxId, home: &SiteId) -> Result<Arc<dyn MwiSink>, MwiError> {
        if *home != self.central
            && let Some(sink) = self.sinks.get(home)
        {
            return Ok(Arc::clone(sink));
        }
        let through = match self.central_pbx {
            CentralPbx::Reachable => Some(&self.central),
            CentralPbx::FallbackActive => self.fallback.as_ref(),
            CentralPbx::Unreachable => None,
        };
        match (through.and_then(|site| self.sinks.get(site)), self.central_pbx) {
            (Some(sink), _) => Ok(Arc::clone(sink)),
            (None, CentralPbx::Reachable) => Err(MwiError::NoSuchMailbox(mailbox.clone())),
            (None, CentralPbx::FallbackActive | CentralPbx::Unreachable) => {
                Err(MwiError::Unavailable("the central PBX is unreachable, and no fallback shows its lamps".into()))
            }
        }
    }
}

#[async_trait]
impl MwiSink for MwiRouter {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.show_permitted(state, &LampPermit::unlimited()).await
    }

    async fn show_permitted(&self, state: &MwiState, permit: &LampPermit) -> Result<(), MwiError> {
        let owner = self.directory.find(&state.mailbox).await.map_err(|error| MwiError::Unavailable(error.into()))?;
        let home = owner.ok_or_else(|| MwiError::NoSuchMailbox(state.mailbox.clone()))?.home;
        let sink = self.routes.lock().sink(&state.mailbox, &home)?;
        sink.show_permitted(state, permit).await
    }

    async fn lost(&self) {
        self.changed.notified().await;
    }
}

/// Whether the central PBX can be reached, as the program that supervises the links to it reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CentralPbx {
    /// The central PBX can be reached, and states are sent through it.
    #[default]
    Reachable,
    /// The central PBX cannot be reached and its fallback has taken over: states are sent through the fallback.
    FallbackActive,
    /// The central PBX cannot be reached and no fallback has taken over: states that would be sent through it wait.
    Unreachable,
}

/// The central PBX has no fallback that could have taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the central PBX has no fallback; give a PBX on centralized voicemail fallback = true in the network description")]
pub struct NoFallback;

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests;
