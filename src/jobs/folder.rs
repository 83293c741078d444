//! [`FolderJobs`]: jobs as files in a folder.

mod parking;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use self::queue::JobQueue;
use super::{Added, GiveUp, Job, JobError, JobKey, JobKind, JobStore, ListedJob, NewJob, StateFilter};
use crate::disk::{self, Disk, SharedFlush};
use crate::lock::Lock;
use crate::retry::{now, wait_until};

/// Jobs in a folder, of one process. Clones share the folder.
///
/// ```text
/// FOLDER/20261122T180000.000000Z-KEY.mail   the payload of a job, named after the time it was added, its key and its kind
/// FOLDER/NAME.mail.parked                   given up: a line with the reason, and the payload
/// FOLDER/NAME.part                          being written
/// FOLDER/NAME.unreadable                    given up as unreadable; left unchanged
/// ```
///
/// Tries, claims and waits are in memory, some 200 bytes a job: after a restart, every job is due, and has no tries. At most 100 000 jobs wait, and at most as
/// many are parked: with one more, the oldest parked one of its kind is removed, and logged. So nobody who leaves parked jobs alone stops the others.
#[derive(Debug, Clone)]
pub struct FolderJobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    flush: SharedFlush,
    queue: Lock<JobQueue>,
    changed: watch::Sender<()>,
    /// How many jobs may wait, and how many may be parked.
    most: usize,
}

impl FolderJobs {
    /// Opens `folder`, which is created if it is missing, with the jobs in it.
    ///
    /// # Errors
    ///
    /// [`JobError::Disk`] when the folder cannot be created, flushed or read.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has changed nothing except what a crash had left behind.
    pub async fn open(disk: impl Disk, folder: impl Into<PathBuf>) -> Result<Self, JobError> {
        Self::open_for(MOST, Arc::new(disk), folder.into()).await
    }

    async fn open_for(most: usize, disk: Arc<dyn Disk>, folder: PathBuf) -> Result<Self, JobError> {
        let (flush, queue, changed) = (SharedFlush::default(), Lock::default(), watch::Sender::new(()));
        let jobs = Self { inner: Arc::new(Inner { disk, folder, flush, queue, changed, most }) };
        jobs.work(Inner::read_folder).await?;
        Ok(jobs)
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static) -> Result<T, JobError> {
        let inner = Arc::clone(&self.inner);
        let done = disk::blocking(move || work(&inner)).await;
        done.map_err(|source| JobError::Disk { folder: self.inner.folder.clone(), source })
    }
}

#[async_trait]
impl JobStore for FolderJobs {
    async fn add(&self, new: &NewJob<'_>) -> Result<Added, JobError> {
        let job = Job::new(new.kind.clone(), new.key, new.queued_at).claimed(new.tries, 0);
        {
            let mut queue = self.inner.queue.lock();
            match queue.handle_adding(&job) {
                None if new.parked.is_none() && queue.len() > self.inner.most => {
                    queue.handle_ended(&job);
                    return Err(JobError::Full { most: self.inner.most });
                }
                None => {}
                Some(Added::Duplicate) => return Ok(Added::Duplicate),
                Some(Added::Stored) => return Err(JobError::Unavailable("the same job is being added by another call".into())),
            }
        }
        if let Some(reason) = new.parked {
            let (payload, reason) = (Bytes::copy_from_slice(new.payload), parking::one_line(reason));
            return self.work(move |inner| inner.keep_parked(&job, &reason, &payload)).await.map(|()| Added::Stored);
        }
        let (payload, wait) = (Bytes::copy_from_slice(new.payload), (new.wait, new.destination.map(Arc::from)));
        self.work(move |inner| inner.keep(&job, &payload, wait)).await.map(|()| Added::Stored)
    }

    async fn take(&self, kind: &JobKind, most: usize, claim: Duration) -> Result<Vec<Job>, JobError> {
        let mut queue = self.inner.queue.lock();
        Ok(std::iter::from_fn(|| queue.poll_job(kind, claim, now())).take(most).collect())
    }

    async fn read(&self, job: &Job) -> Result<Option<Bytes>, JobError> {
        let job = job.clone();
        self.work(move |inner| inner.payload(&job)).await
    }

    async fn extend(&self, job: &Job, claim: Duration) -> Result<bool, JobError> {
        Ok(self.inner.queue.lock().handle_extended(job, claim, now()))
    }

    async fn done(&self, job: &Job) -> Result<(), JobError> {
        self.inner.queue.lock().handle_ended(job);
        let path = self.inner.path(job);
        self.work(move |inner| inner.remove(&path)).await
    }

    async fn defer(&self, job: &Job, wait: Duration) -> Result<(), JobError> {
        self.inner.queue.lock().handle_deferred(job, wait, now());
        self.inner.changed.send_replace(());
        Ok(())
    }

    async fn give_up(&self, job: &Job, reason: GiveUp) -> Result<(), JobError> {
        if !self.inner.queue.lock().is_claimed_by(job) {
            return Ok(());
        }
        match reason {
            GiveUp::Failed => self.done(job).await,
            GiveUp::Unreadable => {
                self.inner.queue.lock().handle_ended(job);
                let path = self.inner.path(job);
                self.work(move |inner| inner.disk.rename(&path, &path.with_extension(UNREADABLE))).await
            }
        }
    }

    async fn postpone(&self, job: &Job, wait: Duration, destination: Option<&str>) -> Result<(), JobError> {
        self.inner.queue.lock().handle_postponed(job, (wait, destination.map(Arc::from)), now());
        self.inner.changed.send_replace(());
        Ok(())
    }

