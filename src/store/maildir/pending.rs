//! [`Pending`]: the arrivals that no node has settled yet, each a link in one folder. Everything here blocks.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::staging::Staged;
use crate::disk::{self, Disk, SharedFlush};
use crate::lock::Lock;
use crate::message::{MailboxId, MessageId};
use crate::retry::now;
use crate::store::PendingArrival;

/// The memory of arrivals of one store. Its folder has an entry `ID-PROCESS-MAILBOX` for each arrival that is not settled.
///
/// The entry is a link to the [record](super::shared_record::SharedRecord) of the hour, which costs no inode. `PROCESS` is the name of a staged file, which its
/// process keeps locked: so another process finds out that this one has died, and takes its arrivals over by a rename.
#[derive(Debug, Default)]
pub(super) struct Pending(OnceLock<Own>);

/// The entries of this process.
#[derive(Debug)]
struct Own {
    folder: PathBuf,
    /// Locked as long as the process lives.
    process: Staged,
    /// Until when arrivals of this process are held.
    held: Lock<HashMap<PendingArrival, Instant>>,
}

impl Pending {
    /// Remembers each arrival from now on, in a folder in `root`.
    pub(super) fn begin(&self, disk: &Arc<dyn Disk>, root: &Path, staging: &Path) -> io::Result<()> {
        if self.0.get().is_some() {
            return Ok(());
        }
        let folder = root.join(FOLDER);
        disk::create_dirs(&**disk, &folder)?;
        disk.sync_dir(root)?;
        let process = Staged::create(disk, staging)?;
        // Of two calls at once, one has set it.
        let _ = self.0.set(Own { folder, process, held: Lock::default() });
        Ok(())
    }

    /// Notes an arrival whose message is about to get its name, if arrivals are remembered. `link` makes a link to the record of the hour. The note is not
    /// flushed.
    pub(super) fn note(
        &self,
        disk: &dyn Disk,
        (mailbox, id): (&MailboxId, MessageId),
        link: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(own) = self.0.get() else { return Ok(()) };
        let arrival = PendingArrival::new(mailbox.clone(), id);
        let path = own.path(&arrival);
        own.held.lock().insert(arrival, now() + FIRST_HOLD);
        match link(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) if disk::is_no_space(&error) => Err(error),
            // The file system has no links.
            Err(_) => disk.create(&path).map(drop),
            Ok(()) => Ok(()),
        }
    }

    /// Notes arrivals whose messages are there, durably.
    pub(super) fn add(&self, disk: &dyn Disk, flush: &SharedFlush, arrivals: &[PendingArrival]) -> io::Result<()> {
        for arrival in arrivals {
            self.note(disk, (&arrival.mailbox, arrival.id), |path| disk.create(path).map(drop))?;
        }
        self.flush(disk, flush)
    }

    /// Makes the notes durable.
    pub(super) fn flush(&self, disk: &dyn Disk, flush: &SharedFlush) -> io::Result<()> {
        self.0.get().map_or(Ok(()), |own| flush.sync_dir(disk, &own.folder))
    }

    /// Takes up to `most` arrivals that are not held, whether or not their messages are there, and holds them for `hold`.
    pub(super) fn take(&self, disk: &dyn Disk, staging: &Path, most: usize, hold: Duration) -> io::Result<Vec<PendingArrival>> {
        let Some(own) = self.0.get() else { return Ok(Vec::new()) };
        own.held.lock().retain(|_, until| *until > now());
        let (mut processes, mut taken) = (HashMap::new(), Vec::new());
        for name in disk.list(&own.folder)? {
            if taken.len() >= most {
                break;
            }
            let Some((process, arrival)) = parse(&name) else { continue };
            if process != own.process() {
                let lives = match processes.get(process) {
                    Some(lives) => *lives,
                    None => is_alive(disk, &staging.join(process))?,
                };
                processes.insert(process.to_owned(), lives);
                if lives || !take_over(disk, &own.folder.join(&name), &own.path(&arrival))? {
                    continue;
                }
            }
            let mut until = own.held.lock();
            // An arrival that was settled since the folder was listed has lost its entry, and then its hold.
            if !until.contains_key(&arrival) && exists(disk, &own.path(&arrival))? {
                until.insert(arrival.clone(), now() + hold);
                taken.push(arrival);
            }
        }
        Ok(taken)
    }

    /// Holds these arrivals for `hold` from now on or for longer; one that is not pending any more is forgotten again when that is over.
    pub(super) fn extend(&self, arrivals: &[PendingArrival], hold: Duration) {
        let Some(own) = self.0.get() else { return };
        let (mut arrivals_held, until) = (own.held.lock(), now() + hold);
        for arrival in arrivals {
            let before = arrivals_held.entry(arrival.clone()).or_insert(until);
            *before = until.max(*before);
        }
    }

    /// Forgets these arrivals. The removal of their notes is not flushed.
    pub(super) fn settle(&self, disk: &dyn Disk, arrivals: &[PendingArrival]) -> io::Result<()> {
        let Some(own) = self.0.get() else { return Ok(()) };
        for arrival in arrivals {
            remove(disk, &own.path(arrival))?;
            own.held.lock().remove(arrival);
        }
        Ok(())
    }
}

