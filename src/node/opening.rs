//! Opening a node: from the parts and settings of a [`NodeBuilder`] to a [`Node`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;

use super::adopt::{Destination, check_parts};
use super::age_warnings::AgeWarnings;
use super::changes::Changes;
use super::clock_skew::SkewCheck;
use super::counter::Counter;
use super::current_network::{CurrentNetwork, destination};
use super::greetings::GreetingService;
use super::local::StoreForwarder;
use super::node_store::NodeStore;
use super::postmaster::postmaster;
use super::reports::SpoolReports;
use super::return_path::ReturnPathCheck;
use super::room::{NotedMailboxes, RoomWarnings};
use super::sent_mails::SentMails;
use super::versions::Versions;
use super::warning_mails::WarningMails;
use super::{Inner, Node, NodeBuilder, NodeError};
use crate::arrival::{Pipeline, Steps};
use crate::forward::{FullMailboxes, RememberFull, TimeLimited};
use crate::greeting::{GreetingFolder, GreetingKeeper, GreetingStore};
use crate::intake::{Intake, IntakeBuilder};
use crate::jobs::{FolderJobs, JobStore};
use crate::lock::Lock;
use crate::network::Admission;
use crate::outbox::Outbox;
use crate::record::Recorder;
use crate::retrieval::{MailboxService, MailboxServiceBuilder};
use crate::sent::SentFolder;
use crate::spool::{Spool, SpoolError};
use crate::store::MessageStore;

impl NodeBuilder {
    /// Opens the spool, recovers recordings that a crash cut off, and returns the node.
    ///
    /// # Errors
    ///
    /// [`NodeError::NotInNetwork`], [`NodeError::NoStore`], [`NodeError::NoForwarder`] and [`NodeError::OtherEngine`] mean that the parts do not fit the
    /// network;
    /// [`NodeError::SameStepTwice`] and [`NodeError::StepsUnsupported`] that the steps on arrival cannot be done so; [`NodeError::Arrivals`] that the store failed;
    /// [`NodeError::Steps`], [`NodeError::Warnings`], [`NodeError::Spool`], [`NodeError::Outbox`], [`NodeError::SentMails`], [`NodeError::Greetings`] and [`NodeError::Recover`] that the spool's disk failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has opened nothing; the next call recovers the same recordings.
    pub async fn open(self) -> Result<Node, NodeError> {
        self.boxed_open().await
    }

