//! [`DisabledEndPoints`]: which end points are disabled, kept in a job store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::{EndPoint, EndPointId, EndPoints};
use crate::jobs::{JobError, JobKey, JobKind, JobStore, NewJob, StateFilter};
use crate::lock::Lock;
use crate::retry::now;

/// Keeps which end points are disabled as jobs that nobody takes, one for each name and URL, whose payload is the name and the reason.
#[derive(Debug)]
pub(super) struct DisabledEndPoints {
    jobs: Arc<dyn JobStore>,
    /// When the jobs were last read.
    looked_at: Lock<Option<Instant>>,
    /// Held while jobs are read or changed: what is read is not older than what is known.
    turn: Mutex<()>,
}

impl DisabledEndPoints {
    pub(super) fn new(jobs: impl JobStore) -> Self {
        Self { jobs: Arc::new(jobs), looked_at: Lock::default(), turn: Mutex::new(()) }
    }

    /// Has the jobs read before the next request, because there are other end points.
    pub(super) fn forget_look(&self) {
        *self.looked_at.lock() = None;
    }

    /// Reads the jobs, unless that was done a short time ago.
    pub(super) async fn refresh(&self, end_points: &EndPoints) -> Result<(), JobError> {
        if self.has_looked() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if self.has_looked() { Ok(()) } else { self.look_in_turn(end_points).await }
    }

    fn has_looked(&self) -> bool {
        let is_recent = |at: &Instant| now().saturating_duration_since(*at) < REFRESH;
        self.looked_at.lock().as_ref().is_some_and(is_recent)
    }

    /// Reads the jobs, and adds those that could not be added before.
    pub(super) async fn look(&self, end_points: &EndPoints) -> Result<(), JobError> {
        let _turn = self.turn.lock().await;
        self.look_in_turn(end_points).await
    }

    async fn look_in_turn(&self, end_points: &EndPoints) -> Result<(), JobError> {
        let kept = match self.add_missing(end_points, Utc::now()).await {
            Ok(()) => self.read().await,
            Err(error) => Err(error),
        };
        // After an error too, so that a store that is away is not asked for each request.
        *self.looked_at.lock() = Some(now());
        let kept = kept?;
        end_points.handle_kept(|end_point| kept.get(&key(end_point)).cloned());
        Ok(())
    }

    /// Adds the jobs of the end points that were disabled here.
    pub(super) async fn keep(&self, end_points: &EndPoints, now: DateTime<Utc>) -> Result<(), JobError> {
        let _turn = self.turn.lock().await;
        self.add_missing(end_points, now).await
    }

    /// Enables an end point; returns whether it was disabled.
    pub(super) async fn enable(&self, end_points: &EndPoints, id: &EndPointId) -> Result<bool, JobError> {
        let _turn = self.turn.lock().await;
        let Some(end_point) = end_points.find(id) else { return Ok(false) };
        let was_kept = self.jobs.remove(&JobKind::WEBHOOK_DISABLED, key(&end_point)).await?;
        Ok(end_points.enable(id) || was_kept)
    }

    async fn add_missing(&self, end_points: &EndPoints, now: DateTime<Utc>) -> Result<(), JobError> {
        for (end_point, reason) in end_points.disabled_but_not_kept() {
            let payload = format!("{}\n{reason}", end_point.id);
            self.jobs.add(&NewJob::new(&JobKind::WEBHOOK_DISABLED, key(&end_point), now, payload.as_bytes())).await?;
            end_points.handle_added(&end_point);
        }
        Ok(())
    }

    /// The reasons of all jobs.
    async fn read(&self) -> Result<BTreeMap<JobKey, String>, JobError> {
        let (mut kept, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.jobs.list(&JobKind::WEBHOOK_DISABLED, StateFilter::Waiting, after.as_ref(), PAGE).await?;
            for listed in &page {
                // `None` is a job that was removed meanwhile.
                let Some(payload) = self.jobs.read(&listed.job).await? else { continue };
                let text = String::from_utf8_lossy(&payload);
                let reason = text.split_once('\n').map_or("it is not known why", |(_, reason)| reason);
                kept.insert(listed.job.key, reason.to_owned());
            }
            after = match page.last() {
                Some(last) if page.len() == PAGE => Some(last.job.clone()),
                _ => return Ok(kept),
            };
        }
    }
}

/// The key of an end point: another URL under the same name is another end point.
fn key(end_point: &EndPoint) -> JobKey {
    let digest = Sha256::digest(format!("{}\n{}", end_point.id, end_point.url.as_str()));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    JobKey::from_bytes(bytes)
}

/// How old the knowledge of what other nodes have disabled may be.
const REFRESH: Duration = Duration::from_secs(30);
const PAGE: usize = 100;
