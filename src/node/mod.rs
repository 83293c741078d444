//! A voicemail node: [`Node`], which is made of the other modules and has the role that the network gives it.
//!
//! A [`Node`] records for the PBXs that the network gives it, keeps the mailboxes if it is the central one, forwards what is
//! for another node, and updates the lamps. There is no setting for its role: the role follows from its address in the network.
//!
//! # How often the bytes of a sound are copied
//!
//! From the recorder to the store's file at another node, each byte of a sound is copied or read as often as this table says. A sound or a
//! mail of more than 1 MiB is never in memory whole; a smaller one is written to no other files than those that keep it.
//!
//! | where | what happens | above 1 MiB |
//! |---|---|---|
//! | [`Recording`] | copied into its buffer as it is pushed; written to its file | the same |
//! | its end | read from the file once, for its digest and for sending; a WAV file that was given whole is not read again | read once, for its digest, in pieces of 256 KiB |
//! | [`spool`](crate::spool) | sent from that memory; read from its file only after a restart, or when more than 8 MiB wait | read from its file once more while it is sent, in pieces of 47 KiB |
//! | [`wire`](crate::wire) | written as base64, once; a peer that offers BINARYMIME gets the bytes themselves, searched once for the boundary | the same, piece by piece, and not searched |
//! | [`forward`](crate::forward) | handed to TLS or the socket in the pieces it is in, uncopied | the same |
//! | [`intake`](crate::intake) | read from TLS or the socket straight into the mail; of one sent with BDAT no byte is looked at for its end | into a piece of 64 KiB, which is written to a file of the store |
//! | before 250 | searched for the end of its part, once; base64 undone, once, and the digest taken, once | the same, from that file, which is read twice in pieces of 64 KiB |
//! | [`MaildirStore`](crate::store::MaildirStore) | the mail is written as it came, and flushed | the file is flushed and gets its name in the mailbox; a second mailbox gets a copy |
//!
//! The limit of 1 MiB, two minutes of mu-law, is where the spool reads a sound for its digest without keeping it, and four steps of an
//! intake's memory: a message of half a minute in 16-bit samples, 480 kB, stays well below it.

mod adopt;
mod age_warnings;
mod builder;
mod changes;
mod clock_skew;
mod counter;
mod current_network;
mod error;
mod greetings;
mod group_counts;
mod lamp_leases;
mod lamp_scheduler;
mod lamps;
mod local;
mod node_store;
mod opening;
mod postmaster;
mod reports;
mod return_path;
mod room;
mod sent_mails;
mod source;
mod undeliverable;
mod versions;
mod warning_jobs;
mod warning_mails;

use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{self, BoxFuture, FutureExt as _};
use tokio::sync::{broadcast, watch};

use self::adopt::Destination;
use self::age_warnings::AgeWarnings;
pub use self::builder::NodeBuilder;
use self::changes::Changes;
use self::counter::Counter;
use self::current_network::CurrentNetwork;
pub use self::error::NodeError;
pub use self::greetings::GreetError;
use self::greetings::GreetingService;
use self::lamps::Lamps;
use self::local::StoreForwarder;
use self::return_path::ReturnPathCheck;
use self::room::RoomWarnings;
use crate::arrival::{Pipeline, Steps};
use crate::audio::Format;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::event::{Event, Events, Occurrence};
use crate::forward::{Forwarder, TimeLimited};
use crate::intake::{Intake, Listener, ListenerPolicy};
use crate::lock::Lock;
use crate::message::{MailboxId, MessageId, SiteId};
use crate::mwi::{LampLease, MwiSink};
use crate::network::{Admission, LicenceClass, Network, NetworkObserver, NodeAddress, Port, PortsInUse, Refusal};
use crate::outbox::Outbox;
use crate::record::{CallFacts, Jobs, Kept, RecordError, Recorder, Recording, RecordingSite};
use crate::retrieval::MailboxService;
use crate::retry::Backoff;
use crate::spool::Spool;
use crate::store::{BadEntry, MessageStore};