    /// [`open`](Self::open) as a boxed future, which is compiled with this crate.
    fn boxed_open(self) -> BoxFuture<'static, Result<Node, NodeError>> {
        Box::pin(self.open_node())
    }

    async fn open_node(self) -> Result<Node, NodeError> {
        check_parts(&self.address, &self.network, self.store.as_deref(), self.forwarder.is_some())?;
        self.warn_of_unshared_lamps();
        let current = Arc::new(CurrentNetwork::new(self.address.clone(), Arc::clone(&self.network)));
        let changes = Arc::new(Changes::default());
        let pipeline = self.pipeline().await?;
        let noted = Arc::new(NotedMailboxes::default());
        let store = self.node_store(&current, &changes, pipeline.clone(), Arc::clone(&noted));
        let counter = match &store {
            Some(store) => Some(self.counter(store, &changes).await),
            None => None,
        };
        let spool = self.open_spool().await?;
        let greeting_store = self.greeting_store().await?;
        let service = match &store {
            Some(store) => Some(self.mailbox_service(store, &greeting_store).await?),
            None => None,
        };
        let mails = service.clone().map(|service| SentMails { service: service.build() });
        let outbox = self.outbox(mails.clone()).await?;
        let admission = Arc::new(Admission::of_node(self.address.clone(), &self.network).grace(Arc::clone(&self.grace)));
        let mailbox_service = service.map(|service| match &outbox {
            Some(outbox) => service.mail(outbox.clone(), Arc::clone(&admission)).build(),
            None => service.build(),
        });
        let room_warnings = match &store {
            Some(store) => Some(self.room_warnings(store, noted, outbox.clone()).await?),
            None => None,
        };
        let age_warnings = self.age_warnings(&current, mailbox_service.as_ref(), room_warnings.as_ref());
        let greetings = Arc::new(self.greeting_service(&current, greeting_store));
        let return_path = Arc::new(ReturnPathCheck::new(self.retry.return_path_unproven));
        let intake = self.intake(store.as_ref(), &greetings, outbox.as_ref(), &spool, &return_path, mails);
        // Another node may have been the central one when the waiting messages were recorded.
        let destination = destination(&self.address, &self.network);
        spool.set_destination(destination);
        spool.redirect().await?;
        let full = Arc::new(FullMailboxes::default());
        let (recorder, jobs) = Recorder::new(
            spool.clone(),
            store.clone(),
            Arc::clone(&full),
            Arc::clone(&self.directory),
            Arc::clone(&self.clock),
            self.events.clone(),
            self.min_free_space,
        );
        recorder.recover().await.map_err(|source| NodeError::Recover { spool: self.spool.clone(), source })?;
        Ok(Node {
            inner: Arc::new(Inner {
                admission,
                mailbox_service,
                outbox,
                steps: pipeline.clone().map(Steps::new),
                pipeline,
                destination: watch::Sender::new(Destination::new(destination)),
                adopting: Lock::default(),
                current,
                observers: self.observers,
                local: store.clone().map(|store| TimeLimited::new(StoreForwarder::new(store), STORE_TIMEOUT)),
                store,
                forwarder: self.forwarder.map(|forwarder| Arc::new(RememberFull::new(forwarder, full)) as _),
                sink: self.sink,
                lamp_lease: self.lamp_lease,
                directory: self.directory,
                clock: self.clock,
                events: self.events,
                spool,
                recorder,
                jobs: Lock::new(Some(jobs)),
                intake,
                return_path,
                greetings,
                room_warnings,
                age_warnings,
                listeners: Lock::new(self.listeners),
                changes,
                counter,
                max_lamp_updates_per_sec: self.max_lamp_updates_per_sec,
                lamp_backoff: self.retry.lamp_failed,
                shutdown_timeout: self.shutdown_timeout,
            }),
        })
    }

    /// Warns of a node that shares its mailboxes with a backup node, and would update lamps without a lease.
    fn warn_of_unshared_lamps(&self) {
        let shared = self.network.backup_node().is_some() && self.network.is_central_node(&self.address);
        if shared && self.sink.is_some() && self.lamp_lease.is_none() {
            tracing::warn!("the network has a backup node, and this node has no lamp_lease: both nodes update all lamps");
        }
    }

    /// Returns the pipeline of the steps on arrival, if there are any and a store. The store remembers arrivals from now on.
    async fn pipeline(&self) -> Result<Option<Arc<Pipeline>>, NodeError> {
        let Some(store) = self.store.as_ref().filter(|_| !self.steps.is_empty()) else { return Ok(None) };
        let mut names = BTreeSet::new();
        if let Some(twice) = self.steps.iter().map(|step| step.name()).find(|name| !names.insert(name.clone())) {
            return Err(NodeError::SameStepTwice(twice));
        }
        let pending = store.pending_arrivals().ok_or(NodeError::StepsUnsupported)?;
        pending.remember().await.map_err(NodeError::Arrivals)?;
        let jobs: Arc<dyn JobStore> = match &self.jobs {
            Some(jobs) => Arc::clone(jobs),
            None => Arc::new(FolderJobs::open(Arc::clone(&self.disk), self.spool.join("steps")).await.map_err(NodeError::Steps)?),
        };
        let (clock, events) = (Arc::clone(&self.clock), self.events.clone());
        Ok(Some(Arc::new(Pipeline::new(&self.steps, jobs, clock, events, self.retry.clone()))))
    }

    fn node_store(
        &self,
        current: &Arc<CurrentNetwork>,
        changes: &Arc<Changes>,
        pipeline: Option<Arc<Pipeline>>,
        noted: Arc<NotedMailboxes>,
    ) -> Option<Arc<dyn MessageStore>> {
        let store = self.store.clone()?;
        let clock_skew = SkewCheck::new(Arc::clone(&self.clock), self.events.clone(), self.max_clock_skew);
        let (changes, current, events) = (Arc::clone(changes), Arc::clone(current), self.events.clone());
        Some(Arc::new(NodeStore { store, clock_skew, changes, current, events, pipeline, noted }))
    }

    async fn counter(&self, store: &Arc<dyn MessageStore>, changes: &Arc<Changes>) -> Counter {
        let versions = Arc::new(Versions::new(Arc::clone(&self.disk), self.spool.clone()));
        versions.load().await;
        let (store, directory, changes) = (Arc::clone(store), Arc::clone(&self.directory), Arc::clone(changes));
        Counter::new(store, directory, changes, Arc::clone(&self.clock), versions)
    }

    async fn open_spool(&self) -> Result<Spool, SpoolError> {
        let spool = Spool::builder(self.spool.clone()).disk(Arc::clone(&self.disk)).clock(Arc::clone(&self.clock));
        spool.events(self.events.clone()).retry(self.retry.clone()).open().await
    }

    async fn outbox(&self, mails: Option<SentMails>) -> Result<Option<Outbox>, NodeError> {
        let Some(mail_out) = self.mail_out.clone() else { return Ok(None) };
        let outbox = Outbox::builder(self.spool.join("outbox"), mail_out).disk(Arc::clone(&self.disk));
        let outbox = match self.jobs.clone() {
            Some(jobs) => outbox.jobs(jobs),
            None => outbox,
        };
        let outbox = match mails {
            Some(mails) => outbox.give_up_handler(Arc::new(mails)),
            None => outbox,
        };
        let outbox = outbox.clock(Arc::clone(&self.clock)).events(self.events.clone()).retry(self.retry.clone());
        outbox.open().await.map(Some).map_err(NodeError::Outbox)
    }

    async fn room_warnings(
        &self,
        store: &Arc<dyn MessageStore>,
        noted: Arc<NotedMailboxes>,
        outbox: Option<Outbox>,
    ) -> Result<RoomWarnings, NodeError> {
        let jobs: Arc<dyn JobStore> = match &self.jobs {
            Some(jobs) => Arc::clone(jobs),
            None => Arc::new(
                FolderJobs::open(Arc::clone(&self.disk), self.spool.join("warnings")).await.map_err(NodeError::Warnings)?,
            ),
        };
        let mails = self.warned_by.clone().zip(outbox).map(|((rules, from), outbox)| WarningMails {
            rules,
            outbox,
            from,
            node: self.address.to_string(),
        });
        let (store, directory, clock) = (Arc::clone(store), Arc::clone(&self.directory), Arc::clone(&self.clock));
        Ok(RoomWarnings {
            noted,
            store,
            directory,
            jobs,
            clock,
            events: self.events.clone(),
            store_is_unlimited: AtomicBool::new(false),
            mails,
        })
    }

    /// The warnings of messages that grow too old, if owners get mails of warnings.
    fn age_warnings(
        &self,
        network: &Arc<CurrentNetwork>,
        service: Option<&MailboxService>,
        room: Option<&RoomWarnings>,
    ) -> Option<AgeWarnings> {
        let room = room?;
        Some(AgeWarnings {
            network: Arc::clone(network),
            service: service?.clone(),
            directory: Arc::clone(&self.directory),
            jobs: Arc::clone(&room.jobs),
            clock: Arc::clone(&self.clock),
            events: self.events.clone(),
            mails: room.mails.clone()?,
        })
    }

    /// Returns the service for owners, which sends no mail yet. Its folder is in the spool's, which only this process has open by now.
    async fn mailbox_service(
        &self,
        store: &Arc<dyn MessageStore>,
        greetings: &Arc<dyn GreetingStore>,
    ) -> Result<MailboxServiceBuilder, NodeError> {
        let service = MailboxService::builder(self.network.domain(), Arc::clone(store), Arc::clone(&self.directory))
            .node(self.address.as_str())
            .clock(Arc::clone(&self.clock))
            .greetings(Arc::clone(greetings));
        let service = match &self.sent {
            Some(sent) => service.sent_messages(Arc::clone(sent)),
            None if self.mail_out.is_some() => {
                let mails = SentFolder::open(Arc::clone(&self.disk), self.spool.join("sent-mails")).await;
                service.sent_mails(mails.map_err(NodeError::SentMails)?)
            }
            None => service,
        };
        Ok(match &self.lists {
            Some(lists) => service.private_lists(Arc::clone(lists)),
            None => service,
        })
    }

    /// Opens the greetings. Their folder is in the spool's, which only this process has open by now.
    async fn greeting_store(&self) -> Result<Arc<dyn GreetingStore>, NodeError> {
        if let Some(store) = &self.greetings {
            return Ok(Arc::clone(store));
        }
        let folder = GreetingFolder::open(Arc::clone(&self.disk), self.spool.join("greetings")).await;
        Ok(Arc::new(folder.map_err(NodeError::Greetings)?))
    }

    fn greeting_service(&self, current: &Arc<CurrentNetwork>, store: Arc<dyn GreetingStore>) -> GreetingService {
        GreetingService::new(
            store,
            Arc::clone(current),
            Arc::clone(&self.directory),
            Arc::clone(&self.clock),
            self.events.clone(),
            self.make_mail_out.clone(),
            self.retry.clone(),
        )
    }

    fn intake(
        &self,
        store: Option<&Arc<dyn MessageStore>>,
        greetings: &Arc<GreetingService>,
        outbox: Option<&Outbox>,
        spool: &Spool,
        return_path: &Arc<ReturnPathCheck>,
        mails: Option<SentMails>,
    ) -> Intake {
        let keeper = Arc::clone(greetings) as Arc<dyn GreetingKeeper>;
        let intake = match store {
            Some(store) => {
                Intake::builder(self.network.domain(), Arc::clone(store), Arc::clone(&self.directory)).greetings(keeper)
            }
            None => Intake::of_greetings(self.network.domain(), keeper),
        };
        let operator = self.postmaster.clone().zip(outbox.cloned());
        let postmaster = postmaster(&self.address, operator, &self.disk, self.spool.join("postmaster"), &self.clock);
        let intake = intake.node(self.address.as_str()).limits(self.limits.clone()).postmaster_by(postmaster);
        let intake = intake.clock(Arc::clone(&self.clock)).events(self.events.clone()).deposits_reported_by_store();
        let intake = match (&self.custody_secret, outbox) {
            (Some(secret), Some(outbox)) => intake.receipts(secret.clone(), outbox.clone()),
            (Some(_), None) => {
                tracing::warn!(
                    "this node has a custody_secret and no mail_out, so that it sends no receipts to nodes behind a relay"
                );
                intake
            }
            (None, Some(outbox)) => intake.delivery_reports(outbox.clone()),
            (None, None) => intake,
        };
        let reports = SpoolReports {
            spool: spool.clone(),
            key: self.custody_key.clone(),
            domain: self.network.domain().to_owned(),
            events: self.events.clone(),
            return_path: Arc::clone(return_path),
            mails,
        };
        let intake = intake.report_handler(Arc::new(reports));
        let intake = self.return_paths.clone().into_iter().fold(intake, IntakeBuilder::return_paths);
        self.tls.clone().into_iter().fold(intake, IntakeBuilder::tls).build()
    }
}

/// How long this node's own store may take for a message from the spool; then the message is tried again.
const STORE_TIMEOUT: Duration = Duration::from_secs(60);
