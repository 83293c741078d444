//! [`IntakeBuilder`]: the options of an intake.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::Semaphore;
use tokio_rustls::{TlsAcceptor, rustls};

use super::Intake;
use super::connection_slots::{ConnectionSlots, within_descriptors};
use super::context::{IntakeContext, Mailboxes};
use super::login_attempts::LoginAttempts;
use super::postmaster::Postmaster;
#[cfg(feature = "fs")]
use super::postmaster::PostmasterFolder;
#[cfg(feature = "node")]
use super::receipts::Receipts;
use super::report_handler::ReportHandler;
use super::tls_pem::{TlsPemError, server_config};
use crate::clock::{Clock, SystemClock};
use crate::descriptors::descriptor_limit;
use crate::event::Events;
use crate::greeting::GreetingKeeper;
use crate::lock::Lock;
use crate::message::MessageId;
use crate::retry::now;
use crate::smtp::ReturnPaths;
use crate::smtp::server::{Access, Dialogue, Limits, Policy, Protocol};

/// Builds an [`Intake`]; made by [`Intake::builder`].
#[derive(Debug)]
#[must_use]
pub struct IntakeBuilder {
    domain: String,
    mailboxes: Option<Mailboxes>,
    pub(super) keeper: Option<Arc<dyn GreetingKeeper>>,
    node: Option<String>,
    postmaster: Option<Arc<dyn Postmaster>>,
    pub(super) return_paths: Option<ReturnPaths>,
    pub(super) report_handler: Option<Arc<dyn ReportHandler>>,
    #[cfg(feature = "node")]
    pub(super) receipts: Option<Receipts>,
    tls: Option<Arc<rustls::ServerConfig>>,
    offers_binary: bool,
    limits: Limits,
    events: Events,
    deposit_reporter: DepositReporter,
    clock: Arc<dyn Clock>,
}

/// The part that reports deposits as events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DepositReporter {
    Intake,
    #[cfg(feature = "node")]
    Store,
}

