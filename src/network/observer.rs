//! [`NetworkObserver`]: a part of a program that changes to another network while it runs.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use super::Network;
#[cfg(any(feature = "memory", feature = "fs", feature = "smtp"))]
use crate::mwi::MwiRouter;

/// A part of a program that depends on the network, and changes to another one while it runs.
///
/// The change has two phases, so that several observers change together or not at all: first all prepare, which may fail, and
/// then all commit, which cannot fail.
pub trait NetworkObserver: Debug + Send + Sync + 'static {
    /// Prepares the change to `network`, and returns the commit that makes it. A commit that is dropped instead of called changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// The reason why this observer cannot work in `network`.
    fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, Box<dyn Error + Send + Sync>>;
}

/// The second phase of a change of the network: called, it makes the change that was prepared.
pub type Commit<'a> = Box<dyn FnOnce() + Send + 'a>;

macro_rules! delegate {
    ($wrapper:ident) => {
        #[deny(clippy::missing_trait_methods)]
        impl<O: NetworkObserver + ?Sized> NetworkObserver for $wrapper<O> {
            fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, Box<dyn Error + Send + Sync>> {
                (**self).prepare(network)
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);

#[cfg(any(feature = "memory", feature = "fs", feature = "smtp"))]
impl NetworkObserver for MwiRouter {
    fn prepare<'a>(&'a self, network: &'a Arc<Network>) -> Result<Commit<'a>, Box<dyn Error + Send + Sync>> {
        let fallback = network.fallback().map(|site| site.id().clone());
        Ok(Box::new(move || self.set_central(network.central().id().clone(), fallback)))
    }
}