/// A voicemail node; clones are the same node.
///
/// It does nothing by itself: [`run`](Self::run) is the future to drive. Recordings can be made before, and are forwarded then.
#[derive(Debug, Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    current: Arc<CurrentNetwork>,
    /// Held while another network is adopted.
    adopting: Lock<()>,
    observers: Vec<Arc<dyn NetworkObserver>>,
    destination: watch::Sender<Destination>,
    admission: Arc<Admission>,
    mailbox_service: Option<MailboxService>,
    outbox: Option<Outbox>,
    pipeline: Option<Arc<Pipeline>>,
    steps: Option<Steps>,
    store: Option<Arc<dyn MessageStore>>,
    local: Option<TimeLimited<StoreForwarder>>,
    forwarder: Option<Arc<dyn Forwarder>>,
    sink: Option<Arc<dyn MwiSink>>,
    lamp_lease: Option<Arc<dyn LampLease>>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    events: Events,
    spool: Spool,
    recorder: Recorder,
    jobs: Lock<Option<Jobs>>,
    intake: Intake,
    return_path: Arc<ReturnPathCheck>,
    greetings: Arc<GreetingService>,
    room_warnings: Option<RoomWarnings>,
    age_warnings: Option<AgeWarnings>,
    listeners: Lock<Vec<(Listener, ListenerPolicy)>>,
    changes: Arc<Changes>,
    counter: Option<Counter>,
    max_lamp_updates_per_sec: NonZeroU32,
    lamp_backoff: Backoff,
    shutdown_timeout: Duration,
}

impl Node {
    /// Returns a builder for the node at `address` in `network`, with its spool in the folder `spool`.
    pub fn builder(
        address: NodeAddress,
        network: impl Into<Arc<Network>>,
        directory: impl Directory,
        spool: impl Into<PathBuf>,
    ) -> NodeBuilder {
        NodeBuilder::new(address, network.into(), Arc::new(directory), spool.into())
    }

    /// Begins to record a call that the PBX `site` has answered, in `format`.
    ///
    /// # Errors
    ///
    /// [`RecordError::Refused`] when the PBX has no licence for it or no port free; [`RecordError::NoSuchMailbox`];
    /// [`RecordError::MailboxFull`]; [`RecordError::DiskNearlyFull`]; [`RecordError::Stopping`]. Nothing is recorded then.
    ///
    /// # Cancel safety
    ///
    /// A dropped call records nothing and gives its port back.
    pub async fn record(&self, site: &SiteId, facts: CallFacts, format: Format) -> Result<Recording, RecordError> {
        self.boxed_record(site, facts, format).await
    }

