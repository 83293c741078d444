//! Work that takes longer than a claim.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::{Job, JobStore};
use crate::error_chain;

/// Waits for the `work` of a job that is claimed for `claim`, and extends the claim meanwhile; `None` if another node has taken the job.
pub(crate) async fn while_claimed<T>(
    jobs: &dyn JobStore,
    job: &Job,
    claim: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    loop {
        if let Ok(done) = timeout(claim / 3, &mut work).await {
            return Some(done);
        }
        match jobs.extend(job, claim).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => tracing::warn!(%job, reason = error_chain(&error), "another node may begin the same job, too"),
        }
    }
}
