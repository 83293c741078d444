//! The spool: messages that wait to be forwarded, as files that an operator can read, with an index of what is sent next.
//!
//! ```text
//! SPOOL/
//!   README.txt                          a description of these folders
//!   lock                                held while a node has the spool open
//!   lamps.txt                           at a central node: an upper bound of the versions of lamp states
//!   greetings/                          what owners say to callers, kept by the node: GreetingFolder has the names
//!   tls-peers.txt                       if a forwarder's TLS memory is kept here: which peers have spoken TLS
//!   recording/ID.vm                     being recorded
//!   queue/DESTINATION/NAME.vm           finished, waiting to be forwarded to that node
//!   relayed/DESTINATION/                accepted by a relay, waiting for the receipt of that node: TIME-ID-MAILBOX.vm, see `relayed`;
//!                                       what mail servers wrote about it without proof: ID.said, also in parked/
//!   parked/NAME.vm  parked/NAME.txt     refused for good or parked by an operator, and why; stays until an operator decides
//!   unreadable/                         files that are no messages, or not the one of their name, untouched
//!   outbox/                             if the node sends mail: receipts and copies that wait; [`outbox`](crate::outbox) has the names
//!   spare/                              files for the next messages, and sounds given whole until they are queued
//! ```
//!
//! `NAME` is `0-20250330T005940.123Z-ID-MAILBOX`: 0 for urgent and 1 for normal, so that `ls` shows what is sent first. A message for
//! several mailboxes is one file with several names. `head -20 FILE` shows what is known about a message; the sound follows at byte
//! 1024, so that `tail -c +1025 FILE` is the recording itself.
//!
//! A message leaves the spool only when the other node has accepted it: by its answer, or, if a mail server in between has answered, by its receipt. If power is lost between that answer and the removal, the message
//! is sent again, and the receiver stores it once. Its sound stays in `spare/` until another one is written over it, or for a minute. A sound
//! that was given whole and did not reach the disk whole before a crash is removed, because its sender had no answer. No other message file
//! is ever removed. A file that is no message (it is empty, or its head has the id of another message than its name) is moved to
//! `unreadable/`, and [`Event::Unreadable`](crate::event::Event::Unreadable) reports why. So is a file in `recording/` that a crash left
//! before its head was written: no caller had spoken by then.
//!
//! When a recording is finished, the digest of its sound is written into its head. It is checked before the sound is sent. A message
//! whose sound no longer matches is parked as damaged.

mod backlog;
mod builder;
mod delivery;
mod error;
mod file;
mod file_pool;
mod head;
mod left_over;
mod loading;
mod message_cache;
mod name;
mod operator;
mod parking;
mod probes;
mod quarantine;
mod queue;
mod redirect;
mod relayed;
mod sound;
mod spare_file;
mod spare_folder;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};

pub use self::builder::SpoolBuilder;
pub(crate) use self::delivery::deliver;
pub use self::error::SpoolError;
#[cfg(any(test, doc, feature = "conformance"))]
pub(crate) use self::file::MessageFile;
pub(crate) use self::file::{GrowingFile, SoundInput};
use self::file_pool::{FilePool, Reuse};
#[cfg(any(test, doc, feature = "conformance"))]
pub(crate) use self::head::MAX_HEAD_LEN;
pub(crate) use self::head::{FileHead, SoundSource};
pub(crate) use self::left_over::LeftOver;
use self::left_over::LeftOverFile;
#[cfg(any(test, doc, feature = "conformance"))]
pub(crate) use self::left_over::read_left_over;
use self::message_cache::MessageCache;
use self::name::EXTENSION;
pub(crate) use self::name::EntryName;
pub use self::operator::WaitingMessage;
pub use self::parking::{ParkedBy, ParkedMessage};
use self::quarantine::QuarantinedFile;
use self::queue::Queue;
use self::redirect::CurrentDestination;
pub use self::relayed::RelayedMessage;
#[cfg(feature = "node")]
pub(crate) use self::relayed::Settled;
use self::relayed::{ClockWatch, RelayedTimes};
use crate::clock::Clock;
use crate::disk::{self, Disk, DiskFile, FreeSpace, SharedFlush};
pub use crate::event::SpoolState;
use crate::event::{Events, ReturnPathState};
use crate::lock::Lock;
use crate::message::MailboxId;
use crate::retry::{RetryPolicy, now};

/// The messages that wait on this node to be forwarded; clones are the same spool.
#[derive(Debug, Clone)]
pub struct Spool {
    shared: Arc<SpoolShared>,
}

