//! Jobs of a folder that were given up, each in a file with the reason.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;

use super::Inner;
use crate::disk;
use crate::jobs::{Job, JobKind, JobState, ListedJob};
use crate::retry::now;

/// Everything here blocks.
impl Inner {
    /// The payload of a job that waits or is parked; `None` if there is none.
    pub(super) fn payload(&self, job: &Job) -> io::Result<Option<Bytes>> {
        if let Some(bytes) = unless_missing(disk::read(&*self.disk, &self.path(job)))? {
            return Ok(Some(bytes.into()));
        }
        Ok(self.read_parked(job)?.map(|(_, payload)| payload))
    }

    /// Parks a job durably.
    pub(super) fn park(&self, job: &Job, reason: &str) -> io::Result<()> {
        let Some(payload) = unless_missing(disk::read(&*self.disk, &self.path(job)))? else {
            self.queue.lock().handle_ended(job);
            return Ok(());
        };
        self.write_parked(job, reason, &payload)?;
        self.remove(&self.path(job))?;
        self.remove_too_many(&job.kind)
    }

    /// Makes a job durable that is parked from the start.
    pub(super) fn keep_parked(&self, job: &Job, reason: &str, payload: &[u8]) -> io::Result<()> {
        if let Err(error) = self.write_parked(job, reason, payload) {
            self.queue.lock().handle_ended(job);
            return Err(error);
        }
        self.remove_too_many(&job.kind)
    }

    fn write_parked(&self, job: &Job, reason: &str, payload: &[u8]) -> io::Result<()> {
        self.write(&self.parked_path(job), &[reason.as_bytes(), b"\n", payload].concat())?;
        self.queue.lock().handle_parked(job);
        Ok(())
    }

    /// Removes the oldest parked job of this kind, if more than the store keeps are parked.
    fn remove_too_many(&self, kind: &JobKind) -> io::Result<()> {
        let too_many = self.queue.lock().parked_too_many(kind, self.most);
        if let Some(oldest) = too_many {
            tracing::error!(job = %oldest, most = self.most, "too many jobs are parked, and the oldest one is removed");
            self.remove_parked(&oldest)?;
        }
        Ok(())
    }

    /// Makes a parked job due; returns whether there is one.
    pub(super) fn unpark(&self, job: &Job) -> io::Result<bool> {
        let Some((_, payload)) = self.read_parked(job)? else { return Ok(false) };
        self.write(&self.path(job), &payload)?;
        self.remove(&self.parked_path(job))?;
        self.queue.lock().handle_unparked(job, now());
        self.changed.send_replace(());
        Ok(true)
    }

    /// Removes a parked job durably.
    pub(super) fn remove_parked(&self, job: &Job) -> io::Result<()> {
        self.remove(&self.parked_path(job))?;
        self.queue.lock().handle_parked_removed(&(job.kind.clone(), job.key));
        Ok(())
    }

    /// Reads the reasons of parked jobs.
    pub(super) fn with_reasons(&self, jobs: Vec<Job>) -> io::Result<Vec<ListedJob>> {
        let mut listed = Vec::with_capacity(jobs.len());
        for job in jobs {
            if let Some((reason, _)) = self.read_parked(&job)? {
                listed.push(ListedJob::new(job, JobState::parked(reason)));
            }
        }
        Ok(listed)
    }

    fn read_parked(&self, job: &Job) -> io::Result<Option<(String, Bytes)>> {
        let Some(bytes) = unless_missing(disk::read(&*self.disk, &self.parked_path(job)))? else { return Ok(None) };
        let bytes = Bytes::from(bytes);
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let reason = String::from_utf8_lossy(&bytes[..end]).into_owned();
        Ok(Some((reason, bytes.slice((end + 1).min(bytes.len())..))))
    }

    fn parked_path(&self, job: &Job) -> PathBuf {
        self.folder.join(format!("{job}{SUFFIX}"))
    }
}

/// The reason as one line of at most 400 characters.
pub(super) fn one_line(reason: &str) -> String {
    reason.chars().take(LONGEST_REASON).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

fn unless_missing(read: io::Result<Vec<u8>>) -> io::Result<Option<Vec<u8>>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// How the name of a parked job ends, behind the name that the job had.
pub(super) const SUFFIX: &str = ".parked";
const LONGEST_REASON: usize = 400;
