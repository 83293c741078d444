//! [`NodeError`].

use std::error::Error;
use std::io;
use std::path::PathBuf;

use crate::arrival::StepName;
use crate::greeting::GreetingStoreError;
use crate::jobs::JobError;
use crate::network::{EngineName, NodeAddress};
use crate::record::RecordError;
use crate::sent::SentStoreError;
use crate::spool::SpoolError;
use crate::store::StoreError;

/// An error of opening or running a node, or of adopting another network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// No PBX of the network uses a node of this address.
    #[error("no PBX of the network uses the voicemail node {0}; check the node's address, or name it in the network description")]
    NotInNetwork(NodeAddress),
    /// The node is a central one, and has no store to keep mailboxes in.
    #[error("the network makes {0} a central voicemail node, so it needs a store to keep mailboxes in")]
    NoStore(NodeAddress),
    /// The store is of another engine than the one that the network names.
    #[error(
        "the network names the engine {described}, and the store of this node is of the engine {found}; give the node the right one"
    )]
    OtherEngine {
        /// The engine in the network description.
        described: EngineName,
        /// The engine of the store.
        found: String,
    },
    /// The node forwards to the central one, and has no forwarder.
    #[error("the network makes {0} a distributed voicemail node, so it needs a forwarder to the central one")]
    NoForwarder(NodeAddress),
    /// The mailboxes' addresses would change, which a running node does not do.
    #[error("the mailboxes' domain would change from {from} to {to}; stop the node, and open it in the new network")]
    DomainChanges {
        /// The domain of the present network.
        from: String,
        /// The domain of the network that was to be adopted.
        to: String,
    },
    /// A [`NetworkObserver`](crate::network::NetworkObserver) cannot use the new network.
    #[error("a part of the node cannot use the new network")]
    ObserverRefused(#[source] Box<dyn Error + Send + Sync>),
    /// The spool could not be opened: another process has it open, or its disk failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The outbox could not be opened.
    #[error("the outbox could not be opened")]
    Outbox(#[source] JobError),
    /// Two steps on arrival have one name.
    #[error("two steps on arrival are named {0}; give each a name of its own")]
    SameStepTwice(StepName),
    /// The store cannot remember arrivals, which the steps on arrival need.
    #[error("the store does not remember arrivals, so that steps on arrival could be lost; use another store, or no steps")]
    StepsUnsupported,
    /// The arrivals that steps are to be done for could not be remembered from now on.
    #[error("the store cannot remember arrivals now")]
    Arrivals(#[source] StoreError),
    /// The folder of the steps that failed could not be opened.
    #[error("the steps on arrival that wait could not be read")]
    Steps(#[source] JobError),
    /// The folder of the warnings of owners could not be opened.
    #[error("the warnings of owners could not be read")]
    Warnings(#[source] JobError),
    /// The folder by which mails to other voicemail systems are followed could not be opened.
    #[error("the mails to other voicemail systems could not be read")]
    SentMails(#[source] SentStoreError),
    /// The greetings beside the spool could not be opened.
    #[error(transparent)]
    Greetings(GreetingStoreError),
    /// Recordings that a crash had cut off could not be recovered.
    #[error("recordings in the spool {spool} that a crash had cut off could not be recovered")]
    Recover {
        /// The spool's folder.
        spool: PathBuf,
        /// The error of the first of them.
        #[source]
        source: RecordError,
    },
    /// The node runs already, or has run.
    #[error("the node {0} runs already, or has run; open another one to run again")]
    RunsAlready(NodeAddress),
    /// A listener cannot serve with its settings.
    #[error("the listener at {listener} cannot serve")]
    Intake {
        /// The listener's address and port, or the path of its socket.
        listener: String,
        /// The error of the listener.
        #[source]
        source: io::Error,
    },
}