    /// [`record`](Self::record) as a boxed future, which is compiled with this crate.
    fn boxed_record<'a>(
        &'a self,
        site: &'a SiteId,
        facts: CallFacts,
        format: Format,
    ) -> BoxFuture<'a, Result<Recording, RecordError>> {
        Box::pin(async move {
            let (site, port) = self.admit_recording(site)?;
            self.inner.recorder.record(site, facts, format, port).await
        })
    }

    /// Keeps a WAV file, byte for byte, as a message that the PBX `site` has recorded.
    ///
    /// # Errors
    ///
    /// As [`record`](Self::record); [`RecordError::UnreadableAudio`], [`RecordError::TooShort`] and [`RecordError::TooLong`] too.
    /// [`RecordError::Disk`] without an [`Event::Finished`] before it means that the file could not be written: nothing is kept, and the node
    /// does not try again.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept nothing, or the node keeps the whole message. It gives its port back at once.
    pub async fn deposit_wav(&self, site: &SiteId, facts: CallFacts, wav: Bytes) -> Result<Kept, RecordError> {
        self.boxed_deposit(site, facts, wav).await
    }

    /// [`deposit_wav`](Self::deposit_wav) as a boxed future, which is compiled with this crate.
    fn boxed_deposit<'a>(&'a self, site: &'a SiteId, facts: CallFacts, wav: Bytes) -> BoxFuture<'a, Result<Kept, RecordError>> {
        Box::pin(async move {
            let (site, port) = self.admit_recording(site)?;
            self.inner.recorder.deposit(site, facts, wav, port).await
        })
    }

    /// Checks whether the PBX `site` may use a feature now that takes no port, such as mailboxes in a mail client.
    ///
    /// # Errors
    ///
    /// As [`Admission::check`].
    pub fn check(&self, site: &SiteId, class: LicenceClass) -> Result<(), Refusal> {
        self.inner.admission.check(site, class, self.inner.clock.now().instant)
    }

    /// Takes one of the ports of the PBX `site` for a feature that holds a call, such as a campaign. It is free again when dropped.
    ///
    /// # Errors
    ///
    /// As [`Admission::admit`].
    pub fn admit(&self, site: &SiteId, class: LicenceClass) -> Result<Port, Refusal> {
        self.inner.admission.admit(site, class, self.inner.clock.now().instant)
    }

    /// Returns how many ports of the PBX `site` are in use; `None` when the site is not served here.
    pub fn ports(&self, site: &SiteId) -> Option<PortsInUse> {
        self.inner.admission.ports(site)
    }

    /// Returns the store, if this node is the central one. Messages marked or removed through it update the lamps, and so do changes by
    /// others that [`MessageStore::external_changes`] reports.
    pub fn store(&self) -> Option<&Arc<dyn MessageStore>> {
        self.inner.store.as_ref().filter(|_| self.inner.current.is_central())
    }

    /// Returns the service by which owners forward, answer and copy their messages, and which sends receipts to senders who requested
    /// them, if this node is the central one. It sends e-mail if the node has a [`mail_out`](NodeBuilder::mail_out).
    pub fn mailbox_service(&self) -> Option<&MailboxService> {
        self.inner.mailbox_service.as_ref().filter(|_| self.inner.current.is_central())
    }

    /// Returns the steps on arrival for an operator, if this node has any and a store.
    pub fn steps(&self) -> Option<&Steps> {
        self.inner.steps.as_ref()
    }

    /// Returns the directory of mailboxes and owners.
    pub fn directory(&self) -> &Arc<dyn Directory> {
        &self.inner.directory
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Returns the spool, for an operator.
    pub fn spool(&self) -> &Spool {
        &self.inner.spool
    }

    /// Returns the node's address in the network.
    pub fn address(&self) -> &NodeAddress {
        self.inner.current.address()
    }

    /// Returns the network in force.
    pub fn network(&self) -> Arc<Network> {
        self.inner.current.network()
    }

    /// Subscribes to the events of the node, from now on.
    pub fn events(&self) -> broadcast::Receiver<Occurrence> {
        self.inner.events.subscribe()
    }

    /// Does the work of the node and of its clock until `stop` is ready, and then finishes what is in progress: it ends and keeps recordings,
    /// sends the messages being sent, and updates the lamps that have changed.
    ///
    /// The end takes at most [`NodeBuilder::shutdown_timeout`], even if peers do not answer: the node waits for them during three quarters
    /// of it. A message that is cut off then stays in the spool and is sent after the next start; one that was being received has got no
    /// 250, so that its sender tries again.
    ///
    /// # Errors
    ///
    /// [`NodeError::RunsAlready`] when it was called before; [`NodeError::Intake`] when a listener cannot serve with its settings, which
    /// stops the node.
    ///
    /// # Cancel safety
    ///
    /// A dropped call stops the work at once. No message that was kept is lost; the next start continues.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) -> Result<(), NodeError> {
        self.boxed_run(Box::pin(stop)).await
    }

    /// [`run`](Self::run) as a boxed future. It is compiled with this crate, and not again in each program that runs a node.
    fn boxed_run<'a>(&'a self, stop: BoxFuture<'a, ()>) -> BoxFuture<'a, Result<(), NodeError>> {
        Box::pin(self.run_until(stop))
    }

    async fn run_until(&self, stop: BoxFuture<'_, ()>) -> Result<(), NodeError> {
        let inner = &*self.inner;
        let jobs = inner.jobs.lock().take();
        let jobs = jobs.ok_or_else(|| NodeError::RunsAlready(self.address().clone()))?;
        let (stopping, stopped) = watch::channel(false);
        let (lamps_stopping, lamps_stopped) = watch::channel(false);
        let (failed, mut failure) = watch::channel(None);
        let signal = async {
            tokio::select! {
                () = stop => {}
                _ = failure.wait_for(Option::is_some) => {}
            }
            stopping.send_replace(true);
        };
        let work = async {
            let recording = inner.recorder.run(jobs, raised(stopped.clone()));
            let exchange = self.exchange_mail(stopped.clone(), &failed);
            future::join(recording, exchange).await;
            lamps_stopping.send_replace(true);
        };
        tokio::select! {
            _ = future::join3(signal, work, self.update_lamps(lamps_stopped)) => {}
            () = elapsed(stopped.clone(), inner.shutdown_timeout) => tracing::warn!("the shutdown timed out; the next start continues"),
        }
        failed.send_replace(None).map_or(Ok(()), Err)
    }

    /// Sends and receives mail, with the housekeeping around it, until the stop and a while after it. A listener that cannot serve sets
    /// `failed`.
    async fn exchange_mail(&self, stopped: watch::Receiver<bool>, failed: &watch::Sender<Option<NodeError>>) {
        let receiving = async {
            if let Err(error) = self.receive_mail(stopped.clone()).await {
                failed.send_replace(Some(error));
            }
        };
        let greeting = self.inner.greetings.run(raised(stopped.clone()));
        let sending = future::join3(self.forward(stopped.clone()), self.send_mail(stopped.clone()), greeting);
        let stepping = self.do_steps(stopped.clone());
        let keeping =
            future::join3(self.redirect(stopped.clone()), self.housekeep(stopped.clone()), self.keep_clock(stopped.clone()));
        let relayed =
            future::join(self.inner.spool.watch_relayed(raised(stopped.clone())), self.check_return_path(stopped.clone()));
        let keeping =
            future::join4(keeping, self.offer_undeliverable(stopped.clone()), self.warn_owners(stopped.clone()), relayed);
        tokio::select! {
            _ = future::join4(receiving, sending, keeping, stepping) => {}
            () = elapsed(stopped.clone(), self.inner.shutdown_timeout / 4 * 3) => {
                tracing::warn!("messages in progress were cut off at the stop; they are sent again after the next start");
            }
        }
    }

    /// Calls a step of the store's housekeeping every minute.
    async fn housekeep(&self, stopped: watch::Receiver<bool>) {
        let Some(store) = &self.inner.store else { return };
        let steps = async {
            loop {
                tokio::time::sleep(HOUSEKEEPING_INTERVAL).await;
                match AssertUnwindSafe(store.housekeep()).catch_unwind().await {
                    Ok(Ok(done)) => {
                        for BadEntry { path, reason } in done.bad_entries {
                            self.inner.events.emit(Event::BadEntry { path, reason });
                        }
                        self.send_expiry_receipts(done.expired).await;
                    }
                    Ok(Err(error)) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "the housekeeping of the store failed");
                    }
                    Err(_) => tracing::error!("the store panicked in its housekeeping"),
                }
            }
        };
        tokio::select! {
            () = steps => {}
            () = raised(stopped) => {}
        }
    }

    /// Sends a receipt to each sender of a message that expired unheard, if one was requested.
    async fn send_expiry_receipts(&self, expired: Vec<(MailboxId, MessageId)>) {
        let Some(service) = &self.inner.mailbox_service else { return };
        for (mailbox, id) in expired {
            if let Err(error) = service.expired(&mailbox, id).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(message = %id, error, "the receipt of an expired message could not be sent");
            }
        }
    }

    /// Sends the receipts and copies that wait in the outbox.
    async fn send_mail(&self, stopped: watch::Receiver<bool>) {
        if let Some(outbox) = &self.inner.outbox {
            outbox.run(raised(stopped)).await;
        }
    }

    /// Warns owners before their mailboxes are full, and before messages are removed because of their age.
    async fn warn_owners(&self, stopped: watch::Receiver<bool>) {
        let Some(warnings) = &self.inner.room_warnings else { return };
        let work = async {
            while AssertUnwindSafe(warnings.run()).catch_unwind().await.is_err() {
                tracing::error!("the store or the jobs panicked when owners were warned; the warnings go on in a minute");
                tokio::time::sleep(HOUSEKEEPING_INTERVAL).await;
            }
        };
        let ages = async {
            let Some(warnings) = &self.inner.age_warnings else { return future::pending().await };
            while AssertUnwindSafe(warnings.run()).catch_unwind().await.is_err() {
                tracing::error!("the store or the jobs panicked when owners were warned of old messages; the warnings go on");
            }
        };
        tokio::select! {
            () = work => {}
            () = ages => {}
            () = raised(stopped) => {}
        }
    }

    /// Does the steps for messages that have arrived.
    async fn do_steps(&self, stopped: watch::Receiver<bool>) {
        let (Some(pipeline), Some(store)) = (&self.inner.pipeline, &self.inner.store) else { return };
        // A panic of the store or of the jobs must not end the node.
        while AssertUnwindSafe(pipeline.run(&**store, raised(stopped.clone()))).catch_unwind().await.is_err() {
            tracing::error!("the store or the jobs panicked in the steps on arrival, which begin again");
            pipeline.forget();
            tokio::time::sleep(AFTER_PANIC).await;
        }
    }

    /// Runs the clock. When that fails, the clock continues from its last measurement, and the node continues too.
    async fn keep_clock(&self, stopped: watch::Receiver<bool>) {
        tokio::select! {
            Err(_panic) = AssertUnwindSafe(self.inner.clock.synchronize()).catch_unwind() => {
                tracing::error!("the clock panicked while it measured the time; it continues from its last measurement");
            }
            () = raised(stopped) => {}
        }
    }

    /// Receives mail from other nodes.
    async fn receive_mail(&self, stopped: watch::Receiver<bool>) -> Result<(), NodeError> {
        let intake = &self.inner.intake;
        let listeners = std::mem::take(&mut *self.inner.listeners.lock());
        let serve = |(listener, policy): (Listener, ListenerPolicy)| async {
            let address = listener.to_string();
            let served = intake.serve(listener, policy, raised(stopped.clone())).await;
            served.map_err(|source| NodeError::Intake { listener: address, source })
        };
        future::try_join_all(listeners.into_iter().map(serve)).await.map(drop)
    }

    async fn update_lamps(&self, stopped: watch::Receiver<bool>) {
        let inner = &*self.inner;
        let (Some(store), Some(counter), Some(sink)) = (&inner.store, &inner.counter, &inner.sink) else { return };
        let lamps = Lamps {
            store: Arc::clone(store),
            counter,
            sink: Arc::clone(sink),
            events: inner.events.clone(),
            changes: Arc::clone(&inner.changes),
            current: &inner.current,
            directory: &*inner.directory,
            max_per_sec: inner.max_lamp_updates_per_sec.get(),
            backoff: inner.lamp_backoff,
            lease: inner.lamp_lease.clone(),
        };
        lamps.run(raised(stopped)).await;
    }

    /// Admits a call of a PBX, if the PBX may record here and has a free port.
    fn admit_recording(&self, site: &SiteId) -> Result<(RecordingSite, Port), RecordError> {
        let port = self.admit(site, LicenceClass::Voicemail)?;
        let zone = self.network().site(site).ok_or_else(|| Refusal::NotServedHere(site.clone()))?.zone();
        Ok((RecordingSite { id: site.clone(), zone }, port))
    }
}

/// Waits until a flag is raised, or its sender is gone.
async fn raised(mut flag: watch::Receiver<bool>) {
    // An error says that the sender is gone, which ends the wait too.
    let _ = flag.wait_for(|raised| *raised).await;
}

/// Waits until `time` has passed since a flag was raised.
async fn elapsed(flag: watch::Receiver<bool>, time: Duration) {
    raised(flag).await;
    tokio::time::sleep(time).await;
}

/// The pause before steps on arrival begin again after a panic.
const AFTER_PANIC: Duration = Duration::from_secs(1);
/// The time between two steps of the store's housekeeping.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(60);
