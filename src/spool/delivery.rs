//! [`deliver`]: sends the messages that wait for one destination, as its [`Queue`](super::queue::Queue) decides.

use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio::time::{sleep, timeout};
use tracing::{Instrument as _, Span};

use super::backlog::BacklogReporter;
use super::file::MessageFile;
use super::file_pool::{OldFiles, Reuse};
use super::head::{is_damaged, is_settled};
use super::loading::{LoadedMessage, OpenedMessage, UnloadedMessage};
use super::name::EntryName;
use super::queue::Failure;
use super::{Destination, MEMORY_PIECE, MEMORY_PIECES, Spool};
use crate::disk;
use crate::error_chain as chain;
use crate::event::Event;
use crate::forward::{Acceptance, ForwardError, Forwarder, Outcome, Reply, TransportSecurity};
use crate::message::MailboxId;
use crate::retry::{now, random_fraction, wait_until};

/// Sends the messages that wait for `destination` through `forwarder` until `leave` or `stop` is ready, and then finishes those under
/// way. After `stop` that takes at most [`STOP_TIMEOUT`]. Messages that are cut off then are sent again by the next start, and the
/// receiver stores them once.
pub(crate) async fn deliver(
    spool: &Spool,
    destination: &str,
    forwarder: &dyn Forwarder,
    leave: impl Future<Output = ()> + Send,
    stop: impl Future<Output = ()> + Send,
) {
    let destination = &*spool.destination(destination);
    let sender = DestinationSender { spool, destination, forwarder };
    let (mut under_way, mut cutting) = (FuturesUnordered::new(), FuturesUnordered::new());
    let (mut leave, mut stop) = (std::pin::pin!(leave), std::pin::pin!(stop));
    let mut backlog = BacklogReporter::default();
    // Delivered messages are removed in one visit to the disk at a time; those that are delivered meanwhile share the next one.
    let (mut delivered, mut removing) = (Vec::new(), FuturesUnordered::new());
    let stopped = loop {
        if removing.is_empty() && !delivered.is_empty() {
            removing.push(sender.remove_delivered(std::mem::take(&mut delivered)));
        }
        while let Some(batch) = sender.next() {
            let span = sender.span(&batch);
            under_way.push(sender.send_batch(batch).instrument(span));
        }
        backlog.report(destination, &spool.shared.events);
        let file_pool = &spool.shared.file_pool;
        cutting.extend(file_pool.poll_old(now()).map(|old| cut(spool, old)));
        let timeouts = [destination.queue().poll_timeout(), backlog.poll_timeout(), file_pool.poll_timeout()];
        let next_at = timeouts.into_iter().flatten().min();
        tokio::select! {
            () = &mut stop => break true,
            () = &mut leave => break false,
            Some(accepted) = under_way.next() => delivered.extend(accepted),
            Some(()) = removing.next() => {}
            () = destination.changed.notified() => {}
            Some(()) = cutting.next() => {}
            () = wait_until(next_at) => {}
        }
    };
    let finished = async {
        while let Some(accepted) = under_way.next().await {
            delivered.extend(accepted);
        }
        while removing.next().await.is_some() {}
        if !delivered.is_empty() {
            sender.remove_delivered(delivered).await;
        }
        if stopped {
            cutting.extend(spool.shared.file_pool.take_sounds().map(|sounds| cut(spool, sounds)));
        }
        while cutting.next().await.is_some() {}
    };
    let cut_off = async {
        if !stopped {
            stop.await;
        }
        sleep(STOP_TIMEOUT).await;
    };
    tokio::select! {
        () = finished => {}
        () = cut_off => {
            tracing::warn!(destination = &*destination.name, "messages under way were cut off at the stop; they are sent again");
        }
    }
    spool.note_waiting(destination);
}

/// Empties spare files whose sounds were delivered.
async fn cut(spool: &Spool, old: OldFiles) {
    let shared = Arc::clone(&spool.shared);
    let cut = disk::blocking(move || {
        shared.file_pool.cut(&*shared.disk, old);
        Ok(())
    });
    if let Err(error) = cut.await {
        tracing::warn!(%error, "delivered sounds stay in spare files until the next start");
    }
}

/// How long messages under way may take after the stop.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A message that the other node or a relay has accepted, still in the queue.
#[derive(Debug)]
struct DeliveredMessage {
    name: EntryName,
    transport_security: TransportSecurity,
    accepted_by: AcceptedBy,
    /// The span of the attempt.
    span: Span,
}

/// The peer that has accepted a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AcceptedBy {
    Destination,
    Relay,
}