#[derive(Debug)]
struct SpoolShared {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    flush: SharedFlush,
    file_pool: FilePool,
    /// Permits for pieces of memory, for the sounds that are being sent.
    memory: Arc<Semaphore>,
    /// Permits to read a message's file. Each reader takes a thread, and each thread some memory.
    readers: Semaphore,
    destinations: Lock<BTreeMap<Arc<str>, Arc<Destination>>>,
    current: CurrentDestination,
    /// Notified when a message is parked.
    parked: Notify,
    /// Notified when a message is relayed.
    relayed: Notify,
    /// Notified when a receipt is overdue.
    unconfirmed: Notify,
    /// Held while a file is moved from folder to folder.
    moving: Lock<()>,
    /// Held while relayed messages are moved or settled.
    relaying: Lock<()>,
    /// Notices that the clock was set.
    clock_watch: Lock<ClockWatch>,
    /// The files that were quarantined when the spool was opened, until they are reported.
    quarantined_at_open: Lock<Vec<QuarantinedFile>>,
    clock: Arc<dyn Clock>,
    events: Events,
    retry: RetryPolicy,
    /// Held as long as the spool is open, so that no other process opens it.
    _lock: Box<dyn DiskFile>,
}

/// A node that messages are forwarded to, with the messages that wait for it.
#[derive(Debug)]
struct Destination {
    name: Arc<str>,
    folder: PathBuf,
    /// Whether the folder's name is known to be durable.
    durable: AtomicBool,
    queue: Lock<Queue>,
    cache: Lock<MessageCache>,
    relayed: Lock<RelayedTimes>,
    return_path: Lock<ReturnPathState>,
    changed: Notify,
}

impl Spool {
    /// Returns a builder of a spool in `folder`, which is created if it is missing.
    pub fn builder(folder: impl Into<PathBuf>) -> SpoolBuilder {
        SpoolBuilder::new(folder.into())
    }

    /// Returns how much space the spool's disk has left. Blocks.
    pub(crate) fn free_space(&self) -> io::Result<FreeSpace> {
        self.shared.disk.free_space(&self.shared.root)
    }

    /// Frees the disk space of sounds that were delivered and whose files are kept; answers whether there were any. Blocks.
    pub(crate) fn empty_spare_files(&self) -> bool {
        let sounds = self.shared.file_pool.take_sounds();
        sounds.map(|sounds| self.shared.file_pool.cut(&*self.shared.disk, sounds)).is_some()
    }

    /// Creates the file of a recording that begins. Blocks.
    pub(crate) fn begin(&self, head: FileHead, sound: SoundInput) -> io::Result<GrowingFile> {
        let path = self.shared.root.join(RECORDING).join(format!("{}{EXTENSION}", head.head.id));
        GrowingFile::create(&*self.shared.disk, self.shared.file_pool.take(), path, head, sound)
    }

    /// Creates the file of a sound that is given whole, with its finished head. Blocks.
    pub(crate) fn begin_whole(&self, head: FileHead, sound: &Bytes) -> io::Result<GrowingFile> {
        let pool = &self.shared.file_pool;
        GrowingFile::create_whole(&*self.shared.disk, pool.take(), pool.new_path(), head, sound)
    }