impl IntakeBuilder {
    pub(super) fn new(domain: String, mailboxes: Option<Mailboxes>) -> Self {
        Self {
            domain,
            mailboxes,
            keeper: None,
            node: None,
            postmaster: None,
            return_paths: None,
            report_handler: None,
            #[cfg(feature = "node")]
            receipts: None,
            tls: None,
            offers_binary: false,
            limits: Limits::default(),
            events: Events::new(),
            deposit_reporter: DepositReporter::Intake,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the host name of the node, for its greeting and its `Received` lines; the domain by default.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// Keeps mail to the postmaster, of any form, in `folder`: `<postmaster>`, and `postmaster` at the domain or at the node. Without a
    /// folder such mail is refused, and the reply says why.
    ///
    /// 250 means that the mail is on stable storage; [`Event::PostmasterMail`](crate::event::Event::PostmasterMail) names its file.
    ///
    /// # Source
    ///
    /// RFC 5321 §4.5.1 requires every receiver to have a postmaster.
    #[cfg(feature = "fs")]
    pub fn postmaster(self, folder: PostmasterFolder) -> Self {
        self.postmaster_by(Arc::new(folder))
    }

    /// Hands mail for the postmaster to this part.
    #[cfg(feature = "fs")]
    pub(crate) fn postmaster_by(mut self, postmaster: Arc<dyn Postmaster>) -> Self {
        self.postmaster = Some(postmaster);
        self
    }

    /// Sets the TLS configuration, with the certificate of the node; without it, TLS is not offered.
    ///
    /// For a certificate alone, [`tls_pem`](Self::tls_pem) is easier; for client certificates or other rules, this is needed.
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Offers TLS with this certificate and its private key, both in PEM. Clients are asked for no certificate.
    ///
    /// `cert_chain_pem` has the certificate of the node first, then those of its issuers, without the root. `key_pem` has the key of that
    /// certificate, not encrypted. It replaces an earlier [`tls`](Self::tls).
    ///
    /// # Errors
    ///
    /// A [`TlsPemError`] that says which of the two texts is wrong, and how to correct it. It contains nothing of the key.
    pub fn tls_pem(self, cert_chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsPemError> {
        Ok(self.tls(server_config(cert_chain_pem, key_pem)?))
    }

    /// Accepts binary bodies too (BINARYMIME), which are a quarter smaller on the wire.
    ///
    /// Mail is stored as it came, so this is for stores whose readers all accept binary mail. The Maildirs of
    /// [`MaildirStore`](crate::store::MaildirStore) are no such store: an IMAP server changes line ends in the mails that it reads there.
    ///
    /// # Source
    ///
    /// RFC 3030 §3.
    pub fn binary_bodies(mut self) -> Self {
        self.offers_binary = true;
        self
    }

    /// Sets the limits on the resources of peers; [`Limits::default`] by default.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets where events are reported, such as [`Event::Stored`](crate::event::Event::Stored) and
    /// [`Event::Duplicate`](crate::event::Event::Duplicate).
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// The store reports each deposit itself.
    #[cfg(feature = "node")]
    pub(crate) fn deposits_reported_by_store(self) -> Self {
        Self { deposit_reporter: DepositReporter::Store, ..self }
    }

    /// Sets the clock for the dates of `Received` lines; the operating system's by default.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds the intake. In its host names, each character that no host name has becomes a hyphen.
    pub fn build(self) -> Intake {
        let limits = self.limits.bounded();
        let files = descriptor_limit();
        let (connections, of_one_address) = within_descriptors(limits.connections, limits.connections_per_address, files);
        if connections < limits.connections {
            tracing::info!(
                connections,
                files,
                "fewer connections than configured are allowed, because the process may not open enough files"
            );
        }
        let domain = host_name(&self.domain);
        let context = IntakeContext {
            attempts: Lock::new(LoginAttempts::new(limits.failed_logins, limits.failed_login_time)),
            checks: Semaphore::new(CHECKS_AT_ONCE),
            readers: Semaphore::new(READERS_AT_ONCE),
            slots: Arc::new(ConnectionSlots::new(connections, of_one_address, now())),
            memory: Arc::new(Semaphore::new((limits.bodies_in_flight / Dialogue::MEMORY_STEP).clamp(1, Semaphore::MAX_PERMITS))),
            policy: Arc::new(Policy {
                node: self.node.as_deref().map_or_else(|| domain.clone(), host_name),
                domain,
                protocol: Protocol::Smtp,
                has_postmaster: self.postmaster.is_some(),
                offers_tls: self.tls.is_some(),
                offers_binary: self.offers_binary,
                #[cfg(feature = "node")]
                offers_reports: self.receipts.is_some() && self.mailboxes.is_some(),
                #[cfg(not(feature = "node"))]
                offers_reports: false,
                is_final: self.mailboxes.is_some(),
                limits,
                access: Access::default(),
            }),
            mailboxes: self.mailboxes,
            keeper: self.keeper,
            postmaster: self.postmaster,
            return_paths: self.return_paths,
            report_handler: self.report_handler,
            #[cfg(feature = "node")]
            receipts: self.receipts,
            clock: self.clock,
            deposits: (self.deposit_reporter == DepositReporter::Intake).then(|| self.events.clone()),
            events: self.events,
            tls: self.tls.map(TlsAcceptor::from),
            sessions: AtomicU64::new(random_number()),
        };
        Intake { context: Arc::new(context) }
    }
}

fn host_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_[]:".contains(c) { c } else { '-' }).collect()
}

/// Returns a random first session number, so that two runs of a node do not use the same numbers.
fn random_number() -> u64 {
    MessageId::random().as_bytes().iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// How many passwords are checked at the same time: a flood of logins uses no more threads than this.
const CHECKS_AT_ONCE: usize = 2;

/// How many long messages are parsed at the same time: each uses up to 2 MiB and one processor.
const READERS_AT_ONCE: usize = 8;
