//! [`NetworkObserver`]: what goes on in another network while it runs.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use super::Network;
#[cfg(any(feature = "memory", feature = "fs", feature = "smtp"))]
use crate::mwi::MwiRouter;

/// Something that was set up by a network, and goes on in another one while it runs.
///
/// It does so in two steps, so that several change together or not at all: what all have prepared is then done, and cannot fail.
pub trait NetworkObserver: Debug + Send + Sync + 'static {
    /// Gets ready to go on in `network`, and answers with the step that does so. Dropped instead of taken, it has changed nothing.
    ///
    /// # Errors
    ///
    /// Why it cannot go on there.
    fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, Box<dyn Error + Send + Sync>>;
}

/// What goes on in another network when it is called.
pub type Commit<'a> = Box<dyn FnOnce() + Send + 'a>;

impl<F: NetworkObserver + ?Sized> NetworkObserver for Arc<F> {
    fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, Box<dyn Error + Send + Sync>> {
        (**self).prepare(network)
    }
}

#[cfg(any(feature = "memory", feature = "fs", feature = "smtp"))]
impl NetworkObserver for MwiRouter {
    fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, Box<dyn Error + Send + Sync>> {
        let fallback = network.fallback().map(|site| site.id().clone());
        Ok(Box::new(move || self.set_central(network.central().id().clone(), fallback)))
    }
}