/// Sends batches to one destination.
#[derive(Debug, Clone, Copy)]
struct DestinationSender<'a> {
    spool: &'a Spool,
    destination: &'a Destination,
    forwarder: &'a dyn Forwarder,
}

impl DestinationSender<'_> {
    fn next(&self) -> Option<Vec<EntryName>> {
        self.destination.queue().poll_send(now())
    }

    /// Returns the tracing span of one attempt.
    fn span(&self, batch: &[EntryName]) -> Span {
        tracing::info_span!(parent: None, "forward", id = %batch[0].id(), destination = &*self.destination.name)
    }

    /// Sends one message to each mailbox of `batch`, and handles each outcome. Returns those that were accepted, to be removed.
    async fn send_batch(self, batch: Vec<EntryName>) -> Vec<DeliveredMessage> {
        let sent = self.send(&batch).await;
        self.destination.queue().handle_returned();
        // Only work on the disk is left for this message, and the next one need not wait for that.
        self.destination.changed.notify_one();
        match sent {
            Ok(acceptance) => match node_failure(&acceptance) {
                Some(reply) => self.destination_failed(Failure::Unavailable, &batch, &reply.to_string()),
                None => return self.settle(&batch, acceptance).await,
            },
            Err(SendFailure::Forward(error)) if error.is_transient() => {
                self.destination_failed(Failure::Unreachable, &batch, &chain(&error));
            }
            Err(SendFailure::Forward(error)) => {
                match error {
                    ForwardError::Refused { .. } => self.destination.queue().handle_reached(),
                    ForwardError::Unreachable { .. }
                    | ForwardError::TimedOut { .. }
                    | ForwardError::NoTls { .. }
                    | ForwardError::Protocol { .. }
                    | ForwardError::Unsendable(_) => self.not_tried(&batch),
                }
                for name in &batch {
                    self.park(name, &chain(&error)).await;
                }
            }
            Err(SendFailure::Load(error)) if is_settled(&error) => {
                // A power cut has given its names back after it was delivered.
                self.not_tried(&batch);
                self.remove(&batch).await;
            }
            Err(SendFailure::Load(error)) if is_damaged(&error) => {
                self.not_tried(&batch);
                for name in &batch {
                    self.park(name, &error.to_string()).await;
                }
            }
            Err(SendFailure::Load(error)) if error.kind() == io::ErrorKind::InvalidData => {
                self.not_tried(&batch);
                for name in &batch {
                    self.quarantine(name, &error).await;
                }
            }
            Err(SendFailure::Load(error)) => {
                self.not_tried(&batch);
                let mut batch = &batch[..];
                if let (io::ErrorKind::NotFound, [gone, others @ ..]) = (error.kind(), batch) {
                    tracing::error!(id = %gone.id(), "a message that waited is no longer in the spool: its file was removed");
                    self.destination.queue().handle_settled(gone);
                    batch = others;
                }
                for name in batch {
                    self.defer(name, &chain(&error));
                }
            }
            Err(SendFailure::Forwarder(fault)) => {
                tracing::error!(id = %batch[0].id(), fault, "a forwarder broke its contract");
                self.not_tried(&batch);
                for name in &batch {
                    self.defer(name, fault);
                }
            }
        }
        Vec::new()
    }

    async fn send(&self, batch: &[EntryName]) -> Result<Acceptance, SendFailure> {
        let cached = self.destination.cache().take(batch[0].id());
        let LoadedMessage { message, sound, memory: _memory } = match cached {
            Some(message) => {
                let memory = self.memory(message.audio().len()).await;
                LoadedMessage { message, sound: None, memory }
            }
            None => self.load(&batch[0]).await?,
        };
        let mailboxes: Vec<MailboxId> = batch.iter().map(|name| name.mailbox().clone()).collect();
        // The forwarder may be an integrator's code: if it panics or hangs, only this one message may be delayed.
        let call = AssertUnwindSafe(async { self.forwarder.forward(&message, &mailboxes).await }).catch_unwind();
        let answer = timeout(longest_call(message.audio().len()), call).await;
        let unread = sound.and_then(|sound| sound.take_error());
        match (answer, unread) {
            (Ok(Ok(Ok(acceptance))), _) if acceptance.outcomes.iter().any(Outcome::is_accepted) => Ok(acceptance),
            // The sound could not be read here, whatever error the forwarder returned for it.
            (Ok(Ok(_)), Some(unread)) => Err(SendFailure::Load(unread)),
            (Ok(Ok(Err(error))), None) => Err(SendFailure::Forward(error)),
            (Ok(Ok(Ok(acceptance))), None) => Ok(acceptance),
            (Ok(Err(_)), _) => Err(SendFailure::Forwarder("the forwarder panicked")),
            (Err(_), _) => Err(SendFailure::Forwarder("the forwarder never answered")),
        }
    }

    /// Reads a message from its file, as soon as there is memory for its sound or for one piece of it.
    async fn load(&self, name: &EntryName) -> Result<LoadedMessage, SendFailure> {
        let (path, id) = (self.destination.folder.join(name.to_string()), name.id());
        let shared = Arc::clone(&self.spool.shared);
        let leaves = self.forwarder.reads_sounds();
        let reader = self.reader().await;
        let opened = disk::blocking(move || {
            let found = UnloadedMessage::new(MessageFile::open(&*shared.disk, &path, id)?, leaves);
            // In the same blocking call, if there is memory now.
            Ok(match Arc::clone(&shared.memory).try_acquire_many_owned(pieces(found.memory())) {
                Ok(memory) => OpenedMessage::Loaded(found.load(memory)?),
                Err(_) => OpenedMessage::NoMemory(found),
            })
        });
        let opened = opened.await.map_err(SendFailure::Load)?;
        drop(reader);
        match opened {
            OpenedMessage::Loaded(loaded) => Ok(loaded),
            OpenedMessage::NoMemory(found) => {
                let memory = self.memory(found.memory()).await;
                let _reader = self.reader().await;
                disk::blocking(move || found.load(memory)).await.map_err(SendFailure::Load)
            }
        }
    }

    /// Waits until one more file may be read.
    async fn reader(&self) -> SemaphorePermit<'_> {
        self.spool.shared.readers.acquire().await.expect("the semaphore is never closed")
    }

    /// Waits until there is memory for so many bytes of sound.
    async fn memory(&self, bytes: u64) -> OwnedSemaphorePermit {
        let memory = Arc::clone(&self.spool.shared.memory);
        memory.acquire_many_owned(pieces(bytes)).await.expect("the semaphore is never closed")
    }

    async fn settle(&self, batch: &[EntryName], acceptance: Acceptance) -> Vec<DeliveredMessage> {
        self.destination.queue().handle_reached();
        let mut delivered = Vec::with_capacity(batch.len());
        for (index, name) in batch.iter().enumerate() {
            match acceptance.outcomes.get(index) {
                Some(accepted @ (Outcome::Accepted | Outcome::Relayed)) => delivered.push(DeliveredMessage {
                    name: name.clone(),
                    transport_security: acceptance.transport_security,
                    accepted_by: if *accepted == Outcome::Relayed { AcceptedBy::Relay } else { AcceptedBy::Destination },
                    span: Span::current(),
                }),
                Some(Outcome::Deferred(reply)) => self.defer(name, &reply.to_string()),
                Some(Outcome::Refused(reply)) => self.park(name, &reply.to_string()).await,
                None => self.defer(name, "the forwarder gave no outcome for this mailbox"),
            }
        }
        delivered
    }

    /// Removes messages that the other node has accepted, keeps those that a relay has accepted until the receipt, and reports each.
    async fn remove_delivered(self, delivered: Vec<DeliveredMessage>) {
        let (relayed, delivered): (Vec<_>, _) =
            delivered.into_iter().partition(|message| message.accepted_by == AcceptedBy::Relay);
        if !relayed.is_empty() {
            self.keep_relayed(relayed).await;
        }
        if delivered.is_empty() {
            return;
        }
        let names: Vec<EntryName> = delivered.iter().map(|message| message.name.clone()).collect();
        let attempts = self.remove(&names).await;
        for (DeliveredMessage { name, transport_security, span, .. }, attempts) in delivered.into_iter().zip(attempts) {
            span.in_scope(|| {
                self.emit(Event::Forwarded {
                    id: name.id(),
                    mailbox: name.mailbox().clone(),
                    destination: self.destination.name.to_string(),
                    transport_security,
                    attempts,
                });
            });
        }
    }

    /// Keeps messages that a relay has accepted until the receipt of the other node comes, and reports each.
    async fn keep_relayed(&self, relayed: Vec<DeliveredMessage>) {
        let names: Vec<EntryName> = relayed.iter().map(|message| message.name.clone()).collect();
        let (spool, destination) = (self.spool.clone(), self.spool.destination(&self.destination.name));
        let kept = disk::blocking(move || spool.relay_files(&destination, &names)).await;
        for DeliveredMessage { name, transport_security, span, .. } in relayed {
            let _entered = span.entered();
            if let Err(error) = &kept {
                // It is sent again, and the receiver stores it once.
                self.defer(&name, &format!("a relay has accepted it, but it could not be moved: {}", chain(error)));
                continue;
            }
            let attempts = self.destination.queue().handle_settled(&name);
            let (id, mailbox, destination) = (name.id(), name.mailbox().clone(), self.destination.name.to_string());
            self.emit(Event::Relayed { id, mailbox, destination, transport_security, attempts });
        }
    }

    /// Removes the names of settled messages in one visit to the disk; returns how many attempts each took.
    async fn remove(&self, names: &[EntryName]) -> Vec<u32> {
        let files: Vec<_> = names.iter().map(|name| (name.id(), self.destination.folder.join(name.to_string()))).collect();
        let (shared, spool) = (Arc::clone(&self.spool.shared), self.spool.clone());
        let settled = names.to_vec();
        let removed = disk::blocking(move || {
            for name in &settled {
                spool.forget_relayed(name);
            }
            for (id, path) in files {
                if let Err(error) = shared.file_pool.put(&*shared.disk, &path, Reuse::WhenFlushed, now()) {
                    // It stays in the folder and is sent again after the next start; the receiver stores it once.
                    tracing::warn!(%id, %error, "a delivered message could not be removed from the spool");
                }
            }
            Ok(())
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "delivered messages could not be removed from the spool");
        }
        let mut queue = self.destination.queue();
        names.iter().map(|name| queue.handle_settled(name)).collect()
    }

    fn not_tried(&self, batch: &[EntryName]) {
        self.destination.queue().handle_not_tried(batch, now());
    }

    fn defer(&self, name: &EntryName, reason: &str) {
        let now = now();
        let (attempts, due) = self.destination.queue().handle_deferred(name, now, random_fraction());
        self.emit_deferred(name, reason, attempts, due, now);
    }

    fn destination_failed(&self, failure: Failure, batch: &[EntryName], reason: &str) {
        let now = now();
        let due = self.destination.queue().handle_failure(failure, batch, now, random_fraction());
        for name in batch {
            let attempts = self.destination.queue().attempts(name);
            self.emit_deferred(name, reason, attempts, due, now);
        }
    }

    fn emit_deferred(&self, name: &EntryName, reason: &str, attempts: u32, due: Instant, now: Instant) {
        self.emit(Event::Deferred {
            id: name.id(),
            mailbox: name.mailbox().clone(),
            destination: self.destination.name.to_string(),
            reason: reason.to_owned(),
            attempts,
            retry_in: due.saturating_duration_since(now),
        });
    }

    /// Parks a message that was refused for good, until an operator decides.
    async fn park(&self, name: &EntryName, reason: &str) {
        let attempts = self.destination.queue().attempts(name) + 1;
        let parked = self.spool.park_file(&self.destination.name, name, reason, attempts).await;
        match parked {
            Ok(()) => {
                self.destination.queue().handle_settled(name);
            }
            Err(error) => self.defer(name, &chain(&error)),
        }
    }

    async fn quarantine(&self, name: &EntryName, error: &io::Error) {
        let path = self.destination.folder.join(name.to_string());
        let spool = self.spool.clone();
        let reason = error.to_string();
        match disk::blocking(move || spool.quarantine(&path, reason)).await {
            Ok(()) => {
                self.destination.queue().handle_settled(name);
            }
            Err(error) => self.defer(name, &error.to_string()),
        }
    }

    fn emit(&self, event: Event) {
        self.spool.shared.events.emit(event);
    }
}