impl Own {
    fn process(&self) -> &str {
        self.process.path().file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    fn path(&self, arrival: &PendingArrival) -> PathBuf {
        self.folder.join(format!("{}-{}-{}", arrival.id, self.process(), arrival.mailbox))
    }
}

/// Parses the name of an entry: its process and its arrival.
fn parse(name: &str) -> Option<(&str, PendingArrival)> {
    let (id, rest) = name.split_once('-')?;
    let (process, mailbox) = rest.split_once('-')?;
    process.parse::<MessageId>().ok()?;
    Some((process, PendingArrival::new(MailboxId::from_file_name(mailbox)?, id.parse().ok()?)))
}

/// Whether the process lives that keeps this file locked.
fn is_alive(disk: &dyn Disk, file: &Path) -> io::Result<bool> {
    match disk.open(file).and_then(|file| file.try_lock()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        free => free.map(|free| !free),
    }
}

/// Renames an entry of a process that died; returns false if another process was faster.
fn take_over(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<bool> {
    match disk.rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        // Both names stay if they are links to one file.
        renamed => renamed.and_then(|()| remove(disk, from)).map(|()| true),
    }
}

fn exists(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    match disk.open_to_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if !disk::is_not_a_file(&error) => Err(error),
        Ok(_) | Err(_) => Ok(true),
    }
}

/// Removes an entry; one that is not there is no error.
fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

const FOLDER: &str = "pending";
/// How long an arrival is held for the node that it was deposited on.
const FIRST_HOLD: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{DiskFile, FreeSpace, OsDisk};

    /// The operating system's disk, on which an arrival is settled as soon as the folder of arrivals was listed.
    #[derive(Debug)]
    struct SettlesWhenListed {
        pending: Arc<Pending>,
        arrival: PendingArrival,
    }

    impl Disk for SettlesWhenListed {
        fn list(&self, path: &Path) -> io::Result<Vec<String>> {
            let listed = OsDisk.list(path)?;
            self.pending.settle(&OsDisk, std::slice::from_ref(&self.arrival))?;
            Ok(listed)
        }
        fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            OsDisk.open(path)
        }
        fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            OsDisk.create(path)
        }
        fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
            OsDisk.link(from, to)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            OsDisk.rename(from, to)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            OsDisk.remove(path)
        }
        fn create_dir(&self, path: &Path) -> io::Result<()> {
            OsDisk.create_dir(path)
        }
        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            OsDisk.sync_dir(path)
        }
        fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
            OsDisk.free_space(path)
        }
    }

    #[test]
    fn an_arrival_settled_during_a_look_is_not_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let staging = folder.path().join("tmp");
        std::fs::create_dir(&staging).unwrap();
        let (pending, disk): (_, Arc<dyn Disk>) = (Arc::new(Pending::default()), Arc::new(OsDisk));
        pending.begin(&disk, folder.path(), &staging).unwrap();
        let [settled, waits] = [7, 8].map(|byte| PendingArrival::new("2041".parse().unwrap(), MessageId::from_bytes([byte; 16])));
        for arrival in [&settled, &waits] {
            pending.note(&OsDisk, (&arrival.mailbox, arrival.id), |path| OsDisk.create(path).map(drop)).unwrap();
        }
        pending.0.get().unwrap().held.lock().remove(&waits);
        let disk = SettlesWhenListed { pending: Arc::clone(&pending), arrival: settled };
        assert_eq!(pending.take(&disk, &staging, 10, Duration::from_secs(30)).unwrap(), [waits]);
    }
}
