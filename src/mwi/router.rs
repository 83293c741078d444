//! [`MwiRouter`]: the way of a lamp to the PBX that its telephone is on.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{CentralPbx, MwiError, MwiSink, MwiState, NoFallback};
use crate::directory::Directory;
use crate::message::{MailboxId, SiteId};

/// Shows each mailbox's state on its home PBX, whichever node recorded the message.
///
/// A PBX with a sink of its own is told through it. One without is told through the central PBX, which passes on what is for
/// telephones elsewhere. What would go through the central PBX goes through its fallback while that has taken over.
///
/// Whenever a way changes, every lamp is told again: what was shown on the one PBX may be unknown on the other.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # fn route(network: voicemail::network::Network) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use voicemail::mwi::{CentralPbx, LogSink, MwiRouter};
///
/// let router = Arc::new(network.mwi_router(network.directory()));
/// router.connect("london".parse()?, LogSink); // any MwiSink: one for each PBX that can be told
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
    routes: RwLock<Routes>,
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
        Self { directory: Arc::new(directory), routes: RwLock::new(routes), changed: Notify::new() }
    }

    /// Tells the telephones on the PBX `site` through `sink` from now on, in the place of any before.
    pub fn connect(&self, site: SiteId, sink: impl MwiSink) {
        self.routes_mut().sinks.insert(site, Arc::new(sink));
        self.changed.notify_one();
    }

    /// Tells the telephones on the PBX `site` through the central PBX from now on.
    pub fn disconnect(&self, site: &SiteId) {
        if self.routes_mut().sinks.remove(site).is_some() {
            self.changed.notify_one();
        }
    }

    /// What was last said of the central PBX; [`CentralPbx::Reachable`] until something is.
    pub fn central_pbx(&self) -> CentralPbx {
        self.routes().central_pbx
    }

    /// Takes note of whether the central PBX can be reached; answers with what it was before. Nothing happens when it is the same.
    ///
    /// # Errors
    ///
    /// [`NoFallback`] when none can have taken over; nothing changes then.
    pub fn set_central_pbx(&self, central_pbx: CentralPbx) -> Result<CentralPbx, NoFallback> {
        let before = {
            let mut routes = self.routes_mut();
            if central_pbx == CentralPbx::FallbackActive && routes.fallback.is_none() {
                return Err(NoFallback);
            }
            std::mem::replace(&mut routes.central_pbx, central_pbx)
        };
        if before != central_pbx {
            tracing::info!(?before, now = ?central_pbx, "the central PBX");
            self.changed.notify_one();
        }
        Ok(before)
    }

    /// Goes on in a network whose central PBX is `central`, with this fallback. Whether the central PBX can be reached stays as it
    /// was last said.
    pub fn set_central(&self, central: SiteId, fallback: Option<SiteId>) {
        let mut routes = self.routes_mut();
        (routes.central, routes.fallback) = (central, fallback);
        drop(routes);
        self.changed.notify_one();
    }

    fn routes(&self) -> RwLockReadGuard<'_, Routes> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn routes_mut(&self) -> RwLockWriteGuard<'_, Routes> {
        self.routes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Routes {
    /// The sink to tell of a mailbox at home on the PBX `home`.
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
                Err(MwiError::Unavailable("the central PBX is gone, and no fallback shows its lamps".into()))
            }
        }
    }
}

#[async_trait]
impl MwiSink for MwiRouter {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        let owner = self.directory.find(&state.mailbox).await.map_err(|error| MwiError::Unavailable(error.into()))?;
        let home = owner.ok_or_else(|| MwiError::NoSuchMailbox(state.mailbox.clone()))?.home;
        let sink = self.routes().sink(&state.mailbox, &home)?;
        sink.show(state).await
    }

    async fn lost(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests;