    async fn release(&self, kind: &JobKind, destination: &str, most: usize) -> Result<usize, JobError> {
        let released = self.inner.queue.lock().handle_released(kind, destination, most, now());
        self.inner.changed.send_replace(());
        Ok(released)
    }

    async fn park(&self, job: &Job, reason: &str) -> Result<(), JobError> {
        if !self.inner.queue.lock().is_claimed_by(job) {
            return Ok(());
        }
        let (job, reason) = (job.clone(), parking::one_line(reason));
        self.work(move |inner| inner.park(&job, &reason)).await
    }

    async fn list(
        &self,
        kind: &JobKind,
        filter: StateFilter,
        after: Option<&Job>,
        most: usize,
    ) -> Result<Vec<ListedJob>, JobError> {
        match filter {
            StateFilter::Waiting => Ok(self.inner.queue.lock().waiting(kind, after, most, now())),
            StateFilter::Parked => {
                let parked = self.inner.queue.lock().parked(kind, after, most);
                self.work(move |inner| inner.with_reasons(parked)).await
            }
        }
    }

    async fn kinds(&self) -> Result<Vec<JobKind>, JobError> {
        Ok(self.inner.queue.lock().kinds())
    }

    async fn retry(&self, kind: &JobKind, key: JobKey) -> Result<bool, JobError> {
        let id = (kind.clone(), key);
        let parked = {
            let mut queue = self.inner.queue.lock();
            if queue.handle_retry(&id, now()) {
                self.inner.changed.send_replace(());
                return Ok(true);
            }
            queue.find_parked(&id)
        };
        let Some(job) = parked else { return Ok(false) };
        self.work(move |inner| inner.unpark(&job)).await
    }

    async fn remove(&self, kind: &JobKind, key: JobKey) -> Result<bool, JobError> {
        let id = (kind.clone(), key);
        let (waiting, parked) = {
            let queue = self.inner.queue.lock();
            (queue.find(&id), queue.find_parked(&id))
        };
        if let Some(job) = waiting {
            return self.done(&job).await.map(|()| true);
        }
        let Some(job) = parked else { return Ok(false) };
        self.work(move |inner| inner.remove_parked(&job)).await.map(|()| true)
    }

    async fn count(&self, kind: &JobKind) -> Result<usize, JobError> {
        Ok(self.inner.queue.lock().count(kind))
    }

    async fn due(&self, kind: &JobKind) {
        let mut changes = self.inner.changed.subscribe();
        loop {
            let due = self.inner.queue.lock().poll_timeout(kind);
            if due.is_some_and(|due| due <= now()) {
                return;
            }
            tokio::select! {
                // The sender lives as long as this store.
                _ = changes.changed() => {}
                () = wait_until(due) => {}
            }
        }
    }
}

impl Inner {
    /// Queues the jobs in the folder, and removes files that were never accepted. Blocks.
    fn read_folder(&self) -> io::Result<()> {
        disk::create_dirs(&*self.disk, &self.folder)?;
        disk::sync_name(&*self.disk, &self.folder)?;
        let names: BTreeSet<String> = self.disk.list(&self.folder)?.into_iter().collect();
        // A name that can be read may not be durable before this flush.
        self.disk.sync_dir(&self.folder)?;
        let mut queue = self.queue.lock();
        for name in &names {
            let parked = name.strip_suffix(parking::SUFFIX).and_then(|name| name.parse::<Job>().ok());
            if let Some(job) = parked {
                queue.handle_parked(&job);
            } else if names.contains(&format!("{name}{}", parking::SUFFIX)) {
                // The process died while it parked the job or an operator took it back.
                self.disk.remove(&self.folder.join(name))?;
            } else if let Ok(job) = name.parse::<Job>() {
                queue.handle_adding(&job);
                queue.handle_added(&job, now());
            } else if Path::new(name).extension().is_some_and(|extension| extension == PART) {
                self.disk.remove(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Makes a job durable and queues it, due after its wait. Blocks.
    fn keep(&self, job: &Job, payload: &[u8], wait: (Duration, Option<Arc<str>>)) -> io::Result<()> {
        let kept = self.write(&self.path(job), payload);
        {
            let mut queue = self.queue.lock();
            match &kept {
                Ok(()) => queue.handle_new(job, wait, now()),
                Err(_) => queue.handle_ended(job),
            }
        }
        self.changed.send_replace(());
        kept
    }

    /// Writes a file durably. Blocks.
    fn write(&self, path: &Path, payload: &[u8]) -> io::Result<()> {
        let part = path.with_extension(PART);
        let file = self.disk.create(&part)?;
        let written = file.write_all_at(payload, 0);
        let placed = written.and_then(|()| file.sync()).and_then(|()| self.disk.rename(&part, path));
        let flushed = placed.and_then(|()| self.flush.sync_dir(&*self.disk, &self.folder));
        if flushed.is_err() {
            // It has one of the two names. If this fails too, the next start does the job if it is whole.
            let _ = self.disk.remove(&part).or_else(|_| self.disk.remove(path));
        }
        flushed
    }

    /// Removes a file durably; one that is not there is removed. Blocks.
    fn remove(&self, path: &Path) -> io::Result<()> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.flush.sync_dir(&*self.disk, &self.folder)
    }

    fn path(&self, job: &Job) -> PathBuf {
        self.folder.join(job.to_string())
    }
}

/// How many jobs may wait.
const MOST: usize = 100_000;
const PART: &str = "part";
const UNREADABLE: &str = "unreadable";