    /// Makes a completed recording durable and puts it into the queue of each mailbox's destination. Blocks.
    ///
    /// The file gets a name in each queue, and loses the one it was recorded under only when those are durable. A crash in between leaves
    /// both, and the next start finishes the move; so does the same call again. `on_durable` is called when nothing can fail any more, and
    /// before the message can be sent.
    pub(crate) fn enqueue(
        &self,
        file: &mut GrowingFile,
        to: &[(Arc<str>, MailboxId)],
        on_durable: impl FnOnce(),
    ) -> io::Result<()> {
        let disk = &*self.shared.disk;
        file.sync()?;
        let head = &file.head().head;
        let mut entries = Vec::with_capacity(to.len());
        for (destination, mailbox) in to {
            let destination = self.destination(destination);
            let name = EntryName::new(head.urgency, head.recorded_at.instant, head.id, mailbox.clone());
            destination.ensure_folder(disk)?;
            let path = destination.folder.join(name.to_string());
            match disk.link(file.path(), &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !file.is_at(disk, &path) => {
                    self.quarantine(&path, "another message has this name".to_owned())?;
                    disk.link(file.path(), &path)?;
                }
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            entries.push((destination, name));
        }
        let folders: BTreeSet<&Path> = entries.iter().map(|(destination, _)| &*destination.folder).collect();
        for folder in folders {
            let removed = self.shared.file_pool.removed();
            self.shared.flush.sync_dir(disk, folder)?;
            self.shared.file_pool.handle_flushed(folder, removed);
        }
        // The file stays under its other names, so it is no spare file.
        disk.remove(file.path())?;
        on_durable();
        let message = file.take_message();
        for (destination, name) in entries {
            if let Some(message) = &message {
                destination.cache().put(message.clone());
            }
            destination.queue().insert(name);
            destination.changed.notify_one();
            self.note_waiting(&destination);
        }
        Ok(())
    }

    /// Removes the file of a recording that is not queued, because it was too short or is kept elsewhere. Blocks.
    pub(crate) fn discard(&self, file: &GrowingFile) -> io::Result<()> {
        self.shared.file_pool.put(&*self.shared.disk, file.path(), Reuse::AtOnce, now())
    }

    /// Removes the file of a recording that its caller threw away, durably: a power cut does not bring it back. Blocks.
    pub(crate) fn discard_for_good(&self, file: &GrowingFile) -> io::Result<()> {
        match self.shared.disk.remove(file.path()) {
            // An earlier call has removed the file, and could not flush the folder.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.shared.flush.sync_dir(&*self.shared.disk, file.path().parent().unwrap_or(&self.shared.root))
    }

    /// Returns the names of the recordings that a crash has cut off; to be called before a recording begins. Blocks.
    pub(crate) fn left_over(&self) -> io::Result<Vec<String>> {
        let quarantined = std::mem::take(&mut *self.shared.quarantined_at_open.lock());
        for file in quarantined {
            self.shared.events.emit(file.into_event());
        }
        let mut names = self.shared.disk.list(&self.shared.root.join(RECORDING))?;
        names.retain(|name| name.ends_with(EXTENSION));
        Ok(names)
    }

    /// Reads the file of a recording that a crash has cut off. A file that is no recording is quarantined, with an event. Blocks.
    pub(crate) fn take_up(&self, name: &str) -> io::Result<Option<Box<LeftOver>>> {
        let path = self.shared.root.join(RECORDING).join(name);
        match left_over::read_left_over(&*self.shared.disk, &path)? {
            LeftOverFile::Settled => self.shared.disk.remove(&path).map(|()| None),
            LeftOverFile::Unreadable(reason) => self.quarantine(&path, reason).map(|()| None),
            LeftOverFile::Recording(left_over) => Ok(Some(left_over)),
        }
    }

    fn destination(&self, name: &str) -> Arc<Destination> {
        let mut destinations = self.destinations();
        if let Some(destination) = destinations.get(name) {
            return Arc::clone(destination);
        }
        let name: Arc<str> = name.into();
        let destination = Arc::new(Destination {
            name: Arc::clone(&name),
            folder: self.shared.root.join(QUEUE).join(&*name),
            durable: AtomicBool::new(false),
            queue: Lock::new(Queue::new(MAX_UNDER_WAY, &self.shared.retry)),
            cache: Lock::default(),
            relayed: Lock::default(),
            return_path: Lock::default(),
            changed: Notify::new(),
        });
        destinations.insert(name, Arc::clone(&destination));
        destination
    }

    fn destinations(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Destination>>> {
        self.shared.destinations.lock()
    }

    fn error(&self, source: io::Error) -> SpoolError {
        disk_error(&self.shared.root, source)
    }
}

impl Destination {
    /// Creates the folder if it is missing, and makes its name durable, also if an earlier process created it and crashed. Blocks.
    fn ensure_folder(&self, disk: &dyn Disk) -> io::Result<()> {
        if self.durable.load(Ordering::Acquire) {
            return Ok(());
        }
        disk::create_dirs(disk, &self.folder)?;
        if let Some(queues) = self.folder.parent() {
            disk.sync_dir(queues)?;
        }
        self.durable.store(true, Ordering::Release);
        Ok(())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    fn cache(&self) -> MutexGuard<'_, MessageCache> {
        self.cache.lock()
    }
}

fn disk_error(root: &Path, source: io::Error) -> SpoolError {
    let path = root.to_owned();
    if disk::is_no_space(&source) { SpoolError::NoSpace { path, source } } else { SpoolError::Disk { path, source } }
}

const RECORDING: &str = "recording";
const QUEUE: &str = "queue";
const RELAYED: &str = "relayed";
const PARKED: &str = "parked";
const SPARE: &str = "spare";
const UNREADABLE: &str = "unreadable";
/// How many messages are sent to one destination at once.
const MAX_UNDER_WAY: usize = 64;
/// How many pieces of memory there are for sounds on their way, to all destinations together. Each sound is in memory twice, as it is and
/// encoded. A sound that stays in its file takes one piece.
const MEMORY_PIECES: u32 = 24 * 16;
/// In bytes.
const MEMORY_PIECE: u64 = 64 * 1024;
/// How many files are read for sending at once. More would not make the disk faster, and each takes a thread.
const MAX_READERS: usize = 16;
