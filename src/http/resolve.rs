//! [`Resolve`]: finds the addresses of a server.

use std::fmt::Debug;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;

/// Finds the addresses of a server by its name.
#[async_trait]
pub trait Resolve: Debug + Send + Sync + 'static {
    /// Returns all addresses of `host`, in the order in which they are to be tried.
    ///
    /// # Errors
    ///
    /// The request fails, and may be tried again.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the operating system.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<R: Resolve + ?Sized> Resolve for $wrapper<R> {
            async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
                (**self).resolve(host).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