/// Returns the reply of a node that accepted no recipient because of its own state, such as a full disk or a store that is away. All messages would
/// get that reply, so the node is treated like one that cannot be reached: one message a second asks whether it is back, and then the others follow.
fn node_failure(acceptance: &Acceptance) -> Option<&Reply> {
    let mut failure = None;
    for outcome in &acceptance.outcomes {
        match outcome {
            Outcome::Deferred(reply) if reply.is_about_the_node() => failure = Some(reply),
            Outcome::Accepted | Outcome::Relayed | Outcome::Deferred(_) | Outcome::Refused(_) => return None,
        }
    }
    failure
}

/// Returns how many pieces of memory a sound of so many bytes takes; the longest takes all there are.
fn pieces(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(MEMORY_PIECE)).unwrap_or(u32::MAX).min(MEMORY_PIECES)
}

/// Why there is no outcome for the mailboxes of a batch.
enum SendFailure {
    /// The message could not be read from its file.
    Load(io::Error),
    /// The forwarder returned an error.
    Forward(ForwardError),
    /// The forwarder broke its contract.
    Forwarder(&'static str),
}

/// Returns how long a forwarder may take for a message of so many bytes. A forwarder that keeps its contract takes much less.
fn longest_call(bytes: u64) -> Duration {
    Duration::from_secs(3600 + bytes / 1024)
}

#[cfg(test)]
mod tests;
