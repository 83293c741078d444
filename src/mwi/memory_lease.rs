//! [`MemoryLeases`]: the leases of the nodes of one process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{LampLease, LeaseError};
use crate::lock::Lock;
use crate::message::SiteId;

/// The leases of the nodes of one process, for tests; nodes of several processes need leases in a medium that they share. Clones are the same
/// leases.
#[derive(Debug, Clone)]
pub struct MemoryLeases {
    table: Arc<Lock<Table>>,
    term: Duration,
}

#[derive(Debug, Default)]
struct Table {
    leases: HashMap<SiteId, (usize, Instant)>,
    holders: usize,
    unavailable: bool,
}

/// One holder of [`MemoryLeases`]: the [`LampLease`] of one node.
#[derive(Debug)]
pub struct MemoryLease {
    leases: MemoryLeases,
    holder: usize,
}

impl MemoryLeases {
    /// Returns leases that last for `term`, and that nobody holds yet.
    pub fn new(term: Duration) -> Self {
        Self { table: Arc::default(), term }
    }

    /// Returns the lease of another node.
    pub fn holder(&self) -> MemoryLease {
        let mut table = self.table.lock();
        table.holders += 1;
        MemoryLease { leases: self.clone(), holder: table.holders }
    }

    /// Sets whether the leases can be renewed, or each call fails.
    pub fn set_available(&self, available: bool) {
        self.table.lock().unavailable = !available;
    }
}

#[async_trait]
impl LampLease for MemoryLease {
    async fn renew(&self, sites: &[SiteId]) -> Result<Vec<SiteId>, LeaseError> {
        let now = tokio::time::Instant::now().into_std();
        let mut table = self.leases.table.lock();
        if table.unavailable {
            return Err(LeaseError::new("the leases were made unavailable"));
        }
        let mut held = Vec::new();
        for site in sites {
            let lease = table.leases.entry(site.clone()).or_insert((self.holder, now));
            if lease.0 == self.holder || lease.1 <= now {
                *lease = (self.holder, now + self.leases.term);
                held.push(site.clone());
            }
        }
        Ok(held)
    }

    async fn release(&self) -> Result<(), LeaseError> {
        self.leases.table.lock().leases.retain(|_, (holder, _)| *holder != self.holder);
        Ok(())
    }

    fn term(&self) -> Duration {
        self.leases.term
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keeps_the_contract() {
        crate::conformance::lease::run_all(|| {
            let leases = MemoryLeases::new(Duration::from_secs(4));
            std::future::ready((leases.holder(), leases.holder()))
        })
        .await;
    }
}
